//! Gemini generateContent, with text, pictures, functions and answers by schema.

use serde_json::{Map, Value, json};

use super::{Assemble, Wire, base64, count_at, list_at, text_at};
use crate::call_error::{CallError, in_stream};
use crate::prompt::{Finish, Part, Prompt, Reply, Speaker, ToolCall, Turn, Usage};

/// The wire.
pub(super) struct Gemini;

impl Wire for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn path(&self, model: &str, stream: bool) -> String {
        let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        format!("/models/{model}:{verb}")
    }

    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("x-goog-api-key", key.to_owned())
    }

    fn body(&self, prompt: &Prompt) -> Value {
        let mut settings = Map::new();
        settings.insert("maxOutputTokens".to_owned(), json!(prompt.output_max));
        if let Some(temperature) = prompt.temperature {
            settings.insert("temperature".to_owned(), json!(temperature));
        }
        if let Some(schema) = &prompt.schema {
            settings.insert("responseMimeType".to_owned(), json!("application/json"));
            settings.insert("responseJsonSchema".to_owned(), schema.clone());
        }
        let mut body = Map::new();
        if !prompt.system.is_empty() {
            body.insert("systemInstruction".to_owned(), json!({"parts": [{"text": prompt.system}]}));
        }
        body.insert("contents".to_owned(), prompt.turns.iter().map(content).collect());
        if !prompt.tools.is_empty() {
            let tool = |t: &crate::prompt::Tool| json!({"name": t.name, "description": t.about, "parametersJsonSchema": t.schema});
            let tools: Vec<_> = prompt.tools.iter().map(tool).collect();
            body.insert("tools".to_owned(), json!([{"functionDeclarations": tools}]));
        }
        body.insert("generationConfig".to_owned(), Value::Object(settings));
        Value::Object(body)
    }

    fn reply(&self, body: &Value) -> Result<Reply, CallError> {
        let mut pieces = Pieces::default();
        pieces.event(body)?;
        Box::new(pieces).finish()
    }

    fn assemble(&self) -> Box<dyn Assemble> {
        Box::new(Pieces::default())
    }
}

fn content(turn: &Turn) -> Value {
    let role = if turn.speaker == Speaker::Model { "model" } else { "user" };
    json!({"role": role, "parts": turn.parts.iter().map(part).collect::<Vec<_>>()})
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"text": text}),
        Part::Image { media_type, bytes } => json!({"inlineData": {"mimeType": media_type, "data": base64(bytes)}}),
        Part::Call(call) => json!({"functionCall": {"name": call.name, "args": call.args}}),
        Part::Result { name, text, .. } => {
            json!({"functionResponse": {"name": name, "response": {"result": text}}})
        }
    }
}

fn finish(word: &str, calls: bool) -> Finish {
    match word {
        "STOP" if calls => Finish::Tools,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}

fn usage(body: &Value) -> Option<Usage> {
    let usage = body.get("usageMetadata")?;
    let output = count_at(usage, "/candidatesTokenCount").saturating_add(count_at(usage, "/thoughtsTokenCount"));
    Usage { input: count_at(usage, "/promptTokenCount"), cached: count_at(usage, "/cachedContentTokenCount"), output }
        .said()
}

/// A whole answer is one piece.
#[derive(Default)]
struct Pieces {
    text: String,
    calls: Vec<ToolCall>,
    finish: Option<String>,
    usage: Option<Usage>,
    seen: bool,
}

impl Pieces {
    fn take(&mut self, part: &Value) -> String {
        if let Some(call) = part.get("functionCall") {
            // This wire has no ids of calls; results are matched by name, so any id that differs will do.
            let id = format!("call-{}", self.calls.len() + 1);
            let args = call.get("args").cloned().unwrap_or_else(|| json!({}));
            self.calls.push(ToolCall { id, name: text_at(call, "/name").to_owned(), args });
        }
        let thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
        let piece = if thought { "" } else { text_at(part, "/text") };
        self.text.push_str(piece);
        piece.to_owned()
    }
}

impl Assemble for Pieces {
    fn event(&mut self, data: &Value) -> Result<String, CallError> {
        if let Some(error) = data.get("error") {
            return Err(in_stream(error));
        }
        if let Some(reason) = data.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
            return Err(CallError::Refused { said: format!("blocked: {reason}") });
        }
        self.usage = usage(data).or(self.usage);
        let Some(candidate) = data.pointer("/candidates/0") else { return Ok(String::new()) };
        self.seen = true;
        if let Some(word) = candidate.get("finishReason").and_then(Value::as_str) {
            self.finish = Some(word.to_owned());
        }
        Ok(list_at(candidate, "/content/parts").map(|part| self.take(part)).collect())
    }

    fn finish(self: Box<Self>) -> Result<Reply, CallError> {
        if !self.seen {
            return Err(CallError::invalid("the answer has no candidate"));
        }
        let word = self.finish.ok_or_else(|| CallError::Cut { said: "the answer ended before its end".to_owned() })?;
        let finish = finish(&word, !self.calls.is_empty());
        Ok(Reply { text: self.text, calls: self.calls, finish, usage: self.usage })
    }
}
