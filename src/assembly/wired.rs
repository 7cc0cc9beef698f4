//! Devices that speak by themselves, under the roof: their reflexes are granted and told of, their events taken in, their
//! presence and their drops put on record.
//!
//! Does not know wires or rules: `drivers` has the ones, `actuation` the others.
//!
//! ```text
//! policy -> granted (journal) -> reflexes in force -> what they did (journal, every 100 ms)
//! event  -> journal -> acknowledged to the broker
//! ```

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::stream::{FuturesOrdered, StreamExt};
use serde_json::{Value, json};
use sinew_actuation::Reflexes;
use sinew_contract::{
    Clock, Deadline, Device, Draft, Dropped, Event, Expect, Failure, Granted, Journal, Policy, PrincipalId, Record,
    Timestamp, Verdict,
};
use sinew_drivers::mqtt::Message;
use sinew_drivers::{Broker, MqttDevice};
use tokio::sync::watch;
use tracing::{error, warn};

use super::recover::own_name;
use super::tasks::told;
use crate::house::Inside;
use crate::intake::Intake;

/// How often the log is told what reflexes did.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How often the log is told what was dropped.
const DROPS_EVERY: Duration = Duration::from_secs(1);
/// A device that is back before this was never away: brokers restart, networks blink.
const GRACE: Duration = Duration::from_secs(10);
/// Events on their way to the log at the same time; they share its group commits.
const TAKING_MAX: usize = 64;
/// How long an event waits that cannot be kept now.
const PATIENCE: Duration = Duration::from_millis(500);

/// A device behind a broker, with its reflexes.
#[derive(Clone)]
pub struct Wired {
    /// The device.
    pub device: Arc<MqttDevice>,
    /// What it answers at once.
    pub reflexes: Arc<Reflexes>,
}

impl Wired {
    /// Asks policy for every rule, puts its answers on record, and gives each rule its grant, or takes it away.
    ///
    /// # Errors
    /// Where the log cannot be written: then no rule gains anything by it.
    pub async fn grant(&self, journal: &dyn Journal, policy: &dyn Policy, clock: &dyn Clock) -> Result<(), Failure> {
        for wanted in self.reflexes.wanted() {
            let decision = policy.decide(&wanted.request);
            let expires = Deadline::within(clock.now(), wanted.life);
            let may = decision.verdict == Verdict::Run;
            if !may {
                warn!(rule = wanted.name, reasons = ?decision.reasons, "policy does not let this reflex run unattended");
            }
            let (device, rule) = (self.reflexes.device().clone(), wanted.name);
            let granted = Granted { device, rule, digest: wanted.digest, request: wanted.request, decision, expires };
            let draft = Draft::new(own_name(), Record::Granted(granted));
            let told = journal.append(vec![draft], Expect::Anything).await?;
            let grant = told.entries.first().filter(|_| may).map(|entry| (*entry, expires));
            self.reflexes.grant(wanted.rule, grant);
        }
        Ok(())
    }

    /// Half of the shortest life of a grant: then they are asked for again.
    fn renew_after(&self) -> Duration {
        let shortest = self.reflexes.wanted().iter().map(|wanted| wanted.life).min();
        shortest.unwrap_or(Duration::from_secs(86_400)) / 2
    }

    fn principal(&self) -> PrincipalId {
        format!("device:{}", self.device.id()).parse().expect("invariant: a device id is a plain name")
    }

    fn source(&self) -> String {
        format!("/devices/{}", self.device.id())
    }
}

/// Tells the log what the reflexes did, and renews their grants. The log may be slow or gone: reflexes do not wait for it,
/// they fall silent when their grants run out.
pub async fn keep_reflexes(
    wired: Wired,
    inside: Arc<Inside>,
    policy: Arc<dyn Policy>,
    mut stopping: watch::Receiver<bool>,
) -> Result<()> {
    let mut tick = tokio::time::interval(TELL_EVERY);
    let mut renew = inside.clock.now().wall.after(wired.renew_after());
    let mut untold: Vec<Draft> = Vec::new();
    loop {
        let last = tokio::select! {
            _ = tick.tick() => false,
            () = told(&mut stopping) => true,
        };
        if untold.is_empty() {
            let done = wired.reflexes.take().into_iter();
            untold = done.map(|slice| Draft::new(own_name(), Record::Reflexed(slice))).collect();
        }
        if !untold.is_empty() {
            match inside.journal.append(untold.clone(), Expect::Anything).await {
                Ok(_) => untold.clear(),
                Err(failure) => error!(%failure, "what reflexes did is not on record yet"),
            }
        }
        if last {
            return Ok(());
        }
        if inside.clock.now().wall >= renew {
            match wired.grant(inside.journal.as_ref(), policy.as_ref(), inside.clock.as_ref()).await {
                Ok(()) => renew = inside.clock.now().wall.after(wired.renew_after()),
                Err(failure) => error!(%failure, "the grants of reflexes cannot be renewed"),
            }
        }
    }
}

/// Takes events in, in order, and acknowledges each one once it is durable. A broken log ends all.
pub async fn take_events(wired: Wired, inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut taking = FuturesOrdered::new();
    loop {
        // Cancel safe: an event that was taken from the queue and not acknowledged is given out again by the broker.
        tokio::select! {
            message = wired.device.next_event(), if taking.len() < TAKING_MAX => {
                taking.push_back(take_event(&wired, &inside.intake, message));
            }
            Some(taken) = taking.next() => wired.device.acknowledge(&taken?).await,
            () = told(&mut stopping) => return Ok(()),
        }
    }
}

