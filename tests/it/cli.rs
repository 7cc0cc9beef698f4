//! The command line as a person or a script uses it: what each command prints, in words and as JSON, and how it exits.

use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sinew_actuation::Latch;
use sinew_contract::{Stop, StopScope};

use crate::stage::{PATIENCE, Stage, at_rest};
use crate::support::{self, Hub, Ran, sinew, text, until};

/// Refunded without a question; asks since it is above the limit.
const PLAIN: &str = "02-code128.jpg";
const ASKS: &str = "12-above-limit.jpg";

/// What was printed, with what differs from one time to the next masked: times, and the given words.
fn masked(ran: &Ran, words: &[(&str, &str)]) -> String {
    let mut text = words.iter().fold(ran.stdout.clone(), |text, (word, mask)| text.replace(word, mask));
    text = text
        .split('\n')
        .map(|line| line.split(' ').map(without_time).collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n");
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn without_time(word: &str) -> &str {
    let time = word.len() >= 20 && word.as_bytes().get(10) == Some(&b'T') && word.ends_with('Z');
    if time { "TIME" } else { word }
}

fn check(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
}

/// It ends with this code, and says this in one line of standard error, as JSON too.
async fn fails(stage: &Stage, args: &[&str], code: i32, says: &str) {
    let ran = stage.sinew(args).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{args:?}: {ran:?}");
    assert!(ran.stderr.starts_with("sinew: ") && ran.stderr.contains(says), "{args:?}: `{says}` is missing: {ran:?}");
    let json = stage.sinew(&[&["--json"], args].concat()).await;
    let said: Value = serde_json::from_str(&json.stderr).unwrap_or_else(|_| panic!("{args:?}: no JSON: {json:?}"));
    assert_eq!((json.code, &said["exit"]), (Some(code), &json!(code)), "{args:?}: {json:?}");
}

async fn asked(stage: &Stage, hub: &Hub) -> (String, String) {
    let run = stage.scan(hub, ASKS).await;
    (text(&run, "run").to_owned(), text(&run, "gate").to_owned())
}

async fn ended(hub: &Hub, run: &str) -> Value {
    until("the run's end", PATIENCE, async || {
        let (_, run) = hub.get(&format!("/v1/runs/{run}")).await.expect("the hub answers");
        matches!(text(&run, "status"), "completed" | "faulted" | "cancelled").then_some(run)
    })
    .await
}

#[tokio::test]
async fn runs_are_listed_and_shown() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let none = stage.sinew(&["runs"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "no runs\n"));
    let run = stage.scan(&hub, PLAIN).await;
    let run = text(&run, "run");
    let list = stage.sinew(&["runs"]).await;
    check(&list, 0);
    assert_eq!(masked(&list, &[(run, "RUN")]), "RUN          RMA-100002 · 02-code128.jpg  completed  refunded\n");
    check(&stage.sinew(&["runs", "--status", "faulted"]).await, 0);
    let listed = stage.sinew(&["--json", "runs", "--status", "completed"]).await.json();
    assert_eq!((text(&listed[0], "run"), text(&listed[0], "status")), (run, "completed"));
    let shown = stage.sinew(&["run", "show", run]).await;
    check(&shown, 0);
    let steps = masked(&shown, &[(run, "RUN")]);
    assert!(steps.starts_with("RUN  RMA-100002 · 02-code128.jpg  completed\n  TIME  "), "{steps}");
    for word in ["shop.refund", "shop.restock", "shop.message", "done"] {
        assert!(steps.contains(word), "`{word}` is missing: {steps}");
    }
    let json = stage.sinew(&["--json", "run", "show", run]).await.json();
    assert_eq!((text(&json, "run"), &json["output"]["outcome"]), (run, &json!("refunded")));
    check(&stage.sinew(&["runs", "--status", "sleeping"]).await, 2);
    check(&stage.sinew(&["run", "show", "run-1"]).await, 2);
    fails(&stage, &["run", "show", "r1-00000000"], 1, "no run `r1-00000000`").await;
    stage.ends_well(hub).await;
}

#[tokio::test]
async fn what_waits_is_listed_and_answered_by_those_who_may() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let inbox = stage.sinew(&["inbox"]).await;
    assert_eq!((inbox.code, inbox.stdout.as_str()), (Some(0), "nothing waits for you\n"));
    let (run, gate) = asked(&stage, &hub).await;
    let inbox = stage.sinew(&["inbox"]).await;
    check(&inbox, 6);
    let words = masked(&inbox, &[(&gate, "GATE")]);
    assert!(words.starts_with("GATE ") && words.contains("until TIME\n         because "), "{words}");
    let json = stage.sinew(&["--json", "inbox"]).await;
    assert_eq!((json.code, text(&json.json()[0], "gate")), (Some(6), gate.as_str()));
    check(&stage.sinew(&["run", "show", &run]).await, 6);

    fails(
        &stage,
        &["approve", &gate, "--as", "ben"],
        5,
        "only those with the role `returns-lead` may answer; ben has not",
    )
    .await;
    fails(&stage, &["refuse", &gate, "--as", "ben"], 5, "only those with the role").await;
    fails(&stage, &["approve", &gate, "--as", "zoe"], 5, "the hub knows no person `zoe`").await;
    fails(&stage, &["approve", "g999999"], 1, "`g999999`").await;
    check(&stage.sinew(&["approve", "57"]).await, 2);
    let stale = json!({ "answer": "approve", "digest": "00".repeat(32), "note": "" });
    let (status, problem) = hub.post(&format!("/v1/gates/{gate}"), &stale).await.expect("the hub answers");
    assert_eq!(status, 409, "{problem}");
    assert!(text(&problem, "detail").contains("asks about something else than what you saw"), "{problem}");
    assert_eq!(stage.refunds("RMA-100012").await, 0, "nobody who may has answered yet");

    let yes = stage.sinew(&["approve", &gate, "--note", "looked at it"]).await;
    check(&yes, 0);
    assert!(masked(&yes, &[(&gate, "GATE")]).starts_with("GATE approved: "), "{yes:?}");
    assert_eq!(ended(&hub, &run).await["output"]["outcome"], "refunded");
    assert_eq!(stage.refunds("RMA-100012").await, 1);
    let again = stage.sinew(&["--json", "approve", &gate]).await;
    assert_eq!((again.code, text(&again.json(), "status")), (Some(0), "approved"), "the same answer again is harmless");
    fails(&stage, &["refuse", &gate], 1, "is closed already: approved by person:ana").await;
    assert_eq!(stage.refunds("RMA-100012").await, 1);
    stage.ends_well(hub).await;
}

