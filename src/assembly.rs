//! The wiring diagram in code: a deployment's parts, each port filled with the room that answers it.
//!
//! ```text
//!            folders ─┐                    ┌─ policy (Cedar)   ┌─ drivers (devices)
//! people ──> api ──> intake ──> JOURNAL <──┼─ reasoning        │
//!             ^                 │   └──────┤  dispatcher ──> actuation
//!             └──── memory <────┘          └─ memory (recall)
//! ```

pub mod parts;
pub mod places;
pub mod replay;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use sinew_actuation::Act;
use sinew_api::people::{People, check_bind, local_token};
use sinew_api::views::{AuditView, When};
use sinew_contract::{
    Actuator, Approvers, Blobs, Booted, Clock, Device, Draft, ErrorKind, Expect, Journal, LogId, PrincipalId, Recall,
    Record, Seq,
};
use sinew_journal::{DataDir, FileBlobs, FileLog, OpenError, Options, RealDisk};
use sinew_memory::Memory;
use sinew_planning::{Dispatcher, Engine, Ports, Settings};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::cli::{Coded, Exit, ExitWith};
use crate::deployment::Deployment;
use crate::house::Inside;
use crate::house::stops::Stops;
use crate::intake::Intake;
use crate::runtime::{SystemClock, choose_tls};
use parts::Parts;
use places::Places;

/// How often the stop file is read again: one that was written there holds within a third of a second.
const STOP_EVERY: Duration = Duration::from_millis(250);
/// How long a watched folder that cannot be read is left alone.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How often a running hub verifies its own log: it reads the whole of it, so not more often than a person looks.
const AUDIT_EVERY: Duration = Duration::from_secs(3_600);

/// How a hub can be reached, once it is ready.
#[derive(Clone, Debug)]
pub struct Started {
    /// The deployment's name.
    pub name: String,
    /// Where pages and API are.
    pub url: String,
    /// Logs the owner in, once.
    pub login: String,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Which log.
    pub log: LogId,
    /// From the start of the process's work to ready.
    pub ready_ms: u128,
}

/// A deployment, assembled and recovered, not yet running.
pub struct Hub {
    started: Started,
    secret: [u8; 32],
    log: Arc<FileLog>,
    inside: Arc<Inside>,
    people: Arc<People>,
    dispatcher: Dispatcher,
    folders: Vec<Arc<sinew_drivers::FolderDevice>>,
    listener: TcpListener,
    places: Places,
    /// By which names others may call it.
    names: Vec<String>,
}

impl Hub {
    /// Opens everything, folds the log again, and binds the address.
    ///
    /// # Errors
    /// `BadConfig` for a deployment that is not right; `AuditBroken` for a log that was changed; `Failed` where the data
    /// directory or the address cannot be had.
    pub async fn start(deployment: Deployment) -> Result<Self, Coded> {
        let begun = Instant::now();
        choose_tls();
        let parts = Parts::load(&deployment).or_exit(Exit::BadConfig)?;
        let dir = open_dir(&deployment.config.data_dir)?;
        parts.folders.iter().try_for_each(|folder| folder.prepare()).or_exit(Exit::Failed)?;
        let places = Places::new(dir.path());
        let people = door(&deployment, &places)?;
        let listener = bind(deployment.config.listen).or_exit(Exit::Failed)?;
        let hub = Self::assemble(deployment, parts, &dir, (people, listener), begun).await;
        hub.map_err(|error| Coded::new(exit_of(&error), error))
    }

