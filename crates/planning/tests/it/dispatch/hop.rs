//! A last hop with a target behind it: keeps keys as the real one does, answers each try as its script says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_contract::{
    Actuator, Class, Command, Concluded, Digest, EffectId, Entry, EntryRef, ErrorKind, Failure, Journal, Manifest,
    Outcome, Prepared, Record, Seq, Standing, Stop, Wish,
};
use sinew_testkit::MemoryJournal;
use tokio::sync::Semaphore;

/// What the target does with a try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reply {
    Done,
    Refuse,
    /// Surely nothing; the target may say after how many milliseconds to come back.
    Fail(Option<u64>),
    /// Done, but nobody hears of it.
    LostAnswer,
    /// Not done, and nobody knows.
    LostRequest,
}

impl Reply {
    pub fn applies(self) -> bool {
        matches!(self, Self::Done | Self::LostAnswer)
    }
}

/// The world outside: it does not restart with us.
#[derive(Default)]
pub struct Target {
    /// What was done, by key.
    pub done: BTreeSet<String>,
    /// Keys that came again after they were done.
    pub doubled: Vec<String>,
    /// Every command that came, as key and attempt.
    pub carried: Vec<(String, u32)>,
    pub settled: Vec<String>,
    /// The answer to each attempt; the last one stands for all after it, none is `Done`.
    pub replies: Vec<Reply>,
    /// The target cannot say what became of a key.
    pub mute: bool,
}

impl Target {
    pub fn reply(&self, attempt: u32) -> Reply {
        let at = usize::try_from(attempt).expect("small") - 1;
        self.replies.get(at).or(self.replies.last()).copied().unwrap_or(Reply::Done)
    }

    fn take(&mut self, command: &Command) -> Outcome {
        self.carried.push((command.key.clone(), command.attempt));
        if command.class == Class::Pure {
            return Outcome::Done { receipt: json!({ "status": 200, "content": { "seen": true } }), first: None };
        }
        let reply = self.reply(command.attempt);
        if reply.applies() && !self.done.insert(command.key.clone()) {
            self.doubled.push(command.key.clone());
        }
        let lost = || Outcome::Unknown { reason: "the connection broke".to_owned() };
        match reply {
            Reply::Done => done(&command.key),
            Reply::Refuse => Outcome::Refused { by: "target".to_owned(), reason: "discontinued".to_owned() },
            Reply::Fail(retry_after_ms) => Outcome::Failed { reason: "busy".to_owned(), retry_after_ms },
            Reply::LostAnswer | Reply::LostRequest => lost(),
        }
    }

    fn asked(&mut self, key: &str) -> Outcome {
        self.settled.push(key.to_owned());
        match self.done.contains(key) {
            _ if self.mute => Outcome::Unknown { reason: "nobody can say".to_owned() },
            true => done(key),
            false => Outcome::Failed { reason: "the target knows nothing of it".to_owned(), retry_after_ms: None },
        }
    }
}

fn done(key: &str) -> Outcome {
    Outcome::Done { receipt: json!({ "receipt": key }), first: None }
}

/// What is known of a key.
#[derive(Clone, Debug)]
struct Taken {
    wish: (String, Value),
    natural: Option<String>,
    effect: EffectId,
    latest: Seq,
    ended: Option<(Outcome, bool)>,
}

impl Taken {
    /// Neither key nor thing is held any more.
    fn is_free(&self) -> bool {
        match &self.ended {
            Some((Outcome::Failed { .. }, last)) => *last,
            Some((Outcome::Refused { by, .. }, _)) => by != "target",
            _ => false,
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        self.ended.as_ref().filter(|(_, last)| *last).map(|(outcome, _)| outcome.clone())
    }
}

/// Answers `Actuator`.
pub struct Hop {
    pub target: Arc<Mutex<Target>>,
    journal: Arc<MemoryJournal>,
    keys: Mutex<(Seq, BTreeMap<String, Taken>)>,
    /// Commands wait here until a test lets them go.
    pub door: Semaphore,
}

impl Hop {
    pub fn new(journal: Arc<MemoryJournal>, target: Arc<Mutex<Target>>) -> Self {
        Self { target, journal, keys: Mutex::default(), door: Semaphore::new(Semaphore::MAX_PERMITS) }
    }

    /// From here on commands wait at the door.
    pub fn close_door(&self) {
        self.door.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn target(&self) -> MutexGuard<'_, Target> {
        self.target.lock().expect("not poisoned")
    }

