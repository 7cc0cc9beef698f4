//! The payload: a record and its labels in bytes, sealed where they are about somebody.
//!
//! Does not know files or frames. What is stored is `{"record":…,"labels":…}` as JSON; with subjects, that JSON under
//! ChaCha20-Poly1305 (RFC 8439). The key is HKDF over all the subjects' keys with the entry's place and times as `info`,
//! so that no key ever seals two payloads: not even where a crash gives the same seq out twice.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sinew_contract::{Digest, Header, LabelMap, Record};

use crate::keyring::{Found, Key, Keyring, payload_key};

/// Bytes that sealing adds.
pub(crate) const TAG: usize = 16;
/// JSON that is nested deeper could be written but never read again: the reader's own limit is 128.
const DEPTH_MAX: usize = 120;

/// A payload that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealFault {
    #[error("the record is nested deeper than {DEPTH_MAX} levels")]
    Deep,
    #[error("the record does not serialize")]
    Write(#[source] serde_json::Error),
    #[error("the stored record is not of a kind that this binary reads")]
    Read(#[source] serde_json::Error),
    #[error("a subject's key is not in the key file")]
    NoKey,
    #[error("the payload does not open with its subjects' keys")]
    NotOpened,
}

#[derive(Serialize)]
struct Given<'a> {
    record: &'a Record,
    #[serde(skip_serializing_if = "LabelMap::is_empty")]
    labels: &'a LabelMap,
}

#[derive(Deserialize)]
struct Stored {
    record: Record,
    #[serde(default)]
    labels: LabelMap,
}

/// SHA-256 of some bytes.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The payload in the clear.
pub(crate) fn encode(record: &Record, labels: &LabelMap) -> Result<Vec<u8>, SealFault> {
    // 512: most records are below, and one allocation is cheaper than five.
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, &Given { record, labels }).map_err(SealFault::Write)?;
    if may_be_deep(&bytes) && depth(&bytes) > DEPTH_MAX { Err(SealFault::Deep) } else { Ok(bytes) }
}

/// Says whether there are enough opening brackets at all, inside of text or not: most records need no second look.
fn may_be_deep(json: &[u8]) -> bool {
    json.iter().map(|byte| usize::from(matches!(byte, b'{' | b'['))).sum::<usize>() > DEPTH_MAX
}

/// How deep well-formed JSON is nested.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn cipher(keys: &[Key], header: &Header) -> (ChaCha20Poly1305, Nonce) {
    let info = [header.epoch, header.seq.0, header.recorded.0.cast_unsigned(), header.boot.0].map(u64::to_le_bytes);
    let key = payload_key(keys, header.log, &[b"sinew payload v1 ", &info.concat(), &header.previous.0]);
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&header.epoch.to_le_bytes()[..4]);
    nonce[4..].copy_from_slice(&header.seq.0.to_le_bytes());
    (ChaCha20Poly1305::new(&key.into()), nonce.into())
}

/// The live keys of a header's subjects; none where one has been erased.
fn keys_of(header: &Header, keyring: &Keyring) -> Result<Option<Vec<Key>>, SealFault> {
    let mut keys = Vec::with_capacity(header.subjects.len());
    for id in &header.subjects {
        match keyring.find(&header.scope, *id) {
            Found::Key(key) => keys.push(key),
            Found::Erased => return Ok(None),
            Found::Missing => return Err(SealFault::NoKey),
        }
    }
    Ok(Some(keys))
}

/// Seals a payload in place under its subjects' keys; says whether all of them are live.
pub(crate) fn seal(header: &Header, keyring: &Keyring, payload: &mut Vec<u8>) -> Result<bool, SealFault> {
    let Some(keys) = keys_of(header, keyring)? else { return Ok(false) };
    let (cipher, nonce) = cipher(&keys, header);
    cipher.encrypt_in_place(&nonce, b"", payload).map_err(|_| SealFault::NotOpened)?;
    Ok(true)
}

/// Opens a stored payload; `Record::Erased` where a subject's key is gone.
pub(crate) fn open(header: &Header, keyring: &Keyring, payload: &[u8]) -> Result<(Record, LabelMap), SealFault> {
    if header.subjects.is_empty() {
        return decode(payload);
    }
    let Some(keys) = keys_of(header, keyring)? else { return Ok((Record::Erased, LabelMap::new())) };
    let (cipher, nonce) = cipher(&keys, header);
    let mut clear = payload.to_vec();
    cipher.decrypt_in_place(&nonce, b"", &mut clear).map_err(|_| SealFault::NotOpened)?;
    decode(&clear)
}

fn decode(json: &[u8]) -> Result<(Record, LabelMap), SealFault> {
    let stored: Stored = serde_json::from_slice(json).map_err(SealFault::Read)?;
    Ok((stored.record, stored.labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_text() {
        for (json, expected) in [("1", 0), ("[]", 1), (r#"{"a":[{"b":"[[[\"{"}]}"#, 3), (r#"["\\",[[]]]"#, 3)] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }
}
