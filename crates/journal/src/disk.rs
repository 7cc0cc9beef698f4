//! The seam between the log and the disk: the few things that the log asks of files, so that a simulated disk can lose,
//! tear, reorder and lie underneath the shipped code.
//!
//! Does not know frames, keys or blobs. Blocking, as disks are: callers bring their own thread.

use std::io;
use std::path::Path;
use std::sync::Arc;

mod real;
mod sim;

pub use real::RealDisk;
pub use sim::SimDisk;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To read; it must exist.
    Read,
    /// To read and write; it must exist.
    Write,
    /// To read and write, made where it is missing (readable by the owner alone) and emptied where it is not.
    Create,
}

/// Held for as long as a lock is held; dropping it gives the lock back.
pub type LockGuard = Box<dyn Send + Sync>;

/// A tree of files.
///
/// A change of names (create, rename, remove) is durable after `sync_dir` of its directory, not before.
pub trait Disk: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound` where it must exist and does not; whatever else the disk says.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a directory and its parents; harmless where it exists.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Renames within one file system; an existing target is replaced, as one step.
    ///
    /// # Errors
    /// `NotFound` where there is no source.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; harmless where there is none.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock file, or says who has it: the text that the holder left in it. Never waits.
    ///
    /// # Errors
    /// Whatever the disk says; a lock that is held is not an error but `Err(text)` inside.
    fn lock(&self, path: &Path, text: &str) -> io::Result<Result<LockGuard, String>>;
}

/// An open file. Writes are durable after `sync_data`, not before, and until then in any order and any part.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn len(&self) -> io::Result<u64>;

    /// Says whether it has no bytes.
    ///
    /// # Errors
    /// As `len`.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file where needed.
    ///
    /// # Errors
    /// `StorageFull`, or whatever else the disk says; then any part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes all written bytes durable, and the length where it changed.
    ///
    /// # Errors
    /// Whatever the disk says; then nobody knows what is durable, and asking again proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes the file `len` zero bytes long by writing them, so that later syncs have no metadata to write.
    ///
    /// # Errors
    /// `StorageFull` where there is no room.
    fn allocate(&self, len: u64) -> io::Result<()>;
}

/// Reads a whole file.
pub(crate) fn read_all(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Mode::Read)?;
    read_range(file.as_ref(), 0, file.len()?)
}

/// Reads `len` bytes at `offset`, fewer at the end of the file.
pub(crate) fn read_range(file: &dyn DiskFile, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(|_| io::Error::other("the file does not fit in memory"))?;
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Reads a whole file, or nothing where there is no file.
pub(crate) fn read_if_there(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read_all(disk, path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `bytes` in the place of the file's content so that a crash leaves the old or the new, whole.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("tmp");
    write_synced(disk, &fresh, bytes)?;
    disk.rename(&fresh, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new("/")))
}

/// Makes a file with these bytes and syncs its content, not its name.
pub(crate) fn write_synced(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(path, Mode::Create)?;
    file.write_at(bytes, 0)?;
    file.sync_data()
}
