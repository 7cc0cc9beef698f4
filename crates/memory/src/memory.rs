//! The handle to memory: open it, fold entries into it, ask it.
//!
//! Knows how calls reach the one writer thread and the readers; not what entries mean (`project`) nor where rows lie (`store`).
//!
//! ```text
//! fold -> queue "memory-fold" (64, waits when full) -> writer thread -> store -> watermark -> who waits
//! views, recall, query -> at most 4 readers, each on a blocking thread with its own read-only connection
//! ```

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sinew_contract::{EffectId, Embed, Entry, EntryRef, GateId, LogId, RunId, Scope, Seq};
use tokio::sync::Semaphore;

use crate::error::MemoryError;
use crate::health::{self, Health, HealthQuery};
use crate::items::{Catalogues, Embedder, FoundItem, Search};
use crate::sql::Table;
use crate::store::{Reader, sqlite};
use crate::views::{EffectRow, GateRow, GateStatus, RunFilter, RunRow, ScanRow, TimelineRow, Totals};
use crate::writer::Writer;

/// Readers at a time; more wait. Four keep two cores busy.
const READERS_MAX: usize = 4;
/// How long a question waits for memory to catch up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How memory was found when it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason", content = "detail")]
pub enum Reason {
    /// The file was there and fits.
    Kept,
    /// There was no file.
    Fresh,
    /// It was folded from another log.
    OtherLog,
    /// It was written by a newer version, whose number this is.
    Newer(i64),
    /// It is a database, but not one of ours, or not a database at all.
    Foreign,
    /// Its bytes are damaged; what was found.
    Damaged(String),
}

/// What opening did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenReport {
    /// How the file was found.
    #[serde(flatten)]
    pub reason: Reason,
    /// Where the file that did not fit was put; none where it was kept, or was only ours from another log.
    pub set_aside: Option<PathBuf>,
    /// The last entry folded: fold on from here.
    pub watermark: Seq,
}

/// What the log means, as far as it has been folded. Cheap to clone; all clones are one memory.
#[derive(Clone)]
pub struct Memory {
    inner: Arc<Inner>,
    patience: Duration,
    embed: Option<Embedder>,
}

struct Inner {
    path: PathBuf,
    writer: Writer,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Box<dyn Reader>>>,
    catalogues: Arc<Catalogues>,
}

impl Memory {
    /// Opens or makes the file at `path` for this log. A file that does not fit is set aside and made anew.
    ///
    /// Blocks for milliseconds; starts the writer thread. Afterwards fold the journal from the watermark on: entries up
    /// to it are skipped, so that starting at 1 is harmless, only slow.
    ///
    /// # Errors
    /// `Broken` where the file or its folder cannot be written.
    pub fn open(path: &Path, log: LogId) -> Result<(Self, OpenReport), MemoryError> {
        let (store, report) = sqlite::open(path, log)?;
        let inner = Inner {
            path: path.to_owned(),
            writer: Writer::start(Box::new(store))?,
            permits: Arc::new(Semaphore::new(READERS_MAX)),
            idle: Mutex::new(Vec::new()),
            catalogues: Arc::default(),
        };
        Ok((Self { inner: Arc::new(inner), patience: PATIENCE, embed: None }, report))
    }

    /// Sets how long a question waits for memory to catch up; 5 s by default.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Lets vectors help to find what is remembered. Words alone decide without.
    #[must_use]
    pub fn with_embed(mut self, embed: Arc<dyn Embed>) -> Self {
        self.embed = Some(embed);
        self
    }

    /// What is remembered and bears on the question, the best first.
    ///
    /// # Errors
    /// `Broken` where the store fails.
    pub async fn search(&self, search: Search) -> Result<Vec<FoundItem>, MemoryError> {
        let (catalogues, embed) = (Arc::clone(&self.inner.catalogues), self.embed.clone());
        self.read(move |store| store.search(&catalogues, &search, embed.as_ref())).await
    }

    /// The last entry that has been folded.
    pub fn watermark(&self) -> Seq {
        self.inner.writer.head().seq
    }

    /// The last entry that has been folded, with its hash: compare it with the journal before folding on, since a
    /// journal that was restored from a copy may have another entry there, or none; then `reset`.
    pub fn head(&self) -> EntryRef {
        self.inner.writer.head()
    }

    /// Folds entries, which come in order and without a gap, and returns the new watermark when they are committed.
    ///
    /// One transaction for all. Entries up to the watermark are skipped, so calling twice is harmless. After a crash
    /// the batch stands whole or not at all.
    ///
    /// # Errors
    /// `Invalid` for a gap; `Conflict` where the entries continue another history than the one folded (then `reset`);
    /// `Broken` where the store fails; `Busy` when memory is closing.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the batch on its way; it is folded or not as if nobody had waited.
    pub async fn fold(&self, entries: Vec<Arc<Entry>>) -> Result<Seq, MemoryError> {
        self.inner.writer.fold(entries).await
    }

    /// Forgets everything; fold from the first entry again.
    ///
    /// # Errors
    /// `Broken` where the store fails.
    pub async fn reset(&self) -> Result<(), MemoryError> {
        self.inner.writer.reset().await?;
        self.inner.catalogues.clear();
        Ok(())
    }

    /// Waits until memory has folded at least this far.
    ///
    /// # Errors
    /// `Late` after the patience.
    pub async fn wait_for(&self, at_least: Seq) -> Result<(), MemoryError> {
        self.inner.writer.wait_for(at_least, self.patience).await
    }

