//! The `Actuator` port: a wish is looked at, a permit is carried out once, an unknown is settled, stop is pressed.
//!
//! Does not decide whether anything may be done: it reads back what was decided. Holds the devices that can act.
//!
//! ```text
//! carry_out: read back -> take permit and key -> approval, manifest -> latch -> clock -> device -> Outcome
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use sinew_contract::{
    Actuator, Class, Clock, Device, DeviceId, Entry, EntryRef, ErrorKind, Event, Failure, Journal, Now, Outcome,
    Prepared, Record, Reply, Seq, Standing, Stop, StopScope, Wish,
};
use sinew_expr::mutant;
use tracing::{info, warn};

use crate::dead_man::{self, DeadMan};
#[cfg(feature = "faults")]
use crate::faults::{Plan, Point};
use crate::flights::Flights;
pub use crate::flights::Halted;
use crate::last_hop::{self, Order, Refusal, Sent};
use crate::latch::Latch;
use crate::ledger::{Known, Ledger};
use crate::manifests::Manifests;
use crate::physical::{Interlocks, Motion};
use crate::settle;

/// The type of the events by which devices say whether a condition holds.
const INTERLOCK: &str = "sinew.interlock.v1";

/// What the last hop is made of.
pub struct Parts {
    /// The log, to read permits back from.
    pub journal: Arc<dyn Journal>,
    /// Time, for expiry.
    pub clock: Arc<dyn Clock>,
    /// What can be done.
    pub manifests: Arc<Manifests>,
    /// Who does it; nothing else holds them.
    pub devices: BTreeMap<DeviceId, Arc<dyn Device>>,
    /// Stop.
    pub latch: Arc<Latch>,
}

/// The last hop. One per log and process; made before anything is intended by this process.
pub struct Act {
    parts: Parts,
    ledger: Mutex<Ledger>,
    sent: Mutex<Sent>,
    motion: Mutex<Motion>,
    interlocks: Arc<Interlocks>,
    dead_man: DeadMan,
    flights: Mutex<Flights>,
    #[cfg(feature = "faults")]
    faults: Arc<Plan>,
}

impl Act {
    /// Makes the last hop. Intents that the log holds already can be settled, never carried out.
    pub fn new(parts: Parts) -> Self {
        let born = parts.journal.tail().seq;
        Self {
            parts,
            ledger: Mutex::default(),
            sent: Mutex::new(Sent::new(born)),
            motion: Mutex::default(),
            interlocks: Arc::default(),
            dead_man: DeadMan::default(),
            flights: Mutex::default(),
            #[cfg(feature = "faults")]
            faults: Arc::default(),
        }
    }

