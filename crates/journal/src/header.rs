//! The header of an entry in bytes, version 1. Its SHA-256 is the entry's hash.
//!
//! Does not know frames or payloads. Little-endian; `decode` takes exactly what `encode` makes and nothing else.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | version: 1 |
//! | 2 | 2 | length of the header |
//! | 4 | 2 | code of the record's kind |
//! | 6 | 1 | flags: 1 has a run, 2 has a cause |
//! | 7 | 1 | length s of the scope |
//! | 8 | 1 | length p of the principal |
//! | 9 | 1 | number n of subject key ids |
//! | 10 | 1 | number t of touches |
//! | 11 | 1 | zero |
//! | 12 | 4 | the run's log tag |
//! | 16 | 16 | log id |
//! | 32 | 8 | epoch |
//! | 40 | 8 | seq |
//! | 48 | 8 | the run's seq |
//! | 56 | 8 | the cause's seq |
//! | 64 | 8 | observed, microseconds since 1970 |
//! | 72 | 8 | recorded, microseconds since 1970 |
//! | 80 | 8 | boot clock, microseconds |
//! | 88 | 32 | hash of the entry before |
//! | 120 | 32 | digest of the label map |
//! | 152 | 32 | digest of the payload as stored |
//! | 184 | s | scope |
//! | 184+s | p | principal |
//! | 184+s+p | 16n | subject key ids |
//! | 184+s+p+16n | 16t | touches |

use sha2::{Digest as _, Sha256};
use sinew_contract::{
    BootTime, Digest, Header, LogId, LogTag, PrincipalId, RunId, Scope, Seq, SubjectKeyId, Timestamp, Touch,
};

/// The layout that this file writes.
pub const VERSION: u16 = 1;
const FIXED: usize = 184;
const HAS_RUN: u8 = 1;
const HAS_CAUSE: u8 = 2;
/// Subject key ids, and touches, that one header can hold.
pub const MANY_MAX: usize = 255;

/// Bytes that are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The version is not ours.
    #[error("the header has version {0}, this binary reads 1")]
    Version(u16),
    /// The lengths contradict each other, or something that must be zero is not.
    #[error("the header's lengths or flags contradict each other")]
    Shape,
    /// A name has characters that no name has.
    #[error("the header's scope or principal is not a name")]
    Name,
}

/// The length that the header or mark at the start of `bytes` states for itself.
pub fn stated_len(bytes: &[u8]) -> Option<usize> {
    let len = u16::from_le_bytes(bytes.get(2..4)?.try_into().ok()?);
    (len >= 4).then_some(len.into())
}

