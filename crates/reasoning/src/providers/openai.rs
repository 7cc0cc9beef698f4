//! OpenAI chat completions, and with it every local server that speaks it (Ollama, llama.cpp, vLLM).
//!
//! `max_tokens` is the older name of the limit; local servers know only this one, so it is sent to all.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Assemble, Wire, base64, count_at, list_at, read_args, text_at};
use crate::call_error::{CallError, in_stream};
use crate::prompt::{Finish, Part, Prompt, Reply, Speaker, ToolCall, Turn, Usage};

/// The wire.
pub(super) struct OpenAi;

impl Wire for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/chat/completions".to_owned()
    }

    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {key}"))
    }

    fn body(&self, prompt: &Prompt) -> Value {
        let mut messages = Vec::new();
        if !prompt.system.is_empty() {
            messages.push(json!({"role": "system", "content": prompt.system}));
        }
        messages.extend(prompt.turns.iter().flat_map(messages_of));
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(prompt.model));
        body.insert("messages".to_owned(), Value::Array(messages));
        body.insert("max_tokens".to_owned(), json!(prompt.output_max));
        if let Some(temperature) = prompt.temperature {
            body.insert("temperature".to_owned(), json!(temperature));
        }
        if !prompt.tools.is_empty() {
            let tool = |t: &crate::prompt::Tool| {
                json!({"type": "function",
                    "function": {"name": t.name, "description": t.about, "parameters": t.schema}})
            };
            body.insert("tools".to_owned(), prompt.tools.iter().map(tool).collect());
        }
        if let Some(schema) = &prompt.schema {
            let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
            body.insert("response_format".to_owned(), format);
        }
        if prompt.stream {
            body.insert("stream".to_owned(), json!(true));
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        Value::Object(body)
    }

    fn reply(&self, body: &Value) -> Result<Reply, CallError> {
        let choice = body.pointer("/choices/0").ok_or_else(|| no_choice(body))?;
        if let Some(said) = choice.pointer("/message/refusal").and_then(Value::as_str) {
            return Err(CallError::Refused { said: said.to_owned() });
        }
        let call = |call: &Value| {
            let args = read_args(text_at(call, "/function/arguments"))?;
            Ok(ToolCall { id: text_at(call, "/id").to_owned(), name: text_at(call, "/function/name").to_owned(), args })
        };
        let calls = list_at(choice, "/message/tool_calls").map(call).collect::<Result<Vec<_>, CallError>>()?;
        Ok(Reply {
            text: text_at(choice, "/message/content").to_owned(),
            finish: finish(text_at(choice, "/finish_reason")),
            usage: usage(body),
            calls,
        })
    }

    fn assemble(&self) -> Box<dyn Assemble> {
        Box::new(Pieces::default())
    }
}

/// The messages of one turn: results of tools are a message each.
fn messages_of(turn: &Turn) -> Vec<Value> {
    match turn.speaker {
        Speaker::Tools => turn.parts.iter().filter_map(tool_message).collect(),
        Speaker::User => vec![json!({"role": "user", "content": user_content(&turn.parts)})],
        Speaker::Model => vec![model_message(&turn.parts)],
    }
}

fn tool_message(part: &Part) -> Option<Value> {
    match part {
        Part::Result { id, text, .. } => Some(json!({"role": "tool", "tool_call_id": id, "content": text})),
        _ => None,
    }
}

/// One text is said as a text; only pictures need the longer form.
fn user_content(parts: &[Part]) -> Value {
    if let [Part::Text(text)] = parts {
        return json!(text);
    }
    let content = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(json!({"type": "text", "text": text})),
        Part::Image { media_type, bytes } => {
            let url = format!("data:{media_type};base64,{}", base64(bytes));
            Some(json!({"type": "image_url", "image_url": {"url": url}}))
        }
        Part::Call(_) | Part::Result { .. } => None,
    });
    content.collect()
}

fn model_message(parts: &[Part]) -> Value {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(more) => text.push_str(more),
            Part::Call(call) => calls.push(json!({"id": call.id, "type": "function",
                "function": {"name": call.name, "arguments": call.args.to_string()}})),
            Part::Image { .. } | Part::Result { .. } => {}
        }
    }
    let mut message = json!({"role": "assistant", "content": text});
    if let (false, Some(object)) = (calls.is_empty(), message.as_object_mut()) {
        object.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    message
}

fn no_choice(body: &Value) -> CallError {
    body.get("error").map_or_else(|| CallError::invalid("the answer has no choice"), in_stream)
}

fn finish(word: &str) -> Finish {
    match word {
        "stop" => Finish::Stop,
        "tool_calls" | "function_call" => Finish::Tools,
        "length" => Finish::Length,
        "content_filter" => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}

fn usage(body: &Value) -> Option<Usage> {
    let usage = body.get("usage")?;
    let cached = count_at(usage, "/prompt_tokens_details/cached_tokens");
    let (input, output) = (count_at(usage, "/prompt_tokens"), count_at(usage, "/completion_tokens"));
    Usage { input, cached, output }.said()
}

#[derive(Default)]
struct Pieces {
    text: String,
    refusal: String,
    /// Index -> id, name, arguments as text.
    calls: BTreeMap<u64, (String, String, String)>,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Assemble for Pieces {
    fn event(&mut self, data: &Value) -> Result<String, CallError> {
        if let Some(error) = data.get("error") {
            return Err(in_stream(error));
        }
        self.usage = usage(data).or(self.usage);
        let Some(choice) = data.pointer("/choices/0") else { return Ok(String::new()) };
        if let Some(word) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish(word));
        }
        self.refusal.push_str(text_at(choice, "/delta/refusal"));
        for call in list_at(choice, "/delta/tool_calls") {
            let own = self.calls.entry(count_at(call, "/index")).or_default();
            own.0.push_str(text_at(call, "/id"));
            own.1.push_str(text_at(call, "/function/name"));
            own.2.push_str(text_at(call, "/function/arguments"));
        }
        let piece = text_at(choice, "/delta/content").to_owned();
        self.text.push_str(&piece);
        Ok(piece)
    }

    fn finish(self: Box<Self>) -> Result<Reply, CallError> {
        let finish =
            self.finish.ok_or_else(|| CallError::Cut { said: "the stream ended before its end".to_owned() })?;
        if !self.refusal.is_empty() {
            return Err(CallError::Refused { said: self.refusal });
        }
        let call = |(id, name, args): (String, String, String)| Ok(ToolCall { id, name, args: read_args(&args)? });
        let calls = self.calls.into_values().map(call).collect::<Result<_, CallError>>()?;
        Ok(Reply { text: self.text, calls, finish, usage: self.usage })
    }
}