#[tokio::test]
async fn a_refusal_at_a_gate_lets_nothing_leave() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let (run, gate) = asked(&stage, &hub).await;
    let no = stage.sinew(&["refuse", &gate, "--note", "not ours"]).await;
    check(&no, 0);
    assert!(masked(&no, &[(&gate, "GATE")]).starts_with("GATE refused: "), "{no:?}");
    assert_eq!(ended(&hub, &run).await["output"]["outcome"], "refused");
    assert_eq!(stage.refunds("RMA-100012").await, 0);
    stage.ends_well(hub).await;
}

#[tokio::test]
async fn a_run_is_cancelled_once() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let (run, _) = asked(&stage, &hub).await;
    let cancel = stage.sinew(&["run", "cancel", &run, "--reason", "wrong parcel"]).await;
    assert!(matches!(cancel.code, Some(0 | 6)), "{cancel:?}");
    assert_eq!(text(&ended(&hub, &run).await, "status"), "cancelled");
    assert_eq!(stage.sinew(&["inbox"]).await.code, Some(0), "its gate is gone");
    fails(&stage, &["run", "cancel", &run], 1, "has ended").await;
    assert_eq!(stage.refunds("RMA-100012").await, 0);
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn stop_holds_until_it_is_released_and_a_release_restarts_nothing() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let stop = stage.sinew(&["stop", "--reason", "smoke in the store"]).await;
    assert_eq!((stop.code, stop.stdout.as_str()), (Some(8), "stopped: nothing leaves\n"), "{stop:?}");
    let (status, taken) = stopped_scan(&hub, PLAIN).await;
    assert_eq!(status, 201, "a stop keeps no picture out: {taken}");
    let run = at_rest(&hub, &taken["seq"]).await;
    assert_eq!((text(&run, "status"), text(&run, "fault")), ("faulted", "stop is pressed"), "{run}");
    assert_eq!(stage.shop.ledger().await, Vec::<Value>::new(), "nothing has left: {run}");
    hub.kill().await;

    let hub = stage.up().await;
    let (_, health) = hub.get("/v1/health").await.expect("the hub answers");
    assert_eq!((text(&health, "condition"), &health["stops"][0]["by"]), ("stopped", &json!("person:ana")), "{health}");
    let doctor = stage.sinew(&["doctor"]).await;
    assert!(doctor.stdout.contains("hub          stopped"), "{doctor:?}");
    let part = stage.sinew(&["stop", "--device", "shop"]).await;
    assert_eq!((part.code, part.stdout.as_str()), (Some(8), "stopped: nothing leaves for the device `shop`\n"));
    let resume = stage.sinew(&["resume", "--reason", "it was steam"]).await;
    let left =
        "released; nothing was restarted\nstill stopped: nothing leaves for the device `shop` (on the command line)\n";
    assert_eq!((resume.code, resume.stdout.as_str()), (Some(0), left));
    let resume = stage.sinew(&["--json", "resume", "--device", "shop"]).await;
    assert_eq!((resume.code, resume.json()), (Some(0), json!({ "stops": [], "hub": "running" })));
    stage.is_whole(hub).await;
    assert_eq!(stage.refunds("RMA-100002").await, 0, "what was stopped is not done later by itself");
}

