//! A process on a stage: real log, engine, dispatcher and last hop, before simulated time and hosts on loopback.
//!
//! Does not judge. What it has done already it reads from the log, so that a second process goes on where the first died.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sinew_actuation::{Act, Latch, Manifests};
use sinew_contract::{
    Actuator, Answer, Approvers, Booted, Clock, Device, DeviceId, Digest, Draft, Entry, Event, Expect, Failure,
    Journal, Model, OfRun, PrincipalId, Recall, Record, RunId, RunStarted, Seq, Timestamp,
};
use sinew_drivers::{Egress, Surroundings};
use sinew_journal::{DataDir, FileLog, Options, RealDisk};
use sinew_memory::Memory;
use sinew_planning::{
    Desk, Dispatcher, ENGINE_VERSION, Engine, Finding, Known, KnownCapability, Playbook, Ports, Reply, Settings,
};
use sinew_policy::Cedar;
use sinew_reasoning::Reasoner;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock::StageClock;
use super::guard::{Guard, Guarded};
use super::hosts::{Hosts, World};
use super::steps::{Incoming, Scenario};
use crate::assembly::parts;

/// The hosts that are always there.
const HOSTS: &[&str] = &["petstore.swagger.io", "httpbin.org", "shop.test"];
/// How often all other tasks get their turn before they count as waiting.
const TURNS: usize = 48;
/// Nobody is waited for longer, in real time.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
/// Who sets the stage.
const TESTER: &str = "person:tester";
const ROLE: &str = "lead";

/// The deployment in which scenarios play: that of the folder, in `deployment/`, else a small one of our own.
pub struct Setting {
    texts: BTreeMap<&'static str, Vec<(String, String)>>,
}

impl Setting {
    /// Reads it.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let own = folder.join("deployment");
        let mut texts = BTreeMap::new();
        for (kind, ending) in
            [("capabilities", "toml"), ("policies", "cedar"), ("rules", "toml"), ("templates", "toml")]
        {
            let found = if own.is_dir() { read_all(&own.join(kind), ending)? } else { built_in(kind) };
            texts.insert(kind, found);
        }
        Ok(Self { texts })
    }

    fn texts(&self, kind: &str) -> Vec<(String, String)> {
        self.texts.get(kind).cloned().unwrap_or_default()
    }
}

fn read_all(folder: &Path, ending: &str) -> Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(texts) };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            texts.push((
                name,
                std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?,
            ));
        }
    }
    texts.sort();
    Ok(texts)
}

fn built_in(kind: &str) -> Vec<(String, String)> {
    let files: &[(&str, &str)] = match kind {
        "capabilities" => &[
            ("shop.pay.toml", include_str!("deployment/shop.pay.toml")),
            ("shop.unpay.toml", include_str!("deployment/shop.unpay.toml")),
            ("shop.tell.toml", include_str!("deployment/shop.tell.toml")),
            ("shop.guarded.toml", include_str!("deployment/shop.guarded.toml")),
            ("shop.forbidden.toml", include_str!("deployment/shop.forbidden.toml")),
        ],
        "policies" => &[("stage.cedar", include_str!("deployment/stage.cedar"))],
        "rules" => &[("size.toml", include_str!("deployment/size.toml"))],
        "templates" => &[("letter.toml", include_str!("deployment/letter.toml"))],
        _ => &[],
    };
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// How an act on the stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curtain {
    /// Nothing more happens.
    Over,
    /// The process was killed.
    Dead,
}

/// One process.
pub struct Stage {
    pub guard: Arc<Guard>,
    log: Arc<FileLog>,
    journal: Arc<dyn Journal>,
    clock: Arc<StageClock>,
    desk: Desk,
    playbooks: Vec<Arc<Playbook>>,
    tasks: JoinSet<Result<(), Failure>>,
    stop: watch::Sender<bool>,
    _hosts: Hosts,
}

/// The playbooks of a scenario, and what the validator says of them.
pub fn check(setting: &Setting, scenario: &Scenario) -> Result<(Vec<Arc<Playbook>>, Vec<Finding>)> {
    let devices = devices(&Arc::default(), &Hosts::none(), Path::new("."))?;
    let manifests = Manifests::load(&setting.texts("capabilities"), &devices)?;
    let reasoner = Reasoner::load(&setting.texts("rules"), &setting.texts("templates"))?;
    let known = known(scenario, &manifests, &reasoner);
    let (mut playbooks, mut all) = (Vec::new(), Vec::new());
    for text in &scenario.definitions {
        let (playbook, findings) = sinew_planning::check(text, &known);
        all.extend(findings);
        playbooks.extend(playbook.map(Arc::new));
    }
    Ok((playbooks, all))
}

