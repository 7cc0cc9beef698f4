//! The fold that runs playbooks: entries in, effects out. Pure: no clock, disk, net, random source or hash order.
//!
//! Does not know who carries effects out. Time comes from the entries alone, so the same log gives the same effects.
//!
//! ```text
//! entry -> apply -> effects: a note per passed task, then one question, or the end
//!            ^                                              |
//!            └────────── its answer, journaled ─────────────┘
//! ```

mod answer;
mod ask;
mod evidence;
mod flow;
mod live;
mod run;
mod saga;
mod scope;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{Digest, EffectId, Entry, Label, Record, RunEnd, RunId, RunStarted, Seq, Stepped};

pub(crate) use self::flow::CHECKED_SCAN;
pub use self::run::{Divergence, Run, RunStatus};

use self::answer::Answered;
use self::live::{Live, Moment};
use crate::{Effect, Playbook};

/// The version of the engine's semantics: stands in every `run-started`.
pub const ENGINE_VERSION: u32 = 1;

/// All runs of one log, folded.
#[derive(Debug, Default)]
pub struct Engine {
    playbooks: BTreeMap<Digest, Arc<Playbook>>,
    /// The playbooks that new events start.
    current: Vec<Digest>,
    runs: BTreeMap<RunId, Run>,
    /// Runs that have not ended.
    live: BTreeSet<RunId>,
    /// Events that a playbook waits for, without a run yet.
    unstarted: Vec<(Seq, Arc<Playbook>, Value)>,
    divergences: Vec<Divergence>,
    folded: Seq,
}

impl Engine {
    /// An engine that starts and continues runs of these playbooks.
    pub fn new(playbooks: impl IntoIterator<Item = Arc<Playbook>>) -> Self {
        let mut engine = Self::default();
        engine.offer(playbooks);
        engine
    }

    /// Replaces the playbooks that new events start; runs keep the version they began with.
    pub fn offer(&mut self, playbooks: impl IntoIterator<Item = Arc<Playbook>>) {
        self.current.clear();
        for playbook in playbooks {
            self.current.push(playbook.digest());
            self.playbooks.insert(playbook.digest(), playbook);
        }
    }

    /// Adds a playbook that runs of the log still hold, without letting new events start it.
    pub fn keep(&mut self, playbook: Arc<Playbook>) {
        self.playbooks.insert(playbook.digest(), playbook);
    }

    /// The playbook with this digest, current or still held by a run.
    pub fn playbook(&self, digest: Digest) -> Option<&Arc<Playbook>> {
        self.playbooks.get(&digest)
    }

    /// Folds the next entry in and returns what it makes the runs ask for. Entries come in order, without a gap.
    pub fn apply(&mut self, entry: &Entry) -> Vec<Effect> {
        self.folded = entry.seq();
        let now = Moment { seq: entry.seq(), at: entry.header.recorded };
        match (&entry.record, entry.header.run) {
            (Record::Event(_), _) => {
                let starts = self.starts(entry).into_iter().map(|(playbook, input)| (entry.seq(), playbook, input));
                self.unstarted.extend(starts);
                Vec::new()
            }
            (Record::RunStarted(started), Some(run)) => self.start(run, started, entry.labels.get(""), now),
            (Record::Stepped(stepped), Some(run)) => self.stepped(run, stepped, now),
            (Record::RunEnded(ended), Some(run)) => {
                self.ended(run, &ended.end, now);
                Vec::new()
            }
            (Record::CancelAsked(asked), _) => self.cancel(asked.run, &asked.reason, now),
            (record, _) => match record.effect() {
                Some(id) => self.answer(id, entry, now),
                None => Vec::new(),
            },
        }
    }

    /// Everything that was asked and has no answer yet, notes not yet journaled included, in the order of asking.
    pub fn pending(&self) -> Vec<Effect> {
        let runs = self.live.iter().filter_map(|id| self.runs.get(id)?.live.as_deref());
        let mut asked: Vec<_> = runs.flat_map(|live| &live.queue).collect();
        // One entry makes one run ask, so the entries order the questions; within a run the queue does.
        asked.sort_by_key(|asked| asked.cause);
        asked.into_iter().map(|asked| asked.effect.clone()).collect()
    }

    /// The playbooks that an event starts, each with the workflow input (an array of CloudEvents, as the DSL says).
    pub fn starts(&self, entry: &Entry) -> Vec<(Arc<Playbook>, Value)> {
        let Record::Event(event) = &entry.record else { return Vec::new() };
        let time = event.time.to_string();
        let Ok(mut event) = serde_json::to_value(event) else { return Vec::new() };
        event["specversion"] = Value::from("1.0");
        event["time"] = Value::from(time);
        let playbooks = self.current.iter().filter_map(|digest| self.playbooks.get(digest));
        playbooks.filter_map(|playbook| Some((Arc::clone(playbook), playbook.starts_on(&event)?))).collect()
    }

