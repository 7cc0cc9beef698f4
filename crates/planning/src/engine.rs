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
mod beats;
mod child;
mod events;
mod evidence;
mod flow;
mod http;
mod live;
mod loops;
mod openapi;
mod run;
mod saga;
mod scope;
mod step;
mod strand;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{
    Digest, EffectId, Entry, Event, Label, Record, RunEnd, RunId, RunStarted, Seq, Stepped, Timestamp,
};

pub(crate) use self::flow::CHECKED_SCAN;
pub use self::run::{Divergence, Run, RunStatus};

use self::answer::Answered;
use self::beats::Beats;
use self::live::{Live, Moment};
use crate::{Effect, Playbook, SpawnAsk};

/// The version of the engine's semantics: stands in every `run-started`.
pub const ENGINE_VERSION: u32 = 2;

/// All runs of one log, folded.
#[derive(Debug, Default)]
pub struct Engine {
    playbooks: BTreeMap<Digest, Arc<Playbook>>,
    /// The playbooks that new events start.
    current: Vec<Digest>,
    runs: BTreeMap<RunId, Run>,
    /// Runs that have not ended.
    live: BTreeSet<RunId>,
    /// Those of them that listen to events.
    listening: BTreeSet<RunId>,
    /// Events that a playbook waits for, without a run yet.
    unstarted: Vec<(Seq, Arc<Playbook>, Value)>,
    /// What the clock starts.
    beats: Beats,
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

    /// The playbook that a wish for a run inside of a run means.
    pub(crate) fn offered(&self, ask: &SpawnAsk) -> Option<&Arc<Playbook>> {
        if let Some(digest) = ask.digest {
            return self.playbooks.get(&digest);
        }
        let current = self.current.iter().filter_map(|digest| self.playbooks.get(digest));
        let mut named = current.filter(|playbook| *playbook.name() == ask.playbook);
        named.find(|playbook| ask.version.as_deref().is_none_or(|version| version == playbook.version()))
    }

    /// Folds the next entry in and returns what it makes the runs ask for. Entries come in order, without a gap.
    pub fn apply(&mut self, entry: &Entry) -> Vec<Effect> {
        self.folded = entry.seq();
        let now = Moment { seq: entry.seq(), at: time_of(entry) };
        match (&entry.record, entry.header.run) {
            (Record::Booted(booted), _) => {
                self.beats.booted(booted.catalogue, now.at);
                Vec::new()
            }
            (Record::Event(event), run) => {
                self.beats.heard(event, now.at);
                let starts = self.starts(entry).into_iter().map(|(playbook, input)| (entry.seq(), playbook, input));
                self.unstarted.extend(starts);
                let mut effects = run.map(|run| self.emitted(run, event, now)).unwrap_or_default();
                effects.extend(self.heard(event, now));
                effects
            }
            (Record::RunStarted(started), Some(run)) => self.start(run, started, entry.labels.get(""), now),
            (Record::Stepped(stepped), Some(run)) => self.stepped(run, stepped, now),
            (Record::RunEnded(ended), Some(run)) => self.ended(run, &ended.end, now),
            (Record::CancelAsked(asked), _) => self.cancel(asked.run, &asked.reason, now),
            // A call is how an answer came about, not an answer.
            (Record::ModelCalled(_), _) => Vec::new(),
            (record, _) => match record.effect() {
                Some(id) => self.answer(id, entry, now),
                None => Vec::new(),
            },
        }
    }

    /// Everything that was asked and has no answer yet, notes not yet journaled included, in the order of asking.
    pub fn pending(&self) -> Vec<Effect> {
        let runs = self.live.iter().filter_map(|id| self.runs.get(id)?.live.as_deref());
        let mut asked: Vec<_> = runs.flat_map(|live| &live.queue).filter(|asked| !asked.is_lost).collect();
        // The entries order the questions, then the runs that one entry made ask; within a run the queue does.
        asked.sort_by_key(|asked| asked.cause);
        asked.into_iter().map(|asked| asked.effect.clone()).collect()
    }

