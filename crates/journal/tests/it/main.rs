//! The journal from outside: the suites of its ports, opening, verifying, erasing, failing.

#[cfg(feature = "faults")]
mod aborts;
mod damage;
mod failures;
mod opening;
mod proving;
mod suites;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinew_contract::{Expect, Journal};
use sinew_journal::{DataDir, Disk, FileLog, OpenError, OpenReport, Options, RealDisk, SimDisk};
use sinew_testkit::SimClock;
use sinew_testkit::journal_suite::draft;

/// A place for one data directory, on either kind of disk.
struct Place {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    _kept: Option<tempfile::TempDir>,
}

impl Place {
    fn real() -> Self {
        let kept = tempfile::tempdir().expect("the machine has room");
        Self { disk: Arc::new(RealDisk), path: kept.path().join("data"), _kept: Some(kept) }
    }

    fn sim(disk: &SimDisk) -> Self {
        Self { disk: Arc::new(disk.clone()), path: PathBuf::from("/data"), _kept: None }
    }

    fn dir(&self) -> Result<DataDir, OpenError> {
        DataDir::open(Arc::clone(&self.disk), &self.path)
    }

    fn open(&self) -> Result<(FileLog, OpenReport), OpenError> {
        self.open_with(&small())
    }

    fn open_with(&self, options: &Options) -> Result<(FileLog, OpenReport), OpenError> {
        FileLog::open(&self.dir()?, options, Arc::new(SimClock::default()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn bytes(&self, file: &Path) -> Vec<u8> {
        let file = self.disk.open(file, sinew_journal::Mode::Read).expect("the file is there");
        let mut bytes = vec![0; usize::try_from(file.len().expect("it has a length")).expect("it is small")];
        file.read_at(&mut bytes, 0).expect("it reads");
        bytes
    }

    fn write(&self, file: &Path, bytes: &[u8]) {
        let file = self.disk.open(file, sinew_journal::Mode::Create).expect("there is room");
        file.write_at(bytes, 0).expect("there is room");
    }
}

/// Segments so small that a test fills several.
fn small() -> Options {
    Options { segment_bytes: 16 << 10, checkpoint_every: 8, ..Options::default() }
}

async fn say(log: &FileLog, note: &str) {
    log.append(vec![draft(note)], Expect::Anything).await.expect("the log is open");
}
