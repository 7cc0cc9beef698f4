//! A workbench: a log in memory, a scripted device, a simulated clock, and the lines that planning would write.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_actuation::{Act, Latch, Manifests, Parts};
use sinew_contract::*;
use sinew_testkit::{MemoryJournal, SimClock};

/// Says what it was told to say, in order, and notes what it was asked.
pub struct Scripted {
    id: DeviceId,
    pub writes: Mutex<VecDeque<Result<Reply, Failure>>>,
    pub reads: Mutex<VecDeque<Result<Value, Failure>>>,
    pub written: Mutex<Vec<Command>>,
    pub asked: Mutex<Vec<(Value, Value)>>,
}

impl Scripted {
    fn new(id: &str) -> Arc<Self> {
        Arc::new(Self {
            id: id.parse().expect("plain"),
            writes: Mutex::default(),
            reads: Mutex::default(),
            written: Mutex::default(),
            asked: Mutex::default(),
        })
    }
    pub fn will_write(&self, reply: Result<Reply, Failure>) {
        self.writes.lock().expect("not poisoned").push_back(reply);
    }
    pub fn will_read(&self, answer: Result<Value, Failure>) {
        self.reads.lock().expect("not poisoned").push_back(answer);
    }
    pub fn calls(&self) -> usize {
        self.written.lock().expect("not poisoned").len()
    }
    pub fn questions(&self) -> usize {
        self.asked.lock().expect("not poisoned").len()
    }
}

#[async_trait]
impl Device for Scripted {
    fn id(&self) -> &DeviceId {
        &self.id
    }
    fn check(&self, operation: &Value) -> Result<(), Failure> {
        let known = operation.get("method").is_some();
        if known { Ok(()) } else { Err(failure(ErrorKind::Invalid, "say a `method`")) }
    }
    async fn read(&self, operation: &Value, args: &Value, _: Deadline) -> Result<Value, Failure> {
        self.asked.lock().expect("not poisoned").push((operation.clone(), args.clone()));
        let next = self.reads.lock().expect("not poisoned").pop_front();
        next.unwrap_or_else(|| Err(failure(ErrorKind::Busy, "nothing scripted")))
    }
    async fn write(&self, command: &Command) -> Result<Reply, Failure> {
        self.written.lock().expect("not poisoned").push(command.clone());
        let next = self.writes.lock().expect("not poisoned").pop_front();
        next.unwrap_or_else(|| Ok(Reply::Accepted(json!({ "refund": "rf-1" }))))
    }
    async fn listen(&self) -> Result<Reading, Failure> {
        Err(failure(ErrorKind::Missing, "never speaks by itself"))
    }
}

pub fn failure(kind: ErrorKind, words: &str) -> Failure {
    Failure::new(kind, words)
}

const PAY: &str = r#"
name = "pay"
version = 1
title = "Pay {$money} for {order}"
risk = "Money is gone."
class = "compensable"
device = "shop"
operation = { method = "POST", path = "/pay" }
natural-key = ["/order"]
amount = { minor = "/amount/minor", currency = "/amount/currency" }
expiry = "2s"
clock-skew-max = "250ms"
trust = { "" = "verified" }
reconcile = { operation = { method = "GET", path = "/effects/{key}" }, applied = "/applied", receipt = "/result" }
compensation = { capability = "unpay", args-from = "{refund: .receipt.refund}" }
[args]
type = "object"
additionalProperties = false
required = ["order", "amount"]
[args.properties]
order = { type = "string" }
amount = { type = "object", required = ["minor", "currency"], properties = { minor = { type = "integer" }, currency = { type = "string" } } }
"#;

const UNPAY: &str = r#"
name = "unpay"
version = 1
title = "Take back {refund}"
risk = "Money is not paid."
class = "irreversible"
device = "shop"
operation = { method = "POST", path = "/unpay" }
[args]
type = "object"
additionalProperties = false
required = ["refund"]
properties = { refund = { type = "string" } }
"#;

const VALVE: &str = r#"
name = "open-valve"
version = 1
title = "Open the valve to {opening} %"
risk = "The tank runs over."
class = "physical"
device = "valve"
operation = { method = "POST", path = "/opening" }
expiry = "2s"
[args]
type = "object"
additionalProperties = false
required = ["opening"]
properties = { opening = { type = "number" } }
[physical]
safe-state = { method = "POST", path = "/close" }
dead-man = "500ms"
rate-max-per-s = 1000.0
interlocks = ["guard-closed"]
stop-category = "1"
hold-is-safe = false
[physical.envelope."/opening"]
unit = "%"
min = 0.0
max = 80.0
"#;

pub fn texts() -> Vec<(String, String)> {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    vec![file("pay.toml", PAY), file("unpay.toml", UNPAY), file("open-valve.toml", VALVE)]
}

/// One log, one shop, one clock, one data directory; the last hop on top can be restarted.
pub struct Bench {
    pub log: Arc<MemoryJournal>,
    pub shop: Arc<Scripted>,
    pub web: Arc<Scripted>,
    pub valve: Arc<Scripted>,
    pub clock: Arc<SimClock>,
    pub dir: tempfile::TempDir,
    pub act: Arc<Act>,
}

impl Bench {
    pub fn new() -> Self {
        let clock = Arc::new(SimClock::default());
        let log = Arc::new(MemoryJournal::new(clock.clone()));
        let dir = tempfile::tempdir().expect("a directory");
        let (shop, web, valve) = (Scripted::new("shop"), Scripted::new("http"), Scripted::new("valve"));
        let act = Arc::new(Act::new(parts(&log, [&shop, &web, &valve], &clock, dir.path())));
        Self { log, shop, web, valve, clock, dir, act }
    }

