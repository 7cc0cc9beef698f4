//! One message at one rule: the branches, each counted. Plain functions of rule, state, message and time.
//!
//! Waits for nothing and allocates only for a firing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use sinew_contract::{BootTime, Deadline, EntryRef, Heard, Now, Reflexed, Shot, Timestamp};

use super::rule::{Condition, Rule, Source};
use super::tally::{Tally, Word};

/// Topics whose arming and interval one rule remembers. From then on further topics fire nothing: a device that makes up
/// names must not be able to get around hysteresis.
const TOPICS_MAX: usize = 10_000;

/// What a rule remembers.
#[derive(Debug, Default)]
pub(super) struct State {
    pub grant: Option<(EntryRef, Deadline)>,
    topics: BTreeMap<String, Topic>,
    bucket: Option<(f64, BootTime)>,
    tally: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
struct Topic {
    /// It has fired, and the value has not come back yet.
    spent: bool,
    fired: Option<BootTime>,
}

impl State {
    /// Judges a message that the rule's filter takes.
    pub(super) fn judge(
        &mut self,
        rule: &Rule,
        heard: Heard<'_>,
        reading: Option<&Value>,
        now: Now,
        stopped: impl Fn() -> bool,
    ) -> Option<Shot> {
        let word = match self.weigh(rule, heard, reading, now, stopped) {
            Ok(None) => return None,
            Ok(Some(shot)) => {
                self.tally.note(Word::Fired, now.wall);
                let command = serde_json::to_vec(&shot.args).unwrap_or_default();
                self.tally.chain(heard.topic, heard.body, &command);
                return Some(shot);
            }
            Err(word) => word,
        };
        self.tally.note(word, now.wall);
        None
    }

    fn weigh(
        &mut self,
        rule: &Rule,
        heard: Heard<'_>,
        reading: Option<&Value>,
        now: Now,
        stopped: impl Fn() -> bool,
    ) -> Result<Option<Shot>, Word> {
        let reading = reading.ok_or(Word::Malformed)?;
        let value = reading.pointer(&rule.value).ok_or(Word::Malformed)?;
        let (met, back) = (rule.condition.is_met(value)?, rule.is_back(value));
        if !met {
            if back && let Some(topic) = self.topics.get_mut(heard.topic) {
                topic.spent = false;
            }
            return Ok(None);
        }
        if is_late(rule, reading, now.wall)? {
            return Err(Word::Late);
        }
        self.held(rule, heard.topic, now.boot)?;
        if stopped() || self.grant.is_none_or(|(_, expires)| expires.is_past(now)) {
            return Err(Word::Refused);
        }
        let args = rule.args(reading)?;
        if rule.schema.check(&args).is_err() || !within(rule, &args) || !self.has_rate(rule.rate_max_per_s, now.boot) {
            return Err(Word::Refused);
        }
        if !heard.open {
            return Err(Word::Unsent);
        }
        self.fired(rule, heard.topic, now.boot);
        Ok(Some(Shot { operation: rule.operation, args }))
    }

    /// Whether hysteresis or the minimum interval hold it back.
    fn held(&self, rule: &Rule, topic: &str, now: BootTime) -> Result<(), Word> {
        if !rule.remembers() {
            return Ok(());
        }
        let Some(known) = self.topics.get(topic) else {
            return if self.topics.len() < TOPICS_MAX { Ok(()) } else { Err(Word::Refused) };
        };
        let since = known.fired.map(|fired| Duration::from_micros(now.0.saturating_sub(fired.0)));
        let spent = rule.until.is_some() && known.spent;
        if spent || since.is_some_and(|since| since < rule.every) { Err(Word::Held) } else { Ok(()) }
    }

    fn fired(&mut self, rule: &Rule, topic: &str, now: BootTime) {
        if rule.remembers() {
            let fired = Topic { spent: true, fired: Some(now) };
            match self.topics.get_mut(topic) {
                Some(known) => *known = fired,
                None => drop(self.topics.insert(topic.to_owned(), fired)),
            }
        }
    }

