//! How each model has been doing lately: whether its provider asked us to stay away, and how often its answers were of
//! no use.
//!
//! Kept in memory alone: after a restart every provider gets a fresh chance. Does not know clocks: it is told the time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sinew_contract::Timestamp;

use crate::call_error::CallError;

/// The first pause after a fault without a stated wait; doubles up to `PAUSE_MAX` while faults go on.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// One minute: longer would hide that a provider has come back.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Weight of the newest answer in the running share of useless ones: about the last ten count.
const NEWEST: f64 = 0.1;
/// Above this share of useless answers a model is passed by while another can be asked.
const USELESS_MAX: f64 = 0.6;

/// The health of all models of a deployment.
#[derive(Debug, Default)]
pub(crate) struct Health {
    of: Mutex<BTreeMap<String, State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    until: Timestamp,
    pause: Duration,
    useless: f64,
    took_ms: f64,
}

impl Health {
    /// How long `provider` is to be left alone from now on; zero when it may be asked.
    pub(crate) fn pause(&self, provider: &str, now: Timestamp) -> Duration {
        self.state(provider).until.since(now)
    }

    /// Notes how a call to a provider ended.
    pub(crate) fn note_call(&self, provider: &str, ended: Result<(), &CallError>, now: Timestamp) {
        self.change(provider, |state| match ended {
            Err(
                error @ (CallError::RateLimited { .. } | CallError::Overloaded { .. } | CallError::Unreachable { .. }),
            ) => {
                state.pause = (state.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
                state.until = now.after(error.retry_after().unwrap_or(state.pause));
            }
            Err(CallError::Auth { .. }) => state.until = now.after(PAUSE_MAX),
            // Late or cut answers cost their deadline each time; a short pause lets others answer meanwhile.
            Err(CallError::Timeout { .. } | CallError::Cut { .. }) => state.until = now.after(PAUSE_MIN),
            Ok(()) | Err(_) => (state.pause, state.until) = (Duration::ZERO, Timestamp(0)),
        });
    }

    /// Notes whether an answer of a model was of use, and how long it took.
    pub(crate) fn note_answer(&self, model: &str, of_use: bool, took: Duration) {
        self.change(model, |state| {
            let newest = if of_use { 0.0 } else { 1.0 };
            state.useless += NEWEST * (newest - state.useless);
            state.took_ms += NEWEST * (took.as_secs_f64() * 1_000.0 - state.took_ms);
        });
    }

    /// Says whether a model is passed by while another can be asked: too many of its late answers were of no use.
    pub(crate) fn is_poor(&self, model: &str) -> bool {
        self.state(model).useless > USELESS_MAX
    }

    fn state(&self, name: &str) -> State {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or_default()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut State)) {
        let mut all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(name) {
            Some(state) => change(state),
            None => change(all.entry(name.to_owned()).or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_stated_wait_is_kept_to_the_millisecond() {
        let health = Health::default();
        let wait = Duration::from_millis(1_500);
        let error = CallError::RateLimited { retry_after: Some(wait), said: String::new() };
        health.note_call("p", Err(&error), NOW);
        assert_eq!(health.pause("p", NOW), wait);
        assert!(health.pause("p", NOW.after(wait)).is_zero() && health.pause("other", NOW).is_zero());
    }

    #[test]
    fn pauses_grow_with_faults_and_end_with_an_answer() {
        let health = Health::default();
        let error = CallError::Overloaded { retry_after: None, said: String::new() };
        let pauses: Vec<_> = (0..9)
            .map(|_| {
                health.note_call("p", Err(&error), NOW);
                health.pause("p", NOW).as_millis()
            })
            .collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        health.note_call("p", Ok(()), NOW);
        assert!(health.pause("p", NOW).is_zero());
    }

    #[test]
    fn a_model_whose_answers_are_of_no_use_is_poor_until_it_does_better() {
        let health = Health::default();
        (0..12).for_each(|_| health.note_answer("m", false, Duration::ZERO));
        assert!(health.is_poor("m"));
        (0..3).for_each(|_| health.note_answer("m", true, Duration::ZERO));
        assert!(!health.is_poor("m"));
    }
}