    /// Switches faults on.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn with_faults(mut self, plan: Arc<Plan>) -> Self {
        self.faults = plan;
        self
    }

    /// All that is stopped, with the reasons.
    pub fn stops(&self) -> BTreeMap<StopScope, String> {
        self.parts.latch.stops()
    }

    /// What the conditions named in manifests say: told by whoever senses them.
    pub const fn interlocks(&self) -> &Arc<Interlocks> {
        &self.interlocks
    }

    /// Brings actuators to their safe state when they have heard nothing for their period, or when stop covers them; for as
    /// long as it is awaited. Returns at once where nothing physical can be done. Cancel safe.
    pub async fn keep_safe(&self) {
        let physical = |class: Class| class == Class::Physical;
        if !self.parts.manifests.iter().any(|manifest| physical(manifest.class)) {
            return;
        }
        let clock = self.parts.clock.as_ref();
        loop {
            if self.dead_man.is_watching() {
                // A stop may have come by the stop file, past `halt`.
                self.parts.latch.stops().keys().for_each(|scope| self.dead_man.stop(scope));
            }
            self.dead_man.tend(clock, &self.parts.devices).await;
            clock.sleep_until(clock.now().wall.after(dead_man::LOOK_EVERY)).await;
        }
    }

    /// What was brought to its safe state since the last call, for the log.
    pub fn made_safe(&self) -> Vec<Event> {
        self.dead_man.fetch()
    }

    /// How each actuator stands that a stop of this scope covers, by name.
    pub fn standing_of(&self, scope: &StopScope) -> BTreeMap<DeviceId, Halted> {
        let covered = |id: &&DeviceId| match scope {
            StopScope::Device(name) => *id == name,
            StopScope::All | StopScope::Playbook(_) => true,
        };
        let flights = self.flights();
        let of = |id: &DeviceId| (id.clone(), flights.of(id, scope, self.dead_man.is_armed(id)));
        self.parts.devices.keys().filter(covered).map(of).collect()
    }

    /// A device says whether a condition holds: `sinew.interlock.v1`, its name as subject, `{holds}` as data. What is not
    /// plainly true does not hold. The moment is that of the log, which no sender can choose.
    fn sensed(&self, event: &Event, entry: &Entry) {
        let device = event.source.strip_prefix("/devices/").and_then(|id| id.parse::<DeviceId>().ok());
        let known = device.is_some_and(|id| self.parts.devices.contains_key(&id));
        let name = event.subject.as_ref().filter(|_| event.event_type == INTERLOCK && known);
        if let Some(name) = name {
            let holds = event.data.get("holds").and_then(Value::as_bool) == Some(true);
            self.interlocks.tell(name, holds, entry.header.boot);
        }
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that must hold before a device is touched; takes permit and key.
    fn clear(&self, order: &Order) -> Result<Arc<dyn Device>, Outcome> {
        let command = &order.command;
        let manifest = self.parts.manifests.get(&command.capability).map(|m| (m.manifest.as_ref(), m.digest));
        last_hop::check_manifest(order, manifest)?;
        last_hop::check_approval(self.parts.journal.as_ref(), order, |gate| self.ledger().approval(gate))?;
        if let Some(reason) = self.parts.latch.holds(order.playbook(), &command.device)
            && !mutant("stop-ignored")
        {
            return Err(Refusal::new("stopped", reason).into());
        }
        let device = self.parts.devices.get(&command.device).cloned();
        let device = device
            .ok_or_else(|| Refusal::new("manifest", format!("device `{}` does not exist any more", command.device)))?;
        let now = self.parts.clock.now();
        if command.expires.is_past(now) && !mutant("expiry-ignored") {
            return Err(Outcome::Failed { reason: "expired before it left".to_owned(), retry_after_ms: None });
        }
        self.clear_matter(order, now)?;
        Ok(device)
    }

    /// What must hold besides before matter moves; arms the dead man. The last thing before it leaves.
    fn clear_matter(&self, order: &Order, now: Now) -> Result<(), Outcome> {
        let command = &order.command;
        let loaded = self.parts.manifests.get(&command.capability);
        let terms = loaded.and_then(|loaded| Some((loaded, loaded.manifest.physical.as_ref()?)));
        let Some((loaded, terms)) = terms else { return Ok(()) };
        let mut motion = self.motion.lock().unwrap_or_else(PoisonError::into_inner);
        motion.clear(terms, &command.device, &command.args, &self.interlocks, now.boot)?;
        self.dead_man.arm(loaded, command, order.playbook(), now.boot);
        // A stop that was pressed since the first look has not seen this actuator armed.
        if let Some(reason) = self.parts.latch.holds(order.playbook(), &command.device) {
            self.dead_man.stop(&StopScope::Device(command.device.clone()));
            return Err(Refusal::new("stopped", reason).into());
        }
        Ok(())
    }

    async fn send(&self, order: &Order) -> Outcome {
        let device = match self.clear(order) {
            Ok(device) => device,
            Err(outcome) => return outcome,
        };
        let command = &order.command;
        if command.class == Class::Pure {
            return looked_up(device.read(&command.operation, &command.args, command.expires).await);
        }
        #[cfg(feature = "faults")]
        self.faults.pass(Point::BeforeSend);
        self.flights().left(order);
        let reply = device.write(command).await;
        // An error that surely stayed here is an answer too.
        let stayed = |e: &Failure| {
            e.kind() != ErrorKind::Broken && e.kind() != ErrorKind::Missing && e.kind() != ErrorKind::Conflict
        };
        self.flights().landed(order, reply.as_ref().err().is_none_or(stayed));
        #[cfg(feature = "faults")]
        self.faults.pass(Point::AfterSend);
        let outcome = answered(reply);
        #[cfg(feature = "faults")]
        if (self.faults.blind_retry || mutant("unknown-sent-again")) && matches!(outcome, Outcome::Unknown { .. }) {
            return answered(device.write(command).await);
        }
        outcome
    }

    async fn ask(&self, order: &Order) -> Outcome {
        let command = &order.command;
        if command.class == Class::Pure {
            return Outcome::Failed { reason: "a look-up has no effect".to_owned(), retry_after_ms: None };
        }
        let device = self.parts.devices.get(&command.device).cloned();
        let manifest = self.parts.manifests.get(&command.capability).map(|m| Arc::clone(&m.manifest));
        let Some((device, manifest)) = device.zip(manifest) else {
            let reason = format!("capability `{}` or its device does not exist any more", command.capability);
            return Outcome::Unknown { reason };
        };
        #[cfg(feature = "faults")]
        if self.faults.blind_retry || mutant("settled-by-sending") {
            return answered(device.write(&self.afresh(command, &manifest)).await);
        }
        settle::settle(self.parts.clock.as_ref(), device.as_ref(), &manifest, command).await
    }

    /// The mutant's command: the old one with a new deadline.
    #[cfg(feature = "faults")]
    fn afresh(
        &self,
        command: &sinew_contract::Command,
        manifest: &sinew_contract::Manifest,
    ) -> sinew_contract::Command {
        let life = std::time::Duration::try_from(manifest.expiry).unwrap_or_default();
        let expires = sinew_contract::Deadline::within(self.parts.clock.now(), life);
        sinew_contract::Command { expires, ..command.clone() }
    }

    /// The outcome that an entry of the log holds.
    fn outcome_at(&self, seq: Seq) -> Result<Outcome, Failure> {
        let entry = self.parts.journal.read(seq, 1)?.into_iter().next();
        match entry.as_ref().map(|entry| &entry.record) {
            Some(Record::Concluded(concluded)) => Ok(concluded.outcome.clone()),
            // The words are gone with the person's key; that it has ended is not.
            Some(Record::Erased) => Ok(Outcome::Unknown { reason: format!("entry {seq} was erased") }),
            _ => Err(Failure::new(ErrorKind::Broken, format!("entry {seq} does not say how a command ended"))),
        }
    }

    fn standing(&self, known: Known) -> Result<Standing, Failure> {
        Ok(match known {
            Known::Fresh => Standing::Fresh,
            Known::InFlight(seq) => Standing::InFlight(seq),
            Known::KeyMisused { first } => Standing::KeyMisused { first },
            Known::Repeat { first, concluded } => Standing::Repeat { first, outcome: self.outcome_at(concluded)? },
            Known::Duplicate { first, concluded, run } => {
                Standing::Duplicate { first, outcome: concluded.map(|seq| self.outcome_at(seq)).transpose()?, run }
            }
        })
    }
}

