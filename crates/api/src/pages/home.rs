//! Home: the three numbers against their targets, how often a person was needed, and what waits.

use maud::{Markup, html};

use axum::response::Response;

use super::drawing::{icon, trend};
use super::inbox::gate_card;
use super::layout::Nav;
use super::runs::run_list;
use super::visit::Visit;
use super::words;
use crate::problem::Problem;
use crate::views::{Condition, GateQuery, GateStatus, HealthView, Measure, RunQuery};

/// Shows it.
pub(crate) async fn show(visit: Visit) -> Response {
    let main = content(&visit).await;
    visit.show(Nav::Home, "Home", main).await
}

async fn content(visit: &Visit) -> Result<Markup, Problem> {
    let health = visit.api.watch.health().await;
    let gates = visit.api.house.gates(&GateQuery { status: Some(GateStatus::Waiting), limit: Some(3) }).await?;
    let runs = visit.api.house.runs(&RunQuery { limit: Some(5), ..RunQuery::default() }).await?;
    let now = visit.now();
    let currency = &visit.api.settings.currency;
    Ok(html! {
        div.heading { h1 { "How it goes" } (standing(visit, &health)) }
        (numbers(&health, currency))
        section {
            div.heading {
                h2 { "Waiting for a person" }
                @if health.gates_waiting > 0 { a href="/inbox" { "All " (health.gates_waiting) } }
            }
            @if gates.is_empty() { p.card.calm { "Nothing waits for you." } }
            @else { div.cards { @for gate in &gates { (gate_card(gate, now)) } } }
        }
        section {
            div.heading { h2 { "Latest runs" } @if !runs.is_empty() { a href="/runs" { "All runs" } } }
            @if runs.is_empty() {
                div.card.calm {
                    p { "Nothing has run yet. Photograph the label of a return and watch what happens." }
                    p { a.button.main href="/scan" { (icon("scan")) "Scan a label" } }
                }
            } @else { (run_list(&runs, now, currency)) }
        }
        (devices(&health))
    })
}

fn standing(visit: &Visit, health: &HealthView) -> Markup {
    let tone = match health.condition {
        Condition::Ready => "good",
        Condition::Starting | Condition::Degraded => "open",
        Condition::Stopped | Condition::Broken => "bad",
    };
    html! {
        p.standing {
            span class={"chip " (tone)} { (health.condition.word()) }
            span.muted { " started " (words::ago(visit.now(), health.since)) }
            @for reason in &health.reasons { span.muted { " · " (reason) } }
        }
    }
}

fn numbers(health: &HealthView, currency: &str) -> Markup {
    let numbers = &health.numbers;
    let ms = |v: f64| words::span_ms(whole(v));
    let money = |v: f64| words::cost(signed(v), currency);
    let percent = |v: f64| format!("{:.1} %", v / 10.0);
    let touches = |v: f64| format!("{v:.2}");
    let p50 = numbers.latency_p50_ms.value.map(|v| format!("half of them within {}", ms(v))).unwrap_or_default();
    let counted = words::count(health.numbers.runs, "run", "runs");
    let acted = words::count(health.numbers.actions, "action", "actions");
    html! {
        section.numbers aria-label="The numbers" {
            (number("Scan to verdict, p95", &numbers.latency_p95_ms, ms, &p50))
            (number("Cost per action", &numbers.cost_per_action_micros, money, &format!("over {acted}")))
            (number("Failure rate", &numbers.failures_permille, percent, &format!("of {counted}")))
            (number("Touches per return", &numbers.touches_per_return, touches, "answered by a person"))
        }
        @if health.acts_unknown > 0 {
            p.card.warning { (icon("warn")) (words::count(health.acts_unknown, "act has", "acts have")) " an unknown outcome and is being settled by asking the target." }
        }
    }
}

fn number(name: &str, measure: &Measure, show: impl Fn(f64) -> String, more: &str) -> Markup {
    let shown = measure.value.map_or_else(|| "–".to_owned(), &show);
    let label = format!("{name}: {shown}, trend over time");
    html! {
        article.card.number {
            h2 { (name) }
            p.big { (with_unit(&shown)) }
            p.against {
                @match measure.is_met() {
                    Some(true) => span.chip.good { "on target" },
                    Some(false) => span.chip.bad { "over target" },
                    None => {},
                }
                @if let Some(target) = measure.target { span.muted { "target ≤ " (show(target)) } }
            }
            (trend(measure, &label))
            p.muted.small { @if measure.value.is_some() { (more) } @else { "nothing counted yet" } }
        }
    }
}

/// The number large, its unit small.
fn with_unit(shown: &str) -> Markup {
    match shown.rsplit_once(' ') {
        Some((number, unit)) => html! { (number) " " span.unit { (unit) } },
        None => html! { (shown) },
    }
}

/// A count from a float: whole, not below zero, not above what a person could read.
fn whole(value: f64) -> u64 {
    // `as` saturates from float to integer and turns NaN into zero (Rust reference, type cast expressions).
    value.round() as u64
}

fn signed(value: f64) -> i64 {
    value.round() as i64
}

fn devices(health: &HealthView) -> Markup {
    html! {
        @if !health.devices.is_empty() {
            section {
                h2 { "Devices and connectors" }
                ul.card.devices {
                    @for device in &health.devices {
                        li {
                            span class={"chip " (if device.up { "good" } else { "bad" })} { @if device.up { "up" } @else { "down" } }
                            strong { (device.device) } span.muted { (device.note) }
                        }
                    }
                }
            }
        }
    }
}
