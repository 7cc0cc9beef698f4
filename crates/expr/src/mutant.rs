//! Mutants: single safety checks that the suites switch off, one at a time, to prove that some test notices.
//!
//! Under the feature `faults` the environment names the one that lives; in a released binary every call is `false` and the
//! compiler removes it. Lives in the ground so that all rooms name theirs the same way; it knows none of them.

/// Whether this mutant lives.
#[cfg(feature = "faults")]
pub fn mutant(name: &str) -> bool {
    static LIVING: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    LIVING.get_or_init(|| std::env::var("SINEW_MUTANT").ok()).as_deref() == Some(name)
}

/// Whether this mutant lives: never, in a build without faults.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn mutant(_name: &str) -> bool {
    false
}