    async fn assemble(
        deployment: Deployment,
        parts: Parts,
        dir: &DataDir,
        (people, listener): (People, TcpListener),
        begun: Instant,
    ) -> Result<Self> {
        let places = Places::new(dir.path());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (log, opened) = FileLog::open(dir, &Options::default(), Arc::clone(&clock))?;
        info!(?opened, "log opened");
        let log = Arc::new(log);
        let journal: Arc<dyn Journal> = Arc::clone(&log) as _;
        let blobs: Arc<dyn Blobs> = Arc::new(FileBlobs::open(dir)?);
        let (memory, found) = Memory::open(&places.memory(), journal.id())?;
        info!(?found, "memory opened");
        let known = parts.known.clone();
        let engine = engine(&parts, &known, journal.as_ref(), blobs.as_ref()).await?;
        let manifests: Vec<_> = parts.manifests.iter().cloned().collect();
        let stops = Stops::open(dir.path())?;
        let actuator = Act::new(sinew_actuation::Parts {
            manifests: Arc::new(parts.manifests),
            devices: parts.devices,
            journal: Arc::clone(&journal),
            clock: Arc::clone(&clock),
            latch: Arc::clone(stops.latch()),
        });
        #[cfg(feature = "faults")]
        let actuator = actuator.with_faults(crate::faults::hop());
        let actuator: Arc<dyn Actuator> = Arc::new(actuator);
        let policy = Arc::new(parts.policy);
        boot(journal.as_ref(), &deployment, policy.as_ref()).await?;
        let settings = Settings {
            agent: parts.agent,
            approvers: Approvers { role: deployment.config.gates.role.clone(), quorum: 1, not_by: Vec::new() },
            gate_life: deployment.config.gate_life(),
            catalogue: deployment.digest,
        };
        let ports = Ports {
            clock: Arc::clone(&clock),
            journal: Arc::clone(&journal),
            recall: Arc::new(memory.clone()) as Arc<dyn Recall>,
            model: parts.reasoner.into_port(),
            policy,
            actuator: Arc::clone(&actuator),
        };
        let mut dispatcher = Dispatcher::new(ports, settings, engine);
        let intake = Intake::new(Arc::clone(&journal), Arc::clone(&blobs), Arc::clone(&clock), Arc::new(parts.scanner));
        let intake = Arc::new(intake);
        catch_up(journal.as_ref(), &memory, &intake, &stops).await?;
        settle_stops(journal.as_ref(), &stops).await?;
        dispatcher.recover().await?;
        let secret = places.secret()?;
        let owner = people.owner().map(|person| person.name.clone()).unwrap_or_default();
        let url = format!("http://{}", listener.local_addr()?);
        let code = people.issue_link(&owner)?;
        places.announce(&url, &owner)?;
        let names = deployment.config.all_names();
        let root = dir.path().to_owned();
        let log_id = journal.id();
        let inside = Inside {
            journal,
            blobs,
            memory,
            desk: dispatcher.desk(),
            intake,
            actuator,
            manifests,
            targets: deployment.config.targets.clone(),
            since: clock.now().wall,
            clock,
            stops,
            audited: Mutex::new(None),
            verify: Box::new(move || audit(&root, log_id)),
        };
        let started = Started {
            name: deployment.config.name,
            login: format!("{url}/login?code={code}"),
            url,
            data_dir: dir.path().to_owned(),
            log: log_id,
            ready_ms: begun.elapsed().as_millis(),
        };
        let (inside, people) = (Arc::new(inside), Arc::new(people));
        Ok(Self { started, secret, log, inside, people, dispatcher, folders: parts.folders, listener, places, names })
    }

    /// How it can be reached.
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// The bearer token of a local caller.
    pub fn token(&self, person: &str) -> String {
        local_token(self.secret, person)
    }

    /// Runs until `until` is done or a part fails; then ends the parts in reverse order and closes the log.
    ///
    /// # Errors
    /// Whatever made a part fail.
    pub async fn run(self, until: impl Future<Output = std::io::Result<()>> + Send) -> Result<()> {
        let Self { log, inside, people, dispatcher, folders, listener, places, started, names, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let mut tasks: JoinSet<Result<()>> = JoinSet::new();
        let of = |stopping: &watch::Receiver<bool>| stopping.clone();
        let ended = of(&stopping);
        tasks.spawn(async move { Ok(dispatcher.run(ended).await?) });
        tasks.spawn(project(Arc::clone(&inside), of(&stopping)));
        let settings = sinew_api::Settings {
            site: started.name,
            hosts: names,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..sinew_api::Settings::default()
        };
        tasks.spawn(serve(listener, Arc::clone(&inside), people, settings, of(&stopping)));
        tasks.spawn(keep_auditing(Arc::clone(&inside), of(&stopping)));
        tasks.spawn(watch_stop(Arc::clone(&inside), of(&stopping)));
        for folder in folders {
            tasks.spawn(listen(folder, Arc::clone(&inside), of(&stopping)));
        }
        let outcome = tokio::select! {
            signal = until => signal.context("waiting for the end"),
            failed = first_failure(&mut tasks) => Err(failed),
        };
        stop.send_replace(true);
        while let Some(ended) = tasks.join_next().await {
            if let Ok(Err(failure)) = ended {
                warn!("{failure:#}");
            }
        }
        log.close().await;
        if let Err(failure) = std::fs::remove_file(places.address()) {
            warn!(%failure, "cannot remove the address file");
        }
        outcome
    }
}

/// The first part that fails; never returns while parts end well.
async fn first_failure(tasks: &mut JoinSet<Result<()>>) -> anyhow::Error {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(failure))) => {
                error!("{failure:#}");
                return failure;
            }
            Some(Err(crash)) => return anyhow::Error::new(crash).context("a part crashed"),
            None => std::future::pending().await,
        }
    }
}

