//! The shop's own rules, and what it answers about the sample returns.

use serde_json::{Value, json};

use crate::common::{refund, restock, start, word};

fn matches(answer: &Value) -> &Vec<Value> {
    answer.get("matches").and_then(Value::as_array).expect("a list of matches")
}

#[tokio::test]
async fn a_code_finds_no_return_one_or_several() {
    let shop = start().await;
    let rows = [
        ("RMA-100002", vec!["RMA-100002"]),
        ("2000000000015", vec!["RMA-100001"]),
        ("2000000000053", vec!["RMA-100005"]),
        ("2000000000077", vec![]),
        ("2000000000190", vec!["RMA-100019", "RMA-100020"]),
        ("RMA-100009", vec![]),
        ("RMA-200040", vec!["RMA-200040"]),
        ("2999999999998", vec![]),
        ("' OR 1=1 --", vec![]),
    ];
    for (code, expected) in rows {
        let (status, answer) = shop.get(&format!("/returns/{}", code.replace(' ', "%20"))).await;
        let found: Vec<_> = matches(&answer).iter().map(|one| word(one, "rma")).collect();
        assert_eq!((status, found), (200, expected), "{code}");
    }
}

#[tokio::test]
async fn a_match_carries_all_that_a_decision_needs() {
    let shop = start().await;
    let (_, answer) = shop.get("/returns/RMA-100015").await;
    let expected = json!({
        "rma": "RMA-100015", "order": "o-5015", "line": 1,
        "customer": {"id": "c-1012", "name": "Ines Weiss", "email": "ines.weiss.1012@example.com"},
        "sku": "P15", "ean": "2000000000152", "title": "Linen apron, indigo",
        "price": {"minor": 4490, "currency": "EUR"},
        "delivered_on": "2026-11-17", "announced_on": "2026-11-20", "days_since_delivery": 5,
        "condition": "unopened", "reason": "changed-mind", "restockable": true, "earlier_returns": 6, "status": "open",
    });
    assert_eq!(answer, json!({"code": "RMA-100015", "matches": [expected]}));
}

#[tokio::test]
async fn the_special_returns_are_special_and_the_others_are_not() {
    let shop = start().await;
    let facts =
        [(11, 64, 4990, "unopened"), (12, 11, 18900, "unopened"), (13, 13, 24900, "unopened"), (17, 20, 3890, "worn")];
    for (number, days, price, condition) in facts {
        let (_, answer) = shop.get(&format!("/returns/RMA-{}", 100_000 + number)).await;
        let found = matches(&answer).first().expect("one match");
        let seen = (found.get("days_since_delivery"), found.pointer("/price/minor"), word(found, "condition"));
        assert_eq!(seen, (Some(&json!(days)), Some(&json!(price)), condition), "{number}");
    }
    let (_, transit) = shop.get("/returns/RMA-100018").await;
    assert_eq!(transit.pointer("/matches/0/restockable"), Some(&json!(false)));
    for rma in [100_001, 100_007, 100_021, 100_022, 100_023, 200_001, 200_040] {
        let (_, answer) = shop.get(&format!("/returns/RMA-{rma}")).await;
        let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_i64).expect("a number");
        assert!(number("/matches/0/price/minor") <= 9000 && number("/matches/0/earlier_returns") < 5, "{rma}");
        assert!((3..=25).contains(&number("/matches/0/days_since_delivery")), "{rma}");
    }
}

#[tokio::test]
async fn customers_orders_products_and_stock_can_be_looked_up() {
    let shop = start().await;
    for (path, pointer, expected) in [
        ("/customers/c-1012", "/earlier_returns", json!(6)),
        ("/orders/o-5001", "/lines/0/sku", json!("P01")),
        ("/products/2000000000169", "/discontinued", json!(true)),
        ("/stock/P01", "/qty", json!(20)),
    ] {
        let (status, answer) = shop.get(path).await;
        assert_eq!((status, answer.pointer(pointer)), (200, Some(&expected)), "{path}");
    }
    for path in ["/customers/c-9", "/orders/o-9", "/products/1", "/stock/P99x", "/nowhere"] {
        assert_eq!(shop.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_refund_is_given_once_and_again_only_after_it_was_voided() {
    let shop = start().await;
    let (_, receipt) = shop.post("/refunds", "k1", &refund(1, 3990)).await;
    assert_eq!(shop.post("/refunds", "k2", &refund(1, 3990)).await.0, 409);
    let (_, found) = shop.get("/returns/RMA-100001").await;
    assert_eq!(found.pointer("/matches/0/status"), Some(&json!("refunded")));
    let void = json!({"refund": word(&receipt, "refund")});
    assert_eq!(shop.post("/refunds/void", "k3", &void).await.0, 201);
    assert_eq!(shop.post("/refunds/void", "k4", &void).await.0, 409);
    assert_eq!(shop.post("/refunds", "k5", &refund(1, 3990)).await.0, 201);
    assert_eq!((shop.count("refunds").await, shop.count("refunds_voided").await), (1, 1));
    let (_, ledger) = shop.get("/ledger").await;
    assert_eq!(ledger.pointer("/2/rma"), Some(&json!("RMA-100001")), "a void is told under its return");
}

#[tokio::test]
async fn a_refund_that_is_wrong_in_any_part_is_refused() {
    let shop = start().await;
    let good = refund(1, 3990);
    let wrong = [
        ("/rma", json!("RMA-100009")),
        ("/order", json!("o-5002")),
        ("/line", json!(2)),
        ("/amount/minor", json!(3991)),
        ("/amount/minor", json!(0)),
        ("/amount/minor", json!(-1)),
        ("/amount/minor", json!(39.9)),
        ("/amount/currency", json!("USD")),
    ];
    for (n, (pointer, value)) in wrong.into_iter().enumerate() {
        let mut body = good.clone();
        *body.pointer_mut(pointer).expect("the place exists") = value;
        assert_eq!(shop.post("/refunds", &format!("k{n}"), &body).await.0, 422, "{body}");
    }
    assert_eq!(shop.count("refunds").await, 0);
}

#[tokio::test]
async fn a_piece_goes_back_to_stock_once_and_can_be_taken_out_again() {
    let shop = start().await;
    let (_, receipt) = shop.post("/stock/restock", "k1", &restock(1, "P01")).await;
    assert_eq!(shop.get("/stock/P01").await.1.get("qty"), Some(&json!(21)));
    assert_eq!(shop.post("/stock/restock", "k2", &restock(1, "P01")).await.0, 409);
    let undo = json!({"movement": word(&receipt, "movement")});
    assert_eq!(shop.post("/stock/unstock", "k3", &undo).await.0, 201);
    assert_eq!(shop.get("/stock/P01").await.1.get("qty"), Some(&json!(20)));
    for (key, body) in [("k4", restock(16, "P16")), ("k5", restock(18, "P18")), ("k6", restock(1, "P02"))] {
        assert_eq!(shop.post("/stock/restock", key, &body).await.0, 422, "{body}");
    }
}

#[tokio::test]
async fn a_message_goes_to_the_customer_of_that_return_only() {
    let shop = start().await;
    let message =
        |customer: &str| json!({"rma": "RMA-100001", "customer": customer, "subject": "Hello", "body": "Done."});
    let (status, receipt) = shop.post("/messages", "k1", &message("c-1001")).await;
    assert_eq!((status, word(&receipt, "message")), (201, "msg-000001"));
    assert_eq!(shop.post("/messages", "k2", &message("c-1002")).await.0, 422);
    assert_eq!(shop.count("messages").await, 1);
}
