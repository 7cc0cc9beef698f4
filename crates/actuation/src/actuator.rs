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
use sinew_contract::{
    Actuator, Class, Clock, Device, DeviceId, Entry, EntryRef, ErrorKind, Failure, Journal, Outcome, Prepared, Record,
    Reply, Seq, Standing, Stop, StopScope, Wish,
};
use tracing::{info, warn};

#[cfg(feature = "faults")]
use crate::faults::{Plan, Point};
use crate::last_hop::{self, Order, Refusal, Sent};
use crate::latch::Latch;
use crate::ledger::{Known, Ledger};
use crate::manifests::Manifests;
use crate::settle;

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
        if let Some(reason) = self.parts.latch.holds(order.playbook(), &command.device) {
            return Err(Refusal::new("stopped", reason).into());
        }
        let device = self.parts.devices.get(&command.device).cloned();
        let device = device
            .ok_or_else(|| Refusal::new("manifest", format!("device `{}` does not exist any more", command.device)))?;
        if command.expires.is_past(self.parts.clock.now()) {
            return Err(Outcome::Failed { reason: "expired before it left".to_owned(), retry_after_ms: None });
        }
        Ok(device)
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
        let reply = device.write(command).await;
        #[cfg(feature = "faults")]
        self.faults.pass(Point::AfterSend);
        let outcome = answered(reply);
        #[cfg(feature = "faults")]
        if self.faults.blind_retry && matches!(outcome, Outcome::Unknown { .. }) {
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
        if self.faults.blind_retry {
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
        self.sent().landed(order.permit, &order.command.key, &outcome);
        info!(permit = %permit.seq, capability = %order.command.capability, outcome = outcome.word(), "command settled");
        outcome
    }

    fn halt(&self, stop: &Stop) -> Result<(), Failure> {
        self.parts.latch.set(stop).map_err(|e| Failure::new(e.kind(), e.to_string()).caused_by(e))
    }

    fn observe(&self, entry: &Entry) {
        self.ledger().observe(entry);
    }
}

/// How a command ended that may have an effect.
fn answered(reply: Result<Reply, Failure>) -> Outcome {
    let refused = |by: &str, reason: String| Outcome::Refused { by: by.to_owned(), reason };
    let failed = |reason: String| Outcome::Failed { reason, retry_after_ms: None };
    match reply {
        Ok(Reply::Accepted(receipt)) => Outcome::Done { receipt, first: None },
        Ok(Reply::Refused(reason)) => refused("target", reason),
        Ok(Reply::Busy { retry_after_ms, reason }) => Outcome::Failed { reason, retry_after_ms },
        Err(e) => match e.kind() {
            ErrorKind::Busy => failed(e.to_string()),
            ErrorKind::Late => failed("expired before it left".to_owned()),
            ErrorKind::Denied => refused("egress", e.to_string()),
            ErrorKind::Invalid => refused("target", e.to_string()),
            // Whatever is not known to have stayed here may have left.
            _ => Outcome::Unknown { reason: e.to_string() },
        },
    }
}

/// How a look-up ended; it has no effect, so nothing about it is unknown.
fn looked_up(answer: Result<serde_json::Value, Failure>) -> Outcome {
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
