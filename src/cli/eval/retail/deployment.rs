//! The deployment that the hub of an evaluation runs: a clerk who may look everything up and write only what was confirmed.
//!
//! Written as files, so that the hub loads it as it loads any other. One playbook per task, with its actions in order;
//! each action's end goes into the run's output, and a refusal does not keep the next action from its turn.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sinew_example_retail::tasks::{Action, Task};
use sinew_example_retail::writes::WRITES;

/// The person who confirms.
pub(super) const PERSON: &str = "customer";

const CONFIG: &str = r#"name = "retail"
agent = "retail-clerk"

[gates]
role = "customer"
life = "LIFE"

[hosts]
"store.local" = "STORE"

[egress]
allow = ["store.local"]
"#;

const PEOPLE: &str = "[[people]]\nname = \"customer\"\nroles = [\"owner\", \"customer\"]\n";

const DEVICE: &str = r#"id = "store"
driver = "http"
base = "http://store.local"
key-header = "Idempotency-Key"
expires-header = "Command-Expires"
timeout = "400ms"
"#;

const POLICY: &str = r#"@id("look-up")
@reason("a look-up changes nothing")
permit (principal, action == Action::"ActUnattended", resource) when { resource in Class::"pure" };

@id("confirmed-write")
@reason("a write needs the customer's own word for exactly this")
permit (principal == Agent::"retail-clerk", action == Action::"Act", resource) when { resource in Class::"irreversible" };
"#;

const READ: &str = r#"name = "retail.look-up"
version = 1
title = "Look up {name}"
risk = "Nothing changes."
class = "pure"
device = "store"
operation = { method = "GET", path = "/w/{world}/read/{name}/{arguments}" }
expiry = "1s"
retry = { attempts-max = 1000, backoff = "20ms", backoff-max = "500ms" }

[args]
type = "object"
additionalProperties = false
required = ["world", "name", "arguments"]

[args.properties]
world = { type = "string", minLength = 1 }
name = { type = "string", minLength = 1 }
arguments = { type = "string", minLength = 1 }
"#;

// Expiry: long enough for a loaded machine to send in time, short enough that a lost request is settled soon.
const WRITE: &str = r#"name = "NAME"
version = 1
title = "WORDS, in {world}"
risk = "The customer's order, money or address is not what it should be."
class = "irreversible"
device = "store"
operation = { method = "POST", path = "/w/{world}/ACTION" }
expiry = "1s"
clock-skew-max = "250ms"
retry = { attempts-max = 1000, backoff = "20ms", backoff-max = "500ms" }

[reconcile]
operation = { method = "GET", path = "/effects/{key}" }
applied = "/applied"
receipt = "/result"

[args]
type = "object"
additionalProperties = false
required = ["world", "arguments"]

[args.properties]
world = { type = "string", minLength = 1 }
arguments = { type = "object" }
"#;

/// How long a person has to confirm.
pub(super) fn life(confirmed: bool) -> &'static str {
    if confirmed { "1h" } else { "300ms" }
}

/// Writes the folder.
pub(super) fn write(folder: &Path, store: &str, tasks: &[Task], confirmed: bool) -> Result<()> {
    let put = |name: &str, text: &str| -> Result<()> {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    };
    put("sinew.toml", &CONFIG.replace("STORE", store).replace("LIFE", life(confirmed)))?;
    put("people.toml", PEOPLE)?;
    put("devices/store.toml", DEVICE)?;
    put("policies/retail.cedar", POLICY)?;
    put("capabilities/retail.look-up.toml", READ)?;
    let mut names = vec!["retail.look-up".to_owned()];
    for action in WRITES {
        let name = capability(action);
        let text = WRITE.replace("NAME", &name).replace("ACTION", action).replace("WORDS", &action.replace('_', " "));
        put(&format!("capabilities/{name}.toml"), &text)?;
        names.push(name);
    }
    let agent = format!(
        "name = \"retail-clerk\"\ninstructions = \"Do what the customer has confirmed.\"\n[may-ask-for]\ncapabilities = {names:?}\n"
    );
    put("agents/retail-clerk.toml", &agent)?;
    for (nth, task) in tasks.iter().enumerate() {
        for round in Round::ALL {
            // JSON is YAML.
            let name = round.playbook(nth);
            put(&format!("playbooks/{name}.yaml"), &format!("{:#}\n", playbook(&name, nth, task, round)))?;
        }
    }
    Ok(())
}

