//! What is remembered, as people use it: the examples of `docs/memory.md`, and what is left after something was forgotten.

use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, root, sinew};

/// A data directory with a log in it and nothing else.
fn fresh(folder: &Path) -> String {
    let dir = sinew_journal::DataDir::open(std::sync::Arc::new(sinew_journal::RealDisk), folder).expect("a new place");
    let clock = std::sync::Arc::new(sinew::runtime::SystemClock);
    let _ = sinew_journal::FileLog::open(&dir, &sinew_journal::Options::default(), clock).expect("a new log");
    folder.display().to_string()
}

async fn memory(data: &str, args: &[&str]) -> Ran {
    sinew(["--json", "--data", data, "memory"].into_iter().chain(args.iter().copied())).await
}

async fn told(data: &str, args: &[&str]) -> Value {
    let ran = memory(data, args).await;
    assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
    ran.json()
}

fn ids(answer: &Value) -> Vec<&str> {
    let mut ids: Vec<_> = answer["items"].as_array().expect("items").iter().filter_map(|i| i["id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

/// The block of the page that follows its mark.
fn example(mark: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/memory.md")).expect("the page is there");
    let after = page.split_once(&format!("<!-- example: {mark} -->")).expect("the example is there").1;
    let block = after.split_once("```json\n").expect("a block follows").1;
    block.split_once("```").expect("it ends").0.to_owned()
}

async fn with_example(folder: &Path) -> String {
    let data = fresh(&folder.join("data"));
    let lines = folder.join("lines.jsonl");
    std::fs::write(&lines, example("contradiction")).expect("there is room");
    let taken = told(&data, &["import", &lines.display().to_string()]).await;
    assert_eq!((&taken["taken"], &taken["refused"]), (&Value::from(5), &serde_json::json!([])));
    data
}

#[tokio::test]
async fn the_page_about_memory_tells_the_truth() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = with_example(folder.path()).await;
    // Contradiction.
    let address = told(&data, &["search", "address", "--subject", "customer:c17", "--limit", "1"]).await;
    assert_eq!(ids(&address), ["crm-2"]);
    let all = told(&data, &["search", "--subject", "customer:c17"]).await;
    assert_eq!(ids(&all), ["crm-2", "crm-3", "web-1"]);
    let disputed =
        |answer: &Value| answer["items"].as_array().expect("items").iter().filter(|i| i["conflict"] == true).count();
    assert_eq!(disputed(&all), 2);
    // Staleness.
    let stock = told(&data, &["search", "--subject", "sku:P01"]).await;
    assert_eq!((&stock["items"][0]["id"], &stock["items"][0]["stale"]), (&Value::from("stock-1"), &Value::from(true)));
    assert!(stock["items"][0]["age_s"].as_u64().is_some_and(|age| age > 3_600));
    // As of.
    let before = told(&data, &["search", "--as-of", "2026-01-01T00:00:00Z"]).await;
    assert!(ids(&before).is_empty());
    // Why.
    let why = told(&data, &["why", "crm-2"]).await;
    assert_eq!(why["replaces"][0]["id"], "crm-1");
    assert_eq!(why["replaces"][0]["source"][0], "crm:7");
    assert!(
        why["entry"].as_u64().is_some_and(|seq| seq > 0)
            && why["rule"].as_str().is_some_and(|rule| rule.contains("later"))
    );
}

#[tokio::test]
async fn pinning_ending_counting_exporting_and_rebuilding_agree() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = with_example(folder.path()).await;
    assert_eq!(told(&data, &["pin", "crm-2"]).await["pinned"], true);
    assert_eq!(told(&data, &["expire", "web-1", "--reason", "wrong number"]).await["gone"], "expired");
    let stats = told(&data, &["stats"]).await;
    let counts = ["standing", "superseded", "expired", "pinned"].map(|name| stats[name].as_u64());
    assert_eq!(counts, [Some(3), Some(1), Some(1), Some(1)]);
    let exported = memory(&data, &["export"]).await.stdout;
    told(&data, &["rebuild"]).await;
    assert_eq!(memory(&data, &["export"]).await.stdout, exported, "folded again it is the same, byte for byte");
    let evicted = told(&data, &["forget", "--over-bytes", "0"]).await;
    assert_eq!((&evicted["stats"]["pinned"], &evicted["stats"]["standing"]), (&Value::from(1), &Value::from(1)));
    // What was exported is taken by another house.
    let lines = folder.path().join("export.jsonl");
    std::fs::write(&lines, exported).expect("there is room");
    let other = fresh(&folder.path().join("other"));
    assert_eq!(told(&other, &["import", &lines.display().to_string()]).await["taken"], 5);
}

#[tokio::test]
async fn what_was_forgotten_is_in_no_derived_file_and_cannot_be_opened() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = with_example(folder.path()).await;
    let holds = |needle: &str| -> Vec<String> {
        let mut waiting = vec![std::path::PathBuf::from(&data)];
        let mut found = Vec::new();
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    waiting.push(path);
                } else if std::fs::read(&path).expect("readable").windows(needle.len()).any(|w| w == needle.as_bytes())
                {
                    found.push(path.display().to_string());
                }
            }
        }
        found
    };
    assert!(!holds("2 New Street").is_empty(), "the test can see bytes");
    let gone = told(&data, &["forget", "customer:c17", "--reason", "asked for it"]).await;
    assert_eq!((&gone["items"], &gone["key_erased"]), (&Value::from(4), &Value::from(true)));
    for secret in ["2 New Street", "1 Old Lane", "555-0100", "555-0199", "customer:c17", "crm-2"] {
        assert_eq!(holds(secret), Vec::<String>::new(), "{secret}");
    }
    assert_eq!(ids(&told(&data, &["search"]).await), ["stock-1"]);
    assert_eq!(memory(&data, &["show", "crm-2"]).await.code, Some(1));
    let audit = sinew(["--json", "audit", "verify", &data]).await;
    assert_eq!(audit.code, Some(0), "the chain stays whole: {audit:?}");
}

