//! The one async part of the room: it follows the log, folds it, and carries out what the fold asks.
//!
//! Everything it learns it writes to the log, and learns again by following it; so a restart is the same as going on.
//! Does not know any room behind the ports.
//!
//! ```text
//! journal --follow--> fold (actuator keys, progress, engine) --effects--> tasks --append--> journal
//!                       └ timers: waits and gates that expire ──────────────┘
//! ```

mod act;
mod ask;
pub(crate) mod draft;
mod trust;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;
use sinew_contract::{
    Actuator, Appended, Approvers, Clock, Digest, Draft, EffectId, Entry, ErrorKind, Expect, Failure, Journal, Model,
    OfRun, PlaybookName, Policy, PrincipalId, Recall, Record, RunId, Scope, Seq, Timestamp,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tracing::info;

use crate::engine::Engine;
use crate::playbook::{Playbook, TICK};
use crate::progress::{Due, Origin, effects_of};
use crate::{ActAsk, Effect, Progress, SpawnAsk, faults};

pub use self::trust::SystemOfRecord;

/// How many entries one fold takes at a time.
const FOLD_BATCH: usize = 256;
/// Commands on their way at the same time; more wait their turn. 64: a small shop's back end, not a load test of it.
const COMMANDS_MAX: usize = 64;
/// Runs that wait for their first entry; when full, the loop waits, and with it whoever announces events.
const STARTS_MAX: usize = 1024;

/// The ports that the dispatcher asks.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// What the log means.
    pub recall: Arc<dyn Recall>,
    /// Questions.
    pub model: Arc<dyn Model>,
    /// May it.
    pub policy: Arc<dyn Policy>,
    /// The last hop.
    pub actuator: Arc<dyn Actuator>,
}

/// What a deployment says about all of its runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The agent on whose behalf playbooks act.
    pub agent: PrincipalId,
    /// Who answers when policy asks a person and the playbook names nobody.
    pub approvers: Approvers,
    /// How long such a gate waits before it is refused.
    pub gate_life: std::time::Duration,
    /// Digest of the deployment, pinned by each run.
    pub catalogue: Digest,
    /// What lifts trust.
    pub records: Vec<SystemOfRecord>,
}

/// What tasks and the desk share with the loop.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    progress: RwLock<Progress>,
    folded: watch::Receiver<Seq>,
    sending: Semaphore,
}

impl Shared {
    /// The progress, to look at; never held over an await.
    pub(crate) fn progress(&self) -> RwLockReadGuard<'_, Progress> {
        self.progress.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress_mut(&self) -> RwLockWriteGuard<'_, Progress> {
        self.progress.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tenant of a run; the first one for a run that has ended.
    pub(crate) fn scope_of(&self, run: RunId) -> Scope {
        self.progress().origin(run).map_or_else(Scope::main, |origin: &Origin| origin.scope.clone())
    }

    pub(crate) async fn append(&self, drafts: Vec<Draft>, expect: Expect) -> Result<Appended, Failure> {
        self.ports.journal.append(drafts, expect).await
    }

    /// Waits until the loop has folded all that is durable now, so that a second look sees what refused the first.
    pub(crate) async fn catch_up(&self) -> Result<(), Failure> {
        let tail = self.ports.journal.tail().seq;
        let ended = |_| Failure::new(ErrorKind::Busy, "the dispatcher has ended; ask again when it runs");
        self.folded.clone().wait_for(|seq| *seq >= tail).await.map(drop).map_err(ended)
    }
}

/// The dispatcher. One per log.
pub struct Dispatcher {
    shared: Arc<Shared>,
    engine: Engine,
    folded: watch::Sender<Seq>,
    /// Wishes without a last word, of runs that have not ended.
    acts: BTreeMap<EffectId, Arc<ActAsk>>,
    tasks: JoinSet<Result<(), Failure>>,
    /// Passed tasks and ends of what was folded last, each with what must stand with it.
    riding: Vec<Vec<Draft>>,
    starter: mpsc::Sender<Draft>,
    next: Seq,
    /// Playbooks whose start by the clock is on its way into the log.
    ticking: BTreeSet<PlaybookName>,
    /// The deployment of the process that was booted last, and since which entry without a change.
    deployed: (Digest, Seq),
}

