//! The approval card, in reading order: what will happen, why it stopped, what if it is wrong, the evidence, memory, how
//! sure, time and cost; then two large buttons. The answer is bound to the digest that the page shows.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use sinew_contract::{Answer, Class, GateId, Timestamp};

use super::drawing::icon;
use super::evidence;
use super::inbox::{status_chip, time_bar, title, unsaid_amount};
use super::layout::{Nav, hidden};
use super::visit::{Signed, Visit};
use super::words::{self, Band};
use crate::problem::Problem;
use crate::v1::{gates, id};
use crate::views::{ExactRequest, GateReply, GateStatus, GateView};

/// Below 30 a share says nothing: its 95 % interval is wider than 30 points.
const RECORD_MIN: u64 = 30;

/// Shows it.
pub(crate) async fn show(visit: Visit, Path(gate): Path<String>) -> Response {
    let main = content(&visit, &gate).await;
    visit.show(Nav::Inbox, "Approve or refuse", main).await
}

/// Takes the answer.
pub(crate) async fn answer(Path(gate): Path<String>, form: Signed) -> Response {
    let to = decide(&form, &gate).await;
    form.visit.go_on(to).await
}

async fn decide(form: &Signed, gate: &str) -> Result<String, Problem> {
    let gate: GateId = id(gate)?;
    let answer = match form.get("answer") {
        "approve" => Answer::Approve,
        "refuse" => Answer::Refuse,
        _ => return Err(Problem::invalid("press Approve or Refuse")),
    };
    let digest =
        form.get("digest").parse().map_err(|_| Problem::invalid("the form lacks the digest of what was shown"))?;
    let reply = GateReply { answer, digest, note: form.get("note").to_owned() };
    gates::answer(&form.visit.api, gate, reply, form.visit.caller()?).await?;
    Ok(format!("/gates/{gate}"))
}

async fn content(visit: &Visit, gate: &str) -> Result<Markup, Problem> {
    let view = visit.api.house.gate(id(gate)?).await?;
    let path = format!("/gates/{}", view.row.gate);
    let token = visit.form_token(&path);
    let refusal = gates::may_not_answer(&view, visit.caller()?);
    let answerable = view.row.status == GateStatus::Waiting && refusal.is_none();
    let card = card(&view, visit.now(), &visit.api.settings.currency, answerable);
    Ok(html! {
        p.crumb { a href="/inbox" { "Inbox" } " / " (view.row.gate) }
        @if view.row.status != GateStatus::Waiting { (closed(&view, visit.now())) (card) }
        @else if let Some(reason) = refusal { p.card.warning { (icon("warn")) (words::prose(&reason)) } (card) }
        @else {
            form.decide method="post" action=(path) {
                // The Enter key presses the first button of a form: this one, which does nothing.
                button type="submit" disabled hidden {}
                (hidden("form", &token))
                (hidden("digest", &view.digest.to_string()))
                (card)
            }
        }
    })
}

fn closed(view: &GateView, now: Timestamp) -> Markup {
    html! {
        section.card.outcome {
            p.title {
                (status_chip(view.row.status))
                @match &view.row.by { Some(by) => { " by " (by) }, None => " because nobody answered in time" }
                @if let Some(at) = view.row.answered { " " (words::ago(now, at)) }
            }
            @if !view.note.is_empty() { p { "“" (view.note) "”" } }
            p { a href=(format!("/runs/{}", view.row.run)) { "What became of it" } }
        }
    }
}

/// In reading order; a desk shows what was seen beside the rest.
fn card(view: &GateView, now: Timestamp, currency: &str, answerable: bool) -> Markup {
    html! {
        (what(view))
        div.reading {
            section.card { h2 { "Why it stopped" } (why(&view.row.why)) }
            @if !view.risk.is_empty() || view.request.is_some() {
                section.card { h2 { "If it is wrong" } (if_wrong(view)) }
            }
            div.seen {
                section.card { h2 { "Evidence" }
                    @if view.evidence.is_empty() { p.muted { "No evidence came with this question." } }
                    (evidence::seen(&view.evidence))
                }
                section.card { h2 { "Memory used" } (evidence::remembered(&view.evidence)) }
            }
            section.card { h2 { "How sure" } (how_sure(view)) }
            section.card { h2 { "Time and cost" } (time_and_cost(view, now, currency)) }
            @if answerable { (buttons()) }
        }
    }
}

