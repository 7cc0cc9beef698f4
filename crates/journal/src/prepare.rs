//! From a draft to all that can be known of its entry before its number is: done by the caller, so that the one writer
//! need not.
//!
//! Does not know seq, hash or disk.

use sha2::{Digest as _, Sha256};
use sinew_contract::{Cause, Digest, Draft, Expect, Failure, LabelMap, Seq, SubjectKeyId, Touch};

use sinew_contract::{ErrorKind, Record};

use crate::keyring::{Keyring, ScopeKeys};
use crate::{frame, header, seal};

/// A draft with its payload in bytes and its keyed digests.
pub(crate) struct Ready {
    pub draft: Draft,
    /// In the clear; the writer seals it where there are subjects.
    pub payload: Vec<u8>,
    /// Of the payload in the clear; unused where it is going to be sealed.
    pub digest: Digest,
    pub labels: Digest,
    pub subjects: Vec<SubjectKeyId>,
    pub touches: Vec<Touch>,
    /// Bytes that its frame will take.
    pub size: usize,
}

/// A batch ready for the writer.
pub(crate) struct Batch {
    pub drafts: Vec<Ready>,
    /// The condition, where there is one.
    pub since: Option<Seq>,
    /// Bytes that its frames will take.
    pub size: usize,
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}

/// Prepares a batch.
///
/// # Errors
/// `Invalid` for a batch that is empty, too large or whose drafts contradict themselves.
pub(crate) fn prepare(keyring: &Keyring, batch: Vec<Draft>, expect: Expect, max: usize) -> Result<Batch, Failure> {
    if batch.is_empty() {
        return Err(invalid("cannot append an empty batch; append at least one draft"));
    }
    let drafts = batch.into_iter().enumerate().map(|(index, draft)| ready(keyring, index, draft));
    let drafts: Vec<_> = drafts.collect::<Result<_, _>>()?;
    let size = drafts.iter().map(|ready| ready.size).sum();
    if size > max {
        return Err(invalid(format!("cannot append a batch of `{size}` bytes; the log takes at most {max} at once")));
    }
    let since = match expect {
        Expect::Anything => None,
        Expect::Untouched { since } => Some(since),
    };
    Ok(Batch { drafts, since, size })
}

fn ready(keyring: &Keyring, index: usize, draft: Draft) -> Result<Ready, Failure> {
    check(index, &draft)?;
    let keys = keyring.scope(&draft.scope);
    let payload = seal::encode(&draft.record, &draft.labels);
    let payload = payload.map_err(|e| invalid(format!("cannot append a `{}`", draft.record.kind())).caused_by(e))?;
    let subjects: Vec<_> = draft.subjects.iter().map(|name| keyring.subject(&draft.scope, name)).collect();
    let touches: Vec<_> = draft.touches.iter().map(|text| keys.touch(text)).collect();
    let header = header::encoded_len(&draft.scope, &draft.principal, subjects.len(), touches.len());
    let sealed = if subjects.is_empty() { 0 } else { seal::TAG };
    let digest = if subjects.is_empty() { seal::digest(&payload) } else { Digest::ZERO };
    Ok(Ready {
        digest,
        labels: labels(&keys, &draft.labels, !subjects.is_empty()),
        size: frame::size(header, payload.len() + sealed),
        draft,
        payload,
        subjects,
        touches,
    })
}

fn check(index: usize, draft: &Draft) -> Result<(), Failure> {
    let many = header::MANY_MAX;
    if draft.subjects.len() > many || draft.touches.len() > many {
        return Err(invalid(format!("cannot append draft `{index}`: it has more than {many} subjects or touches")));
    }
    match (&draft.record, draft.cause) {
        (Record::Erased, _) => Err(invalid(format!("cannot append draft `{index}`: `erased` is never written"))),
        (_, Cause::InBatch(cause)) if cause >= index => {
            Err(invalid(format!("cannot append draft `{index}`: its cause `{cause}` does not stand before it")))
        }
        (_, Cause::Entry(Seq::ZERO)) => {
            Err(invalid(format!("cannot append draft `{index}`: its cause is entry 0, which there never is")))
        }
        _ => Ok(()),
    }
}

/// Digest of a label map: zero for none, keyed where the payload can be erased.
fn labels(keys: &ScopeKeys, labels: &LabelMap, keyed: bool) -> Digest {
    if labels.is_empty() {
        return Digest::ZERO;
    }
    let bytes = serde_json::to_vec(labels).expect("invariant: text keys and plain labels serialize");
    Digest(if keyed { keys.labels(&bytes) } else { Sha256::digest(&bytes).into() })
}