fn known(scenario: &Scenario, manifests: &Manifests, reasoner: &Reasoner) -> Known {
    let capability = |m: &Arc<sinew_contract::Manifest>| {
        (m.name.clone(), KnownCapability { class: m.class, compensation: m.compensation.clone() })
    };
    Known {
        capabilities: manifests.iter().map(capability).collect(),
        rules: reasoner.names().rules.iter().cloned().collect(),
        templates: reasoner.names().templates.iter().cloned().collect(),
        roles: [ROLE.to_owned()].into(),
        playbooks: scenario.definitions.iter().filter_map(|text| sinew_planning::named(text)).collect(),
        routes: parts::routes(&[(String::new(), SHOP.to_owned())], manifests.iter()),
    }
}

const HTTP: &str = "id = \"http\"\ndriver = \"http\"\n";
const SHOP: &str = "id = \"shop\"\ndriver = \"http\"\nbase = \"http://shop.test\"\n";

fn devices(clock: &Arc<StageClock>, hosts: &Hosts, dir: &Path) -> Result<BTreeMap<DeviceId, Arc<dyn Device>>> {
    let names = HOSTS.iter().map(|name| (*name).to_owned()).chain(hosts.map.keys().cloned());
    let surroundings = Surroundings {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        hosts: hosts.map.clone(),
        egress: Egress::new(names),
        secrets: Arc::new(|name| Ok(format!("value-of-{}", name.replace([':', '.'], "-")))),
        data_dir: dir.to_owned(),
    };
    let mut devices = BTreeMap::new();
    for text in [HTTP, SHOP] {
        let value: toml::Value = toml::from_str(text)?;
        let opened = sinew_drivers::open(&serde_json::to_value(value)?, &surroundings)?;
        devices.insert(opened.device.id().clone(), opened.device);
    }
    Ok(devices)
}

impl Stage {
    /// Starts a process on a data directory; it dies before append number `appends + 1`.
    ///
    /// # Errors
    /// Where a part cannot be had.
    pub async fn open(
        setting: &Setting,
        scenario: &Scenario,
        (dir, world, clock): (&Path, &Arc<World>, &Arc<StageClock>),
        appends: u64,
    ) -> Result<Self> {
        let names: Vec<String> = HOSTS.iter().map(|name| (*name).to_owned()).collect();
        let extra = scenario.hosts.keys().map(|(host, _, _)| host.clone()).filter(|host| !names.contains(host));
        let mut names: Vec<String> = names.iter().cloned().chain(extra).collect();
        names.dedup();
        let hosts = Hosts::serve(&names, world).await?;
        let devices = devices(clock, &hosts, dir)?;
        let manifests = Arc::new(Manifests::load(&setting.texts("capabilities"), &devices)?);
        let reasoner = Reasoner::load(&setting.texts("rules"), &setting.texts("templates"))?;
        let (playbooks, _) = check(setting, scenario)?;
        let data = DataDir::open(Arc::new(RealDisk), dir)?;
        let (log, _) = FileLog::open(&data, &Options::default(), Arc::clone(clock) as Arc<dyn Clock>)?;
        let log = Arc::new(log);
        let guard = Guard::with(appends);
        let journal: Arc<dyn Journal> =
            Arc::new(Guarded { guard: Arc::clone(&guard), port: Arc::clone(&log) as Arc<dyn Journal> });
        let actuator = Act::new(sinew_actuation::Parts {
            journal: Arc::clone(&journal),
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            manifests,
            devices,
            latch: Arc::new(Latch::open(dir)?),
        });
        let (memory, _) = Memory::open(&dir.join("memory.sqlite"), log.id())?;
        let policy = Arc::new(Cedar::load(&setting.texts("policies"))?);
        let ports = Ports {
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            journal: Arc::clone(&journal),
            recall: Arc::new(Guarded { guard: Arc::clone(&guard), port: Arc::new(memory.clone()) as Arc<dyn Recall> }),
            model: Arc::new(Guarded { guard: Arc::clone(&guard), port: Arc::new(reasoner) as Arc<dyn Model> }),
            policy,
            actuator: Arc::new(Guarded { guard: Arc::clone(&guard), port: Arc::new(actuator) as Arc<dyn Actuator> }),
        };
        let settings = Settings {
            agent: name("agent:stage")?,
            approvers: Approvers { role: ROLE.to_owned(), quorum: 1, not_by: Vec::new() },
            gate_life: std::time::Duration::from_secs(24 * 3_600),
            records: Vec::new(),
            catalogue: Digest([7; 32]),
        };
        let mut dispatcher = Dispatcher::new(ports, settings, Engine::new(playbooks.clone()));
        dispatcher.recover().await?;
        let (stop, stopping) = watch::channel(false);
        let desk = dispatcher.desk();
        let mut tasks = JoinSet::new();
        tasks.spawn(dispatcher.run(stopping));
        tasks.spawn(remember(memory, Arc::clone(&log)));
        Ok(Self { guard, log, journal, clock: Arc::clone(clock), desk, playbooks, tasks, stop, _hosts: hosts })
    }

