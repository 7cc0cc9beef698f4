//! Silence reaches the safe state: an actuator that was moved and then hears nothing for its period is told to go there.
//!
//! Does not know why it was silent. A device with a watchdog of its own does the same when this process is gone; where it
//! has none, nothing here helps against the loss of this process. To go to the safe state needs no permit: it stands in the
//! manifest, and waits for no journal; what was done is told afterwards.
//!
//! ```text
//! command left -> armed(due = now + period) --command--> armed again
//!                   | due, or stop                \--> safe command, again and again until the device has taken it -> told
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::{
    BootTime, Class, Clock, Command, Deadline, Device, DeviceId, Digest, EffectId, Event, LogTag, PlaybookName, Reply,
    RunId, Seq, StopScope,
};
use sinew_expr::mutant;
use tracing::{error, warn};

use crate::manifests::Loaded;

/// How often it is looked whether a period has passed: half of the 10 ms that the promise allows on top of the period.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long one safe command may take before it is tried again.
const PATIENCE: Duration = Duration::from_millis(500);
/// The pause before a safe command that was not taken is sent again.
const AGAIN: Duration = Duration::from_millis(20);
/// What is to be told and was not fetched; older ones are dropped, and the log of the process has them.
const TOLD_MAX: usize = 1_024;

/// An actuator that was moved.
#[derive(Clone, Debug)]
struct Armed {
    due: BootTime,
    period: Duration,
    playbook: PlaybookName,
    safe: Command,
    why: &'static str,
}

/// All actuators that are not known to be in their safe state.
#[derive(Debug, Default)]
pub(crate) struct DeadMan {
    armed: Mutex<BTreeMap<DeviceId, Armed>>,
    told: Mutex<Vec<Event>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DeadMan {
    /// Starts the period of an actuator anew, because a command leaves for it now. Does nothing where holding the last
    /// command is safe.
    pub(crate) fn arm(&self, loaded: &Loaded, command: &Command, playbook: &PlaybookName, now: BootTime) {
        let Some(terms) = loaded.manifest.physical.as_ref().filter(|terms| !terms.hold_is_safe) else { return };
        let period = Duration::try_from(terms.dead_man).unwrap_or_default();
        let safe = Command {
            effect: EffectId { run: RunId { log: LogTag(0), seq: Seq::ZERO }, step: 0 },
            attempt: 1,
            operation: terms.safe_state.clone(),
            args: json!({}),
            class: Class::Physical,
            natural_key: None,
            ..command.clone()
        };
        let due = after(now, period);
        let armed = Armed { due, period, playbook: playbook.clone(), safe, why: "silence" };
        lock(&self.armed).insert(command.device.clone(), armed);
    }

    /// Makes what a stop covers due at once.
    pub(crate) fn stop(&self, scope: &StopScope) {
        for (device, armed) in lock(&self.armed).iter_mut() {
            let covered = match scope {
                StopScope::All => true,
                StopScope::Playbook(name) => armed.playbook == *name,
                StopScope::Device(name) => device == name,
            };
            if covered && !mutant("stop-leaves-moving") {
                armed.due = BootTime(0);
                armed.why = "stop";
            }
        }
    }

    /// Whether there is anything to watch.
    pub(crate) fn is_watching(&self) -> bool {
        !lock(&self.armed).is_empty()
    }

    /// Whether an actuator is not known to be in its safe state.
    pub(crate) fn is_armed(&self, device: &DeviceId) -> bool {
        lock(&self.armed).contains_key(device)
    }

    /// The actuators whose time has come, by name.
    fn due(&self, now: BootTime) -> Vec<DeviceId> {
        let late = |armed: &Armed| armed.due <= now && !mutant("dead-man-off");
        lock(&self.armed).iter().filter(|(_, armed)| late(armed)).map(|(device, _)| device.clone()).collect()
    }

    /// Tells whatever is due to go to its safe state, once each; what does not take it is due again soon.
    pub(crate) async fn tend(&self, clock: &dyn Clock, devices: &BTreeMap<DeviceId, Arc<dyn Device>>) {
        for id in self.due(clock.now().boot) {
            let Some(device) = devices.get(&id) else { continue };
            // Taken out now: a command that leaves in the meantime arms it anew and is not forgotten.
            let Some(armed) = lock(&self.armed).remove(&id) else { continue };
            let now = clock.now();
            let safe = Command {
                key: format!("safe/{id}/{}", now.boot.0),
                manifest: Digest::ZERO,
                expires: Deadline::within(now, PATIENCE),
                ..armed.safe.clone()
            };
            let reply = device.write(&safe).await;
            if matches!(reply, Ok(Reply::Accepted(_))) {
                warn!(device = %id, why = armed.why, period_ms = armed.period.as_millis(), "brought to its safe state");
                self.tell(&id, &armed, clock);
                continue;
            }
            error!(device = %id, why = armed.why, ?reply, "does not go to its safe state; telling it again");
            let due = after(clock.now().boot, AGAIN);
            lock(&self.armed).entry(id).or_insert(Armed { due, ..armed });
        }
    }

    fn tell(&self, id: &DeviceId, armed: &Armed, clock: &dyn Clock) {
        let now = clock.now();
        let event = Event {
            id: format!("safe/{}", now.boot.0),
            source: format!("/devices/{id}"),
            event_type: "sinew.actuator.safe.v1".to_owned(),
            time: now.wall,
            subject: Some(id.to_string()),
            data: json!({ "why": armed.why, "capability": armed.safe.capability, "period_ms": millis(armed.period) }),
        };
        let mut told = lock(&self.told);
        if told.len() >= TOLD_MAX {
            told.remove(0);
        }
        told.push(event);
    }

    /// What was brought to its safe state since the last call.
    pub(crate) fn fetch(&self) -> Vec<Event> {
        std::mem::take(&mut lock(&self.told))
    }
}

fn after(now: BootTime, wait: Duration) -> BootTime {
    BootTime(now.0.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)))
}

fn millis(period: Duration) -> Value {
    u64::try_from(period.as_millis()).unwrap_or(u64::MAX).into()
}
