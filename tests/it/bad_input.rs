//! Bad input: each gets a clear error or an honest verdict, and nothing is lost afterwards.

use std::path::Path;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::stage::{PATIENCE, Stage, at_rest, edit, refused};
use crate::support::{self, Hub, Launch, Story, deep, sample, sinew, text, until};

/// CRC-32 as PNG has it (ISO 3309), bit by bit: a test has time.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [kind.as_slice(), body].concat();
    let len = u32::try_from(body.len()).expect("a small chunk").to_be_bytes();
    [len.as_slice(), &named, &crc(&named).to_be_bytes()].concat()
}

/// The beginning of a grey PNG of this size (PNG, third edition, section 11.2.1).
fn png(width: u32, height: u32) -> Vec<u8> {
    let header = [width.to_be_bytes().as_slice(), &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(b"IHDR", &header)].concat()
}

fn good() -> Vec<u8> {
    std::fs::read(sample("02-code128.jpg")).expect("the sample is there")
}

async fn post_form(hub: &Hub, form: Form) -> (u16, Value) {
    let request = support::http().post(format!("{}/v1/scans", hub.url)).multipart(form);
    hub.send(request, "ana").await.expect("the hub answers")
}

#[tokio::test]
async fn what_is_no_picture_is_told_clearly() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let cut_png = [png(200, 100), b"\x00\x00\x27\x10IDAT\x78\x9c\x01".to_vec()].concat();
    let bomb = [png(60_000, 60_000), chunk(b"IDAT", b"\x78\x9c\x03\x00\x00\x00\x00\x01"), chunk(b"IEND", b"")].concat();
    let mut cut_jpeg = good();
    cut_jpeg.truncate(300);
    let rows = [
        ("note.jpg", b"not an image".to_vec(), 400, "not a picture that can be read"),
        ("empty.jpg", Vec::new(), 400, "is empty"),
        ("cut.png", cut_png, 400, "the picture is cut off after"),
        ("cut.jpg", cut_jpeg, 400, "the picture is damaged and cannot be decoded"),
        ("bomb.png", bomb, 400, "claims `60000x60000` pixels"),
        ("large.jpg", vec![0xff; 50_000_000], 413, "at most 25 MB"),
    ];
    for (name, bytes, status, says) in rows {
        let begun = std::time::Instant::now();
        let (got, problem) = hub.scan(name, bytes, None).await.expect("the hub answers");
        assert_eq!(got, status, "{name}: {problem}");
        assert!(text(&problem, "detail").contains(says), "{name}: {problem}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{name} took {:?}", begun.elapsed());
    }
    let (_, runs) = hub.get("/v1/runs").await.expect("the hub answers");
    assert_eq!(runs, json!([]), "what was not taken starts nothing");
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn a_form_that_is_wrong_is_told_what_to_send() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let wrong = Form::new().part("picture", Part::bytes(good()).file_name("a.jpg"));
    let (status, problem) = post_form(&hub, wrong).await;
    assert_eq!(
        (status, text(&problem, "detail")),
        (400, "send `multipart/form-data` with the picture in the field `image`")
    );
    let (status, problem) = hub.post("/v1/scans", &json!({ "image": "…" })).await.expect("the hub answers");
    assert_eq!(
        (status, text(&problem, "detail")),
        (400, "send `multipart/form-data` with the picture in the field `image`")
    );
    let body = "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.jpg\"\r\n\r\nbroken off";
    let broken = support::http().post(format!("{}/v1/scans", hub.url)).body(body);
    let broken = broken.header("content-type", "multipart/form-data; boundary=x");
    let (status, problem) = hub.send(broken, "ana").await.expect("the hub answers");
    assert_eq!(status, 400, "{problem}");
    assert!(text(&problem, "detail").contains("broke off or is not well formed"), "{problem}");
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn a_code_that_nobody_knows_goes_to_a_person() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let run = stage.scan(&hub, "09-unknown-product.jpg").await;
    assert_eq!(text(&run, "status"), "waiting", "{run}");
    let (_, gate) = hub.get(&format!("/v1/gates/{}", text(&run, "gate"))).await.expect("the hub answers");
    assert!(gate["evidence"].to_string().contains("2999999999991"), "the card names the code: {gate}");
    let (status, said) = hub.answer(text(&run, "gate"), "refuse").await.expect("the hub answers");
    assert_eq!(status, 200, "{said}");
    let ended = until("the run's end", PATIENCE, async || {
        let (_, run) = hub.get(&format!("/v1/runs/{}", text(&run, "run"))).await.expect("the hub answers");
        (text(&run, "status") == "completed").then_some(run)
    });
    assert_eq!(ended.await["output"]["outcome"], "refused");
    assert_eq!(stage.shop.ledger().await, Vec::<Value>::new(), "nothing was done at the shop");
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn a_shop_that_is_down_for_a_while_loses_nothing() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    stage.shop.set(&json!({ "down": true })).await;
    let (status, taken) = hub.scan("02-code128.jpg", good(), Some("while-down")).await.expect("the hub answers");
    assert_eq!((status, text(&taken, "verdict")), (201, "read"), "{taken}");
    // The outage itself, not a wait for something.
    tokio::time::sleep(Duration::from_secs(if deep() { 120 } else { 6 })).await;
    assert_eq!(stage.shop.ledger().await.len(), 0, "the shop was down");
    let (_, health) = hub.get("/v1/health").await.expect("the hub answers");
    assert_eq!(health["runs_open"], 1, "the run waits for the shop: {health}");
    stage.shop.calm().await;
    let ended = until("the run's end", Duration::from_secs(180), async || {
        let (_, scan) = hub.get(&format!("/v1/scans/{}", taken["seq"])).await.expect("the hub answers");
        let (_, run) = hub.get(&format!("/v1/runs/{}", scan["run"].as_str()?)).await.expect("the hub answers");
        (text(&run, "status") != "running").then_some(run)
    })
    .await;
    assert_eq!(ended["output"]["outcome"], "refunded", "{ended}");
    assert_eq!(stage.refunds("RMA-100002").await, 1);
    stage.is_whole(hub).await;
}

