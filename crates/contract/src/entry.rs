//! A record in the journal: its header, fixed from the first day, and its draft before the journal numbers it.
//!
//! Does not know the bytes: `sinew-journal` alone knows the format and its versions.

use serde::Serialize;

use crate::{
    BootTime, Digest, LabelMap, LogId, PrincipalId, Record, RunId, Scope, Seq, SubjectKeyId, Timestamp, Touch,
};

/// What stands before each payload. The entry's hash covers all of it, so all of it is tamper-evident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Header {
    /// Version of the header's layout.
    pub format: u16,
    /// The log.
    pub log: LogId,
    /// Grows when a log is restored or forked on purpose; the pair (log, epoch) never forks silently.
    pub epoch: u64,
    /// Place in the log, from 1.
    pub seq: Seq,
    /// Hash of the entry before; zero for the first.
    pub previous: Digest,
    /// The tenant.
    pub scope: Scope,
    /// Code of the record's kind, see `Record::code`.
    pub kind: u16,
    /// The run that it belongs to.
    pub run: Option<RunId>,
    /// The entry that brought it about; none for what comes from outside.
    pub cause: Option<Seq>,
    /// Who did it.
    pub principal: PrincipalId,
    /// When it was observed, by whoever observed it.
    pub observed: Timestamp,
    /// When the journal took it.
    pub recorded: Timestamp,
    /// The same moment on the boot clock.
    pub boot: BootTime,
    /// The keys that seal the payload; empty where it is not about a person.
    pub subjects: Vec<SubjectKeyId>,
    /// The guarded keys that it touches.
    pub touches: Vec<Touch>,
    /// Digest of the label map that travels in the payload; zero for none.
    pub labels: Digest,
    /// Digest of the payload as stored: of the ciphertext, where it is sealed.
    pub payload: Digest,
}

/// An entry as read back: header, hash and the opened record.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// See `Header`.
    pub header: Header,
    /// SHA-256 of the header's bytes: the `previous` of the next.
    pub hash: Digest,
    /// The record; `Record::Erased` where a subject's key is gone.
    pub record: Record,
    /// Labels of the values in the record.
    pub labels: LabelMap,
}

impl Entry {
    /// Its place in the log.
    pub const fn seq(&self) -> Seq {
        self.header.seq
    }

    /// The reference under which others cite it.
    pub const fn reference(&self) -> EntryRef {
        EntryRef { seq: self.header.seq, hash: self.hash }
    }
}

/// Cites one entry so that nobody can cite another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
pub struct EntryRef {
    /// Its place.
    pub seq: Seq,
    /// Its hash.
    pub hash: Digest,
}

/// Which run a draft belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfRun {
    /// None.
    #[default]
    None,
    /// This one.
    Is(RunId),
    /// It starts one: the run id is made from the seq that this draft gets.
    Starts,
}

/// What brought a draft about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// The outside.
    #[default]
    Outside,
    /// An entry.
    Entry(Seq),
    /// The draft at this index of the same batch, which must stand before.
    InBatch(usize),
}

/// A record on its way into the journal, which adds number, hash and the time of recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The tenant.
    pub scope: Scope,
    /// See `OfRun`.
    pub run: OfRun,
    /// See `Cause`.
    pub cause: Cause,
    /// Who does it.
    pub principal: PrincipalId,
    /// When it was observed; none is "when recorded".
    pub observed: Option<Timestamp>,
    /// Names of the persons or things it is about, as in `customer:c17`; their keys seal the payload.
    pub subjects: Vec<String>,
    /// Guarded keys that it touches, in plain text; the journal keeps only keyed digests of them in the header.
    pub touches: Vec<String>,
    /// Labels of the values in the record.
    pub labels: LabelMap,
    /// The fact.
    pub record: Record,
}

impl Draft {
    /// A draft in scope `main`, without run, cause, subjects, touches or labels.
    pub fn new(principal: PrincipalId, record: Record) -> Self {
        Self {
            scope: Scope::main(),
            run: OfRun::None,
            cause: Cause::Outside,
            principal,
            observed: None,
            subjects: Vec::new(),
            touches: Vec::new(),
            labels: LabelMap::new(),
            record,
        }
    }

    /// Sets the run.
    #[must_use]
    pub fn of_run(mut self, run: RunId) -> Self {
        self.run = OfRun::Is(run);
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn caused_by(mut self, seq: Seq) -> Self {
        self.cause = Cause::Entry(seq);
        self
    }

    /// Adds a guarded key.
    #[must_use]
    pub fn touching(mut self, key: impl Into<String>) -> Self {
        self.touches.push(key.into());
        self
    }
}

/// The condition under which a batch may be appended.
///
/// Optimistic concurrency as in FoundationDB's resolver (Zhou et al., SIGMOD 2021, section 2.4): the caller has folded
/// the log up to `since`; the batch is taken only if none of *its own* touches stands in an entry after `since`. So a
/// limit, a budget or a key is checked and reserved in the same commit as the decision that rests on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Append whatever has happened.
    #[default]
    Anything,
    /// None of the batch's touches was made after this.
    Untouched {
        /// The last seq that the caller has folded.
        since: Seq,
    },
}

/// Where a batch came to stand. Given only when it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// One reference per draft, in order.
    pub entries: Vec<EntryRef>,
}
