//! What must hold before matter moves: range, unit, rate of change, rate of commands, interlocks. Judged at the last hop, on
//! the arguments as they will leave, whatever plan, model or person asked for them.
//!
//! Does not know devices. What was last sent is remembered here, on the boot clock; what an interlock says is told by whoever
//! senses it, and counts only while it is fresh. Hardware must hold all of this too: this is a second fence, not the first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sinew_contract::{BootTime, DeviceId, Envelope, Outcome, Physical};
use sinew_expr::mutant;

use crate::last_hop::Refusal;

/// What the conditions named in manifests say, and when that was seen.
#[derive(Debug, Default)]
pub struct Interlocks(Mutex<BTreeMap<String, (bool, BootTime)>>);

impl Interlocks {
    /// Notes that a condition holds or does not, as sensed at this moment. Never blocks for long.
    pub fn tell(&self, name: &str, holds: bool, seen: BootTime) {
        self.lock().insert(name.to_owned(), (holds, seen));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (bool, BootTime)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a command must not leave, by the first condition that does not surely hold now.
    fn against(&self, names: &[String], age_max: Duration, now: BootTime) -> Option<String> {
        let told = self.lock();
        names.iter().find_map(|name| match told.get(name) {
            None => Some(format!("nobody says whether interlock `{name}` holds")),
            // A moment that lies ahead is of another boot.
            Some((_, seen)) if (age(*seen, now) > age_max || *seen > now) && !mutant("interlock-stale") => {
                Some(format!("what interlock `{name}` says is older than {} ms", age_max.as_millis()))
            }
            Some((false, _)) if !mutant("interlock-open") => Some(format!("interlock `{name}` does not hold")),
            Some(_) => None,
        })
    }
}

fn age(then: BootTime, now: BootTime) -> Duration {
    Duration::from_micros(now.0.saturating_sub(then.0))
}

/// What was last sent, for slew and rate.
#[derive(Debug, Default)]
pub(crate) struct Motion {
    values: HashMap<(DeviceId, String), (f64, BootTime)>,
    commands: HashMap<DeviceId, BootTime>,
}

impl Motion {
    /// Holds one command against its terms and, where it may leave, remembers it as sent.
    ///
    /// # Errors
    /// How it ended instead: refused by `envelope` or `interlock`, or failed for now where it came too soon.
    pub(crate) fn clear(
        &mut self,
        terms: &Physical,
        device: &DeviceId,
        args: &Value,
        interlocks: &Interlocks,
        now: BootTime,
    ) -> Result<(), Outcome> {
        let period = Duration::try_from(terms.dead_man).unwrap_or_default();
        if let Some(reason) = interlocks.against(&terms.interlocks, period, now) {
            return Err(Refusal::new("interlock", reason).into());
        }
        let wanted = self.values_of(terms, device, args, now)?;
        self.check_rate(terms, device, now)?;
        self.commands.insert(device.clone(), now);
        self.values.extend(wanted.into_iter().map(|(at, value)| ((device.clone(), at), (value, now))));
        Ok(())
    }

    fn values_of(
        &self,
        terms: &Physical,
        device: &DeviceId,
        args: &Value,
        now: BootTime,
    ) -> Result<Vec<(String, f64)>, Outcome> {
        let mut wanted = Vec::new();
        for (at, envelope) in &terms.envelope {
            let last = self.values.get(&(device.clone(), at.clone()));
            let value = quantity(args.pointer(at), envelope)
                .and_then(|value| within(value, envelope))
                .and_then(|value| slow_enough(value, last, envelope, now))
                .map_err(|reason| Outcome::from(Refusal::new("envelope", format!("`{at}`: {reason}"))))?;
            wanted.push((at.clone(), value));
        }
        Ok(wanted)
    }

