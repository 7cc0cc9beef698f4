//! Stop: an atomic flag in memory first, then a small file that is written in place, so that a stop survives a restart.
//!
//! Does not know the journal and never waits for it. The file is made once, at its full size, and kept open: pressing stop
//! needs no space on the disk and no file handle. What cannot be read counts as stopped. Releasing starts nothing again:
//! what was refused stays refused. Another process may press stop by writing the file; it is read again and again.
//!
//! ```text
//! press:   memory -> file      (the latch holds even where the file cannot be written)
//! release: file -> memory      (the latch holds until the file says otherwise)
//! reread:  file -> memory -> file   (only ever adds: what is in one of them holds in both)
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use sinew_contract::{DeviceId, ErrorKind, PlaybookName, Stop, StopScope};
use sinew_expr::{digest, mutant};
use tracing::{error, warn};

/// One page: written in place as a whole.
const SIZE: usize = 4096;
/// Format name and version; the rest of the line is the digest of what follows.
const MAGIC: &str = "sinew-stop 1 ";
/// A reason longer than this is cut: the file has one page for all of them.
const REASON_MAX: usize = 200;

/// Why the stop file could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum LatchError {
    /// The file cannot be made or opened.
    #[error("cannot open stop file `{}`", .path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written; in memory a stop holds all the same, and a release has not happened.
    #[error("cannot write stop file `{}`", .path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LatchError {
    /// Always `Broken`: somebody must look at the disk.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Broken
    }
}

/// The latch of one data directory.
#[derive(Debug)]
pub struct Latch {
    /// Whether `stops` holds anything; read on every command.
    any: AtomicBool,
    stops: RwLock<BTreeMap<StopScope, String>>,
    file: Mutex<Held>,
    path: PathBuf,
}

/// The file, and what the last look at it made of it.
#[derive(Debug)]
struct Held {
    file: File,
    /// The last look found it damaged.
    damaged: bool,
}

impl Latch {
    /// Opens `<data_dir>/stop`, or makes it. What it says holds from now on; a file that cannot be understood means stop.
    ///
    /// # Errors
    /// `Open` where the file can neither be opened nor made.
    pub fn open(data_dir: &Path) -> Result<Self, LatchError> {
        let path = data_dir.join("stop");
        let opened = open_or_make(&path).map_err(|source| LatchError::Open { path: path.clone(), source })?;
        let stops = read(&opened, &path);
        if !stops.is_empty() {
            warn!(stops = stops.len(), "starts stopped");
        }
        let any = AtomicBool::new(!stops.is_empty());
        let file = Mutex::new(Held { file: opened, damaged: false });
        Ok(Self { any, stops: RwLock::new(stops), file, path })
    }

    /// Presses or releases one scope. Pressing twice or releasing what was not pressed is harmless.
    ///
    /// After a crash a stop holds if the call returned `Ok`; a release may or may not have happened.
    ///
    /// # Errors
    /// `Write`; a stop holds in memory all the same, a release has not happened.
    pub fn set(&self, stop: &Stop) -> Result<(), LatchError> {
        if stop.engaged {
            // Memory before the lock on the file: a slow disk never delays a stop.
            self.press(stop);
        }
        let held = self.lock_file();
        if stop.engaged {
            // Again, where a release of the same scope came in between: stop wins.
            self.press(stop);
            return self.write(&held.file, &self.stops());
        }
        let mut left = self.stops();
        left.remove(&stop.scope);
        if let Err(error) = self.write(&held.file, &left)
            && !mutant("release-without-the-file")
        {
            return Err(error);
        }
        let mut stops = self.write_stops();
        stops.remove(&stop.scope);
        self.any.store(!stops.is_empty(), Ordering::SeqCst);
        Ok(())
    }

    /// Presses in memory alone: what holds at once, whatever the disk does. Whoever presses writes the file afterwards.
    pub(crate) fn press(&self, stop: &Stop) {
        let mut stops = self.write_stops();
        stops.insert(stop.scope.clone(), short(&stop.reason));
        self.any.store(true, Ordering::SeqCst);
    }

