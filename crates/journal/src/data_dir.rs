//! The data directory: who has it, which version it is, and where things lie in it.
//!
//! Does not know what is in the files.
//!
//! ```text
//! FORMAT                 version of the whole directory
//! LOCK                   held by the one process that has it; its text is the pid
//! keys                   root key, signing seed, subject keys
//! journal/<seq>.seg      segments, named by their first seq in 20 digits
//! journal/spare          the next segment, prepared ahead
//! journal/checkpoint     signed: so far the log had come
//! journal/followers      so far each follower had come
//! blobs/ab/<digest>      large things
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{self, Disk, LockGuard};
use crate::error::OpenError;

/// The version of the directory that this binary writes, and the last that it reads.
pub const FORMAT: u32 = 1;

/// An open data directory: locked for as long as any clone of this lives.
#[derive(Clone)]
pub struct DataDir {
    disk: Arc<dyn Disk>,
    root: Arc<Path>,
    _lock: Arc<LockGuard>,
}

impl std::fmt::Debug for DataDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DataDir").field(&self.root).finish()
    }
}

impl DataDir {
    /// Locks the directory and checks its version; makes it where there is none.
    ///
    /// Crash safe: a half-made directory is made whole by the next call.
    ///
    /// # Errors
    /// `Locked`, naming the other process; `Newer`; `Foreign` for a directory that has other things in it; `Io`.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        refuse_foreign(disk.as_ref(), path)?;
        disk.create_dir(path).map_err(OpenError::io("make the directory", path))?;
        let lock_path = path.join("LOCK");
        let lock = disk.lock(&lock_path, &std::process::id().to_string());
        let lock = lock.map_err(OpenError::io("lock", &lock_path))?;
        let lock = lock.map_err(|holder| OpenError::Locked { path: path.to_path_buf(), holder })?;
        let dir = Self { disk, root: path.into(), _lock: Arc::new(lock) };
        dir.settle_format()?;
        Ok(dir)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The disk it lies on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Where the segments lie.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Where the keys lie.
    pub fn keys(&self) -> PathBuf {
        keys_path(&self.root)
    }

    /// Where the blobs lie.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Checks the version where there is one, and writes ours last of all where there is none.
    fn settle_format(&self) -> Result<(), OpenError> {
        let make = || -> io::Result<()> {
            self.disk.create_dir(&self.journal())?;
            self.disk.create_dir(&self.blobs())?;
            self.disk.sync_dir(parent_of(&self.root))?;
            disk::replace(self.disk.as_ref(), &self.root.join("FORMAT"), format!("{FORMAT}\n").as_bytes())
        };
        match read_format(self.disk.as_ref(), &self.root)? {
            Some(_) => Ok(()),
            None => make().map_err(OpenError::io("lay out", &self.root)),
        }
    }
}

/// The directory in which this one's name stands; that of `data` alone is the working directory.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        None => Path::new("/"),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    }
}

pub(crate) fn keys_path(root: &Path) -> PathBuf {
    root.join("keys")
}

/// The version of a directory; none where it has none yet.
pub(crate) fn read_format(disk: &dyn Disk, root: &Path) -> Result<Option<u32>, OpenError> {
    let path = root.join("FORMAT");
    let Some(bytes) = disk::read_if_there(disk, &path).map_err(OpenError::io("read", &path))? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix('\n'));
    let Some(found) = text.and_then(|text| text.parse().ok()).filter(|version| *version > 0) else {
        return Err(OpenError::Foreign { path, why: "expected a version number and a line feed".into() });
    };
    if found > FORMAT {
        return Err(OpenError::Newer { path, found, known: FORMAT });
    }
    Ok(Some(found))
}

/// Refuses a directory without a version that has things in it which are not ours.
fn refuse_foreign(disk: &dyn Disk, root: &Path) -> Result<(), OpenError> {
    const OURS: [&str; 6] = ["FORMAT.tmp", "LOCK", "blobs", "journal", "keys", "keys.tmp"];
    let names = match disk.list(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(OpenError::io("list", root))?,
    };
    if read_format(disk, root)?.is_some() {
        return Ok(());
    }
    match names.iter().find(|name| !OURS.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(OpenError::Foreign {
            path: root.to_path_buf(),
            why: format!("it has no FORMAT but has `{name}` in it; choose an empty directory for the data"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_directory_that_can_be_synced() {
        let check = |path, parent| assert_eq!(parent_of(Path::new(path)), Path::new(parent), "{path}");
        check("data", ".");
        check("a/data", "a");
        check("/data", "/");
        check("/", "/");
    }
}
