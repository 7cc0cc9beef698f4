//! The pages in a real browser, over a real hub and a real shop: they are looked at on a desk and on a phone, in both
//! themes, and a person signs in, approves, refuses, stops, resumes and scans with them.
//!
//! Knows the pages as a person does: by what can be read and pressed. Judged by the shop's ledger.
//!
//! With `SINEW_PICTURES=DIR` every page that is looked at is also kept there as a picture.

mod pictures;
mod webdriver;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Hub, Launch, Shop, sample, text, until};
use webdriver::Browser;

/// What a careful person sees on a page.
const LOOK: &str = include_str!("pages/look.js");
/// A desk and a phone: width and height in CSS pixels.
const WINDOWS: [(u32, u32); 2] = [(1280, 900), (390, 844)];
/// The longest that anything may take that a person waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Read, read and blurred, two codes, above the limit twice, no code.
const SAMPLES: [&str; 6] = [
    "02-code128.jpg",
    "04-code128-blur.jpg",
    "07-two-codes.jpg",
    "12-above-limit.jpg",
    "13-above-limit-refused.jpg",
    "14-no-code.jpg",
];

/// A shop, a hub beside it, and a browser that looks at it.
struct Stage {
    shop: Shop,
    hub: Hub,
    browser: Browser,
    _folder: Option<TempDir>,
}

impl Stage {
    /// None where there is no browser.
    async fn set() -> Option<Self> {
        let browser = Browser::start().await?;
        let folder = TempDir::new().expect("a folder");
        let stage = Self::at(browser, folder.path()).await;
        Some(Self { _folder: Some(folder), ..stage })
    }

    /// Over what has happened in this folder so far.
    async fn at(browser: Browser, folder: &Path) -> Self {
        let shop = Shop::start(folder).await;
        let hub = Launch::new(folder, &shop.url).start().await.expect("the hub starts");
        Self { shop, hub, browser, _folder: None }
    }

    /// Signs in as a person does: opens the link that was printed, and presses the button.
    async fn sign_in(&self) {
        self.browser.open(text(&self.hub.said, "login")).await;
        self.browser.click("form[action='/login'] button").await;
        self.browser.wait_for("nav.rail").await;
    }

    /// Hands a sample in and gives its run as soon as there is one.
    async fn hand_in(&self, file: &str) -> Value {
        let bytes = std::fs::read(sample(file)).expect("the sample is there");
        let (_, scan) = self.hub.scan(file, bytes, None).await.expect("the hub answers");
        let seq = scan["seq"].as_u64().unwrap_or_else(|| panic!("{file} was not taken: {scan}"));
        until(file, PATIENCE, async || {
            let run = self.get(&format!("/v1/scans/{seq}")).await["run"].as_str()?.to_owned();
            Some(self.get(&format!("/v1/runs/{run}")).await)
        })
        .await
    }

    /// Hands a sample in and waits until its run rests: over, or waiting for a person. Gives the run.
    async fn feed(&self, file: &str) -> Value {
        let run = self.hand_in(file).await;
        self.until_not(&run, &["running"]).await
    }

    /// Waits until this run is over, and gives it.
    async fn over(&self, run: &Value) -> Value {
        self.until_not(run, &["running", "waiting"]).await
    }

    /// Waits until something of this run was held back by a stop.
    async fn held_back(&self, run: &Value) {
        let path = format!("/v1/runs/{}", text(run, "run"));
        until(&format!("{path} to be held back"), PATIENCE, async || {
            let run = self.get(&path).await;
            let steps = run["steps"].as_array().expect("a run has steps");
            steps.iter().any(|step| text(step, "title").ends_with("refused by stopped")).then_some(())
        })
        .await;
    }

