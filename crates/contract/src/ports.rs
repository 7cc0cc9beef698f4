//! The ports: the questions that rooms ask each other. To read this file is to know the house.
//!
//! A room implements the ports it answers and is handed the ports it asks; it never imports another room.
//! At most five methods each. Every implementation passes its port's suite in `sinew-testkit`.
//!
//! | port | question | answered by | asked by |
//! |---|---|---|---|
//! | `Clock` | what time is it; wake me then | the roof, testkit | all |
//! | `Device` | check, read, write, listen, make safe | drivers | perception, actuation |
//! | `Journal` | append a batch, read, follow, tail, checkpoint | journal | all that remember or tell |
//! | `Blobs` | keep these bytes, give them back unaltered | journal | perception, api |
//! | `Reflexive`, `Reflex` (in `reflex`) | answer this message at once | drivers, actuation | the roof, drivers |
//! | `Samples` | keep these numbers, give their course back | memory | drivers, perception (through the roof) |
//! | `Recall` | what do we know that bears on this | memory | planning |
//! | `Model` | answer this question, checked | reasoning | planning |
//! | `Embed` | texts as vectors | reasoning | memory, reasoning |
//! | `Policy` | run, ask or refuse | policy | planning |
//! | `Actuator` | prepare, carry out, settle, halt | actuation | planning, api |

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::*;

/// Time, so that the middle of the house needs no clock of its own.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;

    /// Returns when the wall clock has reached `until`; at once when it already has. Cancel safe.
    async fn sleep_until(&self, until: Timestamp);
}

/// The log. Nothing leaves the process before the entries that it rests on are durable here.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends a batch whole or not at all, and returns when it is on disk.
    ///
    /// After a crash between call and return the batch stands whole or not at all; read the tail to know.
    /// Calling twice appends twice, unless `expect` and a touch forbid it.
    ///
    /// # Errors
    /// `Conflict` where `expect` does not hold (fold on and try again); `Invalid` for a batch that is empty, too large or
    /// whose `InBatch` cause does not stand before; `Broken` once any write or sync has failed: the log is then read-only.
    async fn append(&self, batch: Vec<Draft>, expect: Expect) -> Result<Appended, Failure>;

    /// Reads at most `limit` durable entries from `from` on, in order; empty at the end.
    ///
    /// # Errors
    /// `Broken` where the stored bytes do not verify: corruption is reported, never served.
    fn read(&self, from: Seq, limit: usize) -> Result<Vec<Arc<Entry>>, Failure>;

    /// Follows the durable log from `from` on.
    fn follow(&self, from: Seq) -> Box<dyn Follow>;

    /// The last durable entry: its seq and hash; `Seq::ZERO` and the zero digest for an empty log.
    fn tail(&self) -> EntryRef;

    /// The log's id.
    fn id(&self) -> LogId;
}

/// One follower of the log.
#[async_trait]
pub trait Follow: Send {
    /// Waits for durable entries and returns at least one and at most `limit`, in order, without a gap. Cancel safe.
    ///
    /// # Errors
    /// As `Journal::read`; `Missing` when the log was closed.
    async fn next(&mut self, limit: usize) -> Result<Vec<Arc<Entry>>, Failure>;
}

/// Large immutable things by their digest.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps the bytes and returns when they are on disk. The same bytes twice are kept once.
    ///
    /// # Errors
    /// `Busy` when the disk is full; `Broken` for other I/O errors.
    async fn put(&self, bytes: Bytes, media_type: &str) -> Result<BlobRef, Failure>;

    /// Gives the bytes back, digest verified.
    ///
    /// # Errors
    /// `Missing` where there are none; `Broken` where they do not have that digest any more.
    async fn get(&self, digest: Digest) -> Result<Bytes, Failure>;
}

/// One device or connector: senses and acts over one connection.
#[async_trait]
pub trait Device: Send + Sync {
    /// Its configured name.
    fn id(&self) -> &DeviceId;

    /// Checks at load that an operation of a manifest can be understood.
    ///
    /// # Errors
    /// `Invalid`, with what is wrong and how to mend it.
    fn check(&self, operation: &Value) -> Result<(), Failure>;

    /// Asks for something without any effect.
    ///
    /// `args` fill the `{name}` places of the operation.
    ///
    /// # Errors
    /// `Missing` where the target says it has no such thing; `Busy` where it could not be reached or says to come back;
    /// `Late` past the deadline; `Denied` by the egress allow-list; `Invalid` where it calls the question wrong.
    async fn read(&self, operation: &Value, args: &Value, deadline: Deadline) -> Result<Value, Failure>;

    /// Sends a command, with its key and its expiry, once. Never repeats by itself.
    ///
    /// # Errors
    /// `Busy`, `Denied`, `Invalid`, `Late`: it surely never left. `Broken`: it may have left, nobody knows what became of it.
    async fn write(&self, command: &Command) -> Result<Reply, Failure>;

    /// Waits for the next reading of a device that speaks by itself. Cancel safe.
    ///
    /// # Errors
    /// `Missing` for a device that never speaks by itself.
    async fn listen(&self) -> Result<Reading, Failure>;
}

/// Numbers over time. Bounded, may drop what is too old; never the truth.
#[async_trait]
pub trait Samples: Send + Sync {
    /// Takes a batch; returns when it is committed. The same series and moment twice is once: the later word stands.
    ///
    /// A power cut may lose the last second. A partly bad batch is taken as far as it is good, and counted.
    ///
    /// # Errors
    /// `Busy` where the queue is full: drop or try again; `Broken` where the store fails.
    async fn record(&self, scope: &Scope, batch: Vec<Sample>) -> Result<Taken, Failure>;