fn what(view: &GateView) -> Markup {
    html! {
        section.card.what {
            p.eyebrow { @if view.row.what.is_empty() { "A question" } @else { "What will happen" } }
            h1 { (title(&view.row)) }
            @if let Some(amount) = unsaid_amount(&view.row) { p.amount { (amount) } }
            @if !view.row.what.is_empty() { p.lead { (view.row.question) } }
            @if let Some(request) = &view.request { (exact(request)) }
            p.muted.small { "Bound to " code title=(view.digest) { (evidence::short(&view.digest.to_string())) }
                ": another request needs another answer." }
        }
    }
}

fn exact(request: &ExactRequest) -> Markup {
    html! {
        details {
            summary { "The exact request: " code { (request.capability) } " v" (request.manifest_version) }
            (evidence::arguments(&request.args))
            pre { code { (words::pretty(&request.args)) } }
        }
    }
}

fn why(reasons: &[String]) -> Markup {
    html! {
        @if reasons.is_empty() { p.muted { "The playbook asks a person here, always." } }
        @else { ul { @for reason in reasons { li { (words::reasoned(reason)) } } } }
    }
}

fn if_wrong(view: &GateView) -> Markup {
    html! {
        @if !view.risk.is_empty() { p { (words::prose(&view.risk)) } }
        @if let Some(request) = &view.request {
            p { @match (request.class, &request.undo) {
                (Class::Pure, _) => { span.chip.good { "changes nothing" } },
                (Class::Irreversible, _) => { span.chip.bad { "cannot be undone" } },
                (Class::Physical, _) => { span.chip.bad { "moves something: cannot be undone" } },
                (_, Some(undo)) => { span.chip.good { "can be undone" } " by " code { (undo) } },
                (Class::Idempotent, None) => { span.chip.plain { "once or twice is the same" } },
                (Class::Compensable, None) => { span.chip.open { "undo is not named" } },
            } }
        }
    }
}

fn how_sure(view: &GateView) -> Markup {
    let band = Band::of(view.row.confidence_permille);
    let record = view.record;
    let like = words::count(record.answered, "question like this was", "questions like this were");
    html! {
        p.sure { (band_steps(band)) strong { (words::sentence(band.word())) } " " (band.sentence()) }
        p.muted {
            @if record.answered == 0 { "No question like this has been answered before." }
            @else { (like) " answered, " (record.refused) " refused." }
            @if record.answered > 0 && record.answered < RECORD_MIN { " Too few to tell." }
        }
    }
}

fn band_steps(band: Band) -> Markup {
    let lit = match band {
        Band::Low => 1,
        Band::Medium => 2,
        Band::High => 3,
    };
    html! {
        span class={"steps " (band.word())} aria-hidden="true" { @for step in 1..=3 { i.lit[step <= lit] {} } }
    }
}

fn time_and_cost(view: &GateView, now: Timestamp, currency: &str) -> Markup {
    let row = &view.row;
    html! {
        @if row.status == GateStatus::Waiting {
            p { strong { (words::rough(row.expires.0.since(now))) " left" } ", then it is refused by itself (" (words::minute(row.expires)) ")." }
            (time_bar(row, now))
        }
        dl.pairs.small {
            dt { "asked" } dd { (words::ago(now, row.opened)) }
            dt { "cost so far" } dd { (words::cost(view.cost_micros, currency)) }
            dt { "who may answer" } dd { (row.role) }
            dt { "run" } dd { a href=(format!("/runs/{}", row.run)) { (row.run) } }
        }
    }
}

fn buttons() -> Markup {
    html! {
        div.card.answer {
            label { span { "Note" } input type="text" name="note" maxlength="500" placeholder="why (kept in the log)" autocomplete="off"; }
            div.pair {
                button.approve type="submit" name="answer" value="approve" { "Approve" }
                button.refuse type="submit" name="answer" value="refuse" { "Refuse" }
            }
        }
    }
}
