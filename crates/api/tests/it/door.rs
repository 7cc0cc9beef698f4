//! Host, Origin, who is calling, form tokens: every way in, tried.

use serde_json::json;

use crate::caller::Stage;
use crate::fake::{GATE, RUN};

/// Every path that changes something, with the body that it would take.
fn changing() -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    vec![
        (format!("/gates/{GATE}"), vec![("answer", "approve"), ("digest", DIGEST)]),
        (format!("/runs/{RUN}/cancel"), vec![("reason", "x")]),
        ("/stop".into(), vec![("back", "/inbox")]),
        ("/resume".into(), vec![("reason", "x")]),
        ("/logout".into(), vec![]),
    ]
}

/// The digest of the cardboard gate.
const DIGEST: &str = "5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c";

/// Every GET of the house.
fn reading() -> Vec<String> {
    let paths = [
        "/",
        "/inbox",
        "/runs",
        "/runs?status=faulted",
        "/scan",
        "/scans/2",
        "/audit",
        "/login",
        "/icon.svg",
        "/livez",
        "/readyz",
        "/metrics",
        "/v1/runs",
        "/v1/gates",
        "/v1/scans/2",
        "/v1/health",
        "/v1/audit",
        "/v1/entries",
        "/v1/openapi.json",
        "/nowhere",
        "/v1/nowhere",
        "/stop",
        "/resume",
        "/logout",
        "/v1/stop",
        "/v1/resume",
        "/v1/scans",
    ];
    let made = [
        format!("/gates/{GATE}"),
        format!("/runs/{RUN}"),
        format!("/runs/{RUN}/cancel"),
        format!("/v1/runs/{RUN}"),
        format!("/v1/gates/{GATE}"),
        format!("/v1/blobs/{}", "ab".repeat(32)),
        format!("/v1/runs/{RUN}/cancel"),
    ];
    paths.map(str::to_owned).into_iter().chain(made).collect()
}

#[tokio::test]
async fn get_never_changes_anything() {
    let stage = Stage::full();
    let session = stage.session("ana");
    for path in reading() {
        stage.send("GET", &path).in_session(&session).answer().await;
        stage.send("HEAD", &path).by_local("ana").answer().await;
        assert_eq!(stage.changes(), Vec::<String>::new(), "{path}");
    }
    assert!(stage.people.by_session(&session).is_some(), "still signed in");
}

