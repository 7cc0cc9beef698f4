//! From the outside in: reading -> observation (a claim) -> event.
//!
//! Does not know how anything is read or decoded; that is `drivers` and `perception`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DeviceId, Digest, Timestamp};

/// What a device said, as it said it, at its own time.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which device.
    pub device: DeviceId,
    /// When it was read, by the device's clock where it has one, else ours.
    pub at: Timestamp,
    /// IANA media type of `body`.
    pub media_type: String,
    /// The raw bytes.
    pub body: Bytes,
    /// The device's own name for this reading (a file name, a message id); with `device` it tells a repeat from a new one.
    pub name: Option<String>,
}

/// Where the bytes of something large lie: flows through playbooks in the place of the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// How many bytes.
    pub len: u64,
    /// IANA media type.
    pub media_type: String,
}

/// What a reader made of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadVerdict {
    /// One value, and the passes agree on it.
    Read,
    /// No value that passes its checks.
    Unread,
    /// More than one value, or the passes disagree.
    Conflict,
}

/// One value that one engine says it saw, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The text of the code.
    pub value: String,
    /// Symbology: `ean-13`, `code-128`, `qr`, …
    pub format: String,
    /// Agreement of checks, never an engine's own word; 0 to 1000.
    pub confidence_permille: u16,
    /// Engine, version and pass, as in `rxing 0.9.3 binarised`.
    pub engine: String,
    /// Corners of the code in the image: `[[x, y]; 4]`, pixels, clockwise from top left; empty when unknown.
    pub quad: Vec<[f32; 2]>,
}

/// Something that happened and is worth waking for: a CloudEvents 1.0 event with JSON data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique within `source` (CloudEvents 1.0, section 3.1); the pair is deduplicated for ever.
    pub id: String,
    /// Who says so, as a URI reference: `/devices/dock-1`.
    pub source: String,
    /// What kind of thing happened, as in `sinew.scan.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened.
    pub time: Timestamp,
    /// What it is about, where one thing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The data.
    pub data: Value,
}