    /// Looks at the file again and takes over what another process has pressed; returns what is new. Blocks on the disk.
    ///
    /// Only ever adds: what memory holds stays, whatever has become of the file, and is written back where the file lacks
    /// it. A file that two looks in a row cannot understand means stop: one look alone may meet another's write half way.
    ///
    /// # Errors
    /// As the file cannot be opened, made again or written; what memory holds, and what could be read, holds all the same.
    pub fn reread(&self) -> Result<Vec<Stop>, LatchError> {
        let mut held = self.lock_file();
        self.follow_path(&mut held)?;
        let found = bytes(&held.file);
        if found.as_ref().is_ok_and(|found| *found == page(&self.stops())) {
            held.damaged = false;
            return Ok(Vec::new());
        }
        let said = match found.and_then(|found| decode(&found)) {
            Ok(said) => said,
            Err(_) if !std::mem::replace(&mut held.damaged, true) => return Ok(Vec::new()),
            Err(problem) => damaged(&self.path, problem),
        };
        let new = self.take_over(&said);
        self.write(&held.file, &self.stops())?;
        held.damaged = false;
        Ok(new)
    }

    /// Adds to memory what it does not hold yet.
    fn take_over(&self, said: &BTreeMap<StopScope, String>) -> Vec<Stop> {
        let mut stops = self.write_stops();
        let mut new = Vec::new();
        for (scope, reason) in said {
            if !stops.contains_key(scope) {
                stops.insert(scope.clone(), reason.clone());
                new.push(Stop { scope: scope.clone(), engaged: true, reason: reason.clone() });
            }
        }
        self.any.store(!stops.is_empty(), Ordering::SeqCst);
        new
    }

    /// Where somebody has removed or replaced the file, the one that now has its name is the one that the next start reads.
    fn follow_path(&self, held: &mut Held) -> Result<(), LatchError> {
        let fault = |source| LatchError::Open { path: self.path.clone(), source };
        let same = |found: &fs::Metadata| {
            held.file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (found.dev(), found.ino()))
        };
        match fs::metadata(&self.path) {
            Ok(found) if same(&found) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(error)),
            _ => {
                held.file = open_or_make(&self.path).map_err(fault)?;
                Ok(())
            }
        }
    }

    fn lock_file(&self) -> MutexGuard<'_, Held> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, file: &File, stops: &BTreeMap<StopScope, String>) -> Result<(), LatchError> {
        let written = file.write_all_at(&page(stops), 0).and_then(|()| file.sync_data());
        written.map_err(|source| LatchError::Write { path: self.path.clone(), source })
    }

    /// All that is stopped, with the reasons.
    pub fn stops(&self) -> BTreeMap<StopScope, String> {
        self.stops.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The reason why a command of this playbook to this device must not leave, where there is one.
    pub(crate) fn holds(&self, playbook: &PlaybookName, device: &DeviceId) -> Option<String> {
        if !self.any.load(Ordering::SeqCst) {
            return None;
        }
        let mut scopes = vec![StopScope::All, StopScope::Playbook(playbook.clone()), StopScope::Device(device.clone())];
        scopes.retain(|scope| match scope {
            StopScope::All => true,
            StopScope::Playbook(_) => !mutant("stop-of-a-playbook-ignored"),
            StopScope::Device(_) => !mutant("stop-of-a-device-ignored"),
        });
        let stops = self.stops.read().unwrap_or_else(PoisonError::into_inner);
        let hit = scopes.iter().find_map(|scope| stops.get(scope).map(|reason| (scope, reason)));
        hit.map(|(scope, reason)| format!("stop is pressed for {}: {reason}", words(scope)))
    }

    fn write_stops(&self) -> RwLockWriteGuard<'_, BTreeMap<StopScope, String>> {
        self.stops.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(scope: &StopScope) -> String {
    match scope {
        StopScope::All => "everything".to_owned(),
        StopScope::Playbook(name) => format!("playbook `{name}`"),
        StopScope::Device(name) => format!("device `{name}`"),
    }
}

fn short(reason: &str) -> String {
    reason.chars().take(REASON_MAX).collect()
}

/// Opens the file; where there is none, makes it whole under another name first, so that a crash leaves none or a good one.
fn open_or_make(path: &Path) -> io::Result<File> {
    if !path.try_exists()? {
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&page(&BTreeMap::new()))?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
    }
    OpenOptions::new().read(true).write(true).open(path)
}

/// The page that says this. Too much for one page becomes "everything": stopping more than asked is safe.
fn page(stops: &BTreeMap<StopScope, String>) -> Vec<u8> {
    let everything = || vec![(StopScope::All, "more is stopped than the stop file has room for".to_owned())];
    let listed: Vec<_> = stops.iter().map(|(scope, reason)| (scope.clone(), reason.clone())).collect();
    let mut page = encode(&listed);
    if page.len() > SIZE {
        page = encode(&everything());
    }
    page.resize(SIZE, b' ');
    page
}

fn encode(stops: &[(StopScope, String)]) -> Vec<u8> {
    let body = serde_json::to_string(stops).expect("invariant: scopes and reasons are plain JSON");
    format!("{MAGIC}{}\n{body}\n", digest(body.as_bytes())).into_bytes()
}

