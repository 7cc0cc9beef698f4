//! What goes on while a hub is up: each part is one task that ends when it is told to, or fails and ends them all.
//!
//! Does not know how the parts were made.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use sinew_actuation::Act;
use sinew_api::people::People;
use sinew_api::views::{AuditView, When};
use sinew_contract::{Clock, Device, Digest, EntryRef, LogId, Seq};
use sinew_journal::RealDisk;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::recover::own_name;
use crate::house::Inside;
use crate::runtime::SystemClock;

/// How often the stop file is read again: one that was written there holds within a third of a second.
const STOP_EVERY: Duration = Duration::from_millis(250);
/// How long a watched folder that cannot be read is left alone.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How often a running hub verifies its own log: it reads the whole of it, so not more often than a person looks.
const AUDIT_EVERY: Duration = Duration::from_secs(3_600);

/// The first part that fails; never returns while parts end well.
pub(super) async fn first_failure(tasks: &mut JoinSet<Result<()>>) -> anyhow::Error {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(failure))) => {
                error!("{failure:#}");
                return failure;
            }
            Some(Err(crash)) => return anyhow::Error::new(crash).context("a part crashed"),
            None => std::future::pending().await,
        }
    }
}

/// Returns when the end is told, or nobody can tell it any more. Cancel safe.
pub(super) async fn told(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stop| *stop).await);
}

/// Keeps memory and intake at the end of the log.
pub(super) async fn project(inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut follower = inside.journal.follow(inside.memory.watermark().next());
    loop {
        // Cancel safe: both say so.
        let batch = tokio::select! {
            batch = follower.next(256) => batch?,
            () = told(&mut stopping) => return Ok(()),
        };
        batch.iter().for_each(|entry| {
            inside.intake.observe(entry);
            inside.reasoner.observe(entry);
        });
        inside.memory.fold(batch).await?;
    }
}

pub(super) async fn serve(
    listener: TcpListener,
    inside: Arc<Inside>,
    people: Arc<People>,
    settings: sinew_api::Settings,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let parts = sinew_api::Parts {
        house: Arc::clone(&inside) as _,
        clock: Arc::clone(&inside.clock),
        watch: inside,
        people,
        settings,
    };
    let until = async move {
        told(&mut stopping).await;
    };
    sinew_api::serve(listener, parts, until).await.context("the pages")
}

/// Takes in what appears in a watched folder; each file stays there until its event is durable. A folder that cannot be
/// read is tried again and ends nothing; a broken log ends all.
pub(super) async fn listen(
    folder: Arc<sinew_drivers::FolderDevice>,
    inside: Arc<Inside>,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    loop {
        // Cancel safe: what was handed out and not taken in is handed out again after a restart.
        let listened = async {
            match Device::listen(folder.as_ref()).await {
                Ok(reading) => crate::intake::take_file(&inside.intake, &folder, reading).await,
                Err(failure) => {
                    error!(%failure, path = %folder.path().display(), "cannot watch a folder; trying again");
                    tokio::time::sleep(TRY_AGAIN).await;
                    folder.prepare().map_or_else(|error| warn!("{error}"), |()| ());
                    Ok(())
                }
            }
        };
        tokio::select! {
            listened = listened => listened?,
            () = told(&mut stopping) => return Ok(()),
        }
    }
}

/// Looks at the stop file again and again: another process may press stop there while the pages do not answer.
pub(super) async fn watch_stop(inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut fault = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(STOP_EVERY) => {}
            () = told(&mut stopping) => return Ok(()),
        }
        let latch = Arc::clone(inside.stops.latch());
        let read =
            tokio::task::spawn_blocking(move || latch.reread()).await.context("the look at the stop file crashed")?;
        let now = read.as_ref().err().map(ToString::to_string);
        if now.is_some() && now != fault {
            error!(problem = now, "the stop file cannot be kept; a stop may not survive a restart");
        }
        fault = now;
        for stop in read.unwrap_or_default() {
            warn!(reason = stop.reason, "stop was pressed in the stop file");
            if let Err(failure) = inside.record_stop(stop, own_name()).await {
                error!(%failure, "stop holds but could not be journaled");
            }
        }
    }
}

/// Brings actuators to their safe state when they hear nothing for their period, or are stopped.
pub(super) async fn keep_safe(last_hop: Arc<Act>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    // Cancel safe: `keep_safe` says so.
    tokio::select! {
        () = last_hop.keep_safe() => told(&mut stopping).await,
        () = told(&mut stopping) => {}
    }
    Ok(())
}

/// Tells the log what was brought to its safe state; safety does not wait for it.
pub(super) async fn tell_safe(
    last_hop: Arc<Act>,
    inside: Arc<Inside>,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(STOP_EVERY) => {}
            () = told(&mut stopping) => return Ok(()),
        }
        for event in last_hop.made_safe() {
            inside.intake.admit(event, &own_name()).await?;
        }
    }
}

/// Verifies the log after the start and every hour from then on, for the audit page.
pub(super) async fn keep_auditing(inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    loop {
        let of_thread = Arc::clone(&inside);
        tokio::task::spawn_blocking(move || of_thread.verify_now()).await.context("the audit crashed")?;
        let next = inside.clock.now().wall.after(AUDIT_EVERY);
        tokio::select! {
            () = inside.clock.sleep_until(next) => {}
            () = told(&mut stopping) => return Ok(()),
        }
    }
}

pub(super) fn audit(root: &Path, log: LogId) -> AuditView {
    let report = sinew_journal::verify(&RealDisk, root);
    let at = Some(When(SystemClock.now().wall));
    let (ok, head, problem) = match report {
        Ok(report) => (true, report.head, None),
        Err(error) => (false, EntryRef { seq: Seq::ZERO, hash: Digest::ZERO }, Some(error.to_string())),
    };
    AuditView { log, entries: head.seq, head: head.hash, ok: Some(ok), verified_to: head.seq, verified_at: at, problem }
}
