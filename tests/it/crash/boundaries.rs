//! Which boundaries there are: every kind of record that a quiet history writes, times the phases of a group commit,
//! and both sides of the last hop.

use std::collections::BTreeMap;
use std::path::Path;

use sinew_contract::{Journal, Seq};

const PHASES: [&str; 3] = ["before-write", "after-write", "after-sync"];
const HOP: [&str; 2] = ["before-send", "after-send"];

/// The kinds of record in the log of a hub that has ended, and how many there are of each.
pub fn kinds(data: &Path) -> BTreeMap<&'static str, usize> {
    let (log, _) = sinew::assembly::open_log(data).expect("the log of an ended hub can be read");
    let mut kinds = BTreeMap::new();
    let mut from = Seq::ZERO.next();
    loop {
        let entries = log.read(from, 256).expect("it can be read");
        let Some(last) = entries.last() else { return kinds };
        from = last.seq().next();
        entries.iter().for_each(|entry| *kinds.entry(entry.record.kind()).or_default() += 1);
    }
}

/// The boundaries that a history passes at least `nth` times, without the number that says at which passing.
pub fn passed(kinds: &BTreeMap<&'static str, usize>, nth: usize) -> Vec<String> {
    let often = kinds.iter().filter(|(_, count)| **count >= nth).map(|(kind, _)| *kind);
    let hop = HOP.map(|point| format!("hop:{point}"));
    often.flat_map(phases).chain(hop).collect()
}

/// The boundaries of timers: only a history in which the shop is down at first has any.
pub fn of_timers() -> Vec<String> {
    ["timer-set", "timer-fired"].into_iter().flat_map(phases).collect()
}

fn phases(kind: &str) -> [String; 3] {
    PHASES.map(|phase| format!("journal:{phase}:{kind}"))
}
