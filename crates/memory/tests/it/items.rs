//! What is remembered: where it comes from, what stands in whose place, what was known when, and what is forgotten.

use serde_json::{Value, json};
use sinew_contract::{ErrorKind, Mark, Marked, Noted, Record, Scope, Timestamp};
use sinew_memory::Memory;
use sinew_memory::items::{FoundItem, Items, Search};

use crate::story::{MS, START, Story, folded, named};

fn noted(key: &str, subject: &str, predicate: Option<&str>, content: Value) -> Noted {
    Noted {
        item_kind: "fact".to_owned(),
        subject: subject.to_owned(),
        predicate: predicate.map(str::to_owned),
        content,
        sources: vec!["crm:7".to_owned()],
        method: "import".to_owned(),
        parents: Vec::new(),
        key: key.to_owned(),
        confidence_permille: 800,
        valid_from: None,
        valid_until: None,
        expires: None,
        schema: 1,
    }
}

/// Says it, by whom, having observed it so many milliseconds after the beginning.
fn say(story: &mut Story, by: &str, observed_ms: i64, item: Noted) {
    story.principal = by.to_owned();
    story.push_observed(None, Record::Noted(Box::new(item)), START + observed_ms * MS);
}

fn all_about(subject: &str) -> Search {
    Search {
        scope: Scope::main(),
        text: String::new(),
        kind: None,
        subject: Some(subject.to_owned()),
        as_of: None,
        now: None,
        limit: 10,
        score_min: 0,
        diverse: false,
    }
}

async fn found(memory: &Memory, search: Search) -> Vec<FoundItem> {
    memory.search(search).await.expect("found")
}

fn keys(found: &[FoundItem]) -> Vec<&str> {
    let mut keys: Vec<&str> = found.iter().map(|found| found.item.id.as_str()).collect();
    keys.sort_unstable();
    keys
}

/// Who says it, when it was observed, how sure: and which of the two stands.
#[tokio::test]
async fn trust_then_time_then_confidence_decide_and_ties_stay_open() {
    let rows = [
        ("a person beats a later import", ("person:ana", 0, 500), ("sinew", 900, 900), vec!["first"]),
        ("of equal trust the later stands", ("sinew", 0, 900), ("sinew", 5, 100), vec!["second"]),
        ("what is told late but observed early gives way", ("sinew", 900, 500), ("sinew", 5, 900), vec!["first"]),
        ("of the same moment the surer stands", ("sinew", 5, 500), ("sinew", 5, 600), vec!["second"]),
        ("where all is equal both stand", ("sinew", 5, 500), ("sinew", 5, 500), vec!["first", "second"]),
    ];
    for (why, first, second, expected) in rows {
        let mut story = Story::default();
        for (key, (by, observed, confidence)) in [("first", first), ("second", second)] {
            let item = Noted {
                confidence_permille: confidence,
                ..noted(key, "customer:c17", Some("address"), json!(format!("{key} street")))
            };
            say(&mut story, by, observed, item);
        }
        let (memory, folder) = folded(&story).await;
        let standing = found(&memory, all_about("customer:c17")).await;
        assert_eq!(keys(&standing), expected, "{why}");
        let open = expected.len() == 2;
        assert!(standing.iter().all(|found| found.item.conflict == open), "{why}");
        let items = Items::open(&folder.path().join("memory.sqlite")).expect("it is there");
        let why_first = items.why(&Scope::main(), "first").expect("explained");
        let beside = if open { &why_first["conflicts_with"][0] } else { &why_first["superseded_by"] };
        let replaced = if expected == ["first"] { &why_first["replaces"][0] } else { beside };
        assert_eq!(replaced["id"], json!("second"), "{why}: {why_first}");
    }
}

#[tokio::test]
async fn what_was_known_at_a_moment_is_found_as_it_was_known() {
    let mut story = Story::default();
    say(&mut story, "sinew", 0, noted("old", "sku:P01", Some("price"), json!(10)));
    let before = Timestamp(story.now());
    for _ in 0..3 {
        story.principal = "sinew".to_owned();
        story.start(None);
    }
    say(&mut story, "sinew", 500, noted("new", "sku:P01", Some("price"), json!(12)));
    let (memory, _folder) = folded(&story).await;
    assert_eq!(keys(&found(&memory, all_about("sku:P01")).await), ["new"]);
    let then = Search { as_of: Some(before), ..all_about("sku:P01") };
    assert_eq!(keys(&found(&memory, then).await), ["old"]);
    let nothing_yet = Search { as_of: Some(Timestamp(START - 1)), ..all_about("sku:P01") };
    assert!(found(&memory, nothing_yet).await.is_empty());
}

