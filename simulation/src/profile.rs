//! What a seed draws before anything happens: how much of each fault there is.
//!
//! Drawn first, so that some histories have many faults of one kind and none of another: rare meetings become common.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::scenario::{SCENARIOS, Scenario};

/// How a history is going to be. Shares are of 1,000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The seed itself.
    pub seed: u64,
    /// Which playbook.
    pub scenario: &'static Scenario,
    /// Events that come.
    pub events: usize,
    /// How many things there are that events are about; fewer than events means duplicates.
    pub things: u32,
    /// Of the steps, those at which the power fails.
    pub crashes: u32,
    /// Of the steps, those at which the power is going to fail at one of the next operations of the disk.
    pub cuts: u32,
    /// Of the steps, those at which the wall clock jumps.
    pub jumps: u32,
    /// Of the commands, those whose request or reply is lost.
    pub losses: u32,
    /// Of the commands, those that arrive late.
    pub delays: u32,
    /// Of the commands and questions, those at which the target is busy.
    pub busy: u32,
    /// Of the commands, those that the target refuses.
    pub refusals: u32,
    /// Of the gates, those that nobody answers.
    pub silence: u32,
    /// Of the answers, those that say yes.
    pub yes: u32,
    /// Of the runs, those that somebody cancels.
    pub cancels: u32,
}

impl Profile {
    /// Draws a profile.
    pub fn draw(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed_0f5e_ed0f_5eed);
        let scenario = &SCENARIOS[rng.random_range(0..SCENARIOS.len())];
        Self { seed, ..Self::of(scenario, &mut rng) }
    }

    fn of(scenario: &'static Scenario, rng: &mut StdRng) -> Self {
        // Half of the time there is none of a fault, else up to a tenth, or up to nearly all.
        let mut share = |most: u32| match rng.random_range(0..4_u32) {
            0 | 1 => 0,
            2 => rng.random_range(0..=most / 10),
            _ => rng.random_range(0..=most),
        };
        let (crashes, cuts, jumps) = (share(150), share(150), share(100));
        let (losses, delays, busy, refusals) = (share(600), share(400), share(600), share(500));
        let (silence, cancels) = (share(500), share(300));
        Self {
            seed: 0,
            scenario,
            events: rng.random_range(1..=4),
            things: rng.random_range(1..=4),
            crashes,
            cuts,
            jumps,
            losses,
            delays,
            busy,
            refusals,
            silence,
            yes: rng.random_range(0..=1_000),
            cancels,
        }
    }

    /// One history of a scenario without any fault; crash enumeration adds one crash.
    pub fn calm(scenario: &'static Scenario) -> Self {
        Self {
            seed: 0,
            scenario,
            events: 2,
            things: 2,
            crashes: 0,
            cuts: 0,
            jumps: 0,
            losses: 0,
            delays: 0,
            busy: 0,
            refusals: 0,
            silence: 0,
            yes: 1_000,
            cancels: 0,
        }
    }
}
