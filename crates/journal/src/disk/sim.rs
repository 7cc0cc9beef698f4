//! A disk in memory that fails as disks fail: it loses what was not synced, tears writes at sectors, reorders them, runs
//! full, refuses to sync, and (asked to) lies about having synced.
//!
//! Does not know the log. Same seed and same calls, same failures: its only chance is its own seeded generator.
//!
//! ```text
//! write_at -> pending writes --sync_data--> durable bytes        crash(): any subset of the pending sectors survives
//! rename … -> pending names  --sync_dir---> durable names        crash(): any prefix of the pending changes survives
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, LockGuard, Mode};

/// What a disk writes as one piece.
const SECTOR: usize = 512;

/// Answers `Disk` in memory. Clones share the same disk.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rng: u64,
    /// Grows with every crash, so that handles from before are dead.
    power: u64,
    off: bool,
    ops: u64,
    syncs: u64,
    cut_at: Option<u64>,
    fail_sync_at: Option<u64>,
    capacity: Option<u64>,
    lying: bool,
    next: u64,
    files: BTreeMap<u64, Content>,
    dirs: BTreeMap<PathBuf, Dir>,
    locks: BTreeMap<PathBuf, String>,
}

#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    now: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

#[derive(Default)]
struct Dir {
    durable: BTreeMap<String, u64>,
    now: BTreeMap<String, u64>,
    pending: Vec<Change>,
}

