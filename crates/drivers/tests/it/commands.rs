//! Commands: they leave at most once, and what is said of them is what is known.

use std::time::Duration;

use serde_json::json;
use sinew_contract::{ErrorKind, Reply, Timestamp};

use crate::common::{Act, Target, answer, dead_port, folder, head, world};

#[tokio::test]
async fn a_command_carries_its_key_its_expiry_its_secret_and_its_arguments() {
    let target = Target::start(vec![answer(201, r#"{"refund":"rf-1"}"#)]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let reply = world.shop().write(&world.refund()).await.expect("the target answers");
    assert_eq!(reply, Reply::Accepted(json!({"refund": "rf-1"})));
    let requests = target.requests();
    let sent = requests.first().expect("one request");
    for part in [
        "POST /refunds HTTP/1.1\r\n",
        "idempotency-key: refund/o-1/1\r\n",
        "command-expires: 2026-11-22T09:00:10Z\r\n",
        "authorization: Bearer s3cret\r\n",
        "\r\n\r\n{\"rma\":\"RMA-1\"}",
    ] {
        assert!(sent.contains(part), "{part:?} in {sent}");
    }
}

/// What a target does, and what the caller may conclude.
async fn check(act: Act, expected: Result<Reply, ErrorKind>) {
    let target = Target::start(vec![act.clone()]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let found = world.shop().write(&world.refund()).await.map_err(|failure| failure.kind());
    assert_eq!(found, expected, "{act:?}");
    assert_eq!(target.requests().len(), 1, "sent once: {act:?}");
}

#[tokio::test]
async fn what_the_target_does_decides_what_is_known() {
    let problem = r#"{"title":"conflict","detail":"already refunded"}"#;
    let busy = |retry_after_ms, reason: &str| Ok(Reply::Busy { retry_after_ms, reason: reason.to_owned() });
    check(answer(409, problem), Ok(Reply::Refused("already refunded".to_owned()))).await;
    check(Act::Answer(head(503, 0, "retry-after: 7\r\n")), busy(Some(7_000), "status 503")).await;
    let date = "retry-after: Sun, 22 Nov 2026 09:00:03 GMT\r\n";
    check(Act::Answer(head(429, 0, date)), busy(Some(3_000), "status 429")).await;
    check(answer(410, problem), busy(Some(0), "expired")).await;
    check(answer(500, problem), Err(ErrorKind::Broken)).await;
    check(Act::Answer(head(307, 0, "location: http://127.0.0.1:1/\r\n")), Err(ErrorKind::Broken)).await;
}

#[tokio::test]
async fn an_answer_that_is_lost_or_cut_leaves_the_outcome_unknown() {
    check(Act::Close, Err(ErrorKind::Broken)).await;
    check(Act::AnswerAndClose("HTTP/1.1 201 Cre".to_owned()), Err(ErrorKind::Broken)).await;
    check(Act::AnswerAndClose(head(201, 500, "") + "{\"refund\":"), Err(ErrorKind::Broken)).await;
    let large = "x".repeat((1 << 20) + 1);
    check(Act::Answer(head(201, large.len(), "") + &large), Err(ErrorKind::Broken)).await;
}

#[tokio::test]
async fn a_target_that_never_answers_leaves_the_outcome_unknown() {
    let target = Target::start(vec![Act::Stall]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let file = json!({"id": "shop", "driver": "http", "base": "http://shop.local", "timeout": "100ms"});
    let found = world.open(&file).write(&world.refund()).await.map_err(|failure| failure.kind());
    assert_eq!((found, target.requests().len()), (Err(ErrorKind::Broken), 1));
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_surely_got_nothing() {
    let folder = folder();
    let world = world(dead_port().await, folder.path());
    let failure = world.shop().write(&world.refund()).await.expect_err("nobody listens");
    assert_eq!(failure.kind(), ErrorKind::Busy);
    assert!(failure.to_string().contains("nothing was sent"), "{failure}");
}

#[tokio::test]
async fn an_expired_command_never_leaves() {
    let target = Target::start(vec![answer(201, "{}")]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let (shop, command) = (world.shop(), world.refund());
    world.clock.advance(Duration::from_secs(10));
    let late = shop.write(&command).await.map_err(|failure| failure.kind());
    world.clock.set_wall(Timestamp(0));
    let set_back = shop.write(&command).await.map_err(|failure| failure.kind());
    assert_eq!((late, set_back), (Err(ErrorKind::Late), Err(ErrorKind::Late)));
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn each_command_has_a_connection_of_its_own_so_that_none_is_sent_again_on_a_stale_one() {
    let target = Target::start(vec![answer(201, "{}"), Act::Close, answer(201, "{}")]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let shop = world.shop();
    let mut found = Vec::new();
    for _ in 0..3 {
        found.push(shop.write(&world.refund()).await.is_ok());
    }
    assert_eq!(found, [true, false, true]);
    assert_eq!((target.requests().len(), target.connections()), (3, 3));
}

#[tokio::test]
async fn what_cannot_be_a_command_never_leaves() {
    let target = Target::start(vec![answer(201, "{}")]).await;
    let folder = folder();
    let world = world(target.port, folder.path());
    let shop = world.shop();
    let mut newline = world.refund();
    newline.key = "a\r\nx: y".to_owned();
    let commands = [
        world.command(json!({"method": "GET", "path": "/refunds"}), json!({})),
        world.command(json!({"method": "POST", "path": "/refunds/{id}"}), json!({})),
        world.command(json!({"method": "POST", "path": "/refunds/{id}"}), json!({"id": ".."})),
        world.command(json!({"method": "POST", "uri": "{uri}"}), json!({"uri": "http://shop.local/"})),
        newline,
    ];
    for command in commands {
        let found = shop.write(&command).await.map_err(|failure| failure.kind());
        assert_eq!(found, Err(ErrorKind::Invalid), "{:?}", command.operation);
    }
    assert_eq!(target.connections(), 0);
}
