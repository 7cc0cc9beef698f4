//! Reads calls: a look over HTTP, or one of our functions with what it may name.
//!
//! Does not know how a call is carried out. What is named must be known: capabilities, tables, templates, roles.

use serde_json::{Map, Value};
use sinew_contract::{CapabilityName, Class};

pub(crate) use crate::functions::Function;

use super::reader::{Spot, member, nearest};
use super::template::strip;
use super::{Action, Expr, Reader, Template, read_duration};
use crate::functions::{FUNCTION_VERSION, FUNCTIONS, FUNCTIONS_LATER};

/// A look over HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    /// The address; its `{places}` are filled from the input where it is written out.
    pub uri: Template,
    pub query: Option<Template>,
    pub headers: Option<Template>,
    pub output: HttpOutput,
}

/// What a look gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpOutput {
    /// The content.
    Content,
    /// `{statusCode, content}`.
    Response,
}

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

const PROTOCOLS_LATER: &[&str] = &["grpc", "openapi", "asyncapi", "mcp", "a2a"];

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
        let function = self.function(name, &at)?;
        self.function_call(function, with, &with_at).map(|call| Action::Call(Box::new(call)))
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

    fn http(&mut self, with: &Value, pointer: &str) -> Option<Http> {
        let with = self.object(with, pointer, "with")?;
        self.only(with, pointer, &["method", "endpoint", "query", "headers", "output", "body", "redirect"]);
        let method = self.required(with, pointer, "method")?.as_str().unwrap_or_default().to_ascii_lowercase();
        if method != "get" {
            let fix = "describe it as a capability in `capabilities/` and call `act:1.0.0@default`";
            self.wrong(
                "http-method",
                &member(pointer, "method"),
                format!("`call: http` only looks; `{method}` acts"),
                fix,
            );
        }
        for name in ["body", "redirect"].into_iter().filter(|name| with.contains_key(*name)) {
            self.not_enabled(&member(pointer, name), &format!("`{name}`"), "remove it");
        }
        let output = match with.get("output").and_then(Value::as_str) {
            None | Some("content") => HttpOutput::Content,
            Some("response") => HttpOutput::Response,
            Some(other) => {
                self.not_enabled(
                    &member(pointer, "output"),
                    &format!("output `{other}`"),
                    "use `content` or `response`",
                );
                HttpOutput::Content
            }
        };
        let uri = self.endpoint(with, pointer)?;
        let query = with.get("query").map(|v| self.inside(v, &member(pointer, "query")));
        let headers = with.get("headers").map(|v| self.inside(v, &member(pointer, "headers")));
        Some(Http { uri, query, headers, output })
    }

    fn endpoint(&mut self, with: &Map<String, Value>, pointer: &str) -> Option<Template> {
        let mut at = member(pointer, "endpoint");
        let mut endpoint = self.required(with, pointer, "endpoint")?;
        if let Some(object) = endpoint.as_object() {
            self.only(object, &at, &["uri", "authentication"]);
            if object.contains_key("authentication") {
                self.not_enabled(
                    &member(&at, "authentication"),
                    "authentication in a playbook",
                    "give the device its credentials",
                );
            }
            endpoint = self.required(object, &at, "uri")?;
            at = member(&at, "uri");
        }
        let text = endpoint.as_str().unwrap_or_default();
        let plain = strip(text).is_none();
        let fix = "write `https://host/path/{name}`, or an expression in `${ }`";
        if plain && !text.starts_with("http://") && !text.starts_with("https://") {
            self.wrong("endpoint", &at, format!("`{text}` is no http address"), fix);
            return None;
        }
        if plain && let Err(error) = sinew_expr::places(text) {
            self.wrong("endpoint", &at, error.to_string(), fix);
        }
        Some(self.inside(endpoint, &at))
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
            Some(undo) => {
                let args_from = Value::String(undo.args_from.clone());
                let args_from = self.expr(&args_from, pointer, Spot::Bare)?;
                Some(Undo { capability: undo.capability.clone(), args_from })
            }
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

    fn undo(&mut self, value: &Value, pointer: &str) -> Option<Undo> {
        let object = value.as_object()?;
        let capability = self.capability(object, pointer)?;
        let args_from = self.expr(object.get("argsFrom")?, &member(pointer, "argsFrom"), Spot::Bare)?;
        Some(Undo { capability, args_from })
    }
}
