//! Keys and expiry: what is done once, and what is never done.

use serde_json::json;

use crate::common::{refund, start, start_with, word};

#[tokio::test]
async fn the_same_key_with_the_same_arguments_gets_the_first_answer_again() {
    let shop = start().await;
    let (first_status, first) = shop.post("/refunds", "k1", &refund(1, 3990)).await;
    let (again_status, again) = shop.post("/refunds", "k1", &refund(1, 3990)).await;
    assert_eq!((first_status, again_status), (201, 200));
    assert_eq!(first, again);
    assert_eq!(shop.ledger().await, ["refund applied", "refund repeated"]);
    assert_eq!((shop.count("refunds").await, shop.count("doubled").await), (1, 0));
}

#[tokio::test]
async fn the_same_key_with_other_arguments_is_refused() {
    let shop = start().await;
    shop.post("/refunds", "k1", &refund(1, 3990)).await;
    let (status, problem) = shop.post("/refunds", "k1", &refund(2, 5490)).await;
    assert_eq!((status, word(&problem, "detail")), (422, "the key `k1` was used with other arguments"));
    assert_eq!(shop.ledger().await, ["refund applied", "refund refused"]);
    let (_, effect) = shop.get("/effects/k1").await;
    assert_eq!(word(effect.get("result").expect("a result"), "rma"), "RMA-100001");
}

#[tokio::test]
async fn a_call_without_a_key_is_refused_and_stands_in_the_ledger() {
    let shop = start().await;
    let (status, _) = shop.post("/refunds", "", &refund(1, 3990)).await;
    assert_eq!((status, shop.count("refunds").await), (400, 0));
    assert_eq!(shop.ledger().await, ["refund refused"]);
}

#[tokio::test]
async fn an_expired_call_is_refused_and_its_key_stays_free() {
    let shop = start().await;
    let body = refund(1, 3990);
    let call = |expires| shop.send("/refunds", "k1", Some(expires), &body);
    let late = call("2020-01-01T00:00:00Z").await.expect("an answer");
    assert_eq!(late.status(), 410);
    assert_eq!(shop.get("/effects/k1").await.0, 404);
    let nonsense = call("tomorrow").await.expect("an answer");
    assert_eq!(nonsense.status(), 400);
    let in_time = call("2999-01-01T00:00:00Z").await.expect("an answer");
    assert_eq!(in_time.status(), 201);
    assert_eq!(shop.ledger().await, ["refund refused", "refund refused", "refund applied"]);
}

#[tokio::test]
async fn a_late_repeat_of_what_was_done_is_never_called_expired() {
    let shop = start().await;
    shop.post("/refunds", "k1", &refund(1, 3990)).await;
    let late = shop.send("/refunds", "k1", Some("2020-01-01T00:00:00Z"), &refund(1, 3990)).await.expect("an answer");
    assert_eq!(late.status(), 200);
}

#[tokio::test]
async fn an_effect_is_found_by_its_key_whatever_characters_it_has() {
    let shop = start().await;
    assert_eq!(shop.get("/effects/refund%2Fo-5001%2F1").await.0, 404);
    let (_, receipt) = shop.post("/refunds", "refund/o-5001/1", &refund(1, 3990)).await;
    for path in ["/effects/refund%2Fo-5001%2F1", "/effects/refund/o-5001/1"] {
        let (status, effect) = shop.get(path).await;
        let digest = word(&effect, "arguments_sha256").to_owned();
        let expected = json!({"key": "refund/o-5001/1", "action": "refund", "arguments_sha256": digest,
            "applied": true, "result": receipt});
        assert_eq!((status, effect), (200, expected));
    }
}

#[tokio::test]
async fn a_refused_call_is_found_by_its_key_as_not_applied_and_stays_refused() {
    let shop = start().await;
    shop.post("/refunds", "k1", &refund(1, 3990)).await;
    assert_eq!(shop.post("/refunds", "k2", &refund(1, 3990)).await.0, 409);
    let (_, effect) = shop.get("/effects/k2").await;
    assert_eq!(effect.get("applied"), Some(&json!(false)));
    assert_eq!(shop.post("/refunds", "k2", &refund(1, 3990)).await.0, 409);
    assert_eq!(shop.ledger().await, ["refund applied", "refund refused", "refund repeated"]);
}

#[tokio::test]
async fn a_shop_that_starts_again_remembers_its_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.db");
    let first = start_with(Some(&file), 4).await;
    first.post("/refunds", "k1", &refund(1, 3990)).await;
    drop(first);
    let second = start_with(Some(&file), 4).await;
    assert_eq!(second.post("/refunds", "k1", &refund(1, 3990)).await.0, 200);
    assert_eq!((second.count("returns").await, second.count("refunds").await), (24, 1));
}
