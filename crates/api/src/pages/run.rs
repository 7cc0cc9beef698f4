//! One run: what came of it, its timeline, what went in and out, all ids.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};

use super::drawing::icon;
use super::layout::{Nav, hidden};
use super::runs::status_chip;
use super::visit::{Signed, Visit};
use super::{evidence, timeline, words};
use crate::problem::Problem;
use crate::v1::{id, note};
use crate::views::RunView;

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
            @else { ol.timeline { (timeline::lines(&view.steps, currency)) } }
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
