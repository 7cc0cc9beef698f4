//! Questions: what comes back, where they may go, and how long they wait.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::{ErrorKind, Failure};

use crate::common::{Act, Target, World, answer, dead_port, folder, head, world};

async fn effect(world: &World, key: &str) -> Result<Value, Failure> {
    let operation = json!({"method": "GET", "path": "/effects/{key}"});
    world.shop().read(&operation, &json!({"key": key}), world.deadline()).await
}

/// The built-in look-up of playbooks.
async fn get(world: &World, args: Value) -> Result<Value, Failure> {
    let http = world.open(&json!({"id": "http", "driver": "http"}));
    http.read(&json!({"method": "GET", "uri": "{uri}", "raw": true}), &args, world.deadline()).await
}

#[tokio::test]
async fn a_key_stays_one_segment_of_the_path() {
    let target = Target::start(vec![answer(200, r#"{"applied":true}"#), answer(404, "{}")]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let found = effect(&world, "refund/o-1/../1?x").await.expect("an answer");
    assert_eq!(found, json!({"applied": true}));
    assert!(target.requests()[0].starts_with("GET /effects/refund%2Fo-1%2F..%2F1%3Fx HTTP/1.1\r\n"));
    assert_eq!(effect(&world, "k2").await.map_err(|failure| failure.kind()), Err(ErrorKind::Missing));
}

#[tokio::test]
async fn a_raw_question_gives_back_whatever_the_target_says() {
    let target = Target::start(vec![answer(200, "[1]"), answer(404, "{}"), Act::Answer(head(503, 0, ""))]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let args =
        json!({"uri": "http://shop.local/returns/RMA-1", "query": {"a": "b&c", "n": 2}, "headers": {"x-note": "hi"}});
    let found = get(&world, args.clone()).await.expect("an answer");
    let headers = json!({"content-type": "application/json", "content-length": "3"});
    assert_eq!(found, json!({"status": 200, "headers": headers, "content": [1]}));
    let sent = target.requests().remove(0);
    assert!(
        sent.starts_with("GET /returns/RMA-1?a=b%26c&n=2 HTTP/1.1\r\n") && sent.contains("x-note: hi\r\n"),
        "{sent}"
    );
    assert!(!sent.contains("s3cret"), "secrets go to their own device alone");
    let missing = get(&world, args.clone()).await.expect("a 404 is an answer too");
    assert_eq!(missing.get("status"), Some(&json!(404)));
    assert_eq!(get(&world, args).await.map_err(|failure| failure.kind()), Err(ErrorKind::Busy));
}

#[tokio::test]
async fn what_may_not_be_called_is_not_called() {
    let target = Target::start(vec![answer(200, "{}")]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let real = format!("http://127.0.0.1:{}/ledger", target.port);
    let uri = |uri: &str| json!({"uri": uri});
    let with_headers = |headers: Value| json!({"uri": "http://shop.local/", "headers": headers});
    let rows = [
        (uri(&real), ErrorKind::Denied),
        (uri("http://evil.example/"), ErrorKind::Denied),
        (uri("http://shop.local:1/"), ErrorKind::Denied),
        (uri("http://shop.local/returns/../ledger"), ErrorKind::Invalid),
        (uri("http://shop.local@evil.example/"), ErrorKind::Invalid),
        (uri("ftp://shop.local/"), ErrorKind::Invalid),
        (json!({}), ErrorKind::Invalid),
        (with_headers(json!({"Host": "evil.example"})), ErrorKind::Invalid),
        (with_headers(json!({"authorization": "x"})), ErrorKind::Invalid),
        (with_headers(json!({"x": "a\r\nb: c"})), ErrorKind::Invalid),
        (with_headers(json!("x")), ErrorKind::Invalid),
        (json!({"uri": "http://shop.local/", "query": {"a": []}}), ErrorKind::Invalid),
    ];
    for (args, kind) in rows {
        assert_eq!(get(&world, args.clone()).await.map_err(|failure| failure.kind()), Err(kind), "{args}");
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_followed_at_home_and_never_abroad() {
    let abroad = Target::start(vec![answer(200, "{}")]).await;
    let away = head(302, 0, &format!("location: http://127.0.0.1:{}/\r\n", abroad.port));
    let home = Act::Answer(head(302, 0, "location: /other\r\n"));
    let target = Target::start(vec![home, answer(200, "[2]"), Act::Answer(away)]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    assert_eq!(effect(&world, "k").await.expect("the second place answers"), json!([2]));
    assert_eq!(effect(&world, "k").await.map_err(|failure| failure.kind()), Err(ErrorKind::Denied));
    assert_eq!(abroad.connections(), 0);
}

#[tokio::test]
async fn a_target_that_is_gone_silent_or_late_may_be_asked_again() {
    let folder = folder();
    let gone = world(dead_port().await, folder.path());
    assert_eq!(effect(&gone, "k").await.map_err(|failure| failure.kind()), Err(ErrorKind::Busy));
    let target = Target::start(vec![Act::Close]).await;
    let silent = world(target.port, folder.path());
    assert_eq!(effect(&silent, "k").await.map_err(|failure| failure.kind()), Err(ErrorKind::Busy));
    let deadline = silent.deadline();
    silent.clock.advance(Duration::from_secs(11));
    let operation = json!({"method": "GET", "path": "/effects/{key}"});
    let late = silent.shop().read(&operation, &json!({"key": "k"}), deadline).await;
    assert_eq!(late.map_err(|failure| failure.kind()), Err(ErrorKind::Late));
}

#[tokio::test]
async fn a_command_is_not_a_question() {
    let folder = folder();
    let world = world(dead_port().await, folder.path());
    let shop = world.shop();
    let post = json!({"method": "POST", "path": "/refunds"});
    let found = shop.read(&post, &json!({}), world.deadline()).await.map_err(|failure| failure.kind());
    assert_eq!(found, Err(ErrorKind::Invalid));
    assert_eq!(shop.listen().await.map_err(|failure| failure.kind()), Err(ErrorKind::Missing));
}
