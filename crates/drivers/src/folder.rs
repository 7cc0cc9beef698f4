//! A watched folder as a device: each picture that appears in it is one reading.
//!
//! Decodes nothing. A file stays where it is until [`FolderDevice::acknowledge`] moves it to `done/`, which the listener
//! calls once the event stands in the journal; so a crash loses nothing, it only hands the file out again. A file that is
//! still being written is waited for: its length and time must stay the same from one look to the next.
//!
//! ```text
//! inbox/x.jpg -> listen() -> Reading -> (journaled) -> acknowledge("x.jpg") -> inbox/done/x.jpg
//!                                       (no use)    -> set_aside("x.jpg")   -> inbox/rejected/x.jpg
//! ```

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;
use sinew_contract::{Clock, Command, Deadline, Device, DeviceId, ErrorKind, Failure, Reading, Reply};

use crate::open::{OpenError, Opened};
use crate::surroundings::Surroundings;

const DONE: &str = "done";
const REJECTED: &str = "rejected";
// 64 MiB: twice the largest photograph that a phone makes; more is read by nobody here and is set aside.
const FILE_LEN_MAX: u64 = 64 << 20;

/// One file of `devices/` with `driver = "folder"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FolderConfig {
    /// The device's name.
    pub id: DeviceId,
    /// Always `folder`.
    pub driver: String,
    /// The folder; relative to the data directory. It is made where it does not exist.
    pub path: PathBuf,
    /// How often to look, as in `"250ms"`. Default 250 ms. A file is taken after two looks that agree.
    #[serde(default = "default_poll")]
    pub poll: SignedDuration,
}

const fn default_poll() -> SignedDuration {
    SignedDuration::from_millis(250)
}

/// What a look at a file saw; the same twice means that nobody writes to it any more.
type Look = (u64, Option<SystemTime>);

#[derive(Debug, Default)]
struct Seen {
    /// The last look at each file that was not handed out.
    looks: HashMap<String, Look>,
    /// Handed out, and not yet moved away.
    handed: HashSet<String>,
    /// Could not be read; said once.
    unreadable: HashSet<String>,
}

impl Seen {
    /// Passes the bytes on; a file that cannot be read is told of once, and left for the next look.
    fn judge(&mut self, name: String, read: io::Result<Option<Bytes>>) -> Option<(String, Bytes)> {
        match read {
            Ok(bytes) => {
                self.unreadable.remove(&name);
                bytes.map(|bytes| (name, bytes))
            }
            Err(error) => {
                if self.unreadable.insert(name.clone()) {
                    tracing::warn!(file = name, %error, "a file cannot be read and is left where it is");
                }
                None
            }
        }
    }
}

/// A folder into which somebody puts pictures.
pub struct FolderDevice {
    id: DeviceId,
    path: PathBuf,
    poll: Duration,
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<Seen>>,
}

/// Opens a device whose file says `driver = "folder"`. Makes nothing yet: see [`FolderDevice::prepare`].
///
/// # Errors
/// `Config` for a wrong field.
pub fn open_device(file: &Value, surroundings: &Surroundings) -> Result<Opened, OpenError> {
    let config = FolderConfig::deserialize(file).map_err(|error| OpenError::config(error.to_string()))?;
    let folder = Arc::new(FolderDevice::open(&config, surroundings)?);
    Ok(Opened { device: folder.clone(), folder: Some(folder), mqtt: None })
}

impl FolderDevice {
    /// Checks its settings; touches no disk, so that a deployment can be looked at without leaving anything behind.
    ///
    /// # Errors
    /// `Config` for a poll interval of nothing.
    pub fn open(config: &FolderConfig, surroundings: &Surroundings) -> Result<Self, OpenError> {
        let poll = Duration::try_from(config.poll).ok().filter(|poll| !poll.is_zero());
        let poll = poll.ok_or_else(|| OpenError::config("`poll` must be more than nothing, as in \"250ms\""))?;
        let path = surroundings.data_dir.join(&config.path);
        let (id, clock) = (config.id.clone(), surroundings.clock.clone());
        Ok(Self { id, path, poll, clock, seen: Arc::default() })
    }

