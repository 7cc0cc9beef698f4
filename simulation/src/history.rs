//! The driver: one step after the other, drawn from the seed, until all runs have ended or nothing can happen any more.
//!
//! One thread, one task at a time: same seed, same history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sinew_actuation::Latch;
use sinew_contract::{
    Answer, BootTime, Clock, Device, DeviceId, Digest, Draft, Entry, Event, Expect, Failure, GateId, Journal, Record,
    RunId, Seq, Timestamp,
};
use sinew_journal::SimDisk;
use sinew_planning::{GateState, Reply};
use sinew_testkit::SimClock;
use tokio::task::JoinHandle;

use crate::house::{Ground, House, principal};
use crate::laws::{self, Tally};
use crate::profile::Profile;
use crate::scenario::{Scenario, manifests};
use crate::shop::Shop;

/// 2026-11-22T10:00:00Z.
const START: i64 = 1_795_341_600_000_000;
/// No honest history of four events takes a tenth of it.
const STEPS_MAX: usize = 2_000;
/// After so many crashes the power holds, so that every history comes to an end.
const CRASHES_MAX: usize = 12;
/// Turns without any visible change after which nothing more happens by itself.
const QUIET: usize = 12;

/// What became of a history.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What happened, a line per step; ids of the log are left out, since they are drawn by the machine.
    pub story: String,
    /// Entries in the log at the end.
    pub entries: usize,
    /// How often the power failed.
    pub crashes: usize,
    /// The law that does not hold; none for a good history.
    pub failure: Option<String>,
}

/// Plays one history.
///
/// # Panics
/// Where the machine has no runtime or no room for a temporary folder.
pub fn simulate(profile: &Profile) -> Told {
    play(profile, None)
}

/// Plays a calm history of a scenario once for each operation of the disk, with the power failing just before it.
///
/// Returns how many there were and what failed, by operation.
pub fn enumerate(scenario: &'static Scenario) -> (u64, Vec<(u64, String)>) {
    let (mut at, mut failed) = (0, Vec::new());
    loop {
        let told = play(&Profile { seed: at, ..Profile::calm(scenario) }, Some(at));
        failed.extend(told.failure.map(|why| (at, why)));
        if told.crashes == 0 {
            return (at, failed);
        }
        at += 1;
    }
}

fn play(profile: &Profile, cut: Option<u64>) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut driver = Driver::new(profile);
        let failure = driver.run(cut).await.err();
        Told {
            story: std::mem::take(&mut driver.story),
            entries: driver.entries.len(),
            crashes: driver.crashes,
            failure: failure.map(|why| format!("{why} (seed {}, {})", profile.seed, profile.scenario.name)),
        }
    })
}

/// An event that its sender has not been told of yet.
struct Sending {
    event: Event,
    appending: JoinHandle<Result<(), Failure>>,
}

struct Driver {
    profile: Profile,
    rng: StdRng,
    ground: Ground,
    shop: Arc<Shop>,
    house: Option<House>,
    /// Events that have to be sent, or sent again.
    outbox: Vec<Event>,
    sending: Vec<Sending>,
    /// Everything that was durable once.
    entries: Vec<Arc<Entry>>,
    tally: Tally,
    /// Gates that were answered or are left alone, in this process.
    handled: BTreeSet<GateId>,
    silent: BTreeSet<GateId>,
    cancelled: BTreeSet<RunId>,
    crashes: usize,
    story: String,
}

impl Driver {
    fn new(profile: &Profile) -> Self {
        let mut rng = StdRng::seed_from_u64(profile.seed);
        let clock = Arc::new(SimClock::at(Timestamp(START)));
        let shop = Arc::new(Shop::new(Arc::clone(&clock), profile));
        let http: Arc<dyn Device> = Arc::new(shop.as_http());
        let devices: BTreeMap<DeviceId, Arc<dyn Device>> =
            [Arc::clone(&shop) as Arc<dyn Device>, http].into_iter().map(|d| (d.id().clone(), d)).collect();
        let manifests = manifests(&devices);
        let playbook = profile.scenario.playbook(&manifests);
        let outbox = (0..profile.events).map(|n| event(n, profile, &mut rng)).collect();
        let (disk, latch) = (SimDisk::new(profile.seed), latch());
        Self {
            profile: profile.clone(),
            rng,
            ground: Ground { disk, clock, devices, manifests, latch, playbook },
            shop,
            house: None,
            outbox,
            sending: Vec::new(),
            entries: Vec::new(),
            tally: Tally::default(),
            handled: BTreeSet::new(),
            silent: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            crashes: 0,
            story: String::new(),
        }
    }

    async fn run(&mut self, cut: Option<u64>) -> Result<(), String> {
        self.boot().await?;
        if let Some(after) = cut {
            self.ground.disk.cut_after(after);
        }
        for _ in 0..STEPS_MAX {
            self.quiet().await;
            if !self.look().await? {
                continue;
            }
            if self.is_over() {
                return self.judge();
            }
            self.step().await?;
        }
        Err(format!("it does not end: {:?}", self.tally))
    }

