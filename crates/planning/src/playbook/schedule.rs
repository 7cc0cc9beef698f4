//! Reads what starts a playbook: events, or the clock.
//!
//! Does not know the time: it says when the next start would be after a given moment.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use sinew_contract::Timestamp;

use super::cron::Cron;
use super::reader::{Spot, member};
use super::{EventFilter, Mode, ReadAs, Reader, Uses, Vars, read_duration};
use crate::switched::off;

/// The type of the events by which the clock starts playbooks; their subject is the playbook's name.
pub(crate) const TICK: &str = "sinew.schedule.v1";
/// Who sends them.
pub(crate) const TICK_SOURCE: &str = "/sinew/schedule";

/// What starts a playbook.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Any of these.
    pub on: Vec<EventFilter>,
    pub read: ReadAs,
    pub beat: Option<Beat>,
}

/// When the clock starts a playbook.
#[derive(Debug)]
pub(crate) enum Beat {
    /// So long after the start before.
    Every(SignedDuration),
    /// So long after the end before.
    After(SignedDuration),
    /// At these times, UTC.
    Cron(Box<Cron>),
}

impl Default for Schedule {
    fn default() -> Self {
        Self { on: Vec::new(), read: ReadAs::Envelope, beat: None }
    }
}

impl Schedule {
    /// The workflow input for an event, where the event starts this playbook: an array of events, as the DSL says.
    pub fn input_for(&self, event: &Value, name: &str) -> Option<Value> {
        let is = |member: &str, text: &str| event.get(member).is_some_and(|found| found == text);
        if self.beat.is_some() && is("type", TICK) && is("source", TICK_SOURCE) && is("subject", name) {
            return Some(Value::Array(vec![event.clone()]));
        }
        let passes = !off("schedule-on") && self.on.iter().any(|filter| filter.matches(event, &Nothing));
        passes.then(|| Value::Array(vec![self.read.tell(event)]))
    }
}

impl Beat {
    /// The first start after `last`, which is when it was started before, or when it was first offered.
    pub fn next(&self, last: Timestamp) -> Option<Timestamp> {
        match self {
            _ if off("schedule-clock") => None,
            Self::Every(by) | Self::After(by) => Some(last.after(by.unsigned_abs())),
            Self::Cron(cron) => cron.next(last),
        }
    }

    /// Says whether it counts from the end of the run before.
    pub const fn waits_for_end(&self) -> bool {
        matches!(self, Self::After(_))
    }
}

/// A filter that starts something looks at nothing but the event.
struct Nothing;

impl Vars for Nothing {
    fn var(&self, _: &str, _: &Uses) -> Arc<Value> {
        Arc::new(Value::Null)
    }
}

/// A beat faster than this is a mistake; each start is kept for ever.
const BEAT_MIN: SignedDuration = SignedDuration::from_secs(1);

impl Reader<'_> {
    pub(super) fn schedule(&mut self, value: &Value) -> Schedule {
        let at = "/schedule";
        let Some(schedule) = self.object(value, at, "schedule") else { return Schedule::default() };
        self.only(schedule, at, &["on", "every", "after", "cron", "read"]);
        let read = self.read_as(schedule, at, ReadAs::Envelope);
        let on = schedule.get("on").map(|on| self.starts(on)).unwrap_or_default();
        let beats: Vec<_> =
            ["every", "after", "cron"].into_iter().filter(|name| schedule.contains_key(*name)).collect();
        if beats.len() + usize::from(schedule.contains_key("on")) > 1 {
            let fix = "keep one; write a second playbook that runs the first for the other";
            self.not_enabled(at, "more than one kind of start", fix);
        }
        let beat = beats.first().and_then(|name| self.beat(schedule, name));
        Schedule { on, read, beat }
    }

    /// `schedule.on` with `one` or `any`.
    fn starts(&mut self, on: &Value) -> Vec<EventFilter> {
        let at = "/schedule/on";
        let Some(consume) = self.consume(on, at, Spot::Bare) else { return Vec::new() };
        if consume.mode == Mode::All {
            let fix = "start on one of them, with `any`, and `listen` to the others";
            self.not_enabled("/schedule/on/all", "a start on several events together", fix);
        }
        if consume.until.is_some() {
            self.not_enabled("/schedule/on/until", "`until` of a start", "remove it; each event starts a run");
        }
        if consume.filters.is_empty() {
            let fix = "add `one: { with: { type: … } }`";
            self.wrong("missing-key", at, "no event is named, so every event would start a run", fix);
        }
        if consume.filters.iter().any(|filter| !filter.correlate.is_empty()) {
            let fix = "remove it; a start looks at one event alone";
            self.not_enabled(at, "`correlate` of a start", fix);
        }
        consume.filters
    }

    fn beat(&mut self, schedule: &Map<String, Value>, name: &str) -> Option<Beat> {
        let at = member("/schedule", name);
        let value = schedule.get(name)?;
        if name == "cron" {
            let cron = value.as_str().map_or(Err("it is not a text".to_owned()), Cron::parse);
            let fix = "write minute, hour, day, month and weekday: `30 6 * * 1-5`";
            return cron.map_err(|problem| self.wrong("cron", &at, problem, fix)).map(|c| Beat::Cron(Box::new(c))).ok();
        }
        let fix = "write `{ minutes: 5 }` or `PT5M`";
        let by = read_duration(value).map_err(|problem| self.wrong("duration", &at, problem, fix)).ok()?;
        if by < BEAT_MIN {
            self.wrong("duration", &at, "a playbook starts at most once a second", fix);
            return None;
        }
        Some(if name == "every" { Beat::Every(by) } else { Beat::After(by) })
    }
}