fn capability(action: &str) -> String {
    format!("retail.{}", action.replace('_', "-"))
}

/// The name of the world that a task acts upon.
pub(super) fn world(nth: usize) -> String {
    format!("w{nth}")
}

/// A pass over the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// For the first time.
    First,
    /// The same keys with the same arguments, by another run, after a restart: only the first receipts again.
    Again,
    /// The same keys with other arguments: refused.
    Other,
}

impl Round {
    const ALL: [Self; 3] = [Self::First, Self::Again, Self::Other];

    /// The playbook of a task, and the type of the event that starts it.
    pub(super) fn playbook(self, nth: usize) -> String {
        match self {
            Self::First => format!("task-{nth}"),
            Self::Again => format!("again-{nth}"),
            Self::Other => format!("other-{nth}"),
        }
    }
}

fn playbook(name: &str, nth: usize, task: &Task, round: Round) -> Value {
    let actions = task.actions.iter().filter(|action| round == Round::First || action.is_write());
    let steps: Vec<_> = actions.enumerate().map(|(at, action)| step(at, nth, task, action, round)).collect();
    let begin = json!({ "begin": { "set": "${ {} }", "export": { "as": "${ {} }" } } });
    let all: Vec<_> = [begin].into_iter().chain(steps).collect();
    json!({
        "document": { "dsl": "1.0.3", "namespace": "retail", "name": name, "version": "1.0.0" },
        "schedule": { "on": { "one": { "with": { "type": event_type(name) } } } },
        "do": all,
        "output": { "as": "${ $context }" },
    })
}

/// The type of the event that starts a playbook.
pub(super) fn event_type(playbook: &str) -> String {
    format!("retail.{playbook}")
}

fn step(at: usize, nth: usize, task: &Task, action: &Action, round: Round) -> Value {
    let key = task.key(action);
    let note = |how: &str| json!({ "as": format!("${{ $context + {{ {}: {how} }} }}", Value::String(key.clone())) });
    let with = if action.is_write() {
        let mut arguments = action.arguments.clone();
        if round == Round::Other {
            change(&mut arguments);
        }
        let args = json!({ "world": world(nth), "arguments": arguments });
        json!({ "capability": capability(&action.name), "args": args, "idempotencyKey": key, "irreversible": true })
    } else {
        let arguments = action.arguments.to_string();
        let args = json!({ "world": world(nth), "name": action.name, "arguments": arguments });
        json!({ "capability": "retail.look-up", "args": args, "idempotencyKey": key })
    };
    let call = json!({ "call": "act:1.0.0@default", "with": with, "export": note("{ done: true, first: .first }") });
    let failed = json!({ "set": { "type": "${ $failure.type }" }, "export": note("{ failure: .type }") });
    let (call_name, failed_name) = (format!("act{at}"), format!("not{at}"));
    json!({ format!("try{at}"): {
        "try": [{ call_name: call }],
        "catch": { "as": "failure", "do": [{ failed_name: failed }] },
    } })
}

/// Another value for one of the arguments, of the same kind.
fn change(arguments: &mut Value) {
    let text = arguments.as_object_mut().into_iter().flat_map(|o| o.values_mut()).find(|value| value.is_string());
    if let Some(text) = text {
        *text = format!("{}-other", text.as_str().unwrap_or_default()).into();
    }
}