async fn stopped_scan(hub: &Hub, file: &str) -> (u16, Value) {
    let bytes = std::fs::read(support::sample(file)).expect("the sample is there");
    hub.scan(file, bytes, None).await.expect("the hub answers")
}

#[tokio::test]
async fn a_stop_pressed_while_no_hub_runs_holds_at_the_next_start_and_is_on_record() {
    let stage = Stage::set().await;
    fails(&stage, &["stop"], 4, "is not a data directory; name the hub's with --data").await;
    stage.ends_well(stage.up().await).await;
    let stop = stage.sinew(&["stop", "--playbook", "return-intake"]).await;
    let says =
        "stopped: nothing of the playbook `return-intake` leaves; no hub is running, it holds at the next start\n";
    assert_eq!((stop.code, stop.stdout.as_str()), (Some(8), says));
    let hub = stage.up().await;
    let (_, health) = hub.get("/v1/health").await.expect("the hub answers");
    assert_eq!(health["stops"][0]["covers"], json!({ "scope": "playbook", "name": "return-intake" }), "{health}");
    let (_, entries) = hub.get("/v1/entries").await.expect("the hub answers");
    let on_record =
        |kind: &str| entries.as_array().into_iter().flatten().filter(|e| text(e, "summary") == kind).count();
    assert_eq!(on_record("stop pressed"), 1, "{entries}");
    hub.end().await;
    let resume = stage.sinew(&["--json", "resume", "--playbook", "return-intake"]).await;
    assert_eq!((resume.code, resume.json()), (Some(0), json!({ "stops": [], "hub": "not running" })));
    let hub = stage.up().await;
    let (_, entries) = hub.get("/v1/entries").await.expect("the hub answers");
    assert!(entries.to_string().contains("stop released"), "{entries}");
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn a_stop_reaches_a_hub_that_does_not_answer() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let pid = std::fs::read_to_string(stage.data().join("LOCK")).expect("the lock").parse().expect("a process id");
    let pid = Pid::from_raw(pid).expect("positive");
    kill_process(pid, Signal::STOP).expect("it hangs");
    let begun = Instant::now();
    let stop = stage.sinew(&["stop"]).await;
    let says = "stopped: nothing leaves; the hub does not answer, it reads the stop file within a second\n";
    assert_eq!((stop.code, stop.stdout.as_str()), (Some(8), says), "{stop:?}");
    assert!(begun.elapsed().as_secs() < 10, "whoever presses stop does not wait: {:?}", begun.elapsed());
    fails(&stage, &["resume"], 4, "does not answer; only it can release a stop").await;
    // What was asked of a hub that hangs waits for it in its socket; a release that was given up must not be among it.
    kill_process(pid, Signal::CONT).expect("it goes on");
    until("the stop to hold", PATIENCE, async || {
        let (_, health) = hub.get("/v1/health").await.expect("the hub answers");
        (text(&health, "condition") == "stopped").then_some(())
    })
    .await;
    check(&stage.sinew(&["resume"]).await, 0);
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn a_stop_in_the_stop_file_reaches_a_running_hub_and_is_not_lost_with_the_file() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let stop = Stop { scope: StopScope::All, engaged: true, reason: "written by another process".to_owned() };
    Latch::open(&stage.data()).and_then(|latch| latch.set(&stop)).expect("the file is written");
    let stopped = async |hub: &Hub| {
        until("the stop to hold", PATIENCE, async || {
            let (_, health) = hub.get("/v1/health").await.expect("the hub answers");
            // The latch holds first; the log, which says who it was, a moment later.
            let told = !health["stops"][0]["by"].is_null();
            (text(&health, "condition") == "stopped" && told).then_some(health)
        })
        .await
    };
    assert_eq!(text(&stopped(&hub).await["stops"][0], "reason"), stop.reason);
    until("the stop to be on record", PATIENCE, async || {
        let (_, entries) = hub.get("/v1/entries").await.expect("the hub answers");
        entries.to_string().contains("stop pressed").then_some(())
    })
    .await;
    let (_, taken) = stopped_scan(&hub, PLAIN).await;
    assert_eq!(text(&at_rest(&hub, &taken["seq"]).await, "status"), "faulted");
    std::fs::remove_file(stage.data().join("stop")).expect("somebody removes the file");
    until("the file", PATIENCE, async || stage.data().join("stop").exists().then_some(())).await;
    stopped(&hub).await;
    hub.kill().await;
    std::fs::remove_file(stage.data().join("stop")).expect("somebody removes the file while nobody runs");
    let hub = stage.up().await;
    stopped(&hub).await;
    assert_eq!(stage.shop.ledger().await, Vec::<Value>::new(), "nothing has left");
    check(&stage.sinew(&["resume"]).await, 0);
    stage.is_whole(hub).await;
}

