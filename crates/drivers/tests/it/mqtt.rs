//! A device behind a broker, with the broker of our own between: what is lost, what comes again, what is counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use sinew_contract::*;
use sinew_drivers::{Broker, BrokerConfig, MqttDevice, Opened, open};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::common::{folder, surroundings_with};

/// A broker that runs until it is dropped.
struct Running {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a broker; after a kill the old sockets may hold the port for a moment.
async fn broker(listen: SocketAddr) -> Running {
    let config = BrokerConfig { listen, users: Default::default() };
    let opened = soon(|| Broker::open(&config, &|_| unreachable!("no users")).ok()).await;
    let address = opened.address().expect("an address");
    let task = tokio::spawn(async move { drop(opened.run().await) });
    Running { address, task }
}

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

/// Looks again and again until there is something; fails after ten seconds.
async fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), looking).await.expect("it comes about within ten seconds")
}

fn device(broker: SocketAddr, more: Value) -> Arc<MqttDevice> {
    let folder = folder();
    let surroundings = surroundings_with(folder.path(), "plant.local", &format!("mqtt://{broker}"));
    let mut file = json!({ "id": "line", "driver": "mqtt", "broker": "mqtt://plant.local" });
    let Value::Object(members) = more else { panic!("members of the file") };
    members.into_iter().for_each(|(name, value)| file[name] = value);
    let Opened { mqtt, .. } = open(&file, &surroundings).expect("the file is right");
    mqtt.expect("it stands behind a broker")
}

async fn started(device: &Arc<MqttDevice>) {
    device.start().expect("it starts");
    soon(|| device.is_connected().then_some(())).await;
}

/// A plain client of another hand: `rumqttc`.
fn client(broker: SocketAddr, name: &str) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, broker.ip().to_string(), broker.port());
    options.set_keep_alive(Duration::from_secs(5));
    AsyncClient::new(options, 100_000)
}

/// Says this, and waits until the broker has it.
async fn say(broker: SocketAddr, topic: &str, bodies: &[&str]) {
    let (client, mut events) = client(broker, "speaker");
    for body in bodies {
        client.publish(topic, QoS::AtLeastOnce, false, *body).await.expect("room");
    }
    let mut left = bodies.len();
    while left > 0 {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.expect("the broker answers") {
            left -= 1;
        }
    }
}

async fn next(device: &MqttDevice) -> sinew_drivers::mqtt::Message {
    tokio::time::timeout(Duration::from_secs(10), device.next_event()).await.expect("an event comes")
}

fn events() -> Value {
    json!({ "reading": [{ "topic": "dock/+/scan", "kind": "event", "id": "/id" }] })
}

