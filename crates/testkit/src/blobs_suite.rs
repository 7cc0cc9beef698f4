//! What every `Blobs` must answer.
//!
//! Does not know where the bytes lie; how they can be altered there is each implementation's own test.

use bytes::Bytes;
use sinew_contract::{Blobs, Digest, ErrorKind};

/// SHA-256 of `abc` (FIPS 180-4, appendix example), so that the suite needs no hash of its own.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Runs the whole suite on an empty store.
///
/// # Panics
/// Where an answer is wrong: it is a test.
pub async fn run(blobs: &dyn Blobs) {
    gives_back_what_it_was_given(blobs).await;
    keeps_the_same_bytes_once(blobs).await;
    misses_what_it_never_had(blobs).await;
    takes_the_empty_and_the_large(blobs).await;
}

async fn gives_back_what_it_was_given(blobs: &dyn Blobs) {
    let abc = Bytes::from_static(b"abc");
    let kept = blobs.put(abc.clone(), "text/plain").await.expect("the disk has room");
    assert_eq!((kept.digest.to_string().as_str(), kept.len, kept.media_type.as_str()), (ABC, 3, "text/plain"));
    assert_eq!(blobs.get(kept.digest).await.expect("it was put"), abc);
}

async fn keeps_the_same_bytes_once(blobs: &dyn Blobs) {
    let first = blobs.put(Bytes::from_static(b"twice"), "image/png").await.expect("the disk has room");
    let again = blobs.put(Bytes::from_static(b"twice"), "image/png").await.expect("twice is harmless");
    assert_eq!(first, again);
}

async fn misses_what_it_never_had(blobs: &dyn Blobs) {
    let failure = blobs.get(Digest([9; 32])).await.expect_err("nothing has this digest");
    assert_eq!(failure.kind(), ErrorKind::Missing);
}

async fn takes_the_empty_and_the_large(blobs: &dyn Blobs) {
    for bytes in [Bytes::new(), Bytes::from(vec![0xa5; 3 << 20])] {
        let kept = blobs.put(bytes.clone(), "application/octet-stream").await.expect("the disk has room");
        assert_eq!(blobs.get(kept.digest).await.expect("it was put"), bytes);
    }
}
