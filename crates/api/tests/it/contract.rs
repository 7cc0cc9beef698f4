//! What machines rely on: the OpenAPI document, and the numbers as OpenMetrics.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::caller::Stage;

/// Every route of `/v1` as it stands in the router's list.
fn routes() -> BTreeSet<String> {
    let list = include_str!("../../src/server.rs");
    let mut found = BTreeSet::new();
    for line in list.lines().filter_map(|line| line.trim().strip_prefix(".route(\"/v1")) {
        let (path, methods) = line.split_once('"').expect("a path in quotes");
        for method in ["get", "post"] {
            if methods.contains(&format!("{method}(")) {
                found.insert(format!("{method} /v1{path}"));
            }
        }
    }
    found
}

#[tokio::test]
async fn the_document_has_every_route_and_no_other() {
    let document: Value = serde_json::from_str(sinew_api::openapi_json()).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut told = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            told.insert(format!("{method} {path}"));
            assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        }
    }
    assert_eq!(told, routes());
    assert!(told.len() >= 15, "the list is read");
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let document: Value = serde_json::from_str(sinew_api::openapi_json()).expect("JSON");
    let text = document.to_string();
    let mut seen = 0;
    for rest in text.split("\"$ref\":\"#").skip(1) {
        let pointer = rest.split('"').next().expect("a pointer");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[tokio::test]
async fn the_numbers_are_openmetrics() {
    let stage = Stage::full();
    let answer = stage.send("GET", "/metrics").by_local("ana").answer().await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(answer.body.ends_with("# EOF\n"));
    for line in [
        "sinew_latency_p95_seconds 0.388",
        "sinew_failure_ratio 0.012",
        "sinew_gates_waiting 2",
        "sinew_journal_tail 12",
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line}: {}", answer.body);
    }
}
