//! Things that describe themselves: what leaves, what is read back, and whose addresses are believed. The last test drives a
//! real Thing of the node-wot project where it is installed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::*;
use sinew_drivers::{Broker, BrokerConfig, open};

use crate::common::{Act, Target, answer, folder, surroundings_with};

fn td() -> String {
    let form = |path: &str| json!([{ "href": format!("http://169.254.169.254{path}") }]);
    json!({
        "title": "conveyor", "security": "s", "securityDefinitions": { "s": { "scheme": "basic" } },
        "properties": {
            "speed": { "type": "number", "minimum": 0, "maximum": 3, "forms": form("/speed") },
            "state": { "type": "string", "readOnly": true, "forms": form("/state") },
        },
        "actions": { "start": { "input": { "type": "number", "maximum": 3 }, "forms": form("/start") } },
    })
    .to_string()
}

fn conveyor(port: u16) -> Result<Arc<dyn Device>, String> {
    let folder = folder();
    let mut surroundings = surroundings_with(folder.path(), "plant.local", &format!("http://127.0.0.1:{port}"));
    surroundings.secrets = Arc::new(|_| Ok("ana:s3cret".to_owned()));
    let file =
        json!({ "id": "conveyor", "driver": "wot", "td": td(), "base": "http://plant.local", "secret": "env:PLANT" });
    open(&file, &surroundings).map(|opened| opened.device).map_err(|error| error.to_string())
}

fn deadline() -> Deadline {
    Deadline { wall: Timestamp(i64::MAX), boot: BootTime(3_610_000_000) }
}

fn command(operation: Value, args: Value) -> Command {
    let run = RunId { log: LogTag(1), seq: Seq(1) };
    Command {
        effect: EffectId { run, step: 1 },
        attempt: 1,
        capability: "conveyor.go".parse().expect("plain"),
        class: Class::Idempotent,
        manifest: Digest::ZERO,
        device: "conveyor".parse().expect("plain"),
        operation,
        args,
        key: "k-1".to_owned(),
        natural_key: None,
        expires: deadline(),
    }
}

fn set(speed: impl Into<Value>) -> Command {
    let speed = speed.into();
    command(json!({ "property": "speed", "value": "/speed" }), json!({ "speed": speed }))
}

#[tokio::test]
async fn a_written_property_is_read_back_at_the_base_and_not_where_the_thing_says_it_is() {
    let target = Target::start(vec![answer(204, ""), answer(200, "0"), answer(200, "1.5")]).await;
    let device = conveyor(target.port).expect("it opens");
    let reply = device.write(&set(json!(1.5))).await.expect("it is set");
    assert_eq!(reply, Reply::Accepted(json!({ "read_back": 1.5 })));
    let requests = target.requests();
    let lines: Vec<_> = requests.iter().filter_map(|request| request.lines().next()).collect();
    assert_eq!(lines, ["PUT /speed HTTP/1.1", "GET /speed HTTP/1.1", "GET /speed HTTP/1.1"]);
    let put = requests.first().expect("it was sent").to_ascii_lowercase();
    assert!(put.contains("authorization: basic yw5honmz"), "{put}");
    assert!(put.ends_with("\r\n\r\n1.5"), "{put}");
}

#[tokio::test]
async fn an_answer_of_500_is_unknown_until_the_property_says_otherwise() {
    let check = async |reads: &str| {
        let target = Target::start(vec![answer(500, "\"no\""), answer(200, reads)]).await;
        let device = conveyor(target.port).expect("it opens");
        let outcome = device.write(&set(json!(2))).await;
        let puts = target.requests().iter().filter(|request| request.starts_with("PUT")).count();
        assert_eq!(puts, 1, "never sent twice");
        outcome
    };
    assert_eq!(check("2.0").await.expect("it was done"), Reply::Accepted(json!({ "read_back": 2.0 })));
    let failure = check("0").await.expect_err("nobody knows");
    assert_eq!(failure.kind(), ErrorKind::Broken);
    assert!(failure.to_string().contains("reads 0"), "{failure}");
}

#[tokio::test]
async fn a_value_outside_of_its_schema_never_leaves() {
    let target = Target::start(vec![answer(200, "0")]).await;
    let device = conveyor(target.port).expect("it opens");
    for speed in [json!(3.1), json!(-1), json!("2"), json!(null), json!([1])] {
        let failure = device.write(&set(speed.clone())).await.expect_err("it does not fit");
        assert_eq!(failure.kind(), ErrorKind::Invalid, "{speed}: {failure}");
    }
    let start = command(json!({ "action": "start", "input": "/speed" }), json!({ "speed": 4 }));
    assert_eq!(device.write(&start).await.expect_err("it does not fit").kind(), ErrorKind::Invalid);
    assert_eq!(target.requests(), [] as [String; 0]);
}

#[test]
fn operations_are_held_against_the_description() {
    let device = conveyor(1).expect("it opens");
    let rows = [
        (json!({ "property": "speed" }), ""),
        (json!({ "property": "speed", "value": "/speed" }), ""),
        (json!({ "action": "start", "input": "/speed" }), ""),
        (json!({ "property": "colour" }), "no property `colour`"),
        (json!({ "property": "state", "value": "/x" }), "read-only"),
        (json!({ "action": "fly" }), "no action `fly`"),
        (json!({ "property": "speed", "via": "mqtt" }), "no form"),
        (json!({ "property": "speed", "action": "start" }), "say either"),
    ];
    for (operation, part) in rows {
        let found = device.check(&operation).map_or_else(|failure| failure.to_string(), |()| String::new());
        assert!(found.contains(part) && found.is_empty() == part.is_empty(), "{operation}: {found}");
    }
}

