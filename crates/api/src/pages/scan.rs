//! Scan: a phone takes a photograph; then what was read in it, and the run that it started.

use axum::extract::{Path, Request};
use axum::response::Response;
use maud::{Markup, html};
use sinew_contract::{ReadVerdict, Seq};

use super::drawing::{crop, icon};
use super::layout::{Nav, hidden};
use super::visit::Visit;
use super::words::{self, Band};
use crate::problem::Problem;
use crate::v1::scans::{Picture, read_picture, scan_id};
use crate::views::{ScanUpload, ScanView};

/// Shows the form.
pub(crate) async fn show_form(visit: Visit) -> Response {
    let main = html! {
        div.heading { h1 { "Scan a label" } }
        form.card.scan method="post" action="/scan" enctype="multipart/form-data" {
            (hidden("form", &visit.form_token("/scan")))
            label.drop {
                (icon("scan"))
                strong { "Photograph or choose a picture" }
                span.muted { "EAN-13, Code 128 or QR; JPEG or PNG, at most 25 MB" }
                input type="file" name="image" accept="image/*" capture="environment" required;
            }
            button.main type="submit" { "Send" }
        }
        p.muted { "The picture is kept, read twice, and starts a run. An unclear one goes to a person." }
    };
    visit.show(Nav::Scan, "Scan", Ok(main)).await
}

/// Takes the photograph.
pub(crate) async fn take(visit: Visit, request: Request) -> Response {
    let to = take_in(&visit, request).await;
    visit.go_on(to).await
}

async fn take_in(visit: &Visit, request: Request) -> Result<String, Problem> {
    let Picture { bytes, media_type, name, form_token } = read_picture(request).await?;
    visit.check_form("/scan", &form_token)?;
    let upload = ScanUpload { picture: bytes, media_type, name, key: None };
    let scan = visit.api.house.scan(upload, visit.caller()?).await?;
    Ok(format!("/scans/{}", scan.seq))
}

/// Shows a scan.
pub(crate) async fn show(visit: Visit, Path(scan): Path<String>) -> Response {
    let main = content(&visit, &scan).await;
    visit.show(Nav::Scan, "Scan", main).await
}

async fn content(visit: &Visit, scan: &str) -> Result<Markup, Problem> {
    let seq: Seq = scan_id(scan)?;
    let view = visit.api.house.scanned(seq).await?;
    let quad = view.claims.first().map_or(&[][..], |claim| &claim.quad);
    Ok(html! {
        p.crumb { a href="/scan" { "Scan" } " / " (seq) }
        section.card.what {
            p.eyebrow { (view.scan) " · " (words::ago(visit.now(), view.at)) }
            (verdict(&view))
            @match view.run {
                Some(run) => p { a.button.main href=(format!("/runs/{run}")) { (icon("run")) "See its run" } },
                None => p { span.chip.open { "no run yet" } " " a href=(format!("/scans/{seq}")) { "Look again" } },
            }
        }
        section.card {
            h2 { "The picture" }
            figure { (crop(&view.image, view.width, view.height, quad, "the label in the photograph"))
                figcaption.muted { (view.width) " × " (view.height) " · sha-256 " (super::evidence::short(&view.image.digest.to_string())) } }
        }
        section.card { h2 { "What the readers saw" } (claims(&view)) }
        p { a.button href="/scan" { "Scan another" } }
    })
}

fn verdict(view: &ScanView) -> Markup {
    let band = Band::of(view.confidence_permille);
    html! {
        @match view.verdict {
            ReadVerdict::Read => {
                h1 { code { (view.code.as_deref().unwrap_or_default()) } }
                p.meta { span.chip.good { "read" } @if let Some(format) = &view.format { span.muted { (format) } }
                    span.muted { "sure: " (band.word()) } }
            },
            ReadVerdict::Unread => { h1 { "No code was read" } p.meta { span.chip.bad { "unread" } } },
            ReadVerdict::Conflict => { h1 { "The readings disagree" } p.meta { span.chip.open { "conflict" } } },
        }
        @if view.repeated { p.muted { "This picture had come in before; nothing new was started." } }
    }
}

fn claims(view: &ScanView) -> Markup {
    html! {
        @if view.claims.is_empty() { p.muted { "No reader found a code. Go nearer, avoid glare, hold still." } }
        @else {
            ul.rows { @for claim in &view.claims {
                li.row { span class={"chip band " (Band::of(claim.confidence_permille).word())} { (Band::of(claim.confidence_permille).word()) }
                    span.title { code { (claim.value) } } span.muted { (claim.format) " · " (claim.engine) } }
            } }
        }
    }
}
