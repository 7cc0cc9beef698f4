//! The functions that a playbook may call beyond the standard, each with a JSON Schema of its `with`.
//!
//! Does not know how they are carried out. The door is the standard's own: `call: name:1.0.0@default`.

use std::sync::OnceLock;

use serde_json::{Value, json};
use sinew_expr::{Schema, SchemaFinding};

/// What is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// A question becomes a checked answer.
    Infer,
    /// What do we know that bears on this.
    Recall,
    /// Keep this.
    Remember,
    /// Do this to the world.
    Act,
    /// Ask a person.
    Approve,
    /// Undo what a try did.
    Compensate,
}

/// All that are built.
pub(crate) const FUNCTIONS: &[(&str, Function)] = &[
    ("infer", Function::Infer),
    ("recall", Function::Recall),
    ("remember", Function::Remember),
    ("act", Function::Act),
    ("approve", Function::Approve),
    ("compensate", Function::Compensate),
];
/// What has a name and is not built yet.
pub(crate) const FUNCTIONS_LATER: &[&str] = &["perceive", "delegate", "plan", "enact"];
/// The version that all of them have.
pub(crate) const FUNCTION_VERSION: &str = "1.0.0";

impl Function {
    /// Its name in a playbook.
    pub fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }

    /// The function of a name.
    pub fn of(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(own, _)| *own == name).map(|(_, function)| *function)
    }

    /// Checks an evaluated `with`.
    pub fn check(self, with: &Value) -> Result<(), Vec<SchemaFinding>> {
        self.schema().check(with)
    }

    /// Checks a `with` as it is written: an expression may stand for any value.
    pub fn check_source(self, with: &Value) -> Vec<SchemaFinding> {
        let findings = self.check(with).err().unwrap_or_default();
        findings.into_iter().filter(|finding| !is_expression(with.pointer(&finding.pointer))).collect()
    }

    fn schema(self) -> &'static Schema {
        static SCHEMAS: OnceLock<Vec<(Function, Schema)>> = OnceLock::new();
        let compile = |(_, function): &(&str, Self)| {
            let schema = Schema::compile(&function.document()).expect("invariant: our own schemas compile, tested");
            (*function, schema)
        };
        let schemas = SCHEMAS.get_or_init(|| FUNCTIONS.iter().map(compile).collect());
        let found = schemas.iter().find(|(function, _)| *function == self);
        &found.expect("invariant: every function stands in the list").1
    }

    /// The JSON Schema (2020-12) of its `with`.
    pub fn document(self) -> Value {
        let (required, properties) = match self {
            Self::Infer => infer(),
            Self::Recall => recall(),
            Self::Remember => remember(),
            Self::Act => act(),
            Self::Approve => approve(),
            Self::Compensate => compensate(),
        };
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    }
}

fn is_expression(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| text.trim().starts_with("${"))
}

fn infer() -> (Value, Value) {
    let model = json!({ "type": "object", "additionalProperties": false, "properties": {
        "role": { "enum": ["judge", "writer", "extract", "plan", "embed", "transcribe", "see"] },
        "id": { "type": "string" } } });
    let budget = json!({ "type": "object", "additionalProperties": false, "properties": {
        "calls": { "type": "integer", "minimum": 1 }, "tokens": { "type": "integer", "minimum": 1 }, "money": { "type": "integer" }, "duration": { "type": "string" } } });
    let properties = json!({
        "instruction": { "type": "string", "minLength": 1 },
        "schema": { "type": "object" },
        "inputs": {},
        "model": model,
        "budget": budget,
        "rules": { "type": "string" },
        "template": { "type": "string" },
        "onInvalid": { "enum": ["fault"] },
        "checks": { "type": "object" },
        "conversation": { "type": "object" },
        "critical": { "type": "boolean" },
    });
    (json!(["instruction", "schema"]), properties)
}

fn recall() -> (Value, Value) {
    let text = json!({ "type": ["string", "null"] });
    let query = json!({ "type": "object", "additionalProperties": false, "minProperties": 1,
        "properties": { "subject": text, "about": text } });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000 });
    (
        json!(["store", "query"]),
        json!({ "store": { "type": "string", "minLength": 1 }, "query": query, "limit": limit }),
    )
}

fn remember() -> (Value, Value) {
    let text = json!({ "type": "string", "minLength": 1 });
    let properties = json!({
        "kind": { "enum": ["fact", "document", "procedure", "preference", "episode"] },
        "subject": text,
        "content": {},
        "sources": { "type": "array", "minItems": 1, "items": text },
        "idempotencyKey": text,
        "confidence": { "type": "number", "minimum": 0, "maximum": 1 },
    });
    (json!(["kind", "subject", "content", "sources", "idempotencyKey"]), properties)
}

fn act() -> (Value, Value) {
    let undo = json!({ "type": "object", "additionalProperties": false, "required": ["capability", "argsFrom"],
        "properties": { "capability": { "type": "string" }, "argsFrom": { "type": "string" } } });
    let properties = json!({
        "capability": { "type": "string" },
        "args": { "type": "object" },
        "idempotencyKey": { "type": "string", "minLength": 1, "maxLength": 512 },
        "compensate": undo,
        "irreversible": { "const": true },
        "approval": { "type": ["string", "null"], "pattern": "^g[0-9]+$" },
    });
    (json!(["capability", "args", "idempotencyKey"]), properties)
}

fn approve() -> (Value, Value) {
    let proposal = json!({ "type": "object", "additionalProperties": false, "required": ["capability", "args"],
        "properties": { "capability": { "type": "string" }, "args": { "type": "object" } } });
    let approvers = json!({ "type": "object", "additionalProperties": false, "required": ["role"], "properties": {
        "role": { "type": "string", "minLength": 1 },
        "quorum": { "type": "integer", "minimum": 1, "maximum": 9 },
        "notBy": { "type": "array", "items": { "type": "string" } } } });
    let properties = json!({
        "question": { "type": "string", "minLength": 1 },
        "proposal": proposal,
        "options": { "type": "array", "items": { "enum": ["approve", "reject"] } },
        "approvers": approvers,
        "expires": { "type": ["string", "object"] },
        "onExpiry": { "const": "reject" },
        "evidence": {},
        "why": { "type": "array", "items": { "type": "string" } },
    });
    (json!(["question", "approvers", "expires", "onExpiry"]), properties)
}

fn compensate() -> (Value, Value) {
    let properties = json!({
        "scope": { "type": "string", "minLength": 1 },
        "order": { "const": "reverse" },
        "onStuck": { "enum": ["fault", "page-operator", "continue"] },
    });
    (json!(["scope"]), properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_compiles_and_refuses_what_is_not_in_it() {
        for (name, function) in FUNCTIONS {
            assert_eq!(function.name(), *name);
            assert!(function.check(&json!({ "bananas": 1 })).is_err(), "{name}");
        }
    }

    #[test]
    fn an_expression_may_stand_for_any_value_but_not_for_a_name() {
        let cases = [
            (json!({ "capability": "a.b", "args": "${ .x }", "idempotencyKey": "${ .k }" }), 0),
            (json!({ "capability": "a.b", "args": [], "idempotencyKey": "k" }), 1),
            (json!({ "capability": "a.b", "args": {}, "idempotencyKey": 7 }), 1),
            (json!({ "capability": "a.b", "args": {}, "idempotencyKey": "k", "mode": "shadow" }), 1),
            (json!({ "capability": "a.b", "args": {} }), 1),
        ];
        for (with, problems) in cases {
            assert_eq!(Function::Act.check_source(&with).len(), problems, "{with}");
        }
    }
}
