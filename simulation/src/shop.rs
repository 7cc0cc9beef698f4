//! The world outside: a shop that keeps what was done by key, and a wire to it that loses, delays and repeats.
//!
//! It does not restart with us, and it is the judge: its ledger says what really happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sinew_contract::{Clock, Command, Deadline, Device, DeviceId, ErrorKind, Failure, Reading, Reply, Timestamp};
use sinew_testkit::SimClock;

use crate::profile::Profile;

/// Faults in a row at one key, so that every history comes to an end.
const FAULTS_MAX: u32 = 6;

/// What was done under a key.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub capability: String,
    pub natural: Option<String>,
    /// How many were done or refused before.
    pub number: usize,
    /// None where the shop refused it.
    pub receipt: Option<Value>,
}

#[derive(Default)]
struct State {
    ledger: BTreeMap<String, Deed>,
    /// Commands on the wire, with the moment at which they arrive.
    under_way: Vec<(Timestamp, Command)>,
    faults: BTreeMap<String, u32>,
    /// How often the shop was called at all.
    calls: u64,
}

/// The shop and the wire to it.
pub(crate) struct Shop {
    id: DeviceId,
    clock: Arc<SimClock>,
    profile: Profile,
    rng: Mutex<StdRng>,
    state: Arc<Mutex<State>>,
}

impl Shop {
    pub fn new(clock: Arc<SimClock>, profile: &Profile) -> Self {
        let rng = Mutex::new(StdRng::seed_from_u64(profile.seed ^ 0x0005_0b0b_0b0b_0b0b));
        let id = "shop".parse().expect("a plain name");
        Self { id, clock, profile: profile.clone(), rng, state: Arc::default() }
    }

    /// The same shop under another name: the built-in device for HTTP.
    pub fn as_http(&self) -> Self {
        let rng = Mutex::new(StdRng::seed_from_u64(self.profile.seed ^ 0x0771_7707));
        let id = "http".parse().expect("a plain name");
        let (clock, state) = (Arc::clone(&self.clock), Arc::clone(&self.state));
        Self { id, clock, profile: self.profile.clone(), rng, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chance(&self, share: u32) -> bool {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..1_000_u32) < share
    }

    fn below(&self, n: u64) -> u64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..n)
    }

    /// Says whether this fault happens now: by chance, and not too often in a row.
    fn fault(&self, share: u32, key: &str) -> bool {
        if !self.chance(share) {
            return false;
        }
        let mut state = self.state();
        let faults = state.faults.entry(key.to_owned()).or_default();
        *faults += 1;
        *faults <= FAULTS_MAX
    }

    /// What was done, by key.
    pub fn ledger(&self) -> BTreeMap<String, Deed> {
        self.state().ledger.clone()
    }

    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Commands that have not arrived yet.
    pub fn under_way(&self) -> usize {
        self.state().under_way.len()
    }

    /// The next moment at which a command arrives.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.state().under_way.iter().map(|(at, _)| *at).min()
    }

    /// Takes in what has arrived by now.
    pub fn arrive(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        let (come, still): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.under_way).into_iter().partition(|(at, _)| *at <= now.wall);
        state.under_way = still;
        drop(state);
        for (_, command) in come {
            // The shop refuses what arrives past its expiry, as the manifest says.
            if command.expires.wall > now.wall {
                drop(self.take(&command));
            }
        }
    }

    /// Does what it is told, once per key.
    fn take(&self, command: &Command) -> Reply {
        let refuses = self.chance(self.profile.refusals);
        let mut state = self.state();
        let number = state.ledger.len();
        let deed = state.ledger.entry(command.key.clone()).or_insert_with(|| Deed {
            capability: command.capability.to_string(),
            natural: command.natural_key.clone(),
            number,
            receipt: (!refuses).then(|| {
                json!({ "refund": format!("f{number}"), "movement": format!("m{number}"),
                                               "message": format!("t{number}") })
            }),
        });
        match &deed.receipt {
            Some(receipt) => Reply::Accepted(receipt.clone()),
            None => Reply::Refused("the shop does not want to".to_owned()),
        }
    }
}

fn lost() -> Failure {
    Failure::new(ErrorKind::Broken, "the connection broke")
}

#[async_trait]
impl Device for Shop {
    fn id(&self) -> &DeviceId {
        &self.id
    }

    fn check(&self, _: &Value) -> Result<(), Failure> {
        Ok(())
    }

    async fn read(&self, _: &Value, args: &Value, _: Deadline) -> Result<Value, Failure> {
        self.state().calls += 1;
        let name = args.get("key").or(args.get("uri")).and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.fault(self.profile.busy, &format!("read {name}")) {
            return Err(Failure::new(ErrorKind::Busy, "the shop is busy"));
        }
        if args.get("uri").is_some() {
            let code = name.rsplit('/').next().unwrap_or_default();
            return Ok(json!({ "status": 200, "content": { "matches": [order(code)] } }));
        }
        let ledger = self.state().ledger.get(&name).cloned();
        match ledger {
            None => Err(Failure::new(ErrorKind::Missing, "the shop knows no such key")),
            Some(Deed { receipt: Some(receipt), .. }) => Ok(json!({ "applied": true, "result": receipt })),
            Some(_) => Ok(json!({ "applied": false, "result": { "detail": "the shop does not want to" } })),
        }
    }

    async fn write(&self, command: &Command) -> Result<Reply, Failure> {
        self.state().calls += 1;
        let key = command.key.clone();
        if self.fault(self.profile.busy, &key) {
            return Ok(Reply::Busy { retry_after_ms: Some(self.below(2_000)), reason: "the shop is busy".to_owned() });
        }
        if self.fault(self.profile.delays, &key) {
            let at = self.clock.now().wall.after(Duration::from_millis(1 + self.below(4_000)));
            self.state().under_way.push((at, command.clone()));
            return Err(Failure::new(ErrorKind::Broken, "no reply in time"));
        }
        if self.fault(self.profile.losses, &key) {
            if self.chance(500) {
                drop(self.take(command));
            }
            return Err(lost());
        }
        Ok(self.take(command))
    }

    async fn listen(&self) -> Result<Reading, Failure> {
        Err(Failure::new(ErrorKind::Missing, "the shop never speaks by itself"))
    }
}

/// The open return behind a code: what the shop says is a function of the code alone.
pub(crate) fn order(code: &str) -> Value {
    let n: u64 = code.bytes().map(u64::from).sum();
    json!({
        "rma": code, "order": code, "line": n % 2, "sku": format!("s{n}"), "title": "A thing",
        "condition": "good", "days_since_delivery": n % 40, "earlier_returns": n % 3,
        "price": { "minor": 1_000 + n * 37 % 9_000, "currency": "EUR" },
        "customer": { "id": format!("c{}", n % 5), "name": "Mia" },
    })
}