#[tokio::test]
async fn what_is_past_its_time_is_told_as_stale_and_what_has_expired_not_at_all() {
    let mut story = Story::default();
    let at = |ms: i64| Some(Timestamp(START + ms * MS));
    say(&mut story, "sinew", 0, Noted { valid_until: at(100), ..noted("stock", "sku:P01", Some("stock"), json!(7)) });
    say(&mut story, "sinew", 0, Noted { expires: at(100), ..noted("promo", "sku:P01", Some("promo"), json!("x")) });
    let (memory, _folder) = folded(&story).await;
    let seen = async |ms: i64| {
        let found = found(&memory, Search { now: at(ms), ..all_about("sku:P01") }).await;
        found.into_iter().map(|found| (found.item.id, found.stale)).collect::<Vec<_>>()
    };
    let mut fresh = seen(99).await;
    fresh.sort();
    assert_eq!(fresh, [("promo".to_owned(), false), ("stock".to_owned(), false)]);
    assert_eq!(seen(100).await, [("stock".to_owned(), true)]);
}

#[tokio::test]
async fn the_same_said_again_is_counted_and_nothing_is_written_without_a_source() {
    let mut story = Story::default();
    say(&mut story, "sinew", 0, noted("a", "sku:P01", None, json!("runs small")));
    say(&mut story, "sinew", 1, noted("b", "sku:P01", None, json!("runs small")));
    say(&mut story, "sinew", 2, Noted { sources: Vec::new(), ..noted("c", "sku:P01", None, json!("from nowhere")) });
    let (memory, folder) = folded(&story).await;
    let standing = found(&memory, all_about("sku:P01")).await;
    assert_eq!(standing.iter().map(|f| (f.item.id.as_str(), f.item.repeats)).collect::<Vec<_>>(), [("a", 1)]);
    let items = Items::open(&folder.path().join("memory.sqlite")).expect("it is there");
    assert_eq!(items.show(&Scope::main(), "c").expect_err("no source, no write").kind(), ErrorKind::Missing);
    assert_eq!(items.show(&named("tenant-2"), "a").expect_err("another's").kind(), ErrorKind::Missing);
}

#[tokio::test]
async fn pins_hold_ends_end_and_what_is_evicted_leaves_its_line() {
    let mut story = Story::default();
    for key in ["a", "b", "c"] {
        say(&mut story, "sinew", 0, noted(key, "sku:P01", None, json!(format!("note {key}"))));
    }
    for (mark, keys) in [(Mark::Pinned, vec!["a"]), (Mark::Expired, vec!["b"]), (Mark::Evicted, vec!["a", "c"])] {
        let keys = keys.into_iter().map(str::to_owned).collect();
        story.push(None, Record::Marked(Marked { keys, mark, reason: "test".to_owned() }));
    }
    let (memory, folder) = folded(&story).await;
    assert_eq!(keys(&found(&memory, all_about("sku:P01")).await), ["a"], "what is pinned is not evicted");
    let items = Items::open(&folder.path().join("memory.sqlite")).expect("it is there");
    let evicted = items.show(&Scope::main(), "c").expect("its line stays");
    assert_eq!((evicted.content, evicted.gone.as_deref()), (Value::Null, Some("evicted")));
    let stats = items.stats(&Scope::main()).expect("counted");
    assert_eq!((stats.standing, stats.expired, stats.evicted, stats.pinned), (1, 1, 1, 1));
}

#[tokio::test]
async fn words_vectors_and_changes_are_kept_up_with() {
    let mut story = Story::default();
    say(&mut story, "sinew", 0, noted("a", "sku:P01", Some("fit"), json!("the red shoe runs small")));
    let (memory, _folder) = folded(&story).await;
    let about = |text: &str| Search { text: text.to_owned(), subject: None, ..all_about("") };
    assert_eq!(keys(&found(&memory, about("red shoes")).await), ["a"]);
    say(&mut story, "sinew", 9, noted("b", "sku:P01", Some("fit"), json!("the red shoe fits well")));
    memory.fold(story.entries.clone()).await.expect("it folds");
    assert_eq!(keys(&found(&memory, about("red shoes")).await), ["b"], "the shelf has seen the change");
    assert!(found(&memory, about("violin")).await.is_empty());
}

#[tokio::test]
async fn every_run_that_ends_is_an_episode() {
    let mut story = Story::default();
    let run = crate::story::refunded(&mut story, "a.jpg");
    let (memory, _folder) = folded(&story).await;
    let search = Search { text: "refund".to_owned(), kind: Some("episode".to_owned()), subject: None, ..all_about("") };
    let episodes = found(&memory, search).await;
    let own = episodes.iter().find(|found| found.item.id == format!("run/{run}")).expect("the run's own episode");
    let content = &own.item.content;
    assert_eq!((&content["status"], &content["outcome"]), (&json!("completed"), &json!("refunded")));
    let acts = content["acts"].as_array().expect("acts");
    assert!(
        acts.iter().any(|act| act["ended"] == "done") && !content.to_string().contains("ada@example.org"),
        "{content}"
    );
    assert_eq!((own.item.run, own.item.sources.clone()), (Some(run), vec![format!("run:{run}")]));
}
