//! One log, one clock, one target and scripted rooms; a dispatcher on top that can be stopped and started again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_contract::{
    Answer, Approvers, Ask, Booted, Cost, Decision, Digest, Draft, Entry, Event, Expect, Failure, Journal, Label,
    Model, Outcome, Policy, Proposal, Recall, RecallQuery, Record, Request, RunEnd, RunId, Seq, Timestamp, Trust,
    Verdict,
};
use sinew_planning::{Desk, Dispatcher, Engine, Ports, Reply as Card, Settings};
use sinew_testkit::{MemoryJournal, SimClock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::hop::{Hop, Target};
use crate::world::{START, playbook, principal};

/// How long a gate of policy waits.
pub const GATE_LIFE: Duration = Duration::from_secs(60);

/// A playbook that an event of type `go.v1` starts.
pub fn on_go(name: &str, tasks: &str) -> String {
    format!(
        "document: {{ dsl: '1.0.3', namespace: test, name: {name}, version: '1.0.0' }}\n\
         schedule: {{ on: {{ any: [ {{ with: {{ type: go.v1 }} }} ] }} }}\ndo:\n{tasks}"
    )
}

/// One refund, by order and key of the event.
pub const PAY: &str = "  - pay: { call: 'act:1.0.0@default', with: { capability: shop.refund, \
     args: { order: '${ .[0].data.order }' }, idempotencyKey: '${ .[0].data.key }' } }\n";

type Judge = Box<dyn FnMut(&Request) -> Verdict + Send>;

/// Policy, reasoning and memory, as told.
pub struct Rooms {
    pub judge: Mutex<Judge>,
    /// What policy was asked.
    pub requests: Mutex<Vec<Request>>,
    pub recalls: Mutex<Vec<RecallQuery>>,
}

impl Policy for Rooms {
    fn decide(&self, request: &Request) -> Decision {
        self.requests.lock().expect("not poisoned").push(request.clone());
        let verdict = (self.judge.lock().expect("not poisoned"))(request);
        Decision { verdict, reasons: vec!["as told".to_owned()], policy: Digest::ZERO }
    }
    fn digest(&self) -> Digest {
        Digest::ZERO
    }
}

#[async_trait]
impl Model for Rooms {
    async fn answer(&self, _: &Ask) -> Result<Proposal, Failure> {
        Ok(Proposal {
            value: json!({ "ok": true }),
            rung: "rules".to_owned(),
            because: Vec::new(),
            asked: Digest::ZERO,
            cost: Cost::default(),
            label: Label::new("rules", Trust::Observed),
        })
    }
}

#[async_trait]
impl Recall for Rooms {
    async fn recall(&self, query: RecallQuery) -> Result<Value, Failure> {
        self.recalls.lock().expect("not poisoned").push(query);
        Ok(json!({ "items": [], "as_of": 1 }))
    }
}

/// Everything but the dispatcher.
pub struct Bench {
    pub clock: Arc<SimClock>,
    pub journal: Arc<MemoryJournal>,
    pub hop: Arc<Hop>,
    pub rooms: Arc<Rooms>,
    texts: Vec<String>,
}

impl Bench {
    pub fn new(texts: &[String]) -> Self {
        let clock = Arc::new(SimClock::at(Timestamp(START)));
        Self::over(texts, &[], clock, Arc::default())
    }

    /// A new process over what a crash left of a log, in the same world.
    pub fn over(texts: &[String], entries: &[Arc<Entry>], clock: Arc<SimClock>, target: Arc<Mutex<Target>>) -> Self {
        let journal = Arc::new(MemoryJournal::over(entries, Arc::clone(&clock) as _));
        let rooms = Rooms {
            judge: Mutex::new(Box::new(|_| Verdict::Run)),
            requests: Mutex::default(),
            recalls: Mutex::default(),
        };
        let hop = Arc::new(Hop::new(Arc::clone(&journal), target));
        Self { clock, journal, hop, rooms: Arc::new(rooms), texts: texts.to_vec() }
    }

    /// The same world and log after a crash.
    pub fn crashed(&self) -> Self {
        let (clock, target) = (Arc::clone(&self.clock), Arc::clone(&self.hop.target));
        Self::over(&self.texts, &self.journal.entries(), clock, target)
    }

    #[must_use]
    pub fn judging(self, judge: impl FnMut(&Request) -> Verdict + Send + 'static) -> Self {
        *self.rooms.judge.lock().expect("not poisoned") = Box::new(judge);
        self
    }

    /// Starts a dispatcher.
    pub async fn up(&self) -> House {
        let ports = Ports {
            clock: Arc::clone(&self.clock) as _,
            journal: Arc::clone(&self.journal) as _,
            recall: Arc::clone(&self.rooms) as _,
            model: Arc::clone(&self.rooms) as _,
            policy: Arc::clone(&self.rooms) as _,
            actuator: Arc::clone(&self.hop) as _,
        };
        let approvers = Approvers { role: "returns-lead".to_owned(), quorum: 1, not_by: vec![principal("person:eve")] };
        let settings = Settings {
            agent: principal("agent:test"),
            approvers,
            gate_life: GATE_LIFE,
            catalogue: Digest::ZERO,
            records: Vec::new(),
        };
        let engine = Engine::new(self.texts.iter().map(|text| playbook(text)));
        let mut dispatcher = Dispatcher::new(ports, settings, engine);
        dispatcher.recover().await.expect("the log reads");
        let desk = dispatcher.desk();
        let (stop, stopping) = watch::channel(false);
        House { desk, stop, task: tokio::spawn(dispatcher.run(stopping)) }
    }

    pub fn append(&self, record: Record) -> Seq {
        let draft = Draft::new(principal("device:test"), record);
        self.journal.append_now(vec![draft], Expect::Anything).expect("taken").entries[0].seq
    }

    pub fn boot(&self, catalogue: u8) {
        let booted = Booted { version: "1".to_owned(), catalogue: Digest([catalogue; 32]), policy: Digest::ZERO };
        self.append(Record::Booted(booted));
    }

    /// An event that starts what waits for `go.v1`.
    pub fn go(&self, order: &str, key: &str) -> Seq {
        self.append(Record::Event(Event {
            id: key.to_owned(),
            source: "/test".to_owned(),
            event_type: "go.v1".to_owned(),
            time: Timestamp(START),
            subject: None,
            data: json!({ "order": order, "key": key }),
        }))
    }

    /// Waits until so many records of a kind stand in the log. The time limit is for tests that fail.
    pub async fn until(&self, kind: &str, count: usize) {
        let holds = |entries: &[Arc<Entry>]| entries.iter().filter(|e| e.record.kind() == kind).count() >= count;
        let waited = tokio::time::timeout(Duration::from_secs(10), self.journal.wait_until(holds)).await;
        assert!(waited.is_ok(), "waited for {count} of `{kind}`: {}", self.story());
    }

    /// Lets everything happen that can happen without time or people.
    pub async fn quiet(&self) {
        let mut same = 0;
        while same < 40 {
            let before = self.journal.tail();
            tokio::task::yield_now().await;
            same = if self.journal.tail() == before { same + 1 } else { 0 };
        }
    }

    /// How the runs ended, in the order in which they did.
    pub fn ends(&self) -> Vec<RunEnd> {
        let end = |entry: &Arc<Entry>| match &entry.record {
            Record::RunEnded(ended) => Some(ended.end.clone()),
            _ => None,
        };
        self.journal.entries().iter().filter_map(end).collect()
    }

    /// The log in words, a bar between appends.
    pub fn story(&self) -> String {
        let entries = self.journal.entries();
        let batches = self.journal.batches();
        let mut fresh = entries.iter().skip(entries.len() - batches.iter().sum::<usize>());
        let batch = |count: &usize| fresh.by_ref().take(*count).map(|e| words(&e.record)).collect::<Vec<_>>().join(" ");
        batches.iter().map(batch).collect::<Vec<_>>().join(" | ")
    }

    pub fn first_run(&self) -> RunId {
        let run = |entry: &Arc<Entry>| entry.header.run;
        self.journal.entries().iter().find_map(run).expect("a run has started")
    }
}

fn words(record: &Record) -> String {
    match record {
        Record::Concluded(concluded) => {
            let by =
                if let Outcome::Refused { by, .. } = &concluded.outcome { format!("-by-{by}") } else { String::new() };
            format!("{}{by}{}", concluded.outcome.word(), if concluded.last { "" } else { "…" })
        }
        Record::GateAnswered(answered) => format!("{:?}", answered.answer).to_lowercase(),
        other => other.kind().to_owned(),
    }
}

/// A running dispatcher.
pub struct House {
    pub desk: Desk,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), Failure>>,
}

impl House {
    /// Stops and hands back what it ended with.
    pub async fn down(self) {
        self.stop.send_replace(true);
        self.task.await.expect("no crash").expect("the log holds");
    }

    /// The card of the one gate that is open, ready to be answered by a lead.
    pub async fn card(&self) -> Card {
        self.desk.catch_up().await.expect("it runs");
        let open = self.desk.open_gates();
        let [state] = open.as_slice() else { panic!("not one gate is open: {open:?}") };
        Card {
            gate: state.id,
            answer: Answer::Approve,
            digest: state.gate.digest,
            by: principal("person:mia"),
            roles: vec!["returns-lead".to_owned()],
            note: String::new(),
        }
    }

    pub async fn approve(&self) {
        self.desk.answer(self.card().await).await.expect("a lead may");
    }

    pub async fn refuse(&self) {
        let card = Card { answer: Answer::Refuse, ..self.card().await };
        self.desk.answer(card).await.expect("a lead may");
    }
}