    /// The course of one series, in order of time; empty buckets are left out.
    ///
    /// # Errors
    /// `Missing` for a series that does not exist in this scope; `Broken` where the store fails.
    async fn range(&self, query: SampleRange) -> Result<Vec<Bucket>, Failure>;
}

/// A question to memory.
#[derive(Clone, Debug, PartialEq)]
pub struct RecallQuery {
    /// Which store: `customers`, `orders`, `episodes`, …
    pub store: String,
    /// Whom or what, as in `customer:c17`.
    pub subject: Option<String>,
    /// About what, in words.
    pub about: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Memory must have folded at least this far, so that a run reads its own writes.
    pub at_least: Seq,
    /// The tenant.
    pub scope: Scope,
}

/// What the log means.
#[async_trait]
pub trait Recall: Send + Sync {
    /// What do we know that bears on this: `{items: [{id, kind, subject, content, at, source, confidence_permille, score}], as_of}`.
    ///
    /// # Errors
    /// `Missing` for a store that does not exist; `Late` where memory does not catch up with `at_least` in time.
    async fn recall(&self, query: RecallQuery) -> Result<Value, Failure>;
}

/// A question becomes a checked answer. Has no effects.
#[async_trait]
pub trait Model: Send + Sync {
    /// Answers, with a value that matches the schema of the question.
    ///
    /// # Errors
    /// `Missing` where no rung can answer; `Invalid` where the question is wrong (unknown table, bad schema).
    async fn answer(&self, ask: &Ask) -> Result<Proposal, Failure>;
}

/// A text as a point: near texts mean alike.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector {
    /// Every coordinate.
    Dense(Vec<f32>),
    /// The coordinates that are not zero, by index, ascending.
    Sparse(Vec<(u32, f32)>),
}

/// Texts as vectors of unit length (L2). The same text and id give the same vector, for ever.
#[async_trait]
pub trait Embed: Send + Sync {
    /// Names model and version, as in `hash-1` or `minilm-l6-v2`. Vectors of different ids are never compared.
    fn id(&self) -> &str;

    /// How many coordinates a vector has.
    fn dimensions(&self) -> usize;

    /// One vector per text, in order.
    ///
    /// # Errors
    /// `Busy` or `Late` where a provider could not be reached; `Missing` where no model is there.
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vector>, Failure>;
}

/// May this principal do this to that, now. Pure, quick, never errs: an error inside is a `Refuse` with its reason.
pub trait Policy: Send + Sync {
    /// Decides.
    fn decide(&self, request: &Request) -> Decision;

    /// Digest of the policy set and its schema.
    fn digest(&self) -> Digest;
}

/// What actuation knows of a wish before anybody decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The manifest.
    pub manifest: Arc<Manifest>,
    /// Its digest.
    pub manifest_digest: Digest,
    /// The thing itself, where the manifest names it.
    pub natural_key: Option<String>,
    /// Minor units and currency of the money it moves.
    pub amount: Option<(i64, String)>,
    /// The title with its places filled.
    pub what: String,
    /// What the keys say.
    pub standing: Standing,
    /// The last seq that this answer rests on; goes into `Expect::Untouched`.
    pub as_of: Seq,
}

/// What is known about the keys of a wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Never seen.
    Fresh,
    /// Same key, same arguments, an earlier intent of the same wish without a last word: settle that first.
    InFlight(Seq),
    /// Same key, same arguments, ended: the first receipt again.
    Repeat {
        /// The intent that did it.
        first: Seq,
        /// How it ended.
        outcome: Outcome,
    },
    /// Same key, other arguments: refused.
    KeyMisused {
        /// The intent that has the key.
        first: Seq,
    },
    /// The natural key belongs to another wish: asked about, never repeated.
    Duplicate {
        /// The intent that has it.
        first: Seq,
        /// How that ended, where it has.
        outcome: Option<Outcome>,
        /// In which run.
        run: RunId,
    },
}

/// The last hop. Nothing else holds a device that can act.
#[async_trait]
pub trait Actuator: Send + Sync {
    /// Checks a wish against its manifest and the keys, without moving anything.
    ///
    /// # Errors
    /// `Missing` for an unknown capability; `Invalid` where the arguments do not match its schema.
    fn prepare(&self, wish: &Wish) -> Result<Prepared, Failure>;

    /// Carries out a journaled intent: reads it back, checks latch and expiry, writes once.
    ///
    /// Calling twice for one permit is refused by the key table of the last hop.
    async fn carry_out(&self, permit: EntryRef) -> Outcome;

    /// Finds out what became of an intent without an outcome: by asking the target by key, never by repeating it.
    ///
    /// Returns `Unknown` only where the target has no way to answer. Otherwise waits, with backoff, until it does.
    async fn settle(&self, permit: EntryRef) -> Outcome;

    /// Presses or releases stop: memory latch first, then the stop file. Never waits for the journal.
    ///
    /// # Errors
    /// `Broken` where the file could not be written; the latch holds all the same.
    fn halt(&self, stop: &Stop) -> Result<(), Failure>;

    /// Folds a durable entry into the key table. Entries come in order, without a gap.
    fn observe(&self, entry: &Entry);
}
