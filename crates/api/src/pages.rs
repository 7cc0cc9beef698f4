//! Plain pages, made on the server, without a script: they work on a phone, from a link in a message, and when all else
//! is down. GET shows, POST decides.
//!
//! Does not know stored types: shows the views. Text from outside is escaped by the templates; nothing here marks text
//! as safe but our own drawings.

pub(crate) mod audit;
pub(crate) mod drawing;
pub(crate) mod evidence;
pub(crate) mod gate;
pub(crate) mod home;
pub(crate) mod inbox;
pub(crate) mod layout;
pub(crate) mod login;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod scan;
pub(crate) mod stop;
pub(crate) mod timeline;
pub(crate) mod visit;
pub(crate) mod words;

use std::sync::OnceLock;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};
use sha2::{Digest as _, Sha256};

use crate::guard;
use crate::problem::Problem;
use layout::{Frame, Nav};
use visit::Visit;

const CSS: &str = include_str!("pages/style.css");
const ICON: &str = include_str!("pages/icon.svg");

/// Where the style lies: its name says what is in it, so that a browser may keep it for ever.
pub(crate) fn css_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let digest = sinew_contract::Digest(Sha256::digest(CSS.as_bytes()).into()).to_string();
        format!("/style-{}.css", digest.get(..12).unwrap_or_default())
    })
}

/// The style.
pub(crate) async fn css() -> impl IntoResponse {
    let kept = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, kept)], CSS)
}

/// The sign in the browser's tab.
pub(crate) async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")], ICON)
}

/// A path that leads nowhere: a page for people, a problem under `/v1`.
pub(crate) async fn no_such_page(visit: Visit, request: Request) -> Response {
    let path: String = request.uri().path().chars().take(120).collect();
    let problem = Problem::missing(format!("nothing is at `{path}`"));
    if guard::is_api(request.uri().path()) { problem.into_response() } else { visit.problem(&problem).await }
}

/// A method that a path does not take.
pub(crate) async fn no_such_method(visit: Visit, request: Request) -> Response {
    let path: String = request.uri().path().chars().take(120).collect();
    let detail = format!("`{}` cannot be done to `{path}`", request.method());
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "invalid", detail);
    if guard::is_api(request.uri().path()) { problem.into_response() } else { visit.problem(&problem).await }
}

/// A problem as the inside of a page.
pub(crate) fn problem_words(problem: &Problem) -> Markup {
    html! {
        section.card.problem {
            p.eyebrow { "Error " (problem.status) }
            h1 { (problem.title) }
            p.lead { (words::prose(&problem.detail)) }
            p { a.button href="/" { "Home" } " " a.button href="/inbox" { "Inbox" } }
        }
    }
}

/// A problem as a page, for somebody whom the house does not know.
pub(crate) fn bare_problem(problem: &Problem) -> Response {
    let frame = Frame::bare();
    let page = layout::page(&frame, Nav::None, &problem.title, &problem_words(problem));
    (problem.status_code(), Html(page.into_string())).into_response()
}

/// The login page that leads back to `next`.
pub(crate) fn login_path(next: &str) -> String {
    if next == "/" { "/login".into() } else { format!("/login?next={}", words::in_query(next)) }
}

/// A path of this house to go back to; anything else leads home.
pub(crate) fn own_path(path: &str) -> &str {
    let plain = !path.contains('\\') && !path.chars().any(char::is_control);
    if path.starts_with('/') && !path.starts_with("//") && plain { path } else { "/" }
}

/// A page that goes on by itself to `next`, so that the browser brings its strict cookie.
pub(crate) fn step_inside(next: &str) -> Response {
    let next = own_path(next);
    let page = html! {
        (maud::DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content=(format!("0; url={}", words::in_path(next)));
                title { "One moment" }
                link rel="stylesheet" href=(css_path());
            }
            body.bare { main { p { a href=(next) { "Go on" } } } }
        }
    };
    Html(page.into_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_gone_back_to() {
        assert_eq!(own_path("/gates/g57?x=1"), "/gates/g57?x=1");
        for foreign in ["", "//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/a\nb"] {
            assert_eq!(own_path(foreign), "/", "{foreign}");
        }
    }
}