    /// Lists runs, the newest first.
    ///
    /// # Errors
    /// `Broken` where the store fails; so do all views.
    pub async fn list_runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, MemoryError> {
        self.read(move |store| store.runs(&filter)).await
    }

    /// One run.
    ///
    /// # Errors
    /// `Missing` for a run that does not exist in this scope.
    pub async fn run(&self, scope: &Scope, run: RunId) -> Result<RunRow, MemoryError> {
        let scope = scope.clone();
        let row = self.read(move |store| store.run(&scope, run)).await?;
        row.ok_or_else(|| missing("run", run))
    }

    /// All entries of a run in order, the event that started it first.
    ///
    /// # Errors
    /// `Missing` for a run that does not exist in this scope.
    pub async fn run_timeline(&self, scope: &Scope, run: RunId) -> Result<Vec<TimelineRow>, MemoryError> {
        let scope = scope.clone();
        let rows = self.read(move |store| store.timeline(&scope, run)).await?;
        if rows.is_empty() { Err(missing("run", run)) } else { Ok(rows) }
    }

    /// The acts of a run in the order in which it asked for them; empty for an unknown run.
    ///
    /// # Errors
    /// As all views.
    pub async fn run_effects(&self, scope: &Scope, run: RunId) -> Result<Vec<EffectRow>, MemoryError> {
        let scope = scope.clone();
        self.read(move |store| store.effects(&scope, run)).await
    }

    /// One act.
    ///
    /// # Errors
    /// `Missing` for a wish that is no act, or of another scope.
    pub async fn effect(&self, scope: &Scope, effect: EffectId) -> Result<EffectRow, MemoryError> {
        let scope = scope.clone();
        let row = self.read(move |store| store.effect(&scope, effect)).await?;
        row.ok_or_else(|| missing("effect", effect))
    }

    /// The gates that wait, the oldest first; at most 1,000.
    ///
    /// # Errors
    /// As all views.
    pub async fn open_gates(&self, scope: &Scope) -> Result<Vec<GateRow>, MemoryError> {
        let scope = scope.clone();
        self.read(move |store| store.gates(&scope, Some(GateStatus::Open), 1_000)).await
    }

    /// Gates of one status, the oldest first, or of any, the newest first; at most `limit`, never more than 1,000.
    ///
    /// # Errors
    /// As all views.
    pub async fn gates(
        &self,
        scope: &Scope,
        status: Option<GateStatus>,
        limit: usize,
    ) -> Result<Vec<GateRow>, MemoryError> {
        let scope = scope.clone();
        self.read(move |store| store.gates(&scope, status, limit)).await
    }

    /// One gate, open or closed.
    ///
    /// # Errors
    /// `Missing` for a gate that does not exist in this scope.
    pub async fn gate(&self, scope: &Scope, gate: GateId) -> Result<GateRow, MemoryError> {
        let scope = scope.clone();
        let row = self.read(move |store| store.gate(&scope, gate)).await?;
        row.ok_or_else(|| missing("gate", gate))
    }

    /// Scans, the newest first; at most `limit`, never more than 10,000.
    ///
    /// # Errors
    /// As all views.
    pub async fn scans(&self, scope: &Scope, limit: usize) -> Result<Vec<ScanRow>, MemoryError> {
        let scope = scope.clone();
        self.read(move |store| store.scans(&scope, limit)).await
    }

    /// Counts over the whole log of one scope.
    ///
    /// # Errors
    /// As all views.
    pub async fn totals(&self, scope: &Scope) -> Result<Totals, MemoryError> {
        let scope = scope.clone();
        self.read(move |store| store.totals(&scope)).await
    }

    /// The three numbers over a window, with a trend.
    ///
    /// # Errors
    /// As all views.
    pub async fn health(&self, query: HealthQuery) -> Result<Health, MemoryError> {
        self.read(move |store| Ok(health::of(&store.samples(&query)?, &query))).await
    }

    /// Runs one `SELECT` (or `EXPLAIN`, `WITH`, `VALUES`) within the limits of [`crate::sql`].
    ///
    /// # Errors
    /// `Invalid` where it is wrong or would write; `Late` where it takes too long.
    pub async fn query(&self, sql: impl Into<String>) -> Result<Table, MemoryError> {
        let sql = sql.into();
        self.read(move |store| store.query(&sql)).await
    }

    /// Runs a read on a blocking thread with a connection of its own.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Reader) -> Result<T, MemoryError> + Send + 'static,
    ) -> Result<T, MemoryError> {
        let permit = Arc::clone(&self.inner.permits).acquire_owned().await.map_err(|_| MemoryError::Closed)?;
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.with_reader(ask)
        });
        done.await.map_err(|_| MemoryError::Closed)?
    }
}

impl Inner {
    /// A reader that failed is not used again: its connection may be what is broken.
    fn with_reader<T>(&self, ask: impl FnOnce(&mut dyn Reader) -> Result<T, MemoryError>) -> Result<T, MemoryError> {
        let idle = self.idle().pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Box::new(sqlite::reader(&self.path)?),
        };
        let answer = ask(reader.as_mut())?;
        self.idle().push(reader);
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Reader>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing(what: &'static str, id: impl std::fmt::Display) -> MemoryError {
    MemoryError::Missing { what, id: id.to_string() }
}
