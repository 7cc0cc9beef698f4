//! Reflexes: when a device says this, tell it that, at once. The last hop for what cannot wait for disk or model.
//!
//! A rule rests on a grant: policy's yes, journaled before, with an expiry. What holds for every command holds here too:
//! stop, the envelope, the rate, freshness. What it did is counted and told to the log afterwards. Does not know any wire,
//! and not who asks policy or writes the log: the roof does both.
//!
//! ```text
//! message -> topic -> value -> armed? -> fresh? -> stop, grant, envelope, rate -> shot -> wire
//!                                  every way out is counted ─> take() every 100 ms ─> journal
//! ```

mod judge;
mod rule;
mod tally;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use sinew_contract::{
    Clock, Deadline, DeviceId, Digest, EntryRef, ErrorKind, Failure, Heard, Reflex, Reflexed, Reflexive, Request,
    Scope, Shot, Trust,
};

use crate::latch::Latch;
use crate::manifests::Manifests;
use judge::State;
use rule::Rule;
pub use rule::{RuleConfig, Then, When};

/// The rules of one device, checked, not yet in force.
pub struct Rules {
    device: DeviceId,
    rules: Vec<Rule>,
}

/// The reflexes of one device.
pub struct Reflexes {
    device: DeviceId,
    rules: Vec<(Rule, Mutex<State>)>,
    latch: Arc<Latch>,
    clock: Arc<dyn Clock>,
}

/// What has to be asked of policy for one rule.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The rule's number.
    pub rule: usize,
    /// Its name.
    pub name: String,
    /// Digest of the rule and of the manifest it fires.
    pub digest: Digest,
    /// The question.
    pub request: Request,
    /// How long a yes holds.
    pub life: std::time::Duration,
}

impl Rules {
    /// Compiles the `[[reflex]]` tables of a device's file.
    ///
    /// # Errors
    /// `Invalid`, with all that is wrong with all of them.
    pub fn compile(
        device: &DeviceId,
        tables: &Value,
        manifests: &Manifests,
        wire: &dyn Reflexive,
    ) -> Result<Self, Failure> {
        let invalid = |what: String| Failure::new(ErrorKind::Invalid, format!("the reflexes of `{device}`: {what}"));
        let configs = Vec::<RuleConfig>::deserialize(tables).map_err(|error| invalid(error.to_string()))?;
        let (mut rules, mut wrong): (Vec<Rule>, Vec<String>) = (Vec::new(), Vec::new());
        for config in &configs {
            if configs.iter().filter(|other| other.name == config.name).count() > 1 {
                wrong.push(format!("`{}`: there are two of this name", config.name));
            }
            match rule::compile(device, config, manifests, wire) {
                Ok(rule) => rules.push(rule),
                Err(found) => wrong.extend(found.into_iter().map(|problem| format!("`{}`: {problem}", config.name))),
            }
        }
        if !wrong.is_empty() {
            return Err(invalid(wrong.join("; ")));
        }
        Ok(Self { device: device.clone(), rules })
    }

    /// Puts the rules in force, as far as they are granted.
    pub fn with(self, latch: Arc<Latch>, clock: Arc<dyn Clock>) -> Reflexes {
        let rules = self.rules.into_iter().map(|rule| (rule, Mutex::default())).collect();
        Reflexes { device: self.device, rules, latch, clock }
    }
}

impl Reflexes {
    /// The topic filters that the rules need to hear.
    pub fn filters(&self) -> Vec<String> {
        let mut filters: Vec<_> = self.rules.iter().map(|(rule, _)| rule.filter.clone()).collect();
        filters.sort();
        filters.dedup();
        filters
    }

    /// What policy has to be asked, for every rule.
    pub fn wanted(&self) -> Vec<Wanted> {
        self.rules.iter().enumerate().map(|(number, (rule, _))| wanted(number, rule)).collect()
    }

    /// Gives a rule its grant, which stands in the log; none takes it away.
    pub fn grant(&self, rule: usize, grant: Option<(EntryRef, Deadline)>) {
        if let Some((_, state)) = self.rules.get(rule) {
            lock(state).grant = grant;
        }
    }

    /// What the rules did since the last call; empty where nothing happened.
    pub fn take(&self) -> Vec<Reflexed> {
        self.rules.iter().filter_map(|(rule, state)| lock(state).report(rule)).collect()
    }

    /// The device.
    pub const fn device(&self) -> &DeviceId {
        &self.device
    }
}

impl Reflex for Reflexes {
    fn answer(&self, heard: Heard<'_>, shots: &mut Vec<Shot>) {
        // Read once for all rules, and only where one of them wants to know.
        let (mut reading, now) = (None, self.clock.now());
        for (rule, state) in &self.rules {
            if !judge::takes(&rule.filter, heard.topic) {
                continue;
            }
            let reading = reading.get_or_insert_with(|| serde_json::from_slice::<Value>(heard.body).ok());
            let stopped = || self.latch.holds(&rule.name, &rule.device).is_some();
            shots.extend(lock(state).judge(rule, heard, reading.as_ref(), now, stopped));
        }
    }
}

fn wanted(number: usize, rule: &Rule) -> Wanted {
    let principal = format!("reflex:{}", rule.device);
    let request = Request {
        principal: principal.parse().expect("invariant: a device id is a plain name"),
        scope: Scope::main(),
        playbook: rule.name.clone(),
        capability: rule.capability.clone(),
        class: rule.class,
        device: rule.device.to_string(),
        amount_minor: 0,
        currency: String::new(),
        args_trust: Trust::Observed,
        control_trust: Trust::Observed,
        short: Vec::new(),
        control_closed: true,
        evidence_age_s: 0,
        confidence_permille: 1000,
        approved: false,
        duplicate: false,
        compensates: false,
        args: rule.args_written.clone(),
    };
    Wanted { rule: number, name: rule.name.to_string(), digest: rule.digest, request, life: rule.grant }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
