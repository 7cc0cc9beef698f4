//! A reflex: when a device says this, tell it that, at once. What of it stands in the log, and the port between who hears
//! and who judges.
//!
//! Does not know any wire or rule. The path waits for neither disk nor model: it rests on a grant that was journaled
//! before, and is journaled afterwards, in aggregate.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Deadline, Decision, DeviceId, Digest, EntryRef, Failure, Request, Timestamp};

/// Policy's standing answer to a rule. Only `Run` is a permit, and only until it expires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// Whose readings, and who acts.
    pub device: DeviceId,
    /// The rule's name.
    pub rule: String,
    /// Digest of the rule and of the manifest it fires.
    pub digest: Digest,
    /// What policy was asked.
    pub request: Request,
    /// What it said.
    pub decision: Decision,
    /// Past this the rule is silent.
    pub expires: Deadline,
}

/// What one rule did in a slice of time (100 ms, longer where the log was slow).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reflexed {
    /// Whose rule.
    pub device: DeviceId,
    /// The rule's name.
    pub rule: String,
    /// The grant it rested on; none where it had none.
    pub grant: Option<EntryRef>,
    /// How often it fired.
    pub count: u64,
    /// When it first had something to say in this slice.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
    /// Not fired: the reading was too old.
    #[serde(default)]
    pub late: u64,
    /// Not fired: stop, no live grant, outside of the envelope or above the rate.
    #[serde(default)]
    pub refused: u64,
    /// Not fired: within the minimum interval, or not armed again.
    #[serde(default)]
    pub held: u64,
    /// Not fired: the connection could not take it.
    #[serde(default)]
    pub unsent: u64,
    /// Could not be understood.
    #[serde(default)]
    pub malformed: u64,
    /// Running SHA-256 over all firings of this slice: topic, reading and command, each with its length before it.
    pub digest: Digest,
}

/// Something was lost on purpose, because a bounded queue was full or a door was flooded. Never a control event that was
/// acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// The queue's name, as in `line/sensor/+/temp`.
    pub queue: String,
    /// How many.
    pub count: u64,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// A device is not listened to, or is again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// Which.
    pub device: DeviceId,
    /// Muted, or heard again.
    pub muted: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A message that still lies in the receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// Where it was said.
    pub topic: &'a str,
    /// What was said.
    pub body: &'a [u8],
    /// The connection can take a command now.
    pub open: bool,
}

/// A command that leaves at once: an operation that was compiled before, and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// As `Reflexive::compile` numbered it.
    pub operation: usize,
    /// Fill its places.
    pub args: Value,
}

/// Judges messages on the thread of the connection.
pub trait Reflex: Send + Sync {
    /// Adds what is to be sent at once to `shots`. Waits for nothing; never panics, whatever was said.
    fn answer(&self, heard: Heard<'_>, shots: &mut Vec<Shot>);
}

/// A device that can answer its own messages at once.
pub trait Reflexive: Send + Sync {
    /// Checks an operation of a manifest and keeps it ready under a number.
    ///
    /// # Errors
    /// `Invalid`, with what is wrong and how to mend it.
    fn compile(&self, operation: &Value) -> Result<usize, Failure>;

    /// Hears these filters from the next connection on, and asks `reflex` about each message. Call it once, before the start.
    fn attach(&self, filters: Vec<String>, reflex: std::sync::Arc<dyn Reflex>);
}