/// Locks a data directory; makes it where there is none.
///
/// # Errors
/// Where another process has it, or it is of a newer version, or something else.
pub fn open_dir(path: &Path) -> Result<DataDir, Coded> {
    DataDir::open(Arc::new(RealDisk), path).or_exit(Exit::Failed)
}

/// Who may come in, and whether they can prove it where others can reach the address.
fn door(deployment: &Deployment, places: &Places) -> Result<People, Coded> {
    let secret = places.secret().or_exit(Exit::Failed)?;
    let people = People::open(deployment.people.clone(), Box::new(places.clone()), secret, Arc::new(SystemClock));
    let people = people.and_then(|people| check_bind(deployment.config.listen, &people).map(|()| people));
    people.map_err(|error| {
        let exit = if error.kind() == ErrorKind::Broken { Exit::Failed } else { Exit::BadConfig };
        Coded::new(exit, error.into())
    })
}

/// A log that was changed has its own exit code, wherever that is noticed.
fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::Damaged(_)) => Exit::AuditBroken,
        _ => Exit::Failed,
    }
}

/// Opens a log for reading its history, while no hub is running on it.
///
/// # Errors
/// Where it is in use, damaged or not there.
pub fn open_log(path: &Path) -> Result<(FileLog, FileBlobs)> {
    if !path.join("journal").is_dir() {
        return Err(anyhow!("`{}` is not a data directory", path.display()));
    }
    let dir = DataDir::open(Arc::new(RealDisk), path)?;
    let (log, _) = FileLog::open(&dir, &Options::default(), Arc::new(SystemClock))?;
    Ok((log, FileBlobs::open(&dir)?))
}

/// The engine with today's playbooks, and those to which runs of yesterday are pinned.
async fn engine(
    parts: &Parts,
    known: &sinew_planning::Known,
    journal: &dyn Journal,
    blobs: &dyn Blobs,
) -> Result<Engine> {
    for playbook in &parts.playbooks {
        let text = sinew_expr::canonical(playbook.document());
        blobs.put(text.into(), "application/json").await.context("cannot keep a playbook's text")?;
    }
    let pinned = replay::pinned(journal, blobs, known).await?;
    let mut engine = Engine::new(parts.playbooks.iter().cloned());
    pinned.into_values().for_each(|playbook| engine.keep(playbook));
    Ok(engine)
}

async fn boot(journal: &dyn Journal, deployment: &Deployment, policy: &dyn sinew_contract::Policy) -> Result<()> {
    let booted =
        Booted { version: env!("CARGO_PKG_VERSION").to_owned(), catalogue: deployment.digest, policy: policy.digest() };
    let draft = Draft::new(own_name(), Record::Booted(booted));
    journal.append(vec![draft], Expect::Anything).await?;
    Ok(())
}

/// The principal of the house itself.
fn own_name() -> PrincipalId {
    "sinew".parse().expect("`sinew` is a plain name")
}

/// Folds the log into memory and intake up to its present end.
async fn catch_up(journal: &dyn Journal, memory: &Memory, intake: &Intake, stops: &Stops) -> Result<()> {
    let head = memory.head();
    let stands = head.seq == Seq::ZERO || journal.read(head.seq, 1)?.first().is_some_and(|e| e.hash == head.hash);
    if !stands {
        warn!(at = %head.seq, "memory was folded from another history; folding again");
        memory.reset().await?;
    }
    let mut from = Seq::ZERO.next();
    loop {
        let entries = journal.read(from, 256)?;
        let Some(last) = entries.last() else { return Ok(()) };
        from = last.seq().next();
        entries.iter().for_each(|entry| {
            intake.observe(entry);
            stops.observe(entry);
        });
        memory.fold(entries).await?;
    }
}