    /// Plays a scenario until nothing more happens, or the process dies.
    ///
    /// # Errors
    /// Where a part of the process fails, or does not come to rest.
    pub async fn play(&mut self, scenario: &Scenario) -> Result<Curtain> {
        let end = scenario.lasts_s.map(|s| self.begin().after(std::time::Duration::from_secs(s)));
        loop {
            self.rest().await?;
            if self.guard.is_dead() {
                return Ok(Curtain::Dead);
            }
            let entries = self.entries()?;
            if self.prompt(scenario, &entries)? {
                continue;
            }
            if self.incoming(scenario, &entries)? {
                continue;
            }
            let ended = root(&entries).is_some_and(|root| ended(&entries, root)) && !runs_left(&entries);
            if (ended && end.is_none()) || !self.clock.advance(end.unwrap_or(FAR)) {
                return Ok(Curtain::Over);
            }
        }
    }

    fn begin(&self) -> Timestamp {
        StageClock::default().now().wall
    }

    /// Starts the run, and answers open gates: what does not wait for time.
    fn prompt(&mut self, scenario: &Scenario, entries: &[Arc<Entry>]) -> Result<bool> {
        if entries.is_empty() {
            let booted = Booted { version: "stage".to_owned(), catalogue: Digest([7; 32]), policy: Digest([8; 32]) };
            self.append(Draft::new(name(TESTER)?, Record::Booted(booted)));
            return Ok(true);
        }
        if scenario.is_executed && root(entries).is_none() {
            let mut draft = Draft::new(name(TESTER)?, Record::RunStarted(self.first(scenario)?));
            draft.run = OfRun::Starts;
            self.append(draft);
            return Ok(true);
        }
        let gates = entries.iter().filter_map(|entry| match &entry.record {
            Record::GateOpened(opened) => Some((sinew_contract::GateId(entry.seq()), opened)),
            _ => None,
        });
        let answered = |gate| {
            entries.iter().any(|entry| matches!(&entry.record, Record::GateAnswered(found) if found.gate == gate))
        };
        for ((gate, opened), approves) in gates.zip(&scenario.answers) {
            if answered(gate) || ended(entries, opened.effect.run) {
                continue;
            }
            let reply = Reply {
                gate,
                answer: if *approves { Answer::Approve } else { Answer::Refuse },
                digest: opened.gate.digest,
                by: name("person:ana")?,
                roles: vec![ROLE.to_owned()],
                note: String::new(),
            };
            let desk = self.desk.clone();
            self.tasks.spawn(async move { desk.answer(reply).await });
            return Ok(true);
        }
        Ok(false)
    }

    fn first(&self, scenario: &Scenario) -> Result<RunStarted> {
        let Some(playbook) = self.playbooks.first() else { bail!("the scenario has no playbook that can run") };
        Ok(RunStarted {
            playbook: playbook.name().clone(),
            version: playbook.version().to_owned(),
            digest: playbook.digest(),
            engine: ENGINE_VERSION,
            policy: Digest([8; 32]),
            catalogue: Digest([7; 32]),
            trigger: None,
            parent: None,
            input: scenario.input.clone(),
        })
    }

