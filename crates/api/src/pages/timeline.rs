//! A run's steps as a story: sense, remember, think, decide, gate, act; with times and costs. What a person would skip is
//! folded: long silences, the playbook's inner steps, and all but the end of an act.
//!
//! Does not know runs, only their steps.

use maud::{Markup, html};

use super::drawing::icon;
use super::{evidence, words};
use crate::views::{Phase, StepView, Tone, When};

/// 5 s: a longer silence between two steps is folded to one line.
const GAP_MS: u64 = 5_000;

/// All steps, in order, as the lines of a list.
pub(crate) fn lines(steps: &[StepView], currency: &str) -> Markup {
    let Some(first) = steps.first().map(|step| step.at) else { return html! {} };
    let chapters: Vec<_> = steps.chunk_by(belong_together).collect();
    let ends = chapters.iter().filter_map(|chapter| chapter.last()).map(|step| step.at);
    let before = std::iter::once(first).chain(ends);
    html! {
        @for (chapter, before) in chapters.iter().zip(before) {
            @if let [start, ..] = chapter { (gap(before, start.at)) }
            (line(chapter, first, currency))
        }
    }
}

/// Inner steps that follow each other are one line; so is an act from its decision to its outcome.
fn belong_together(one: &StepView, next: &StepView) -> bool {
    let act = |step: &StepView| matches!(step.phase, Phase::Decide | Phase::Act);
    let one_act = one.effect.is_some() && one.effect == next.effect && act(one) && act(next);
    one_act || (is_inner(one) && is_inner(next))
}

/// A step of the playbook that asked nothing of anybody and cost nothing.
fn is_inner(step: &StepView) -> bool {
    step.phase == Phase::Think && step.effect.is_none() && step.tone == Tone::Plain && step.cost_micros == 0
}

fn gap(from: When, to: When) -> Markup {
    let ms = words::ms_between(from.0, to.0);
    html! { @if ms >= GAP_MS { li.gap { (words::span_ms(ms)) " of waiting" } } }
}

fn line(chapter: &[StepView], first: When, currency: &str) -> Markup {
    match chapter {
        [] => html! {},
        [step, ..] if is_inner(step) => folded(chapter),
        [earlier @ .., last] => told(earlier, last, first, currency),
    }
}

fn folded(steps: &[StepView]) -> Markup {
    let count = words::count(steps.len() as u64, "inner step", "inner steps");
    html! {
        li.inner {
            details {
                summary { (count) span.names { @for step in steps { " · " (step.title) } } }
                @for step in steps { (entry(step)) }
            }
        }
    }
}

fn told(earlier: &[StepView], step: &StepView, first: When, currency: &str) -> Markup {
    let start = earlier.first().map_or(step.at, |step| step.at);
    let since = words::ms_between(first.0, start.0);
    let took = step.took_ms.or_else(|| (!earlier.is_empty()).then(|| words::ms_between(start.0, step.at.0)));
    let cost: i64 = earlier.iter().chain([step]).map(|step| step.cost_micros).fold(0, i64::saturating_add);
    html! {
        li class={"step " (step.phase.word())} {
            span.sign { (icon(step.phase.word())) }
            div.body {
                p.title {
                    span.phase { (step.phase.word()) } (step.title)
                    @if !step.outcome.is_empty() { (outcome(step)) }
                }
                p.muted.small {
                    (words::clock(start)) " · +" (words::span_ms(since))
                    @if let Some(took) = took { " · took " (words::span_ms(took)) }
                    @if cost != 0 { " · " (words::cost(cost, currency)) }
                    @if let Some(gate) = step.gate { " · " a href=(format!("/gates/{gate}")) { "gate " (gate) } }
                }
                details {
                    summary { (entries(earlier, step)) @if let Some(effect) = step.effect { ", question " (effect) } }
                    @for step in earlier { (entry(step)) }
                    @if earlier.is_empty() { (inside(step)) } @else { (entry(step)) }
                }
            }
        }
    }
}

fn entries(earlier: &[StepView], last: &StepView) -> String {
    earlier
        .first()
        .map_or_else(|| format!("entry {}", last.seq), |first| format!("entries {} to {}", first.seq, last.seq))
}

/// One entry behind a fold.
fn entry(step: &StepView) -> Markup {
    html! {
        section.entry {
            p.small { span.seq { (step.seq) } " " span.muted { (step.phase.word()) } " " (step.title)
                @if !step.outcome.is_empty() { " " (outcome(step)) } }
            (inside(step))
        }
    }
}

fn inside(step: &StepView) -> Markup {
    html! {
        (evidence::pairs(&step.details))
        @if let Some(data) = &step.data { pre { code { (words::pretty(data)) } } }
    }
}

fn outcome(step: &StepView) -> Markup {
    html! { span class={"chip " (tone(step.tone))} { (step.outcome) } }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Open => "open",
        Tone::Bad => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinew_contract::{EffectId, RunId, Seq, Timestamp};

    fn step(seq: u64, phase: Phase, effect: Option<u32>) -> StepView {
        let run: RunId = "r1-9f3a1c2d".parse().expect("plain");
        StepView {
            seq: Seq(seq),
            at: When(Timestamp(0)),
            phase,
            title: format!("title-{seq}"),
            outcome: String::new(),
            tone: Tone::Plain,
            took_ms: None,
            cost_micros: 0,
            effect: effect.map(|step| EffectId { run, step }),
            gate: None,
            details: Vec::new(),
            data: None,
        }
    }

    #[test]
    fn inner_steps_and_the_parts_of_an_act_are_one_line_each() {
        let check = |steps: &[(Phase, Option<u32>)], expected: &[usize]| {
            let steps = steps.iter().zip(1..).map(|((phase, effect), seq)| step(seq, *phase, *effect));
            let steps: Vec<_> = steps.collect();
            let lengths: Vec<_> = steps.chunk_by(belong_together).map(<[_]>::len).collect();
            assert_eq!(lengths, expected);
        };
        use Phase::{Act, Decide, Gate, Remember, Think};
        check(&[(Think, None), (Think, None), (Think, Some(1)), (Think, None)], &[2, 1, 1]);
        check(&[(Decide, Some(1)), (Act, Some(1)), (Act, Some(1)), (Decide, Some(2))], &[3, 1]);
        check(&[(Decide, Some(1)), (Gate, Some(1)), (Act, Some(1))], &[1, 1, 1]);
        check(&[(Remember, None), (Remember, None)], &[1, 1]);
    }

    #[test]
    fn a_step_that_went_wrong_is_never_folded() {
        let mut bad = step(1, Phase::Think, None);
        bad.tone = Tone::Bad;
        assert!(!is_inner(&bad));
    }
}