    /// Makes the folder, and those inside it for what was taken and what was set aside, where they are missing. Call it
    /// before listening; twice is harmless.
    ///
    /// # Errors
    /// `Folder` where one cannot be made.
    pub fn prepare(&self) -> Result<(), OpenError> {
        for folder in [self.path.join(DONE), self.path.join(REJECTED)] {
            fs::create_dir_all(&folder)
                .map_err(|source| OpenError::Folder { path: folder.display().to_string(), source })?;
        }
        Ok(())
    }

    /// The folder that is watched.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a file that was handed out to `done/`. Call it once its event stands in the journal.
    ///
    /// After a crash the file is in one place or the other; where it is still in the folder, it is handed out again.
    ///
    /// # Errors
    /// `Missing` for a name that is not handed out (any more), which changes nothing; `Broken` where the file cannot be moved.
    pub async fn acknowledge(&self, name: &str) -> Result<(), Failure> {
        self.move_to(DONE, name).await
    }

    /// Moves a file that was handed out to `rejected/`, because nothing can be made of it.
    ///
    /// # Errors
    /// As `acknowledge`.
    pub async fn set_aside(&self, name: &str) -> Result<(), Failure> {
        self.move_to(REJECTED, name).await
    }

    async fn move_to(&self, folder: &'static str, name: &str) -> Result<(), Failure> {
        // Only a name that we gave out leads anywhere, so no name leads out of the folder.
        if !self.with_seen(|seen| seen.handed.contains(name)) {
            return Err(Failure::new(ErrorKind::Missing, format!("file `{name}` was not handed out by `{}`", self.id)));
        }
        let (root, file) = (self.path.clone(), name.to_owned());
        let moved = blocking(move || move_file(&root, folder, &file)).await?;
        let broken = || Failure::new(ErrorKind::Broken, format!("cannot move `{name}` to `{folder}`"));
        moved.map_err(|error| broken().caused_by(error))?;
        self.with_seen(|seen| seen.handed.remove(name));
        Ok(())
    }

    fn with_seen<T>(&self, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One look at the folder: the first file that is ready, with its bytes.
    async fn look(&self) -> Result<Option<(String, Bytes)>, Failure> {
        let (root, seen) = (self.path.clone(), self.seen.clone());
        let found = blocking(move || {
            let lock = || seen.lock().unwrap_or_else(PoisonError::into_inner);
            let ready = ready_files(&root, &mut lock())?;
            let mut files = ready.into_iter().map(|name| (take(&root, &name), name));
            Ok::<_, io::Error>(files.find_map(|(read, name)| lock().judge(name, read)))
        });
        let broken = || Failure::new(ErrorKind::Broken, format!("cannot read the folder `{}`", self.path.display()));
        found.await?.map_err(|error| broken().caused_by(error))
    }
}

#[async_trait]
impl Device for FolderDevice {
    fn id(&self) -> &DeviceId {
        &self.id
    }

    fn check(&self, _operation: &Value) -> Result<(), Failure> {
        Err(self.only_speaks())
    }

    async fn read(&self, _operation: &Value, _args: &Value, _deadline: Deadline) -> Result<Value, Failure> {
        Err(self.only_speaks())
    }

    async fn write(&self, _command: &Command) -> Result<Reply, Failure> {
        Err(self.only_speaks())
    }