    /// Lets the next thing happen, once its time has come; goes to that time where nobody waits for an earlier one.
    fn incoming(&mut self, scenario: &Scenario, entries: &[Arc<Entry>]) -> Result<bool> {
        let by_tester = |entry: &&Arc<Entry>| entry.header.principal.as_str() == TESTER;
        let seen = entries.iter().filter(by_tester);
        let seen = seen.filter(|entry| matches!(entry.record, Record::Event(_) | Record::CancelAsked(_))).count();
        let Some(next) = scenario.incoming.get(seen) else { return Ok(false) };
        let (Incoming::Event(at, _) | Incoming::Cancel(at)) = next;
        let at = at.map(|s| self.begin().after(std::time::Duration::from_secs(s)));
        if let Some(at) = at.filter(|at| *at > self.clock.now().wall) {
            if !self.clock.advance(at) {
                self.clock.go_to(at);
            }
            return Ok(true);
        }
        match next {
            Incoming::Event(_, event) => {
                let event = self.event(event, seen)?;
                self.append(Draft::new(name(TESTER)?, Record::Event(event)));
            }
            Incoming::Cancel(_) => {
                let Some(run) = root(entries) else { bail!("there is no run to cancel") };
                let (desk, by) = (self.desk.clone(), name(TESTER)?);
                self.tasks.spawn(async move { desk.cancel(run, by, "the scenario says so".to_owned()).await });
            }
        }
        Ok(true)
    }

    fn event(&self, written: &Value, nr: usize) -> Result<Event> {
        let text = |name: &str| written.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Event {
            id: text("id").unwrap_or_else(|| format!("event-{nr}")),
            source: text("source").unwrap_or_else(|| "https://events.test".to_owned()),
            event_type: text("type").context("an event needs a `type`")?,
            time: self.clock.now().wall,
            subject: text("subject"),
            data: written.get("data").cloned().unwrap_or_else(|| json!({})),
        })
    }

    fn append(&mut self, draft: Draft) {
        let journal = Arc::clone(&self.journal);
        self.tasks.spawn(async move { journal.append(vec![draft], Expect::Anything).await.map(drop) });
    }

    /// Returns when everybody waits.
    async fn rest(&mut self) -> Result<()> {
        let begun = std::time::Instant::now();
        let mut still = 0;
        while still < TURNS {
            tokio::task::yield_now().await;
            if self.guard.is_dead() {
                return Ok(());
            }
            while let Some(ended) = self.tasks.try_join_next() {
                ended.context("a part of the process crashed")?.context("a part of the process failed")?;
            }
            if self.guard.is_idle(self.log.tail().seq) {
                still += 1;
                continue;
            }
            still = 0;
            tokio::time::sleep(std::time::Duration::from_micros(100)).await;
            if begun.elapsed() > PATIENCE {
                bail!("the process does not come to rest within {} s", PATIENCE.as_secs());
            }
        }
        Ok(())
    }

    /// The whole log.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn entries(&self) -> Result<Vec<Arc<Entry>>> {
        Ok(self.log.read(Seq::ZERO.next(), usize::MAX)?)
    }

    /// The playbooks that were offered.
    pub fn playbooks(&self) -> &[Arc<Playbook>] {
        &self.playbooks
    }

    /// Ends the process and lets the log go.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
        self.log.close().await;
    }
}

/// The end of all time.
const FAR: Timestamp = Timestamp(i64::MAX - 1);

/// Lets memory follow.
async fn remember(memory: Memory, log: Arc<FileLog>) -> Result<(), Failure> {
    let mut follower = log.follow(memory.watermark().next());
    loop {
        let batch = follower.next(256).await?;
        let failed =
            |error: sinew_memory::MemoryError| Failure::new(sinew_contract::ErrorKind::Broken, error.to_string());
        memory.fold(batch).await.map_err(failed)?;
    }
}

fn name(text: &str) -> Result<PrincipalId> {
    Ok(text.parse()?)
}

fn root(entries: &[Arc<Entry>]) -> Option<RunId> {
    entries.iter().find(|entry| matches!(entry.record, Record::RunStarted(_))).and_then(|entry| entry.header.run)
}

fn ended(entries: &[Arc<Entry>], run: RunId) -> bool {
    entries.iter().any(|entry| entry.header.run == Some(run) && matches!(entry.record, Record::RunEnded(_)))
}

/// Says whether any run has not ended.
fn runs_left(entries: &[Arc<Entry>]) -> bool {
    let started = entries.iter().filter(|entry| matches!(entry.record, Record::RunStarted(_)));
    started.filter_map(|entry| entry.header.run).any(|run| !ended(entries, run))
}

/// A data directory with its keys and nothing in its log.
///
/// # Errors
/// Where it cannot be made.
pub async fn fresh(dir: &Path) -> Result<()> {
    let data = DataDir::open(Arc::new(RealDisk), dir)?;
    let (log, _) = FileLog::open(&data, &Options::default(), Arc::new(StageClock::default()))?;
    log.close().await;
    Ok(())
}

/// Copies a data directory.
///
/// # Errors
/// Where a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target: PathBuf = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy(&path, &target)? } else { std::fs::copy(&path, &target).map(drop)? }
    }
    Ok(())
}
