//! What is said to a model and what it says back, in words that no wire has: turns, parts, tools, usage.
//!
//! Does not know HTTP, providers, ladders or checks.

use bytes::Bytes;
use serde_json::Value;

/// Everything that one call says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// The provider's own name of the model.
    pub model: String,
    /// What holds for all turns.
    pub system: String,
    /// The conversation so far, the oldest first. Ends with the user or with results of tools.
    pub turns: Vec<Turn>,
    /// What the model may ask for.
    pub tools: Vec<Tool>,
    /// JSON Schema that the answer must match, told to the provider. Checked again by us.
    pub schema: Option<Value>,
    /// At most so many tokens come out.
    pub output_max: u32,
    /// 0 for the likeliest answer; none leaves it to the provider.
    pub temperature: Option<f64>,
    /// Asks for the answer piece by piece.
    pub stream: bool,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// We, for whoever asks.
    User,
    /// The model.
    Model,
    /// What tools answered.
    Tools,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who.
    pub speaker: Speaker,
    /// What.
    pub parts: Vec<Part>,
}

impl Turn {
    /// A turn of text alone.
    pub fn text(speaker: Speaker, text: impl Into<String>) -> Self {
        Self { speaker, parts: vec![Part::Text(text.into())] }
    }
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A picture.
    Image {
        /// As in `image/png`.
        media_type: String,
        /// The file.
        bytes: Bytes,
    },
    /// The model asked for a tool.
    Call(ToolCall),
    /// What a tool answered.
    Result {
        /// The id of the call.
        id: String,
        /// The tool.
        name: String,
        /// What it said.
        text: String,
    },
}

/// Something that a model may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Letters, digits, `_` and `-`.
    pub name: String,
    /// What it is good for.
    pub about: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
}

/// A complete wish for a tool: never a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The provider's id, or one that we made.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// Its arguments, read strictly.
    pub args: Value,
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It had said all.
    Stop,
    /// It waits for tools.
    Tools,
    /// It ran into the limit: what it said is cut.
    Length,
    /// It, or its provider, will not answer.
    Refused,
    /// Something else, in the provider's word.
    Other(String),
}

/// Tokens, as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In, those from the provider's cache included.
    pub input: u64,
    /// Of these, from the provider's cache.
    pub cached: u64,
    /// Out, thoughts included.
    pub output: u64,
}

/// What a model said, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// All text, joined.
    pub text: String,
    /// What it asks for.
    pub calls: Vec<ToolCall>,
    /// Why it stopped.
    pub finish: Finish,
    /// None where the provider did not say, or said only zeros.
    pub usage: Option<Usage>,
}

impl Usage {
    /// The same, unless it is all zeros: a provider that says that anything costs nothing has not counted.
    pub fn said(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}
