//! The floor: a log that does no engine's work at all.
//!
//! One writer thread, records with CRC32C and a SHA-256 chain in a file that was made in advance, group commit, one
//! `fdatasync` per group; ten appends of 200 bytes per run, each waited for. What a durable engine costs is what it loses
//! against this, on the same disk in the same minute.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::{Measured, STEPS};

/// Bytes of the file, made in advance.
const FILE: u64 = 64 << 20;
/// Bytes of a record: what a step of ours takes, about.
const RECORD: usize = 200;
/// Records that may wait for the writer; each caller has one at most.
const QUEUE_MAX: usize = 1_024;

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// Runs the floor.
pub(super) async fn measure(dir: &Path, concurrency: usize, runs: usize) -> Result<Measured> {
    let file = make(&dir.join("floor")).context("cannot make the floor's file")?;
    let (queue, waiting) = mpsc::channel(QUEUE_MAX);
    let writer = std::thread::spawn(move || write(&file, waiting));
    let started = Instant::now();
    let mut callers = JoinSet::new();
    let per = runs.div_ceil(concurrency);
    for caller in 0..concurrency {
        let queue = queue.clone();
        callers.spawn(async move { call(&queue, caller, per).await });
    }
    drop(queue);
    let mut each = Vec::with_capacity(per * concurrency);
    while let Some(took) = callers.join_next().await {
        each.extend(took??);
    }
    let took = started.elapsed();
    let syncs = writer.join().map_err(|_| anyhow!("the floor's writer panicked"))??;
    Ok(Measured { runs: per * concurrency, took, each, syncs })
}

fn make(path: &Path) -> Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..FILE >> 20 {
        file.write_all(&zeros)?;
    }
    file.sync_all()?;
    Ok(file)
}

async fn call(queue: &mpsc::Sender<Waiting>, caller: usize, runs: usize) -> Result<Vec<std::time::Duration>> {
    let mut each = Vec::with_capacity(runs);
    for run in 0..runs {
        let started = Instant::now();
        for step in 0..STEPS {
            let byte = u8::try_from((caller ^ run ^ step) & 0xff).unwrap_or_default();
            let (answer, synced) = oneshot::channel();
            queue.send((vec![byte; RECORD], answer)).await.map_err(|_| anyhow!("the floor's writer has ended"))?;
            synced.await?;
        }
        each.push(started.elapsed());
    }
    Ok(each)
}

fn write(file: &File, mut waiting: mpsc::Receiver<Waiting>) -> Result<u64> {
    let (mut offset, mut syncs, mut previous) = (0u64, 0, [0u8; 32]);
    let (mut batch, mut buffer) = (Vec::new(), Vec::new());
    while let Some(first) = waiting.blocking_recv() {
        batch.push(first);
        while let Ok(next) = waiting.try_recv() {
            batch.push(next);
        }
        buffer.clear();
        for (record, _) in &batch {
            frame(&mut buffer, record, &mut previous);
        }
        if offset + buffer.len() as u64 > FILE {
            offset = 0;
        }
        file.write_all_at(&buffer, offset)?;
        file.sync_data()?;
        offset += buffer.len() as u64;
        syncs += 1;
        for (_, answer) in batch.drain(..) {
            // Who gave up waiting hears nothing.
            let _ = answer.send(());
        }
    }
    Ok(syncs)
}

fn frame(buffer: &mut Vec<u8>, record: &[u8], previous: &mut [u8; 32]) {
    let mut hash = Sha256::new();
    hash.update(*previous);
    hash.update(record);
    *previous = hash.finalize().into();
    buffer.extend_from_slice(&crc32c::crc32c(record).to_le_bytes());
    buffer.extend_from_slice(&u32::try_from(record.len()).unwrap_or_default().to_le_bytes());
    buffer.extend_from_slice(previous);
    buffer.extend_from_slice(record);
}