#[tokio::test]
async fn only_few_paths_answer_a_stranger() {
    let stage = Stage::full();
    let open = ["/login", "/icon.svg", "/livez", "/readyz", "/v1/health"];
    for path in reading() {
        let answer = stage.send("GET", &path).answer().await;
        match path.as_str() {
            path if open.contains(&path) => assert_eq!(answer.status, 200, "{path}"),
            path if path.starts_with("/v1/") || path == "/metrics" => {
                assert_eq!(answer.status, 401, "{path}");
                assert_eq!(answer.header("content-type"), "application/problem+json");
                assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"sinew\"");
            }
            path => {
                assert_eq!(answer.status, 303, "{path}");
                assert!(answer.header("location").starts_with("/login"), "{path}");
            }
        }
    }
    for (path, fields) in changing() {
        assert_eq!(stage.send("POST", &path).form(&fields).answer().await.status, 401, "{path}");
    }
    assert_eq!(stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_session_needs_the_token_of_exactly_this_form() {
    let stage = Stage::full();
    let session = stage.session("ana");
    let mut changed = Vec::new();
    let other = stage.session("ana");
    for (path, fields) in changing() {
        let other_path = stage.people.form_token(&session, "/other");
        let other_session = stage.people.form_token(&other, &path);
        for wrong in ["", "x", &"0".repeat(64), &other_path, &other_session] {
            let fields: Vec<_> = fields.iter().copied().chain([("form", wrong)]).collect();
            let answer = stage.send("POST", &path).in_session(&session).form(&fields).answer().await;
            assert_eq!(answer.status, 403, "{path} {wrong}");
        }
        assert_eq!(stage.changes(), Vec::<String>::new(), "{path}");
        let right = stage.people.form_token(&session, &path);
        let fields: Vec<_> = fields.iter().copied().chain([("form", right.as_str())]).collect();
        let answer = stage.send("POST", &path).in_session(&session).form(&fields).answer().await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        changed.extend(stage.changes().iter().filter_map(|line| line.split(' ').next().map(str::to_owned)));
    }
    assert_eq!(changed, ["answer", "cancel", "halt", "halt"]);
}

#[tokio::test]
async fn a_session_at_the_api_needs_the_token_in_a_header() {
    let stage = Stage::full();
    let session = stage.session("ana");
    let stop = || stage.send("POST", "/v1/stop").in_session(&session).json(&json!({}));
    assert_eq!(stop().answer().await.status, 403);
    let token = stage.people.form_token(&session, "/v1/stop");
    assert_eq!(stop().with("sinew-form-token", &token).answer().await.status, 200);
    assert_eq!(stage.changes().len(), 1);
}

#[tokio::test]
async fn a_picture_from_a_foreign_form_is_refused() {
    let stage = Stage::full();
    let session = stage.session("ana");
    let picture: (&str, Option<&str>, &[u8]) = ("image", Some("a.png"), b"picture");
    let refused = stage.send("POST", "/scan").in_session(&session).multipart(&[picture]).answer().await;
    assert_eq!((refused.status, stage.changes().len()), (403, 0));
    let token = stage.people.form_token(&session, "/scan");
    let fields = [("form", None, token.as_bytes()), picture];
    let taken = stage.send("POST", "/scan").in_session(&session).multipart(&fields).answer().await;
    assert_eq!((taken.status, taken.header("location")), (303, "/scans/2"));
}

#[tokio::test]
async fn every_host_but_our_own_is_refused() {
    let stage = Stage::full();
    let check = async |host: &str, expected: u16| {
        let read = stage.send("GET", "/v1/runs").by_local("ana").with("host", host).answer().await;
        let write = stage.send("POST", "/v1/stop").by_local("ana").with("host", host).answer().await;
        assert_eq!((read.status, write.status), (expected, expected), "{host}");
        assert_eq!(stage.changes().len(), usize::from(expected == 200), "{host}");
    };
    check("localhost:7171", 200).await;
    check("127.0.0.1", 200).await;
    check("[::1]:7171", 200).await;
    check("desk.example", 200).await;
    check("desk.example:8443", 200).await;
    check("evil.example", 403).await;
    check("evil.example:7171", 403).await;
    check("localhost.evil.example", 403).await;
    check("", 403).await;
    let probe = stage.send("GET", "/livez").with("host", "10.1.2.3:7171").answer().await;
    assert_eq!(probe.status, 200, "probes come by address");
}

#[tokio::test]
async fn only_our_own_pages_may_change_anything() {
    let stage = Stage::full();
    let check = async |name: &str, value: &str, expected: u16| {
        let answer = stage.send("POST", "/v1/stop").by_local("ana").with(name, value).answer().await;
        assert_eq!(answer.status, expected, "{name}: {value}");
        assert_eq!(stage.changes().len(), usize::from(expected == 200), "{name}: {value}");
    };
    check("origin", "http://localhost:7171", 200).await;
    check("origin", "https://localhost:7171", 200).await;
    check("origin", "http://localhost:9999", 403).await;
    check("origin", "http://localhost", 403).await;
    check("origin", "http://evil.example", 403).await;
    check("origin", "null", 403).await;
    check("sec-fetch-site", "same-origin", 200).await;
    check("sec-fetch-site", "none", 200).await;
    check("sec-fetch-site", "same-site", 403).await;
    check("sec-fetch-site", "cross-site", 403).await;
}

#[tokio::test]
async fn every_answer_forbids_scripts_frames_and_guessing() {
    let stage = Stage::full();
    for path in ["/", "/login", "/v1/health", "/nowhere"] {
        let answer = stage.send("GET", path).by_local("ana").answer().await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        let rule = answer.header("content-security-policy");
        assert!(rule.contains("default-src 'none'") && rule.contains("frame-ancestors 'none'"), "{path}: {rule}");
        assert!(!rule.contains("unsafe-inline") && !rule.contains("script-src"), "{path}: {rule}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn bytes_from_outside_are_never_run() {
    let stage = Stage::full();
    let picture = stage.send("GET", &format!("/v1/blobs/{}", "ab".repeat(32))).by_local("ana").answer().await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));
    let drawing = stage.send("GET", &format!("/v1/blobs/{}", "bb".repeat(32))).by_local("ana").answer().await;
    assert_eq!(drawing.header("content-type"), "application/octet-stream");
    assert_eq!(drawing.header("content-disposition"), "attachment");
    assert!(drawing.header("content-security-policy").contains("sandbox"));
}

#[tokio::test]
async fn a_link_from_elsewhere_steps_inside_first() {
    let stage = Stage::full();
    let path = format!("/gates/{GATE}");
    let answer = stage.send("GET", &path).with("sec-fetch-site", "cross-site").answer().await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(&format!("content=\"0; url={path}\"")), "{}", answer.body);
    assert!(!answer.body.contains("Refund"), "nothing is shown to a stranger");
}
