//! One question's own budget, shared by all of its calls: retries, repairs and other models included.
//!
//! Does not know the deployment's budgets; `ledger` does.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use sinew_contract::{AskLimits, Digest};

use crate::call_error::CallError;
use crate::catalogue::Limit;
use crate::check::Fit;

/// Calls of one question where nobody says: two models, each with a repair, and one to spare.
const CALLS_MAX: u64 = 5;

/// What has been used for one question so far.
#[derive(Debug)]
pub struct Attempt {
    calls_max: u64,
    tokens_max: u64,
    micros_max: i64,
    until: Option<Instant>,
    used: Mutex<Used>,
    pub(crate) fit: Fit,
    /// Models that stand further up on the ladder.
    models_left: AtomicUsize,
}

#[derive(Debug, Default)]
struct Used {
    calls: u64,
    tokens: u64,
    micros: i64,
    /// Digests of answers that were not of the agreed form.
    invalid: BTreeSet<Digest>,
    stopped: bool,
}

impl Attempt {
    /// The lesser of what the question and the deployment allow.
    pub(crate) fn new(own: &AskLimits, house: &Limit, fit: Fit) -> Self {
        let calls = own.calls.map(u64::from).or(house.calls).unwrap_or(CALLS_MAX);
        let duration = house.duration.and_then(|d| Duration::try_from(d).ok());
        let duration = [own.duration_ms.map(Duration::from_millis), duration].into_iter().flatten().min();
        Self {
            calls_max: calls.min(house.calls.unwrap_or(u64::MAX)),
            tokens_max: own.tokens.unwrap_or(u64::MAX).min(house.tokens.unwrap_or(u64::MAX)),
            micros_max: own.micros.unwrap_or(i64::MAX).min(house.micros.unwrap_or(i64::MAX)),
            until: duration.map(|left| Instant::now() + left),
            used: Mutex::default(),
            fit,
            models_left: AtomicUsize::new(0),
        }
    }

    /// What is wrong with an answer, in one line each; empty where it fits.
    pub(crate) fn findings(&self, inputs: &Value, value: &Value) -> Vec<String> {
        self.fit.findings(inputs, value)
    }

    /// Says how many models could still be asked after this rung.
    pub(crate) fn set_models_left(&self, left: usize) {
        self.models_left.store(left, Ordering::Relaxed);
    }

    /// Says whether no other model could be asked after this one.
    pub(crate) fn last_model(&self) -> bool {
        self.models_left.load(Ordering::Relaxed) == 0
    }

    /// How long a call may take that wants `wanted`; zero when the time is over.
    pub(crate) fn left(&self, wanted: Duration) -> Duration {
        self.until.map_or(wanted, |until| until.saturating_duration_since(Instant::now()).min(wanted))
    }

    /// Takes one call and what it can use at most, or says which limit stands against it. Returns its number, from 1.
    pub(crate) fn draw(&self, tokens: u64, micros: i64) -> Result<u32, CallError> {
        let mut used = self.used();
        let over = |what: &str, max: &dyn std::fmt::Display| {
            Err(CallError::Budget { said: format!("this question may use {max} {what}, and the call could need more") })
        };
        if used.calls >= self.calls_max {
            return over("calls", &self.calls_max);
        }
        if used.tokens.saturating_add(tokens) > self.tokens_max {
            return over("tokens", &self.tokens_max);
        }
        if used.micros.saturating_add(micros) > self.micros_max {
            return over("millionths", &self.micros_max);
        }
        if self.left(Duration::MAX).is_zero() {
            return over("time", &"no more");
        }
        used.calls += 1;
        used.tokens = used.tokens.saturating_add(tokens);
        used.micros = used.micros.saturating_add(micros);
        Ok(u32::try_from(used.calls).unwrap_or(u32::MAX))
    }

    /// Puts what a call really used in the place of what it could have used.
    pub(crate) fn settle(&self, drawn: (u64, i64), real: (u64, i64)) {
        let mut used = self.used();
        used.tokens = used.tokens.saturating_sub(drawn.0).saturating_add(real.0);
        used.micros = used.micros.saturating_sub(drawn.1).saturating_add(real.1);
    }

    /// Notes an answer that was not of the agreed form. Says whether the very same one was seen before: then nothing
    /// more is asked, since a third would be the same.
    pub(crate) fn note_invalid(&self, answer: Digest) -> bool {
        let mut used = self.used();
        let again = !used.invalid.insert(answer);
        used.stopped |= again;
        again
    }

    /// Says whether no further model is to be asked.
    pub(crate) fn stopped(&self) -> bool {
        self.used().stopped
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(own: &AskLimits, house: &Limit) -> Attempt {
        Attempt::new(own, house, Fit::any())
    }

    #[test]
    fn the_lesser_limit_holds_and_is_shared_by_all_calls() {
        let own = AskLimits { tokens: Some(100), ..AskLimits::default() };
        let attempt = attempt(&own, &Limit { calls: Some(2), tokens: Some(1_000), ..Limit::default() });
        assert_eq!(attempt.draw(90, 0), Ok(1));
        assert_eq!(attempt.draw(20, 0).expect_err("110 tokens").word(), "budget");
        attempt.settle((90, 0), (10, 0));
        assert_eq!(attempt.draw(90, 0), Ok(2));
        assert_eq!(attempt.draw(0, 0).expect_err("a third call").word(), "budget");
    }

    #[test]
    fn the_same_invalid_answer_twice_stops() {
        let attempt = attempt(&AskLimits::default(), &Limit::default());
        assert!(!attempt.note_invalid(Digest([1; 32])) && !attempt.note_invalid(Digest([2; 32])) && !attempt.stopped());
        assert!(attempt.note_invalid(Digest([1; 32])) && attempt.stopped());
    }

    #[test]
    fn no_time_is_no_call() {
        let own = AskLimits { duration_ms: Some(0), ..AskLimits::default() };
        assert!(attempt(&own, &Limit::default()).draw(1, 1).is_err());
    }
}
