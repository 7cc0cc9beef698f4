//! Every switch makes its fault, and the ledger tells what became of the call.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::{Running, refund, start};

async fn is_lost(shop: &Running, key: &str) -> bool {
    shop.send("/refunds", key, None, &refund(1, 3990)).await.is_err()
}

#[tokio::test]
async fn a_lost_reply_was_committed_and_can_be_asked_for_by_key() {
    let shop = start().await;
    shop.switch(json!({"lose_reply": 1})).await;
    assert!(is_lost(&shop, "k1").await);
    let (status, effect) = shop.get("/effects/k1").await;
    assert_eq!((status, effect.get("applied")), (200, Some(&json!(true))));
    assert!(!is_lost(&shop, "k1").await, "the count has run out");
    assert_eq!(shop.ledger().await, ["refund applied", "refund repeated"]);
}

#[tokio::test]
async fn a_lost_request_leaves_no_trace() {
    let shop = start().await;
    shop.switch(json!({"lose_request_every": 2})).await;
    assert!(!is_lost(&shop, "k1").await);
    assert!(is_lost(&shop, "k2").await);
    assert_eq!(shop.get("/effects/k2").await.0, 404);
    assert_eq!(shop.ledger().await, ["refund applied"]);
}

#[tokio::test]
async fn a_busy_shop_says_when_to_come_back_and_does_nothing() {
    let shop = start().await;
    shop.switch(json!({"busy": 1, "retry_after_s": 7})).await;
    let answer = shop.send("/refunds", "k1", None, &refund(1, 3990)).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].as_bytes()), (503, b"7".as_slice()));
    assert_eq!((shop.get("/effects/k1").await.0, shop.count("refunds").await), (404, 0));
    assert_eq!(shop.post("/refunds", "k1", &refund(1, 3990)).await.0, 201);
    assert_eq!(shop.ledger().await, ["refund refused", "refund applied"]);
}

#[tokio::test]
async fn a_slow_shop_takes_its_time() {
    let shop = start().await;
    shop.switch(json!({"slow_ms": 80})).await;
    let begin = Instant::now();
    shop.get("/returns/RMA-100001").await;
    assert!(begin.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_call_delivered_twice_is_done_once_under_its_key() {
    let shop = start().await;
    shop.switch(json!({"duplicate": true})).await;
    assert_eq!(shop.post("/refunds", "k1", &refund(1, 3990)).await.0, 201);
    assert_eq!(shop.ledger().await, ["refund applied", "refund repeated"]);
    assert_eq!((shop.count("refunds").await, shop.count("doubled").await), (1, 0));
}

#[tokio::test]
async fn an_unguarded_shop_doubles_a_doubled_call_and_shows_it() {
    let shop = start().await;
    shop.switch(json!({"unguarded": true})).await;
    let (_, first) = shop.post("/refunds", "k1", &refund(1, 3990)).await;
    assert_eq!(shop.post("/refunds", "k1", &refund(1, 3990)).await.0, 201);
    assert_eq!(shop.post("/stock/restock", "k2", &json!({"rma": "RMA-100001", "sku": "P01", "qty": 1})).await.0, 201);
    assert_eq!(shop.post("/stock/restock", "k2", &json!({"rma": "RMA-100001", "sku": "P01", "qty": 1})).await.0, 201);
    assert_eq!((shop.count("refunds").await, shop.count("doubled").await), (2, 2));
    assert_eq!(shop.ledger().await, ["refund applied", "refund applied", "restock applied", "restock applied"]);
    let (status, effect) = shop.get("/effects/k1").await;
    assert_eq!((status, effect.get("result")), (200, Some(&first)), "the first effect still answers");
}

#[tokio::test]
async fn a_shop_that_is_down_answers_nobody_but_its_administration() {
    let shop = start().await;
    shop.switch(json!({"down": true})).await;
    assert!(shop.client.get(format!("{}/returns/RMA-100001", shop.base)).send().await.is_err());
    assert!(is_lost(&shop, "k1").await);
    assert_eq!(shop.get("/health").await.1, json!({"ok": true, "down": true}));
    shop.switch(json!({})).await;
    assert_eq!(shop.get("/returns/RMA-100001").await.0, 200);
    assert!(shop.ledger().await.is_empty());
}

#[tokio::test]
async fn put_sets_all_switches_patch_only_the_named_and_unknown_ones_are_refused() {
    let shop = start().await;
    shop.switch(json!({"unguarded": true})).await;
    let url = format!("{}/switches", shop.base);
    let patched = shop.client.patch(&url).json(&json!({"slow_ms": 1})).send().await.expect("an answer");
    let all: serde_json::Value = patched.json().await.expect("JSON");
    assert_eq!((all.get("unguarded"), all.get("slow_ms")), (Some(&json!(true)), Some(&json!(1))));
    shop.switch(json!({"busy": 2})).await;
    let (_, all) = shop.get("/switches").await;
    assert_eq!((all.get("unguarded"), all.get("busy")), (Some(&json!(false)), Some(&json!(2))));
    let refused = shop.client.put(&url).json(&json!({"lose_replies": 1})).send().await.expect("an answer");
    assert_eq!(refused.status(), 422);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_and_stands_in_the_ledger() {
    let shop = start().await;
    let request = shop.client.post(format!("{}/refunds", shop.base)).header("Idempotency-Key", "k1").body("{");
    let answer = request.header("content-type", "application/json").send().await.expect("an answer");
    assert_eq!(answer.status(), 400);
    assert_eq!(shop.ledger().await, ["refund refused"]);
}
