//! What must hold at the end of every history, whatever happened in it.
//!
//! | law | judged by |
//! |---|---|
//! | an effect happens once per thing, and what a run believes of it is so | the shop's own ledger |
//! | the log folds again to the same questions, byte for byte, and no step differs | two fresh folds |
//! | every event that was taken has one run, and every run one end | the log |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sinew_contract::{Class, Command, Concluded, Entry, Outcome, Record, RunId, Seq};
use sinew_planning::{Engine, Playbook};

use crate::shop::Deed;

/// Where the runs stand, counted along the log.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    events: usize,
    started: BTreeSet<RunId>,
    ended: BTreeSet<RunId>,
    /// Commands without a last word.
    open: BTreeSet<String>,
}

impl Tally {
    pub fn take(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Event(_) => self.events += 1,
            Record::RunStarted(_) => self.started.extend(entry.header.run),
            Record::RunEnded(_) => self.ended.extend(entry.header.run),
            Record::Intended(intended) => drop(self.open.insert(intended.command.effect.to_string())),
            Record::Concluded(concluded) if concluded.last => {
                self.open.remove(&concluded.effect.to_string());
            }
            _ => {}
        }
    }

    /// Runs that have not ended.
    pub fn live(&self) -> impl Iterator<Item = RunId> {
        self.started.difference(&self.ended).copied()
    }

    /// Nothing is owed any more.
    pub fn is_settled(&self) -> bool {
        self.events > 0 && self.started.len() >= self.events && self.live().next().is_none() && self.open.is_empty()
    }
}

/// Judges a whole history.
pub(crate) fn judge(
    entries: &[Arc<Entry>],
    playbook: &Arc<Playbook>,
    ledger: &BTreeMap<String, Deed>,
) -> Result<(), String> {
    one_run_per_event(entries)?;
    folds_again(entries, playbook)?;
    once_per_thing(ledger)?;
    believed_is_so(entries, ledger)
}

fn one_run_per_event(entries: &[Arc<Entry>]) -> Result<(), String> {
    let mut starts: BTreeMap<Seq, usize> = BTreeMap::new();
    let mut ends: BTreeMap<RunId, usize> = BTreeMap::new();
    for entry in entries {
        match &entry.record {
            Record::Event(_) => drop(starts.insert(entry.seq(), 0)),
            Record::RunStarted(started) => *starts.entry(started.trigger.unwrap_or_default()).or_default() += 1,
            Record::RunEnded(_) => *ends.entry(entry.header.run.ok_or("an end without a run")?).or_default() += 1,
            _ => {}
        }
    }
    if let Some((event, many)) = starts.iter().find(|(_, many)| **many != 1) {
        return Err(format!("event {event} started {many} runs"));
    }
    match ends.iter().find(|(_, many)| **many != 1) {
        Some((run, many)) => Err(format!("run {run} ended {many} times")),
        None => Ok(()),
    }
}

/// Two folds of the same log, in the words that the fold used.
fn folds_again(entries: &[Arc<Entry>], playbook: &Arc<Playbook>) -> Result<(), String> {
    let fold = || {
        let mut engine = Engine::new([Arc::clone(playbook)]);
        let asked: Vec<_> = entries.iter().map(|entry| format!("{:?}", engine.apply(entry))).collect();
        (engine, asked)
    };
    let ((engine, first), (_, second)) = (fold(), fold());
    if let Some(at) = first.iter().zip(&second).position(|(a, b)| a != b) {
        return Err(format!("folded twice, entry {} asks two things: {} and {}", at + 1, first[at], second[at]));
    }
    if let Some(d) = engine.divergences().first() {
        return Err(format!("folded again, entry {} differs: {}", d.seq, d.what));
    }
    match engine.pending().first() {
        Some(effect) => Err(format!("folded again, it still asks: {effect:?}")),
        None => Ok(()),
    }
}

/// A thing is free again once what was done to it has been undone, and not before.
fn once_per_thing(ledger: &BTreeMap<String, Deed>) -> Result<(), String> {
    let done = |key: &str| ledger.get(key).filter(|deed| deed.receipt.is_some());
    let mut deeds: BTreeMap<_, Vec<(&String, &Deed)>> = BTreeMap::new();
    for (key, deed) in ledger.iter().filter(|(key, deed)| deed.natural.is_some() && done(key).is_some()) {
        deeds.entry((&deed.capability, &deed.natural)).or_default().push((key, deed));
    }
    for (thing, mut all) in deeds {
        all.sort_by_key(|(_, deed)| deed.number);
        for ((before, _), (after, deed)) in all.iter().zip(all.iter().skip(1)) {
            let undone = done(&format!("undo/{before}")).is_some_and(|undo| undo.number < deed.number);
            if !undone {
                return Err(format!("{thing:?} was done twice: as `{before}` and `{after}`"));
            }
        }
    }
    Ok(())
}

/// What the log believes of each command is what the shop has in its ledger.
fn believed_is_so(entries: &[Arc<Entry>], ledger: &BTreeMap<String, Deed>) -> Result<(), String> {
    let mut commands: BTreeMap<Seq, &Command> = BTreeMap::new();
    for entry in entries {
        match &entry.record {
            Record::Intended(intended) => drop(commands.insert(entry.seq(), &intended.command)),
            Record::Concluded(concluded) if concluded.last => {
                let command = concluded.intent.and_then(|intent| commands.get(&intent));
                if let Some(command) = command.filter(|command| command.class != Class::Pure) {
                    believed(command, concluded, ledger.get(&command.key))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn believed(command: &Command, concluded: &Concluded, deed: Option<&Deed>) -> Result<(), String> {
    let done = deed.is_some_and(|deed| deed.receipt.is_some());
    let so = match &concluded.outcome {
        Outcome::Done { .. } => done,
        Outcome::Failed { .. } | Outcome::Refused { .. } => !done,
        Outcome::Unknown { .. } => false,
    };
    let word = concluded.outcome.word();
    so.then_some(()).ok_or_else(|| format!("`{}` is believed {word}, the shop says done: {done}", command.key))
}