/// SHA-256 of a header's bytes.
pub fn hash(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Bytes that `encode` makes of a header with such names and counts.
pub fn encoded_len(scope: &Scope, principal: &PrincipalId, subjects: usize, touches: usize) -> usize {
    FIXED + scope.as_str().len() + principal.as_str().len() + 16 * (subjects + touches)
}

fn byte(count: usize) -> u8 {
    u8::try_from(count).expect("invariant: names are at most 128 bytes and a draft's lists are checked on the way in")
}

/// Appends the header's bytes to `out`.
///
/// # Panics
/// With more than 255 subjects or touches; the log refuses such drafts.
pub fn encode(header: &Header, out: &mut Vec<u8>) {
    let Header { scope, principal, subjects, touches, .. } = header;
    let len = encoded_len(scope, principal, subjects.len(), touches.len());
    let run = header.run.unwrap_or(RunId { log: LogTag(0), seq: Seq::ZERO });
    let flags = u8::from(header.run.is_some()) * HAS_RUN + u8::from(header.cause.is_some()) * HAS_CAUSE;
    out.extend_from_slice(&header.format.to_le_bytes());
    out.extend_from_slice(&u16::try_from(len).expect("invariant: at most 8,600 bytes").to_le_bytes());
    out.extend_from_slice(&header.kind.to_le_bytes());
    let counts = [scope.as_str().len(), principal.as_str().len(), subjects.len(), touches.len()].map(byte);
    out.push(flags);
    out.extend_from_slice(&counts);
    out.push(0);
    out.extend_from_slice(&run.log.0.to_le_bytes());
    out.extend_from_slice(&header.log.0);
    for number in [header.epoch, header.seq.0, run.seq.0, header.cause.unwrap_or(Seq::ZERO).0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&header.observed.0.to_le_bytes());
    out.extend_from_slice(&header.recorded.0.to_le_bytes());
    out.extend_from_slice(&header.boot.0.to_le_bytes());
    for digest in [header.previous, header.labels, header.payload] {
        out.extend_from_slice(&digest.0);
    }
    out.extend_from_slice(scope.as_str().as_bytes());
    out.extend_from_slice(principal.as_str().as_bytes());
    subjects.iter().for_each(|id| out.extend_from_slice(&id.0));
    touches.iter().for_each(|touch| out.extend_from_slice(&touch.0));
}

/// Reads exactly one header.
///
/// # Errors
/// See `HeaderFault`.
pub fn decode(bytes: &[u8]) -> Result<Header, HeaderFault> {
    let mut rest = bytes;
    let (fixed, len) = fixed(&mut rest).ok_or(HeaderFault::Shape)?;
    if fixed.format != VERSION {
        return Err(HeaderFault::Version(fixed.format));
    }
    let [scope_len, principal_len, subjects, touches] = fixed.counts.map(usize::from);
    if usize::from(len) != bytes.len() || rest.len() != scope_len + principal_len + 16 * (subjects + touches) {
        return Err(HeaderFault::Shape);
    }
    let scope = name(&mut rest, scope_len).ok_or(HeaderFault::Name)?;
    let principal = name(&mut rest, principal_len).ok_or(HeaderFault::Name)?;
    let subjects = many(&mut rest, subjects).into_iter().map(SubjectKeyId).collect();
    let touches = many(&mut rest, touches).into_iter().map(Touch).collect();
    fixed.header(scope, principal, subjects, touches).ok_or(HeaderFault::Shape)
}

/// The part of a header whose places never move.
struct Fixed {
    format: u16,
    kind: u16,
    flags: u8,
    counts: [u8; 4],
    run: RunId,
    log: LogId,
    epoch: u64,
    seq: u64,
    cause: u64,
    times: [u64; 3],
    digests: [Digest; 3],
}

impl Fixed {
    /// Puts the header together; none where a flag contradicts what it is about.
    fn header(
        self,
        scope: Scope,
        principal: PrincipalId,
        subjects: Vec<SubjectKeyId>,
        touches: Vec<Touch>,
    ) -> Option<Header> {
        let [observed, recorded, boot] = self.times;
        let [previous, labels, payload] = self.digests;
        let (has_run, has_cause) = (self.flags & HAS_RUN != 0, self.flags & HAS_CAUSE != 0);
        let no_run = self.run == RunId { log: LogTag(0), seq: Seq::ZERO };
        let sound = self.flags <= HAS_RUN | HAS_CAUSE && (has_run || no_run) && (has_cause || self.cause == 0);
        sound.then_some(Header {
            format: self.format,
            log: self.log,
            epoch: self.epoch,
            seq: Seq(self.seq),
            previous,
            scope,
            kind: self.kind,
            run: has_run.then_some(self.run),
            cause: has_cause.then_some(Seq(self.cause)),
            principal,
            observed: Timestamp(observed.cast_signed()),
            recorded: Timestamp(recorded.cast_signed()),
            boot: BootTime(boot),
            subjects,
            touches,
            labels,
            payload,
        })
    }
}

/// Takes the fixed part and the stated length off the front.
fn fixed(rest: &mut &[u8]) -> Option<(Fixed, u16)> {
    let format = u16::from_le_bytes(take(rest)?);
    let len = u16::from_le_bytes(take(rest)?);
    let kind = u16::from_le_bytes(take(rest)?);
    let [flags] = take(rest)?;
    let counts = take(rest)?;
    let [zero] = take(rest)?;
    let tag = LogTag(u32::from_le_bytes(take(rest)?));
    let log = LogId(take(rest)?);
    let mut number = || take(rest).map(u64::from_le_bytes);
    let [epoch, seq, run, cause] = [number()?, number()?, number()?, number()?];
    let times = [number()?, number()?, number()?];
    let digests = [Digest(take(rest)?), Digest(take(rest)?), Digest(take(rest)?)];
    let run = RunId { log: tag, seq: Seq(run) };
    (zero == 0).then_some((Fixed { format, kind, flags, counts, run, log, epoch, seq, cause, times, digests }, len))
}

/// Takes `N` bytes off the front.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn name<T: std::str::FromStr>(rest: &mut &[u8], len: usize) -> Option<T> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    std::str::from_utf8(head).ok()?.parse().ok()
}

