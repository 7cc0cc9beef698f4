//! Stop, at full load: how long after it was pressed the last command reaches a device. No append to the log is on that way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_actuation::{Act, Parts};
use sinew_contract::*;

use crate::bench::*;

/// Notes when the last command began to reach it, in microseconds since `born`.
struct Watched {
    id: DeviceId,
    born: Instant,
    last: AtomicU64,
    count: AtomicU64,
}

#[async_trait]
impl Device for Watched {
    fn id(&self) -> &DeviceId {
        &self.id
    }
    fn check(&self, _: &Value) -> Result<(), Failure> {
        Ok(())
    }
    async fn read(&self, _: &Value, _: &Value, _: Deadline) -> Result<Value, Failure> {
        Err(failure(ErrorKind::Missing, "nothing to ask"))
    }
    async fn write(&self, _: &Command) -> Result<Reply, Failure> {
        self.last.fetch_max(u64::try_from(self.born.elapsed().as_micros()).unwrap_or(0), Ordering::SeqCst);
        self.count.fetch_add(1, Ordering::SeqCst);
        Ok(Reply::Accepted(json!(null)))
    }
    async fn listen(&self) -> Result<Reading, Failure> {
        Err(failure(ErrorKind::Missing, "never speaks"))
    }
}

/// A last hop and the permits that two senders carry out one after the other, until they are turned away.
struct Work {
    act: Act,
    shop: Arc<Watched>,
    permits: Vec<EntryRef>,
    turned_away: AtomicU64,
}

impl Work {
    async fn new(commands: u64) -> Arc<Self> {
        let bench = Bench::new();
        let shop = Arc::new(Watched {
            id: "shop".parse().expect("plain"),
            born: Instant::now(),
            last: AtomicU64::new(0),
            count: AtomicU64::new(0),
        });
        let parts = bench.parts();
        let mut devices: BTreeMap<DeviceId, Arc<dyn Device>> = parts.devices.clone();
        devices.insert(shop.id.clone(), Arc::clone(&shop) as _);
        // Made before the intents are, so that they are this process' own.
        let act = Act::new(Parts { devices, ..parts });
        let mut permits = Vec::new();
        for run in 1..=commands {
            permits.push(bench.intend(&pay(run, &format!("k{run}"), &format!("O-{run}"), 1)).await);
        }
        Arc::new(Self { act, shop, permits, turned_away: AtomicU64::new(0) })
    }

    async fn send(self: Arc<Self>, half: usize) {
        for permit in self.permits.iter().skip(half).step_by(2) {
            if refused_by(&self.act.carry_out(*permit).await) == "stopped" {
                self.turned_away.fetch_add(1, Ordering::SeqCst);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Presses in the middle of the stream; how long after that the last command reached the device, and how many were turned
/// away afterwards.
async fn press(nth: u64) -> (Duration, u64) {
    let work = Work::new(120).await;
    let senders = [0, 1].map(|half| tokio::spawn(Arc::clone(&work).send(half)));
    // The stream ends by itself, so this does too.
    while work.shop.count.load(Ordering::SeqCst) < 5 + nth % 20
        && !senders.iter().all(tokio::task::JoinHandle::is_finished)
    {
        tokio::task::yield_now().await;
    }
    let pressed = work.shop.born.elapsed();
    work.act.halt(&Stop { scope: StopScope::All, engaged: true, reason: "smoke".to_owned() }).expect("a disk");
    for sender in senders {
        sender.await.expect("it ends");
    }
    let last = Duration::from_micros(work.shop.last.load(Ordering::SeqCst));
    (last.saturating_sub(pressed), work.turned_away.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_last_command_reaches_the_device_within_ten_milliseconds_of_stop() {
    let presses: u64 = if std::env::var_os("SINEW_DEEP").is_some() { 1_000 } else { 12 };
    let (mut delays, mut in_time) = (Vec::new(), 0);
    for nth in 0..presses {
        let (delay, turned_away) = press(nth).await;
        delays.push(delay);
        in_time += usize::from(turned_away > 0);
    }
    delays.sort();
    let p99 = delays[delays.len() * 99 / 100];
    println!("stop to last command: p50 {:?}, p99 {p99:?}, {} presses", delays[delays.len() / 2], delays.len());
    assert!(in_time > 0, "no stream was still going on when stop was pressed");
    assert!(p99 < Duration::from_millis(10), "p99 {p99:?}");
}
