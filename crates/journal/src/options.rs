//! The sizes of a log; each has a default that fits a small shop and a busy hub alike.

/// Sizes and bounds of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a segment file, made in advance. Default 16 MiB; at least 4 KiB.
    pub segment_bytes: u64,
    /// Bytes that one batch may take. Default 4 MiB; never more than a segment holds.
    pub batch_bytes_max: usize,
    /// Batches that one group commit may take. Default 1,024.
    pub group_max: usize,
    /// Batches that may wait for the writer (queue `journal.append`); then appending waits. Default 1,024.
    pub queue_max: usize,
    /// Touches that are remembered for conditional appends. Default 65,536.
    pub window_max: usize,
    /// Entries kept in memory for followers. Default 4,096.
    pub recent_entries_max: usize,
    /// Bytes of entries kept in memory for followers. Default 8 MiB.
    pub recent_bytes_max: usize,
    /// Entries between two signed checkpoints. Default 1,024.
    pub checkpoint_every: u64,
    /// A mutant for tests of the tests: acknowledges without having synced.
    #[cfg(feature = "faults")]
    pub skip_fsync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            batch_bytes_max: 4 << 20,
            group_max: 1_024,
            queue_max: 1_024,
            window_max: 65_536,
            recent_entries_max: 4_096,
            recent_bytes_max: 8 << 20,
            checkpoint_every: 1_024,
            #[cfg(feature = "faults")]
            skip_fsync: false,
        }
    }
}

impl Options {
    /// The segment size, with its floor.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.max(4 << 10).next_multiple_of(8)
    }
}
