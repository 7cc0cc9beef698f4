//! What holds for every command holds for a reflex: grant, stop, envelope, rate, freshness; and every way out is counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_actuation::{Latch, Manifests, Reflexes, Rules};
use sinew_contract::*;
use sinew_testkit::SimClock;

/// A device that understands everything and keeps what it was told to compile.
struct Line {
    id: DeviceId,
    operations: Mutex<Vec<Value>>,
}

#[async_trait]
impl Device for Line {
    fn id(&self) -> &DeviceId {
        &self.id
    }
    fn check(&self, _: &Value) -> Result<(), Failure> {
        Ok(())
    }
    async fn read(&self, _: &Value, _: &Value, _: Deadline) -> Result<Value, Failure> {
        Ok(Value::Null)
    }
    async fn write(&self, _: &Command) -> Result<Reply, Failure> {
        Ok(Reply::Accepted(Value::Null))
    }
    async fn listen(&self) -> Result<Reading, Failure> {
        std::future::pending().await
    }
}

impl Reflexive for Line {
    fn compile(&self, operation: &Value) -> Result<usize, Failure> {
        let mut operations = self.operations.lock().expect("not poisoned");
        operations.push(operation.clone());
        Ok(operations.len() - 1)
    }
    fn attach(&self, _: Vec<String>, _: Arc<dyn Reflex>) {}
}

const SLOW: &str = r#"
name = "line.slow"
version = 1
title = "Slow down to {speed}"
risk = "Less is made."
class = "physical"
device = "line"
operation = { publish = "line/cmd" }
[physical]
safe-state = {}
dead-man = "1s"
rate-max-per-s = 10.0
stop-category = "1"
hold-is-safe = true
[physical.envelope."/speed"]
unit = "m/s"
min = 0.0
max = 2.0
[args]
type = "object"
additionalProperties = false
required = ["speed"]
properties = { speed = { type = "number" } }
"#;

const REFUND: &str = r#"
name = "line.gift"
version = 1
title = "Give"
risk = "Money is gone."
class = "irreversible"
device = "line"
operation = {}
[args]
type = "object"
additionalProperties = false
"#;

/// A bench with the rules of one device, granted for a minute unless told otherwise.
struct Bench {
    reflexes: Reflexes,
    clock: Arc<SimClock>,
    latch: Arc<Latch>,
    _folder: tempfile::TempDir,
}

fn rules(tables: &Value) -> Result<Rules, Failure> {
    let line = Arc::new(Line { id: "line".parse().expect("plain"), operations: Mutex::default() });
    let devices: BTreeMap<DeviceId, Arc<dyn Device>> = BTreeMap::from([(line.id.clone(), line.clone() as _)]);
    let texts = [SLOW, REFUND].map(|text| ("a.toml".to_owned(), text.to_owned()));
    let manifests = Manifests::load(&texts, &devices).expect("the manifests are right");
    Rules::compile(&line.id, tables, &manifests, line.as_ref())
}

fn rule(when: &Value) -> Value {
    let then = json!({ "capability": "line.slow", "args": { "speed": "{/wanted}" } });
    json!({ "name": "slow", "when": when, "then": then, "grant": "1m", "fresh": "250ms" })
}

fn above() -> Value {
    json!({ "topic": "s/+/t", "value": "/v", "above": 80.0 })
}

impl Bench {
    fn new(table: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let latch = Arc::new(Latch::open(folder.path()).expect("the latch opens"));
        let clock = Arc::new(SimClock::default());
        let reflexes = rules(&json!([table])).expect("the rules are right").with(latch.clone(), clock.clone());
        let bench = Self { reflexes, clock, latch, _folder: folder };
        bench.grant(Duration::from_secs(60));
        bench
    }

    fn grant(&self, life: Duration) {
        let entry = EntryRef { seq: Seq(7), hash: Digest([7; 32]) };
        self.reflexes.grant(0, Some((entry, Deadline::within(self.clock.now(), life))));
    }

    fn hear(&self, topic: &str, body: &str) -> Vec<Value> {
        self.hear_on(topic, body.as_bytes(), true)
    }

