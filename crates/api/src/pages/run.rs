//! One run as a timeline: sense, remember, think, decide, gate, act; with times and costs, idle gaps folded, all ids.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};

use super::drawing::icon;
use super::layout::{Nav, hidden};
use super::runs::status_chip;
use super::visit::{Signed, Visit};
use super::{evidence, words};
use crate::problem::Problem;
use crate::v1::{id, note};
use crate::views::{RunView, StepView, Tone, When};

/// 5 s: a longer silence between two steps is folded to one line.
const GAP_MS: u64 = 5_000;

/// Shows it.
pub(crate) async fn show(visit: Visit, Path(run): Path<String>) -> Response {
    let main = content(&visit, &run).await;
    visit.show(Nav::Runs, "Run", main).await
}

/// Asks it to end.
pub(crate) async fn cancel(Path(run): Path<String>, form: Signed) -> Response {
    let to = ask_to_end(&form, &run).await;
    form.visit.go_on(to).await
}

async fn ask_to_end(form: &Signed, run: &str) -> Result<String, Problem> {
    let run = id(run)?;
    form.visit.api.house.cancel(run, &note(form.get("reason"))?, form.visit.caller()?).await?;
    Ok(format!("/runs/{run}"))
}

async fn content(visit: &Visit, run: &str) -> Result<Markup, Problem> {
    let view = visit.api.house.run(id(run)?).await?;
    let currency = &visit.api.settings.currency;
    Ok(html! {
        p.crumb { a href="/runs" { "Runs" } " / " (view.row.run) }
        (head(visit, &view))
        section {
            h2 { "What happened" }
            @if view.steps.is_empty() { p.card.calm { "Nothing yet." } }
            @else { ol.timeline { (timeline(&view, currency)) } }
        }
        section {
            h2 { "In and out" }
            div.card {
                (evidence::folded("Input", &view.input))
                @if let Some(output) = &view.output { (evidence::folded("Output", output)) }
            }
        }
        (ids(&view))
        @if !view.row.status.is_over() { (cancel_form(visit, &view)) }
    })
}

fn head(visit: &Visit, view: &RunView) -> Markup {
    let row = &view.row;
    html! {
        section.card.what {
            p.eyebrow { (row.playbook) " " (row.version) }
            h1 { (row.title) }
            p.meta {
                (status_chip(row.status))
                @if !row.result.is_empty() { strong { (row.result) } }
                span.muted { (words::span_ms(row.took_ms)) " · " (words::cost(row.cost_micros, &visit.api.settings.currency)) " · " (words::ago(visit.now(), row.started)) }
            }
            @if let Some(fault) = &view.fault { p.warning { (icon("warn")) (words::prose(fault)) } }
            @if let Some(reason) = &view.cancel_reason { p.warning { (icon("warn")) "Asked to end: " (reason) } }
            @if let Some(gate) = row.gate { p { a.button.main href=(format!("/gates/{gate}")) { "It waits for a person: answer" } } }
        }
    }
}

fn timeline(view: &RunView, currency: &str) -> Markup {
    let first = view.steps.first().map_or(view.row.started, |step| step.at);
    let before = std::iter::once(first).chain(view.steps.iter().map(|step| step.at));
    html! {
        @for (step, before) in view.steps.iter().zip(before) {
            (gap(before, step.at))
            (line(step, first, currency))
        }
    }
}

fn gap(from: When, to: When) -> Markup {
    let ms = words::ms_between(from.0, to.0);
    html! { @if ms >= GAP_MS { li.gap { (words::span_ms(ms)) " of waiting" } } }
}

fn line(step: &StepView, first: When, currency: &str) -> Markup {
    let since = words::ms_between(first.0, step.at.0);
    html! {
        li class={"step " (step.phase.word())} {
            span.sign { (icon(step.phase.word())) }
            div.body {
                p.title {
                    span.phase { (step.phase.word()) } (step.title)
                    @if !step.outcome.is_empty() { span class={"chip " (tone(step.tone))} { (step.outcome) } }
                }
                p.muted.small {
                    (words::clock(step.at)) " · +" (words::span_ms(since))
                    @if let Some(took) = step.took_ms { " · took " (words::span_ms(took)) }
                    @if step.cost_micros != 0 { " · " (words::cost(step.cost_micros, currency)) }
                    @if let Some(gate) = step.gate { " · " a href=(format!("/gates/{gate}")) { "gate " (gate) } }
                }
                details {
                    summary { "entry " (step.seq) @if let Some(effect) = step.effect { ", question " (effect) } }
                    (evidence::pairs(&step.details))
                    @if let Some(data) = &step.data { pre { code { (words::pretty(data)) } } }
                }
            }
        }
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Open => "open",
        Tone::Bad => "bad",
    }
}

fn ids(view: &RunView) -> Markup {
    html! {
        section {
            h2 { "Ids" }
            dl.card.pairs.small {
                dt { "run" } dd { code { (view.row.run) } }
                @if let Some(trigger) = view.trigger { dt { "started by" } dd { a href=(format!("/scans/{trigger}")) { "entry " (trigger) } } }
                dt { "playbook" } dd { code { (view.playbook_digest) } }
                dt { "policy" } dd { code { (view.policy_digest) } }
                dt { "same in the shell" } dd { code { "sinew run show " (view.row.run) } }
            }
        }
    }
}

fn cancel_form(visit: &Visit, view: &RunView) -> Markup {
    let path = format!("/runs/{}/cancel", view.row.run);
    html! {
        details.card.fold {
            summary { "End this run" }
            form method="post" action=(path) {
                (hidden("form", &visit.form_token(&path)))
                p.muted { "It ends at its next step. What is done stays done." }
                label { span { "Why" } input type="text" name="reason" maxlength="500" autocomplete="off"; }
                button.refuse type="submit" { "End it" }
            }
        }
    }
}
