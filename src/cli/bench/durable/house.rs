//! The house, as far as a durable run needs it: the real journal, engine, dispatcher, policy and last hop.
//!
//! Nobody recalls or infers here, and no view is fed.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_actuation::{Act, Latch, Manifests};
use sinew_contract::{
    Actuator, Approvers, Ask, Class, Clock, Device, DeviceId, Digest, ErrorKind, Failure, Follow, Journal, Model,
    PrincipalId, Proposal, Recall, RecallQuery, Record, RunEnd, RunId,
};
use sinew_drivers::{Egress, Surroundings};
use sinew_journal::{DataDir, FileLog, Options};
use sinew_planning::{Desk, Dispatcher, Engine, Known, KnownCapability, Playbook, Ports, Settings};
use sinew_policy::Cedar;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::disk::Counting;
use super::{Measured, Mode, STEPS};
use crate::runtime::SystemClock;

/// The bench's own policy: looking something up at the worker is allowed.
const POLICY: &str = "@id(\"step\")\n@reason(\"a step of the bench changes nothing\")\n\
    permit (principal, action == Action::\"ActUnattended\", resource == Capability::\"http.get\")\n\
    when { context.host == \"worker.local\" };\n";

/// Measures runs at one concurrency.
pub(super) async fn measure(
    dir: &Path,
    mode: Mode,
    worker: Option<SocketAddr>,
    concurrency: usize,
    runs: usize,
) -> Result<Measured> {
    let house = Arc::new(House::open(dir, mode, worker).await?);
    let (before, started) = (house.syncs.load(Ordering::Relaxed), Instant::now());
    let per = runs.div_ceil(concurrency);
    let mut callers = JoinSet::new();
    for _ in 0..concurrency {
        let house = Arc::clone(&house);
        callers.spawn(async move { house.call(per).await });
    }
    let mut each = Vec::with_capacity(per * concurrency);
    while let Some(took) = callers.join_next().await {
        each.extend(took??);
    }
    let (took, syncs) = (started.elapsed(), house.syncs.load(Ordering::Relaxed) - before);
    Arc::into_inner(house).context("a caller still has the house")?.close().await?;
    Ok(Measured { runs: per * concurrency, took, each, syncs })
}

struct House {
    log: Arc<FileLog>,
    desk: Desk,
    playbook: Arc<Playbook>,
    ends: Arc<Ends>,
    syncs: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    dispatcher: JoinHandle<Result<(), Failure>>,
    watcher: JoinHandle<()>,
}

impl House {
    async fn open(dir: &Path, mode: Mode, worker: Option<SocketAddr>) -> Result<Self> {
        let disk = Arc::new(Counting::default());
        let syncs = disk.syncs();
        let dir = DataDir::open(disk, dir)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (log, _) = FileLog::open(&dir, &Options::default(), Arc::clone(&clock))?;
        let log = Arc::new(log);
        let journal: Arc<dyn Journal> = Arc::clone(&log) as _;
        let playbook = Arc::new(playbook(mode)?);
        let ports = Ports {
            clock: Arc::clone(&clock),
            journal: Arc::clone(&journal),
            recall: Arc::new(Nobody),
            model: Arc::new(Nobody),
            policy: Arc::new(Cedar::load(&[("bench.cedar".to_owned(), POLICY.to_owned())])?),
            actuator: actuator(&dir, worker, &journal, &clock)?,
        };
        let engine = Engine::new([Arc::clone(&playbook)]);
        let mut dispatcher = Dispatcher::new(ports, settings()?, engine);
        dispatcher.recover().await?;
        let (desk, ends) = (dispatcher.desk(), Arc::new(Ends::default()));
        let watcher = tokio::spawn(watch_ends(journal.follow(journal.tail().seq.next()), Arc::clone(&ends)));
        let (stop, stopping) = watch::channel(false);
        let dispatcher = tokio::spawn(dispatcher.run(stopping));
        Ok(Self { log, desk, playbook, ends, syncs, stop, dispatcher, watcher })
    }

    /// One caller: one run after the other.
    async fn call(&self, runs: usize) -> Result<Vec<Duration>> {
        let by: PrincipalId = "person:bench".parse()?;
        let mut each = Vec::with_capacity(runs);
        for _ in 0..runs {
            let started = Instant::now();
            let run = self.desk.start(&self.playbook, json!({ "n": 0 }), by.clone()).await?;
            match self.ends.of(run).await? {
                RunEnd::Completed { .. } => each.push(started.elapsed()),
                other => bail!("run {run} did not complete: {other:?}"),
            }
        }
        Ok(each)
    }

    async fn close(self) -> Result<()> {
        self.stop.send_replace(true);
        self.dispatcher.await??;
        self.log.close().await;
        self.watcher.await?;
        Ok(())
    }
}

