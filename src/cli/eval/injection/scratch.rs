//! A folder that is gone when it is not needed any more.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A folder of this process' own.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Result<Self> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).context("the system has no random bytes")?;
        let name = format!("sinew-injection-{}", id.map(|byte| format!("{byte:02x}")).concat());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(failure) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%failure, folder = %self.0.display(), "a folder could not be removed");
        }
    }
}
