//! Evidence as it stands on a card: pictures, facts, memory, exact arguments.
//!
//! Does not know gates. All of it is untrusted text until a person has looked at it.

use maud::{Markup, html};
use serde_json::Value;

use super::{drawing, words};
use crate::views::{Detail, EvidenceView};

/// Pictures and facts.
pub(crate) fn seen(evidence: &[EvidenceView]) -> Markup {
    let pictures = evidence.iter().filter(|item| matches!(item, EvidenceView::Image { .. }));
    html! {
        @for item in pictures {
            @if let EvidenceView::Image { image, width, height, quad, caption } = item {
                figure {
                    (drawing::crop(image, *width, *height, quad, "the label in the photograph"))
                    figcaption {
                        @if !caption.is_empty() { code { (caption) } " · " }
                        span.muted title=(image.digest) { "press for the whole picture · sha-256 " (short(&image.digest.to_string())) }
                    }
                }
            }
        }
        (facts(evidence))
    }
}

/// Lone values as one list, the others each with its own; what was found several times stands once.
fn facts(evidence: &[EvidenceView]) -> Markup {
    let (lone, nested): (Vec<_>, Vec<_>) = told(evidence).into_iter().partition(|(_, value, _)| is_lone(value));
    html! {
        @if !lone.is_empty() {
            dl.pairs.facts {
                @for (name, value, times) in lone {
                    dt { (name) }
                    dd { (words::plain(value)) @if times > 1 { span.muted { " · " (times) " times" } } }
                }
            }
        }
        @for (name, value, _) in nested { div.fact { h3 { (name) } (arguments(value)) } }
    }
}

/// The facts in their order, and how often each was told.
fn told(evidence: &[EvidenceView]) -> Vec<(&str, &Value, usize)> {
    let mut told: Vec<(&str, &Value, usize)> = Vec::new();
    for item in evidence {
        let EvidenceView::Fact { name, value } = item else { continue };
        match told.iter_mut().find(|(known, same, _)| known == name && *same == value) {
            Some((_, _, times)) => *times += 1,
            None => told.push((name, value, 1)),
        }
    }
    told
}

fn is_lone(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// What memory brought in.
pub(crate) fn remembered(evidence: &[EvidenceView]) -> Markup {
    let items: Vec<_> = evidence
        .iter()
        .filter_map(|item| match item {
            EvidenceView::Memory { id, text } => Some((id, text)),
            _ => None,
        })
        .collect();
    html! {
        @if items.is_empty() { p.muted { "Nothing remembered bears on this." } }
        @else {
            ul.memory { @for (id, text) in items { li { (text) " " code.muted { (id) } } } }
        }
    }
}

/// A value leaf by leaf; a lone one as it is.
pub(crate) fn arguments(value: &Value) -> Markup {
    let (leaves, more) = words::leaves(value);
    html! {
        @if is_lone(value) { p.value { (words::plain(value)) } }
        @else {
            dl.pairs { @for (name, value) in &leaves { dt { (name) } dd { (value) } } }
            @if more { p.muted { "and more; see the whole below" } }
        }
    }
}

/// Names and values.
pub(crate) fn pairs(details: &[Detail]) -> Markup {
    html! {
        dl.pairs.small { @for detail in details { dt { (detail.name) } dd { code { (detail.value) } } } }
    }
}

/// JSON behind a fold.
pub(crate) fn folded(summary: &str, value: &Value) -> Markup {
    html! { details { summary { (summary) } pre { code { (words::pretty(value)) } } } }
}

/// The first ten digits of a digest.
pub(crate) fn short(digest: &str) -> String {
    digest.chars().take(10).collect::<String>() + "…"
}