#[async_trait]
impl Actuator for Act {
    fn prepare(&self, wish: &Wish) -> Result<Prepared, Failure> {
        let loaded = self.parts.manifests.check(wish)?;
        let natural_key = loaded.natural_key(&wish.args);
        let (known, as_of) = {
            let ledger = self.ledger();
            (ledger.standing(wish, natural_key.as_deref()), ledger.as_of())
        };
        let known = if loaded.manifest.class == Class::Pure { Known::Fresh } else { known };
        Ok(Prepared {
            manifest: Arc::clone(&loaded.manifest),
            manifest_digest: loaded.digest,
            natural_key,
            amount: loaded.amount(&wish.args)?,
            what: loaded.what(&wish.args)?,
            standing: self.standing(known)?,
            as_of,
        })
    }

    async fn carry_out(&self, permit: EntryRef) -> Outcome {
        let order = match last_hop::read_back(self.parts.journal.as_ref(), permit) {
            Ok(order) => order,
            Err(refusal) => {
                warn!(permit = %permit.seq, reason = %refusal, "permit refused");
                return refusal.into();
            }
        };
        let taken = self.sent().take(&order, &self.ledger(), self.parts.clock.now());
        if let Err(refusal) = taken {
            warn!(permit = %permit.seq, reason = %refusal, "permit refused");
            return refusal.into();
        }
        let outcome = self.send(&order).await;
        self.sent().landed(order.permit, &order.command.key, &outcome);
        info!(permit = %permit.seq, capability = %order.command.capability, outcome = outcome.word(), "command ended");
        outcome
    }

