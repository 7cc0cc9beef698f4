//! What this room needs from the house: two traits that the roof implements over the tables, the journal and the ports.
//!
//! Does not know how any of it is stored or decided. `House` is the work (scans, runs, gates), `Watch` is what one sees
//! and stops it by (health, audit, entries, stop). Reading methods change nothing: every GET is made of them alone.

use async_trait::async_trait;
use futures::stream::BoxStream;
use sinew_contract::{Digest, Failure, GateId, PrincipalId, RunId, Seq};

use crate::views::{
    AuditView, Blob, EntryQuery, EntryRow, GateQuery, GateReply, GateRow, GateView, HealthView, RunQuery, RunRow,
    RunView, ScanUpload, ScanView, StopOrder, StopView,
};

/// Who is calling, known for certain: by a session, a token or the local secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As in `person:ana`; what is journaled.
    pub principal: PrincipalId,
    /// The name to show.
    pub name: String,
    /// The roles that gates ask for.
    pub roles: Vec<String>,
}

impl Caller {
    /// Says whether the caller has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r == role)
    }
}

/// The work: what comes in, what runs, what waits for a person.
#[async_trait]
pub trait House: Send + Sync {
    /// Takes a picture in: bytes in the blob store, then read, then its event in the journal; returns when that is durable.
    ///
    /// The same `key` from the same caller again gives the first scan again, with `repeated` set.
    ///
    /// # Errors
    /// `Invalid` for what is not a picture or is too large to decode; `Busy` when it cannot be kept now (full disk).
    async fn scan(&self, upload: ScanUpload, by: &Caller) -> Result<ScanView, Failure>;

    /// One scan, by the seq of its event.
    ///
    /// # Errors
    /// `Missing` where that entry is not a scan.
    async fn scanned(&self, scan: Seq) -> Result<ScanView, Failure>;

    /// Runs, newest first.
    ///
    /// # Errors
    /// Those of the store.
    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRow>, Failure>;

    /// One run with its timeline.
    ///
    /// # Errors
    /// `Missing` where there is none.
    async fn run(&self, run: RunId) -> Result<RunView, Failure>;

    /// Asks a run to end and returns how it stands now; it ends at its next step, not at once.
    ///
    /// # Errors
    /// `Missing` where there is none; `Conflict` where it has ended.
    async fn cancel(&self, run: RunId, reason: &str, by: &Caller) -> Result<RunView, Failure>;

    /// Gates: those that wait first, the most urgent first among them; then the latest answered.
    ///
    /// # Errors
    /// Those of the store.
    async fn gates(&self, query: &GateQuery) -> Result<Vec<GateRow>, Failure>;

    /// One gate with its whole card.
    ///
    /// # Errors
    /// `Missing` where there is none.
    async fn gate(&self, gate: GateId) -> Result<GateView, Failure>;

    /// Answers a gate and returns it when the answer is durable. A gate closes once.
    ///
    /// The same answer to a gate that was closed with it returns the same view and journals nothing.
    ///
    /// # Errors
    /// `Missing` where there is none; `Denied` where the caller has not the role or is excluded; `Conflict` where the digest
    /// is not the gate's, or it was closed with another answer or by time.
    async fn answer(&self, gate: GateId, reply: GateReply, by: &Caller) -> Result<GateView, Failure>;

    /// Bytes from the blob store, verified.
    ///
    /// # Errors
    /// `Missing` where there are none; `Broken` where they do not have that digest any more.
    async fn blob(&self, digest: Digest) -> Result<Blob, Failure>;
}

/// What one watches the house by, and stops it with.
#[async_trait]
pub trait Watch: Send + Sync {
    /// How it goes. Never fails: what cannot be told is absent.
    async fn health(&self) -> HealthView;

    /// Whether the log verifies, and how far. May be as old as its `verified_at` says.
    ///
    /// # Errors
    /// Those of the store; a log that does not verify is an answer, not an error.
    async fn audit(&self) -> Result<AuditView, Failure>;

    /// Entries of the log in few words, newest first.
    ///
    /// # Errors
    /// `Broken` where the stored bytes do not verify.
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<EntryRow>, Failure>;

    /// The durable log from `from` on, in order, without a gap; then whatever comes. Ends when the log is closed.
    fn follow(&self, from: Seq) -> BoxStream<'static, Result<EntryRow, Failure>>;

    /// The last durable entry; `Seq::ZERO` for an empty log.
    fn tail(&self) -> Seq;

    /// The stops that hold now; from memory, never waits.
    fn stops(&self) -> Vec<StopView>;

    /// Presses or releases stop, and returns the stops that hold then. Latch first, journal when possible.
    ///
    /// Pressing twice is pressing once. Release never restarts anything.
    ///
    /// # Errors
    /// `Broken` where the stop file could not be written: the latch holds all the same.
    async fn halt(&self, order: &StopOrder, by: &Caller) -> Result<Vec<StopView>, Failure>;
}
