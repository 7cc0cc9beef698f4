//! `sinew-simulation [--seeds N] [--from SEED]` plays histories on all cores and tells which seeds break a law.
//! `sinew-simulation --seed SEED` tells one history step by step.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sinew_simulation::{Profile, simulate};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (mut seeds, mut from) = (500, 0);
    while let Some(name) = args.next() {
        let number = args.next().and_then(|text| text.parse::<u64>().ok());
        match (name.as_str(), number) {
            ("--seeds", Some(n)) => seeds = n,
            ("--from", Some(n)) => from = n,
            ("--seed", Some(n)) => return one(n),
            _ => {
                eprintln!("usage: sinew-simulation [--seeds N] [--from SEED] | --seed SEED");
                return ExitCode::from(2);
            }
        }
    }
    many(from, seeds)
}

fn one(seed: u64) -> ExitCode {
    let profile = Profile::draw(seed);
    let told = simulate(&profile);
    println!("{profile:?}\n{}", told.story);
    println!("{} entries, {} crashes: {}", told.entries, told.crashes, told.failure.as_deref().unwrap_or("good"));
    ExitCode::from(u8::from(told.failure.is_some()))
}

fn many(from: u64, seeds: u64) -> ExitCode {
    let (next, failed) = (AtomicU64::new(from), Mutex::new(Vec::new()));
    let (entries, crashes) = (AtomicU64::new(0), AtomicU64::new(0));
    let started = std::time::Instant::now();
    let play = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                return;
            }
            let told = simulate(&Profile::draw(seed));
            entries.fetch_add(told.entries as u64, Ordering::Relaxed);
            crashes.fetch_add(told.crashes as u64, Ordering::Relaxed);
            if let Some(why) = told.failure {
                println!("{why}");
                failed.lock().expect("nobody panics holding it").push(seed);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(play))));
    let failed = failed.into_inner().expect("nobody panics holding it");
    let (entries, crashes) = (entries.into_inner(), crashes.into_inner());
    let seconds = started.elapsed().as_secs_f64();
    println!("{seeds} seeds, {entries} entries, {crashes} crashes, {} failed, {seconds:.1} s", failed.len());
    ExitCode::from(u8::from(!failed.is_empty()))
}