/// Ten steps: pure ones, or looks at the worker.
fn playbook(mode: Mode) -> Result<Playbook> {
    let durability = if mode == Mode::Strict { "strict" } else { "native" };
    let step = |n: usize| match mode {
        Mode::Worker => {
            format!("  - s{n}: {{ call: http, with: {{ method: get, endpoint: 'http://worker.local/step' }} }}\n")
        }
        _ => format!("  - s{n}: {{ set: {{ n: '${{ .n + 1 }}' }} }}\n"),
    };
    let steps: String = (0..STEPS).map(step).collect();
    let text = format!(
        "document:\n  {{ dsl: '1.0.3', namespace: bench, name: steps, version: '1.0.0',\n    \
         metadata: {{ sinew: {{ durability: {durability} }} }} }}\ndo:\n{steps}"
    );
    let get = ("http.get".parse()?, KnownCapability { class: Class::Pure, compensation: None });
    let known = Known { capabilities: BTreeMap::from([get]), ..Known::default() };
    let (playbook, findings) = sinew_planning::check(&text, &known);
    let why = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    playbook.ok_or_else(|| anyhow!("the bench's playbook is not right:\n{why}"))
}

fn settings() -> Result<Settings> {
    Ok(Settings {
        agent: "agent:bench".parse()?,
        approvers: Approvers { role: "owner".to_owned(), quorum: 1, not_by: Vec::new() },
        gate_life: Duration::from_secs(60),
        catalogue: Digest::ZERO,
        records: Vec::new(),
    })
}

/// The last hop, with the built-in device for HTTP.
fn actuator(
    dir: &DataDir,
    worker: Option<SocketAddr>,
    journal: &Arc<dyn Journal>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Actuator>> {
    let surroundings = Surroundings {
        clock: Arc::clone(clock),
        hosts: worker.map(|at| ("worker.local".to_owned(), format!("http://{at}"))).into_iter().collect(),
        egress: Egress::new(["worker.local".to_owned()]),
        secrets: Arc::new(|_| Err(Failure::new(ErrorKind::Missing, "the bench has no secrets"))),
        data_dir: dir.path().to_owned(),
    };
    let opened = sinew_drivers::open(&json!({ "id": "http", "driver": "http" }), &surroundings)?;
    let devices: BTreeMap<DeviceId, Arc<dyn Device>> = [(opened.device.id().clone(), opened.device)].into();
    let parts = sinew_actuation::Parts {
        manifests: Arc::new(Manifests::load(&[], &devices)?),
        devices,
        journal: Arc::clone(journal),
        clock: Arc::clone(clock),
        latch: Arc::new(Latch::open(dir.path())?),
    };
    Ok(Arc::new(Act::new(parts)))
}

/// Who waits for which run, and which ended before anybody waited.
#[derive(Default)]
struct Ends(Mutex<HashMap<RunId, End>>);

enum End {
    Awaited(oneshot::Sender<RunEnd>),
    Come(RunEnd),
}

impl Ends {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<RunId, End>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a run to end.
    async fn of(&self, run: RunId) -> Result<RunEnd> {
        let (tell, told) = oneshot::channel();
        let come = self.with(|all| match all.remove(&run) {
            Some(End::Come(end)) => Some(end),
            _ => {
                all.insert(run, End::Awaited(tell));
                None
            }
        });
        match come {
            Some(end) => Ok(end),
            None => told.await.context("the log ended before the run did"),
        }
    }

    fn come(&self, run: RunId, end: RunEnd) {
        self.with(|all| match all.remove(&run) {
            // A caller who gave up hears nothing.
            Some(End::Awaited(tell)) => drop(tell.send(end)),
            _ => drop(all.insert(run, End::Come(end))),
        });
    }
}

/// Follows the log and tells callers how their runs ended.
async fn watch_ends(mut follower: Box<dyn Follow>, ends: Arc<Ends>) {
    while let Ok(entries) = follower.next(256).await {
        for entry in entries {
            if let (Some(run), Record::RunEnded(ended)) = (entry.header.run, &entry.record) {
                ends.come(run, ended.end.clone());
            }
        }
    }
    ends.with(HashMap::clear);
}

/// Whom the bench's playbooks never ask.
struct Nobody;

fn nobody<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::new(ErrorKind::Missing, format!("the bench {what} nothing")))
}

#[async_trait]
impl Recall for Nobody {
    async fn recall(&self, _: RecallQuery) -> Result<Value, Failure> {
        nobody("recalls")
    }
}

#[async_trait]
impl Model for Nobody {
    async fn answer(&self, _: &Ask) -> Result<Proposal, Failure> {
        nobody("infers")
    }
}
