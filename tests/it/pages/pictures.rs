//! The pictures of the README, made anew by `docs/pictures/make`: a week of work, then the first page and a card.
//!
//! Not tests: ignored unless called by name. The week is real work on real processes; only their clocks are set back.

use std::path::{Path, PathBuf};

use super::Stage;
use super::webdriver::Browser;
use crate::support::{Launch, Shop, Story, text};

/// Where the week's shop and hub keep their files, and where the pictures go.
fn folder(name: &str) -> PathBuf {
    std::env::var_os(name).map(PathBuf::from).unwrap_or_else(|| panic!("set {name}; docs/pictures/make does"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a day of history for the pictures"]
async fn a_day_passes() {
    let week = folder("SINEW_WEEK");
    let samples = std::env::var("SINEW_SAMPLES").expect("the day's samples");
    let samples: Vec<_> = samples.split_whitespace().collect();
    let shop = Shop::start(&week).await;
    let hub = Launch::new(&week, &shop.url).start().await.expect("the hub starts");
    Story::new(&samples, 1).live(&hub).await.expect("nobody disturbs it");
    assert!(hub.end().await.success(), "the day ends well");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes the pictures"]
async fn the_pictures_are_made() {
    let (week, shown) = (folder("SINEW_WEEK"), folder("SINEW_SHOWN"));
    let browser = Browser::start().await.expect("pictures need a browser");
    let stage = Stage::at(browser, &week).await;
    stage.sign_in().await;
    stage.browser.prefer("light").await;
    for file in ["07-two-codes.jpg", "12-above-limit.jpg", "13-above-limit-refused.jpg", "21-qr-tilt.jpg"] {
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