/// A broken file of a deployment: where, what is put in the place of what, and what is said of it.
type Broken = (&'static str, &'static str, &'static str, &'static [&'static str]);

const BROKEN: &[Broken] = &[
    ("sinew.toml", "agent =", "agnet =", &["sinew.toml", "line 3, column 1", "unknown field `agnet`", "`agent`"]),
    ("sinew.toml", "ean-13", "ean-14", &["`scan.formats` in sinew.toml", "`ean-14`", "`ean-13`"]),
    ("sinew.toml", "role = \"returns-lead\"", "role = \"chief\"", &["`chief`", "nobody in people.toml"]),
    ("sinew.toml", "return-clerk", "nobody", &["the agent `nobody`", "agents/"]),
    ("people.toml", "\"ben\"", "\"Ben Bauer\"", &["`Ben Bauer` cannot be a person's name"]),
    ("people.toml", "\"ben\"", "\"ana\"", &["`ana` stands twice"]),
    ("policies/returns.cedar", "permit (\n", "permitt (\n", &["returns.cedar:6:1:", "permitt"]),
    (
        "capabilities/shop.refund.toml",
        "class = \"compensable\"",
        "class = \"sometimes\"",
        &["shop.refund.toml:", "`sometimes`", "`compensable`"],
    ),
    ("devices/shop.toml", "base =", "bass =", &["devices/shop.toml", "unknown field `bass`"]),
    (
        "devices/dock-1.toml",
        "driver = \"folder\"",
        "driver = \"floppy\"",
        &["devices/dock-1.toml", "no driver `floppy`"],
    ),
    ("rules/return-decision.toml", "name =", "name", &["return-decision.toml"]),
];

#[tokio::test]
async fn a_broken_file_of_a_deployment_is_named_and_nothing_is_started() {
    let stage = Stage::set().await;
    for (file, from, to, says) in BROKEN {
        let deployment = stage.changed(|folder| edit(&folder.join(file), from, to));
        let (code, said) = refused(&Launch { deployment, ..stage.launch() }).await;
        let said = last_error(&said);
        assert_eq!(code, Some(3), "{file}, {to}: {said}");
        for word in *says {
            assert!(said.contains(word), "{file}, {to}: `{word}` is missing in: {said}");
        }
    }
    assert!(!stage.data().join("journal/00000000000000000001.seg").exists(), "no log was begun");
    stage.is_whole(stage.up().await).await;
}

/// What the last line of a hub that was started with `--json` says, with its causes.
fn last_error(stderr: &str) -> String {
    let line = stderr.lines().last().unwrap_or_default();
    let said: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("the last line is JSON: {stderr}"));
    let causes = said["causes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    std::iter::once(text(&said, "error")).chain(causes).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_broken_playbook_is_told_with_line_column_and_mend() {
    let stage = Stage::set().await;
    // The change begins so many lines below the first line of what is replaced.
    let rows = [
        ("call: http", "call: htttp", 0, "13: error [unknown-function] there is no function `htttp`"),
        (
            "rules: return-decision",
            "rules: return-decisions",
            0,
            "9: error [unknown-name] there is no decision table `return-decisions`; did you mean `return-decision`?",
        ),
        ("do:\n  - keepScan:", "do:\n\t- keepScan:", 1, "2: error [yaml] tabs disallowed"),
    ];
    let name = "playbooks/return-intake.yaml";
    for (from, to, below, says) in rows {
        let text = std::fs::read_to_string(support::deployment().join(name)).expect("the playbook is there");
        let Some(at) = text.find(from) else { panic!("the playbook has `{from}`") };
        let says = format!("return-intake.yaml:{}:{says}", text[..at].matches('\n').count() + 1 + below);
        let deployment = stage.changed(|folder| edit(&folder.join(name), from, to));
        let check = sinew(["playbook".as_ref(), "check".as_ref(), deployment.as_os_str()]).await;
        assert_eq!(check.code, Some(3), "{check:?}");
        assert!(check.stdout.contains(&says), "`{says}` is missing: {check:?}");
        assert!(!deployment.join("data").exists(), "checking leaves nothing behind");
        let (code, said) = refused(&Launch { deployment, ..stage.launch() }).await;
        assert_eq!(code, Some(3), "{said}");
        assert!(last_error(&said).contains(&says), "`{says}` is missing: {said}");
    }
    assert!(!stage.data().exists(), "nothing was started");
}

#[tokio::test]
async fn a_folder_that_is_no_deployment_is_told() {
    let stage = Stage::set().await;
    let nowhere = stage.folder.path().join("nowhere");
    let (code, said) = refused(&Launch { deployment: nowhere, ..stage.launch() }).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(last_error(&said).contains("nowhere/sinew.toml`; a deployment is a folder with a sinew.toml"), "{said}");
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let stage = Stage::set().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let mut launch = stage.launch();
    launch.args[1].clone_from(&address);
    let (code, said) = refused(&launch).await;
    assert_eq!(code, Some(1), "{said}");
    let said = last_error(&said);
    assert!(said.contains(&format!("cannot listen at {address}; is another one running?")), "{said}");
    drop(taken);
    stage.is_whole(stage.up().await).await;
}

#[tokio::test]
async fn the_world_is_let_in_only_where_somebody_has_a_token() {
    let stage = Stage::set().await;
    let mut launch = stage.launch();
    launch.args[1] = "0.0.0.0:0".to_owned();
    let (code, said) = refused(&launch).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(last_error(&said).contains("`0.0.0.0:0` can be reached from outside, and nobody has a token"), "{said}");
    let deployment = support::deployment();
    let token = stage.sinew(&["people", "token", "ben", "--deployment", &deployment.display().to_string()]).await;
    assert_eq!(token.code, Some(0), "{token:?}");
    let mut hub = launch.start().await.expect("ben has a token");
    hub.url = hub.url.replace("0.0.0.0", "127.0.0.1");
    let with_host = |host: &str| {
        let runs = support::http().get(format!("{}/v1/runs", hub.url)).header("host", host.to_owned());
        runs.bearer_auth(token.stdout.trim()).send()
    };
    assert_eq!(with_host("127.0.0.1").await.expect("an answer").status(), 200);
    assert_eq!(with_host("box.example").await.expect("an answer").status(), 403);
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn every_post_needs_to_know_who_is_calling_and_by_which_name() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let (_, document) = hub.get("/v1/openapi.json").await.expect("the hub answers");
    let posts = document["paths"].as_object().expect("it has paths").iter().filter(|(_, of)| of.get("post").is_some());
    let mut paths: Vec<String> = posts.map(|(path, _)| path.replace(['{', '}'], "")).collect();
    assert!(paths.len() >= 7, "{paths:?}");
    paths.extend(["/gates/g1", "/runs/r1/cancel", "/stop", "/resume", "/logout", "/scan"].map(str::to_owned));
    let http = support::http();
    for path in &paths {
        let post = || http.post(format!("{}{path}", hub.url));
        let check = async |request: reqwest::RequestBuilder, what: &str| {
            let status = request.send().await.expect("the hub answers").status().as_u16();
            assert!(matches!(status, 401 | 403), "{path} {what}: {status}");
        };
        check(post(), "without a token").await;
        check(post().bearer_auth("sinew-0000"), "with a wrong token").await;
        check(post().bearer_auth(hub.token("ana")).header("host", "evil.example"), "under a foreign name").await;
        check(post().bearer_auth(hub.token("ana")).header("origin", "http://evil.example"), "from a foreign page")
            .await;
    }
    let (_, health) = hub.get("/v1/health").await.expect("the hub answers");
    assert_eq!(health["condition"], "ready", "nobody has stopped it");
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused_and_names_the_first() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let first = std::fs::read_to_string(stage.data().join("LOCK")).expect("the lock is there");
    let (code, said) = refused(&stage.launch()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(last_error(&said).contains(&format!("is in use by process {first}; stop that process")), "{said}");
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn data_of_a_newer_version_are_left_alone() {
    let stage = Stage::set().await;
    stage.is_whole(stage.up().await).await;
    std::fs::write(stage.data().join("FORMAT"), "99\n").expect("it is written");
    let (code, said) = refused(&stage.launch()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(last_error(&said).contains("has format 99, this binary reads up to 1; use the newer binary"), "{said}");
    std::fs::write(stage.data().join("FORMAT"), "1\n").expect("it is written");
    stage.ends_well(stage.up().await).await;
}

#[tokio::test]
async fn a_folder_with_other_things_in_it_is_not_taken_for_data() {
    let stage = Stage::set().await;
    std::fs::create_dir(stage.data()).expect("a folder");
    std::fs::write(stage.data().join("holiday.txt"), "mine").expect("it is written");
    let (code, said) = refused(&stage.launch()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(last_error(&said).contains("has `holiday.txt` in it; choose an empty directory for the data"), "{said}");
    assert_eq!(std::fs::read_dir(stage.data()).expect("it is there").count(), 1, "nothing was added");
}

/// The only segment, and the last byte of it that is in use.
fn segment(data: &Path) -> (std::path::PathBuf, usize) {
    let files = std::fs::read_dir(data.join("journal")).expect("the journal is there");
    let mut files = files.map(|file| file.expect("readable").path());
    let segment = files.find(|path| path.extension().is_some_and(|e| e == "seg")).expect("a segment");
    let bytes = std::fs::read(&segment).expect("it can be read");
    (segment, bytes.iter().rposition(|byte| *byte != 0).expect("it is in use"))
}

#[tokio::test]
async fn a_changed_byte_of_the_log_is_found_and_its_place_is_named() {
    let stage = Stage::set().await;
    stage.is_whole(stage.up().await).await;
    let (segment, end) = segment(&stage.data());
    let bytes = std::fs::read(&segment).expect("it can be read");
    let name = segment.file_name().expect("a name").to_string_lossy().into_owned();
    for at in [40, end / 3, end / 2] {
        let mut bad = bytes.clone();
        bad[at] ^= 0x20;
        std::fs::write(&segment, bad).expect("it is written");
        let data = stage.data();
        let verify = sinew(["audit".as_ref(), "verify".as_ref(), data.as_os_str()]).await;
        assert_eq!(verify.code, Some(7), "{at}: {verify:?}");
        assert!(verify.stderr.contains(&name) && verify.stderr.contains("at byte"), "{at}: {verify:?}");
        let json = sinew(["--json".as_ref(), "audit".as_ref(), "verify".as_ref(), data.as_os_str()]).await;
        assert_eq!((json.code, &json.json()["ok"]), (Some(7), &json!(false)), "{json:?}");
        assert!(json.json()["offset"].is_u64() && json.json()["file"].as_str().is_some_and(|f| f.ends_with(&name)));
        let (code, said) = refused(&stage.launch()).await;
        assert_eq!(code, Some(7), "{at}: {said}");
        assert!(last_error(&said).contains("the journal is damaged in") && said.contains(&name), "{at}: {said}");
    }
    std::fs::write(&segment, bytes).expect("it is restored");
    stage.ends_well(stage.up().await).await;
}

#[tokio::test]
async fn a_watched_folder_takes_a_picture_once_and_sets_the_rest_aside() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let inbox = stage.data().join("inbox");
    let put = |name: &str, bytes: &[u8]| std::fs::write(inbox.join(name), bytes).expect("it is put there");
    let moved = async |to: &str| until(to, PATIENCE, async || inbox.join(to).is_file().then_some(())).await;
    put("broken.jpg", b"not an image");
    put("label.jpg", &good());
    moved("rejected/broken.jpg").await;
    moved("done/label.jpg").await;
    let (_, runs) = until("one run", PATIENCE, async || {
        let runs = hub.get("/v1/runs").await.expect("the hub answers");
        (runs.1.as_array().map(Vec::len) == Some(1)).then_some(runs)
    })
    .await;
    let trigger = stage.sinew(&["--json", "sql", "SELECT trigger_seq FROM runs"]).await.json()["rows"][0][0].clone();
    let run = at_rest(&hub, &trigger).await;
    assert_eq!(run["output"]["outcome"], "refunded", "{runs}");
    hub.kill().await;

    let hub = stage.up().await;
    put("label.jpg", &good());
    moved("done/label-1.jpg").await;
    let (_, runs) = hub.get("/v1/runs").await.expect("the hub answers");
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "the same picture is the same scan: {runs}");
    assert_eq!(stage.refunds("RMA-100002").await, 1);
    std::fs::remove_dir_all(&inbox).expect("somebody removes the folder");
    until("the folder", PATIENCE, async || inbox.join("done").is_dir().then_some(())).await;
    put("other.jpg", &std::fs::read(sample("03-qr.jpg")).expect("the sample is there"));
    moved("done/other.jpg").await;
    until("its refund", PATIENCE, async || (stage.refunds("RMA-100003").await == 1).then_some(())).await;
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn bad_and_good_input_side_by_side_lose_nothing() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let mut story = Story::new(&["01-ean13.jpg", "08-damaged.jpg", "09-unknown-product.jpg", "14-no-code.jpg"], 4);
    let noise = async {
        for round in 0..20_u8 {
            let (status, _) = hub.scan("noise.jpg", vec![round; 4_000], None).await.expect("the hub answers");
            assert_eq!(status, 400);
        }
    };
    let ((), lived) = tokio::join!(noise, story.live(&hub));
    lived.expect("the hub answers");
    assert_eq!(story.hold(&hub).await, Vec::<String>::new());
    stage.is_whole(hub).await;
}
