//! The three ways in which a scenario is run.
//!
//! Does not know what a scenario is about.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use sinew_contract::{Digest, Entry};
use sinew_planning::{Engine, Playbook, Severity};

use super::clock::StageClock;
use super::hosts::World;
use super::judge::{Happened, judge};
use super::stage::{Curtain, Setting, Stage, check, copy, fresh};
use super::steps::Scenario;

/// Which ways are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Ways {
    /// Plain alone.
    Plain,
    /// All three.
    All,
}

/// Runs a scenario in every way, and notes how often in `tried`.
///
/// # Errors
/// Says in which way it does not hold, and what.
pub fn all(setting: &Setting, scenario: &Scenario, ways: Ways, tried: &mut Vec<(&'static str, usize)>) -> Result<()> {
    let (_, findings) = check(setting, scenario)?;
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    if let Some(rule) = scenario.refused_by() {
        let rules: Vec<_> = errors.iter().map(|finding| finding.rule).collect();
        ensure!(rules.contains(&rule), "the definition should be refused by `{rule}`; found: {rules:?}");
        tried.push(("plain", 1));
        return Ok(());
    }
    if let Some(first) = errors.first() {
        bail!("the definition is refused: {first}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let pristine = folder.path().join("pristine");
        fresh(&pristine).await?;
        let trial = Trial { setting, scenario, pristine: &pristine, folder: folder.path() };
        let first = trial.plain("plain").await?;
        tried.push(("plain", 1));
        if ways == Ways::All {
            for appends in 1..first.appends {
                trial.resumed(appends).await.with_context(|| format!("killed after append {appends}"))?;
            }
            refold(&first.playbooks, &first.entries)?;
            tried.push(("resumed", usize::try_from(first.appends).unwrap_or(usize::MAX).saturating_sub(1)));
            let second = trial.plain("twice").await?;
            same(&first.entries, &second.entries)?;
            tried.push(("twice", 2));
        }
        Ok(())
    })
}

struct Trial<'t> {
    setting: &'t Setting,
    scenario: &'t Scenario,
    pristine: &'t Path,
    folder: &'t Path,
}

/// What a run left behind.
struct Left {
    entries: Vec<Arc<Entry>>,
    appends: u64,
    playbooks: Vec<Arc<Playbook>>,
}

impl Trial<'_> {
    async fn plain(&self, name: &str) -> Result<Left> {
        let (world, clock) = (Arc::new(World::new(self.scenario.hosts.clone())), Arc::new(StageClock::default()));
        let dir = self.folder.join(name);
        copy(self.pristine, &dir)?;
        let mut stage = Stage::open(self.setting, self.scenario, (&dir, &world, &clock), u64::MAX).await?;
        stage.play(self.scenario).await?;
        let left = Left {
            entries: stage.entries()?,
            appends: stage.guard.appends.load(std::sync::atomic::Ordering::SeqCst),
            playbooks: stage.playbooks().to_vec(),
        };
        stage.close().await;
        let elapsed_s = clock.elapsed_s();
        judge(self.scenario, &Happened { entries: &left.entries, world: &world, elapsed_s, was_resumed: false })?;
        Ok(left)
    }

    async fn resumed(&self, appends: u64) -> Result<()> {
        let (world, clock) = (Arc::new(World::new(self.scenario.hosts.clone())), Arc::new(StageClock::default()));
        let dir = self.folder.join("resumed");
        copy(self.pristine, &dir)?;
        let mut stage = Stage::open(self.setting, self.scenario, (&dir, &world, &clock), appends).await?;
        let curtain = stage.play(self.scenario).await?;
        stage.close().await;
        if curtain == Curtain::Dead {
            stage = Stage::open(self.setting, self.scenario, (&dir, &world, &clock), u64::MAX).await?;
            stage.play(self.scenario).await?;
        } else {
            stage = Stage::open(self.setting, self.scenario, (&dir, &world, &clock), u64::MAX).await?;
        }
        let entries = stage.entries()?;
        let playbooks = stage.playbooks().to_vec();
        stage.close().await;
        std::fs::remove_dir_all(&dir)?;
        refold(&playbooks, &entries)?;
        let elapsed_s = clock.elapsed_s();
        judge(self.scenario, &Happened { entries: &entries, world: &world, elapsed_s, was_resumed: true })
    }
}

/// Folds a log again from each of its entries: the questions must be the same, and what is open must be.
fn refold(playbooks: &[Arc<Playbook>], entries: &[Arc<Entry>]) -> Result<()> {
    let mut live = Engine::new(playbooks.to_vec());
    for (at, entry) in entries.iter().enumerate() {
        let asked = live.apply(entry);
        let mut again = Engine::new(playbooks.to_vec());
        entries.iter().take(at).for_each(|before| drop(again.apply(before)));
        ensure!(again.apply(entry) == asked, "folded again, entry {} leads to other questions", at + 1);
        ensure!(again.pending() == live.pending(), "folded again, something else is open after entry {}", at + 1);
    }
    let first = live.divergences().first();
    ensure!(first.is_none(), "the log does not prove the run: {first:?}");
    Ok(())
}

/// The hash of an entry covers every byte of it and of all before it. What is about a person is sealed anew in every log, with a
/// nonce by chance: from the first such entry on, all that is not ciphertext must be equal, and what opens from it.
fn same(first: &[Arc<Entry>], second: &[Arc<Entry>]) -> Result<()> {
    let sealed = first.iter().position(|entry| !entry.header.subjects.is_empty()).unwrap_or(first.len());
    let equal = |at: usize, a: &Entry, b: &Entry| if at < sealed { a == b } else { opened(a) == opened(b) };
    let differ = first.iter().zip(second).enumerate().find(|(at, (a, b))| !equal(*at, a, b)).map(|(at, _)| at);
    let shorter = (first.len() != second.len()).then(|| first.len().min(second.len()));
    let Some(at) = differ.or(shorter) else { return Ok(()) };
    let words = |entries: &[Arc<Entry>]| entries.get(at).map(|entry| format!("{:?} {:?}", entry.header, entry.record));
    bail!("run twice, the logs differ at entry {}: {:?} / {:?}", at + 1, words(first), words(second))
}

/// An entry without what rests on ciphertext: its chain, and the digest of its payload where that is sealed.
fn opened(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    (entry.hash, entry.header.previous) = (Digest::ZERO, Digest::ZERO);
    if !entry.header.subjects.is_empty() {
        entry.header.payload = Digest::ZERO;
    }
    entry
}
