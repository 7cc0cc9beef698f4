//! A log made by hand: entries as the journal would give them, without a journal.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value, json};
use sinew_contract::{
    Answer, Approvers, BootTime, Class, Command, Concluded, Cost, Deadline, Decided, Decision, Digest, EffectId, Entry,
    Event, Fault, Gate, GateAnswered, GateId, GateOpened, Header, Intended, Label, LabelMap, LogId, Outcome, Proposal,
    Proposed, Record, Remembered, Request, RunEnd, RunEnded, RunId, RunStarted, Scope, Seq, Stepped, Timestamp, Trust,
    Verdict,
};
use sinew_memory::Memory;

pub const LOG: LogId = LogId([7; 16]);
pub const MS: i64 = 1_000;
pub const START: i64 = 1_795_338_000_000_000;

pub fn named<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("tests use plain names")
}

/// Entries in order, each a millisecond after the one before.
pub struct Story {
    pub entries: Vec<Arc<Entry>>,
    pub scope: Scope,
    pub principal: String,
}

impl Default for Story {
    fn default() -> Self {
        Self { entries: Vec::new(), scope: Scope::main(), principal: "sinew".to_owned() }
    }
}

impl Story {
    pub fn last(&self) -> Seq {
        self.entries.last().map_or(Seq::ZERO, |entry| entry.seq())
    }

    pub fn now(&self) -> i64 {
        START + i64::try_from(self.entries.len()).expect("stories are short") * MS
    }

    pub fn push(&mut self, run: Option<RunId>, record: Record) -> Seq {
        let seq = self.last().next();
        let observed = self.now();
        self.push_observed(run, record, observed);
        seq
    }

    pub fn push_observed(&mut self, run: Option<RunId>, record: Record, observed: i64) {
        let previous = self.entries.last().map_or(Digest::ZERO, |entry| entry.hash);
        let seq = self.last().next();
        let header = Header {
            format: 1,
            log: LOG,
            epoch: 0,
            seq,
            previous,
            scope: self.scope.clone(),
            kind: record.code(),
            run,
            cause: (seq > Seq(1)).then(|| Seq(seq.0 - 1)),
            principal: named(&self.principal),
            observed: Timestamp(observed),
            recorded: Timestamp(self.now()),
            boot: BootTime(0),
            subjects: Vec::new(),
            touches: Vec::new(),
            labels: Digest::ZERO,
            payload: sinew_expr::digest_of(&record),
        };
        let hash = sinew_expr::digest_of(&header);
        self.entries.push(Arc::new(Entry { header, hash, record, labels: LabelMap::new() }));
    }

    /// A scan, and the run that it starts.
    pub fn scan_and_run(&mut self, name: &str, verdict: &str) -> RunId {
        let data = json!({
            "scan": name, "verdict": verdict, "code": (verdict == "read").then_some("RMA-1"), "claims": [],
            "image": {"digest": Digest([3; 32]), "len": 9, "media_type": "image/jpeg"},
        });
        let event = Event {
            id: format!("ev-{name}"),
            source: "/devices/dock-1".to_owned(),
            event_type: "sinew.scan.v1".to_owned(),
            time: Timestamp(self.now()),
            subject: Some(name.to_owned()),
            data,
        };
        let trigger = self.push(None, Record::Event(event));
        self.start(Some(trigger))
    }

    pub fn start(&mut self, trigger: Option<Seq>) -> RunId {
        let run = RunId { log: LOG.tag(), seq: self.last().next() };
        let started = RunStarted {
            playbook: named("return-intake"),
            version: "1.0.0".to_owned(),
            digest: Digest([1; 32]),
            engine: 1,
            policy: Digest([2; 32]),
            catalogue: Digest([4; 32]),
            trigger,
            parent: None,
            input: json!([]),
        };
        self.push(Some(run), Record::RunStarted(started));
        run
    }

    pub fn step(&mut self, run: RunId, task: &str, went: Option<&str>) {
        let stepped = Stepped { task: task.to_owned(), output: Digest([5; 32]), went: went.map(str::to_owned) };
        self.push(Some(run), Record::Stepped(stepped));
    }