impl Dispatcher {
    /// Makes a dispatcher over an engine that has folded nothing yet.
    pub fn new(ports: Ports, settings: Settings, engine: Engine) -> Self {
        let (folded, watching) = watch::channel(Seq::ZERO);
        let shared = Shared {
            ports,
            settings,
            progress: RwLock::default(),
            folded: watching,
            sending: Semaphore::new(COMMANDS_MAX),
        };
        let shared = Arc::new(shared);
        let (starter, drafts) = mpsc::channel(STARTS_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(start_all(Arc::clone(&shared), drafts));
        let next = Seq::ZERO.next();
        let (acts, deployed) = (BTreeMap::new(), (Digest::ZERO, Seq::ZERO));
        let (ticking, riding) = (BTreeSet::new(), Vec::new());
        Self { shared, engine, folded, acts, tasks, riding, starter, next, ticking, deployed }
    }

    /// Where people answer gates and cancel runs.
    pub fn desk(&self) -> crate::Desk {
        crate::Desk::new(Arc::clone(&self.shared))
    }

    /// Follows the log up to its present end without doing anything, then asks again whatever has no answer yet.
    ///
    /// # Errors
    /// `Broken` where the log cannot be read.
    pub async fn recover(&mut self) -> Result<(), Failure> {
        loop {
            let entries = self.shared.ports.journal.read(self.next, FOLD_BATCH)?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                self.fold(entry);
            }
            tokio::task::yield_now().await;
        }
        self.resume().await
    }

    /// Asks again, after a refold, whatever the log shows no answer to.
    async fn resume(&mut self) -> Result<(), Failure> {
        let starts = self.unstarted();
        let pending = self.engine.pending();
        info!(starts = starts.len(), questions = pending.len(), "resumed");
        for (event, playbook, input) in starts {
            let entries = self.shared.ports.journal.read(event, 1)?;
            if let Some(entry) = entries.first() {
                self.start(entry, &playbook, input).await?;
            }
        }
        let asked: HashSet<_> = pending.iter().filter_map(Effect::id).collect();
        self.launch(pending, None);
        self.ride();
        self.settle_orphans(&asked);
        Ok(())
    }

    /// Runs that the log announces and does not show. A playbook that came with a new deployment does not start on what
    /// happened before it.
    fn unstarted(&self) -> Vec<(Seq, Arc<Playbook>, Value)> {
        let known = |name: &PlaybookName| self.engine.runs().any(|run| run.playbook == *name);
        let due = |event: Seq, name: &PlaybookName| event > self.deployed.1 || known(name);
        self.engine.unstarted().into_iter().filter(|(event, book, _)| due(*event, book.name())).collect()
    }

    /// Commands whose run has ended, and of which the log shows no last word.
    fn settle_orphans(&mut self, asked: &HashSet<EffectId>) {
        let left = self.shared.progress().unsettled();
        for (sent, stage) in left.into_iter().filter(|(sent, _)| !asked.contains(&sent.command.effect)) {
            self.tasks.spawn(act::Path::orphan(Arc::clone(&self.shared), &sent).settle_only(stage));
        }
    }

