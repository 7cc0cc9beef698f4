//! The load: sensor messages at a rate, and the commands that come back, timed on one clock in one process.
//!
//! Does not know who answers.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, QoS};
use serde_json::Value;

use super::Row;
use crate::runtime::{SystemClock, random};
use sinew_contract::Clock;

/// Sensors that speak in turn.
const SENSORS: u64 = 50;
/// One in so many messages is stale.
const STALE_EVERY: u64 = 100;
/// How old a stale one says it is, in microseconds; the rule allows a quarter of a second.
const STALE_US: i64 = 10_000_000;
/// Nothing for so long after the last message: nothing more will come.
const SILENCE: Duration = Duration::from_millis(2_500);

/// A broker's address.
#[derive(Clone, Debug)]
pub struct Broker {
    host: String,
    port: u16,
}

impl FromStr for Broker {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not of the form mqtt://host:port");
        let rest = text.strip_prefix("mqtt://").ok_or_else(wrong)?.trim_end_matches('/');
        let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "1883"));
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() { Err(wrong()) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mqtt://{}:{}", self.host, self.port)
    }
}

impl Broker {
    /// A client that sends at once.
    pub fn client(&self, name: &str) -> (AsyncClient, EventLoop) {
        let id = format!("sinew-bench-{name}-{:08x}", u32::from_be_bytes(random()));
        let mut options = MqttOptions::new(id, self.host.clone(), self.port);
        options.set_keep_alive(Duration::from_secs(30));
        options.set_inflight(1_000);
        let (client, mut events) = AsyncClient::new(options, 10_000);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        (client, events)
    }
}

/// What is to be sent.
pub struct Load {
    pub broker: Broker,
    pub rate: u32,
    pub secs: u32,
    pub qos: u8,
}

/// What came back.
#[derive(Default)]
pub struct Seen {
    /// All commands, the doubled and the stale too.
    pub commands: u64,
    latencies_ms: Vec<f64>,
    offered: f64,
    lost: u64,
    doubled: u64,
    stale_executed: u64,
}

impl Seen {
    /// The row of a table.
    pub fn row(&self, system: &str, mode: &str, rate: u32) -> Row {
        Row {
            system: system.to_owned(),
            mode: mode.to_owned(),
            rate,
            offered: self.offered,
            p50_ms: percentile(&self.latencies_ms, 0.50),
            p99_ms: percentile(&self.latencies_ms, 0.99),
            lost: self.lost,
            doubled: self.doubled,
            stale_executed: self.stale_executed,
        }
    }
}

/// Of sorted values, the nearest rank; 0 where there are none.
fn percentile(sorted: &[f64], of: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (sorted.len().saturating_sub(1) as f64 * of).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// The quality of service by its number.
pub const fn quality(qos: u8) -> QoS {
    if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

const fn is_stale(number: u64) -> bool {
    number % STALE_EVERY == STALE_EVERY - 1
}

impl Load {
    /// Sends all of it, and waits for what comes back.
    ///
    /// # Errors
    /// Where the broker cannot be reached.
    pub async fn run(&self) -> Result<Seen> {
        let total = u64::from(self.rate) * u64::from(self.secs);
        let base = Instant::now();
        let sent: Arc<Vec<AtomicU64>> = Arc::new((0..total).map(|_| AtomicU64::new(0)).collect());
        let (listener, mut heard) = self.broker.client("sub");
        listener.subscribe("act/cmd", quality(self.qos)).await?;
        let subscribed = async {
            loop {
                if let Event::Incoming(Packet::SubAck(_)) = heard.poll().await? {
                    return Ok::<_, rumqttc::ConnectionError>(());
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), subscribed).await.context("the broker does not answer")??;
        let (speaker, mut spoken) = self.broker.client("pub");
        let pump = tokio::spawn(async move { while spoken.poll().await.is_ok() {} });
        let done = Arc::new(AtomicU64::new(0));
        let listening = tokio::spawn(listen(heard, Arc::clone(&sent), base, Arc::clone(&done)));
        let offered = self.speak(&speaker, &sent, base).await?;
        done.store(1, Ordering::Release);
        let mut seen = listening.await??;
        pump.abort();
        let fresh = (0..total).filter(|number| !is_stale(*number)).count();
        seen.lost = u64::try_from(fresh.saturating_sub(seen.latencies_ms.len()))?;
        seen.offered = offered;
        seen.latencies_ms.sort_by(f64::total_cmp);
        Ok(seen)
    }

    /// Sends every message at its moment; returns the rate that came about.
    async fn speak(&self, speaker: &AsyncClient, sent: &[AtomicU64], base: Instant) -> Result<f64> {
        let begun = Instant::now();
        for (number, sent) in (0_u64..).zip(sent) {
            wait_until(begun, Duration::from_secs_f64(number as f64 / f64::from(self.rate))).await;
            let stale = if is_stale(number) { STALE_US } else { 0 };
            let t = SystemClock.now().wall.0 - stale;
            let body = format!("{{\"seq\":{number},\"value\":91.5,\"unit\":\"Cel\",\"t\":{t}}}");
            sent.store(nanos(base).max(1), Ordering::Release);
            speaker.publish(format!("sensor/{}/temp", number % SENSORS), quality(self.qos), false, body).await?;
        }
        Ok(sent.len() as f64 / begun.elapsed().as_secs_f64())
    }
}

fn nanos(base: Instant) -> u64 {
    u64::try_from(base.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Sleeps most of the way and yields the rest: a sleep alone comes late by a millisecond.
async fn wait_until(begun: Instant, due: Duration) {
    while let Some(left) = due.checked_sub(begun.elapsed()) {
        match left.checked_sub(Duration::from_micros(1_500)) {
            Some(_) => tokio::time::sleep(left - Duration::from_millis(1)).await,
            None => tokio::task::yield_now().await,
        }
    }
}

/// Collects commands until all were sent and nothing more comes.
async fn listen(mut heard: EventLoop, sent: Arc<Vec<AtomicU64>>, base: Instant, done: Arc<AtomicU64>) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut known = BTreeSet::new();
    loop {
        let event = match tokio::time::timeout(SILENCE, heard.poll()).await {
            Ok(event) => event.map_err(|error| anyhow!("the broker is gone: {error}"))?,
            Err(_) if done.load(Ordering::Acquire) == 1 => return Ok(seen),
            Err(_) => continue,
        };
        let Event::Incoming(Packet::Publish(command)) = event else { continue };
        let now = nanos(base);
        let said: Value = serde_json::from_slice(&command.payload).unwrap_or_default();
        let Some(number) = said.get("seq").and_then(Value::as_u64) else { continue };
        let at = usize::try_from(number).ok().and_then(|index| sent.get(index)).map(|at| at.load(Ordering::Acquire));
        let Some(at) = at.filter(|at| *at > 0) else { continue };
        seen.commands += 1;
        if !known.insert(number) {
            seen.doubled += 1;
        } else if is_stale(number) {
            seen.stale_executed += 1;
        } else {
            seen.latencies_ms.push(now.saturating_sub(at) as f64 / 1e6);
        }
    }
}
