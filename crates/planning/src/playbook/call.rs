//! Reads calls: of a named function of the playbook, or of one of ours with what it may name.
//!
//! Does not know how a call is carried out. What is named must be known: capabilities, tables, templates, roles.

use serde_json::{Map, Value};
use sinew_contract::{CapabilityName, Class};

pub(crate) use crate::functions::Function;

use super::reader::{Spot, member, nearest};
use super::template::strip;
use super::{Action, Expr, Reader, Template, read_duration};
use crate::functions::{FUNCTION_VERSION, FUNCTIONS, FUNCTIONS_LATER};

/// A call of one of our functions.
#[derive(Debug)]
pub(crate) struct Call {
    pub function: Function,
    pub with: Template,
    /// How an act is undone.
    pub undo: Option<Undo>,
}

/// The undo of an act.
#[derive(Debug)]
pub(crate) struct Undo {
    pub capability: CapabilityName,
    /// jq over `{args, receipt}`.
    pub args_from: Expr,
}

/// Each call of a named function is a copy of it, and copies may call others.
const TASKS_MAX: usize = 10_000;
const PROTOCOLS_LATER: &[&str] = &["grpc", "asyncapi", "mcp", "a2a"];

impl Reader<'_> {
    /// Reads `call` and `with` of the task at `pointer`.
    pub(super) fn call(&mut self, name: &Value, with: Option<&Value>, pointer: &str) -> Option<Action> {
        let at = member(pointer, "call");
        let Some(name) = name.as_str() else {
            self.wrong("type", &at, "`call` is not a text", "write `http`, or a function such as `act:1.0.0@default`");
            return None;
        };
        let empty = Value::Object(Map::new());
        let with_at = if with.is_some() { member(pointer, "with") } else { pointer.to_owned() };
        let with = with.unwrap_or(&empty);
        if name == "http" {
            return self.http(with, &with_at).map(|http| Action::Http(Box::new(http)));
        }
        if name == "openapi" {
            return self.openapi(with, &with_at);
        }
        if self.functions.contains_key(name) {
            return self.named_function(name, with, pointer);
        }
        let function = self.function(name, &at)?;
        self.function_call(function, with, &with_at).map(|call| Action::Call(Box::new(call)))
    }

    /// A function under `use.functions`: its task in a list of its own, with what it was called with as input.
    fn named_function(&mut self, name: &str, with: &Value, pointer: &str) -> Option<Action> {
        if self.expanding.iter().any(|other| other == name) {
            let fix = "write a loop, or a playbook that `run`s itself";
            self.wrong("recursion", &member(pointer, "call"), format!("function `{name}` calls itself"), fix);
            return None;
        }
        if self.tasks.len() > TASKS_MAX {
            let fix = "call functions from fewer places, or `run` a playbook";
            self.wrong("too-many-tasks", pointer, format!("the playbook grows beyond {TASKS_MAX} tasks"), fix);
            return None;
        }
        let task = self.functions.get(name)?.clone();
        let at = member("/use/functions", name);
        self.expanding.push(name.to_owned());
        // It knows no variable of the tasks around the call.
        let bound = std::mem::take(&mut self.bound);
        let inner = self.task(name, &task, &at, &[]);
        self.bound = bound;
        self.expanding.pop();
        let body = self.add_block(vec![inner?]);
        let with = self.inside(with, &member(pointer, "with"));
        Some(Action::Named(with, body))
    }

    /// `name:version@catalog`.
    fn function(&mut self, text: &str, pointer: &str) -> Option<Function> {
        if PROTOCOLS_LATER.contains(&text) {
            self.not_enabled(pointer, &format!("call `{text}`"), "use `http`, or a capability with `act`");
            return None;
        }
        if text.contains("://") {
            self.not_enabled(
                pointer,
                "a function at an address",
                "use one of the default catalog, `name:1.0.0@default`",
            );
            return None;
        }
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let (version, catalog) = rest.split_once('@').unwrap_or((rest, ""));
        if FUNCTIONS_LATER.contains(&name) {
            self.not_enabled(
                pointer,
                &format!("function `{name}`"),
                "use infer, recall, remember, act, approve or compensate",
            );
            return None;
        }
        let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        let Some((_, function)) = FUNCTIONS.iter().find(|(other, _)| *other == name) else {
            let fix = match nearest(name, &names) {
                Some(near) => format!("did you mean `{near}:{FUNCTION_VERSION}@default`?"),
                None => format!("there are: {}", names.join(", ")),
            };
            self.wrong("unknown-function", pointer, format!("there is no function `{name}`"), fix);
            return None;
        };
        if (version, catalog) != (FUNCTION_VERSION, "default") {
            let fix = format!("write `{name}:{FUNCTION_VERSION}@default`");
            self.wrong("function-version", pointer, format!("`{text}` names no version that we have"), fix);
            return None;
        }
        Some(*function)
    }

    fn function_call(&mut self, function: Function, with: &Value, pointer: &str) -> Option<Call> {
        for finding in function.check_source(with) {
            let fix = format!("see the functions: `{}` has a fixed form", function.name());
            self.wrong("function-with", &format!("{pointer}{}", finding.pointer), finding.message, fix);
        }
        let object = self.object(with, pointer, "with")?;
        self.named_things(function, object, pointer);
        let undo = if function == Function::Act { self.act(object, pointer) } else { None };
        let with = self.inside(with, pointer);
        Some(Call { function, with, undo })
    }

    /// Everything that is named in words, not by an expression, must be known.
    fn named_things(&mut self, function: Function, with: &Map<String, Value>, pointer: &str) {
        let known = self.known;
        match function {
            Function::Infer => {
                self.one_of(
                    with,
                    pointer,
                    "rules",
                    "decision table",
                    &known.rules.iter().map(String::as_str).collect::<Vec<_>>(),
                );
                self.one_of(
                    with,
                    pointer,
                    "template",
                    "template",
                    &known.templates.iter().map(String::as_str).collect::<Vec<_>>(),
                );
                if let Some(schema) = with.get("schema") {
                    self.json_schema(schema, &member(pointer, "schema"));
                }
                if !with.contains_key("rules") && !with.contains_key("template") {
                    let fix = "name `rules` or a `template` that can answer when no model can";
                    self.doubtful("no-rung", pointer, "only a model could answer this, and there may be none", fix);
                }
            }
            Function::Approve => {
                let roles: Vec<&str> = known.roles.iter().map(String::as_str).collect();
                if let Some(approvers) = with.get("approvers").and_then(Value::as_object) {
                    self.one_of(approvers, &member(pointer, "approvers"), "role", "role", &roles);
                }
                if let Some(proposal) = with.get("proposal").and_then(Value::as_object) {
                    self.capability(proposal, &member(pointer, "proposal"));
                }
                let expires = with.get("expires").filter(|v| v.as_str().is_none_or(|text| strip(text).is_none()));
                if let Some(Err(problem)) = expires.map(read_duration) {
                    self.wrong("duration", &member(pointer, "expires"), problem, "write `PT24H` or `{ hours: 24 }`");
                }
            }
            Function::Compensate => {
                let tries: Vec<String> = self.catching.clone();
                let tries: Vec<&str> = tries.iter().map(String::as_str).collect();
                if tries.is_empty() {
                    let fix = "move it into the `catch.do` of the try whose acts it undoes";
                    self.wrong("compensate-place", pointer, "`compensate` stands outside of any catch", fix);
                } else {
                    self.one_of(with, pointer, "scope", "try around this", &tries);
                }
            }
            Function::Act | Function::Recall | Function::Remember => {}
        }
    }

    fn one_of(&mut self, owner: &Map<String, Value>, pointer: &str, name: &str, what: &str, known: &[&str]) {
        let Some(text) = owner.get(name).and_then(Value::as_str) else { return };
        if strip(text).is_some() {
            let message = format!("`{name}` is an expression");
            self.wrong("literal", &member(pointer, name), message, "write the name out, so that it can be checked");
        } else if !known.contains(&text) {
            let fix = match nearest(text, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => format!("add the {what}; there is none yet"),
                None => format!("there are: {}", known.join(", ")),
            };
            self.wrong("unknown-name", &member(pointer, name), format!("there is no {what} `{text}`"), fix);
        }
    }

    /// The capability that is named here, where it is known.
    fn capability(&mut self, owner: &Map<String, Value>, pointer: &str) -> Option<CapabilityName> {
        let known = self.known;
        let names: Vec<&str> = known.capabilities.keys().map(CapabilityName::as_str).collect();
        self.one_of(owner, pointer, "capability", "capability", &names);
        let name: CapabilityName = owner.get("capability")?.as_str()?.parse().ok()?;
        known.capabilities.contains_key(&name).then_some(name)
    }

    /// An act is undone by what it says itself, else by what its manifest says; or it says that nothing can.
    fn act(&mut self, with: &Map<String, Value>, pointer: &str) -> Option<Undo> {
        let capability = self.capability(with, pointer)?;
        let known = self.known.capabilities.get(&capability)?;
        let irreversible = with.get("irreversible") == Some(&Value::Bool(true));
        if let Some(undo) = with.get("compensate") {
            let at = member(pointer, "compensate");
            if irreversible {
                let fix = "keep one of `compensate` and `irreversible`";
                self.wrong("effect", &at, "an act that can be undone is declared irreversible", fix);
            }
            return self.undo(undo, &at);
        }
        match &known.compensation {
            Some(_) if irreversible => None,
            Some(_) => self.undo_of_manifest(&capability, pointer),
            None if irreversible || known.class == Class::Pure => None,
            None => {
                let message = format!("nothing undoes `{capability}`, and the act does not say that nothing can");
                self.wrong(
                    "effect",
                    pointer,
                    message,
                    "add `irreversible: true`, or `compensate: { capability, argsFrom }`",
                );
                None
            }
        }
    }

    /// The undo that the manifest of a capability names.
    pub(super) fn undo_of_manifest(&mut self, capability: &CapabilityName, pointer: &str) -> Option<Undo> {
        let undo = self.known.capabilities.get(capability)?.compensation.clone()?;
        let args_from = self.expr(&Value::String(undo.args_from), pointer, Spot::Bare)?;
        Some(Undo { capability: undo.capability, args_from })
    }

    fn undo(&mut self, value: &Value, pointer: &str) -> Option<Undo> {
        let object = value.as_object()?;
        let capability = self.capability(object, pointer)?;
        let args_from = self.expr(object.get("argsFrom")?, &member(pointer, "argsFrom"), Spot::Bare)?;
        Some(Undo { capability, args_from })
    }
}