    /// Runs until `stop` says so or the log breaks.
    ///
    /// # Errors
    /// Whatever kept a task from writing to the log: nothing can go on without it.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
        let mut follower = self.shared.ports.journal.follow(self.next);
        let clock = Arc::clone(&self.shared.ports.clock);
        loop {
            let due = self.next_due();
            // Cancel safe: `next` and `sleep_until` say so, the others are tokio's own. In this order, and not in one
            // drawn by chance: what is rare comes first, so nothing starves, and a simulation stays in step.
            tokio::select! {
                biased;
                () = told(&mut stop) => return Ok(()),
                Some(ended) = self.tasks.join_next() => ended.map_err(crashed)??,
                () = falls_due(clock.as_ref(), due) => {
                    self.fire(clock.now().wall);
                    self.tick(clock.now().wall);
                }
                batch = follower.next(FOLD_BATCH) => self.advance(&batch?).await?,
            }
        }
    }

    /// Folds a batch and launches what it asks.
    async fn advance(&mut self, batch: &[Arc<Entry>]) -> Result<(), Failure> {
        for entry in batch {
            let effects = self.fold(entry);
            for (playbook, input) in self.engine.starts(entry) {
                self.start(entry, &playbook, input).await?;
            }
            self.launch(effects, Some(entry.seq()));
            if let Record::GateAnswered(answered) = &entry.record {
                self.wake(answered.effect);
            }
        }
        self.ride();
        Ok(())
    }

    /// Folds one entry everywhere. No I/O: live and in recovery it is the same.
    fn fold(&mut self, entry: &Arc<Entry>) -> Vec<Effect> {
        self.next = entry.seq().next();
        self.shared.ports.actuator.observe(entry);
        let effects = self.engine.apply(entry);
        self.shared.progress_mut().apply(entry);
        self.note(entry);
        self.folded.send_replace(entry.seq());
        effects
    }

    /// Takes down what only the dispatcher has to know.
    fn note(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Booted(booted) if booted.catalogue != self.deployed.0 => {
                self.deployed = (booted.catalogue, entry.seq());
            }
            Record::Event(event) if event.event_type == TICK => {
                let name = event.subject.as_deref().and_then(|name| name.parse::<PlaybookName>().ok());
                if let Some(name) = name {
                    self.ticking.remove(&name);
                }
            }
            Record::Concluded(concluded) if concluded.last => {
                self.acts.remove(&concluded.effect);
            }
            Record::RunEnded(_) => {
                let of_run = entry.header.run.map(effects_of).into_iter();
                let over: Vec<_> = of_run.flat_map(|all| self.acts.range(all).map(|(effect, _)| *effect)).collect();
                over.iter().for_each(|effect| drop(self.acts.remove(effect)));
            }
            _ => {}
        }
    }

    /// Hands the first entry of a run to the starter, which journals starts in the order of their events.
    async fn start(&mut self, entry: &Entry, playbook: &Playbook, input: Value) -> Result<(), Failure> {
        let Record::Event(event) = &entry.record else { return Ok(()) };
        let draft = draft::run_started(&self.shared, entry, event, playbook, input);
        self.starter.send(draft).await.map_err(|_| Failure::new(ErrorKind::Broken, "the starter of runs has ended"))
    }

    /// Splits what the fold asked into notes and the question or end that they ride with, and sets a task to each.
    fn launch(&mut self, effects: Vec<Effect>, cause: Option<Seq>) {
        let mut notes = Vec::new();
        for effect in effects {
            match effect {
                Effect::Note { run, cause, stepped } => {
                    notes.push(draft::note(&self.shared, run, cause, stepped));
                }
                question => {
                    let mut all = self.earlier(&question);
                    all.append(&mut notes);
                    self.ask(question, all, cause);
                }
            }
        }
        if !notes.is_empty() {
            self.riding.push(notes);
        }
    }

    /// What the run of a question has riding already: it must stand in the log before what comes with the question.
    fn earlier(&mut self, question: &Effect) -> Vec<Draft> {
        let Some(run) = question.id().map(|id| OfRun::Is(id.run)) else { return Vec::new() };
        let of_run = |unit: &mut Vec<Draft>| unit.iter().any(|draft| draft.run == run);
        self.riding.extract_if(.., of_run).flatten().collect()
    }

    /// Journals together what asked nothing: the runs that one fold moved share one append.
    fn ride(&mut self) {
        let riding = std::mem::take(&mut self.riding);
        if !riding.is_empty() {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move { ask::ride(&shared, riding).await });
        }
    }

    fn ask(&mut self, question: Effect, notes: Vec<Draft>, cause: Option<Seq>) {
        if let Effect::Act(ask) = question {
            let ask = Arc::new(*ask);
            self.acts.insert(ask.wish.effect, Arc::clone(&ask));
            self.act(ask, notes, cause);
            return;
        }
        if let Effect::Spawn(ask) = &question {
            let drafts = notes.into_iter().chain([self.child(ask, cause)]).collect();
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move { shared.append(drafts, Expect::Anything).await.map(drop) });
            return;
        }
        if let Effect::End { run, cause, end } = question {
            let mut all = notes;
            all.push(draft::ended(&self.shared, run, cause, end));
            return self.riding.push(all);
        }
        let shared = Arc::clone(&self.shared);
        let begun = question.id().is_some_and(|id| begun(&shared.progress(), id));
        self.tasks.spawn(async move { ask::carry_out(&shared, question, begun, notes, cause).await });
    }

    /// The first entry of a run inside of a run, or why there is none.
    fn child(&self, ask: &SpawnAsk, cause: Option<Seq>) -> Draft {
        match self.engine.offered(ask) {
            Some(playbook) => draft::child_started(&self.shared, ask, playbook, cause),
            None => {
                let version = ask.version.as_deref().unwrap_or("any version");
                let fault = faults::runtime(format!("there is no playbook `{}` of {version}", ask.playbook));
                draft::unanswerable(&self.shared, ask.effect, fault, cause)
            }
        }
    }

    /// Sets a task to a wish. The stage is read here, where nothing is being folded: so no two tasks begin at one stage.
    fn act(&mut self, ask: Arc<ActAsk>, notes: Vec<Draft>, cause: Option<Seq>) {
        let stage = self.shared.progress().stage(ask.wish.effect).cloned();
        let path = act::Path::new(Arc::clone(&self.shared), ask, notes, cause);
        self.tasks.spawn(path.walk(stage));
    }

    /// A person has answered: the wish behind the gate goes on, where its run still waits for it.
    fn wake(&mut self, effect: EffectId) {
        if !self.engine.run(effect.run).is_some_and(|run| run.waits_for(effect)) {
            return;
        }
        if let Some(ask) = self.acts.get(&effect).map(Arc::clone) {
            self.act(ask, Vec::new(), None);
        }
    }

    /// When the next wait, gate or start by the clock falls due.
    fn next_due(&self) -> Option<Timestamp> {
        let waits = self.shared.progress().next_due();
        let beats = self.engine.beats().filter(|(_, playbook)| !self.ticking.contains(playbook.name()));
        waits.into_iter().chain(beats.map(|(at, _)| at)).min()
    }

    /// Journals the starts by the clock that have fallen due: each is an event, and the event starts the run.
    fn tick(&mut self, now: Timestamp) {
        let due = self.engine.beats().filter(|(at, playbook)| *at <= now && !self.ticking.contains(playbook.name()));
        let due: Vec<_> = due.map(|(at, playbook)| (at, playbook.name().clone())).collect();
        for (at, name) in due {
            let draft = draft::tick(&self.shared, &name, at, now);
            self.ticking.insert(name);
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move { shared.append(vec![draft], Expect::Anything).await.map(drop) });
        }
    }

    /// Journals what has fallen due and is still open.
    fn fire(&mut self, now: Timestamp) {
        for due in self.shared.progress_mut().take_due(now) {
            let shared = Arc::clone(&self.shared);
            match due {
                Due::Timer(effect) => self.tasks.spawn(async move { ask::fire(&shared, effect).await }),
                Due::Gate(gate) => self.tasks.spawn(async move { crate::desk::expire(&shared, gate).await }),
            };
        }
    }
}

/// Says whether the log shows that a question was begun: its gate opened, its timer set.
fn begun(progress: &Progress, effect: EffectId) -> bool {
    progress.stage(effect).is_some() || progress.timer(effect).is_some()
}

/// Journals the first entries of runs, in order, as many at once as wait.
async fn start_all(shared: Arc<Shared>, mut drafts: mpsc::Receiver<Draft>) -> Result<(), Failure> {
    let mut batch = Vec::new();
    while drafts.recv_many(&mut batch, FOLD_BATCH).await > 0 {
        shared.append(std::mem::take(&mut batch), Expect::Anything).await?;
    }
    Ok(())
}

/// Returns when the first wait or gate falls due; never where there is none. Cancel safe.
async fn falls_due(clock: &dyn Clock, due: Option<Timestamp>) {
    match due {
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Returns when it is said, or when nobody can say it any more. Cancel safe.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

fn crashed(error: tokio::task::JoinError) -> Failure {
    Failure::new(ErrorKind::Broken, "a task of the dispatcher crashed").caused_by(error)
}