#[tokio::test]
async fn a_target_that_breaks_off_leaves_an_unknown_and_is_read_back() {
    let target = Target::start(vec![Act::Close, answer(200, "0")]).await;
    let device = conveyor(target.port).expect("it opens");
    let failure = device.write(&set(json!(1))).await.expect_err("nobody knows");
    assert_eq!(failure.kind(), ErrorKind::Broken, "{failure}");
    assert_eq!(target.requests().iter().filter(|request| request.starts_with("PUT")).count(), 1);
}

/// The folder in which `npm install @node-wot/core @node-wot/binding-http @node-wot/binding-mqtt` was done.
const NODE_WOT: &str = "SINEW_NODE_WOT";

#[tokio::test(flavor = "multi_thread")]
async fn a_thing_of_node_wot_is_read_written_invoked_and_heard() {
    let Ok(modules) = std::env::var(NODE_WOT) else {
        eprintln!("SKIPPED: {NODE_WOT} names no folder with node-wot; the peer was NOT driven");
        return;
    };
    let config = BrokerConfig { listen: "127.0.0.1:0".parse().expect("an address"), users: Default::default() };
    let broker = Broker::open(&config, &|_| unreachable!("no users")).expect("it opens");
    let broker_url = format!("mqtt://{}", broker.address().expect("an address"));
    let running = tokio::spawn(broker.run());
    let port = crate::common::dead_port().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/thing.js");
    let mut child = tokio::process::Command::new("node")
        .args([script, &port.to_string(), &broker_url])
        .env("NODE_PATH", format!("{modules}/node_modules"))
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node starts");
    let stdout = child.stdout.take().expect("piped");
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
    let td = loop {
        let line = lines.next_line().await.expect("readable").expect("the thing is ready");
        if let Some(td) = line.strip_prefix("ready ") {
            break td.to_owned();
        }
    };
    let folder = folder();
    let mut surroundings = surroundings_with(folder.path(), "plant.local", &broker_url);
    surroundings.hosts.insert("thing.local".to_owned(), format!("http://127.0.0.1:{port}"));
    surroundings.egress = sinew_drivers::Egress::new(["plant.local", "thing.local"].map(str::to_owned));
    let file = json!({ "id": "conveyor", "driver": "wot", "td": td, "base": "http://thing.local", "broker": "mqtt://plant.local" });
    let opened = open(&file, &surroundings).expect("its description is understood");
    let (device, mqtt) = (opened.device, opened.mqtt.expect("it speaks MQTT"));
    mqtt.start().expect("it starts");
    tokio::time::timeout(Duration::from_secs(10), mqtt.changed(false)).await.expect("it connects");

    let read = async |name: &str| {
        device.read(&json!({ "property": name, "via": "http" }), &json!({}), deadline()).await.expect("it answers")
    };
    assert_eq!(read("speed").await, json!(0));
    let reply = device.write(&set(json!(2.5))).await.expect("it is set over HTTP");
    assert_eq!(reply, Reply::Accepted(json!({ "read_back": 2.5 })));
    let over_mqtt = command(json!({ "property": "speed", "value": "/speed", "via": "mqtt" }), json!({ "speed": 1.25 }));
    assert_eq!(
        device.write(&over_mqtt).await.expect("it is set over MQTT"),
        Reply::Accepted(json!({ "read_back": 1.25 }))
    );
    assert_eq!(device.write(&set(json!(3.5))).await.expect_err("out of range").kind(), ErrorKind::Invalid);
    assert_eq!(read("speed").await, json!(1.25), "nothing changed");
    let gap = command(json!({ "property": "gap", "value": "/gap" }), json!({ "gap": 9 }));
    let failure = device.write(&gap).await.expect_err("the thing refuses with 500");
    assert!(failure.kind() == ErrorKind::Broken && failure.to_string().contains("reads 1"), "{failure}");
    let start = command(json!({ "action": "start", "input": "/speed" }), json!({ "speed": 2 }));
    assert!(matches!(device.write(&start).await.expect("it starts"), Reply::Accepted(_)));
    assert_eq!((read("speed").await, read("state").await), (json!(2), json!("running")));
    let heard = async {
        loop {
            // The subscription to events may stand a moment later than the connection.
            let stop = command(json!({ "action": "stop", "via": "mqtt" }), json!({}));
            device.write(&stop).await.expect("it is told over MQTT");
            if let Ok(event) = tokio::time::timeout(Duration::from_millis(500), mqtt.next_event()).await {
                mqtt.acknowledge(&event).await;
                return event;
            }
        }
    };
    let event = tokio::time::timeout(Duration::from_secs(10), heard).await.expect("the event comes");
    assert_eq!((event.topic.as_str(), event.value()), ("conveyor/events/jam", json!("stopped-by-action")));
    assert_eq!(read("state").await, json!("stopped"));
    mqtt.end();
    running.abort();
}