    async fn until_not(&self, run: &Value, states: &[&str]) -> Value {
        let path = format!("/v1/runs/{}", text(run, "run"));
        until(&path, PATIENCE, async || {
            let run = self.get(&path).await;
            (!states.contains(&text(&run, "status"))).then_some(run)
        })
        .await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.hub.get(path).await.expect("the hub answers");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn open(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.hub.url)).await;
    }

    /// What the shop did about this return: `refund`, `restock`, `message`, in order.
    async fn deeds(&self, rma: &str) -> Vec<String> {
        let ledger = self.shop.ledger().await;
        let done = ledger.iter().filter(|row| row["applied"] == "applied" && row["rma"] == rma);
        done.map(|row| text(row, "action").to_owned()).collect()
    }

    /// Looks at a page in both windows and both themes, and says what is wrong.
    async fn look(&self, name: &str, path: &str, wrong: &mut Vec<String>) {
        for (width, height) in WINDOWS {
            self.browser.resize(width, height, 1).await;
            let mut grounds = Vec::new();
            for theme in ["light", "dark"] {
                self.browser.prefer(theme).await;
                self.open(path).await;
                let script = LOOK.replace("WIDTH", &width.to_string()).replace("HEIGHT", &height.to_string());
                let seen = self.browser.run(&script).await;
                let found = seen["wrong"].as_array().expect("a list").iter().map(Value::to_string);
                wrong.extend(found.map(|what| format!("{name} at {width}, {theme}: {what}")));
                grounds.push(seen["ground"].clone());
                self.keep(&format!("{name}-{width}-{theme}"), width).await;
            }
            if grounds.first() == grounds.last() {
                wrong.push(format!("{name} at {width}: both themes are {grounds:?}"));
            }
        }
        let complaints = self.browser.complaints().await.into_iter();
        // That the page which is not there is not there, the browser says too.
        let own = complaints.filter(|line| !(name == "missing" && line.contains(path) && line.contains("404")));
        wrong.extend(own.map(|line| format!("{name}: the browser complains: {line}")));
    }

    /// Keeps a picture of the whole page, where pictures are wanted.
    async fn keep(&self, name: &str, width: u32) {
        let Some(folder) = std::env::var_os("SINEW_PICTURES").map(PathBuf::from) else { return };
        let height = self.browser.run("return document.documentElement.scrollHeight").await.as_u64();
        let height = height.and_then(|height| u32::try_from(height).ok()).expect("a page has a height");
        self.browser.resize(width, height, 1).await;
        let picture = self.browser.picture().await;
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("the picture can be kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_fit_for_a_desk_and_a_phone() {
    let Some(stage) = Stage::set().await else { return };
    stage.sign_in().await;
    let mut wrong = Vec::new();
    stage.look("empty-home", "/", &mut wrong).await;
    stage.look("empty-inbox", "/inbox", &mut wrong).await;
    let mut runs = Vec::new();
    for file in SAMPLES {
        runs.push(stage.feed(file).await);
    }
    let run = |at: usize| format!("/runs/{}", text(&runs[at], "run"));
    let gate = |at: usize| format!("/gates/{}", text(&runs[at], "gate"));
    let scan = |at: usize| format!("/scans/{}", runs[at]["trigger"]);
    let pages = [
        ("home", "/".to_owned()),
        ("inbox", "/inbox".to_owned()),
        ("gate", gate(3)),
        ("gate-two-codes", gate(2)),
        ("gate-no-code", gate(5)),
        ("runs", "/runs".to_owned()),
        ("run", run(0)),
        ("run-waiting", run(3)),
        ("scan-form", "/scan".to_owned()),
        ("scan", scan(0)),
        ("scan-unread", scan(5)),
        ("audit", "/audit".to_owned()),
        ("missing", "/no/such/page".to_owned()),
    ];
    for (name, path) in &pages {
        stage.look(name, path, &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_link_lets_one_browser_in_and_no_second() {
    let Some(stage) = Stage::set().await else { return };
    stage.open("/inbox").await;
    assert!(stage.browser.url().await.contains("/login"), "a stranger is asked to sign in");
    stage.sign_in().await;
    stage.open("/inbox").await;
    assert!(stage.browser.text().await.contains("Signed in as"), "the link let its bearer in");
    stage.browser.forget().await;
    stage.browser.open(text(&stage.hub.said, "login")).await;
    assert!(stage.browser.text().await.contains("has been used"), "the page says that the link is spent");
    assert!(!stage.browser.has("input[name=code]").await, "a spent link offers no way in");
    stage.open("/inbox").await;
    assert!(stage.browser.url().await.contains("/login"), "a stranger again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_approves_refuses_stops_and_resumes() {
    let Some(stage) = Stage::set().await else { return };
    let browser = &stage.browser;
    browser.resize(390, 844, 1).await;
    stage.sign_in().await;

    let run = stage.feed("12-above-limit.jpg").await;
    stage.open("/inbox").await;
    browser.click(&format!("a[href='/gates/{}']", text(&run, "gate"))).await;
    browser.write("input[name=note]", "seen with my own eyes").await;
    assert_eq!(stage.deeds("RMA-100012").await, [""; 0], "nothing is done before the answer");
    browser.click("button.approve").await;
    browser.wait_for("section.outcome").await;
    let text_shown = browser.text().await;
    assert!(text_shown.contains("approved") && text_shown.contains("seen with my own eyes"), "{text_shown}");
    assert_eq!(text(&stage.over(&run).await, "status"), "completed");
    assert_eq!(stage.deeds("RMA-100012").await, ["refund", "restock", "message"]);

    let run = stage.feed("13-above-limit-refused.jpg").await;
    stage.open(&format!("/gates/{}", text(&run, "gate"))).await;
    browser.click("button.refuse").await;
    browser.wait_for("section.outcome").await;
    assert_eq!(text(&stage.over(&run).await, "status"), "completed");
    assert_eq!(stage.deeds("RMA-100013").await, ["message"], "a refused refund is no refund");

    let asked = stage.feed("07-two-codes.jpg").await;
    browser.click("button.stop").await;
    browser.wait_for("section.banner").await;
    let before = stage.shop.ledger().await;
    stage.open(&format!("/gates/{}", text(&asked, "gate"))).await;
    browser.click("button.approve").await;
    browser.wait_for("section.outcome").await;
    for run in [asked, stage.hand_in("02-code128.jpg").await] {
        stage.held_back(&run).await;
    }
    assert_eq!(stage.shop.ledger().await, before, "nothing leaves while stopped");
    stage.open("/").await;
    browser.click("section.banner button").await;
    assert!(browser.has("section.banner").await, "without a reason it does not go on");
    browser.write("section.banner input[name=reason]", "the dock is clear").await;
    browser.click("section.banner button").await;
    until("the banner to go", PATIENCE, async || (!browser.has("section.banner").await).then_some(())).await;
    let run = stage.feed("04-code128-blur.jpg").await;
    assert_eq!(text(&run, "status"), "completed", "work goes on: {run}");
    assert!(stage.shop.ledger().await.len() > before.len(), "and reaches the shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photograph_is_sent_from_the_scan_page() {
    let Some(stage) = Stage::set().await else { return };
    let browser = &stage.browser;
    browser.resize(390, 844, 1).await;
    stage.sign_in().await;
    browser.click("nav.rail a[href='/scan']").await;
    let file = sample("02-code128.jpg");
    browser.write("input[type=file]", &file.display().to_string()).await;
    browser.click("form.scan button").await;
    browser.wait_for("section.what").await;
    assert!(browser.text().await.contains("RMA-100002"), "the code that was read is shown");
    until("its run", PATIENCE, async || {
        browser.run("location.reload()").await;
        browser.has("a.button[href^='/runs/']").await.then_some(())
    })
    .await;
    browser.click("a.button[href^='/runs/']").await;
    browser.wait_for("ol.timeline").await;
    let run = browser.url().await.rsplit('/').next().expect("a path has an end").to_owned();
    stage.over(&json!({ "run": run })).await;
    stage.open(&format!("/runs/{run}")).await;
    assert!(browser.text().await.contains("completed"), "the run and its end are shown");
    assert_eq!(stage.deeds("RMA-100002").await, ["refund", "restock", "message"]);
}
