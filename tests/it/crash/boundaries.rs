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

/// A boundary without the number that says at which passing.
pub fn all(kinds: &BTreeMap<&'static str, usize>) -> Vec<String> {
    let journal = kinds.keys().flat_map(|kind| PHASES.map(|phase| format!("journal:{phase}:{kind}")));
    journal.chain(HOP.map(|point| format!("hop:{point}"))).collect()
}
