//! The checkpoint: a signed note that the log had come so far. What ends before it has been cut.
//!
//! Does not know segments. The form is that of a signed note with a tlog-checkpoint (C2SP signed-note, tlog-checkpoint),
//! where the root hash is the hash of the head entry and one extension line tells the epoch:
//!
//! ```text
//! sinew/9f3a…
//! 1024
//! base64 of the head's hash
//! epoch 1
//!
//! — sinew/9f3a… base64 of key id and Ed25519 signature
//! ```

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use sinew_contract::{Digest, Seq};

use crate::base64;
use crate::segment::Chain;

/// The algorithm byte of Ed25519 in a signed note's key id.
const ED25519: u8 = 1;

fn origin(chain: &Chain) -> String {
    format!("sinew/{}", chain.log)
}

fn body(chain: &Chain) -> String {
    format!("{}\n{}\n{}\nepoch {}\n", origin(chain), chain.head, base64::encode(&chain.hash.0), chain.epoch)
}

/// The first four bytes of SHA-256 over name, line feed, algorithm and public key.
pub(crate) fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let digest = Sha256::digest([name.as_bytes(), b"\n", &[ED25519], key.as_bytes()].concat());
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Signs how far the log has come.
pub(crate) fn render(chain: &Chain, key: &SigningKey) -> String {
    let (body, name) = (body(chain), origin(chain));
    let signature = key.sign(body.as_bytes()).to_bytes();
    let blob = [&key_id(&name, &key.verifying_key())[..], &signature].concat();
    format!("{body}\n\u{2014} {name} {}\n", base64::encode(&blob))
}

/// Reads a checkpoint of this log; none where any byte of it is not as it was signed.
///
/// `expected` tells the log; its head and hash are not looked at.
pub(crate) fn read(text: &[u8], expected: &Chain, key: &VerifyingKey) -> Option<Chain> {
    let text = std::str::from_utf8(text).ok()?;
    let (signed, note) = text.split_once("\n\n")?;
    let mut lines = signed.split('\n').skip(1);
    let head = Seq(lines.next()?.parse().ok()?);
    let hash = Digest(base64::decode(lines.next()?)?.try_into().ok()?);
    let epoch = lines.next()?.strip_prefix("epoch ")?.parse().ok()?;
    let chain = Chain { head, hash, epoch, ..*expected };
    let name = origin(&chain);
    let blob = base64::decode(note.strip_prefix(&format!("\u{2014} {name} "))?.strip_suffix('\n')?)?;
    let (id, signature) = blob.split_first_chunk::<4>()?;
    let signature = Signature::from_slice(signature).ok()?;
    // The body is rendered anew, so that what was signed is what was read, to the byte.
    let body = body(&chain);
    let sound = format!("{signed}\n") == body && *id == key_id(&name, key);
    (sound && key.verify_strict(body.as_bytes(), &signature).is_ok()).then_some(chain)
}

#[cfg(test)]
mod tests {
    use sinew_contract::LogId;

    use super::*;

    #[test]
    fn it_reads_what_it_signed_and_finds_every_changed_byte() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let chain = Chain { log: LogId([1; 16]), epoch: 2, head: Seq(1_024), hash: Digest([9; 32]) };
        let text = render(&chain, &key).into_bytes();
        let read = |text: &[u8]| read(text, &chain, &key.verifying_key());
        assert_eq!(read(&text), Some(chain));
        for at in 0..text.len() {
            for mask in [1, 0x20, 0x80] {
                let mut bad = text.clone();
                bad[at] ^= mask;
                assert_eq!(read(&bad), None, "byte {at} changed by {mask}");
            }
            assert_eq!(read(&text[..at]), None, "cut at {at}");
        }
    }
}
