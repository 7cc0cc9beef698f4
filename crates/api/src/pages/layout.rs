//! The frame around every page: head, rail (a bar at the foot on a phone), Stop, the banner of a stop that holds.
//!
//! Does not know what a page shows, nor whose it is but by name.

use maud::{DOCTYPE, Markup, html};
use sinew_contract::{StopScope, Timestamp};

use super::drawing::{icon, mark};
use super::{css_path, words};
use crate::views::StopView;

/// Which part of the house a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nav {
    Home,
    Inbox,
    Scan,
    Runs,
    Audit,
    None,
}

/// What the frame shows.
pub(crate) struct Frame {
    pub(crate) site: String,
    pub(crate) version: String,
    pub(crate) simulated: bool,
    /// None for somebody unknown: no rail, no Stop.
    pub(crate) visitor: Option<String>,
    pub(crate) waiting: usize,
    pub(crate) stops: Vec<StopView>,
    pub(crate) now: Timestamp,
    pub(crate) back: String,
    pub(crate) stop_token: String,
    pub(crate) resume_token: String,
    pub(crate) logout_token: String,
}

impl Frame {
    /// The frame for somebody whom the house does not know.
    pub(crate) fn bare() -> Self {
        Self {
            site: "Sinew".into(),
            version: String::new(),
            simulated: false,
            visitor: None,
            waiting: 0,
            stops: Vec::new(),
            now: Timestamp(0),
            back: "/".into(),
            stop_token: String::new(),
            resume_token: String::new(),
            logout_token: String::new(),
        }
    }
}

/// The places of the rail.
const PLACES: [(Nav, &str, &str, &str); 5] = [
    (Nav::Home, "/", "home", "Home"),
    (Nav::Inbox, "/inbox", "inbox", "Inbox"),
    (Nav::Scan, "/scan", "scan", "Scan"),
    (Nav::Runs, "/runs", "runs", "Runs"),
    (Nav::Audit, "/audit", "audit", "Audit"),
];

/// A whole page.
pub(crate) fn page(frame: &Frame, nav: Nav, title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · " (frame.site) }
                link rel="stylesheet" href=(css_path());
                link rel="icon" href="/icon.svg" type="image/svg+xml";
            }
            body.bare[frame.visitor.is_none()] {
                a.skip href="#main" { "Skip to content" }
                (top(frame))
                @if frame.visitor.is_some() { (rail(frame, nav)) }
                main #main {
                    @for stop in &frame.stops { (banner(frame, stop)) }
                    (main)
                    (foot(frame))
                }
            }
        }
    }
}

fn top(frame: &Frame) -> Markup {
    html! {
        header.top {
            a.brand href="/" { (mark()) span { (frame.site) } }
            @if frame.simulated { span.chip.open title="effects go to simulated devices" { "simulated" } }
            @if frame.visitor.is_some() { (stop_form(frame)) }
        }
    }
}

/// One press, no second step. It is on every page, at the same place.
fn stop_form(frame: &Frame) -> Markup {
    let pressed = frame.stops.iter().any(|stop| stop.covers == StopScope::All);
    html! {
        form.stop method="post" action="/stop" {
            (hidden("form", &frame.stop_token))
            (hidden("back", &frame.back))
            button.stop type="submit" disabled[pressed] title="Nothing more is done to the outside until somebody resumes" {
                (icon("stop")) @if pressed { "Stopped" } @else { "Stop" }
            }
        }
    }
}

fn rail(frame: &Frame, nav: Nav) -> Markup {
    html! {
        nav.rail aria-label="Places" {
            @for (place, href, sign, name) in PLACES {
                a href=(href) aria-current=[(place == nav).then_some("page")] {
                    (icon(sign)) span { (name) }
                    @if place == Nav::Inbox && frame.waiting > 0 {
                        span.count aria-label=(format!("{} waiting", frame.waiting)) { (frame.waiting) }
                    }
                }
            }
        }
    }
}

fn banner(frame: &Frame, stop: &StopView) -> Markup {
    html! {
        section.banner role="status" {
            div {
                p.title { (icon("stop")) "Stopped: " (stop.covers_words()) }
                p {
                    @if let Some(by) = &stop.by { "By " (by) " " }
                    @if let Some(at) = stop.at { (words::ago(frame.now, at)) }
                    @if !stop.reason.is_empty() { ": “" (stop.reason) "”" } "."
                    " Nothing more leaves; what was under way is in its run."
                }
            }
            form method="post" action="/resume" {
                (hidden("form", &frame.resume_token))
                (hidden("back", &frame.back))
                (scope_fields(&stop.covers))
                label { span { "Why go on?" } input type="text" name="reason" required maxlength="500" autocomplete="off"; }
                button type="submit" { "Resume" }
            }
        }
    }
}

fn scope_fields(scope: &StopScope) -> Markup {
    let (word, name) = match scope {
        StopScope::All => ("all", ""),
        StopScope::Playbook(name) => ("playbook", name.as_str()),
        StopScope::Device(name) => ("device", name.as_str()),
    };
    html! { (hidden("scope", word)) (hidden("name", name)) }
}

fn foot(frame: &Frame) -> Markup {
    html! {
        footer {
            @if let Some(visitor) = &frame.visitor {
                form method="post" action="/logout" {
                    (hidden("form", &frame.logout_token))
                    span { "Signed in as " strong { (visitor) } }
                    button.quiet type="submit" { "Sign out" }
                }
                p { "Sinew " (frame.version) " · times in UTC · Stop is a software stop: it does not replace a hardware emergency stop." }
            }
        }
    }
}

/// A hidden field.
pub(crate) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}
