//! One process: journal, last hop and dispatcher, opened over what the disk has, until the power fails.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sinew_actuation::{Act, Latch, Manifests};
use sinew_contract::{
    Actuator, Approvers, Booted, Clock, Device, DeviceId, Digest, Draft, Expect, Failure, Journal, PrincipalId, Record,
};
use sinew_journal::{DataDir, DrivenLog, Options, SimDisk};
use sinew_planning::{Desk, Dispatcher, Engine, Playbook, Ports, Settings};
use sinew_testkit::SimClock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::rooms::Rooms;

/// What every process of a history is made of.
pub(crate) struct Ground {
    pub disk: SimDisk,
    pub clock: Arc<SimClock>,
    pub devices: BTreeMap<DeviceId, Arc<dyn Device>>,
    pub manifests: Arc<Manifests>,
    pub latch: Arc<Latch>,
    pub playbook: Arc<Playbook>,
}

/// One process.
pub(crate) struct House {
    pub log: Arc<DrivenLog>,
    pub desk: Desk,
    _stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), Failure>>,
}

/// Small, so that histories roll over segments and checkpoints.
fn options() -> Options {
    Options { segment_bytes: 64 << 10, batch_bytes_max: 48 << 10, checkpoint_every: 16, ..Options::default() }
}

pub(crate) fn principal(name: &str) -> PrincipalId {
    name.parse().expect("a plain name")
}

impl Ground {
    /// Opens the log.
    pub fn open(&self) -> Result<DrivenLog, String> {
        let dir = DataDir::open(Arc::new(self.disk.clone()), Path::new("/data")).map_err(|e| e.to_string())?;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        DrivenLog::open(&dir, &options(), clock).map(|(log, _)| log).map_err(|e| e.to_string())
    }

    /// Starts a process. Where the power fails meanwhile there is none.
    pub async fn start(&self) -> Result<House, String> {
        let log = Arc::new(self.open()?);
        let journal: Arc<dyn Journal> = Arc::clone(&log) as _;
        let actuator = Act::new(sinew_actuation::Parts {
            journal: Arc::clone(&journal),
            clock: Arc::clone(&self.clock) as _,
            manifests: Arc::clone(&self.manifests),
            devices: self.devices.clone(),
            latch: Arc::clone(&self.latch),
        });
        let ports = Ports {
            clock: Arc::clone(&self.clock) as _,
            journal,
            recall: Arc::new(Rooms),
            model: Arc::new(Rooms),
            policy: Arc::new(Rooms),
            actuator: Arc::new(actuator) as Arc<dyn Actuator>,
        };
        let settings = Settings {
            agent: principal("agent:return-clerk"),
            approvers: Approvers { role: "returns-lead".to_owned(), quorum: 1, not_by: Vec::new() },
            gate_life: Duration::from_secs(3_600),
            catalogue: Digest([1; 32]),
            records: Vec::new(),
        };
        let booted = Booted { version: "0".to_owned(), catalogue: Digest([1; 32]), policy: Digest::ZERO };
        append(&log, Draft::new(principal("sinew"), Record::Booted(booted))).await.map_err(|e| e.to_string())?;
        let mut dispatcher = Dispatcher::new(ports, settings, Engine::new([Arc::clone(&self.playbook)]));
        dispatcher.recover().await.map_err(|e| e.to_string())?;
        let desk = dispatcher.desk();
        let (stop, stopping) = watch::channel(false);
        Ok(House { log, desk, _stop: stop, running: tokio::spawn(dispatcher.run(stopping)) })
    }
}

/// Appends one draft and commits it, with all that waits.
pub(crate) async fn append(log: &Arc<DrivenLog>, draft: Draft) -> Result<(), Failure> {
    let appending = tokio::spawn({
        let log = Arc::clone(log);
        async move { log.append(vec![draft], Expect::Anything).await.map(drop) }
    });
    while !appending.is_finished() {
        tokio::task::yield_now().await;
        log.commit(usize::MAX);
    }
    appending.await.expect("appending does not panic")
}

impl House {
    /// Says whether the process has ended by itself: nothing goes on without the log.
    pub fn is_down(&self) -> bool {
        self.running.is_finished()
    }

    /// The power fails: nothing of the process goes on, and it says no last word.
    pub async fn kill(self) -> Result<(), String> {
        self.running.abort();
        match self.running.await {
            Err(error) if error.is_panic() => Err(format!("the dispatcher panicked: {error}")),
            _ => Ok(()),
        }
    }
}
