//! Reading the log back: from memory near the tail, else from the segment files, verified entry by entry.
//!
//! Does not write. Never reads past the durable tail, so nobody sees what a power cut could still take away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sinew_contract::{Entry, ErrorKind, Failure, Follow, Seq};
use tokio::sync::watch;

use crate::disk::{self, Disk, DiskFile, Mode};
use crate::error::Flaw;
use crate::frame::{self, Fault, Frame};
use crate::keyring::Keyring;
use crate::seal;
use crate::segment::{Chain, OPENING_SIZE, read_opening};
use crate::shared::{Mark, Segment, Shared};

/// 256 KiB: some six hundred entries per read of the disk.
const CHUNK: u64 = 256 << 10;

/// Reads one log.
pub(crate) struct Reader {
    pub disk: Arc<dyn Disk>,
    pub keyring: Arc<Keyring>,
    pub shared: Arc<Shared>,
    /// Log id and epoch; head and hash are not used.
    pub identity: Chain,
    pub closed: AtomicBool,
}

impl Reader {
    /// See `Journal::read`.
    pub fn read(&self, from: Seq, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        let tail = self.shared.tail().seq;
        let mut next = from.max(Seq(1));
        if next > tail || limit == 0 {
            return Ok(Vec::new());
        }
        if let Some(recent) = self.shared.recent(next, limit) {
            return Ok(recent);
        }
        let mut entries = Vec::new();
        while next <= tail && entries.len() < limit {
            let segment = self.shared.segment_of(next).ok_or_else(|| gone(next))?;
            let before = entries.len();
            self.read_segment(&segment, next, tail, limit, &mut entries)?;
            if entries.len() == before {
                return Err(gone(next));
            }
            next = Seq(next.0 + (entries.len() - before) as u64);
        }
        Ok(entries)
    }

    /// Reads from one segment until its end, the tail or the limit.
    fn read_segment(
        &self,
        segment: &Segment,
        from: Seq,
        tail: Seq,
        limit: usize,
        entries: &mut Vec<Arc<Entry>>,
    ) -> Result<(), Failure> {
        let file = self.disk.open(&segment.path, Mode::Read);
        let file = file.map_err(|e| self.broken(segment, 0, from, "it does not open").caused_by(e))?;
        let start = self.start(segment, file.as_ref(), from)?;
        let chain = Chain { head: Seq(start.seq.0 - 1), hash: start.previous, ..self.identity };
        let mut cursor = Cursor { file: file.as_ref(), at: start.offset, chunk: Vec::new(), used: 0 };
        self.check_border(&chain, from, entries, segment)?;
        let mut chain = chain;
        while chain.head < tail && entries.len() < limit {
            let (offset, seq, previous) = (cursor.at, chain.head.next(), chain.hash);
            let fail = |what: &str| self.broken(segment, offset, seq, what);
            let Some(frame) = cursor.next().map_err(|e| fail("it does not read").caused_by(e))? else {
                return Err(fail("the entry's checksum does not hold"));
            };
            let header = match chain.accept(&frame) {
                Ok(header) => header,
                Err(_) if frame.payload.is_empty() => return Ok(()), // The seal: the log goes on in the next segment.
                Err(broken) => return Err(fail(&broken.to_string())),
            };
            segment.mark(Mark { seq, offset, previous });
            if seq >= from {
                let opened = seal::open(&header, &self.keyring, frame.payload);
                let (record, labels) = opened.map_err(|e| fail("the payload does not open").caused_by(e))?;
                entries.push(Arc::new(Entry { header, hash: chain.hash, record, labels }));
            }
        }
        Ok(())
    }