    async fn settle(&self, permit: EntryRef) -> Outcome {
        let order = match last_hop::read_back(self.parts.journal.as_ref(), permit) {
            Ok(order) => order,
            Err(refusal) => return Outcome::Unknown { reason: refusal.to_string() },
        };
        let outcome = self.ask(&order).await;
        if !matches!(outcome, Outcome::Unknown { .. }) {
            self.flights().settled(&order);
        }
        self.sent().landed(order.permit, &order.command.key, &outcome);
        info!(permit = %permit.seq, capability = %order.command.capability, outcome = outcome.word(), "command settled");
        outcome
    }

    fn halt(&self, stop: &Stop) -> Result<(), Failure> {
        if stop.engaged {
            self.parts.latch.press(stop);
            self.dead_man.stop(&stop.scope);
        }
        self.parts.latch.set(stop).map_err(|e| Failure::new(e.kind(), e.to_string()).caused_by(e))
    }

    fn observe(&self, entry: &Entry) {
        self.ledger().observe(entry);
        if let Record::Event(event) = &entry.record {
            self.sensed(event, entry);
        }
    }
}

/// How a command ended that may have an effect.
fn answered(reply: Result<Reply, Failure>) -> Outcome {
    let refused = |by: &str, reason: String| Outcome::Refused { by: by.to_owned(), reason };
    let failed = |reason: String| Outcome::Failed { reason, retry_after_ms: None };
    match reply {
        Ok(Reply::Accepted(receipt)) => Outcome::Done { receipt, first: None },
        Ok(Reply::Refused(_)) if mutant("refused-is-done") => Outcome::Done { receipt: Value::Null, first: None },
        Ok(Reply::Refused(reason)) => refused("target", reason),
        Ok(Reply::Busy { retry_after_ms, reason }) => Outcome::Failed { reason, retry_after_ms },
        Err(e) => match e.kind() {
            ErrorKind::Busy => failed(e.to_string()),
            ErrorKind::Late if mutant("late-is-unknown") => Outcome::Unknown { reason: e.to_string() },
            ErrorKind::Late => failed("expired before it left".to_owned()),
            ErrorKind::Denied => refused("egress", e.to_string()),
            ErrorKind::Invalid => refused("target", e.to_string()),
            _ if mutant("unknown-is-failed") => failed(e.to_string()),
            // Whatever is not known to have stayed here may have left.
            _ => Outcome::Unknown { reason: e.to_string() },
        },
    }
}

/// How a look-up ended; it has no effect, so nothing about it is unknown.
fn looked_up(answer: Result<Value, Failure>) -> Outcome {
    let refused = |by: &str, reason: String| Outcome::Refused { by: by.to_owned(), reason };
    match answer {
        Ok(receipt) => Outcome::Done { receipt, first: None },
        Err(e) => match e.kind() {
            ErrorKind::Denied => refused("egress", e.to_string()),
            ErrorKind::Missing | ErrorKind::Invalid => refused("target", e.to_string()),
            _ => Outcome::Failed { reason: e.to_string(), retry_after_ms: None },
        },
    }
}