    /// What a last hop over the same things is made of.
    pub fn parts(&self) -> Parts {
        parts(&self.log, [&self.shop, &self.web, &self.valve], &self.clock, self.dir.path())
    }

    /// A new process over the same log: everything in memory is made anew.
    pub fn restart(&mut self) {
        self.act = Arc::new(Act::new(self.parts()));
        for entry in self.log.read(Seq(1), usize::MAX).expect("readable") {
            self.act.observe(&entry);
        }
    }

    /// Appends, and lets the last hop see it.
    pub async fn append(&self, drafts: Vec<Draft>) -> Vec<EntryRef> {
        let appended = self.log.append(drafts, Expect::Anything).await.expect("appended");
        for at in &appended.entries {
            for entry in self.log.read(at.seq, 1).expect("readable") {
                self.act.observe(&entry);
            }
        }
        appended.entries
    }

    pub fn prepare(&self, wish: &Wish) -> Prepared {
        self.act.prepare(wish).expect("a good wish")
    }

    /// Decision and intent for a wish, as planning writes them when policy says run.
    pub async fn intend(&self, wish: &Wish) -> EntryRef {
        self.intend_with(wish, |_, _| {}).await
    }

    /// As `intend`, bent by `bend` before it is written.
    pub async fn intend_with(&self, wish: &Wish, bend: impl FnOnce(&mut Decided, &mut Command)) -> EntryRef {
        let prepared = self.prepare(wish);
        let mut command = self.command(&prepared, wish);
        let mut decided = decided(&prepared, wish);
        bend(&mut decided, &mut command);
        let run = wish.effect.run;
        let decided = draft(Record::Decided(decided)).of_run(run);
        let mut intended = draft(Record::Intended(Intended { command })).of_run(run);
        intended.cause = Cause::InBatch(0);
        self.append(vec![decided, intended]).await.last().copied().expect("two entries")
    }

    fn command(&self, prepared: &Prepared, wish: &Wish) -> Command {
        let manifest = &prepared.manifest;
        let life = Duration::try_from(manifest.expiry).expect("positive");
        Command {
            effect: wish.effect,
            attempt: 1,
            capability: manifest.name.clone(),
            class: manifest.class,
            manifest: prepared.manifest_digest,
            device: manifest.device.clone(),
            operation: manifest.operation.clone(),
            args: wish.args.clone(),
            key: wish.key.clone(),
            natural_key: prepared.natural_key.clone(),
            expires: Deadline::within(self.clock.now(), life),
        }
    }

    pub async fn conclude(&self, wish: &Wish, permit: EntryRef, outcome: Outcome, last: bool) -> Seq {
        let concluded = Concluded {
            effect: wish.effect,
            intent: Some(permit.seq),
            capability: wish.capability.clone(),
            outcome,
            cost: Cost::default(),
            last,
        };
        let entries = self.append(vec![draft(Record::Concluded(concluded)).of_run(wish.effect.run)]).await;
        entries.first().expect("one entry").seq
    }

    /// Intends, carries out and concludes.
    pub async fn go(&self, wish: &Wish) -> Outcome {
        let permit = self.intend(wish).await;
        let outcome = self.act.carry_out(permit).await;
        self.conclude(wish, permit, outcome.clone(), true).await;
        outcome
    }
}

fn parts(
    log: &Arc<MemoryJournal>,
    devices: [&Arc<Scripted>; 3],
    clock: &Arc<SimClock>,
    dir: &std::path::Path,
) -> Parts {
    let devices: BTreeMap<_, _> =
        devices.into_iter().map(|d| (d.id().clone(), Arc::clone(d) as Arc<dyn Device>)).collect();
    let manifests = Manifests::load(&texts(), &devices).expect("good manifests");
    let latch = Latch::open(dir).expect("a latch");
    Parts {
        journal: log.clone(),
        clock: clock.clone(),
        manifests: Arc::new(manifests),
        devices,
        latch: Arc::new(latch),
    }
}

pub fn draft(record: Record) -> Draft {
    Draft::new("agent:return-clerk".parse().expect("plain"), record)
}

pub fn decided(prepared: &Prepared, wish: &Wish) -> Decided {
    let request = Request {
        principal: "agent:return-clerk".parse().expect("plain"),
        scope: Scope::main(),
        playbook: "return-intake".parse().expect("plain"),
        capability: wish.capability.clone(),
        class: prepared.manifest.class,
        device: prepared.manifest.device.to_string(),
        amount_minor: 0,
        currency: String::new(),
        args_trust: Trust::Verified,
        control_trust: Trust::Owned,
        short: Vec::new(),
        control_closed: true,
        evidence_age_s: 0,
        confidence_permille: 1000,
        approved: false,
        duplicate: false,
        compensates: wish.compensates.is_some(),
        args: wish.args.clone(),
    };
    let decision = Decision { verdict: Verdict::Run, reasons: Vec::new(), policy: Digest::ZERO };
    Decided { effect: wish.effect, request, decision, approval: None }
}

/// A wish of run `run` to pay for an order.
pub fn pay(run: u64, key: &str, order: &str, minor: i64) -> Wish {
    wish(run, "pay", key, json!({ "order": order, "amount": { "minor": minor, "currency": "EUR" } }))
}

pub fn wish(run: u64, capability: &str, key: &str, args: Value) -> Wish {
    let run = RunId { log: LogTag(7), seq: Seq(run) };
    let capability = capability.parse().expect("plain");
    Wish { effect: EffectId { run, step: 1 }, capability, args, key: key.to_owned(), compensates: None }
}

/// Who said no.
pub fn refused_by(outcome: &Outcome) -> &str {
    if let Outcome::Refused { by, .. } = outcome { by } else { outcome.word() }
}
