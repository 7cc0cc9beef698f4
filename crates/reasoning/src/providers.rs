//! The wires that we speak: one file and one line each. A wire is pure: it makes a body from a prompt and reads a reply
//! from a body; `transport` alone sends anything.
//!
//! Does not know keys, addresses, deadlines or retries.

mod anthropic;
mod gemini;
mod openai;

use serde_json::Value;

use crate::call_error::CallError;
use crate::prompt::{Prompt, Reply};

/// How one kind of provider is spoken to.
pub trait Wire: Send + Sync {
    /// Its name in a deployment, as in `openai`.
    fn name(&self) -> &'static str;

    /// The path after the base address.
    fn path(&self, model: &str, stream: bool) -> String;

    /// The header that carries the key, and its text.
    fn key_header(&self, key: &str) -> (&'static str, String);

    /// Headers that every call carries.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The body of a call.
    fn body(&self, prompt: &Prompt) -> Value;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// `Invalid` where it is not of this wire's form; `Refused`.
    fn reply(&self, body: &Value) -> Result<Reply, CallError>;

    /// Begins to read an answer that comes piece by piece.
    fn assemble(&self) -> Box<dyn Assemble>;
}

/// Puts the pieces of one answer together. Nothing of it counts before it is whole.
pub trait Assemble: Send {
    /// Takes the data of one event, and returns the text that it adds.
    ///
    /// # Errors
    /// What the provider says inside the stream: a limit is an event here, not a status.
    fn event(&mut self, data: &Value) -> Result<String, CallError>;

    /// The whole answer.
    ///
    /// # Errors
    /// `Cut` where the end was not announced; `Invalid` for arguments of tools that cannot be read.
    fn finish(self: Box<Self>) -> Result<Reply, CallError>;
}

/// All wires. One line each.
pub const PROVIDERS: &[&dyn Wire] = &[&openai::OpenAi, &anthropic::Anthropic, &gemini::Gemini];

/// The wire of this name.
pub fn wire(name: &str) -> Option<&'static dyn Wire> {
    PROVIDERS.iter().copied().find(|wire| wire.name() == name)
}

/// A text at a place of a body; empty where there is none.
fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A count at a place of a body; zero where there is none.
fn count_at(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// The members of a list at a place of a body.
fn list_at<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Reads arguments that a wire carries as text. None at all are an empty object.
fn read_args(text: &str) -> Result<Value, CallError> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    sinew_expr::json::parse_strict(text).map_err(|e| CallError::invalid(format!("the arguments of a tool: {e}")))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |n: u32| char::from(LETTERS.get((n & 63) as usize).copied().unwrap_or(b'='));
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let n = at(0) << 16 | at(1) << 8 | at(2);
        out.push(letter(n >> 18));
        out.push(letter(n >> 12));
        out.push(if chunk.len() > 1 { letter(n >> 6) } else { '=' });
        out.push(if chunk.len() > 2 { letter(n) } else { '=' });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn every_wire_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = PROVIDERS.iter().map(|wire| wire.name()).collect();
        assert_eq!(names.len(), PROVIDERS.len());
        assert!(wire("openai").is_some() && wire("telepathy").is_none());
    }
}
