//! The wiring diagram in code: a deployment's parts, each port filled with the room that answers it.
//!
//! ```text
//!            folders ─┐                    ┌─ policy (Cedar)   ┌─ drivers (devices)
//! people ──> api ──> intake ──> JOURNAL <──┼─ reasoning        │
//!             ^                 │   └──────┤  dispatcher ──> actuation
//!             └──── memory <────┘          └─ memory (recall)
//! ```

pub mod embedder;
pub mod notes;
pub mod parts;
pub mod places;
mod recover;
pub mod replay;
mod tasks;
mod wired;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use sinew_actuation::{Act, Manifests, Rules};
use sinew_api::people::{People, check_bind, local_token};
use sinew_contract::{
    Actuator, Approvers, Blobs, Clock, Device, DeviceId, ErrorKind, Event, Journal, LogId, Policy, PrincipalId, Recall,
    Reflexive,
};
use sinew_drivers::Broker;
use sinew_journal::{DataDir, FileBlobs, FileLog, OpenError, Options, RealDisk};
use sinew_memory::Memory;
use sinew_planning::{Dispatcher, Ports, Settings};
use sinew_reasoning::{Keeper, Outside};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::cli::{Coded, Exit, ExitWith};
use crate::deployment::Deployment;
use crate::house::Inside;
use crate::house::stops::Stops;
use crate::intake::Intake;
use crate::runtime::{SystemClock, choose_tls};
use parts::Parts;
use places::Places;
use wired::Wired;

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

/// What every other part stands on.
#[derive(Clone)]
struct Ground {
    clock: Arc<dyn Clock>,
    log: Arc<FileLog>,
    journal: Arc<dyn Journal>,
    blobs: Arc<dyn Blobs>,
    memory: Memory,
}

impl Ground {
    fn open(dir: &DataDir, places: &Places) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (log, opened) = FileLog::open(dir, &Options::default(), Arc::clone(&clock))?;
        info!(?opened, "log opened");
        let log = Arc::new(log);
        let journal: Arc<dyn Journal> = Arc::clone(&log) as _;
        let blobs: Arc<dyn Blobs> = Arc::new(FileBlobs::open(dir)?);
        let (memory, found) = Memory::open(&places.memory(), journal.id())?;
        let memory = memory.with_embed(embedder::open(embedder::Kind::Hash, None)?);
        info!(?found, "memory opened");
        Ok(Self { clock, log, journal, blobs, memory })
    }
}

/// What stands between the dispatcher and the last hop.
pub type Before = Box<dyn FnOnce(Arc<dyn Actuator>) -> Arc<dyn Actuator> + Send>;