    fn command(&self, permit: EntryRef) -> Command {
        let entry = self.journal.read(permit.seq, 1).expect("readable").pop().expect("a permit stands in the log");
        assert_eq!(entry.reference(), permit, "a permit cites its entry");
        match &entry.record {
            Record::Intended(intended) => intended.command.clone(),
            other => panic!("`{}` is no permit", other.kind()),
        }
    }

    fn standing(&self, wish: &Wish, natural: Option<&str>) -> Standing {
        let keys = self.keys.lock().expect("not poisoned");
        let duplicate = |taken: &Taken| Standing::Duplicate {
            first: taken.latest,
            outcome: taken.outcome(),
            run: taken.effect.run,
        };
        if let Some(taken) = keys.1.get(&wish.key) {
            if taken.wish != (wish.capability.to_string(), wish.args.clone()) {
                return Standing::KeyMisused { first: taken.latest };
            }
            match &taken.ended {
                _ if taken.is_free() => {}
                Some((outcome, true)) => return Standing::Repeat { first: taken.latest, outcome: outcome.clone() },
                None if taken.effect == wish.effect => return Standing::InFlight(taken.latest),
                _ if taken.effect != wish.effect => return duplicate(taken),
                _ => {}
            }
        }
        let holds =
            |taken: &&Taken| taken.natural.as_deref() == natural && taken.effect != wish.effect && !taken.is_free();
        let holder = natural.and_then(|_| keys.1.values().find(holds));
        holder.map_or(Standing::Fresh, duplicate)
    }
}

#[async_trait]
impl Actuator for Hop {
    fn prepare(&self, wish: &Wish) -> Result<Prepared, Failure> {
        let manifest = manifest(wish.capability.as_str())?;
        let natural = manifest.natural_key.first().and_then(|at| wish.args.pointer(at)).map(ToString::to_string);
        let pure = manifest.class == Class::Pure;
        let standing = if pure { Standing::Fresh } else { self.standing(wish, natural.as_deref()) };
        Ok(Prepared {
            manifest_digest: Digest([3; 32]),
            natural_key: natural,
            amount: None,
            what: format!("do {}", wish.capability),
            standing,
            as_of: self.keys.lock().expect("not poisoned").0,
            manifest: Arc::new(manifest),
        })
    }

    async fn carry_out(&self, permit: EntryRef) -> Outcome {
        let command = self.command(permit);
        let _through = self.door.acquire().await.expect("the door is never torn down");
        self.target().take(&command)
    }

    async fn settle(&self, permit: EntryRef) -> Outcome {
        let command = self.command(permit);
        self.target().asked(&command.key)
    }

    fn halt(&self, _: &Stop) -> Result<(), Failure> {
        Ok(())
    }

    fn observe(&self, entry: &Entry) {
        let mut keys = self.keys.lock().expect("not poisoned");
        keys.0 = entry.seq();
        match &entry.record {
            Record::Intended(intended) if intended.command.class != Class::Pure => {
                let command = &intended.command;
                let taken = Taken {
                    wish: (command.capability.to_string(), command.args.clone()),
                    natural: command.natural_key.clone(),
                    effect: command.effect,
                    latest: entry.seq(),
                    ended: None,
                };
                keys.1.insert(command.key.clone(), taken);
            }
            Record::Concluded(Concluded { intent: Some(intent), outcome, last, .. }) => {
                if let Some(taken) = keys.1.values_mut().find(|taken| taken.latest == *intent) {
                    taken.ended = Some((outcome.clone(), *last)).filter(|_| *last || outcome.word() == "failed");
                }
            }
            _ => {}
        }
    }
}

fn manifest(name: &str) -> Result<Manifest, Failure> {
    let (class, natural): (&str, &[&str]) = match name {
        "shop.refund" => ("compensable", &["/order"]),
        "shop.message" => ("irreversible", &[]),
        "http.get" => ("pure", &[]),
        other => return Err(Failure::new(ErrorKind::Missing, format!("no capability `{other}`"))),
    };
    let manifest = json!({
        "name": name, "version": 1, "title": "t", "risk": "r", "class": class, "device": "shop", "operation": {},
        "args": {}, "natural-key": natural, "price": { "micros": 5 },
        "retry": { "attempts-max": 3, "backoff": "PT1S", "backoff-max": "PT1M" },
    });
    Ok(serde_json::from_value(manifest).expect("a good manifest"))
}
