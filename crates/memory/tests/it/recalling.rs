//! What memory answers to a run that asks.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::{ErrorKind, Recall, RecallQuery, Scope, Seq};

use crate::story::{Story, effect, everything, folded, named, refunded};

fn ask(store: &str, subject: Option<&str>) -> RecallQuery {
    RecallQuery {
        store: store.to_owned(),
        subject: subject.map(str::to_owned),
        about: None,
        limit: 10,
        at_least: Seq::ZERO,
        scope: Scope::main(),
    }
}

fn items(answer: &Value) -> Vec<&Value> {
    answer["items"].as_array().expect("an answer has items").iter().collect()
}

#[tokio::test]
async fn episodes_of_a_customer_come_newest_first_with_their_source() {
    let mut story = Story::default();
    let first = refunded(&mut story, "a.jpg");
    let second = refunded(&mut story, "b.jpg");
    story.remember(effect(second, 9), "episode", "customer:other", "episode/x", json!({"outcome": "refused"}));
    let (memory, _folder) = folded(&story).await;
    let answer = memory.recall(ask("episodes", Some("customer:c17"))).await.expect("answered");
    let found = items(&answer);
    let ids: Vec<_> = found.iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, [json!(format!("episode/{second}")), json!(format!("episode/{first}"))]);
    let newest = found.first().expect("two");
    assert_eq!(newest["content"], json!({"outcome": "refunded", "sku": "P01"}));
    assert_eq!((&newest["source"], &newest["confidence_permille"]), (&json!([format!("run:{second}")]), &json!(900)));
    let parts = &newest["parts"];
    let some: Vec<_> = ["recency", "confidence", "trust", "lexical"].iter().map(|part| parts[part].clone()).collect();
    assert_eq!(some, [json!(1000), json!(900), json!(500), json!(0)]);
    assert_eq!(
        (&newest["stale"], &newest["conflict"], &newest["method"]),
        (&json!(false), &json!(false), &json!("playbook"))
    );
    assert_eq!(answer["as_of"], json!(story.last()));
}

#[tokio::test]
async fn the_same_key_twice_is_once() {
    let mut story = Story::default();
    let run = story.start(None);
    story.remember(effect(run, 1), "fact", "sku:P01", "k", json!("first"));
    story.remember(effect(run, 2), "fact", "sku:P01", "k", json!("second"));
    let (memory, _folder) = folded(&story).await;
    let answer = memory.recall(ask("facts", None)).await.expect("answered");
    assert_eq!(items(&answer).iter().map(|item| &item["content"]).collect::<Vec<_>>(), [&json!("first")]);
}

#[tokio::test]
async fn customers_orders_and_returns_are_known_as_last_seen() {
    let (memory, _folder) = folded(&everything()).await;
    let check = async |store: &str, subject: &str, expected: Value| {
        let answer = memory.recall(ask(store, Some(subject))).await.expect("answered");
        let found = items(&answer);
        assert_eq!(found.first().map(|item| &item["content"]), Some(&expected), "{store} {subject}");
        assert_eq!(found.len(), 1);
    };
    check("customers", "customer:c17", json!({"email": "ada@example.org", "id": "c17", "name": "Ada"})).await;
    check("orders", "order:o-7", json!({"rma": "RMA-1"})).await;
    let seen = json!({"customer": "customer:c17", "order": "o-7", "reason": "too small", "rma": "RMA-1"});
    check("returns", "rma:RMA-1", seen).await;
    let nobody = memory.recall(ask("customers", Some("customer:c99"))).await.expect("answered");
    assert!(items(&nobody).is_empty());
}

#[tokio::test]
async fn words_choose_where_no_subject_does() {
    let mut story = Story::default();
    let run = story.start(None);
    story.remember(effect(run, 1), "fact", "sku:P01", "a", json!("the red shoe runs small"));
    story.remember(effect(run, 2), "fact", "sku:P02", "b", json!("the blue hat"));
    story.remember(effect(run, 3), "fact", "sku:P03", "c", json!("größer als erwartet"));
    let (memory, _folder) = folded(&story).await;
    let ids = async |about: &str, subject: Option<&str>| -> Vec<Value> {
        let query = RecallQuery { about: Some(about.to_owned()), ..ask("items", subject) };
        let answer = memory.recall(query).await.expect("answered");
        items(&answer).iter().map(|item| item["id"].clone()).collect()
    };
    assert_eq!(ids("RED shoe", None).await, ["a"]);
    assert_eq!(ids("the hat", None).await, ["b"], "`the` says nothing");
    assert_eq!(ids("hats and shoes", None).await, ["a", "b"], "a stem is enough");
    assert_eq!(ids("GRÖSSER größer", None).await, ["c"]);
    assert_eq!(ids("nothing of this", Some("sku:P02")).await, ["b"], "a named subject bears on it by itself");
}

#[tokio::test]
async fn no_more_than_the_limit_and_nothing_of_another_scope() {
    let mut story = Story::default();
    let run = story.start(None);
    for n in 0..30 {
        story.remember(effect(run, n), "fact", "sku:P01", &format!("k{n}"), json!(n));
    }
    story.scope = named("tenant-2");
    story.remember(effect(run, 99), "fact", "sku:P01", "theirs", json!("theirs"));
    let (memory, _folder) = folded(&story).await;
    let count = async |query: RecallQuery| items(&memory.recall(query).await.expect("answered")).len();
    assert_eq!(count(RecallQuery { limit: 7, ..ask("facts", None) }).await, 7);
    assert_eq!(count(RecallQuery { limit: 100, ..ask("facts", Some("sku:P01")) }).await, 30);
    assert_eq!(count(RecallQuery { scope: named("tenant-2"), ..ask("facts", None) }).await, 1);
    assert_eq!(count(RecallQuery { limit: 0, ..ask("facts", None) }).await, 0);
}

#[tokio::test]
async fn an_unknown_store_is_missing_and_says_what_there_is() {
    let (memory, _folder) = folded(&Story::default()).await;
    let failure = memory.recall(ask("dreams", None)).await.expect_err("there is none");
    assert_eq!(failure.kind(), ErrorKind::Missing);
    assert!(failure.to_string().contains("`episodes`"), "{failure}");
}

#[tokio::test]
async fn a_run_reads_its_own_writes_or_is_told_that_memory_is_late() {
    let mut story = Story::default();
    let run = refunded(&mut story, "a.jpg");
    let (memory, _folder) = folded(&Story::default()).await;
    let query = RecallQuery { at_least: story.last(), ..ask("episodes", Some("customer:c17")) };
    let impatient = memory.clone().with_patience(Duration::ZERO);
    let failure = impatient.recall(query.clone()).await.expect_err("nothing has been folded");
    assert_eq!(failure.kind(), ErrorKind::Late);
    let asking = tokio::spawn({
        let memory = memory.clone();
        async move { memory.recall(query).await }
    });
    memory.fold(story.entries.clone()).await.expect("it folds");
    let answer = asking.await.expect("no panic").expect("answered");
    assert_eq!(items(&answer).first().map(|item| item["id"].clone()), Some(json!(format!("episode/{run}"))));
}