#[tokio::test]
async fn without_a_hub_every_command_that_needs_one_says_so() {
    let stage = Stage::set().await;
    for args in
        [&["runs"][..], &["inbox"], &["run", "show", "r1-00000000"], &["approve", "g1"], &["people", "link", "ana"]]
    {
        fails(&stage, args, 4, "start one with `sinew up`, or name its data with --data").await;
    }
    fails(&stage, &["people", "token", "ana"], 4, "name the deployment's folder with --deployment").await;
    stage.up().await.kill().await;
    fails(&stage, &["runs"], 4, "does not answer; is `sinew up` running?").await;
    fails(&stage, &["sql", "--data", "/nowhere", "SELECT 1"], 1, "/nowhere").await;
    for args in
        [&["fly"][..], &[], &["up"], &["stop", "--playbook", "a", "--device", "b"], &["up", "x", "--listen", "here"]]
    {
        check(&stage.sinew(args).await, 2);
    }
    check(&sinew(["--help"]).await, 0);
}

#[tokio::test]
async fn the_log_is_verified_and_replayed() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    let run = stage.scan(&hub, PLAIN).await;
    let run = text(&run, "run");
    let (deployment, data) = (support::deployment().display().to_string(), stage.data().display().to_string());
    let busy = std::fs::read_to_string(stage.data().join("LOCK")).expect("the lock is there");
    let replay = ["replay", "--deployment", &deployment];
    fails(&stage, &replay, 1, &format!("in use by process {busy}")).await;
    check(&stage.sinew(&["audit", "verify", &data]).await, 0);
    stage.is_whole(hub).await;

    let verify = stage.sinew(&["audit", "verify", &data]).await;
    check(&verify, 0);
    assert!(verify.stdout.starts_with("ok: ") && verify.stdout.contains(" entries in 1 segments, head "), "{verify:?}");
    let verified = stage.sinew(&["--json", "audit", "verify", &data]).await.json();
    assert_eq!((&verified["ok"], &verified["torn_bytes"]), (&json!(true), &json!(0)), "{verified}");
    let all = stage.sinew(&replay).await;
    check(&all, 0);
    assert!(all.stdout.starts_with("the same: 2 runs, "), "{all:?}");
    let one = stage.sinew(&["--json", "replay", run, "--deployment", &deployment]).await;
    assert_eq!((one.code, &one.json()["runs"][0]["run"]), (Some(0), &json!(run)), "{one:?}");
    fails(&stage, &["replay", "r1-00000000", "--deployment", &deployment], 1, "the log has no run `r1-00000000`").await;
    fails(&stage, &["audit", "verify", "/nowhere"], 1, "`/nowhere` is not what it should be").await;
    fails(&stage, &["replay", "--deployment", "/nowhere"], 3, "/nowhere/sinew.toml").await;
}