    /// The place to start at: the nearest mark, else the first entry as the opening tells it.
    fn start(&self, segment: &Segment, file: &dyn DiskFile, from: Seq) -> Result<Mark, Failure> {
        if let Some(mark) = segment.nearest(from) {
            return Ok(mark);
        }
        let bytes = disk::read_range(file, 0, OPENING_SIZE as u64);
        let bytes = bytes.map_err(|e| self.broken(segment, 0, from, "it does not read").caused_by(e))?;
        let opening = read_opening(&bytes).map_err(|bad| self.broken(segment, 0, from, &bad.what))?;
        if opening.first != segment.first {
            return Err(self.broken(segment, 0, from, "its opening states another first entry than its name"));
        }
        Ok(Mark { seq: opening.first, offset: OPENING_SIZE as u64, previous: opening.previous })
    }

    /// Where a read goes on from one segment into the next, the chain must too.
    fn check_border(&self, chain: &Chain, from: Seq, entries: &[Arc<Entry>], segment: &Segment) -> Result<(), Failure> {
        match entries.last() {
            Some(last) if last.seq() == chain.head && last.hash != chain.hash => {
                Err(self.broken(segment, 0, from, "it does not continue the segment before it"))
            }
            _ => Ok(()),
        }
    }

    fn broken(&self, segment: &Segment, offset: u64, seq: Seq, what: &str) -> Failure {
        let flaw = Flaw { file: segment.path.clone(), offset, seq: Some(seq.0), what: what.to_owned() };
        Failure::new(ErrorKind::Broken, format!("cannot read the journal in {flaw}"))
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

fn gone(seq: Seq) -> Failure {
    Failure::new(ErrorKind::Broken, format!("entry {seq} stands in no segment; verify the journal"))
}

/// Reads frames one after the other in large pieces.
struct Cursor<'a> {
    file: &'a dyn DiskFile,
    /// Where the next frame starts in the file.
    at: u64,
    chunk: Vec<u8>,
    /// Bytes of the chunk that are behind `at`.
    used: usize,
}

impl Cursor<'_> {
    /// The next frame; none where there is no whole one.
    fn next(&mut self) -> std::io::Result<Option<Frame<'_>>> {
        let known = self.chunk.get(self.used..).unwrap_or_default();
        let wanted = match frame::parse(known) {
            Ok(_) => 0,
            Err(Fault::Cut(size)) => size as u64,
            Err(_) if known.len() < frame::HEAD => frame::HEAD as u64,
            Err(_) => return Ok(None),
        };
        if wanted > 0 {
            self.chunk = disk::read_range(self.file, self.at, wanted.max(CHUNK))?;
            self.used = 0;
        }
        let Ok(frame) = frame::parse(&self.chunk[self.used..]) else { return Ok(None) };
        self.at += frame.size as u64;
        self.used += frame.size;
        Ok(Some(frame))
    }
}

/// Answers `Follow`: waits on the durable tail, then reads.
pub(crate) struct Follower {
    reader: Arc<Reader>,
    next: Seq,
    durable: watch::Receiver<Seq>,
}

impl Follower {
    pub fn new(reader: Arc<Reader>, from: Seq) -> Self {
        let durable = reader.shared.watch();
        Self { reader, next: from.max(Seq(1)), durable }
    }

    /// Near the tail this takes a moment; further back it reads files, on a thread that may block.
    async fn read(&self, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        if let Some(recent) = self.reader.shared.recent(self.next, limit) {
            return Ok(recent);
        }
        let (reader, from) = (Arc::clone(&self.reader), self.next);
        let read = tokio::task::spawn_blocking(move || reader.read(from, limit)).await;
        read.map_err(|e| Failure::new(ErrorKind::Broken, "reading the journal was cut off").caused_by(e))?
    }
}

#[async_trait]
impl Follow for Follower {
    async fn next(&mut self, limit: usize) -> Result<Vec<Arc<Entry>>, Failure> {
        let next = self.next;
        let closed = || Failure::new(ErrorKind::Missing, "the journal was closed");
        let reader = &self.reader;
        let arrived = self.durable.wait_for(|durable| *durable >= next || reader.is_closed()).await;
        if *arrived.map_err(|_| closed())? < next {
            return Err(closed());
        }
        let entries = self.read(limit.max(1)).await?;
        self.next = entries.last().map_or(next, |last| last.seq().next());
        Ok(entries)
    }
}
