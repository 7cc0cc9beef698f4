//! Audit: whether the log verifies, how far, and its latest entries.

use axum::response::Response;
use maud::{Markup, html};

use super::drawing::icon;
use super::layout::Nav;
use super::visit::Visit;
use super::{evidence, words};
use crate::problem::Problem;
use crate::v1::Asked;
use crate::views::{AuditView, EntryQuery, EntryRow};

/// Shows it.
pub(crate) async fn show(visit: Visit, asked: Result<Asked<EntryQuery>, Problem>) -> Response {
    let main = match asked {
        Ok(Asked(query)) => content(&visit, query).await,
        Err(problem) => Err(problem),
    };
    visit.show(Nav::Audit, "Audit", main).await
}

async fn content(visit: &Visit, query: EntryQuery) -> Result<Markup, Problem> {
    let audit = visit.api.watch.audit().await?;
    let entries = visit.api.watch.entries(&query).await?;
    let older = entries.last().filter(|last| last.seq.0 > 1);
    Ok(html! {
        div.heading { h1 { "Audit" } }
        (verdict(visit, &audit))
        section {
            h2 { "The log" }
            @if entries.is_empty() { p.card.calm { "The log is empty. Its first entry will say which version opened it." } }
            @else { ul.rows.log { @for entry in &entries { li { (row(entry)) } } } }
            @if let Some(last) = older { p { a.button href=(older_path(&query, last)) { "Older" } } }
        }
    })
}

fn older_path(query: &EntryQuery, last: &EntryRow) -> String {
    let run = query.run.map(|run| format!("&run={run}")).unwrap_or_default();
    format!("/audit?before={}&limit={}{run}", last.seq, query.limit())
}

fn verdict(visit: &Visit, audit: &AuditView) -> Markup {
    let newer = audit.entries.0.saturating_sub(audit.verified_to.0);
    html! {
        section.card.what {
            p.title {
                @match audit.ok {
                    Some(true) => { (icon("audit")) "The log verifies" @if newer > 0 { " up to entry " (audit.verified_to) } },
                    Some(false) => { (icon("warn")) "The log does not verify" },
                    None => { (icon("wait")) "Not verified yet" },
                }
                @match audit.ok {
                    Some(true) if newer == 0 => span.chip.good { "whole" },
                    Some(true) => span.chip.plain { (words::count(newer, "newer entry", "newer entries")) },
                    Some(false) => span.chip.bad { "broken" },
                    None => span.chip.open { "unknown" },
                }
            }
            @if let Some(problem) = &audit.problem { p.warning { (icon("warn")) (words::prose(problem)) } }
            dl.pairs.small {
                dt { "entries" } dd { (audit.entries) }
                dt { "verified" } dd { "up to entry " (audit.verified_to) @if let Some(at) = audit.verified_at { ", " (words::ago(visit.now(), at)) } }
                dt { "head" } dd { code { (audit.head) } }
                dt { "log" } dd { code { (audit.log) } }
            }
            p.muted { "Each entry carries the hash of the one before. Verify it yourself, without this process: " code { "sinew audit verify DATA_DIR" } }
        }
    }
}

fn row(entry: &EntryRow) -> Markup {
    html! {
        div.row #(format!("e{}", entry.seq)) {
            span.seq { (entry.seq) }
            span.title { span.phase { (entry.kind) } (entry.summary) }
            span.muted {
                (entry.principal) " · " (words::clock(entry.at))
                @if let Some(run) = entry.run { " · " a href=(format!("/runs/{run}")) { (run) } }
                span.more {
                    @if let Some(cause) = entry.cause { " · from " a href=(format!("#e{cause}")) { (cause) } }
                    " · " code title=(entry.hash) { (evidence::short(&entry.hash.to_string())) }
                }
            }
        }
    }
}
