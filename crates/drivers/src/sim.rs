//! A simulated plant: conveyor, arm, lock, thermostat, scale, with physics, delays and faults, for demos and tests.
//!
//! Every quantity moves towards its target by a law of its own, computed from the clock when somebody looks: nothing runs in
//! the background, and the same clock and seed give the same plant. A fault is drawn by seed: a command is refused before it
//! acts, or done and its answer lost, which is what makes an outcome unknown. It knows the keys of what it did, so that one
//! can ask, and does nothing twice for one key.
//!
//! Operations: `{ property = "speed" }` reads; `{ property = "speed", value = "/speed" }` sets; `{ done = "{key}" }` asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_contract::{BootTime, Clock, Command, Deadline, Device, DeviceId, ErrorKind, Failure, Reading, Reply};

use crate::open::{OpenError, Opened};
use crate::surroundings::Surroundings;

/// Keys that a plant remembers; the oldest are forgotten first.
const KEYS_MAX: usize = 100_000;

/// One file of `devices/` with `driver = "sim"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SimConfig {
    /// The device's name.
    pub id: DeviceId,
    /// Always `sim`.
    pub driver: String,
    /// What it is.
    pub kind: Kind,
    /// How long a command or a question takes. Default 5 ms.
    #[serde(default = "default_delay")]
    pub delay: SignedDuration,
    /// How many commands in a thousand are refused before they act. Default none.
    #[serde(default)]
    pub refused_permille: u16,
    /// How many answers in a thousand are lost after the command was done. Default none.
    #[serde(default)]
    pub lost_permille: u16,
    /// The seed of its faults. Default 1.
    #[serde(default = "default_seed")]
    pub seed: u64,
}

const fn default_delay() -> SignedDuration {
    SignedDuration::from_millis(5)
}
const fn default_seed() -> u64 {
    1
}

/// What a plant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A belt: `speed`, 0 to 3 m/s, at 1 m/s².
    Conveyor,
    /// A joint: `angle`, -180 to 180 deg, at 90 deg/s.
    Arm,
    /// A bolt: `open`, 0 or 1, half a second from one to the other.
    Lock,
    /// A room: `temperature`, 5 to 35 Cel, with a time constant of one minute.
    Thermostat,
    /// A pan: `load`, 0 to 30 kg, which settles with a time constant of 0.3 s.
    Scale,
}

/// How a quantity comes to its target.
#[derive(Clone, Copy, Debug)]
enum Motion {
    /// So much per second.
    Ramp(f64),
    /// Exponentially, with this time constant in seconds.
    Lag(f64),
}

/// The one quantity of a kind of plant.
struct Law {
    name: &'static str,
    min: f64,
    max: f64,
    start: f64,
    motion: Motion,
}

impl Kind {
    const fn law(self) -> Law {
        let (name, min, max, start, motion) = match self {
            Self::Conveyor => ("speed", 0.0, 3.0, 0.0, Motion::Ramp(1.0)),
            Self::Arm => ("angle", -180.0, 180.0, 0.0, Motion::Ramp(90.0)),
            Self::Lock => ("open", 0.0, 1.0, 0.0, Motion::Ramp(2.0)),
            Self::Thermostat => ("temperature", 5.0, 35.0, 18.0, Motion::Lag(60.0)),
            Self::Scale => ("load", 0.0, 30.0, 0.0, Motion::Lag(0.3)),
        };
        Law { name, min, max, start, motion }
    }
}

impl Motion {
    /// Where a quantity is that was at `from` so long ago and moves to `target`.
    fn at(self, from: f64, target: f64, passed: Duration) -> f64 {
        match self {
            Self::Ramp(per_s) => {
                let way = per_s * passed.as_secs_f64();
                if (target - from).abs() <= way { target } else { from + way.copysign(target - from) }
            }
            Self::Lag(constant) => target + (from - target) * (-passed.as_secs_f64() / constant).exp(),
        }
    }
}

/// What the plant is doing.
struct State {
    from: f64,
    target: f64,
    since: BootTime,
    done: BTreeMap<String, Value>,
    order: std::collections::VecDeque<String>,
    chance: u64,
}

/// A simulated plant.
pub struct SimDevice {
    config: SimConfig,
    delay: Duration,
    law: Law,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    property: Option<String>,
    value: Option<String>,
    done: Option<String>,
}

/// What an operation asks for.
enum Step {
    Look,
    Set(String),
    Done,
}

/// Opens a device whose file says `driver = "sim"`.
///
/// # Errors
/// `Config` for a wrong field.
pub fn open_device(file: &Value, surroundings: &Surroundings) -> Result<Opened, OpenError> {
    let config = SimConfig::deserialize(file).map_err(|error| OpenError::config(error.to_string()))?;
    let delay = Duration::try_from(config.delay).map_err(|_| OpenError::config("`delay` cannot be negative"))?;
    if config.refused_permille > 1000 || config.lost_permille > 1000 {
        return Err(OpenError::config("faults are told in a thousand, so at most 1000"));
    }
    let (law, clock) = (config.kind.law(), Arc::clone(&surroundings.clock));
    let (start, since, chance) = (law.start, clock.now().boot, config.seed);
    let state = State { from: start, target: start, since, done: BTreeMap::new(), order: Default::default(), chance };
    let device = SimDevice { config, delay, law, clock, state: Mutex::new(state) };
    Ok(Opened { device: Arc::new(device), folder: None, mqtt: None })
}

