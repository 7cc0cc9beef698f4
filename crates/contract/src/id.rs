//! One newtype per kind of id, so that no function takes two bare numbers or two bare strings.
//!
//! Does not know how ids are made: the journal gives out `Seq`, the rooms that own a noun give out the rest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An id that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}; expected {expected}")]
pub struct IdError {
    what: &'static str,
    expected: &'static str,
    text: String,
}

impl IdError {
    fn new(what: &'static str, expected: &'static str, text: &str) -> Self {
        Self { what, expected, text: text.chars().take(80).collect() }
    }
}

/// Reads lower-case or upper-case hex into exactly `N` bytes.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.len() != N * 2 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = [0u8; N];
    for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *slot = digit(high)? << 4 | digit(low)?;
    }
    Some(out)
}

/// Writes lower-case hex, 32 bytes at a time: digests stand in every entry, and formatting byte by byte was a tenth of
/// what an entry cost.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
    bytes.chunks(32).try_for_each(|chunk| {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(*byte)]);
        }
        let written = text.get(..chunk.len() * 2).and_then(|text| std::str::from_utf8(text).ok());
        f.write_str(written.unwrap_or_default())
    })
}

/// Serializes as its text form, so that JSON never carries a number that a reader would round.
macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The all-zero value: none.
            pub const ZERO: Self = Self([0; $len]);
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                unhex(text).map(Self).ok_or_else(|| IdError::new($what, $expected, text))
            }
        }
        as_text!($name);
    };
}

hex_id!(
    /// SHA-256 of some bytes (FIPS 180-4).
    Digest, 32, "digest", "64 hex digits"
);
hex_id!(
    /// Names one log for ever: random, drawn when its data directory is made.
    LogId, 16, "log id", "32 hex digits"
);
hex_id!(
    /// Names the key that seals what belongs to one subject (a customer, a device). Erasing that key erases the payloads.
    SubjectKeyId, 16, "subject key id", "32 hex digits"
);
hex_id!(
    /// A keyed digest of an idempotency or natural key, under which appends are guarded. Says nothing of the key's text.
    Touch, 16, "touch", "32 hex digits"
);

impl LogId {
    /// The first four bytes: enough to tell two logs apart in an id that people read.
    pub const fn tag(self) -> LogTag {
        LogTag(u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]]))
    }
}

/// The short form of a `LogId` inside ids that people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct LogTag(pub u32);

/// The place of an entry in its log: 1, 2, 3, … without a gap; 0 is "before the first".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A run: the log it lives in and the seq of the entry that started it. Text: `r42-9f3a1c2d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId {
    /// Which log.
    pub log: LogTag,
    /// The seq of its `run-started` entry.
    pub seq: Seq,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}-{:08x}", self.seq.0, self.log.0)
    }
}

impl FromStr for RunId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let (seq, log) = text.strip_prefix('r')?.split_once('-')?;
            let log = (log.len() == 8).then(|| u32::from_str_radix(log, 16).ok())??;
            Some(Self { log: LogTag(log), seq: Seq(seq.parse().ok().filter(|s| *s > 0)?) })
        };
        parse().ok_or_else(|| IdError::new("run id", "r<seq>-<8 hex digits>, as in `r42-9f3a1c2d`", text))
    }
}
as_text!(RunId);

/// One question of one run to the world: the run and the number of the question in it. Text: `r42-9f3a1c2d/7`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EffectId {
    /// The run that asks.
    pub run: RunId,
    /// 1, 2, 3, … in the order in which the fold asked.
    pub step: u32,
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.step)
    }
}

impl FromStr for EffectId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let (run, step) = text.split_once('/')?;
            Some(Self { run: run.parse().ok()?, step: step.parse().ok()? })
        };
        parse().ok_or_else(|| IdError::new("effect id", "<run>/<step>, as in `r42-9f3a1c2d/7`", text))
    }
}
as_text!(EffectId);

/// A gate: the seq of the entry that opened it. Text: `g57`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GateId(pub Seq);

impl fmt::Display for GateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}
impl FromStr for GateId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let seq = text.strip_prefix('g').and_then(|s| s.parse().ok());
        seq.map(|s| Self(Seq(s))).ok_or_else(|| IdError::new("gate id", "g<seq>, as in `g57`", text))
    }
}
as_text!(GateId);

/// Names are short and plain: they stand in paths, logs and policies.
fn check_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
    !text.is_empty() && text.len() <= 128 && text.chars().all(plain)
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid = check_name(text).then(|| Self(text.into()));
                valid.ok_or_else(|| IdError::new($what, "1 to 128 of a-z, A-Z, 0-9 and - _ . : @", text))
            }
        }
        as_text!($name);
    };
}

name_id!(
    /// Who acts: `person:ana`, `agent:return-clerk`, `device:dock-1`, `sinew` itself.
    PrincipalId, "principal"
);
name_id!(
    /// The wall between tenants; `main` by default. In every table and key.
    Scope, "scope"
);
name_id!(
    /// A capability's name, as in `shop.refund`.
    CapabilityName, "capability name"
);
name_id!(
    /// A playbook's name, as in `return-intake`.
    PlaybookName, "playbook name"
);
name_id!(
    /// A device or connector by its configured name, as in `shop` or `dock-1`.
    DeviceId, "device id"
);

impl Scope {
    /// The scope of everything that names none.
    pub fn main() -> Self {
        Self("main".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_what_they_write() {
        let run = RunId { log: LogTag(0x9f3a_1c2d), seq: Seq(42) };
        assert_eq!(run.to_string().parse(), Ok(run));
        let effect = EffectId { run, step: 7 };
        assert_eq!(effect.to_string().parse(), Ok(effect));
        assert_eq!(GateId(Seq(57)).to_string().parse(), Ok(GateId(Seq(57))));
        assert_eq!(Digest([7; 32]).to_string().parse(), Ok(Digest([7; 32])));
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        for text in ["", "r", "r0-9f3a1c2d", "r1-9f3a", "42", "r-1-9f3a1c2d", "é"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        let error = "a b".parse::<CapabilityName>().expect_err("a space is not plain");
        assert_eq!(
            error.to_string(),
            "`a b` is not a capability name; expected 1 to 128 of a-z, A-Z, 0-9 and - _ . : @"
        );
        assert!(format!("{}é", "0".repeat(62)).parse::<Digest>().is_err());
    }
}