    /// The playbooks that an event starts, each with the workflow input (an array of CloudEvents, as the DSL says).
    pub fn starts(&self, entry: &Entry) -> Vec<(Arc<Playbook>, Value)> {
        let Record::Event(event) = &entry.record else { return Vec::new() };
        let event = events::cloud_event(event);
        let playbooks = self.current.iter().filter_map(|digest| self.playbooks.get(digest));
        playbooks.filter_map(|playbook| Some((Arc::clone(playbook), playbook.starts_on(&event)?))).collect()
    }

    /// Events that match a playbook and have no run of it yet: what a crash between event and start left behind.
    ///
    /// Starts are journaled in the order of events, so an event before one that has been started was considered then.
    pub fn unstarted(&self) -> Vec<(Seq, Arc<Playbook>, Value)> {
        self.unstarted.clone()
    }

    /// The playbooks that the clock starts, each with the moment of its next start.
    pub fn beats(&self) -> impl Iterator<Item = (Timestamp, &Arc<Playbook>)> {
        let current = self.current.iter().filter_map(|digest| self.playbooks.get(digest));
        current.filter_map(|playbook| Some((self.beats.next(playbook)?, playbook)))
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
        self.beats.started(&started.playbook);
        self.runs.insert(id, Run::new(id, started, now.at));
        let playbook = match self.playbooks.get(&started.digest) {
            _ if started.engine != ENGINE_VERSION => Err(format!("it was started by semantics {}", started.engine)),
            None => Err(format!("its playbook `{}` with digest {} is not there", started.playbook, started.digest)),
            Some(playbook) => Ok(Arc::clone(playbook)),
        };
        let (asked, given) = self.child_began(id, started, now);
        match playbook {
            Ok(playbook) => {
                let live = Live::new(id, playbook, started, given.as_ref().or(label), now);
                let mut effects = self.begin(id, live, now);
                effects.extend(asked);
                effects
            }
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
        self.moved(id, now)
    }

    /// What a run asks, now that an entry made it move.
    fn moved(&mut self, id: RunId, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id) else { return Vec::new() };
        let mut effects = asked_now(live, now);
        let (listens, orphans) = (live.listens(), std::mem::take(&mut live.orphans));
        if listens {
            self.listening.insert(id);
        } else {
            self.listening.remove(&id);
        }
        for orphan in orphans {
            effects.extend(self.cancel(orphan, "the run that waited for it does not any more", now));
        }
        effects
    }

