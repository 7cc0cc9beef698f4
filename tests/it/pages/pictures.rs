//! The pictures of the README, made anew by `docs/pictures/make`: the first page and a card, over the samples.
//!
//! Not a test: ignored unless called by name.

use std::path::{Path, PathBuf};

use super::Stage;
use super::webdriver::Browser;
use crate::support::{Story, story, text};
use tempfile::TempDir;

/// These wait for a person while the pictures are made.
const WAIT: [&str; 3] = ["07-two-codes.jpg", "12-above-limit.jpg", "13-above-limit-refused.jpg"];
/// This comes last, so that the list of runs does not show the waiting alone.
const LAST: &str = "21-qr-tilt.jpg";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes the pictures"]
async fn the_pictures_are_made() {
    let shown = std::env::var_os("SINEW_SHOWN").map(PathBuf::from).expect("SINEW_SHOWN names the folder for them");
    let browser = Browser::start().await.expect("pictures need a browser");
    let folder = TempDir::new().expect("a folder");
    let stage = Stage::at(browser, folder.path()).await;
    stage.sign_in().await;
    stage.browser.prefer("light").await;
    let samples = story::expected();
    let before = samples.iter().map(|sample| text(sample, "file")).filter(|file| !WAIT.contains(file) && *file != LAST);
    let before: Vec<_> = before.collect();
    Story::new(&before, 1).live(&stage.hub).await.expect("nobody disturbs it");
    for file in WAIT.into_iter().chain([LAST]) {
        stage.feed(file).await;
    }
    picture(&stage, "/", (1280, 940, 1), &shown.join("home.png")).await;
    let gates = stage.get("/v1/gates?status=waiting").await;
    let above = gates.as_array().expect("a list").iter().find(|gate| text(gate, "what").contains("189.00"));
    let gate = format!("/gates/{}", text(above.expect("the card above the limit"), "gate"));
    picture(&stage, &gate, (390, 1240, 1), &shown.join("approval-card.png")).await;
}

async fn picture(stage: &Stage, path: &str, (width, height, scale): (u32, u32, u32), file: &Path) {
    stage.browser.resize(width, height, scale).await;
    stage.open(path).await;
    std::fs::write(file, stage.browser.picture().await).expect("the picture can be kept");
}