/// A deployment, assembled and recovered, not yet running.
pub struct Hub {
    started: Started,
    secret: [u8; 32],
    log: Arc<FileLog>,
    inside: Arc<Inside>,
    people: Arc<People>,
    dispatcher: Dispatcher,
    keeper: Keeper,
    folders: Vec<Arc<sinew_drivers::FolderDevice>>,
    last_hop: Arc<Act>,
    wired: Vec<Wired>,
    broker: Option<Broker>,
    policy: Arc<dyn Policy>,
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
        Self::start_before(deployment, Box::new(|last_hop| last_hop)).await
    }

    /// As `start`, with something between the dispatcher and the last hop, so that what goes wrong on that way can be made
    /// to go wrong. Nothing can stand behind the last hop: it alone holds the devices.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_before(deployment: Deployment, before: Before) -> Result<Self, Coded> {
        let begun = Instant::now();
        choose_tls();
        let parts = Parts::load(&deployment).or_exit(Exit::BadConfig)?;
        let dir = open_dir(&deployment.config.data_dir)?;
        parts.folders.iter().try_for_each(|folder| folder.prepare()).or_exit(Exit::Failed)?;
        let places = Places::new(dir.path());
        let people = door(&deployment, &places)?;
        let listener = bind(deployment.config.listen).or_exit(Exit::Failed)?;
        let hub = Self::assemble(deployment, parts, &dir, (people, listener), (begun, before)).await;
        hub.map_err(|error| Coded::new(exit_of(&error), error))
    }

    async fn assemble(
        deployment: Deployment,
        parts: Parts,
        dir: &DataDir,
        (people, listener): (People, TcpListener),
        (begun, before): (Instant, Before),
    ) -> Result<Self> {
        let places = Places::new(dir.path());
        let ground = Ground::open(dir, &places)?;
        let Ground { clock, log, journal, blobs, memory } = ground.clone();
        let engine = recover::engine(&parts, journal.as_ref(), blobs.as_ref()).await?;
        let stops = Stops::open(dir.path())?;
        let manifests: Vec<_> = parts.manifests.iter().cloned().collect();
        let last_hop = last_hop(parts.manifests, parts.devices, &ground, &stops);
        let actuator = before(Arc::clone(&last_hop) as Arc<dyn Actuator>);
        let policy: Arc<dyn Policy> = Arc::new(parts.policy);
        recover::boot(journal.as_ref(), &deployment, policy.as_ref()).await?;
        let outside = Outside { journal: Arc::clone(&journal), blobs: Arc::clone(&blobs), clock: Arc::clone(&clock) };
        let (reasoner, keeper) = parts.reasoner.with_models(&parts.models, &parts::secret, &outside)?;
        let reasoner = Arc::new(reasoner);
        let ports = Ports {
            clock: Arc::clone(&clock),
            journal: Arc::clone(&journal),
            recall: Arc::new(memory.clone()) as Arc<dyn Recall>,
            model: Arc::clone(&reasoner) as _,
            policy: Arc::clone(&policy),
            actuator: Arc::clone(&actuator),
        };
        let mut dispatcher = Dispatcher::new(ports, settings(&deployment, parts.agent), engine);
        let intake = Intake::new(Arc::clone(&journal), Arc::clone(&blobs), Arc::clone(&clock), Arc::new(parts.scanner));
        let intake = Arc::new(intake);
        recover::catch_up(journal.as_ref(), &memory, &intake, &stops, &reasoner).await?;
        reasoner.recovered();
        recover::settle_stops(journal.as_ref(), &stops).await?;
        dispatcher.recover().await?;
        let wired = connect(parts.wired, &ground, &stops, policy.as_ref()).await?;
        let broker =
            deployment.config.broker.as_ref().map(|config| Broker::open(config, &parts::secret)).transpose()?;
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
            reasoner,
            actuator,
            manifests,
            targets: deployment.config.targets.clone(),
            since: clock.now().wall,
            clock,
            stops,
            audited: Mutex::new(None),
            verify: Box::new(move || tasks::audit(&root, log_id)),
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
        Ok(Self {
            started,
            secret,
            log,
            inside,
            people,
            dispatcher,
            keeper,
            folders: parts.folders,
            last_hop,
            wired,
            broker,
            policy,
            listener,
            places,
            names,
        })
    }

    /// Takes events in, each once for ever by its source and id; returns when they are on disk.
    ///
    /// # Errors
    /// `Busy` where they cannot be kept now; `Broken` where the log is.
    pub async fn admit(&self, events: Vec<Event>, by: &PrincipalId) -> Result<()> {
        for event in events {
            self.inside.intake.admit(event, by).await?;
        }
        Ok(())
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
        let Self {
            log,
            inside,
            people,
            dispatcher,
            keeper,
            folders,
            last_hop,
            wired,
            broker,
            policy,
            listener,
            places,
            started,
            names,
            ..
        } = self;
        let (stop, stopping) = watch::channel(false);
        let mut parts: JoinSet<Result<()>> = JoinSet::new();
        let of = |stopping: &watch::Receiver<bool>| stopping.clone();
        let ended = of(&stopping);
        parts.spawn(async move { Ok(dispatcher.run(ended).await?) });
        let mut ended = of(&stopping);
        parts.spawn(async move { Ok(keeper.run(async move { tasks::told(&mut ended).await }).await?) });
        parts.spawn(tasks::project(Arc::clone(&inside), of(&stopping)));
        let settings = sinew_api::Settings {
            site: started.name,
            hosts: names,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..sinew_api::Settings::default()
        };
        parts.spawn(tasks::serve(listener, Arc::clone(&inside), people, settings, of(&stopping)));
        parts.spawn(tasks::keep_auditing(Arc::clone(&inside), of(&stopping)));
        parts.spawn(tasks::watch_stop(Arc::clone(&inside), of(&stopping)));
        parts.spawn(tasks::keep_safe(Arc::clone(&last_hop), of(&stopping)));
        parts.spawn(tasks::tell_safe(last_hop, Arc::clone(&inside), of(&stopping)));
        for folder in folders {
            parts.spawn(tasks::listen(folder, Arc::clone(&inside), of(&stopping)));
        }
        if let Some(broker) = broker {
            parts.spawn(wired::run_broker(broker, Arc::clone(&inside), of(&stopping)));
        }
        for wired in &wired {
            wired.device.start()?;
            let (inside, wired) = (&inside, || wired.clone());
            let policy = Arc::clone(&policy);
            parts.spawn(wired::keep_reflexes(wired(), Arc::clone(inside), policy, of(&stopping)));
            parts.spawn(wired::take_events(wired(), Arc::clone(inside), of(&stopping)));
            parts.spawn(wired::tell_drops(wired(), Arc::clone(inside), of(&stopping)));
            parts.spawn(wired::tell_presence(wired(), Arc::clone(inside), of(&stopping)));
        }
        let outcome = tokio::select! {
            signal = until => signal.context("waiting for the end"),
            failed = tasks::first_failure(&mut parts) => Err(failed),
        };
        for wired in wired {
            tokio::task::spawn_blocking(move || wired.device.end()).await.context("a device cannot end")?;
        }
        stop.send_replace(true);
        while let Some(ended) = parts.join_next().await {
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

/// The only part that holds devices which can act.
fn last_hop(
    manifests: Manifests,
    devices: BTreeMap<DeviceId, Arc<dyn Device>>,
    ground: &Ground,
    stops: &Stops,
) -> Arc<Act> {
    let actuator = Act::new(sinew_actuation::Parts {
        manifests: Arc::new(manifests),
        devices,
        journal: Arc::clone(&ground.journal),
        clock: Arc::clone(&ground.clock),
        latch: Arc::clone(stops.latch()),
    });
    #[cfg(feature = "faults")]
    let actuator = actuator.with_faults(crate::faults::hop());
    Arc::new(actuator)
}

/// Puts the reflexes in force, as far as policy grants them; the devices are not connected yet.
async fn connect(
    wired: Vec<(Arc<sinew_drivers::MqttDevice>, Rules)>,
    ground: &Ground,
    stops: &Stops,
    policy: &dyn Policy,
) -> Result<Vec<Wired>> {
    let mut all = Vec::new();
    for (device, rules) in wired {
        let reflexes = Arc::new(rules.with(Arc::clone(stops.latch()), Arc::clone(&ground.clock)));
        let wired = Wired { device, reflexes };
        wired.grant(ground.journal.as_ref(), policy, ground.clock.as_ref()).await?;
        wired.device.attach(wired.reflexes.filters(), Arc::clone(&wired.reflexes) as _);
        all.push(wired);
    }
    Ok(all)
}

/// What the dispatcher needs to know of the deployment.
fn settings(deployment: &Deployment, agent: PrincipalId) -> Settings {
    Settings {
        agent,
        approvers: Approvers { role: deployment.config.gates.role.clone(), quorum: 1, not_by: Vec::new() },
        gate_life: deployment.config.gate_life(),
        catalogue: deployment.digest,
        records: deployment.config.records.iter().map(record).collect(),
    }
}

fn record(at: &crate::config::SystemOfRecord) -> sinew_planning::SystemOfRecord {
    let crate::config::SystemOfRecord { host, path, one, facts } = at.clone();
    sinew_planning::SystemOfRecord { host, path, one, facts }
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

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen at {address}; is another one running? choose with --listen 127.0.0.1:0")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