    /// Waits for the next picture; its name is the file's. Each file is handed out once for as long as this device lives.
    async fn listen(&self) -> Result<Reading, Failure> {
        loop {
            if let Some((name, body)) = self.look().await?
                && self.with_seen(|seen| seen.handed.insert(name.clone()))
            {
                let media_type = media_type(&name).unwrap_or("application/octet-stream").to_owned();
                let at = self.clock.now().wall;
                return Ok(Reading { device: self.id.clone(), at, media_type, body, name: Some(name) });
            }
            tokio::time::sleep(self.poll).await;
        }
    }
}

impl FolderDevice {
    fn only_speaks(&self) -> Failure {
        let problem =
            format!("device `{}` is a folder: it hands out pictures and can neither be asked nor told", self.id);
        Failure::new(ErrorKind::Invalid, problem)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Failure::new(ErrorKind::Broken, "the look at a folder was cut off").caused_by(error))
}

/// The media type of a picture by its name; none for what is no picture, hidden, or a download under way.
fn media_type(name: &str) -> Option<&'static str> {
    if name.starts_with('.') {
        return None;
    }
    match Path::new(name).extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some("image/jpeg"),
        "png" => Some("image/png"),
        _ => None,
    }
}

/// The files that look as they did at the look before, oldest first; all looks are kept for the next time.
fn ready_files(root: &Path, seen: &mut Seen) -> io::Result<Vec<String>> {
    let mut looks = HashMap::new();
    for entry in fs::read_dir(root)? {
        // A file that vanishes between listing and look is somebody else's; the next look tells.
        if let Ok(entry) = entry
            && let Some((name, look)) = look_at(&entry)
        {
            looks.insert(name, look);
        }
    }
    seen.handed.retain(|name| looks.contains_key(name));
    let same = |name: &String, look: &Look| seen.looks.get(name) == Some(look) && !seen.handed.contains(name);
    let mut ready: Vec<_> = looks.iter().filter(|(name, look)| same(name, look)).collect();
    ready.sort_by_key(|(name, look)| (look.1, *name));
    let ready = ready.into_iter().map(|(name, _)| name.clone()).collect();
    seen.looks = looks;
    Ok(ready)
}

/// Links are not followed: a link could hand out a file that nobody put here.
fn look_at(entry: &fs::DirEntry) -> Option<(String, Look)> {
    let name = entry.file_name().into_string().ok().filter(|name| media_type(name).is_some())?;
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    Some((name, (metadata.len(), metadata.modified().ok())))
}

/// The bytes of a file; none where it was too large and is set aside.
fn take(root: &Path, name: &str) -> io::Result<Option<Bytes>> {
    let path = root.join(name);
    let len = fs::metadata(&path)?.len();
    if len > FILE_LEN_MAX {
        tracing::warn!(file = name, len, "a file is too large and is set aside");
        return move_file(root, REJECTED, name).map(|()| None);
    }
    fs::read(&path).map(|bytes| Some(bytes.into()))
}

/// Moves a file without ever overwriting one; a file that is already gone was moved before.
fn move_file(root: &Path, folder: &str, name: &str) -> io::Result<()> {
    let target = (0..1000).map(|n| root.join(folder).join(numbered(name, n))).find(|path| !path.exists());
    let target = target.ok_or_else(|| io::Error::other("a thousand files have this name already"))?;
    match fs::rename(root.join(name), target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

/// `x.jpg`, `x-1.jpg`, `x-2.jpg`, …
fn numbered(name: &str, n: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if n > 0 => format!("{stem}-{n}.{extension}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_ready_only_when_two_looks_agree() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut seen = Seen::default();
        let write = |text: &str| fs::write(folder.path().join("a.jpg"), text).expect("it is written");
        let mut look = || ready_files(folder.path(), &mut seen).expect("the folder can be read");
        write("a");
        assert!(look().is_empty(), "seen for the first time");
        write("ab");
        assert!(look().is_empty(), "it has grown");
        write("abc");
        assert!(look().is_empty(), "it has grown again");
        assert_eq!(look(), ["a.jpg"], "it stands still");
    }

    #[test]
    fn pictures_are_known_by_their_names() {
        let rows = [
            ("a.jpg", Some("image/jpeg")),
            ("A.JPEG", Some("image/jpeg")),
            ("a.b.png", Some("image/png")),
            (".a.jpg", None),
            ("a.jpg.part", None),
            ("jpg", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
