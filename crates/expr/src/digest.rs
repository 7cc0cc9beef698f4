//! SHA-256 (FIPS 180-4) of bytes and of values in their canonical form.
//!
//! Does not know keyed digests: those belong to the journal, which holds the keys.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sinew_contract::Digest;

use crate::canonical;

/// SHA-256 of some bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// SHA-256 of the canonical form of a value: the same for equal values, whatever the order of their keys.
pub fn digest_value(value: &Value) -> Digest {
    digest(canonical(value).as_bytes())
}

/// SHA-256 of the canonical form of one of our own types.
///
/// # Panics
/// Where the type cannot be JSON at all (a map with keys that are not texts): a mistake in the type, not in a value.
pub fn digest_of<T: Serialize>(value: &T) -> Digest {
    digest_value(&serde_json::to_value(value).expect("invariant: our own types have text keys only"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_is_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc").to_string(), abc);
    }

    #[test]
    fn equal_values_share_a_digest_and_others_do_not() {
        assert_eq!(digest_value(&json!({"a": 1, "b": 2.0})), digest_value(&json!({"b": 2, "a": 1})));
        assert_ne!(digest_value(&json!({"a": 1})), digest_value(&json!({"a": "1"})));
        assert_eq!(digest_of(&vec![1, 2]), digest_value(&json!([1, 2])));
    }
}