fn command(operation: Value) -> Command {
    let run = RunId { log: LogTag(1), seq: Seq(1) };
    Command {
        effect: EffectId { run, step: 1 },
        attempt: 1,
        capability: "line.go".parse().expect("plain"),
        class: Class::Idempotent,
        manifest: Digest::ZERO,
        device: "line".parse().expect("plain"),
        operation,
        args: json!({ "speed": 2 }),
        key: "k-1".to_owned(),
        natural_key: None,
        expires: Deadline { wall: Timestamp(i64::MAX), boot: BootTime(3_700_000_000) },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_not_acknowledged_comes_again_and_one_that_was_does_not() {
    let broker = broker(anywhere()).await;
    let first = device(broker.address, events());
    started(&first).await;
    // The session of events stands once its subscription was answered: a first message proves it.
    let ready = async {
        loop {
            say(broker.address, "dock/0/scan", &[r#"{"id":0}"#]).await;
            if let Ok(message) = tokio::time::timeout(Duration::from_millis(200), first.next_event()).await {
                return message;
            }
        }
    };
    let hello = tokio::time::timeout(Duration::from_secs(10), ready).await.expect("it hears");
    first.acknowledge(&hello).await;
    say(broker.address, "dock/1/scan", &[r#"{"id":1}"#, r#"{"id":2}"#]).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let message = next(&first).await;
        if message.topic == "dock/1/scan" {
            seen.push(message);
        } else {
            first.acknowledge(&message).await;
        }
    }
    first.acknowledge(&seen[0]).await;
    first.end();
    say(broker.address, "dock/1/scan", &[r#"{"id":3}"#]).await;
    let second = device(broker.address, events());
    started(&second).await;
    let again = [next(&second).await, next(&second).await].map(|message| (message.value(), message.again));
    assert_eq!(again, [(json!({ "id": 2 }), true), (json!({ "id": 3 }), false)]);
    second.end();
}

/// Answers each message with a command that carries its body.
struct Echo(usize);

impl Reflex for Echo {
    fn answer(&self, heard: Heard<'_>, shots: &mut Vec<Shot>) {
        let body: Value = serde_json::from_slice(heard.body).unwrap_or_default();
        shots.push(Shot { operation: self.0, args: body });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reflex_answers_and_goes_on_after_the_broker_was_killed() {
    let first = broker(anywhere()).await;
    let address = first.address;
    let device = device(address, json!({}));
    let operation = device.compile(&json!({ "publish": "line/{id}/cmd" })).expect("it is right");
    device.attach(vec!["line/+/temp".to_owned()], Arc::new(Echo(operation)));
    started(&device).await;
    let heard = || async {
        let (client, mut events) = client(address, "listener");
        client.subscribe("line/+/cmd", QoS::AtLeastOnce).await.expect("room");
        loop {
            match events.poll().await.expect("the broker answers") {
                Event::Incoming(Packet::SubAck(_)) => {
                    client.publish("line/a/temp", QoS::AtLeastOnce, false, r#"{"id":"a/b"}"#).await.expect("room");
                    client.publish("line/a/temp", QoS::AtLeastOnce, false, r#"{"id":"7"}"#).await.expect("room");
                }
                Event::Incoming(Packet::Publish(publish)) => return publish,
                _ => {}
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), heard()).await.expect("it answers");
    assert_eq!((answer.topic.as_str(), answer.payload.as_ref()), ("line/7/cmd", br#"{"id":"7"}"#.as_slice()));
    drop(first);
    soon(|| (!device.is_connected()).then_some(())).await;
    let _second = broker(address).await;
    soon(|| device.is_connected().then_some(())).await;
    tokio::time::timeout(Duration::from_secs(10), heard()).await.expect("it answers again, by itself");
    assert_eq!(device.counts().connected.load(Ordering::Relaxed), 2);
    device.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_done_when_the_device_says_so_and_unsent_without_a_connection() {
    let broker = broker(anywhere()).await;
    let device = device(broker.address, json!({ "reading": [{ "topic": "line/done", "kind": "telemetry" }] }));
    let plain = command(json!({ "publish": "line/cmd" }));
    let failure = device.write(&plain).await.expect_err("it was not started");
    assert_eq!(failure.kind(), ErrorKind::Busy, "{failure}");
    started(&device).await;
    let accepted = device.write(&plain).await.expect("the broker has it");
    assert_eq!(accepted, Reply::Accepted(json!({ "topic": "line/cmd", "qos": 1, "confirmed": null })));
    // A machine that answers with the key of what it did.
    let (machine, mut hears) = client(broker.address, "machine");
    machine.subscribe("line/cmd", QoS::AtLeastOnce).await.expect("room");
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let mut ready = Some(ready);
    let working = tokio::spawn(async move {
        loop {
            match hears.poll().await.expect("the broker answers") {
                Event::Incoming(Packet::SubAck(_)) => drop(ready.take().map(|ready| ready.send(()))),
                Event::Incoming(Packet::Publish(order)) => {
                    let order: Value = serde_json::from_slice(&order.payload).expect("JSON");
                    let done = json!({ "key": order["$key"], "speed": order["speed"] }).to_string();
                    machine.publish("line/done", QoS::AtLeastOnce, false, done).await.expect("room");
                }
                _ => {}
            }
        }
    });
    is_ready.await.expect("the machine listens");
    let confirm = json!({ "topic": "line/done", "at": "/key", "equals": "{key}" });
    let confirmed = command(json!({ "publish": "line/cmd", "stamp": true, "confirm": confirm }));
    device.check(&confirmed.operation).expect("it is right");
    let Reply::Accepted(receipt) = device.write(&confirmed).await.expect("it is done") else { panic!("accepted") };
    assert_eq!(receipt["confirmed"], json!({ "key": "k-1", "speed": 2 }));
    let state = json!({ "state": "line/done", "at": "/speed", "fresh": "1h" });
    assert_eq!(device.read(&state, &json!({}), confirmed.expires).await.expect("it was said"), json!(2));
    working.abort();
    let silent = Command { expires: Deadline { boot: BootTime(3_600_300_000), ..confirmed.expires }, ..confirmed };
    let failure = device.write(&silent).await.expect_err("nobody says that it was done");
    assert_eq!(failure.kind(), ErrorKind::Broken, "{failure}");
    device.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_telemetry_is_counted_to_the_last_message() {
    let broker = broker(anywhere()).await;
    let device = device(broker.address, json!({ "reading": [{ "topic": "s/+", "kind": "telemetry" }] }));
    started(&device).await;
    let total: u64 = 50_000;
    let (client, mut events) = client(broker.address, "flood");
    let pump = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    // QoS 1: the broker takes no more than it can hold, so every message arrives and the device alone may drop.
    for number in 0..total {
        client.publish(format!("s/{}", number % 50), QoS::AtLeastOnce, false, number.to_string()).await.expect("room");
    }
    soon(|| (device.counts().heard.load(Ordering::Relaxed) >= total).then_some(())).await;
    let dropped = device.newly_dropped();
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_millis(200), device.next_telemetry()).await.is_ok() {
        taken += 1;
    }
    assert_eq!(taken + dropped, device.counts().heard.load(Ordering::Relaxed), "each is taken or counted");
    assert!(dropped > 0, "the queue is bounded");
    assert!(device.is_connected());
    pump.abort();
    device.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_will_is_said_when_a_client_breaks_off_and_kept_for_those_who_come_later() {
    let broker = broker(anywhere()).await;
    let will = json!({ "topic": "line/here", "payload": "no" });
    let device = device(broker.address, json!({ "will": will, "online": { "topic": "line/here", "payload": "yes" } }));
    started(&device).await;
    let word = || async {
        let (client, mut events) = client(broker.address, "late");
        client.subscribe("line/here", QoS::AtMostOnce).await.expect("room");
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.expect("the broker answers") {
                return publish.payload;
            }
        }
    };
    let hears = |wanted: &'static [u8]| {
        let word = &word;
        async move { while tokio::time::timeout(Duration::from_secs(10), word()).await.expect("it is said") != wanted {} }
    };
    hears(b"yes").await;
    // Another connection of its name throws it out, which is no leave-taking.
    let (thief, mut events) = client(broker.address, "sinew-line");
    drop(thief);
    let stolen = tokio::time::timeout(Duration::from_secs(5), events.poll()).await.expect("it is let in");
    assert!(matches!(stolen, Ok(Event::Incoming(Packet::ConnAck(_)))), "{stolen:?}");
    drop(events);
    tokio::time::timeout(Duration::from_secs(10), hears(b"no")).await.expect("the will is said");
    device.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_its_own_connection_and_nothing_else() {
    let broker = broker(anywhere()).await;
    let device = device(broker.address, json!({ "reading": [{ "topic": "s/+", "kind": "telemetry" }] }));
    started(&device).await;
    let connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01g";
    let rows: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff\xff\xff\xff\xff",
        b"\x00\x00",
        b"\x30\x02\x00\x00",
        b"\x30\xff\xff\xff\x7f",
        b"\x30\x05\x00\x01#xy",
        b"\x30\x03\x00\x09a",
        b"\x36\x05\x00\x01+\x00\x01",
    ];
    for garbage in rows {
        for greeted in [false, true] {
            let mut socket = tokio::net::TcpStream::connect(broker.address).await.expect("it listens");
            if greeted {
                socket.write_all(connect).await.expect("it reads");
                let mut answer = [0; 4];
                socket.read_exact(&mut answer).await.expect("it answers");
                assert_eq!(answer, *b"\x20\x02\x00\x00");
            }
            socket.write_all(garbage).await.expect("it reads");
            socket.shutdown().await.expect("it can be closed");
            let mut rest = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(8), socket.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "{garbage:?} is still connected");
        }
    }
    say(broker.address, "s/1", &["1"]).await;
    let message = tokio::time::timeout(Duration::from_secs(10), device.next_telemetry()).await.expect("it still hears");
    assert_eq!(message.value(), json!(1));
    assert_eq!(device.counts().connected.load(Ordering::Relaxed), 1, "it was never disturbed");
    device.end();
}

#[tokio::test]
async fn a_broker_beyond_loopback_needs_users_and_turns_strangers_away() {
    let open_to_all = BrokerConfig { listen: "0.0.0.0:0".parse().expect("an address"), users: Default::default() };
    assert!(Broker::open(&open_to_all, &|_| unreachable!("no users")).is_err());
    let users = [("ana".to_owned(), "env:ANA".to_owned())].into();
    let config = BrokerConfig { listen: anywhere(), users };
    let opened = Broker::open(&config, &|_| Ok("s3cret".to_owned())).expect("it opens");
    let address = opened.address().expect("an address");
    let running = tokio::spawn(opened.run());
    for (login, welcome) in [(None, false), (Some(("ana", "wrong")), false), (Some(("ana", "s3cret")), true)] {
        let mut options = MqttOptions::new("x", address.ip().to_string(), address.port());
        if let Some((name, password)) = login {
            options.set_credentials(name, password);
        }
        let (_client, mut events) = AsyncClient::new(options, 10);
        assert_eq!(events.poll().await.is_ok(), welcome, "{login:?}");
    }
    running.abort();
}
