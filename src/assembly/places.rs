//! Where things lie in a data directory that the roof itself looks after.
//!
//! Does not know the journal's, the blobs' or memory's own files.

use std::fs::TryLockError;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sinew_api::people::PeopleStore;
use sinew_api::views::StopView;
use sinew_contract::{ErrorKind, Failure, Stop};

use crate::house::stops::Stops;
use crate::runtime::random;

/// The paths of one data directory.
#[derive(Clone, Debug)]
pub struct Places {
    data: PathBuf,
}

impl Places {
    /// The places under `data`.
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Where the running hub says how to reach it: `<url> <owner>`.
    pub fn address(&self) -> PathBuf {
        self.data.join("address")
    }

    /// Memory's derived file.
    pub fn memory(&self) -> PathBuf {
        self.data.join("memory.sqlite")
    }

    /// Numbers over time.
    pub fn series(&self) -> PathBuf {
        self.memory().with_file_name("series.sqlite")
    }

    /// Hashes of people's tokens.
    pub fn people(&self) -> PathBuf {
        self.data.join("people.json")
    }

    /// The secret that proves that a caller may read this directory; made at first start, readable by its owner alone.
    ///
    /// # Errors
    /// Where it cannot be read, made, or has another length.
    pub fn secret(&self) -> Result<[u8; 32]> {
        let path = self.secret_path();
        if !path.try_exists().with_context(|| format!("cannot read `{}`", path.display()))? {
            replace(&path, &random::<32>())?;
        }
        self.known_secret()
    }

    fn secret_path(&self) -> PathBuf {
        self.data.join("local.key")
    }

    /// The secret as the hub has made it: another one would open nothing.
    ///
    /// # Errors
    /// Where it cannot be read or has another length.
    pub fn known_secret(&self) -> Result<[u8; 32]> {
        let path = self.secret_path();
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        match bytes.try_into() {
            Ok(secret) => Ok(secret),
            Err(_) => bail!("`{}` is damaged: it must have 32 bytes; remove it and start again", path.display()),
        }
    }

    /// Says where the hub can be reached.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn announce(&self, url: &str, owner: &str) -> Result<()> {
        replace(&self.address(), format!("{url} {owner}\n").as_bytes())
    }

    /// The process that has the directory, by its id, where one has it.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn holder(&self) -> Result<Option<String>> {
        let path = self.data.join("LOCK");
        let context = || format!("cannot look at `{}`", path.display());
        let file = match std::fs::File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.with_context(context)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => std::fs::read_to_string(&path).map(Some).with_context(context),
            Err(TryLockError::Error(error)) => Err(error).with_context(context),
        }
    }

    /// What the stop file says, as the pages show it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn stops(&self) -> Result<Vec<StopView>> {
        Ok(Stops::open(&self.data)?.views())
    }

    /// Presses or releases stop in the file. A hub that is running takes over what is pressed there, not what is released.
    ///
    /// # Errors
    /// Where there is no data directory, or the file cannot be read or written.
    pub fn write_stop(&self, stop: &Stop) -> Result<()> {
        if !self.data.join("FORMAT").exists() {
            bail!("`{}` is not a data directory; name the hub's with --data", self.data.display());
        }
        let latch = sinew_actuation::Latch::open(&self.data)
            .with_context(|| format!("cannot open the stop file in `{}`", self.data.display()))?;
        latch.set(stop).with_context(|| format!("cannot write the stop file in `{}`", self.data.display()))
    }
}

/// Replaces a small private file whole: temporary file, sync, rename.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

impl PeopleStore for Places {
    fn load(&self) -> Result<Option<String>, Failure> {
        match std::fs::read_to_string(self.people()) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(ErrorKind::Broken, "cannot read the list of tokens").caused_by(error)),
        }
    }

    fn save(&self, text: &str) -> Result<(), Failure> {
        replace(&self.people(), text.as_bytes()).map_err(|e| Failure::new(ErrorKind::Broken, format!("{e:#}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stays_the_same_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let places = Places::new(folder.path());
        let first = places.secret().expect("it is made");
        assert_eq!(places.secret().expect("it is read"), first);
        let mode = std::fs::metadata(folder.path().join("local.key")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(folder.path().join("local.key"), "short").expect("it is damaged");
        assert!(places.secret().expect_err("it is damaged").to_string().contains("32 bytes"));
    }
}