#[tokio::test]
async fn playbooks_and_the_machine_are_looked_at() {
    let stage = Stage::set().await;
    let deployment = support::deployment().display().to_string();
    let good = stage.sinew(&["playbook", "check", &deployment]).await;
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "return-intake.yaml: ok\n"));
    let file = format!("{deployment}/playbooks/return-intake.yaml");
    assert_eq!(stage.sinew(&["--json", "playbook", "check", &file]).await.json()["ok"], json!(true));
    fails(&stage, &["playbook", "check", "/nowhere.yaml"], 3, "cannot read `/nowhere.yaml`").await;
    let doctor = stage.sinew(&["doctor", &deployment]).await;
    check(&doctor, 0);
    let looks: Vec<_> = doctor.stdout.lines().map(|line| line.split_whitespace().nth(1).unwrap_or_default()).collect();
    assert_eq!(looks, ["deployment", "parts", "disk", "log", "hub"], "{doctor:?}");
    let doctor = stage.sinew(&["--json", "doctor", "/nowhere"]).await;
    assert_eq!((doctor.code, &doctor.json()[0]["ok"]), (Some(1), &json!(false)), "{doctor:?}");
}

#[tokio::test]
async fn memory_answers_sql_and_takes_none_of_it() {
    let stage = Stage::set().await;
    let hub = stage.up().await;
    stage.scan(&hub, PLAIN).await;
    let count = "SELECT count(*) AS n, 'a' AS a FROM runs";
    let asked = stage.sinew(&["sql", count]).await;
    assert_eq!((asked.code, asked.stdout.as_str()), (Some(0), "n\ta\n1\ta\n"));
    assert_eq!(stage.sinew(&["--json", "sql", count]).await.json()["rows"], json!([[1, "a"]]));
    for bad in [
        "DELETE FROM runs",
        "DROP TABLE runs",
        "UPDATE runs SET status = 'x'",
        "ATTACH '/tmp/x' AS x",
        "PRAGMA user_version = 9",
    ] {
        fails(&stage, &["sql", bad], 1, "cannot run this query").await;
    }
    fails(&stage, &["sql", "SELECT nope FROM runs"], 1, "no such column: nope").await;
    hub.end().await;
    assert_eq!(stage.sinew(&["sql", count]).await.stdout, "n\ta\n1\ta\n", "without a hub too");
}

#[tokio::test]
async fn tokens_and_links_let_people_in() {
    let stage = Stage::set().await;
    let deployment = support::deployment().display().to_string();
    let offline = ["people", "token", "ben", "--deployment", &deployment];
    let first = stage.sinew(&offline).await;
    check(&first, 0);
    assert!(first.stderr.contains("this is the token of ben; it is shown this once"), "{first:?}");
    let first = first.stdout.trim();
    let kept = std::fs::read_to_string(stage.data().join("people.json")).expect("the list is there");
    assert!(!kept.contains(first.trim_start_matches("sinew-")), "only a hash is kept: {kept}");
    fails(
        &stage,
        &["people", "token", "zoe", "--deployment", &deployment],
        1,
        "there is no person `zoe`; the deployment names: ana, ben",
    )
    .await;

    let hub = stage.up().await;
    let knows = async |token: &str| {
        let get = support::http().get(format!("{}/v1/runs", hub.url)).bearer_auth(token);
        get.send().await.expect("the hub answers").status().as_u16()
    };
    assert_eq!(knows(first).await, 200);
    let second = stage.sinew(&["--json", "people", "token", "ben"]).await;
    check(&second, 0);
    let second = second.json();
    assert_eq!((knows(first).await, knows(text(&second, "token")).await), (401, 200), "the old one has ended");
    fails(&stage, &["people", "token", "zoe"], 1, "there is no person `zoe`; the deployment names: ana, ben").await;
    let link = stage.sinew(&["people", "link", "ana"]).await;
    check(&link, 0);
    let page = support::http().get(link.stdout.trim()).send().await.expect("the hub answers");
    assert_eq!(page.status(), 200);
    assert!(page.text().await.expect("a page").contains("ana"), "the page names whom it lets in");
    let denied = hub.post_as("ben", "/v1/people/ana/token", &json!({})).await.expect("the hub answers");
    assert_eq!(denied.0, 403, "{}", denied.1);
    stage.ends_well(hub).await;
}
