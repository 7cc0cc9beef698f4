//! The list of runs, newest first, by status.

use axum::response::Response;
use maud::{Markup, html};
use sinew_contract::Timestamp;

use super::layout::Nav;
use super::visit::Visit;
use super::words;
use crate::problem::Problem;
use crate::v1::Asked;
use crate::views::{RunQuery, RunRow, RunStatus};

/// Shows it.
pub(crate) async fn show(visit: Visit, asked: Result<Asked<RunQuery>, Problem>) -> Response {
    let main = match asked {
        Ok(Asked(query)) => content(&visit, query).await,
        Err(problem) => Err(problem),
    };
    visit.show(Nav::Runs, "Runs", main).await
}

async fn content(visit: &Visit, query: RunQuery) -> Result<Markup, Problem> {
    let runs = visit.api.house.runs(&query).await?;
    let full = runs.len() >= usize::try_from(query.limit()).unwrap_or(usize::MAX);
    let older = runs.last().filter(|_| full).map(|last| older_path(&query, last));
    Ok(html! {
        div.heading { h1 { "Runs" } }
        (filter(query.status))
        @if runs.is_empty() {
            div.card.calm {
                p.lead { @match query.status { Some(status) => { "No run is " (status.word()) "." }, None => "Nothing has run yet." } }
                p { a.button.main href="/scan" { "Scan a label" } }
            }
        } @else { (run_list(&runs, visit.now(), &visit.api.settings.currency)) }
        @if let Some(older) = older { p { a.button href=(older) { "Older" } } }
    })
}

fn older_path(query: &RunQuery, last: &RunRow) -> String {
    let status = query.status.map(|status| format!("&status={}", status.word())).unwrap_or_default();
    format!("/runs?before={}&limit={}{status}", last.run, query.limit())
}

fn filter(chosen: Option<RunStatus>) -> Markup {
    html! {
        nav.filter aria-label="Filter by status" {
            a href="/runs" aria-current=[chosen.is_none().then_some("true")] { "all" }
            @for status in RunStatus::ALL {
                a href=(format!("/runs?status={}", status.word())) aria-current=[(chosen == Some(status)).then_some("true")] { (status.word()) }
            }
        }
    }
}

/// Rows of runs, each a link.
pub(crate) fn run_list(runs: &[RunRow], now: Timestamp, currency: &str) -> Markup {
    html! {
        ul.rows { @for run in runs { li { (run_row(run, now, currency)) } } }
    }
}

fn run_row(run: &RunRow, now: Timestamp, currency: &str) -> Markup {
    html! {
        a.row href=(format!("/runs/{}", run.run)) {
            (status_chip(run.status))
            span.title { (run.title) @if !run.result.is_empty() { span.result { (run.result) } } }
            span.muted { (words::span_ms(run.took_ms)) " · " (words::cost(run.cost_micros, currency)) " · " (words::ago(now, run.started)) }
        }
    }
}

/// How a run stands, as a chip.
pub(crate) fn status_chip(status: RunStatus) -> Markup {
    let tone = match status {
        RunStatus::Running => "plain",
        RunStatus::Waiting => "open",
        RunStatus::Completed => "good",
        RunStatus::Faulted => "bad",
        RunStatus::Cancelled => "plain",
    };
    html! { span class={"chip " (tone)} { (status.word()) } }
}
