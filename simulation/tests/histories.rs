//! Histories: no seed breaks a law, the same seed tells the same history, every crash point is survived, and wrong folds
//! are found.
//!
//! 500 seeds; 10,000 with `SINEW_DEEP=1`. A seed that was ever found to break a law stands in `FOUND` for good.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sinew_planning::mutants::{Mutant, switch};
use sinew_simulation::{Profile, SCENARIOS, Told, enumerate, simulate};

/// Seeds that once broke a law, or the simulation itself.
const FOUND: [u64; 8] = [0, 7, 8, 19, 28, 29, 79, 85];

fn deep() -> bool {
    std::env::var_os("SINEW_DEEP").is_some_and(|value| value == "1")
}

fn failure(seed: u64) -> Option<String> {
    simulate(&Profile::draw(seed)).failure
}

/// Plays seeds on all cores and tells what failed.
fn play(seeds: std::ops::Range<u64>) -> Vec<String> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            failed.lock().expect("nobody panics holding it").extend(failure(seed));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    failed.into_inner().expect("nobody panics holding it")
}

#[test]
fn no_history_breaks_a_law() {
    let seeds = if deep() { 10_000 } else { 500 };
    assert_eq!(play(0..seeds), [""; 0]);
}

#[test]
fn seeds_that_were_found_stay_good() {
    let failed: Vec<_> = FOUND.iter().filter_map(|seed| failure(*seed)).collect();
    assert_eq!(failed, [""; 0]);
}

#[test]
fn the_same_seed_tells_the_same_history() {
    for seed in 0..if deep() { 500 } else { 25 } {
        let told = || {
            let Told { story, entries, crashes, .. } = simulate(&Profile::draw(seed));
            (story, entries, crashes)
        };
        assert_eq!(told(), told(), "seed {seed}");
    }
}

#[test]
fn a_power_cut_at_any_operation_of_the_disk_is_survived() {
    for scenario in &SCENARIOS {
        let (points, failed) = enumerate(scenario);
        assert!(points > 10, "`{}` writes to the disk", scenario.name);
        assert_eq!(failed, [], "{}", scenario.name);
    }
}

#[test]
fn a_fold_that_reads_the_clock_or_iterates_a_hash_map_is_found() {
    for mutant in [Mutant::ReadsTheClock, Mutant::IteratesAHashMap] {
        switch(Some(mutant));
        let found = (0..100).find_map(failure);
        switch(None);
        assert!(found.is_some(), "{mutant:?} was not found by a hundred seeds");
    }
}