    /// A bucket that holds one second's worth, and at least one command.
    fn has_rate(&mut self, per_s: f64, now: BootTime) -> bool {
        if !per_s.is_finite() {
            return true;
        }
        let size = per_s.max(1.0);
        let (left, at) = self.bucket.unwrap_or((size, now));
        let passed = Duration::from_micros(now.0.saturating_sub(at.0)).as_secs_f64();
        let left = (left + passed * per_s).min(size);
        let enough = left >= 1.0;
        self.bucket = Some((if enough { left - 1.0 } else { left }, now));
        enough
    }

    /// What there is to tell the log.
    pub(super) fn report(&mut self, rule: &Rule) -> Option<Reflexed> {
        let tally = self.tally.take()?;
        let (first, last) = tally.times?;
        Some(Reflexed {
            device: rule.device.clone(),
            rule: rule.name.to_string(),
            grant: self.grant.map(|(entry, _)| entry),
            count: tally.count,
            first,
            last,
            late: tally.late,
            refused: tally.refused,
            held: tally.held,
            unsent: tally.unsent,
            malformed: tally.malformed,
            digest: tally.digest,
        })
    }
}

impl Condition {
    /// Whether it holds; what is not a number is malformed where one is wanted.
    fn is_met(&self, value: &Value) -> Result<bool, Word> {
        let number = || value.as_f64().filter(|number| number.is_finite()).ok_or(Word::Malformed);
        match self {
            Self::Above(limit) => Ok(number()? > *limit),
            Self::Below(limit) => Ok(number()? < *limit),
            Self::Is(wanted) => Ok(value == wanted),
        }
    }
}

impl Rule {
    /// Whether anything about topics has to be remembered.
    fn remembers(&self) -> bool {
        self.until.is_some() || !self.every.is_zero()
    }

    /// Whether the value has come back far enough to arm the rule again.
    fn is_back(&self, value: &Value) -> bool {
        match (&self.condition, self.until, value.as_f64()) {
            (Condition::Above(_), Some(until), Some(value)) => value <= until,
            (Condition::Below(_), Some(until), Some(value)) => value >= until,
            _ => true,
        }
    }

    fn args(&self, reading: &Value) -> Result<Value, Word> {
        let mut args = Map::new();
        for (name, source) in &self.args {
            let value = match source {
                Source::Fixed(value) => value.clone(),
                Source::Reading(at) => reading.pointer(at).cloned().ok_or(Word::Malformed)?,
            };
            args.insert(name.clone(), value);
        }
        Ok(Value::Object(args))
    }
}

/// Whether every argument with a range is a finite number within it.
fn within(rule: &Rule, args: &Value) -> bool {
    rule.envelope.iter().all(|(at, range)| {
        let value = args.pointer(at).and_then(Value::as_f64);
        value.is_some_and(|value| value.is_finite() && value >= range.min && value <= range.max)
    })
}

/// Whether the reading is too old. One from the future by more than that is as little to be believed.
fn is_late(rule: &Rule, reading: &Value, now: Timestamp) -> Result<bool, Word> {
    let Some(at) = &rule.at else { return Ok(false) };
    let at = reading.pointer(at).and_then(moment).ok_or(Word::Malformed)?;
    Ok(now.since(at) > rule.fresh || at.since(now) > rule.fresh)
}

/// A moment as devices write it: RFC 3339, or seconds, milliseconds or microseconds since 1970, told apart by their size.
fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(text) = value.as_str() {
        return text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_microsecond()));
    }
    let number = value.as_f64().filter(|number| number.is_finite() && *number >= 0.0 && *number < 1e16)?;
    // 1e11 s is the year 5138; 1e11 ms is 1973, and 1e14 us is 1973 too.
    let micros = if number < 1e11 {
        number * 1e6
    } else if number < 1e14 {
        number * 1e3
    } else {
        number
    };
    #[expect(clippy::cast_possible_truncation, reason = "below 1e17, which fits")]
    let micros = micros as i64;
    Some(Timestamp(micros))
}

/// Whether a topic filter takes a topic (MQTT 3.1.1, section 4.7); for other wires a topic is a plain name.
pub(super) fn takes(filter: &str, topic: &str) -> bool {
    let (mut wanted, mut found) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}