#[tokio::test]
async fn what_has_no_source_or_no_sense_is_refused_line_by_line() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = fresh(&folder.path().join("data"));
    let lines = folder.path().join("lines.jsonl");
    let text = r#"{"kind": "fact", "subject": "a", "content": 1, "source": []}
{"kind": "rumour", "subject": "a", "content": 1, "source": ["x"]}
no json
{"kind": "fact", "subject": "a", "content": 1, "source": ["x"]}
{"kind": "fact", "subject": "a", "content": 1, "source": ["x"], "confidence_permille": 1001}
"#;
    std::fs::write(&lines, text).expect("there is room");
    let ran = memory(&data, &["import", &lines.display().to_string()]).await;
    assert_eq!(ran.code, Some(1));
    let answer = ran.json();
    let refused: Vec<_> =
        answer["refused"].as_array().expect("a list").iter().map(|line| line["line"].as_u64()).collect();
    assert_eq!((answer["taken"].as_u64(), refused), (Some(1), vec![Some(1), Some(2), Some(3), Some(5)]));
}

#[tokio::test]
async fn recall_is_judged_over_conversations() {
    let set = root().join("evals/recall/talks.json").display().to_string();
    let answer = sinew(["--json", "eval", "recall", "--file", &set]).await.json();
    assert_eq!(answer["questions"], 38);
    let at = |k: &str| answer[k].as_f64().expect("a share");
    assert!(at("recall_at_10") >= 0.75 && at("recall_at_5") <= at("recall_at_10"), "{answer}");
    assert!(at("recall_at_10") <= at("recall_at_20") && at("ms_per_query") > 0.0, "{answer}");
}