async fn take_event(wired: &Wired, intake: &Intake, message: Message) -> Result<Message> {
    let event = event(wired, &message);
    loop {
        match intake.admit(event.clone(), &wired.principal()).await {
            Err(failure) if failure.kind().is_retryable() => {
                warn!(%failure, topic = message.topic, "an event cannot be kept now; trying again");
                tokio::time::sleep(PATIENCE).await;
            }
            other => return other.map(|_| message).context("an event cannot be kept"),
        }
    }
}

/// A message as an event: a CloudEvent keeps its id, type and subject; another one has the id that its reading points to.
fn event(wired: &Wired, message: &Message) -> Event {
    let (said, reading) = (message.value(), wired.device.reading(&message.topic));
    let of = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
    let cloud = of("specversion").as_deref() == Some("1.0");
    let declared = reading.and_then(|reading| reading.event_type.clone());
    let pointed = reading.and_then(|reading| reading.id.as_ref()).map(|at| said.pointer(at).and_then(plain));
    let arrival = || format!("{}/{}/{}", message.topic, message.at.0, sinew_expr::digest(&message.body));
    let (id, malformed) = match (cloud.then(|| of("id")).flatten(), pointed) {
        (Some(id), _) => (format!("{}/{id}", of("source").unwrap_or_default()), false),
        (None, Some(Some(id))) => (id, false),
        (None, Some(None)) => (arrival(), true),
        (None, None) => (arrival(), false),
    };
    let event_type = match (malformed, declared, cloud.then(|| of("type")).flatten()) {
        (true, _, _) => "sinew.malformed.v1".to_owned(),
        (false, Some(declared), _) => declared,
        (false, None, Some(own)) => own,
        (false, None, None) => "sinew.reading.v1".to_owned(),
    };
    let subject = cloud.then(|| of("subject")).flatten();
    let body = if cloud { said.get("data").cloned().unwrap_or_default() } else { said };
    let data = json!({ "device": wired.device.id(), "topic": message.topic, "body": body });
    Event { id, source: wired.source(), event_type, time: message.at, subject, data }
}

/// A text or a number as an id.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Puts on record what was dropped, at most once a second.
pub async fn tell_drops(wired: Wired, inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let mut tick = tokio::time::interval(DROPS_EVERY);
    let mut since = inside.clock.now().wall;
    let mut untold = 0;
    loop {
        let last = tokio::select! {
            _ = tick.tick() => false,
            () = told(&mut stopping) => true,
        };
        untold += wired.device.newly_dropped();
        if untold > 0 {
            let queue = format!("{}/telemetry", wired.device.id());
            let reason = "telemetry came faster than it was taken".to_owned();
            let dropped = Dropped { queue, count: untold, since, reason };
            match inside.journal.append(vec![Draft::new(own_name(), Record::Dropped(dropped))], Expect::Anything).await
            {
                Ok(_) => (untold, since) = (0, inside.clock.now().wall),
                Err(failure) => error!(%failure, "what was dropped is not on record yet"),
            }
        }
        if last {
            return Ok(());
        }
    }
}

/// Puts on record when the device's connection is away for longer than the grace period, and when it is back.
pub async fn tell_presence(wired: Wired, inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let (mut said, mut count) = (None, 0_u64);
    loop {
        let stands = wired.device.is_connected();
        let grace = if stands { Duration::ZERO } else { GRACE };
        let settled = async {
            tokio::time::sleep(grace).await;
            if said == Some(stands) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = wired.device.changed(stands) => continue,
            () = settled => {}
            () = told(&mut stopping) => return Ok(()),
        }
        count += 1;
        said = Some(stands);
        let now = inside.clock.now().wall;
        let event = presence(&wired, stands, now, count);
        if let Err(failure) = inside.intake.admit(event, &own_name()).await {
            error!(%failure, "the presence of a device is not on record");
        }
    }
}

/// Runs the broker inside the hub, and puts on record what it dropped.
pub async fn run_broker(broker: Broker, inside: Arc<Inside>, mut stopping: watch::Receiver<bool>) -> Result<()> {
    let dropped = broker.dropped();
    let mut tick = tokio::time::interval(DROPS_EVERY);
    let (mut told_of, mut since) = (0, inside.clock.now().wall);
    let running = broker.run();
    tokio::pin!(running);
    loop {
        let last = tokio::select! {
            ended = &mut running => return ended.context("the broker"),
            _ = tick.tick() => false,
            () = told(&mut stopping) => true,
        };
        let count = dropped.count();
        if count > told_of {
            let reason = "a client took less than was said to it".to_owned();
            let record = Dropped { queue: "broker".to_owned(), count: count - told_of, since, reason };
            match inside.journal.append(vec![Draft::new(own_name(), Record::Dropped(record))], Expect::Anything).await {
                Ok(_) => (told_of, since) = (count, inside.clock.now().wall),
                Err(failure) => error!(%failure, "what the broker dropped is not on record yet"),
            }
        }
        if last {
            return Ok(());
        }
    }
}

fn presence(wired: &Wired, present: bool, now: Timestamp, count: u64) -> Event {
    Event {
        id: format!("presence/{}/{count}", now.0),
        source: wired.source(),
        event_type: "sinew.presence.v1".to_owned(),
        time: now,
        subject: Some(wired.device.id().to_string()),
        data: json!({ "device": wired.device.id(), "present": present }),
    }
}
