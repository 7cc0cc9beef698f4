//! Large immutable things, each in a file named by its SHA-256. Answers `Blobs`.
//!
//! Does not know what they are. A file is written aside, synced and renamed: under its name it is whole or not there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sinew_contract::{BlobRef, Blobs, Digest, ErrorKind, Failure};
use tokio::sync::Semaphore;

use crate::data_dir::DataDir;
use crate::disk::{self, Disk};
use crate::error::{OpenError, kind_of_io};
use crate::seal;

/// Reads and writes at once: enough to keep a disk busy, few enough to bound memory.
const AT_ONCE_MAX: usize = 8;

/// The blobs of a data directory.
pub struct FileBlobs {
    store: Arc<Store>,
    at_once: Semaphore,
}

struct Store {
    dir: DataDir,
    root: PathBuf,
    /// Tells two writes of the same bytes apart while both are under way.
    counter: AtomicU64,
}

impl FileBlobs {
    /// Opens the blobs of a data directory and clears what a crash left half written.
    ///
    /// # Errors
    /// `Io`.
    pub fn open(dir: &DataDir) -> Result<Self, OpenError> {
        let root = dir.blobs();
        let store = Store { dir: dir.clone(), root, counter: AtomicU64::new(0) };
        store.clear_aside().map_err(OpenError::io("clear half-written blobs in", &store.root))?;
        Ok(Self { store: Arc::new(store), at_once: Semaphore::new(AT_ONCE_MAX) })
    }

    /// Runs blocking work, few at once.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Store) -> T + Send + 'static) -> Result<T, Failure> {
        let _permit = self.at_once.acquire().await.expect("invariant: the semaphore is never closed");
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.map_err(|e| Failure::new(ErrorKind::Broken, "work on a blob was cut off").caused_by(e))
    }
}

impl Store {
    fn disk(&self) -> &dyn Disk {
        self.dir.disk().as_ref()
    }

    fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    fn clear_aside(&self) -> io::Result<()> {
        let aside = self.aside();
        self.disk().create_dir(&aside)?;
        self.disk().list(&aside)?.iter().try_for_each(|name| self.disk().remove(&aside.join(name)))
    }

    /// The shard and the file of a digest.
    fn place(&self, digest: Digest) -> (PathBuf, PathBuf) {
        let hex = digest.to_string();
        let shard = self.root.join(&hex[..2]);
        let file = shard.join(hex);
        (shard, file)
    }

    fn put(&self, digest: Digest, bytes: &[u8]) -> io::Result<()> {
        let (shard, file) = self.place(digest);
        // A file that was altered is written anew: keeping bytes is also mending them.
        if disk::read_if_there(self.disk(), &file)?.as_deref() != Some(bytes) {
            self.write(&shard, &file, bytes)?;
        }
        // Also where it was there already: whoever renamed it may not have come to sync the name.
        self.disk().sync_dir(&shard)
    }

    fn write(&self, shard: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let aside = self.aside().join(self.counter.fetch_add(1, Ordering::Relaxed).to_string());
        let renamed = disk::write_synced(self.disk(), &aside, bytes)
            .and_then(|()| self.disk().create_dir(shard))
            .and_then(|()| self.disk().sync_dir(&self.root))
            .and_then(|()| self.disk().rename(&aside, file));
        renamed.inspect_err(|_| drop(self.disk().remove(&aside)))
    }

    fn get(&self, digest: Digest) -> Result<Vec<u8>, Failure> {
        let (_, file) = self.place(digest);
        let read = disk::read_if_there(self.disk(), &file);
        let read =
            read.map_err(|e| Failure::new(ErrorKind::Broken, format!("cannot read blob `{digest}`")).caused_by(e))?;
        let bytes = read.ok_or_else(|| Failure::new(ErrorKind::Missing, format!("there is no blob `{digest}`")))?;
        if seal::digest(&bytes) == digest {
            return Ok(bytes);
        }
        let message = format!("blob `{digest}` was altered in `{}`; restore that file from a copy", file.display());
        Err(Failure::new(ErrorKind::Broken, message))
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, bytes: Bytes, media_type: &str) -> Result<BlobRef, Failure> {
        let len = bytes.len() as u64;
        let put = self.run(move |store| {
            let digest = seal::digest(&bytes);
            store.put(digest, &bytes).map(|()| digest)
        });
        let digest = put.await?.map_err(|error| {
            Failure::new(kind_of_io(&error), format!("cannot keep a blob of `{len}` bytes")).caused_by(error)
        })?;
        Ok(BlobRef { digest, len, media_type: media_type.to_owned() })
    }

    async fn get(&self, digest: Digest) -> Result<Bytes, Failure> {
        self.run(move |store| store.get(digest)).await?.map(Bytes::from)
    }
}
