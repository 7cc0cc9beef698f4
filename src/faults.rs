//! Faults that crash tests ask for on the command line. Compiled under the feature `faults` alone.
//!
//! `journal:<before-write|after-write|after-sync>:<kind|any>:<n>` ends the process at that boundary of the log;
//! `hop:<before-send|after-send>:<n>` at the last hop; `mutant:blind-retry` repeats what it does not know.

use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail};
use sinew_actuation::faults::Plan as HopPlan;

/// One fault.
#[derive(Clone, Debug)]
pub enum Fault {
    /// At a boundary of the journal.
    Journal(sinew_journal::faults::Plan),
    /// At the last hop.
    Hop(sinew_actuation::faults::Point, u64),
    /// The mutant that repeats unknown outcomes without asking.
    BlindRetry,
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<_> = text.split(':').collect();
        match parts.as_slice() {
            ["journal", phase, kind, nth] => {
                let kind = (*kind != "any").then(|| (*kind).to_owned());
                let nth = nth.parse().with_context(|| format!("`{nth}` is not a number"))?;
                Ok(Self::Journal(sinew_journal::faults::Plan { phase: journal_phase(phase)?, kind, nth }))
            }
            ["hop", point, nth] => {
                let nth = nth.parse().with_context(|| format!("`{nth}` is not a number"))?;
                Ok(Self::Hop(hop_point(point)?, nth))
            }
            ["mutant", "blind-retry"] => Ok(Self::BlindRetry),
            _ => bail!("`{text}` is no fault; see src/faults.rs"),
        }
    }
}

fn journal_phase(text: &str) -> Result<sinew_journal::faults::Phase> {
    use sinew_journal::faults::Phase;
    match text {
        "before-write" => Ok(Phase::BeforeWrite),
        "after-write" => Ok(Phase::AfterWrite),
        "after-sync" => Ok(Phase::AfterSync),
        _ => bail!("`{text}` is no phase of the journal"),
    }
}

fn hop_point(text: &str) -> Result<sinew_actuation::faults::Point> {
    use sinew_actuation::faults::Point;
    match text {
        "before-send" => Ok(Point::BeforeSend),
        "after-send" => Ok(Point::AfterSend),
        _ => bail!("`{text}` is no point of the last hop"),
    }
}

static HOP: OnceLock<Arc<HopPlan>> = OnceLock::new();

/// Sets the faults of this process.
pub fn install(faults: &[Fault]) {
    let mut hop = HopPlan::default();
    for fault in faults {
        match fault.clone() {
            Fault::Journal(plan) => sinew_journal::faults::install(plan),
            Fault::Hop(point, nth) => hop.abort = Some((point, nth)),
            Fault::BlindRetry => hop.blind_retry = true,
        }
    }
    // The first call of a process counts; there is one command line.
    let _ = HOP.set(Arc::new(hop));
}

/// The faults of the last hop.
pub fn hop() -> Arc<HopPlan> {
    HOP.get().cloned().unwrap_or_default()
}
