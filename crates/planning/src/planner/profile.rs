//! What a plan of a model may be made of: fewer kinds of task, fewer functions, tamer expressions than people have.
//!
//! A member that is not on the list is refused, so that what the language learns later is not open to models by itself.
//! Does not know models.

use serde_json::{Map, Value};
use sinew_expr::json::pointer_step;
use sinew_expr::{ExprError, Profile, Program};

use super::Allow;
use crate::functions::FUNCTION_VERSION;
use crate::{Finding, Severity};

/// Members that a task of a plan may have.
const MEMBERS: &[&str] = &[
    "call", "catch", "do", "export", "if", "input", "metadata", "output", "raise", "set", "switch", "then", "timeout",
    "try", "with",
];
/// Variables that expressions may name.
const VARIABLES: &[&str] = &["$context", "$error", "$input", "$output", "$task", "$workflow"];
/// A text of a plan longer than this is not read.
const TEXT_LEN_MAX: usize = 8 * 1024;

/// Everything in a plan that the profile forbids.
pub(super) fn findings(tasks: &Value, allow: &Allow) -> Vec<Finding> {
    let mut look = Look { allow, tasks: 0, found: Vec::new() };
    look.list(tasks, "/do", 1);
    if look.tasks > allow.tasks_max {
        let message = format!("the plan has {} tasks", look.tasks);
        look.wrong("plan-size", "/do", message, format!("use at most {}", allow.tasks_max));
    }
    look.found
}

struct Look<'a> {
    allow: &'a Allow,
    tasks: usize,
    found: Vec<Finding>,
}

impl Look<'_> {
    fn wrong(&mut self, rule: &'static str, pointer: &str, message: String, fix: String) {
        let pointer = pointer.to_owned();
        self.found.push(Finding { rule, pointer, line: 1, column: 1, message, fix, severity: Severity::Error });
    }

    fn list(&mut self, list: &Value, pointer: &str, depth: usize) {
        if depth > self.allow.depth_max {
            let fix = format!("use at most {} lists in lists", self.allow.depth_max);
            self.wrong("plan-depth", pointer, "the plan is nested too deeply".to_owned(), fix);
            return;
        }
        for (at, item) in list.as_array().into_iter().flatten().enumerate() {
            for (name, task) in item.as_object().into_iter().flatten() {
                self.tasks += 1;
                let pointer = format!("{pointer}/{at}/{}", pointer_step(name).trim_start_matches('/'));
                let Some(task) = task.as_object() else {
                    let message = format!("`{name}` is no task");
                    self.wrong("plan-task", &pointer, message, "write an object".to_owned());
                    continue;
                };
                self.task(task, &pointer, depth);
            }
        }
    }

    fn task(&mut self, task: &Map<String, Value>, pointer: &str, depth: usize) {
        for (member, value) in task {
            let place = format!("{pointer}/{member}");
            match member.as_str() {
                "do" | "try" => self.list(value, &place, depth + 1),
                "catch" => self.catch(value, &place, depth),
                "call" => self.call(task, value, &place),
                own if MEMBERS.contains(&own) => {}
                other => {
                    let fix = format!("a plan may use {}", MEMBERS.join(", "));
                    self.wrong("plan-task", &place, format!("`{other}` is not open to plans"), fix);
                    continue;
                }
            }
            if !matches!(member.as_str(), "do" | "try") {
                self.texts(value, &place);
            }
        }
    }

    fn catch(&mut self, catch: &Value, pointer: &str, depth: usize) {
        if let Some(list) = catch.get("do") {
            self.list(list, &format!("{pointer}/do"), depth + 1);
        }
    }

    fn call(&mut self, task: &Map<String, Value>, call: &Value, pointer: &str) {
        let name = call.as_str().unwrap_or_default();
        let function = name.strip_suffix(&format!(":{FUNCTION_VERSION}@default")).unwrap_or(name);
        if function == name || !self.allow.functions.contains(function) {
            let all: Vec<_> = self.allow.functions.iter().map(|f| format!("{f}:{FUNCTION_VERSION}@default")).collect();
            let fix = format!("call one of: {}", all.join(", "));
            self.wrong("plan-call", pointer, format!("a plan may not call `{name}`"), fix);
        }
        for place in ["capability", "compensate/capability", "proposal/capability"] {
            let Some(named) = task.get("with").and_then(|with| with.pointer(&format!("/{place}"))) else { continue };
            let allowed = named.as_str().is_some_and(|n| self.allow.capabilities.iter().any(|own| own.as_str() == n));
            if !allowed {
                let all: Vec<_> = self.allow.capabilities.iter().map(ToString::to_string).collect();
                let fix = format!("name one of these, as it is: {}", all.join(", "));
                self.wrong("plan-capability", pointer, format!("a plan may not ask for {named}"), fix);
            }
        }
    }

    /// Every expression compiles in the profile of models.
    fn texts(&mut self, value: &Value, pointer: &str) {
        match value {
            Value::String(text) => self.text(text, pointer),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| self.texts(item, &format!("{pointer}/{at}")));
            }
            Value::Object(map) => map.iter().for_each(|(name, value)| self.texts(value, &format!("{pointer}/{name}"))),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &str, pointer: &str) {
        if text.len() > TEXT_LEN_MAX {
            self.wrong("plan-size", pointer, "a text of the plan is too long".to_owned(), "write less".to_owned());
            return;
        }
        if let Some(Err(error)) = expression(text) {
            let fix = "use plain jq: paths, comparisons, map, select, length".to_owned();
            self.wrong("plan-expression", pointer, error.to_string(), fix);
        }
    }
}

/// The expression in a text, compiled, where the text is one.
fn expression(text: &str) -> Option<Result<Program, ExprError>> {
    let source = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    Some(Program::compile(source, VARIABLES, Profile::Model))
}
