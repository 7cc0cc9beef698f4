//! Power cuts, thousands of operations each, on the simulated disk: what was acknowledged stands, what was not stands
//! whole or not at all, and the chain verifies. Drives the core in one thread, so that a seed tells the whole history.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sinew_contract::{Digest, Draft, Expect, Seq};
use sinew_testkit::SimClock;
use sinew_testkit::journal_suite::{draft, note_of};

use crate::data_dir::DataDir;
use crate::disk::SimDisk;
use crate::journal::{Opened, open_core};
use crate::options::Options;
use crate::prepare::{Batch, prepare};
use crate::verify::verify;

const SEEDS: u64 = 104;
const BOOTS: usize = 5;
const GROUPS_MAX: usize = 40;

/// One machine that keeps losing its power.
struct Machine {
    disk: SimDisk,
    rng: StdRng,
    options: Options,
    batches: u64,
    acknowledged: BTreeMap<Seq, Digest>,
    cuts: u64,
    /// Starts that found a torn write.
    torn: u64,
}

impl Machine {
    fn new(seed: u64) -> Self {
        // Small, so that every history rolls over segments and checkpoints many times.
        let options = Options { segment_bytes: 16 << 10, checkpoint_every: 9, ..Options::default() };
        let (disk, rng) = (SimDisk::new(seed), StdRng::seed_from_u64(seed));
        Self { disk, rng, options, batches: 0, acknowledged: BTreeMap::new(), cuts: 0, torn: 0 }
    }

    fn open(&self) -> Result<Opened, String> {
        let dir = DataDir::open(Arc::new(self.disk.clone()), Path::new("/data")).map_err(|e| e.to_string())?;
        open_core(&dir, &self.options, Arc::new(SimClock::default()), false).map_err(|e| e.to_string())
    }

    /// Some writers' batches that happen to meet in one group. Each draft says which batch it is of, and of how many.
    fn group(&mut self, opened: &Opened) -> Vec<Batch> {
        (0..self.rng.random_range(1..5)).map(|_| self.batch(opened)).collect()
    }

    fn batch(&mut self, opened: &Opened) -> Batch {
        self.batches += 1;
        let (batch, many) = (self.batches, self.rng.random_range(1..4));
        let drafts = (0..many).map(|_| self.draft(&format!("{batch}/{many}"))).collect();
        prepare(&opened.log.keyring, drafts, Expect::Anything, 8_000).expect("small batches are good")
    }

    fn draft(&mut self, note: &str) -> Draft {
        let padding = "x".repeat(self.rng.random_range(0..1_500));
        let mut draft = draft(&format!("{note} {padding}"));
        if self.rng.random_bool(0.3) {
            draft.subjects.push(format!("customer:{}", self.rng.random_range(0..50)));
        }
        draft
    }

    /// Starts, checks, works until the power goes, and loses what a disk may lose.
    fn boot(&mut self) -> Result<(), String> {
        self.disk.cut_after(self.rng.random_range(1..120));
        let opened = self.open();
        let worked = match opened {
            Ok(mut opened) => {
                self.torn += u64::from(opened.report.truncated_bytes > 0);
                self.check(&opened).map(|()| self.work(&mut opened))
            }
            Err(_) if self.disk.is_off() => Ok(()),
            Err(error) => Err(error),
        };
        self.cuts += 1;
        let was_off = self.disk.is_off();
        self.disk.crash();
        // A read that met the dark is no finding; only what is found with the power on counts.
        if was_off { Ok(()) } else { worked }
    }

    fn work(&mut self, opened: &mut Opened) {
        for _ in 0..GROUPS_MAX {
            let group = self.group(opened);
            for answer in opened.log.commit(group) {
                let Ok(appended) = answer else { return };
                self.acknowledged.extend(appended.entries.iter().map(|entry| (entry.seq, entry.hash)));
            }
        }
    }

    fn check(&self, opened: &Opened) -> Result<(), String> {
        let entries = opened.reader.read(Seq(1), usize::MAX).map_err(|e| format!("{e}: {:?}", e.kind()))?;
        let found: HashMap<_, _> = entries.iter().map(|entry| (entry.seq(), entry.hash)).collect();
        if let Some((lost, _)) = self.acknowledged.iter().find(|(seq, hash)| found.get(seq) != Some(hash)) {
            return Err(format!("entry {lost} was acknowledged and is not there as it was"));
        }
        let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &entries {
            let note = note_of(&entry.record).ok_or("an entry does not read back")?;
            *parts.entry(note.split(' ').next().unwrap_or_default()).or_default() += 1;
        }
        let partial = parts.iter().find(|(batch, many)| !batch.ends_with(&format!("/{many}")));
        partial.map_or(Ok(()), |(batch, many)| Err(format!("of batch {batch} only {many} stand")))
    }

    /// All boots of one history, and at the end a clean one that verifies.
    fn live(&mut self) -> Result<(), String> {
        (0..BOOTS).try_for_each(|_| self.boot())?;
        let mut opened = self.open()?;
        self.check(&opened)?;
        self.work(&mut opened);
        self.check(&opened)?;
        opened.log.close();
        let head = opened.reader.shared.tail();
        let report = verify(&self.disk, Path::new("/data")).map_err(|e| e.to_string())?;
        let whole = report.head == head && report.checkpoint == Some(head.seq) && report.torn_bytes == 0;
        if whole { Ok(()) } else { Err(format!("verified {report:?}, expected {head:?}")) }
    }
}

#[test]
fn every_acknowledged_entry_survives_every_power_cut() {
    let (mut cuts, mut torn) = (0, 0);
    for seed in 0..SEEDS {
        let mut machine = Machine::new(seed);
        machine.live().unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        cuts += machine.cuts;
        torn += machine.torn;
    }
    assert!(cuts >= 500 && torn >= 20, "{cuts} cuts, {torn} torn writes");
}

#[test]
fn a_disk_that_lies_about_syncing_is_caught_by_the_same_check() {
    let caught = (0..20).filter(|seed| {
        let mut machine = Machine::new(*seed);
        machine.disk.lie();
        machine.live().is_err()
    });
    assert!(caught.count() >= 15);
}

#[cfg(feature = "faults")]
#[test]
fn a_log_that_does_not_sync_is_caught_by_the_same_check() {
    let caught = (0..20).filter(|seed| {
        let mut machine = Machine::new(*seed);
        machine.options.skip_fsync = true;
        machine.live().is_err()
    });
    assert!(caught.count() >= 15);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| {
        let mut machine = Machine::new(seed);
        machine.live().map(|()| (machine.disk.ops(), machine.acknowledged.len(), machine.batches))
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}
