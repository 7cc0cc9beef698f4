//! A reasoner with models, over a log and blobs in memory: what stands around the room in its tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use sinew_contract::{
    Ask, BlobRef, Blobs, Booted, Digest, Draft, EffectId, Entry, ErrorKind, Failure, Journal, LogTag, Model,
    ModelCalled, Proposal, Record, RunId, RunStarted, Seq, Timestamp,
};
use sinew_reasoning::{Catalogue, Outside, Reasoner};
use sinew_testkit::{MemoryJournal, SimClock};
use tokio::task::JoinHandle;

/// Blobs in memory.
#[derive(Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<Digest, Bytes>>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: Bytes, media_type: &str) -> Result<BlobRef, Failure> {
        let digest = sinew_expr::digest(&bytes);
        let len = u64::try_from(bytes.len()).expect("small");
        self.0.lock().expect("no panic").insert(digest, bytes);
        Ok(BlobRef { digest, len, media_type: media_type.to_owned() })
    }

    async fn get(&self, digest: Digest) -> Result<Bytes, Failure> {
        let found = self.0.lock().expect("no panic").get(&digest).cloned();
        found.ok_or_else(|| Failure::new(ErrorKind::Missing, "there is no such blob"))
    }
}

/// The room and what stands around it.
pub struct House {
    pub reasoner: Reasoner,
    pub journal: Arc<MemoryJournal>,
    pub blobs: Arc<MemoryBlobs>,
    pub clock: Arc<SimClock>,
    keeper: JoinHandle<Result<(), Failure>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

pub const TABLE: &str = r#"
name = "size"
hit-policy = "first"
inputs = [{ name = "n", type = "integer" }]
outputs = [{ name = "size", type = "string" }]
rows = [{ id = "small", when = { n = "< 10" }, then = { size = "small" }, reason = "Below ten." }]
"#;
pub const TEMPLATE: &str = "name = \"letter\"\n[fields]\nbody = \"n is {{ n }}\"\n";

impl House {
    /// A house over a log that holds one run.
    pub async fn new(models: &str) -> Self {
        let clock = Arc::new(SimClock::at(Timestamp(1_700_000_000_000_000)));
        let journal = Arc::new(MemoryJournal::new(Arc::clone(&clock) as _));
        Self::over(models, journal, clock).await
    }

    /// A process begins over this log.
    pub async fn over(models: &str, journal: Arc<MemoryJournal>, clock: Arc<SimClock>) -> Self {
        boot(&journal).await;
        let blobs = Arc::new(MemoryBlobs::default());
        let (tables, templates) = ([pair("size.toml", TABLE)], [pair("letter.toml", TEMPLATE)]);
        let reasoner = Reasoner::load(&tables, &templates).expect("they are good");
        let catalogue = Catalogue::load(&[pair("main.toml", models)]).expect("it is good");
        let outside = Outside {
            journal: Arc::clone(&journal) as _,
            blobs: Arc::clone(&blobs) as _,
            clock: Arc::clone(&clock) as _,
        };
        let secrets = |name: &str| Ok(format!("secret-of-{name}"));
        let (reasoner, keeper) = reasoner.with_models(&catalogue, &secrets, &outside).expect("it fits");
        journal.entries().iter().for_each(|entry| reasoner.observe(entry));
        reasoner.recovered();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let until = async move { drop(stopped.await) };
        Self { reasoner, journal, blobs, clock, keeper: tokio::spawn(keeper.run(until)), stop }
    }

    /// Ends in order; the log stays.
    pub async fn close(self) -> (Arc<MemoryJournal>, Arc<SimClock>) {
        self.stop.send(()).expect("the keeper waits");
        self.keeper.await.expect("no panic").expect("the log holds");
        (self.journal, self.clock)
    }

    /// Ends without order; the log stays.
    pub fn kill(self) -> (Arc<MemoryJournal>, Arc<SimClock>) {
        self.keeper.abort();
        (self.journal, self.clock)
    }

    pub async fn answer(&self, ask: &Ask) -> Result<Proposal, Failure> {
        self.reasoner.answer(ask).await
    }

    /// The calls that stand in the log.
    pub fn calls(&self) -> Vec<ModelCalled> {
        calls(&self.journal.entries())
    }
}

pub fn calls(entries: &[Arc<Entry>]) -> Vec<ModelCalled> {
    let call = |entry: &Arc<Entry>| match &entry.record {
        Record::ModelCalled(call) => Some(call.clone()),
        _ => None,
    };
    entries.iter().filter_map(call).collect()
}

pub fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

async fn boot(journal: &MemoryJournal) {
    let booted = Booted { version: "0".to_owned(), catalogue: Digest::ZERO, policy: Digest::ZERO };
    let booted = Draft::new("sinew".parse().expect("plain"), Record::Booted(booted));
    journal.append(vec![booted], sinew_contract::Expect::Anything).await.expect("it is taken");
}

/// Starts a run in the log.
pub async fn start_run(journal: &MemoryJournal, playbook: &str) -> RunId {
    let started = RunStarted {
        playbook: playbook.parse().expect("plain"),
        version: "1.0.0".to_owned(),
        digest: Digest::ZERO,
        engine: 1,
        policy: Digest::ZERO,
        catalogue: Digest::ZERO,
        trigger: None,
        parent: None,
        input: Value::Null,
    };
    let mut draft = Draft::new("sinew".parse().expect("plain"), Record::RunStarted(started));
    draft.run = sinew_contract::OfRun::Starts;
    let appended = journal.append(vec![draft], sinew_contract::Expect::Anything).await.expect("it is taken");
    RunId { log: journal.id().tag(), seq: appended.entries[0].seq }
}

/// A question of the first run, for a small object.
pub fn question(step: u32) -> Ask {
    let mut ask = crate::ask(json!({"n": 30, "text": "It came broken."}));
    ask.effect = EffectId { run: RunId { log: LogTag(0x0707_0707), seq: Seq(1) }, step };
    ask.instruction = format!("Decide, question {step}.");
    ask.schema = json!({"type": "object", "required": ["action"], "additionalProperties": false,
        "properties": {"action": {"enum": ["hold", "refund"]}}});
    ask
}

/// What an OpenAI server says.
pub fn said(text: &str) -> Value {
    json!({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10}})
}

/// Two providers, `first` and `second`, each with a model of its name; the judge asks both, then a template.
pub fn two(first: &str, second: &str, more: &str) -> String {
    format!(
        r#"
[providers.one]
wire = "openai"
url = "{first}/v1"
key = "env:ONE"
[providers.two]
wire = "openai"
url = "{second}/v1"
[models.first]
provider = "one"
id = "first-1"
output-max = 100
[models.second]
provider = "two"
id = "second-1"
output-max = 100
[ladders.judge]
rungs = [{{ model = "first", deadline = "5s" }}, {{ model = "second", deadline = "5s" }}, "template"]
[prices]
as-of = "2026-11-01"
[prices.models.first]
input = 1000000
output = 2000000
[prices.models.second]
input = 10000000
output = 20000000
{more}
"#
    )
}
