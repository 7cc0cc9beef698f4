//! Writing to memory while no hub is running: through the journal, as everything is, and folded at once.
//!
//! Does not know how anything is asked on the command line.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use sinew_contract::{Draft, Expect, Forgotten, Journal, PrincipalId, Record, Scope, Seq};
use sinew_journal::FileLog;
use sinew_memory::Memory;

use super::places::Places;

/// A log and the memory that is folded from it, held alone.
pub struct Notes {
    log: Arc<FileLog>,
    memory: Memory,
    path: std::path::PathBuf,
    principal: PrincipalId,
}

impl Notes {
    /// Opens both and folds what is missing.
    ///
    /// # Errors
    /// Where a hub has the data directory, or it is none.
    pub async fn open(data: &Path) -> Result<Self> {
        let (log, _) = super::open_log(data)
            .context("memory is written through the journal, which a running hub holds alone; stop it first")?;
        let log = Arc::new(log);
        let path = Places::new(data).memory();
        let (memory, _) = Memory::open(&path, log.id())?;
        let principal = "person:owner".parse().expect("`person:owner` is a plain name");
        let notes = Self { log, memory, path, principal };
        notes.fold().await?;
        Ok(notes)
    }

    /// Says some things, each sealed for its subject; returns when they are on disk and folded.
    ///
    /// # Errors
    /// Where they cannot be appended.
    pub async fn say(
        &self,
        records: Vec<(Option<String>, Option<sinew_contract::Timestamp>, Record)>,
        scope: &Scope,
    ) -> Result<Seq> {
        let mut last = Seq::ZERO;
        let drafts: Vec<Draft> = records
            .into_iter()
            .map(|(subject, observed, record)| {
                let mut draft = Draft::new(self.principal.clone(), record);
                draft.scope = scope.clone();
                draft.observed = observed;
                draft.subjects.extend(subject);
                draft
            })
            .collect();
        for batch in drafts.chunks(BATCH) {
            let appended = self.log.append(batch.to_vec(), Expect::Anything).await?;
            last = appended.entries.last().map_or(last, |entry| entry.seq);
        }
        self.fold().await?;
        Ok(last)
    }

    /// Erases a subject: its key, so that nothing sealed for it can be opened again; then all that was made of it, by
    /// folding what is left. Gives back whether there was a key.
    ///
    /// After a crash in between, call again: the key is gone first, and what is derived is made anew.
    ///
    /// # Errors
    /// Where the key cannot be overwritten or memory not be made anew.
    pub async fn forget(self, scope: &Scope, subject: &str, items: u64, reason: &str) -> Result<bool> {
        let erased = self.log.erase(scope, subject).await?;
        let told = Record::Forgotten(Forgotten { items, reason: reason.to_owned() });
        let mut draft = Draft::new(self.principal.clone(), told);
        draft.scope = scope.clone();
        self.log.append(vec![draft], Expect::Anything).await?;
        self.rebuild().await?;
        Ok(erased)
    }

    /// Deletes what is derived and folds the log from its beginning: no byte of the old file stays.
    ///
    /// # Errors
    /// Where the file cannot be deleted or the log not be read.
    pub async fn rebuild(self) -> Result<Seq> {
        let Self { log, memory, path, principal } = self;
        drop(memory);
        for suffix in ["", "-wal", "-shm"] {
            let mut part = path.as_os_str().to_owned();
            part.push(suffix);
            match std::fs::remove_file(&part) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot delete `{}`", part.display()));
                }
                _ => {}
            }
        }
        let (memory, _) = Memory::open(&path, log.id())?;
        let notes = Self { log, memory, path, principal };
        notes.fold().await
    }

    async fn fold(&self) -> Result<Seq> {
        let head = self.memory.head();
        let stands = head.seq == Seq::ZERO || self.log.read(head.seq, 1)?.first().is_some_and(|e| e.hash == head.hash);
        if !stands {
            self.memory.reset().await?;
        }
        loop {
            let entries = self.log.read(self.memory.watermark().next(), BATCH)?;
            if entries.is_empty() {
                return Ok(self.memory.watermark());
            }
            self.memory.fold(entries).await?;
        }
    }

    /// What is remembered.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn items(&self) -> Result<sinew_memory::items::Items> {
        Ok(sinew_memory::items::Items::open(&self.path)?)
    }
}

/// Entries appended or folded at a time.
const BATCH: usize = 256;