impl SimDevice {
    fn step(&self, operation: &Value) -> Result<Step, Failure> {
        let wrong = |what: &str| invalid(format!("the operation is not right: {what}"));
        let said = Operation::deserialize(operation).map_err(|error| wrong(&error.to_string()))?;
        match (said.property, said.value, said.done.as_deref()) {
            (Some(name), _, None) if name != self.law.name => {
                Err(wrong(&format!("there is no property `{name}`; there is `{}`", self.law.name)))
            }
            (Some(_), None, None) => Ok(Step::Look),
            (Some(_), Some(at), None) => Ok(Step::Set(at)),
            (None, None, Some("{key}")) => Ok(Step::Done),
            _ => Err(wrong("say `property` (with `value` to set it) or `done = \"{key}\"`")),
        }
    }

    fn now(&self, state: &State) -> f64 {
        let passed = Duration::from_micros(self.clock.now().boot.0.saturating_sub(state.since.0));
        self.law.motion.at(state.from, state.target, passed)
    }

    /// Sets the target, unless this key has done so before; the receipt of the first time in any case.
    fn set(&self, key: &str, target: f64) -> Value {
        let mut state = self.lock();
        if let Some(first) = state.done.get(key) {
            return first.clone();
        }
        (state.from, state.target, state.since) = (self.now(&state), target, self.clock.now().boot);
        let receipt = json!({ "property": self.law.name, "target": target });
        state.done.insert(key.to_owned(), receipt.clone());
        state.order.push_back(key.to_owned());
        if state.order.len() > KEYS_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.done.remove(&oldest);
        }
        receipt
    }

    /// Whether a fault of this frequency strikes now.
    fn strikes(&self, permille: u16) -> bool {
        let mut state = self.lock();
        // Knuth's MMIX generator: the upper bits are as good as needed here.
        state.chance = state.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state.chance >> 33) % 1000 < u64::from(permille)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self) {
        let until = self.clock.now().wall.after(self.delay);
        self.clock.sleep_until(until).await;
    }
}

#[async_trait]
impl Device for SimDevice {
    fn id(&self) -> &DeviceId {
        &self.config.id
    }

    fn check(&self, operation: &Value) -> Result<(), Failure> {
        self.step(operation).map(drop)
    }

    async fn read(&self, operation: &Value, args: &Value, _deadline: Deadline) -> Result<Value, Failure> {
        self.wait().await;
        match self.step(operation)? {
            Step::Look => Ok(json!(self.now(&self.lock()))),
            Step::Done => {
                let key = args.get("key").and_then(Value::as_str).unwrap_or_default();
                let done = self.lock().done.get(key).cloned();
                done.ok_or_else(|| Failure::new(ErrorKind::Missing, format!("nothing was done under the key `{key}`")))
            }
            Step::Set(_) => Err(invalid("to set a property is an act, not a question".to_owned())),
        }
    }

    async fn write(&self, command: &Command) -> Result<Reply, Failure> {
        let Step::Set(at) = self.step(&command.operation)? else {
            return Err(invalid("a command sets a property: it needs a `value`".to_owned()));
        };
        let value = command.args.pointer(&at).and_then(Value::as_f64).filter(|value| value.is_finite());
        let value = value.ok_or_else(|| invalid(format!("`{at}` is not a finite number")))?;
        if !(self.law.min..=self.law.max).contains(&value) {
            return Ok(Reply::Refused(format!("{value} is outside of {} to {}", self.law.min, self.law.max)));
        }
        if self.strikes(self.config.refused_permille) {
            return Ok(Reply::Busy {
                retry_after_ms: None,
                reason: "a simulated fault, before anything was done".to_owned(),
            });
        }
        self.wait().await;
        if command.expires.is_past(self.clock.now()) {
            return Ok(Reply::Refused("it came too late".to_owned()));
        }
        let receipt = self.set(&command.key, value);
        if self.strikes(self.config.lost_permille) {
            return Err(Failure::new(ErrorKind::Broken, "a simulated fault: done, and the answer lost"));
        }
        Ok(Reply::Accepted(receipt))
    }

    async fn listen(&self) -> Result<Reading, Failure> {
        Err(Failure::new(
            ErrorKind::Missing,
            format!("device `{}` is asked and told; it never speaks by itself", self.config.id),
        ))
    }
}

fn invalid(what: String) -> Failure {
    Failure::new(ErrorKind::Invalid, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_move_by_their_laws_and_stop_at_their_targets() {
        let check = |motion: Motion, from, target, seconds, expected: f64| {
            let found = motion.at(from, target, Duration::from_secs_f64(seconds));
            assert!((found - expected).abs() < 1e-9, "{motion:?} {from} -> {target} after {seconds} s: {found}");
        };
        check(Motion::Ramp(1.0), 0.0, 3.0, 1.5, 1.5);
        check(Motion::Ramp(1.0), 0.0, 3.0, 10.0, 3.0);
        check(Motion::Ramp(90.0), 90.0, -90.0, 1.0, 0.0);
        check(Motion::Ramp(1.0), 2.0, 2.0, 0.0, 2.0);
        check(Motion::Lag(60.0), 18.0, 20.0, 0.0, 18.0);
        check(Motion::Lag(60.0), 18.0, 20.0, 60.0, 20.0 - 2.0 / std::f64::consts::E);
    }
}