/// What the file says; everything is stopped where that is unclear.
fn read(file: &File, path: &Path) -> BTreeMap<StopScope, String> {
    bytes(file)
        .and_then(|bytes| decode(&bytes))
        .unwrap_or_else(|problem| if mutant("damaged-file-is-go") { BTreeMap::new() } else { damaged(path, problem) })
}

fn damaged(path: &Path, problem: &str) -> BTreeMap<StopScope, String> {
    let path = path.display();
    error!(%path, problem, "stop file is damaged");
    let reason =
        format!("stop file `{path}` is damaged ({problem}), so everything counts as stopped; look first, then release");
    BTreeMap::from([(StopScope::All, reason)])
}

fn bytes(file: &File) -> Result<Vec<u8>, &'static str> {
    let mut page = vec![0; SIZE];
    file.read_exact_at(&mut page, 0).map_err(|_| "it is too short or cannot be read")?;
    Ok(page)
}

fn decode(page: &[u8]) -> Result<BTreeMap<StopScope, String>, &'static str> {
    let text = std::str::from_utf8(page).map_err(|_| "it is not text")?;
    let rest = text.strip_prefix(MAGIC).ok_or("it does not start as a stop file of this version")?;
    let mut lines = rest.split('\n');
    let (Some(sum), Some(body), Some(padding)) = (lines.next(), lines.next(), lines.next()) else {
        return Err("it is cut");
    };
    if sum != digest(body.as_bytes()).to_string() || !padding.bytes().all(|b| b == b' ') || lines.next().is_some() {
        return Err("its digest does not match");
    }
    let stops: Vec<(StopScope, String)> = serde_json::from_str(body).map_err(|_| "it cannot be understood")?;
    Ok(stops.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(scope: StopScope, engaged: bool) -> Stop {
        Stop { scope, engaged, reason: "smoke".to_owned() }
    }
    fn shop() -> StopScope {
        StopScope::Device("shop".parse().expect("plain"))
    }
    fn held(latch: &Latch) -> bool {
        latch.holds(&"p".parse().expect("plain"), &"shop".parse().expect("plain")).is_some()
    }

    #[test]
    fn a_stop_survives_a_restart_and_so_does_its_release() {
        let dir = tempfile::tempdir().expect("a directory");
        let latch = Latch::open(dir.path()).expect("a fresh latch");
        assert!(!held(&latch));
        latch.set(&stop(shop(), true)).expect("pressed");
        latch.set(&stop(StopScope::Playbook("p".parse().expect("plain")), true)).expect("pressed");
        drop(latch);
        let latch = Latch::open(dir.path()).expect("again");
        assert_eq!(latch.stops().len(), 2);
        latch.set(&stop(shop(), false)).expect("released");
        assert!(held(&latch), "the playbook is still stopped");
        latch.set(&stop(StopScope::Playbook("p".parse().expect("plain")), false)).expect("released");
        assert!(!held(&Latch::open(dir.path()).expect("again")) && !held(&latch));
    }

    #[test]
    fn a_release_that_cannot_be_written_has_not_happened() {
        let dir = tempfile::tempdir().expect("a directory");
        let latch = Latch::open(dir.path()).expect("a fresh latch");
        latch.set(&stop(shop(), true)).expect("pressed");
        // Open for reading alone: every write fails, as on a disk that has turned read-only.
        latch.lock_file().file = File::open(dir.path().join("stop")).expect("it can be read");
        assert!(latch.set(&stop(shop(), false)).is_err());
        assert!(held(&latch));
        assert!(latch.set(&stop(StopScope::All, true)).is_err());
        assert_eq!(latch.stops().len(), 2, "in memory stop holds all the same");
    }

    #[test]
    fn a_stop_covers_its_scope_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let latch = Latch::open(dir.path()).expect("a fresh latch");
        let check = |scope: StopScope, expected: bool| {
            latch.set(&stop(scope.clone(), true)).expect("pressed");
            assert_eq!(held(&latch), expected, "{scope:?}");
            latch.set(&stop(scope, false)).expect("released");
        };
        check(StopScope::All, true);
        check(shop(), true);
        check(StopScope::Playbook("p".parse().expect("plain")), true);
        check(StopScope::Playbook("q".parse().expect("plain")), false);
        check(StopScope::Device("dock".parse().expect("plain")), false);
    }

    #[test]
    fn every_flipped_byte_of_the_file_means_stop() {
        let dir = tempfile::tempdir().expect("a directory");
        drop(Latch::open(dir.path()).expect("a fresh latch"));
        let path = dir.path().join("stop");
        let good = fs::read(&path).expect("the file");
        assert_eq!(good.len(), SIZE);
        for at in (0..120).chain([SIZE - 1]) {
            let mut bad = good.clone();
            if let Some(byte) = bad.get_mut(at) {
                *byte ^= 0x41;
            }
            fs::write(&path, bad).expect("written");
            assert!(held(&Latch::open(dir.path()).expect("opens")), "byte {at}");
        }
        fs::write(&path, good.get(..100).unwrap_or_default()).expect("written");
        let latch = Latch::open(dir.path()).expect("opens");
        let reason = latch.stops().remove(&StopScope::All).expect("stopped");
        assert!(reason.contains("is damaged (it is too short or cannot be read)"), "{reason}");
        latch.set(&stop(StopScope::All, false)).expect("a person has looked");
        assert!(!held(&Latch::open(dir.path()).expect("again")));
    }

    #[test]
    fn more_stops_than_fit_stop_everything_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let latch = Latch::open(dir.path()).expect("a fresh latch");
        for n in 0..40 {
            let scope = StopScope::Device(format!("device-{n}-{}", "x".repeat(90)).parse().expect("plain"));
            latch.set(&stop(scope, true)).expect("pressed");
        }
        assert_eq!(latch.reread().expect("read"), [], "the file is as it was written");
        assert!(!held(&latch), "in memory each scope stands for itself");
        assert!(held(&Latch::open(dir.path()).expect("again")));
    }

    #[test]
    fn another_process_presses_through_the_file_and_never_releases() {
        let dir = tempfile::tempdir().expect("a directory");
        let (ours, other) = (Latch::open(dir.path()).expect("ours"), Latch::open(dir.path()).expect("another's"));
        assert_eq!(ours.reread().expect("read"), []);
        other.set(&stop(shop(), true)).expect("pressed by the other");
        assert!(!held(&ours), "not looked yet");
        assert_eq!(ours.reread().expect("read"), [stop(shop(), true)]);
        assert!(held(&ours));
        assert_eq!(ours.reread().expect("read"), [], "told once");
        other.set(&stop(shop(), false)).expect("released in the file");
        assert_eq!(ours.reread().expect("read"), []);
        assert!(held(&ours), "memory holds");
        assert!(held(&Latch::open(dir.path()).expect("again")), "and the file says so again");
        ours.set(&stop(shop(), false)).expect("released by its owner");
        assert_eq!(ours.reread().expect("read"), []);
        assert!(!held(&ours) && !held(&Latch::open(dir.path()).expect("again")));
    }

    #[test]
    fn what_two_processes_press_at_once_holds_for_both() {
        let dir = tempfile::tempdir().expect("a directory");
        let (ours, other) = (Latch::open(dir.path()).expect("ours"), Latch::open(dir.path()).expect("another's"));
        ours.set(&stop(shop(), true)).expect("pressed");
        // The other has read the file before us, and so writes over what we wrote.
        other.set(&stop(StopScope::All, true)).expect("pressed");
        assert_eq!(ours.reread().expect("read"), [stop(StopScope::All, true)]);
        assert_eq!(Latch::open(dir.path()).expect("again").stops().len(), 2);
    }

    #[test]
    fn a_missing_file_is_made_again_with_all_that_holds() {
        let dir = tempfile::tempdir().expect("a directory");
        let latch = Latch::open(dir.path()).expect("a fresh latch");
        latch.set(&stop(shop(), true)).expect("pressed");
        fs::remove_file(dir.path().join("stop")).expect("removed");
        assert_eq!(latch.reread().expect("made again"), []);
        assert!(held(&latch) && held(&Latch::open(dir.path()).expect("again")));
        latch.set(&stop(shop(), false)).expect("released");
        assert!(!held(&Latch::open(dir.path()).expect("again")), "the new file is the one that is written");
    }

    #[test]
    fn a_file_that_stays_damaged_means_stop() {
        let dir = tempfile::tempdir().expect("a directory");
        let latch = Latch::open(dir.path()).expect("a fresh latch");
        fs::write(dir.path().join("stop"), "rubbish").expect("written");
        assert_eq!(latch.reread().expect("read"), [], "it may be written at this moment");
        assert!(!held(&latch));
        let new = latch.reread().expect("read");
        assert!(matches!(new.as_slice(), [one] if one.reason.contains("is damaged")), "{new:?}");
        assert!(held(&latch) && held(&Latch::open(dir.path()).expect("again")));
        latch.set(&stop(StopScope::All, false)).expect("a person has looked");
        assert_eq!(latch.reread().expect("read"), []);
        assert!(!held(&latch));
    }
}