    fn hear_on(&self, topic: &str, body: &[u8], open: bool) -> Vec<Value> {
        let mut shots = Vec::new();
        self.reflexes.answer(Heard { topic, body, open }, &mut shots);
        shots.into_iter().map(|shot| shot.args).collect()
    }

    /// `[fired, late, refused, held, unsent, malformed]` since the last call.
    fn counts(&self) -> [u64; 6] {
        let told = self.reflexes.take();
        let Some(told) = told.first() else { return [0; 6] };
        [told.count, told.late, told.refused, told.held, told.unsent, told.malformed]
    }
}

const HOT: &str = r#"{"v":91.5,"wanted":1.0}"#;

#[test]
fn a_reading_above_the_limit_fires_and_others_do_not() {
    let bench = Bench::new(&rule(&above()));
    assert_eq!(bench.hear("s/1/t", HOT), [json!({ "speed": 1.0 })]);
    assert_eq!(bench.hear("s/1/t", r#"{"v":80.0,"wanted":1.0}"#), [] as [Value; 0]);
    assert_eq!(bench.hear("s/1/other", HOT), [] as [Value; 0]);
    assert_eq!(bench.counts(), [1, 0, 0, 0, 0, 0]);
    assert_eq!(bench.counts(), [0; 6], "told once");
}

#[test]
fn without_a_live_grant_nothing_fires() {
    let bench = Bench::new(&rule(&above()));
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.hear("s/1/t", HOT).len(), 0, "it has run out");
    bench.grant(Duration::from_secs(60));
    assert_eq!(bench.hear("s/1/t", HOT).len(), 1);
    bench.reflexes.grant(0, None);
    assert_eq!(bench.hear("s/1/t", HOT).len(), 0, "it was taken away");
    assert_eq!(bench.counts(), [1, 0, 2, 0, 0, 0]);
}

#[test]
fn stop_wins_and_release_fires_nothing_by_itself() {
    let bench = Bench::new(&rule(&above()));
    let stop = |engaged, scope| Stop { scope, engaged, reason: "test".to_owned() };
    for scope in [StopScope::All, StopScope::Device("line".parse().expect("plain"))] {
        bench.latch.set(&stop(true, scope.clone())).expect("pressed");
        assert_eq!(bench.hear("s/1/t", HOT).len(), 0, "{scope:?}");
        bench.latch.set(&stop(false, scope)).expect("released");
    }
    assert_eq!(bench.hear("s/1/t", HOT).len(), 1);
    assert_eq!(bench.counts(), [1, 0, 2, 0, 0, 0]);
}

#[test]
fn the_envelope_and_the_rate_hold_at_the_last_hop() {
    let bench = Bench::new(&rule(&above()));
    for wanted in ["2.1", "-0.1", "1e308", "null", "\"1\"", "[1]"] {
        assert_eq!(bench.hear("s/1/t", &format!(r#"{{"v":91,"wanted":{wanted}}}"#)).len(), 0, "{wanted}");
    }
    assert_eq!(bench.counts(), [0, 0, 6, 0, 0, 0]);
    let fired: usize = (0..30).map(|_| bench.hear("s/1/t", HOT).len()).sum();
    assert_eq!(fired, 10, "a second's worth");
    bench.clock.advance(Duration::from_millis(200));
    let fired: usize = (0..30).map(|_| bench.hear("s/1/t", HOT).len()).sum();
    assert_eq!(fired, 2, "what a fifth of a second adds");
}

#[test]
fn an_old_reading_is_late_and_never_executed() {
    let bench = Bench::new(&rule(&json!({ "topic": "s/+/t", "value": "/v", "above": 80.0, "at": "/t" })));
    let now = bench.clock.now().wall.0;
    let said = |at: String| bench.hear("s/1/t", &format!(r#"{{"v":91,"wanted":1,"t":{at}}}"#)).len();
    assert_eq!(said((now - 251_000).to_string()), 0, "too old");
    assert_eq!(said((now + 251_000).to_string()), 0, "from the future");
    assert_eq!(said((now - 249_000).to_string()), 1, "microseconds");
    assert_eq!(said(((now - 249_000) / 1_000).to_string()), 1, "milliseconds");
    assert_eq!(said((now as f64 / 1e6).to_string()), 1, "seconds");
    assert_eq!(said(format!("\"{}\"", bench.clock.now().wall)), 1, "RFC 3339");
    assert_eq!(said("\"yesterday\"".to_owned()), 0);
    assert_eq!(said("-1".to_owned()), 0);
    assert_eq!(bench.counts(), [4, 2, 0, 0, 0, 2]);
}

#[test]
fn hysteresis_waits_until_the_value_has_come_back_topic_by_topic() {
    let bench = Bench::new(&rule(&json!({ "topic": "s/+/t", "value": "/v", "above": 80.0, "until": 75.0 })));
    let said = |topic: &str, v: f64| bench.hear(topic, &json!({ "v": v, "wanted": 1 }).to_string()).len();
    assert_eq!([said("s/1/t", 81.0), said("s/1/t", 82.0), said("s/2/t", 81.0)], [1, 0, 1]);
    assert_eq!([said("s/1/t", 76.0), said("s/1/t", 81.0)], [0, 0], "not back yet");
    assert_eq!([said("s/1/t", 75.0), said("s/1/t", 81.0), said("s/2/t", 82.0)], [0, 1, 0]);
    assert_eq!(bench.counts(), [3, 0, 0, 3, 0, 0]);
}

#[test]
fn the_minimum_interval_holds_per_topic() {
    let mut table = rule(&above());
    table["every"] = json!("1s");
    let bench = Bench::new(&table);
    assert_eq!(
        [bench.hear("s/1/t", HOT).len(), bench.hear("s/1/t", HOT).len(), bench.hear("s/2/t", HOT).len()],
        [1, 0, 1]
    );
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.hear("s/1/t", HOT).len(), 1);
    assert_eq!(bench.counts(), [3, 0, 0, 1, 0, 0]);
}

#[test]
fn a_connection_that_takes_nothing_is_told_as_unsent() {
    let bench = Bench::new(&rule(&above()));
    assert_eq!(bench.hear_on("s/1/t", HOT.as_bytes(), false).len(), 0);
    assert_eq!(bench.counts(), [0, 0, 0, 0, 1, 0]);
}

#[test]
fn whatever_is_said_nothing_fires_but_what_should() {
    let bench = Bench::new(&rule(&above()));
    let bodies: [&[u8]; 10] = [
        b"",
        b"{",
        b"null",
        b"\"91\"",
        b"91",
        b"{\"v\":\"91\"}",
        b"{\"v\":null}",
        b"\xff\xfe",
        b"{\"v\":1e999}",
        b"[[[[",
    ];
    for body in bodies {
        assert_eq!(bench.hear_on("s/1/t", body, true).len(), 0, "{body:?}");
    }
    assert_eq!(bench.hear("s/1/t", r#"{"v":91}"#).len(), 0, "an argument that is not there");
    assert_eq!(bench.hear_on("s/1/t", "[".repeat(100_000).as_bytes(), true).len(), 0);
    assert_eq!(bench.counts(), [0, 0, 0, 0, 0, 12]);
}

#[test]
fn a_rule_that_cannot_be_kept_is_refused_with_what_is_wrong() {
    let check = |bend: fn(&mut Value), part: &str| {
        let mut table = rule(&above());
        bend(&mut table);
        let found = rules(&json!([table])).map(|_| ()).map_err(|failure| failure.to_string());
        assert!(found.as_ref().is_err_and(|text| text.contains(part)), "{part}: {found:?}");
    };
    check(|t| t["when"]["below"] = json!(1), "exactly one of");
    check(|t| t["when"]["until"] = json!(81), "other side");
    check(|t| t["when"]["value"] = json!("v"), "not a JSON pointer");
    check(|t| t["then"]["capability"] = json!("line.none"), "no capability `line.none`");
    check(|t| t["then"]["capability"] = json!("line.gift"), "no reflex does that");
    check(|t| t["then"]["args"] = json!({ "speed": "a {/b}" }), "one place alone");
    check(|t| t["then"]["args"] = json!({ "speed": "fast" }), "`/speed`");
    check(|t| t["grant"] = json!("1000h"), "at most 31 days");
    check(|t| t["colour"] = json!(1), "colour");
}