    pub fn decide(&mut self, effect: EffectId, capability: &str, class: Class, verdict: Verdict) {
        let request = Request {
            principal: named("agent:return-clerk"),
            scope: self.scope.clone(),
            playbook: named("return-intake"),
            capability: named(capability),
            class,
            device: "shop".to_owned(),
            amount_minor: 3990,
            currency: "EUR".to_owned(),
            args_trust: Trust::Verified,
            control_trust: Trust::Verified,
            evidence_age_s: 1,
            confidence_permille: 1000,
            short: Vec::new(),
            control_closed: false,
            approved: false,
            duplicate: false,
            compensates: false,
            args: json!({"rma": "RMA-1"}),
        };
        let decision = Decision { verdict, reasons: vec!["below the limit".to_owned()], policy: Digest([2; 32]) };
        self.push(Some(effect.run), Record::Decided(Decided { effect, request, decision, approval: None }));
    }

    pub fn intend(&mut self, effect: EffectId, capability: &str, class: Class, attempt: u32) -> Seq {
        let command = Command {
            effect,
            attempt,
            capability: named(capability),
            class,
            manifest: Digest([6; 32]),
            device: named("shop"),
            operation: json!({}),
            args: json!({"rma": "RMA-1"}),
            key: format!("{capability}/{effect}"),
            natural_key: Some("RMA-1".to_owned()),
            expires: Deadline { wall: Timestamp(self.now() + 10_000 * MS), boot: BootTime(10_000_000) },
        };
        self.push(Some(effect.run), Record::Intended(Intended { command }))
    }

    pub fn conclude(&mut self, effect: EffectId, capability: &str, outcome: Outcome, micros: i64, last: bool) {
        let concluded = Concluded {
            effect,
            intent: Some(self.last()),
            capability: named(capability),
            outcome,
            cost: Cost { micros, tokens: 0 },
            last,
        };
        self.push(Some(effect.run), Record::Concluded(concluded));
    }

    /// Decided, intended and done.
    pub fn act(&mut self, effect: EffectId, capability: &str, class: Class, receipt: Value, micros: i64) {
        self.decide(effect, capability, class, Verdict::Run);
        self.intend(effect, capability, class, 1);
        self.conclude(effect, capability, Outcome::Done { receipt, first: None }, micros, true);
    }

    pub fn propose(&mut self, effect: EffectId, micros: i64) {
        let proposal = Proposal {
            value: json!({"verdict": "accept"}),
            rung: "rules".to_owned(),
            because: vec!["r3".to_owned()],
            asked: Digest([8; 32]),
            cost: Cost { micros, tokens: 12 },
            label: Label::owned(),
        };
        self.push(Some(effect.run), Record::Proposed(Proposed { effect, answer: Ok(proposal) }));
    }

    pub fn open_gate(&mut self, effect: EffectId) -> GateId {
        let gate = Gate {
            question: "Is this the parcel?".to_owned(),
            why: vec!["two codes".to_owned()],
            what: "Refund 39.90 EUR".to_owned(),
            risk: "money is gone".to_owned(),
            preimage: None,
            digest: Digest([9; 32]),
            evidence: Vec::new(),
            approvers: Approvers { role: "returns-lead".to_owned(), quorum: 1, not_by: Vec::new() },
            confidence_permille: 600,
            expires: Timestamp(self.now() + 86_400_000 * MS),
        };
        GateId(self.push(Some(effect.run), Record::GateOpened(GateOpened { effect, gate })))
    }

    pub fn answer(&mut self, effect: EffectId, gate: GateId, answer: Answer, by: Option<&str>) {
        let by = by.map(named);
        let answered =
            GateAnswered { effect, gate, answer, by, digest: Digest([9; 32]), note: "looked at it".to_owned() };
        self.push(Some(effect.run), Record::GateAnswered(answered));
    }

    pub fn remember(&mut self, effect: EffectId, kind: &str, subject: &str, key: &str, content: Value) {
        let remembered = Remembered {
            effect,
            item_kind: kind.to_owned(),
            subject: subject.to_owned(),
            content,
            sources: vec![format!("run:{}", effect.run)],
            key: key.to_owned(),
            confidence_permille: 900,
        };
        self.push(Some(effect.run), Record::Remembered(remembered));
    }

    pub fn complete(&mut self, run: RunId, outcome: &str) {
        let end = RunEnd::Completed { output: json!({"outcome": outcome}) };
        self.push(Some(run), Record::RunEnded(RunEnded { end }));
    }