/// Tells the log what was stopped or released while nobody was running, before anything can leave.
async fn settle_stops(journal: &dyn Journal, stops: &Stops) -> Result<()> {
    for stop in stops.reconcile()? {
        let told = journal.append(vec![Draft::new(own_name(), Record::Stop(stop))], Expect::Anything).await?;
        let from = told.entries.first().map_or(Seq::ZERO, |entry| entry.seq);
        journal.read(from, 1)?.iter().for_each(|entry| stops.observe(entry));
    }
    Ok(())
}

/// Returns when the end is told, or nobody can tell it any more. Cancel safe.
async fn told(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stop| *stop).await);
}

/// Keeps memory and intake at the end of the log.
async fn project(inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut follower = inside.journal.follow(inside.memory.watermark().next());
    loop {
        // Cancel safe: both say so.
        let batch = tokio::select! {
            batch = follower.next(256) => batch?,
            () = told(&mut stopping) => return Ok(()),
        };
        batch.iter().for_each(|entry| inside.intake.observe(entry));
        inside.memory.fold(batch).await?;
    }
}

async fn serve(
    listener: TcpListener,
    inside: Arc<Inside>,
    people: Arc<People>,
    settings: sinew_api::Settings,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let parts = sinew_api::Parts {
        house: Arc::clone(&inside) as _,
        clock: Arc::clone(&inside.clock),
        watch: inside,
        people,
        settings,
    };
    let until = async move {
        told(&mut stopping).await;
    };
    sinew_api::serve(listener, parts, until).await.context("the pages")
}

/// Takes in what appears in a watched folder; each file stays there until its event is durable. A folder that cannot be
/// read is tried again and ends nothing; a broken log ends all.
async fn listen(
    folder: Arc<sinew_drivers::FolderDevice>,
    inside: Arc<Inside>,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    loop {
        // Cancel safe: what was handed out and not taken in is handed out again after a restart.
        let listened = async {
            match Device::listen(folder.as_ref()).await {
                Ok(reading) => crate::intake::take_file(&inside.intake, &folder, reading).await,
                Err(failure) => {
                    error!(%failure, path = %folder.path().display(), "cannot watch a folder; trying again");
                    tokio::time::sleep(TRY_AGAIN).await;
                    folder.prepare().map_or_else(|error| warn!("{error}"), |()| ());
                    Ok(())
                }
            }
        };
        tokio::select! {
            listened = listened => listened?,
            () = told(&mut stopping) => return Ok(()),
        }
    }
}

/// Looks at the stop file again and again: another process may press stop there while the pages do not answer.
async fn watch_stop(inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut fault = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(STOP_EVERY) => {}
            () = told(&mut stopping) => return Ok(()),
        }
        let latch = Arc::clone(inside.stops.latch());
        let read =
            tokio::task::spawn_blocking(move || latch.reread()).await.context("the look at the stop file crashed")?;
        let now = read.as_ref().err().map(ToString::to_string);
        if now.is_some() && now != fault {
            error!(problem = now, "the stop file cannot be kept; a stop may not survive a restart");
        }
        fault = now;
        for stop in read.unwrap_or_default() {
            warn!(reason = stop.reason, "stop was pressed in the stop file");
            if let Err(failure) = inside.record_stop(stop, own_name()).await {
                error!(%failure, "stop holds but could not be journaled");
            }
        }
    }
}

/// Verifies the log after the start and every hour from then on, for the audit page.
async fn keep_auditing(inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    loop {
        let of_thread = Arc::clone(&inside);
        tokio::task::spawn_blocking(move || of_thread.verify_now()).await.context("the audit crashed")?;
        let next = inside.clock.now().wall.after(AUDIT_EVERY);
        tokio::select! {
            () = inside.clock.sleep_until(next) => {}
            () = told(&mut stopping) => return Ok(()),
        }
    }
}

fn audit(root: &Path, log: LogId) -> AuditView {
    let report = sinew_journal::verify(&RealDisk, root);
    let at = Some(When(SystemClock.now().wall));
    let (ok, head, problem) = match report {
        Ok(report) => (true, report.head, None),
        Err(error) => (
            false,
            sinew_contract::EntryRef { seq: Seq::ZERO, hash: sinew_contract::Digest::ZERO },
            Some(error.to_string()),
        ),
    };
    AuditView { log, entries: head.seq, head: head.hash, ok: Some(ok), verified_to: head.seq, verified_at: at, problem }
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen at {address}; is another one running? choose with --listen 127.0.0.1:0")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
