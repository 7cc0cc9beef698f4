//! Deaths of the real process: at every boundary of the log and of the last hop, and by `kill -9` at any moment. After
//! each, the hub is started again on the same data, and the shop's ledger must be that of an undisturbed history.
//!
//! Knows the shop, the API and the exit codes; the hub itself is a black box.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::judge::{deeds, judge};
use crate::support::story::{audit, expected};
use crate::support::{Launch, Shop, Story, text};

#[tokio::test(flavor = "multi_thread")]
async fn undisturbed_the_ledger_is_what_the_samples_call_for() {
    let expected = expected();
    let files: Vec<_> = expected.iter().map(|sample| text(sample, "file")).collect();
    let folder = TempDir::new().expect("a folder");
    let shop = Shop::start(folder.path()).await;
    let launch = Launch::new(folder.path(), &shop.url);
    let hub = launch.start().await.expect("the hub starts");
    let mut story = Story::new(&files, 3);
    story.live(&hub).await.expect("nobody disturbs it");
    let mut wrong = story.hold(&hub).await;
    assert!(hub.end().await.success(), "a hub that is asked to end ends well");
    wrong.extend(audit(&launch.data).await);
    let ledger = shop.ledger().await;
    let done = deeds(&ledger);
    wrong.extend(judge(&ledger, &done));
    for (rma, should) in called_for(&expected) {
        let is = done.get(&rma).into_iter().flatten().map(|(action, fate, _)| (action.clone(), fate.clone()));
        let is: Vec<_> = is.collect();
        if is != should {
            wrong.push(format!("{rma}: {is:?} and should be {should:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("undisturbed: {} photographs, {} calls, {} returns", files.len(), ledger.len(), done.len());
}

/// What the samples call for, per return: action and fate, in order.
fn called_for(expected: &[Value]) -> Vec<(String, Vec<(String, String)>)> {
    let word = |effect: &Value, name| text(effect, name).to_owned();
    let of = |sample: &Value| {
        let effects = sample["effects"].as_array().into_iter().flatten();
        effects.map(|effect| (word(effect, "action"), word(effect, "applied"))).collect::<Vec<_>>()
    };
    let named = expected.iter().filter(|sample| !of(sample).is_empty());
    named.map(|sample| (text(sample, "rma").to_owned(), of(sample))).collect()
}
