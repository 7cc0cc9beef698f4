//! Anthropic messages, multi-turn, with tools and pictures.
//!
//! An answer by schema is a tool named `answer` that the model must call: its input is the answer. A schema that is not of
//! an object stands under `value` in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Assemble, Wire, base64, count_at, list_at, read_args, text_at};
use crate::call_error::{CallError, in_stream};
use crate::prompt::{Finish, Part, Prompt, Reply, Speaker, ToolCall, Turn, Usage};

/// The tool through which an answer by schema comes.
const ANSWER: &str = "answer";
/// The member under which an answer stands that is no object.
const VALUE: &str = "value";

/// The wire.
pub(super) struct Anthropic;

impl Wire for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn path(&self, _model: &str, _stream: bool) -> String {
        "/v1/messages".to_owned()
    }

    fn key_header(&self, key: &str) -> (&'static str, String) {
        ("x-api-key", key.to_owned())
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn body(&self, prompt: &Prompt) -> Value {
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(prompt.model));
        body.insert("max_tokens".to_owned(), json!(prompt.output_max));
        body.insert("messages".to_owned(), prompt.turns.iter().map(message).collect());
        if !prompt.system.is_empty() {
            body.insert("system".to_owned(), json!(prompt.system));
        }
        if let Some(temperature) = prompt.temperature {
            body.insert("temperature".to_owned(), json!(temperature));
        }
        let tool = |t: &crate::prompt::Tool| json!({"name": t.name, "description": t.about, "input_schema": t.schema});
        let mut tools: Vec<_> = prompt.tools.iter().map(tool).collect();
        if let Some(schema) = &prompt.schema {
            tools.push(json!({"name": ANSWER, "description": "Gives the answer.", "input_schema": as_object(schema)}));
            let choice =
                if prompt.tools.is_empty() { json!({"type": "tool", "name": ANSWER}) } else { json!({"type": "any"}) };
            body.insert("tool_choice".to_owned(), choice);
        }
        if !tools.is_empty() {
            body.insert("tools".to_owned(), Value::Array(tools));
        }
        if prompt.stream {
            body.insert("stream".to_owned(), json!(true));
        }
        Value::Object(body)
    }

    fn reply(&self, body: &Value) -> Result<Reply, CallError> {
        if let Some(error) = body.get("error") {
            return Err(in_stream(error));
        }
        if !body.get("content").is_some_and(Value::is_array) {
            return Err(CallError::invalid("the answer has no content"));
        }
        let text = list_at(body, "/content").map(|block| text_at(block, "/text")).collect();
        let tool = |block: &&Value| text_at(block, "/type") == "tool_use";
        let call = |block: &Value| ToolCall {
            id: text_at(block, "/id").to_owned(),
            name: text_at(block, "/name").to_owned(),
            args: block.get("input").cloned().unwrap_or(Value::Null),
        };
        let calls = list_at(body, "/content").filter(tool).map(call).collect();
        let reply = Reply { text, calls, finish: finish(text_at(body, "/stop_reason")), usage: usage(body) };
        Ok(answer_of(reply))
    }

    fn assemble(&self) -> Box<dyn Assemble> {
        Box::new(Pieces::default())
    }
}

fn is_object(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
}

fn as_object(schema: &Value) -> Value {
    if is_object(schema) {
        return schema.clone();
    }
    json!({"type": "object", "properties": {VALUE: schema}, "required": [VALUE], "additionalProperties": false})
}

/// Where the model called `answer`, what it gave is the text of the reply.
fn answer_of(mut reply: Reply) -> Reply {
    if let Some(at) = reply.calls.iter().position(|call| call.name == ANSWER) {
        let args = reply.calls.remove(at).args;
        let wrapped = args.as_object().filter(|o| o.len() == 1).and_then(|o| o.get(VALUE)).cloned();
        reply.text = wrapped.unwrap_or(args).to_string();
        if reply.calls.is_empty() && reply.finish == Finish::Tools {
            reply.finish = Finish::Stop;
        }
    }
    reply
}

fn message(turn: &Turn) -> Value {
    let role = if turn.speaker == Speaker::Model { "assistant" } else { "user" };
    json!({"role": role, "content": turn.parts.iter().map(block).collect::<Vec<_>>()})
}

fn block(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image { media_type, bytes } => {
            json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": base64(bytes)}})
        }
        Part::Call(call) => json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.args}),
        Part::Result { id, text, .. } => json!({"type": "tool_result", "tool_use_id": id, "content": text}),
    }
}

fn finish(word: &str) -> Finish {
    match word {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "tool_use" => Finish::Tools,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}

/// What was read from and written to the cache is not in `input_tokens`.
fn usage(holder: &Value) -> Option<Usage> {
    let usage = holder.get("usage")?;
    let cached = count_at(usage, "/cache_read_input_tokens");
    let written = count_at(usage, "/cache_creation_input_tokens");
    let input = count_at(usage, "/input_tokens").saturating_add(cached).saturating_add(written);
    Usage { input, cached, output: count_at(usage, "/output_tokens") }.said()
}

#[derive(Default)]
struct Pieces {
    text: String,
    /// Index of the block -> id, name, arguments as text.
    calls: BTreeMap<u64, (String, String, String)>,
    finish: Option<Finish>,
    usage: Usage,
    ended: bool,
}

impl Pieces {
    fn delta(&mut self, data: &Value) -> String {
        if let Some(own) = self.calls.get_mut(&count_at(data, "/index")) {
            own.2.push_str(text_at(data, "/delta/partial_json"));
        }
        let piece = text_at(data, "/delta/text").to_owned();
        self.text.push_str(&piece);
        piece
    }
}

impl Assemble for Pieces {
    fn event(&mut self, data: &Value) -> Result<String, CallError> {
        match text_at(data, "/type") {
            "error" => return Err(in_stream(data.get("error").unwrap_or(data))),
            "message_start" => self.usage = data.get("message").and_then(usage).unwrap_or_default(),
            "content_block_start" if text_at(data, "/content_block/type") == "tool_use" => {
                let own = (text_at(data, "/content_block/id"), text_at(data, "/content_block/name"));
                let own = (own.0.to_owned(), own.1.to_owned(), String::new());
                self.calls.insert(count_at(data, "/index"), own);
            }
            "content_block_delta" => return Ok(self.delta(data)),
            "message_delta" => {
                self.finish = Some(finish(text_at(data, "/delta/stop_reason")));
                self.usage.output = count_at(data, "/usage/output_tokens").max(self.usage.output);
                self.usage.input = count_at(data, "/usage/input_tokens").max(self.usage.input);
            }
            "message_stop" => self.ended = true,
            _ => {}
        }
        Ok(String::new())
    }

    fn finish(self: Box<Self>) -> Result<Reply, CallError> {
        let Some(finish) = self.finish.filter(|_| self.ended) else {
            return Err(CallError::Cut { said: "the stream ended before its end".to_owned() });
        };
        let call = |(id, name, args): (String, String, String)| Ok(ToolCall { id, name, args: read_args(&args)? });
        let calls = self.calls.into_values().map(call).collect::<Result<_, CallError>>()?;
        Ok(answer_of(Reply { text: self.text, calls, finish, usage: self.usage.said() }))
    }
}
