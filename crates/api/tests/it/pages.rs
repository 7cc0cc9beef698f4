//! Every page, empty and full, friendly and hostile.

use crate::caller::Stage;
use crate::fake::{GATE, RUN};

/// What an attacker would write on a label.
const HOSTILE: &str = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>";

fn pages() -> Vec<String> {
    let paths = ["/", "/inbox", "/runs", "/runs?status=waiting", "/scan", "/scans/2", "/audit", "/login"];
    let made = [format!("/gates/{GATE}"), format!("/runs/{RUN}")];
    paths.map(str::to_owned).into_iter().chain(made).collect()
}

#[tokio::test]
async fn every_page_shows_its_full_state() {
    let stage = Stage::full();
    let check = async |path: &str, expected: &[&str]| {
        let page = stage.send("GET", path).by_local("ana").answer().await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        for text in expected.iter().chain(&["action=\"/stop\"", "Skip to content", "simulated"]) {
            assert!(page.body.contains(text), "{path} lacks `{text}`: {}", page.body);
        }
    };
    check("/", &["388 ms", "0.0012 EUR", "1.2 %", "0.23", "over target", "Waiting for a person", "Refund 189.00 EUR"])
        .await;
    check("/inbox", &["2 questions wait", "47 min left", "sure: high", "sure: low", "Answered", "person:ben"]).await;
    check("/runs", &["restocked, told", "faulted", "cancelled"]).await;
    check("/runs?status=faulted", &["Head lamp"]).await;
    check("/scan", &["capture=\"environment\"", "accept=\"image/*\""]).await;
    check("/scans/2", &["RMA-100123", "See its run", "<polygon points="]).await;
    check("/audit", &["The log verifies", "up to entry 12"]).await;
    let card = [
        "What will happen",
        "Why it stopped",
        "If it is wrong",
        "can be undone",
        "Evidence",
        "Memory used",
        "How sure",
        "Too few to tell",
        "47 min left",
        "viewBox=\"146.2 89.2 364.5 211.5\"",
        "amount › minor",
    ];
    check(&format!("/gates/{GATE}"), &card).await;
    check(
        &format!("/runs/{RUN}"),
        &["2 min 7 s of waiting", "unknown", "r42-9f3a1c2d/8", "End this run", "It waits for a person"],
    )
    .await;
}

#[tokio::test]
async fn every_page_shows_its_empty_state() {
    let stage = Stage::new(false, "");
    let check = async |path: &str, status: u16, expected: &str| {
        let page = stage.send("GET", path).by_local("ana").answer().await;
        assert_eq!(page.status, status, "{path}");
        assert!(page.body.contains(expected), "{path} lacks `{expected}`: {}", page.body);
    };
    check("/", 200, "Nothing has run yet").await;
    check("/inbox", 200, "Nothing waits for you").await;
    check("/runs", 200, "Nothing has run yet").await;
    check("/runs?status=faulted", 200, "No run is faulted").await;
    check("/audit", 200, "The log is empty").await;
    check(&format!("/gates/{GATE}"), 404, "There is no such thing").await;
    check("/gates/x", 404, "<code>x</code> is not a gate id").await;
    check("/runs/r1", 404, "There is no such thing").await;
    check("/scans/x", 404, "is not a scan").await;
    check("/runs?status=happy", 400, "That cannot be understood").await;
    check("/nowhere", 404, "There is no such thing").await;
}

#[tokio::test]
async fn text_from_outside_is_shown_and_never_run() {
    let stage = Stage::new(true, HOSTILE);
    for path in pages() {
        let page = stage.send("GET", &path).by_local("ana").answer().await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.body.contains("<script") && !page.body.contains("<img src=x"), "{path}");
    }
    let card = stage.send("GET", &format!("/gates/{GATE}")).by_local("ana").answer().await;
    assert!(card.body.contains("&lt;script&gt;"), "it is shown as text");
    let path = "/%3Cscript%3Ealert(1)%3C/script%3E";
    let lost = stage.send("GET", path).by_local("ana").answer().await;
    assert!(!lost.body.contains("<script"));
    let login = stage.send("GET", "/login?code=%22%3E%3Cscript%3E&next=%22%3E%3Cscript%3E").answer().await;
    assert!(!login.body.contains("<script"));
}

#[tokio::test]
async fn pages_carry_neither_script_nor_inline_style() {
    let stage = Stage::full();
    for path in pages() {
        let page = stage.send("GET", &path).by_local("ana").answer().await;
        for forbidden in ["<script", " style=", " onclick=", "javascript:", "http://", "https://"] {
            let body = page.body.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            assert!(!body.contains(forbidden), "{path} has `{forbidden}`");
        }
    }
}

#[tokio::test]
async fn the_style_is_kept_for_ever_under_its_own_name() {
    let stage = Stage::full();
    let page = stage.send("GET", "/login").answer().await;
    let (_, rest) = page.body.split_once("<link rel=\"stylesheet\" href=\"").expect("a style");
    let path = rest.split('"').next().expect("a path");
    let style = stage.send("GET", path).answer().await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
    assert!(style.header("cache-control").contains("immutable"));
}
