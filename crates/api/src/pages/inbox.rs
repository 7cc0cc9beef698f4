//! The inbox: what waits for a person, the most urgent first; then what was answered lately.

use axum::response::Response;
use maud::{Markup, html};
use sinew_contract::Timestamp;

use super::drawing::bar;
use super::layout::Nav;
use super::visit::Visit;
use super::words::{self, Band};
use crate::problem::Problem;
use crate::views::{GateQuery, GateRow, GateStatus, Money};

/// Shows it.
pub(crate) async fn show(visit: Visit) -> Response {
    let main = content(&visit).await;
    visit.show(Nav::Inbox, "Inbox", main).await
}

async fn content(visit: &Visit) -> Result<Markup, Problem> {
    let gates = visit.api.house.gates(&GateQuery { status: None, limit: Some(100) }).await?;
    let now = visit.now();
    let (waiting, closed): (Vec<_>, Vec<_>) = gates.iter().partition(|gate| gate.status == GateStatus::Waiting);
    Ok(html! {
        div.heading {
            h1 { "Inbox" }
            p.muted { (words::count(waiting.len() as u64, "question waits", "questions wait")) }
        }
        @if waiting.is_empty() {
            div.card.calm {
                p.lead { "Nothing waits for you." }
                p.muted {
                    @if let Some(last) = closed.first() { "The last question came " (words::ago(now, last.opened)) "." }
                    @else { "Questions come here when a scan is ambiguous, or a refund is above the limit." }
                }
            }
        } @else { div.cards { @for gate in &waiting { (gate_card(gate, now)) } } }
        @if !closed.is_empty() {
            section {
                h2 { "Answered" }
                ul.rows { @for gate in &closed { li { (closed_row(gate, now)) } } }
            }
        }
    })
}

/// A waiting gate, whole as one link.
pub(crate) fn gate_card(gate: &GateRow, now: Timestamp) -> Markup {
    let left = gate.expires.0.since(now);
    html! {
        a.card.ask href=(format!("/gates/{}", gate.gate)) {
            p.eyebrow { (gate.playbook) " · asked " (words::ago(now, gate.opened)) }
            p.title { (title(gate)) }
            @if let Some(amount) = unsaid_amount(gate) { p.amount { (amount) } }
            @if !gate.what.is_empty() { p { (gate.question) } }
            @if let Some(why) = gate.why.first() { p.muted { (words::reasoned(why)) } }
            p.meta { (band_chip(gate.confidence_permille)) span.muted { (words::rough(left)) " left" } }
            (time_bar(gate, now))
        }
    }
}

/// What would happen; the question, where no act hangs on it.
pub(crate) fn title(gate: &GateRow) -> &str {
    if gate.what.is_empty() { &gate.question } else { &gate.what }
}

/// The amount, where the title does not say it already.
pub(crate) fn unsaid_amount(gate: &GateRow) -> Option<&Money> {
    gate.amount.as_ref().filter(|amount| !gate.what.contains(&amount.to_string()))
}

/// How sure, as a chip.
pub(crate) fn band_chip(permille: u16) -> Markup {
    let band = Band::of(permille);
    html! { span class={"chip band " (band.word())} { "sure: " (band.word()) } }
}

/// The part of the time that is left.
pub(crate) fn time_bar(gate: &GateRow, now: Timestamp) -> Markup {
    let whole = gate.expires.0.since(gate.opened.0).as_secs_f64();
    let left = gate.expires.0.since(now);
    let label = format!("{} left", words::rough(left));
    bar(if whole > 0.0 { left.as_secs_f64() / whole } else { 0.0 }, &label)
}

fn closed_row(gate: &GateRow, now: Timestamp) -> Markup {
    html! {
        a.row href=(format!("/gates/{}", gate.gate)) {
            (status_chip(gate.status))
            span.title { (title(gate)) @if let Some(amount) = unsaid_amount(gate) { " · " (amount) } }
            span.muted {
                @if let Some(by) = &gate.by { (by) " " }
                @if let Some(at) = gate.answered { (words::ago(now, at)) }
            }
        }
    }
}

/// How a gate stands, as a chip.
pub(crate) fn status_chip(status: GateStatus) -> Markup {
    let tone = match status {
        GateStatus::Waiting => "open",
        GateStatus::Approved => "good",
        GateStatus::Refused => "plain",
        GateStatus::Expired => "bad",
    };
    html! { span class={"chip " (tone)} { (status.word()) } }
}