fn many(rest: &mut &[u8], count: usize) -> Vec<[u8; 16]> {
    (0..count).map_while(|_| take(rest)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest() -> impl Strategy<Value = Digest> {
        any::<[u8; 32]>().prop_map(Digest)
    }

    fn run() -> impl Strategy<Value = Option<RunId>> {
        proptest::option::of((any::<u32>(), any::<u64>()))
            .prop_map(|run| run.map(|(log, seq)| RunId { log: LogTag(log), seq: Seq(seq) }))
    }

    prop_compose! {
        fn headers()(
            (log, epoch, seq, kind) in (any::<[u8; 16]>(), any::<u64>(), any::<u64>(), any::<u16>()),
            (previous, labels, payload) in (digest(), digest(), digest()),
            (scope, principal) in ("[a-z0-9-]{1,128}", "[a-zA-Z:@._-]{1,128}"),
            (run, cause) in (run(), proptest::option::of(any::<u64>())),
            (observed, recorded, boot) in any::<(i64, i64, u64)>(),
            subjects in proptest::collection::vec(any::<[u8; 16]>(), 0..4),
            touches in proptest::collection::vec(any::<[u8; 16]>(), 0..4),
        ) -> Header {
            Header {
                format: VERSION, log: LogId(log), epoch, seq: Seq(seq), previous, kind, run, labels, payload,
                scope: scope.parse().expect("a name"), principal: principal.parse().expect("a name"),
                cause: cause.map(Seq), observed: Timestamp(observed), recorded: Timestamp(recorded), boot: BootTime(boot),
                subjects: subjects.into_iter().map(SubjectKeyId).collect(),
                touches: touches.into_iter().map(Touch).collect(),
            }
        }
    }

    fn bytes(header: &Header) -> Vec<u8> {
        let mut out = Vec::new();
        encode(header, &mut out);
        out
    }

    proptest! {
        #[test]
        fn a_header_reads_what_it_wrote(header in headers()) {
            let bytes = bytes(&header);
            prop_assert_eq!(stated_len(&bytes), Some(bytes.len()));
            let len = encoded_len(&header.scope, &header.principal, header.subjects.len(), header.touches.len());
            prop_assert_eq!(len, bytes.len());
            prop_assert_eq!(decode(&bytes), Ok(header));
        }

        #[test]
        fn any_flipped_bit_changes_the_hash_and_what_still_reads_is_another_header(
            header in headers(), at: prop::sample::Index, bit in 0u8..8,
        ) {
            let good = bytes(&header);
            let mut bad = good.clone();
            bad[at.index(good.len())] ^= 1 << bit;
            prop_assert_ne!(hash(&bad), hash(&good));
            if let Ok(other) = decode(&bad) {
                prop_assert_ne!(&other, &header);
                prop_assert_eq!(bytes(&other), bad, "there is one way to write a header");
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