    fn answer(&mut self, id: EffectId, entry: &Entry, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id.run) else { return Vec::new() };
        match live.answer(id, entry, now) {
            Answered::Taken => self.moved(id.run, now),
            Answered::Ignored => Vec::new(),
            Answered::Absurd(what) => {
                self.diverge(id.run, now.seq, None, None, what);
                Vec::new()
            }
        }
    }

    /// An event of a run's own stands in the log.
    fn emitted(&mut self, run: RunId, event: &Event, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(run) else { return Vec::new() };
        let Some(id) = live.emitting(event) else { return Vec::new() };
        live.take(id);
        if live.go_on_with(id, now, |live| live.emitted(event)) { self.moved(run, now) } else { Vec::new() }
    }

    /// Lets all who listen hear an event.
    fn heard(&mut self, event: &Event, now: Moment) -> Vec<Effect> {
        let json = events::cloud_event(event);
        let label = flow::label_of_input(&Value::Array(vec![json.clone()]), true);
        let heard = events::Heard { event: &json, label: &label };
        let listening: Vec<_> = self.listening.iter().copied().collect();
        let mut effects = Vec::new();
        for run in listening {
            if self.live_of(run).is_some_and(|live| live.hear(&heard, now)) {
                effects.extend(self.moved(run, now));
            }
        }
        effects
    }

    /// The parent of a run that begins goes on, and gives its child the label of the input.
    fn child_began(&mut self, child: RunId, started: &RunStarted, now: Moment) -> (Vec<Effect>, Option<Label>) {
        let Some(asked) = started.parent else { return (Vec::new(), None) };
        let Some(live) = self.live_of(asked.run) else { return (Vec::new(), None) };
        let is_awaited = live.awaits(asked);
        let label = match live.take(asked) {
            Some(Effect::Spawn(ask)) => Some(ask.label),
            _ => None,
        };
        live.go_on_with(asked, now, |live| live.child_began(child, is_awaited));
        (self.moved(asked.run, now), label)
    }

    fn cancel(&mut self, id: RunId, reason: &str, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id) else { return Vec::new() };
        if live.end().is_some() {
            return Vec::new();
        }
        live.finish(RunEnd::Cancelled { reason: reason.to_owned() }, now);
        self.moved(id, now)
    }

    /// A note comes back: it must be one of those that were made and have not come back.
    fn stepped(&mut self, id: RunId, found: &Stepped, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id) else { return Vec::new() };
        if live.take_note(found) {
            live.go_on_from_disk(now);
            return self.moved(id, now);
        }
        let expected = live.next_note().cloned();
        let what = if expected.is_some() { "another step was taken" } else { "a step was taken that is none" };
        self.diverge(id, now.seq, expected, Some(found.clone()), what.to_owned());
        Vec::new()
    }

    fn ended(&mut self, id: RunId, found: &RunEnd, now: Moment) -> Vec<Effect> {
        let Some(live) = self.live_of(id) else { return Vec::new() };
        let note = live.next_note().cloned();
        let cancelled = matches!(found, RunEnd::Cancelled { .. });
        let what = match live.end() {
            None => Some("it ended before its time"),
            Some(expected) if expected != found => Some("it ended in another way"),
            // A cancellation overtakes what waits to be journaled.
            Some(_) if note.is_some() && !cancelled => Some("it ended before all its steps were journaled"),
            Some(_) => None,
        };
        if let Some(what) = what {
            self.diverge(id, now.seq, note, None, what.to_owned());
            return Vec::new();
        }
        let label = live.ended_with.take().unwrap_or_else(|| live.met.clone());
        self.live.remove(&id);
        self.listening.remove(&id);
        let Some(run) = self.runs.get_mut(&id) else { return Vec::new() };
        run.end(found, now.at);
        self.beats.ended(&run.playbook, now.at);
        let Some(asked) = run.parent else { return Vec::new() };
        let waits = |live: &mut Live| live.go_on_with(asked, now, |live| live.child_ended(found, &label));
        if self.live_of(asked.run).is_some_and(waits) { self.moved(asked.run, now) } else { Vec::new() }
    }

    fn live_of(&mut self, id: RunId) -> Option<&mut Live> {
        self.runs.get_mut(&id)?.live.as_deref_mut()
    }

    /// From here on the run asks for nothing: a person must look.
    fn diverge(&mut self, run: RunId, seq: Seq, expected: Option<Stepped>, found: Option<Stepped>, what: String) {
        self.live.remove(&run);
        self.listening.remove(&run);
        if let Some(run) = self.runs.get_mut(&run) {
            run.status = RunStatus::Diverged;
            run.live = None;
        }
        self.divergences.push(Divergence { run, seq, expected, found, what });
    }
}

/// When an entry was recorded: the only time that the fold knows.
#[cfg(not(feature = "faults"))]
fn time_of(entry: &Entry) -> Timestamp {
    entry.header.recorded
}

#[cfg(feature = "faults")]
fn time_of(entry: &Entry) -> Timestamp {
    crate::mutants::time(entry.header.recorded)
}

/// What the entry that was just folded made a run ask.
fn asked_now(live: &Live, now: Moment) -> Vec<Effect> {
    in_order(live.queue.iter().filter(|asked| asked.cause == now.seq).map(|asked| asked.effect.clone()).collect())
}

#[cfg(not(feature = "faults"))]
fn in_order(asked: Vec<Effect>) -> Vec<Effect> {
    asked
}

#[cfg(feature = "faults")]
fn in_order(asked: Vec<Effect>) -> Vec<Effect> {
    crate::mutants::order(asked)
}
