//! Each wire over a real socket: what is sent, what is understood, and every way in which it can go wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use sinew_contract::Timestamp;
use sinew_reasoning::prompt::{Finish, Part, Prompt, Reply, Speaker, Tool, ToolCall, Turn, Usage};
use sinew_reasoning::providers::wire;
use sinew_reasoning::{CallError, Endpoint, Exchange};
use sinew_testkit::SimClock;

use crate::upstream::{Say, Upstream};

const WIRES: [&str; 3] = ["openai", "anthropic", "gemini"];
const KEY: &str = "sk-very-secret-key-0123456789";
const LONG: Duration = Duration::from_secs(20);

fn endpoint(wire_name: &str, upstream: &Upstream) -> Endpoint {
    let clock = Arc::new(SimClock::at(Timestamp(1_445_412_475_000_000)));
    let headers = [("x-team".to_owned(), "returns".to_owned())];
    Endpoint::new(wire(wire_name).expect("it is built"), &upstream.url(), Some(KEY), &headers, clock)
        .expect("it is right")
}

fn prompt(stream: bool) -> Prompt {
    Prompt {
        model: "m-1".to_owned(),
        system: "Be brief.".to_owned(),
        turns: vec![Turn::text(Speaker::User, "Which action?")],
        output_max: 64,
        temperature: Some(0.0),
        stream,
        ..Prompt::default()
    }
}

async fn call(wire_name: &str, say: Say, prompt: &Prompt) -> (Exchange, Vec<crate::upstream::Asked>) {
    let upstream = Upstream::new([say]).await;
    let exchange = endpoint(wire_name, &upstream).call(prompt, LONG, None).await;
    (exchange, upstream.asked())
}

/// What each provider says for text, a tool call, and usage with cached tokens.
fn whole(wire_name: &str, text: &str, tool: Option<(&str, Value)>) -> Value {
    match wire_name {
        "openai" => {
            let calls = tool.map(|(name, args)| {
                json!([{"id": "c1", "type": "function", "function": {"name": name, "arguments": args.to_string()}}])
            });
            let finish = if calls.is_some() { "tool_calls" } else { "stop" };
            json!({"choices": [{"message": {"role": "assistant", "content": text, "tool_calls": calls}, "finish_reason": finish}],
                "usage": {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}})
        }
        "anthropic" => {
            let mut content = vec![json!({"type": "text", "text": text})];
            let stop = if tool.is_some() { "tool_use" } else { "end_turn" };
            content
                .extend(tool.map(|(name, args)| json!({"type": "tool_use", "id": "c1", "name": name, "input": args})));
            json!({"type": "message", "content": content, "stop_reason": stop,
                "usage": {"input_tokens": 12, "cache_read_input_tokens": 8, "output_tokens": 5}})
        }
        _ => {
            let mut parts = vec![json!({"text": text})];
            parts.extend(tool.map(|(name, args)| json!({"functionCall": {"name": name, "args": args}})));
            json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 20, "cachedContentTokenCount": 8, "candidatesTokenCount": 4, "thoughtsTokenCount": 1}})
        }
    }
}

/// The same, in pieces.
fn pieces(wire_name: &str) -> Vec<String> {
    let events: Vec<Value> = match wire_name {
        "openai" => vec![
            json!({"choices": [{"delta": {"role": "assistant", "content": "the "}}]}),
            json!({"choices": [{"delta": {"content": "valve"}}]}),
            json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{\"a\""}}]}}]}),
            json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}}]}),
            json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}}),
        ],
        "anthropic" => vec![
            json!({"type": "message_start", "message": {"usage": {"input_tokens": 12, "cache_read_input_tokens": 8, "output_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "the "}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "valve"}}),
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "c1", "name": "look", "input": {}}}),
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"a\""}}),
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ":1}"}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}),
            json!({"type": "message_stop"}),
        ],
        _ => vec![
            json!({"candidates": [{"content": {"parts": [{"text": "the "}]}}]}),
            json!({"candidates": [{"content": {"parts": [{"text": "valve"}, {"functionCall": {"name": "look", "args": {"a": 1}}}]}}]}),
            json!({"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 20, "cachedContentTokenCount": 8, "candidatesTokenCount": 5}}),
        ],
    };
    let done = (wire_name == "openai").then(|| "[DONE]".to_owned());
    events.iter().map(Value::to_string).chain(done).collect()
}

const USAGE: Option<Usage> = Some(Usage { input: 20, cached: 8, output: 5 });

#[tokio::test]
async fn every_wire_chats_and_says_what_it_used() {
    for name in WIRES {
        let (exchange, asked) = call(name, Say::json(&whole(name, "hold", None)), &prompt(false)).await;
        let expected = Reply { text: "hold".to_owned(), calls: Vec::new(), finish: Finish::Stop, usage: USAGE };
        assert_eq!(exchange.reply, Ok(expected), "{name}");
        let head = asked[0].head.to_lowercase();
        assert!(head.contains(KEY) && head.contains("x-team: returns"), "{head}");
        assert_eq!(
            exchange.request,
            Bytes::from(asked[0].body.to_string()),
            "{name}: the raw request is what was sent"
        );
        assert!(!String::from_utf8_lossy(&exchange.request).contains(KEY));
    }
}

