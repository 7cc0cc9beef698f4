//! The smaller parts of a playbook: errors, what is caught and how it is tried again.
//!
//! Does not know runs; everything here answers questions about values.

use jiff::SignedDuration;
use sinew_contract::{EffectId, Fault};
use sinew_expr::digest_of;

use super::{BlockId, Expr, Template, Then};
use crate::faults::same_type;
use crate::switched::off;

/// The error that a task raises; members may be expressions.
#[derive(Debug)]
pub(crate) struct ErrorText {
    pub error: Template,
}

/// What a try catches, and what it does then.
#[derive(Debug)]
pub(crate) struct Catch {
    pub filter: ErrorFilter,
    /// The variable that holds the error.
    pub name: String,
    pub when: Option<Expr>,
    pub except_when: Option<Expr>,
    pub retry: Option<Retry>,
    pub handler: Option<BlockId>,
    /// Where to go once the error is dealt with; none leaves the word to the try itself.
    pub then: Option<Then>,
}

/// Static conditions on an error; what is not given passes.
#[derive(Debug, Default)]
pub(crate) struct ErrorFilter {
    pub error_type: Option<String>,
    pub status: Option<u16>,
    pub instance: Option<String>,
    pub title: Option<String>,
    pub details: Option<String>,
}

impl ErrorFilter {
    /// Says whether an error passes.
    pub fn matches(&self, fault: &Fault) -> bool {
        let equal =
            |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == found);
        self.error_type.as_deref().is_none_or(|wanted| same_type(wanted, &fault.error_type))
            && self.status.is_none_or(|wanted| wanted == fault.status)
            && equal(&self.instance, fault.instance.as_deref())
            && equal(&self.title, Some(&fault.title))
            && equal(&self.details, fault.detail.as_deref())
    }
}

/// How often and when a try is tried again.
#[derive(Debug)]
pub(crate) struct Retry {
    pub delay: SignedDuration,
    pub backoff: Backoff,
    pub when: Option<Expr>,
    pub except_when: Option<Expr>,
    /// Tries after the first.
    pub count: Option<u32>,
    /// No further try begins later than this after the first error.
    pub within: Option<SignedDuration>,
    /// Added to each delay.
    pub jitter: Option<Jitter>,
}

/// A spread of delays, so that many who failed together do not try again together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jitter {
    pub from: SignedDuration,
    pub to: SignedDuration,
}

impl Jitter {
    /// What is added for one wait: anywhere between the two, for the same wait always the same.
    ///
    /// Drawn from the wait's own name, which no two waits of all logs share, so that the fold needs no chance.
    pub fn of(self, wait: EffectId) -> SignedDuration {
        let span = u64::try_from((self.to - self.from).as_micros()).unwrap_or(0);
        let [a, b, c, d, e, f, g, h, ..] = digest_of(&wait).0;
        let drawn = u64::from_be_bytes([a, b, c, d, e, f, g, h]) % span.saturating_add(1);
        self.from + SignedDuration::from_micros(i64::try_from(drawn).unwrap_or(0))
    }
}

/// How the delay grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backoff {
    /// Not at all.
    Constant,
    /// By the delay with each try.
    Linear,
    /// It doubles with each try.
    Exponential,
}

/// A wait between two tries is never longer. One day: who waits longer wants a `wait`.
const DELAY_MAX: SignedDuration = SignedDuration::from_hours(24);

impl Retry {
    /// How long to wait before try number `attempt` (1 is the first repetition); none where there is no such try.
    ///
    /// `since` is how long ago the first error was.
    pub fn delay_before(&self, attempt: u32, since: SignedDuration) -> Option<SignedDuration> {
        if self.count.is_some_and(|count| attempt > count) {
            return None;
        }
        let factor = match self.backoff {
            _ if off("backoff") => 1,
            Backoff::Constant => 1,
            Backoff::Linear => i32::try_from(attempt).unwrap_or(i32::MAX),
            Backoff::Exponential => 2_i32.checked_pow(attempt.saturating_sub(1)).unwrap_or(i32::MAX),
        };
        let delay = self.delay.checked_mul(factor).unwrap_or(DELAY_MAX).min(DELAY_MAX);
        let late = self.within.is_some_and(|within| since.checked_add(delay).is_none_or(|at| at > within));
        (!late).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_as_the_backoff_says_and_end_at_the_limit() {
        let secs = |n| SignedDuration::from_secs(n);
        let retry = |backoff, count, within| Retry {
            delay: secs(2),
            backoff,
            when: None,
            except_when: None,
            count,
            within,
            jitter: None,
        };
        let cases = [
            (Backoff::Constant, None, None, 9, 0, Some(2)),
            (Backoff::Linear, None, None, 3, 0, Some(6)),
            (Backoff::Exponential, None, None, 1, 0, Some(2)),
            (Backoff::Exponential, None, None, 4, 0, Some(16)),
            (Backoff::Exponential, None, None, 4_000_000, 0, Some(86_400)),
            (Backoff::Constant, Some(3), None, 3, 0, Some(2)),
            (Backoff::Constant, Some(3), None, 4, 0, None),
            (Backoff::Constant, None, Some(secs(10)), 1, 8, Some(2)),
            (Backoff::Constant, None, Some(secs(10)), 1, 9, None),
        ];
        for (backoff, count, within, attempt, since, expected) in cases {
            let delay = retry(backoff, count, within).delay_before(attempt, secs(since));
            assert_eq!(delay, expected.map(secs), "{backoff:?} {count:?} {within:?} {attempt} {since}");
        }
    }

    #[test]
    fn jitter_stays_in_its_range_and_is_drawn_once_per_wait() {
        let jitter = Jitter { from: SignedDuration::from_secs(1), to: SignedDuration::from_secs(3) };
        let wait = |step| EffectId { run: "r1-00000007".parse().expect("a run id"), step };
        let drawn: Vec<_> = (0..200).map(|step| jitter.of(wait(step))).collect();
        assert!(drawn.iter().all(|d| (jitter.from..=jitter.to).contains(d)), "{drawn:?}");
        assert!(drawn.iter().any(|d| *d < SignedDuration::from_millis(1_500)), "the low end is drawn too");
        assert!(drawn.iter().any(|d| *d > SignedDuration::from_millis(2_500)), "and the high end");
        assert_eq!(jitter.of(wait(7)), jitter.of(wait(7)));
    }
}
