//! Append-only, hash-chained, provable: the log, the keyring and the blobs.
//!
//! Knows bytes, files and keys; does not know what any record means. In reading order:
//!
//! | module | what for |
//! |---|---|
//! | `journal` | [`FileLog`]: the log as the house sees it |
//! | `data_dir` | [`DataDir`]: where things lie, who has them, which version |
//! | `disk` | the seam to the disk: [`RealDisk`], and [`SimDisk`] that fails as disks fail |
//! | `frame`, `header`, `segment` | the bytes |
//! | `prepare`, `writer`, `log` | the way in: callers prepare, one thread commits groups |
//! | `driven` | [`DrivenLog`]: the same core without threads, for simulations |
//! | `reader`, `shared`, `window` | the way out, and what is kept in memory |
//! | `recover`, `verify` | opening after a crash, and proving offline that nothing changed |
//! | `proof` | the log as a Merkle tree: inclusion, consistency, checkpoints to keep elsewhere |
//! | `keyring`, `seal` | keys, and payloads that can be erased without breaking the chain |
//! | `checkpoint`, `followers` | signed: so far the log had come; and so far each follower |
//! | `blobs` | [`FileBlobs`]: large things by their digest |
//! | `errands` | what need not hold up the writer |
//!
//! ```text
//! append -> prepare -> queue -> writer: check, number, chain, seal -> write -> sync -> publish -> answer
//!                                                                                  └-> followers, read, tail
//! ```

mod base64;
mod blobs;
mod checkpoint;
mod data_dir;
mod disk;
mod driven;
mod errands;
mod error;
#[cfg(feature = "faults")]
pub mod faults;
mod followers;
mod frame;
mod header;

mod journal;
mod keyring;
mod log;
mod options;
#[cfg(test)]
mod power_cut;
mod prepare;
pub mod proof;
mod reader;
mod recover;
mod seal;
mod segment;
mod shared;
mod verify;
mod window;
mod writer;

pub use blobs::FileBlobs;
pub use data_dir::{DataDir, FORMAT};
pub use disk::{Disk, DiskFile, LockGuard, Mode, RealDisk, SimDisk};
pub use driven::DrivenLog;
pub use error::{Flaw, OpenError};
pub use journal::FileLog;
pub use options::Options;
pub use recover::OpenReport;
pub use verify::{VerifyError, VerifyReport, segment_files, verify};