#[tokio::test]
async fn every_wire_streams_text_and_tools_and_shows_the_pieces() {
    for name in WIRES {
        let upstream = Upstream::new([Say::Stream { events: pieces(name), cut: false }]).await;
        let shown = Mutex::new(String::new());
        let on_piece = |piece: &str| shown.lock().expect("no panic").push_str(piece);
        let exchange = endpoint(name, &upstream).call(&prompt(true), LONG, Some(&on_piece)).await;
        let reply = exchange.reply.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((reply.text.as_str(), reply.usage, reply.finish), ("the valve", USAGE, Finish::Tools), "{name}");
        assert_eq!(reply.calls.len(), 1, "{name}");
        assert_eq!((reply.calls[0].name.as_str(), &reply.calls[0].args), ("look", &json!({"a": 1})), "{name}");
        assert_eq!(shown.into_inner().expect("no panic"), "the valve");
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_is_no_answer() {
    for name in WIRES {
        let mut events = pieces(name);
        let end = if name == "gemini" { 1 } else { 2 };
        events.truncate(events.len() - end - usize::from(name == "openai"));
        for cut in [true, false] {
            let (exchange, _) = call(name, Say::Stream { events: events.clone(), cut }, &prompt(true)).await;
            assert_eq!(exchange.reply.expect_err("it is cut").word(), "cut", "{name} {cut}");
            assert!(!exchange.response.is_empty(), "{name}: what had come is kept");
        }
    }
}

#[tokio::test]
async fn every_wire_calls_tools() {
    let mut with_tools = prompt(false);
    let schema = json!({"type": "object", "properties": {"open": {"type": "boolean"}}});
    with_tools.tools.push(Tool { name: "set_valve".to_owned(), about: "Sets it.".to_owned(), schema: schema.clone() });
    for name in WIRES {
        let say = Say::json(&whole(name, "", Some(("set_valve", json!({"open": false})))));
        let (exchange, asked) = call(name, say, &with_tools).await;
        let reply = exchange.reply.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((&reply.calls[0].args, reply.finish), (&json!({"open": false}), Finish::Tools), "{name}");
        let at = match name {
            "openai" => "/tools/0/function/parameters",
            "anthropic" => "/tools/0/input_schema",
            _ => "/tools/0/functionDeclarations/0/parametersJsonSchema",
        };
        assert_eq!(asked[0].body.pointer(at), Some(&schema), "{name}");
    }
}

#[tokio::test]
async fn every_wire_answers_by_schema() {
    for schema in [json!({"type": "object", "properties": {"action": {"type": "string"}}}), json!({"type": "integer"})]
    {
        let is_object = schema["type"] == "object";
        let (value, text) =
            if is_object { (json!({"action": "hold"}), "{\"action\":\"hold\"}") } else { (json!(7), "7") };
        let by_schema = Prompt { schema: Some(schema.clone()), ..prompt(false) };
        for name in WIRES {
            let tool = if is_object { value.clone() } else { json!({"value": value}) };
            let body =
                if name == "anthropic" { whole(name, "", Some(("answer", tool))) } else { whole(name, text, None) };
            let (exchange, asked) = call(name, Say::json(&body), &by_schema).await;
            let reply = exchange.reply.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((reply.text.as_str(), reply.finish), (text, Finish::Stop), "{name}");
            let at = match (name, is_object) {
                ("openai", _) => "/response_format/json_schema/schema",
                ("anthropic", true) => "/tools/0/input_schema",
                ("anthropic", false) => "/tools/0/input_schema/properties/value",
                _ => "/generationConfig/responseJsonSchema",
            };
            assert_eq!(asked[0].body.pointer(at), Some(&schema), "{name}");
        }
    }
}

#[tokio::test]
async fn every_wire_shows_pictures() {
    let mut with_picture = prompt(false);
    let picture = Part::Image { media_type: "image/png".to_owned(), bytes: Bytes::from_static(b"foobar") };
    with_picture.turns[0].parts.push(picture);
    for name in WIRES {
        let (_, asked) = call(name, Say::json(&whole(name, "a box", None)), &with_picture).await;
        let (at, expected) = match name {
            "openai" => ("/messages/1/content/1/image_url/url", "data:image/png;base64,Zm9vYmFy"),
            "anthropic" => ("/messages/0/content/1/source/data", "Zm9vYmFy"),
            _ => ("/contents/0/parts/1/inlineData/data", "Zm9vYmFy"),
        };
        assert_eq!(asked[0].body.pointer(at), Some(&json!(expected)), "{name}");
    }
}

/// A conversation that began with one provider goes on with another, tools included.
#[tokio::test]
async fn the_provider_can_change_in_mid_conversation() {
    let mut talk = prompt(false);
    for (turn, name) in WIRES.iter().cycle().take(6).enumerate() {
        let tool = (turn % 2 == 0).then(|| ("look", json!({"turn": turn})));
        let (exchange, asked) = call(name, Say::json(&whole(name, "hm", tool)), &talk).await;
        let reply = exchange.reply.unwrap_or_else(|error| panic!("{name}: {error}"));
        let count = ["messages", "contents"].iter().find_map(|at| asked[0].body.get(*at)?.as_array().map(Vec::len));
        let system = usize::from(*name == "openai");
        assert_eq!(count, Some(talk.turns.len() + system), "{name}: all turns went along");
        let calls: Vec<ToolCall> = reply.calls.clone();
        let mut parts = vec![Part::Text(reply.text)];
        parts.extend(reply.calls.into_iter().map(Part::Call));
        talk.turns.push(Turn { speaker: Speaker::Model, parts });
        match calls.first() {
            Some(call) => talk.turns.push(Turn {
                speaker: Speaker::Tools,
                parts: vec![Part::Result { id: call.id.clone(), name: call.name.clone(), text: "seen".to_owned() }],
            }),
            None => talk.turns.push(Turn::text(Speaker::User, "and now?")),
        }
    }
}

#[tokio::test]
async fn every_fault_is_typed_and_says_when_to_come_back() {
    let gemini_wait = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"7s"}]}}"#;
    let rows: Vec<(Say, &str, Option<u64>)> = vec![
        (Say::fault(429, &[("retry-after", "7")], "{}"), "rate-limited", Some(7_000)),
        (Say::fault(429, &[("retry-after-ms", "250")], "{}"), "rate-limited", Some(250)),
        (Say::fault(429, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], "{}"), "rate-limited", Some(5_000)),
        (Say::fault(429, &[("llm_provider-retry-after", "3")], "{}"), "rate-limited", Some(3_000)),
        (Say::fault(429, &[], gemini_wait), "rate-limited", Some(7_000)),
        (Say::fault(503, &[("retry-after", "1")], "busy"), "overloaded", Some(1_000)),
        (Say::fault(500, &[], ""), "overloaded", None),
        (Say::fault(401, &[], "{}"), "auth", None),
        (Say::fault(400, &[], r#"{"error":{"message":"prompt is too long"}}"#), "context-too-long", None),
        (Say::fault(404, &[], "no such model"), "invalid", None),
        (Say::fault(200, &[], "{\"choices\": ["), "invalid", None),
        (Say::fault(200, &[], "<html>"), "invalid", None),
        (Say::fault(200, &[], "{}"), "invalid", None),
        (Say::fault(200, &[], "{\"choices\": [], \"choices\": []}"), "invalid", None),
        (Say::Short("{\"choices\"".to_owned()), "cut", None),
        (Say::HangUp, "cut", None),
    ];
    for name in WIRES {
        for (say, word, wait_ms) in &rows {
            let (exchange, _) = call(name, say.clone(), &prompt(false)).await;
            let error = exchange.reply.expect_err("a fault");
            assert_eq!(
                (error.word(), error.retry_after()),
                (*word, wait_ms.map(Duration::from_millis)),
                "{name} {say:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_limit_inside_a_stream_is_an_event() {
    for (name, event) in [
        ("openai", r#"{"error":{"code":429,"type":"rate_limit_exceeded","message":"slow"}}"#),
        ("anthropic", r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#),
        ("gemini", r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"2s"}]}}"#),
    ] {
        let mut events = pieces(name);
        events.truncate(1);
        events.push(event.to_owned());
        let (exchange, _) = call(name, Say::Stream { events, cut: false }, &prompt(true)).await;
        assert!(matches!(exchange.reply, Err(CallError::RateLimited { .. })), "{name}: {:?}", exchange.reply);
    }
}

#[tokio::test]
async fn a_key_that_a_provider_says_back_is_struck_out() {
    let body = format!("{{\"error\":{{\"message\":\"bad key {KEY}\"}}}}");
    let (exchange, _) = call("openai", Say::fault(401, &[], &body), &prompt(false)).await;
    assert!(!String::from_utf8_lossy(&exchange.response).contains(KEY));
    let error = exchange.reply.expect_err("the key is wrong").to_string();
    assert!(error.contains("bad key [redacted]"), "{error}");
}

#[tokio::test]
async fn a_late_or_cancelled_call_drops_its_connection() {
    let say = || Say::After(Duration::from_secs(600), Box::new(Say::HangUp));
    let upstream = Upstream::new([say()]).await;
    let endpoint = endpoint("openai", &upstream);
    let exchange = endpoint.call(&prompt(false), Duration::from_millis(50), None).await;
    assert_eq!(exchange.reply.expect_err("it is late").word(), "timeout");
    gone(&upstream, 1).await;
    let dropped = tokio::time::timeout(Duration::from_millis(50), endpoint.call(&prompt(false), LONG, None)).await;
    assert!(dropped.is_err(), "it was cancelled");
    gone(&upstream, 2).await;
}

async fn gone(upstream: &Upstream, count: usize) {
    let all = async {
        while upstream.gone() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, all).await.expect("the provider sees that the client has left");
}