    fn check_rate(&self, terms: &Physical, device: &DeviceId, now: BootTime) -> Result<(), Outcome> {
        let Some(last) = self.commands.get(device) else { return Ok(()) };
        let pause = Duration::try_from_secs_f64(1.0 / terms.rate_max_per_s).unwrap_or(Duration::MAX);
        let left = pause.saturating_sub(age(*last, now));
        if left.is_zero() || mutant("rate-off") {
            return Ok(());
        }
        let retry_after_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let reason = format!("`{device}` takes at most {} commands a second", terms.rate_max_per_s);
        Err(Outcome::Failed { reason, retry_after_ms: Some(retry_after_ms) })
    }
}

/// The number in the envelope's own unit: plain, or as `{value, unit}` with exactly that unit. Nothing is converted here:
/// who means another unit says so, and is refused.
fn quantity(value: Option<&Value>, envelope: &Envelope) -> Result<f64, String> {
    let value = value.ok_or("there is no value")?;
    let number = match value {
        Value::Object(quantity) => {
            let unit = quantity.get("unit").and_then(Value::as_str).unwrap_or_default();
            if unit != envelope.unit && !mutant("unit-any") {
                return Err(format!("is in `{unit}` and must be in `{}`", envelope.unit));
            }
            quantity.get("value").and_then(Value::as_f64)
        }
        plain => plain.as_f64(),
    };
    let number = number.ok_or_else(|| format!("`{value}` is not a number"))?;
    if number.is_finite() { Ok(number) } else { Err(format!("`{number}` is not finite")) }
}

fn within(value: f64, envelope: &Envelope) -> Result<f64, String> {
    // Written so that whatever does not compare is outside.
    let low = value >= envelope.min || mutant("envelope-low");
    let high = value <= envelope.max || mutant("envelope-high");
    if low && high {
        return Ok(value);
    }
    Err(format!("{value} is outside of {} to {} {}", envelope.min, envelope.max, envelope.unit))
}

fn slow_enough(value: f64, last: Option<&(f64, BootTime)>, envelope: &Envelope, now: BootTime) -> Result<f64, String> {
    let (Some(slew), Some((before, then))) = (envelope.slew_per_s, last) else { return Ok(value) };
    let room = slew * age(*then, now).as_secs_f64();
    if (value - before).abs() <= room || mutant("slew-off") {
        return Ok(value);
    }
    Err(format!("from {before} to {value} is faster than {slew} {} a second", envelope.unit))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;
    use sinew_contract::StopCategory;

    use super::*;

    fn terms() -> Physical {
        let valve = Envelope { unit: "%".to_owned(), min: 0.0, max: 80.0, slew_per_s: Some(10.0) };
        Physical {
            safe_state: json!({ "method": "POST", "path": "/close" }),
            dead_man: SignedDuration::from_millis(500),
            rate_max_per_s: 10.0,
            envelope: BTreeMap::from([("/opening".to_owned(), valve)]),
            interlocks: vec!["guard-closed".to_owned()],
            stop_category: StopCategory::One,
            hold_is_safe: false,
        }
    }

    fn at(ms: u64) -> BootTime {
        BootTime(ms * 1_000)
    }

    fn device() -> DeviceId {
        "valve-1".parse().expect("plain")
    }

    /// The word for how it ended, by whom; empty where it may leave.
    fn ended(result: Result<(), Outcome>) -> String {
        match result {
            Ok(()) => String::new(),
            Err(Outcome::Refused { by, .. }) => by,
            Err(other) => other.word().to_owned(),
        }
    }

    #[test]
    fn only_a_finite_number_of_the_right_unit_within_its_range_leaves() {
        let rows = [
            (json!({ "opening": 0 }), ""),
            (json!({ "opening": 80.0 }), ""),
            (json!({ "opening": { "value": 5, "unit": "%" } }), ""),
            (json!({ "opening": 80.000_001 }), "envelope"),
            (json!({ "opening": -0.000_001 }), "envelope"),
            (json!({ "opening": 1e308 }), "envelope"),
            (json!({ "opening": -1e308 }), "envelope"),
            (json!({ "opening": u64::MAX }), "envelope"),
            (json!({ "opening": "NaN" }), "envelope"),
            (json!({ "opening": f64::NAN }), "envelope"),
            (json!({ "opening": f64::INFINITY }), "envelope"),
            (json!({ "opening": "5" }), "envelope"),
            (json!({ "opening": { "value": 5, "unit": "1" } }), "envelope"),
            (json!({ "opening": { "value": 5 } }), "envelope"),
            (json!({ "opening": { "value": null, "unit": "%" } }), "envelope"),
            (json!({ "opening": [5] }), "envelope"),
            (json!({}), "envelope"),
        ];
        for (args, expected) in rows {
            let interlocks = Interlocks::default();
            interlocks.tell("guard-closed", true, at(1_000));
            let found = Motion::default().clear(&terms(), &device(), &args, &interlocks, at(1_000));
            assert_eq!(ended(found), expected, "{args}");
        }
    }

    #[test]
    fn an_interlock_counts_only_while_it_is_fresh() {
        let rows: [(Option<(bool, u64)>, &str); 6] = [
            (Some((true, 1_001)), "interlock"),
            (None, "interlock"),
            (Some((false, 1_000)), "interlock"),
            (Some((true, 1_000)), ""),
            (Some((true, 500)), ""),
            (Some((true, 499)), "interlock"),
        ];
        for (told, expected) in rows {
            let interlocks = Interlocks::default();
            if let Some((holds, seen)) = told {
                interlocks.tell("guard-closed", holds, at(seen));
            }
            let found = Motion::default().clear(&terms(), &device(), &json!({ "opening": 1 }), &interlocks, at(1_000));
            assert_eq!(ended(found), expected, "{told:?}");
        }
    }

    #[test]
    fn neither_value_nor_commands_change_faster_than_they_may() {
        let interlocks = Interlocks::default();
        let mut motion = Motion::default();
        let mut go = |ms: u64, opening: f64| {
            interlocks.tell("guard-closed", true, at(ms));
            ended(motion.clear(&terms(), &device(), &json!({ "opening": opening }), &interlocks, at(ms)))
        };
        assert_eq!(go(1_000, 20.0), "");
        assert_eq!(go(1_050, 20.0), "failed", "a tenth of a second has not passed");
        assert_eq!(go(1_100, 21.5), "envelope", "10 a second allow 1 in a tenth");
        assert_eq!(go(1_100, 21.0), "");
        assert_eq!(go(2_100, 11.0), "");
        assert_eq!(go(2_200, 30.0), "envelope");
        assert_eq!(go(9_000, 60.0), "", "what was refused was not sent");
    }
}