enum Change {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

/// The node of a name that is a directory.
const DIRECTORY: u64 = 0;

fn apply(names: &mut BTreeMap<String, u64>, change: &Change) {
    match change {
        Change::Link(name, node) => drop(names.insert(name.clone(), *node)),
        Change::Unlink(name) => drop(names.remove(name)),
        Change::Rename(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
    }
}

fn overwrite(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}

impl SimDisk {
    /// An empty disk whose chance is drawn from this seed.
    pub fn new(seed: u64) -> Self {
        let mut state = State { rng: seed, ..State::default() };
        state.dirs.insert(PathBuf::from("/"), Dir::default());
        Self(Arc::new(Mutex::new(state)))
    }

    /// Cuts the power just before the `after`-th write, sync or change of names from now on: from then on all fails.
    pub fn cut_after(&self, after: u64) {
        let mut state = self.state();
        state.cut_at = Some(state.ops + after);
    }

    /// Says whether the power is off.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// How many writes, syncs and changes of names there have been.
    pub fn ops(&self) -> u64 {
        self.state().ops
    }

    /// From now on `sync_data` and `sync_dir` answer well and do nothing.
    pub fn lie(&self) {
        self.state().lying = true;
    }

    /// Lets the `after`-th sync from now on fail once.
    pub fn fail_sync(&self, after: u64) {
        let mut state = self.state();
        state.fail_sync_at = Some(state.syncs + after);
    }

    /// Lets the disk hold at most so many bytes; none is without limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Loses power and gets it back: of what was not synced any part survives, and every open handle and lock is gone.
    pub fn crash(&self) {
        let mut guard = self.state();
        let state = &mut *guard;
        for dir in state.dirs.values_mut() {
            let kept = below(&mut state.rng, dir.pending.len() + 1);
            dir.pending.drain(..).take(kept).for_each(|change| apply(&mut dir.durable, &change));
            dir.now.clone_from(&dir.durable);
        }
        // Half of the crashes keep each sector by the toss of a coin, the others nearly all or nearly none.
        let keep_of_16 = [8, 8, 15, 1][below(&mut state.rng, 4)];
        for content in state.files.values_mut() {
            for (offset, bytes) in std::mem::take(&mut content.pending) {
                tear(&mut state.rng, keep_of_16, &mut content.durable, offset, &bytes);
            }
            content.now.clone_from(&content.durable);
        }
        state.locks.clear();
        (state.cut_at, state.fail_sync_at, state.off) = (None, None, false);
        state.power += 1;
    }

    /// Changes one byte behind everybody's back.
    ///
    /// # Panics
    /// Where there is no such byte.
    pub fn flip(&self, path: &Path, offset: usize, mask: u8) {
        let mut state = self.state();
        let node = state.find(path).expect("invariant: a test flips bytes of files that are there");
        let content = state.files.get_mut(&node).expect("invariant: every name has its content");
        content.now[offset] ^= mask;
        content.durable[offset] ^= mask;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets each sector of a write survive or not.
fn tear(rng: &mut u64, keep_of_16: usize, image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let mut done = 0;
    while done < bytes.len() {
        let at = offset + done;
        let part = (SECTOR - at % SECTOR).min(bytes.len() - done);
        if below(rng, 16) < keep_of_16 {
            overwrite(image, at, &bytes[done..done + part]);
        }
        done += part;
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014), reduced to `0..bound`.
fn below(rng: &mut u64, bound: usize) -> usize {
    *rng = rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *rng;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % bound as u64) as usize
}

fn dark() -> io::Error {
    io::Error::other("the power is off")
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("there is no `{}`", path.display()))
}

fn split(path: &Path) -> io::Result<(PathBuf, String)> {
    let name = path.file_name().ok_or_else(|| missing(path))?.to_string_lossy().into_owned();
    Ok((path.parent().unwrap_or(Path::new("/")).to_path_buf(), name))
}

impl State {
    /// Counts one operation that changes something; the one at the cut and all after it fail.
    fn step(&mut self) -> io::Result<()> {
        self.ops += 1;
        self.off |= self.cut_at.is_some_and(|cut| self.ops >= cut);
        if self.off { Err(dark()) } else { Ok(()) }
    }

    fn step_sync(&mut self) -> io::Result<()> {
        self.step()?;
        self.syncs += 1;
        if self.fail_sync_at.take_if(|at| self.syncs >= *at).is_some() {
            return Err(io::Error::other("input/output error while syncing"));
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> Option<u64> {
        let (dir, name) = split(path).ok()?;
        self.dirs.get(&dir)?.now.get(&name).copied()
    }

    fn change(&mut self, dir: &Path, change: Change) -> io::Result<()> {
        let dir = self.dirs.get_mut(dir).ok_or_else(|| missing(dir))?;
        apply(&mut dir.now, &change);
        dir.pending.push(change);
        Ok(())
    }

    fn reserve(&self, more: u64) -> io::Result<()> {
        let used: u64 = self.files.values().map(|content| content.now.len() as u64).sum();
        match self.capacity {
            Some(capacity) if used + more > capacity => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.off {
            return Err(dark());
        }
        let node = match state.find(path) {
            Some(node) if mode != Mode::Create => node,
            None if mode != Mode::Create => return Err(missing(path)),
            // Emptying counts as a new file under the old name: the old content survives a crash until the name is synced.
            _ => {
                state.step()?;
                state.next += 1;
                let node = state.next;
                let (dir, name) = split(path)?;
                state.change(&dir, Change::Link(name, node))?;
                state.files.insert(node, Content::default());
                node
            }
        };
        Ok(Arc::new(SimFile { disk: self.clone(), node, power: state.power }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let missing: Vec<_> = path.ancestors().take_while(|dir| !state.dirs.contains_key(*dir)).collect();
        for dir in missing.into_iter().rev() {
            state.step()?;
            let (parent, name) = split(dir)?;
            state.change(&parent, Change::Link(name, DIRECTORY))?;
            state.dirs.insert(dir.to_path_buf(), Dir::default());
        }
        // A directory that a crash unlinked from its parent is linked again, as it was.
        if let Ok((parent, name)) = split(path)
            && state.find(path).is_none()
        {
            state.step()?;
            state.change(&parent, Change::Link(name, DIRECTORY))?;
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let found = state.dirs.get(dir).ok_or_else(|| missing(dir))?;
        Ok(found.now.keys().cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let node = state.find(from).ok_or_else(|| missing(from))?;
        let ((from_dir, from), (to_dir, to)) = (split(from)?, split(to)?);
        if from_dir == to_dir {
            return state.change(&from_dir, Change::Rename(from, to));
        }
        state.change(&to_dir, Change::Link(to, node))?;
        state.change(&from_dir, Change::Unlink(from))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if state.find(path).is_none() {
            return Ok(());
        }
        let (dir, name) = split(path)?;
        state.change(&dir, Change::Unlink(name))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step_sync()?;
        let lying = state.lying;
        let dir = state.dirs.get_mut(dir).ok_or_else(|| missing(dir))?;
        if !lying {
            dir.pending.clear();
            dir.durable.clone_from(&dir.now);
        }
        Ok(())
    }

    fn lock(&self, path: &Path, text: &str) -> io::Result<Result<LockGuard, String>> {
        let mut state = self.state();
        if let Some(holder) = state.locks.get(path) {
            return Ok(Err(holder.clone()));
        }
        state.locks.insert(path.to_path_buf(), text.to_owned());
        Ok(Ok(Box::new(SimLock { disk: self.clone(), path: path.to_path_buf(), power: state.power })))
    }
}

struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    power: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.power == self.power {
            state.locks.remove(&self.path);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    node: u64,
    power: u64,
}

impl SimFile {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.off || state.power != self.power {
            return Err(dark());
        }
        act(&mut state)
    }
}

fn content(state: &mut State, node: u64) -> &mut Content {
    state.files.get_mut(&node).expect("invariant: content lives as long as the disk")
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).expect("invariant: simulated files fit in memory")
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|state| Ok(content(state, self.node).now.len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state| {
            let rest = content(state, self.node).now.get(position(offset)..).unwrap_or_default();
            let read = rest.len().min(buf.len());
            buf[..read].copy_from_slice(&rest[..read]);
            Ok(read)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|state| {
            state.step()?;
            let grown = (offset + bytes.len() as u64).saturating_sub(content(state, self.node).now.len() as u64);
            state.reserve(grown)?;
            let content = content(state, self.node);
            overwrite(&mut content.now, position(offset), bytes);
            content.pending.push((position(offset), bytes.to_vec()));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state| {
            state.step_sync()?;
            let lying = state.lying;
            let content = content(state, self.node);
            if !lying {
                for (offset, bytes) in std::mem::take(&mut content.pending) {
                    overwrite(&mut content.durable, offset, &bytes);
                }
            }
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.write_at(&vec![0; position(len)], 0)?;
        self.sync_data()
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        let dirs: BTreeSet<_> = state.dirs.keys().collect();
        f.debug_struct("SimDisk").field("ops", &state.ops).field("dirs", &dirs).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
        let file = disk.open(Path::new(name), Mode::Create).expect("the disk is on");
        file.write_at(bytes, 0).expect("there is room");
        file
    }

    fn survives(seed: u64, sync: bool, lie: bool) -> Option<Vec<u8>> {
        let disk = SimDisk::new(seed);
        if lie {
            disk.lie();
        }
        let file = write(&disk, "/a", &[1; 2_000]);
        if sync {
            file.sync_data().expect("the disk is on");
            disk.sync_dir(Path::new("/")).expect("the disk is on");
        }
        disk.crash();
        super::super::read_if_there(&disk, Path::new("/a")).expect("the disk is on again")
    }

    #[test]
    fn what_was_synced_survives_and_what_was_not_survives_in_parts() {
        let all = |sync, lie| (0..64).map(|seed| survives(seed, sync, lie)).collect::<Vec<_>>();
        assert!(all(true, false).iter().all(|kept| kept.as_deref() == Some(&[1; 2_000])));
        for kept in [all(false, false), all(true, true)] {
            assert!(kept.iter().any(Option::is_none), "a name can be lost");
            assert!(kept.iter().flatten().any(|bytes| bytes.contains(&0)), "a write can be torn and reordered");
            assert!(kept.iter().flatten().any(|bytes| bytes.len() < 2_000), "a write can be cut short");
        }
        assert_eq!(all(false, false), all(false, false), "the same seed gives the same crash");
    }

    #[test]
    fn after_the_cut_everything_fails_until_the_power_is_back() {
        let disk = SimDisk::new(1);
        let file = write(&disk, "/a", b"x");
        disk.cut_after(2);
        file.write_at(b"y", 0).expect("one more goes through");
        assert!(file.sync_data().is_err() && disk.is_off() && file.len().is_err());
        disk.crash();
        assert!(file.len().is_err(), "handles from before the crash stay dead");
        write(&disk, "/b", b"z").sync_data().expect("the power is back");
    }

    #[test]
    fn it_runs_full_and_fails_a_sync_when_told_to() {
        let disk = SimDisk::new(1);
        disk.set_capacity(Some(3));
        let file = write(&disk, "/a", b"abc");
        assert_eq!(file.write_at(b"d", 3).expect_err("full").kind(), ErrorKind::StorageFull);
        disk.fail_sync(2);
        file.sync_data().expect("the first goes well");
        file.sync_data().expect_err("the second fails");
        file.sync_data().expect("it fails once");
    }
}
