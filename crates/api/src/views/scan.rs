//! A scan: the picture that came in, and what was read in it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sinew_contract::{BlobRef, ReadVerdict, RunId, Seq};
use utoipa::ToSchema;

use super::When;

/// A picture on its way in.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanUpload {
    /// The bytes as they came; not yet known to be a picture.
    pub picture: Bytes,
    /// The media type that the sender claims.
    pub media_type: String,
    /// The sender's name for it, as in a file name; untrusted text.
    pub name: Option<String>,
    /// The sender's `Idempotency-Key`.
    pub key: Option<String>,
}

/// Where the bytes of a picture lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PictureRef {
    /// SHA-256 of the bytes, 64 hex digits; get them at `/v1/blobs/{digest}`.
    #[schema(value_type = String)]
    pub digest: sinew_contract::Digest,
    /// How many bytes.
    pub len: u64,
    /// IANA media type.
    pub media_type: String,
}

impl From<BlobRef> for PictureRef {
    fn from(blob: BlobRef) -> Self {
        Self { digest: blob.digest, len: blob.len, media_type: blob.media_type }
    }
}

/// Bytes from the blob store.
#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    /// The bytes.
    pub bytes: Bytes,
    /// IANA media type; `application/octet-stream` where it is not known.
    pub media_type: String,
}

/// One value that one engine says it saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClaimView {
    /// The text of the code.
    pub value: String,
    /// `ean-13`, `code-128`, `qr`, …
    pub format: String,
    /// Agreement of checks, 0 to 1000.
    pub confidence_permille: u16,
    /// Engine, version and pass.
    pub engine: String,
    /// Corners in the picture: `[[x, y]; 4]`, pixels; empty when unknown.
    pub quad: Vec<[f32; 2]>,
}

impl From<sinew_contract::Claim> for ClaimView {
    fn from(claim: sinew_contract::Claim) -> Self {
        let sinew_contract::Claim { value, format, confidence_permille, engine, quad } = claim;
        Self { value, format, confidence_permille, engine, quad }
    }
}

/// The words for `ReadVerdict` in the OpenAPI document.
#[derive(ToSchema)]
#[schema(as = ReadVerdict, rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum ReadVerdictWord {
    /// One value, and the passes agree on it.
    Read,
    /// No value that passes its checks.
    Unread,
    /// More than one value, or the passes disagree.
    Conflict,
}

/// A scan: durable when it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScanView {
    /// Seq of its event: its id.
    #[schema(value_type = u64)]
    pub seq: Seq,
    /// Its name; untrusted text.
    pub scan: String,
    /// When it came in.
    pub at: When,
    /// The picture.
    pub image: PictureRef,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// What the readers made of it.
    #[schema(value_type = ReadVerdictWord)]
    pub verdict: ReadVerdict,
    /// The code that was read; none unless the verdict is `read`.
    pub code: Option<String>,
    /// Its symbology.
    pub format: Option<String>,
    /// Agreement of checks, 0 to 1000.
    pub confidence_permille: u16,
    /// All that the engines saw.
    pub claims: Vec<ClaimView>,
    /// The run that it started; none when none has started yet.
    #[schema(value_type = Option<String>, example = "r42-9f3a1c2d")]
    pub run: Option<RunId>,
    /// It had been taken in before, under the same key or name.
    #[serde(default)]
    pub repeated: bool,
}