    fn is_over(&self) -> bool {
        let idle = self.outbox.is_empty() && self.sending.is_empty() && self.shop.under_way() == 0;
        idle && self.house.as_ref().is_some_and(|house| house.log.waiting() == 0) && self.tally.is_settled()
    }

    fn judge(&self) -> Result<(), String> {
        laws::judge(&self.entries, &self.ground.playbook, &self.shop.ledger())
    }

    fn chance(&mut self, share: u32) -> bool {
        self.rng.random_range(0..1_000_u32) < share
    }

    fn say(&mut self, what: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.story, "{what}");
    }

    /// Lets everything happen that can happen without disk, time or people.
    async fn quiet(&mut self) {
        let (mut same, mut before) = (0, None);
        while same < QUIET {
            tokio::task::yield_now().await;
            let log = self.house.as_ref().map(|house| (house.log.waiting(), house.log.tail().seq));
            let now = Some((log, self.shop.calls(), self.ground.clock.sleepers()));
            same = if now == before { same + 1 } else { 0 };
            before = now;
        }
    }

    /// Takes in what is durable now and what senders have been told; says whether the process is still the same.
    async fn look(&mut self) -> Result<bool, String> {
        if let Some(house) = &self.house {
            let fresh = house.log.read(Seq(self.entries.len() as u64 + 1), usize::MAX);
            // A disk without power cannot be read; what was published before is in memory or read after the next start.
            for entry in fresh.unwrap_or_default() {
                self.tally.take(&entry);
                let line = format!("  {} {}", entry.seq(), entry.record.kind());
                self.entries.push(entry);
                self.say(line);
            }
        }
        for sent in std::mem::take(&mut self.sending) {
            if !sent.appending.is_finished() {
                self.sending.push(sent);
            } else if !matches!(sent.appending.await, Ok(Ok(()))) {
                self.outbox.push(sent.event);
            }
        }
        if self.ground.disk.is_off() || self.house.as_ref().is_some_and(House::is_down) {
            return self.power_fails("the power is gone").await.map(|()| false);
        }
        Ok(true)
    }

    async fn step(&mut self) -> Result<(), String> {
        let faulty = self.crashes < CRASHES_MAX;
        if faulty && self.chance(self.profile.crashes) {
            return self.power_fails("crash").await;
        }
        if faulty && self.chance(self.profile.cuts) {
            let after = self.rng.random_range(0..12);
            self.ground.disk.cut_after(after);
        }
        // A late command and a jump of the wall clock together are outside of what the manifest's skew allows.
        if self.shop.under_way() == 0 && self.chance(self.profile.jumps) {
            self.jump();
        }
        let Some(house) = &self.house else { return Err("there is no process".to_owned()) };
        let (waiting, gates) = (house.log.waiting(), self.open_gates());
        let time = self.next_moment();
        let weights = [
            (waiting > 0, 12),
            (!self.outbox.is_empty(), 3),
            (!gates.is_empty(), 4),
            (time.is_some(), 3),
            (self.tally.live().next().is_some(), 1),
        ];
        let total: u32 = weights.iter().filter(|(can, _)| *can).map(|(_, weight)| weight).sum();
        if waiting == 0 && self.outbox.is_empty() && gates.is_empty() && time.is_none() {
            return Err(format!("nothing can happen any more: {:?}", self.tally));
        }
        let mut drawn = self.rng.random_range(0..total);
        let chosen = weights.iter().position(|(can, weight)| {
            let hit = *can && drawn < *weight;
            drawn = if *can { drawn.saturating_sub(*weight) } else { drawn };
            hit
        });
        match chosen {
            Some(0) => self.commit(waiting),
            Some(1) => self.send(),
            Some(2) => self.answer(&gates),
            Some(3) => self.let_time_pass(time),
            _ => self.cancel(),
        }
        Ok(())
    }

    fn commit(&mut self, waiting: usize) {
        let many = self.rng.random_range(1..=waiting);
        self.say(format_args!("commit {many} of {waiting}"));
        if let Some(house) = &self.house {
            house.log.commit(many);
        }
    }

    fn send(&mut self) {
        let Some(house) = &self.house else { return };
        let event = self.outbox.remove(0);
        let draft = Draft::new(principal("device:dock-1"), Record::Event(event.clone()));
        let log = Arc::clone(&house.log);
        let appending = tokio::spawn(async move { log.append(vec![draft], Expect::Anything).await.map(drop) });
        self.say(format_args!("send {}", event.id));
        self.sending.push(Sending { event, appending });
    }

    fn open_gates(&self) -> Vec<GateState> {
        let gates = self.house.iter().flat_map(|house| house.desk.open_gates());
        gates.filter(|gate| !self.handled.contains(&gate.id) && !self.silent.contains(&gate.id)).collect()
    }

    fn answer(&mut self, gates: &[GateState]) {
        let Some(gate) = gates.get(self.rng.random_range(0..gates.len())) else { return };
        if self.chance(self.profile.silence) {
            self.silent.insert(gate.id);
            return self.say(format_args!("{} is left alone", gate.id));
        }
        let answer = if self.chance(self.profile.yes) { Answer::Approve } else { Answer::Refuse };
        self.say(format_args!("{} {answer:?}", gate.id));
        self.handled.insert(gate.id);
        let reply = Reply {
            gate: gate.id,
            answer,
            digest: gate.gate.digest,
            by: principal("person:mia"),
            roles: vec!["returns-lead".to_owned()],
            note: String::new(),
        };
        if let Some(house) = &self.house {
            let desk = house.desk.clone();
            // Whoever answers too late, or while the power fails, is told so; the history goes on.
            tokio::spawn(async move { drop(desk.answer(reply).await) });
        }
    }

    fn cancel(&mut self) {
        let live: Vec<_> = self.tally.live().filter(|run| !self.cancelled.contains(run)).collect();
        let Some(run) = live.first().copied() else { return };
        if !self.chance(self.profile.cancels) {
            return;
        }
        self.cancelled.insert(run);
        self.say(format_args!("cancel the run of entry {}", run.seq));
        if let Some(house) = &self.house {
            let desk = house.desk.clone();
            tokio::spawn(async move { drop(desk.cancel(run, principal("person:mia"), "enough".to_owned()).await) });
        }
    }

    /// The next moment at which something falls due or arrives.
    fn next_moment(&self) -> Option<Timestamp> {
        self.ground.clock.next_sleeper().into_iter().chain(self.shop.next_arrival()).min()
    }

    fn let_time_pass(&mut self, until: Option<Timestamp>) {
        let now = self.ground.clock.now().wall;
        let by = until.map_or(Duration::ZERO, |until| until.since(now));
        self.say(format_args!("{} us pass", by.as_micros()));
        self.ground.clock.advance(by);
        self.shop.arrive();
    }

    fn jump(&mut self) {
        let seconds = self.rng.random_range(-7_200..=7_200_i64);
        let wall = self.ground.clock.now().wall;
        self.ground.clock.set_wall(Timestamp(wall.0 + seconds * 1_000_000));
        self.say(format_args!("the wall clock jumps by {seconds} s"));
    }

    async fn power_fails(&mut self, why: &str) -> Result<(), String> {
        self.say(why);
        if let Some(house) = self.house.take() {
            house.kill().await?;
        }
        for sent in std::mem::take(&mut self.sending) {
            sent.appending.abort();
            self.outbox.push(sent.event);
        }
        self.crashes += 1;
        self.ground.disk.crash();
        if self.chance(300) {
            self.ground.clock.set_boot(BootTime(1_000_000));
        }
        self.boot().await
    }

    /// Starts a process; where the power fails meanwhile, once more.
    async fn boot(&mut self) -> Result<(), String> {
        self.handled.clear();
        loop {
            if self.crashes < CRASHES_MAX && self.crashes > 0 && self.chance(self.profile.cuts) {
                let after = self.rng.random_range(0..30);
                self.ground.disk.cut_after(after);
            }
            match self.ground.start().await {
                Ok(house) => {
                    self.house = Some(house);
                    self.say("up");
                    return self.compare();
                }
                Err(_) if self.ground.disk.is_off() => {
                    self.crashes += 1;
                    self.ground.disk.crash();
                }
                Err(why) => return Err(format!("cannot start: {why}")),
            }
        }
    }

    /// Everything that was durable once stands, unaltered.
    fn compare(&mut self) -> Result<(), String> {
        let Some(house) = &self.house else { return Ok(()) };
        let kept = house.log.read(Seq(1), self.entries.len()).map_err(|e| e.to_string())?;
        let hashes = |entries: &[Arc<Entry>]| entries.iter().map(|e| e.hash).collect::<Vec<Digest>>();
        if hashes(&kept) != hashes(&self.entries) {
            return Err(format!("of {} durable entries, {} came back as they were", self.entries.len(), kept.len()));
        }
        Ok(())
    }
}

/// A latch that nobody presses; its file is gone as soon as it is open.
fn latch() -> Arc<Latch> {
    let dir = tempfile::tempdir().expect("room for a temporary folder");
    Arc::new(Latch::open(dir.path()).expect("room for 4 KiB"))
}

/// One scan; several events may be about one thing.
fn event(n: usize, profile: &Profile, rng: &mut StdRng) -> Event {
    let code = format!("T{}x{}", rng.random_range(0..profile.things), profile.seed % 89);
    let verdict = ["read", "read", "read", "unread", "conflict"][rng.random_range(0..5)];
    let confidence = if verdict == "read" { 1_000 } else { 300 };
    Event {
        id: format!("scan-{n}"),
        source: "/devices/dock-1".to_owned(),
        event_type: "sinew.scan.v1".to_owned(),
        time: Timestamp(START),
        subject: Some(format!("{n}.jpg")),
        data: json!({
            "scan": format!("{n}.jpg"), "verdict": verdict, "code": code, "confidence_permille": confidence,
            "claims": [{ "value": code }, { "value": format!("{code}y") }],
            "image": { "digest": "ab".repeat(32), "len": 10, "media_type": "image/jpeg" },
        }),
    }
}
