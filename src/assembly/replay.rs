//! Folds a whole log again, without any port that could act.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use sinew_contract::{Blobs, Digest, Journal, Record, RunId, Seq};
use sinew_planning::{Divergence, Engine, History, Known, Playbook};

use super::parts;

/// What a replay found.
#[derive(Debug)]
pub struct Replayed {
    /// Each run, and how many passed tasks it has in the log.
    pub runs: BTreeMap<RunId, usize>,
    /// Where log and fold disagree.
    pub divergences: Vec<Divergence>,
}

/// Folds the log of a data directory again.
///
/// # Errors
/// Where the log cannot be read, or a playbook that a run is pinned to cannot be found.
pub fn replay(data: &Path, known: &Known) -> Result<Replayed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (log, blobs) = super::open_log(data)?;
    let playbooks = runtime.block_on(pinned(&log, &blobs, known))?;
    let mut engine = Engine::new([]);
    playbooks.into_values().for_each(|playbook| engine.keep(playbook));
    let mut runs = BTreeMap::new();
    each(&log, |entry| {
        engine.apply(entry);
        if let (Some(run), Record::Stepped(_) | Record::RunStarted(_)) = (entry.header.run, &entry.record) {
            *runs.entry(run).or_insert(0) += usize::from(matches!(entry.record, Record::Stepped(_)));
        }
    })?;
    Ok(Replayed { runs, divergences: engine.divergences().to_vec() })
}

/// Reads what each run of a data directory asked and was answered.
///
/// # Errors
/// As `replay`.
pub fn history(data: &Path, known: &Known) -> Result<History> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (log, blobs) = super::open_log(data)?;
    let playbooks = runtime.block_on(pinned(&log, &blobs, known))?;
    let mut history = History::new(playbooks.into_values());
    each(&log, |entry| history.read(entry))?;
    Ok(history)
}

/// The playbooks that runs of this log are pinned to, from the blob store.
///
/// # Errors
/// Where a text is lost or does not fit any more.
pub async fn pinned(log: &dyn Journal, blobs: &dyn Blobs, known: &Known) -> Result<BTreeMap<Digest, Arc<Playbook>>> {
    let mut wanted = BTreeMap::new();
    each(log, |entry| {
        if let Record::RunStarted(run) = &entry.record {
            wanted.insert(run.digest, run.playbook.clone());
        }
    })?;
    let mut playbooks = BTreeMap::new();
    for (digest, name) in wanted {
        let bytes = blobs.get(digest).await.with_context(|| format!("the text of playbook `{name}` is lost"))?;
        playbooks.insert(digest, Arc::new(parts::pinned_playbook(&bytes, &name, known)?));
    }
    Ok(playbooks)
}

/// Hands every entry of a log to `f`, in order.
fn each(log: &dyn Journal, mut f: impl FnMut(&sinew_contract::Entry)) -> Result<()> {
    let mut from = Seq::ZERO.next();
    loop {
        let entries = log.read(from, 256)?;
        let Some(last) = entries.last() else { return Ok(()) };
        from = last.seq().next();
        entries.iter().for_each(|entry| f(entry));
    }
}
