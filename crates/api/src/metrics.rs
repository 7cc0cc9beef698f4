//! For machines that watch: alive, ready, and the numbers as OpenMetrics 1.0 text.
//!
//! Does not know how the numbers are counted. Names of metrics stand here and nowhere else.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use crate::server::Api;
use crate::views::{Condition, HealthView, Measure};

/// The process answers.
pub(crate) async fn livez() -> &'static str {
    "alive\n"
}

/// It takes work in: 200, or 503 while it starts or is broken. A pressed stop is not a reason to restart it.
pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> (StatusCode, &'static str) {
    match api.watch.health().await.condition {
        Condition::Ready | Condition::Stopped | Condition::Degraded => (StatusCode::OK, "ready\n"),
        Condition::Starting | Condition::Broken => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    }
}

/// The numbers.
pub(crate) async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let text = openmetrics(&api.watch.health().await);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

fn openmetrics(health: &HealthView) -> String {
    let numbers = &health.numbers;
    let mut out = String::new();
    let seconds = |measure: &Measure| measure.value.map(|ms| ms / 1000.0);
    gauge(&mut out, "sinew_latency_p50_seconds", "event to verdict, median", seconds(&numbers.latency_p50_ms));
    gauge(&mut out, "sinew_latency_p95_seconds", "event to verdict, 95th percentile", seconds(&numbers.latency_p95_ms));
    let cost = numbers.cost_per_action_micros.value.map(|micros| micros / 1e6);
    gauge(&mut out, "sinew_action_cost", "cost per action in the deployment's currency", cost);
    let failures = numbers.failures_permille.value.map(|permille| permille / 1000.0);
    gauge(&mut out, "sinew_failure_ratio", "runs that ended in an error", failures);
    gauge(&mut out, "sinew_touches_ratio", "gates answered by a person, per return", numbers.touches_per_return.value);
    let count = |n: u64| Some(n as f64);
    gauge(&mut out, "sinew_gates_waiting", "gates that wait for a person", count(health.gates_waiting));
    gauge(&mut out, "sinew_runs_open", "runs that are not over", count(health.runs_open));
    gauge(&mut out, "sinew_acts_unknown", "acts whose outcome nobody knows yet", count(health.acts_unknown));
    gauge(&mut out, "sinew_stops", "stops that hold", count(health.stops.len() as u64));
    gauge(&mut out, "sinew_journal_tail", "seq of the last durable entry", count(health.tail.0));
    out.push_str("# EOF\n");
    out
}

fn gauge(out: &mut String, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        let _ = write!(out, "# TYPE {name} gauge\n# HELP {name} {help}\n{name} {value}\n");
    }
}