#[tokio::test]
async fn samples_come_in_by_two_standards_and_go_out_by_a_third() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = fresh(&folder.path().join("data"));
    let (pack, lines) = (folder.path().join("pack.json"), folder.path().join("lines.txt"));
    let senml =
        r#"[{"bn":"dock/","bt":1782900000,"n":"temp","v":20.5},{"n":"temp","t":60,"v":21.5},{"n":"door","vb":true}]"#;
    std::fs::write(&pack, senml).expect("there is room");
    std::fs::write(&lines, "pump,side=left flow=3.25 1782900000000000000\nrubbish\n").expect("there is room");
    let taken = told(&data, &["series", "take", "--format", "senml", &pack.display().to_string()]).await;
    assert_eq!(taken["kept"], 3);
    let ran = memory(&data, &["series", "take", "--format", "influx", &lines.display().to_string()]).await;
    assert_eq!(
        (ran.code, &ran.json()["kept"], &ran.json()["unread"][0]["record"]),
        (Some(1), &Value::from(1), &Value::from(2))
    );
    let course = told(&data, &["series", "range", "dock/temp", "--step", "3600"]).await;
    let bucket = &course["buckets"][0];
    assert_eq!(
        (&bucket["count"], &bucket["min"], &bucket["sum"]),
        (&Value::from(2), &Value::from(20.5), &Value::from(42.0))
    );
    let metrics = memory(&data, &["series", "metrics"]).await.stdout;
    assert!(metrics.contains("sinew_sample{series=\"dock/temp\"} 21.5 1782900060.000000"), "{metrics}");
    assert!(metrics.contains("pump{side=left}/flow") && metrics.ends_with("# EOF\n"), "{metrics}");
    assert_eq!(memory(&data, &["series", "range", "nowhere"]).await.code, Some(1));
}

/// Kills the process that writes at any moment. What it has answered for is there afterwards, and folding again gives the same.
#[tokio::test]
async fn a_killed_writer_loses_nothing_that_it_has_answered_for() {
    use rand::{RngExt, SeedableRng};
    let seed = crate::support::seed();
    println!("SINEW_SEED={seed}");
    let mut chance = rand::rngs::StdRng::seed_from_u64(seed);
    let wanted = if crate::support::deep() { 200 } else { 4 };
    let folder = tempfile::tempdir().expect("there is room");
    let data = fresh(&folder.path().join("data"));
    let lines = folder.path().join("lines.jsonl");
    let (mut answered, mut killed) = (Vec::new(), 0);
    // The first one is left alone: what it takes says when the others may be in the middle of their work.
    let mut usual = std::time::Duration::from_secs(60);
    for round in 0.. {
        if killed >= wanted && answered.len() > 40 {
            break;
        }
        let ids: Vec<String> = (0..40).map(|n| format!("note-{round}-{n}")).collect();
        let line = |id: &String| {
            let about = format!("sku:{}", id.len());
            serde_json::json!({"id": id, "kind": "fact", "subject": about, "content": id, "source": ["load"]})
                .to_string()
                + "\n"
        };
        std::fs::write(&lines, ids.iter().map(line).collect::<String>()).expect("there is room");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_sinew"));
        command.args(["--json", "--data", &data, "memory", "import"]).arg(&lines).stdout(std::process::Stdio::piped());
        let mut writer = command.kill_on_drop(true).spawn().expect("it starts");
        let patience = if round == 0 { usual } else { usual.mul_f64(chance.random_range(0.0..2.0)) };
        let begun = std::time::Instant::now();
        match tokio::time::timeout(patience, writer.wait()).await {
            Ok(ended) => {
                assert!(ended.expect("waited for").success());
                usual = begun.elapsed();
                answered.extend(ids);
            }
            Err(_) => {
                writer.kill().await.expect("it dies");
                killed += 1;
            }
        }
    }
    println!("seed {seed}: {killed} were killed, {} items answered for", answered.len());
    // The next writer takes up what the killed ones had put into the journal.
    std::fs::write(&lines, "").expect("there is room");
    told(&data, &["import", &lines.display().to_string()]).await;
    let kept = memory(&data, &["export"]).await.stdout;
    let there: std::collections::BTreeSet<String> = kept
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(str::to_owned))
        .collect();
    assert!(answered.iter().all(|id| there.contains(id)), "seed {seed}");
    told(&data, &["rebuild"]).await;
    assert_eq!(memory(&data, &["export"]).await.stdout, kept, "seed {seed}");
}
