//! Our wires against real servers that speak them: `peers BASE KEY MODEL [--only openai,anthropic,gemini] [--limited MODEL]`.
//!
//! Prints one line per check and ends with 1 where one failed. `evals/models/peers.sh` starts the servers.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use sinew_reasoning::prompt::{Part, Prompt, Reply, Speaker, Tool, Turn};
use sinew_reasoning::providers::{PROVIDERS, Wire};
use sinew_reasoning::{CallError, Endpoint};
use sinew_testkit::SimClock;

const DEADLINE: Duration = Duration::from_secs(120);
/// A picture of one pixel.
const PNG: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 4, 0, 0, 0, 181, 28, 12,
    2, 0, 0, 0, 11, 73, 68, 65, 84, 120, 218, 99, 100, 248, 15, 0, 1, 5, 1, 1, 39, 24, 227, 102, 0, 0, 0, 0, 73, 69,
    78, 68, 174, 66, 96, 130,
];

struct Peer {
    base: String,
    key: String,
    model: String,
    failed: usize,
}

impl Peer {
    fn endpoint(&self, wire: &'static dyn Wire) -> Endpoint {
        let path = match wire.name() {
            "openai" => "/v1",
            "gemini" => "/v1beta",
            _ => "",
        };
        let clock = Arc::new(SimClock::at(sinew_contract::Timestamp(0)));
        let base = format!("{}{path}", self.base);
        // LiteLLM takes its own key in one header for all wires.
        let headers = [("authorization".to_owned(), format!("Bearer {}", self.key))];
        let headers: &[_] = if wire.name() == "openai" { &[] } else { &headers };
        Endpoint::new(wire, &base, Some(&self.key), headers, clock).expect("the address is right")
    }

    async fn ask(&self, wire: &'static dyn Wire, prompt: Prompt) -> Result<Reply, CallError> {
        self.endpoint(wire).call(&prompt, DEADLINE, None).await.reply
    }

    fn prompt(&self) -> Prompt {
        let turns = [(Speaker::User, "hi"), (Speaker::Model, "yes"), (Speaker::User, "What is the state?")];
        Prompt {
            model: self.model.clone(),
            system: "Be brief.".to_owned(),
            turns: turns.map(|(speaker, text)| Turn::text(speaker, text)).into(),
            output_max: 200,
            ..Prompt::default()
        }
    }

    fn tell(&mut self, wire: &str, check: &str, begun: Instant, result: Result<String, String>) {
        let (word, detail) = match result {
            Ok(detail) => ("ok", detail),
            Err(detail) => {
                self.failed += 1;
                ("FAILED", detail)
            }
        };
        println!("{word:6} {wire:9} {check:8} {:5} ms  {detail}", begun.elapsed().as_millis());
    }

    async fn all(&mut self, wire: &'static dyn Wire) {
        let schema = json!({"type": "object", "required": ["action"], "properties": {
            "action": {"enum": ["hold", "open"]}, "confidence": {"type": "number"}}});
        let tool = Tool {
            name: "look".to_owned(),
            about: "Looks.".to_owned(),
            schema: json!({"type": "object", "properties": {}}),
        };
        let mut pictured = self.prompt();
        if let Some(last) = pictured.turns.last_mut() {
            last.parts.push(Part::Image { media_type: "image/png".to_owned(), bytes: Bytes::from_static(PNG) });
        }
        let rows = [
            ("chat", self.prompt()),
            ("stream", Prompt { stream: true, ..self.prompt() }),
            ("schema", Prompt { schema: Some(schema), ..self.prompt() }),
            ("tools", Prompt { tools: vec![tool], ..self.prompt() }),
            ("image", pictured),
        ];
        for (check, prompt) in rows {
            let begun = Instant::now();
            let said = self.ask(wire, prompt).await.map_err(|error| error.to_string());
            self.tell(wire.name(), check, begun, said.map(|reply| said_shortly(&reply)));
        }
    }

    /// One conversation in which every answer comes from another wire.
    async fn change(&mut self, wires: &[&'static dyn Wire]) {
        let (begun, mut talk) = (Instant::now(), self.prompt());
        let mut result = Ok(String::new());
        for wire in wires.iter().chain(wires) {
            match self.ask(*wire, talk.clone()).await {
                Ok(reply) => {
                    talk.turns.push(Turn::text(
                        Speaker::Model,
                        if reply.text.is_empty() { "(nothing)" } else { &reply.text },
                    ));
                    talk.turns.push(Turn::text(Speaker::User, "And now?"));
                }
                Err(error) => result = Err(format!("{}: {error}", wire.name())),
            }
        }
        self.tell("all", "change", begun, result.map(|_| format!("{} turns", talk.turns.len())));
    }

    async fn limited(&mut self, wire: &'static dyn Wire, model: &str) {
        let begun = Instant::now();
        let result = match self.ask(wire, Prompt { model: model.to_owned(), ..self.prompt() }).await {
            Err(CallError::RateLimited { retry_after, .. }) => Ok(format!("retry after {retry_after:?}")),
            other => Err(format!("{other:?}")),
        };
        self.tell(wire.name(), "limited", begun, result);
    }
}

fn said_shortly(reply: &Reply) -> String {
    let text: String = reply.text.chars().filter(|c| !c.is_control()).take(40).collect();
    json!({"text": text, "calls": reply.calls.len(), "finish": format!("{:?}", reply.finish),
        "usage": reply.usage.map_or(Value::Null, |u| json!([u.input, u.cached, u.output]))})
    .to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1).cloned());
    let [base, key, model, ..] = args.as_slice() else {
        eprintln!("usage: peers BASE KEY MODEL [--only openai,anthropic,gemini] [--limited MODEL]");
        return ExitCode::from(2);
    };
    let only = option("--only").unwrap_or_else(|| "openai,anthropic,gemini".to_owned());
    let wires: Vec<_> =
        PROVIDERS.iter().copied().filter(|wire| only.split(',').any(|name| name == wire.name())).collect();
    let mut peer = Peer { base: base.clone(), key: key.clone(), model: model.clone(), failed: 0 };
    for wire in &wires {
        peer.all(*wire).await;
        if let Some(model) = option("--limited") {
            peer.limited(*wire, &model).await;
        }
    }
    peer.change(&wires).await;
    if peer.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