    /// Events that match a playbook and have no run of it yet: what a crash between event and start left behind.
    ///
    /// Starts are journaled in the order of events, so an event before one that has been started was considered then.
    pub fn unstarted(&self) -> Vec<(Seq, Arc<Playbook>, Value)> {
        self.unstarted.clone()
    }

    /// A run, live or ended.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// All runs, in the order in which they started.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// Where log and fold disagree; empty is the proof that a replay is true.
    pub fn divergences(&self) -> &[Divergence] {
        &self.divergences
    }

    /// The last entry folded in.
    pub const fn folded(&self) -> Seq {
        self.folded
    }

    fn start(&mut self, id: RunId, started: &RunStarted, label: Option<&Label>, now: Moment) -> Vec<Effect> {
        if let Some(trigger) = started.trigger {
            self.unstarted.retain(|(seq, playbook, _)| {
                *seq > trigger || (*seq == trigger && *playbook.name() != started.playbook)
            });
        }
        self.runs.insert(id, Run::new(id, started, now.at));
        let playbook = match self.playbooks.get(&started.digest) {
            _ if started.engine != ENGINE_VERSION => Err(format!("it was started by semantics {}", started.engine)),
            None => Err(format!("its playbook `{}` with digest {} is not there", started.playbook, started.digest)),
            Some(playbook) => Ok(Arc::clone(playbook)),
        };
        match playbook {
            Ok(playbook) => self.begin(id, Live::new(id, playbook, started, label, now), now),
            Err(what) => {
                self.diverge(id, now.seq, None, None, what);
                Vec::new()
            }
        }
    }

    fn begin(&mut self, id: RunId, live: Live, now: Moment) -> Vec<Effect> {
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        self.live.insert(id);
        let live = run.live.insert(Box::new(live));
        live.begin(now);
        asked_now(live, now)
    }

    fn answer(&mut self, id: EffectId, entry: &Entry, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id.run) else { return Vec::new() };
        match live.answer(id, entry, now) {
            Answered::Taken => asked_now(live, now),
            Answered::Ignored => Vec::new(),
            Answered::Absurd(what) => {
                self.diverge(id.run, now.seq, None, None, what);
                Vec::new()
            }
        }
    }

    fn cancel(&mut self, id: RunId, reason: &str, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id) else { return Vec::new() };
        if live.end().is_some() {
            return Vec::new();
        }
        if let Some(waiting) = live.waiting() {
            live.take(waiting);
        }
        live.finish(RunEnd::Cancelled { reason: reason.to_owned() }, now);
        asked_now(live, now)
    }

    /// A note comes back: it must be the one that was made first of those that have not come back.
    fn stepped(&mut self, id: RunId, found: &Stepped, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id) else { return Vec::new() };
        let expected = live.next_note().map(|(at, stepped)| (at, stepped.clone()));
        match expected {
            Some((at, expected)) if expected == *found => {
                live.queue.remove(at);
                live.go_on_from_disk(now);
                asked_now(live, now)
            }
            expected => {
                let what = if expected.is_some() { "another step was taken" } else { "a step was taken that is none" };
                self.diverge(id, now.seq, expected.map(|(_, stepped)| stepped), Some(found.clone()), what.to_owned());
                Vec::new()
            }
        }
    }

    fn ended(&mut self, id: RunId, found: &RunEnd, now: Moment) {
        let Some(live) = self.live_of(id) else { return };
        let note = live.next_note().map(|(_, stepped)| stepped.clone());
        let cancelled = matches!(found, RunEnd::Cancelled { .. });
        let what = match live.end() {
            None => Some("it ended before its time"),
            Some(expected) if expected != found => Some("it ended in another way"),
            // A cancellation overtakes what waits to be journaled.
            Some(_) if note.is_some() && !cancelled => Some("it ended before all its steps were journaled"),
            Some(_) => None,
        };
        if let Some(what) = what {
            return self.diverge(id, now.seq, note, None, what.to_owned());
        }
        self.live.remove(&id);
        if let Some(run) = self.runs.get_mut(&id) {
            run.end(found, now.at);
        }
    }

    fn live_of(&mut self, id: RunId) -> Option<&mut Live> {
        self.runs.get_mut(&id)?.live.as_deref_mut()
    }

    /// From here on the run asks for nothing: a person must look.
    fn diverge(&mut self, run: RunId, seq: Seq, expected: Option<Stepped>, found: Option<Stepped>, what: String) {
        self.live.remove(&run);
        if let Some(run) = self.runs.get_mut(&run) {
            run.status = RunStatus::Diverged;
            run.live = None;
        }
        self.divergences.push(Divergence { run, seq, expected, found, what });
    }
}

/// What the entry that was just folded made a run ask.
fn asked_now(live: &Live, now: Moment) -> Vec<Effect> {
    live.queue.iter().filter(|asked| asked.cause == now.seq).map(|asked| asked.effect.clone()).collect()
}
