//! Random secrets, how they are kept, and how they are compared.
//!
//! Does not know persons. A secret of ours has 256 random bits, so one round of SHA-256 is enough to keep it: there is
//! nothing to guess from. Everything is compared in constant time.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use sinew_contract::Digest;
use subtle::ConstantTimeEq;

/// The key of one deployment, from which form tokens and local tokens are made. Never shown.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA256 (RFC 2104) over the parts, each preceded by its length so that no two lists look alike.
    pub(crate) fn mac(&self, parts: &[&str]) -> Digest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("invariant: HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Digest(mac.finalize().into_bytes().into())
    }
}

/// 256 random bits as hex; none where the system gives no randomness.
pub(crate) fn random_hex() -> Option<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// What is kept in the place of a secret.
pub(crate) fn hash(text: &str) -> Digest {
    Digest(Sha256::digest(text.as_bytes()).into())
}

/// Compares in constant time.
pub(crate) fn same(a: Digest, b: Digest) -> bool {
    a.0.ct_eq(&b.0).into()
}

/// The bearer token with which the local command line calls for `person`: `local:<person>:<64 hex digits>`.
///
/// Made from a secret that only those can read who may read the data directory; valid as long as the secret is.
pub fn local_token(secret: [u8; 32], person: &str) -> String {
    format!("local:{person}:{}", local_mac(&Secret::new(secret), person))
}

/// The last part of a local token.
pub(crate) fn local_mac(secret: &Secret, person: &str) -> Digest {
    secret.mac(&["local", person])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_tells_every_split_of_the_same_letters_apart() {
        let secret = Secret::new([1; 32]);
        assert_ne!(secret.mac(&["ab", "c"]), secret.mac(&["a", "bc"]));
        assert_ne!(secret.mac(&["ab"]), Secret::new([2; 32]).mac(&["ab"]));
    }

    #[test]
    fn no_two_secrets_are_the_same() {
        assert_ne!(random_hex().expect("randomness"), random_hex().expect("randomness"));
    }
}
