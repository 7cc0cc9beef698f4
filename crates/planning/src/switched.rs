//! Mutants: parts of the language that can be switched off, to see that a scenario notices.
//!
//! Only a build with the feature `faults` can switch one off; in every other build the question is a constant.

#[cfg(feature = "faults")]
use std::sync::OnceLock;

/// What can be switched off, and the feature whose scenarios should notice.
pub const PARTS: &[(&str, &str)] = &[
    ("do", "timeout"),
    ("set", "wait"),
    ("switch", "data-flow"),
    ("try", "raise-and-try"),
    ("wait", "wait"),
    ("raise", "raise-and-try"),
    ("for", "for"),
    ("while", "for"),
    ("fork", "fork"),
    ("compete", "fork"),
    ("emit", "events"),
    ("listen", "listen"),
    ("until", "listen"),
    ("foreach", "listen"),
    ("correlate", "listen"),
    ("run", "run"),
    ("http", "http"),
    ("openapi", "http"),
    ("named", "http"),
    ("authentication", "http"),
    ("redirect", "http"),
    ("response", "http"),
    ("infer", "functions"),
    ("recall", "functions"),
    ("remember", "functions"),
    ("act", "functions"),
    ("approve", "functions"),
    ("compensate", "functions"),
    ("if", "if"),
    ("then", "data-flow"),
    ("input", "data-flow"),
    ("output", "data-flow"),
    ("export", "data-flow"),
    ("schema", "data-flow"),
    ("timeout", "timeout"),
    ("run-timeout", "timeout"),
    ("catch-filter", "raise-and-try"),
    ("catch-when", "raise-and-try"),
    ("catch-then", "raise-and-try"),
    ("retry", "retry"),
    ("backoff", "retry"),
    ("jitter", "retry"),
    ("schedule-on", "events"),
    ("schedule-clock", "events"),
];

#[cfg(feature = "faults")]
static OFF: OnceLock<String> = OnceLock::new();

/// Switches a part off, for good; says whether there is such a part.
#[cfg(feature = "faults")]
pub fn switch_off(part: &str) -> bool {
    PARTS.iter().any(|(name, _)| *name == part) && OFF.set(part.to_owned()).is_ok()
}

/// Says whether a part was switched off.
#[cfg(feature = "faults")]
pub(crate) fn off(part: &str) -> bool {
    OFF.get().is_some_and(|off| off == part)
}

/// Nothing can be switched off.
#[cfg(not(feature = "faults"))]
pub(crate) const fn off(_part: &str) -> bool {
    false
}