    pub fn end(&mut self, run: RunId, end: RunEnd) {
        self.push(Some(run), Record::RunEnded(RunEnded { end }));
    }
}

pub fn effect(run: RunId, step: u32) -> EffectId {
    EffectId { run, step }
}

pub fn looked_up() -> Value {
    json!({"status": 200, "content": {"code": "RMA-1", "matches": [{
        "rma": "RMA-1", "order": "o-7", "reason": "too small",
        "customer": {"id": "c17", "name": "Ada", "email": "ada@example.org"},
    }]}})
}

pub fn fault() -> Fault {
    Fault {
        error_type: "urn:sinew:error:failed".to_owned(),
        status: 503,
        title: "the shop did not answer".to_owned(),
        detail: None,
        instance: None,
    }
}

/// A bit of everything, in two scopes.
pub fn everything() -> Story {
    let mut story = Story::default();
    refunded(&mut story, "a.jpg");
    let run = story.scan_and_run("b.jpg", "conflict");
    let gate = story.open_gate(effect(run, 1));
    story.answer(effect(run, 1), gate, Answer::Refuse, Some("person:ana"));
    story.complete(run, "refused");
    let run = story.scan_and_run("c.jpg", "unread");
    let gate = story.open_gate(effect(run, 1));
    story.answer(effect(run, 1), gate, Answer::Refuse, None);
    story.end(run, RunEnd::Faulted { error: fault() });
    let run = story.start(None);
    story.open_gate(effect(run, 1));
    story.end(run, RunEnd::Cancelled { reason: "not needed".to_owned() });
    let run = story.scan_and_run("d.jpg", "read");
    story.decide(effect(run, 1), "shop.refund", Class::Compensable, Verdict::Run);
    story.intend(effect(run, 1), "shop.refund", Class::Compensable, 1);
    let lost = Outcome::Unknown { reason: "no reply".to_owned() };
    story.conclude(effect(run, 1), "shop.refund", lost, 0, false);
    story.push(None, Record::Erased);
    story.scope = named("tenant-2");
    refunded(&mut story, "a.jpg");
    story.scope = Scope::main();
    let run = story.scan_and_run("e.jpg", "unread");
    story.open_gate(effect(run, 1));
    story
}

/// The plain way: looked up, judged, refunded, told, remembered.
pub fn refunded(story: &mut Story, name: &str) -> RunId {
    let run = story.scan_and_run(name, "read");
    story.act(effect(run, 1), "http.get", Class::Pure, looked_up(), 0);
    story.step(run, "/do/0/lookUp", None);
    story.propose(effect(run, 2), 40);
    story.step(run, "/do/2/route", Some("accept"));
    story.act(effect(run, 3), "shop.refund", Class::Compensable, json!({"refund": "rf-1"}), 2_000);
    let key = format!("episode/{run}");
    story.remember(effect(run, 4), "episode", "customer:c17", &key, json!({"outcome": "refunded", "sku": "P01"}));
    story.complete(run, "refunded");
    run
}

pub fn open(path: &Path) -> Memory {
    Memory::open(path, LOG).expect("a good place").0
}

/// A memory that has folded all of a story, and the folder that it lies in.
pub async fn folded(story: &Story) -> (Memory, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let memory = open(&folder.path().join("memory.sqlite"));
    memory.fold(story.entries.clone()).await.expect("a good story folds");
    (memory, folder)
}

/// All rows of all tables, as text.
pub fn dump(path: &Path) -> String {
    let conn = Connection::open(path).expect("it is a database");
    let mut tables =
        conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").expect("readable");
    let names = tables.query_map([], |row| row.get::<_, String>(0)).expect("readable");
    names.map(|name| dump_table(&conn, &name.expect("readable"))).collect()
}

fn dump_table(conn: &Connection, table: &str) -> String {
    let mut rows = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3")).expect("readable");
    let columns = rows.column_count();
    let lines = rows.query_map([], |row| {
        let cells = (0..columns)
            .map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).expect("there are as many columns")));
        Ok(cells.collect::<Vec<_>>().join(" | "))
    });
    let lines: Vec<String> = lines.expect("readable").map(|line| line.expect("readable")).collect();
    format!("{table}\n{}\n", lines.join("\n"))
}
