//! The watched folder: nothing is lost, nothing is handed out half or twice.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sinew_contract::{Device, ErrorKind, Reading};
use sinew_drivers::{FolderDevice, open};
use tempfile::TempDir;

use crate::common::{START, folder, world};

fn dock(folder: &TempDir) -> Arc<FolderDevice> {
    let file = json!({"id": "dock-1", "driver": "folder", "path": "inbox", "poll": "5ms"});
    let opened = open(&file, &world(1, folder.path()).surroundings).expect("the folder opens");
    let dock = opened.folder.expect("a folder");
    dock.prepare().expect("the folder is made");
    dock
}

fn put(dock: &FolderDevice, name: &str, bytes: &[u8]) {
    fs::write(dock.path().join(name), bytes).expect("a file is put");
}

async fn next(dock: &FolderDevice) -> Reading {
    tokio::time::timeout(Duration::from_secs(10), dock.listen()).await.expect("in time").expect("a reading")
}

/// Says that nothing comes for a while: many looks of this folder.
async fn is_quiet(dock: &FolderDevice) -> bool {
    tokio::time::timeout(Duration::from_millis(100), dock.listen()).await.is_err()
}

#[test]
fn looking_at_a_deployment_leaves_nothing_behind() {
    let folder = folder();
    let file = json!({"id": "dock-1", "driver": "folder", "path": "inbox"});
    open(&file, &world(1, folder.path()).surroundings).expect("the folder opens");
    assert!(!folder.path().join("inbox").exists());
}

#[tokio::test]
async fn a_picture_is_handed_out_once_and_moved_only_when_it_is_acknowledged() {
    let folder = folder();
    let dock = dock(&folder);
    put(&dock, "a.jpg", b"picture");
    let reading = next(&dock).await;
    let expected = Reading {
        device: "dock-1".parse().expect("a device's name"),
        at: START,
        media_type: "image/jpeg".to_owned(),
        body: "picture".into(),
        name: Some("a.jpg".to_owned()),
    };
    assert_eq!(reading, expected);
    assert!(is_quiet(&dock).await, "handed out once");
    assert!(dock.path().join("a.jpg").is_file(), "not yet acknowledged");
    dock.acknowledge("a.jpg").await.expect("it is moved");
    assert!(!dock.path().join("a.jpg").exists() && dock.path().join("done/a.jpg").is_file());
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_after_a_restart() {
    let folder = folder();
    let first = dock(&folder);
    put(&first, "a.png", b"a");
    assert_eq!(next(&first).await.media_type, "image/png");
    drop(first);
    let second = dock(&folder);
    assert_eq!(next(&second).await.name.as_deref(), Some("a.png"));
    second.acknowledge("a.png").await.expect("it is moved");
    assert!(is_quiet(&dock(&folder)).await);
}

#[tokio::test]
async fn only_pictures_are_handed_out_in_the_order_in_which_they_came() {
    let folder = folder();
    let dock = dock(&folder);
    for (name, seconds) in
        [("z.jpg", 1), ("a.JPEG", 2), ("m.png", 3), (".hidden.jpg", 0), ("b.jpg.part", 0), ("n.txt", 0)]
    {
        put(&dock, name, name.as_bytes());
        let file = fs::File::options().append(true).open(dock.path().join(name)).expect("the file is there");
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000 + seconds)).expect("its time is set");
    }
    fs::create_dir(dock.path().join("folder.jpg")).expect("a folder named like a picture");
    std::os::unix::fs::symlink("/etc/hostname", dock.path().join("link.jpg")).expect("a link");
    let mut names = Vec::new();
    for _ in 0..3 {
        names.extend(next(&dock).await.name);
    }
    assert_eq!(names, ["z.jpg", "a.JPEG", "m.png"]);
    assert!(is_quiet(&dock).await);
}

#[tokio::test]
async fn a_name_leads_nowhere_but_to_what_was_handed_out() {
    let folder = folder();
    let dock = dock(&folder);
    put(&dock, "a.jpg", b"a");
    for name in ["a.jpg", "../a.jpg", "/etc/passwd", "", "done"] {
        let found = dock.acknowledge(name).await.map_err(|failure| failure.kind());
        assert_eq!(found, Err(ErrorKind::Missing), "{name}");
    }
    assert_eq!(next(&dock).await.name.as_deref(), Some("a.jpg"));
}

#[tokio::test]
async fn a_second_file_of_the_same_name_overwrites_no_first_one() {
    let folder = folder();
    let dock = dock(&folder);
    for body in [b"first", b"other"] {
        put(&dock, "a.jpg", body);
        assert_eq!(next(&dock).await.body, body.as_slice());
        dock.acknowledge("a.jpg").await.expect("it is moved");
    }
    let read = |name: &str| fs::read(dock.path().join(name)).expect("a moved file");
    assert_eq!(
        (read("done/a.jpg").as_slice(), read("done/a-1.jpg").as_slice()),
        (b"first".as_slice(), b"other".as_slice())
    );
}

#[tokio::test]
async fn what_is_no_use_is_set_aside() {
    let folder = folder();
    let dock = dock(&folder);
    put(&dock, "a.jpg", b"");
    assert_eq!(next(&dock).await.body.len(), 0, "an empty file is somebody's to judge, not ours");
    dock.set_aside("a.jpg").await.expect("it is moved");
    assert!(dock.path().join("rejected/a.jpg").is_file());
    let large = fs::File::create(dock.path().join("large.jpg")).expect("a file");
    large.set_len((64 << 20) + 1).expect("a sparse file");
    assert!(is_quiet(&dock).await, "too large to hand out");
    assert!(dock.path().join("rejected/large.jpg").is_file(), "and not lost");
}

#[tokio::test]
async fn a_folder_can_neither_be_asked_nor_told() {
    let folder = folder();
    let dock = dock(&folder);
    let world = world(1, folder.path());
    let asked = dock.read(&json!({}), &json!({}), world.deadline()).await.map_err(|failure| failure.kind());
    let told = dock.write(&world.refund()).await.map_err(|failure| failure.kind());
    assert_eq!((asked, told), (Err(ErrorKind::Invalid), Err(ErrorKind::Invalid)));
}
