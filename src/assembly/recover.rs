//! From a log on disk to the state that it means: the same code after a crash and after a quiet night.
//!
//! Does not know what runs afterwards.

use anyhow::{Context, Result};
use sinew_contract::{Blobs, Booted, Draft, Expect, Journal, Policy, PrincipalId, Record, Seq};
use sinew_memory::Memory;
use sinew_planning::Engine;
use sinew_reasoning::Reasoner;
use tracing::warn;

use super::parts::Parts;
use super::replay;
use crate::deployment::Deployment;
use crate::house::stops::Stops;
use crate::intake::Intake;

/// The engine with today's playbooks, and those to which runs of yesterday are pinned.
pub(super) async fn engine(parts: &Parts, journal: &dyn Journal, blobs: &dyn Blobs) -> Result<Engine> {
    for playbook in &parts.playbooks {
        let text = sinew_expr::canonical(playbook.document());
        blobs.put(text.into(), "application/json").await.context("cannot keep a playbook's text")?;
    }
    let pinned = replay::pinned(journal, blobs, &parts.known).await?;
    let mut engine = Engine::new(parts.playbooks.iter().cloned());
    pinned.into_values().for_each(|playbook| engine.keep(playbook));
    Ok(engine)
}

pub(super) async fn boot(journal: &dyn Journal, deployment: &Deployment, policy: &dyn Policy) -> Result<()> {
    let booted =
        Booted { version: env!("CARGO_PKG_VERSION").to_owned(), catalogue: deployment.digest, policy: policy.digest() };
    let draft = Draft::new(own_name(), Record::Booted(booted));
    journal.append(vec![draft], Expect::Anything).await?;
    Ok(())
}

/// The principal of the house itself.
pub(super) fn own_name() -> PrincipalId {
    "sinew".parse().expect("`sinew` is a plain name")
}

/// Folds the log into memory and intake up to its present end.
pub(super) async fn catch_up(
    journal: &dyn Journal,
    memory: &Memory,
    intake: &Intake,
    stops: &Stops,
    reasoner: &Reasoner,
) -> Result<()> {
    let head = memory.head();
    let stands = head.seq == Seq::ZERO || journal.read(head.seq, 1)?.first().is_some_and(|e| e.hash == head.hash);
    if !stands {
        warn!(at = %head.seq, "memory was folded from another history; folding again");
        memory.reset().await?;
    }
    let mut from = Seq::ZERO.next();
    loop {
        let entries = journal.read(from, 256)?;
        let Some(last) = entries.last() else { return Ok(()) };
        from = last.seq().next();
        entries.iter().for_each(|entry| {
            intake.observe(entry);
            stops.observe(entry);
            reasoner.observe(entry);
        });
        memory.fold(entries).await?;
    }
}

/// Tells the log what was stopped or released while nobody was running, before anything can leave.
pub(super) async fn settle_stops(journal: &dyn Journal, stops: &Stops) -> Result<()> {
    for stop in stops.reconcile()? {
        let told = journal.append(vec![Draft::new(own_name(), Record::Stop(stop))], Expect::Anything).await?;
        let from = told.entries.first().map_or(Seq::ZERO, |entry| entry.seq);
        journal.read(from, 1)?.iter().for_each(|entry| stops.observe(entry));
    }
    Ok(())
}
