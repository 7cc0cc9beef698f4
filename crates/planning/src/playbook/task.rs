//! Reads tasks: which action it is, its parts, and where it goes next.
//!
//! Does not know calls, events, loops or errors: those stand in files of their own. Each problem names one place, because a task is told by its key alone.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::reader::{Spot, member, nearest};
use super::{Action, BlockId, Case, ErrorText, Reader, Task, TaskId, Template, Then, read_duration};

/// Keys that any task may have.
const COMMON: &[&str] = &["if", "input", "output", "export", "timeout", "then", "metadata"];
/// The key that says what a task does, and what else may stand beside it.
const ACTIONS: &[(&str, &[&str])] = &[
    ("for", &["do", "while"]),
    ("fork", &[]),
    ("emit", &[]),
    ("listen", &["foreach"]),
    ("run", &[]),
    ("do", &[]),
    ("set", &[]),
    ("switch", &[]),
    ("try", &["catch"]),
    ("wait", &[]),
    ("raise", &[]),
    ("call", &["with"]),
];

impl Reader<'_> {
    /// Reads a list of tasks.
    pub fn block(&mut self, value: &Value, pointer: &str) -> Option<BlockId> {
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
            let fix = "write a list: `- name: { … }`";
            self.wrong("type", pointer, "a list of tasks is expected here, with at least one", fix);
            return None;
        };
        let names = self.names(items, pointer);
        let mut block = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let Some((name, task)) = item.as_object().and_then(|o| o.iter().next()) else { continue };
            let pointer = member(&format!("{pointer}/{at}"), name);
            block.extend(self.task(name, task, &pointer, &names));
        }
        Some(self.add_block(block))
    }

    /// The names in a list, each once.
    pub(super) fn names(&mut self, items: &[Value], pointer: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let pointer = format!("{pointer}/{at}");
            let single = item.as_object().filter(|object| object.len() == 1);
            let Some(name) = single.and_then(|object| object.keys().next()) else {
                let fix = "give each item of the list one name: `- name: { … }`";
                self.wrong("task-item", &pointer, "an item of a task list has exactly one name", fix);
                names.push(String::new());
                continue;
            };
            if names.contains(name) {
                let fix = "rename one of the two";
                self.wrong("unique-name", &member(&pointer, name), format!("task `{name}` stands here twice"), fix);
            }
            names.push(name.clone());
        }
        names
    }

    pub(super) fn task(&mut self, name: &str, value: &Value, pointer: &str, names: &[String]) -> Option<TaskId> {
        let task = self.object(value, pointer, "a task")?;
        let key = self.action_key(task, pointer)?;
        let condition = task.get("if").and_then(|v| self.expr(v, &member(pointer, "if"), Spot::Task));
        let input = self.shape(task, pointer, "input", Spot::TaskInput);
        let output = self.shape(task, pointer, "output", Spot::Task);
        let export = self.shape(task, pointer, "export", Spot::Export);
        let timeout = task.get("timeout").and_then(|v| self.timeout(v, &member(pointer, "timeout")));
        let then = self.then(task.get("then"), &member(pointer, "then"), names);
        let action = self.action(name, key, task, pointer, names)?;
        let (name, pointer) = (Arc::from(name), Arc::from(pointer));
        Some(self.add_task(Task { name, pointer, condition, input, output, export, timeout, then, action }))
    }

    /// `{ after: … }`, or the name of one under `use.timeouts`.
    pub(super) fn timeout(&mut self, value: &Value, pointer: &str) -> Option<Template> {
        let (value, pointer) = match value {
            Value::String(name) => match self.timeouts.get(name).cloned() {
                Some(timeout) => (timeout, member("/use/timeouts", name)),
                None => {
                    let message = format!("there is no timeout `{name}`");
                    self.wrong("reference", pointer, message, "add it under `use.timeouts`");
                    return None;
                }
            },
            other => (other.clone(), pointer.to_owned()),
        };
        let object = self.object(&value, &pointer, "timeout")?;
        self.only(object, &pointer, &["after"]);
        let after = self.required(object, &pointer, "after")?;
        self.span(after, &member(&pointer, "after"))
    }

    /// A duration, or an expression that gives one.
    fn span(&mut self, value: &Value, pointer: &str) -> Option<Template> {
        let is_expression = value.as_str().is_some_and(|text| super::template::strip(text).is_some());
        let inner = value.as_object().is_some_and(|parts| parts.values().any(Value::is_string));
        if !is_expression
            && !inner
            && let Err(problem) = read_duration(value)
        {
            self.wrong("duration", pointer, problem, "write `{ seconds: 5 }` or `PT5S`");
            return None;
        }
        Some(self.template(value, pointer, Spot::Task))
    }

    /// The one key that says what the task does.
    fn action_key(&mut self, task: &Map<String, Value>, pointer: &str) -> Option<&'static str> {
        let mut found: Vec<_> = ACTIONS.iter().filter(|(key, _)| task.contains_key(*key)).collect();
        if let [(_, beside), rest @ ..] = found.as_slice()
            && rest.iter().all(|(key, _)| beside.contains(key))
        {
            found.truncate(1);
        }
        match found.as_slice() {
            [(key, beside)] => {
                let allowed: Vec<&str> = COMMON.iter().chain(beside.iter()).chain([key]).copied().collect();
                self.only(task, pointer, &allowed);
                Some(*key)
            }
            [] => {
                let names: Vec<&str> = ACTIONS.iter().map(|(key, _)| *key).collect();
                let near = task.keys().find_map(|key| Some((key, nearest(key, &names)?)));
                match near {
                    Some((key, near)) => {
                        let message = format!("`{key}` is no task");
                        self.wrong("task-kind", &member(pointer, key), message, format!("did you mean `{near}`?"));
                    }
                    None => {
                        let fix = format!("add one of {}", names.join(", "));
                        self.wrong("task-kind", pointer, "the task says nothing to do", fix);
                    }
                }
                None
            }
            [(first, _), (second, _), ..] => {
                let message = format!("`{first}` and `{second}` stand in one task");
                self.wrong("task-kind", &member(pointer, second), message, "make two tasks of it");
                None
            }
        }
    }

    fn action(
        &mut self,
        name: &str,
        key: &str,
        task: &Map<String, Value>,
        pointer: &str,
        names: &[String],
    ) -> Option<Action> {
        let at = member(pointer, key);
        let value = task.get(key)?;
        match key {
            "do" => self.block(value, &at).map(Action::Do),
            "set" => self.set(value, &at),
            "switch" => self.switch(value, &at, names),
            "try" => self.try_task(name, task, pointer, names),
            "for" => self.for_each(task, pointer),
            "fork" => self.fork(value, &at),
            "emit" => self.emit(value, &at),
            "listen" => self.listen(task, pointer),
            "run" => self.run_task(value, &at),
            "wait" => self.wait(value, &at),
            "raise" => self.raise(value, &at),
            _ => self.call(value, task.get("with"), pointer),
        }
    }

    fn set(&mut self, value: &Value, pointer: &str) -> Option<Action> {
        if !value.is_string() && value.as_object().is_none_or(Map::is_empty) {
            let fix = "write `set: { name: value }` or `set: ${ … }`";
            self.wrong("type", pointer, "`set` needs a mapping or an expression", fix);
            return None;
        }
        Some(Action::Set(self.template(value, pointer, Spot::Task)))
    }

    fn switch(&mut self, value: &Value, pointer: &str, names: &[String]) -> Option<Action> {
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
            self.wrong("type", pointer, "`switch` needs a list of cases", "write `- name: { when: …, then: … }`");
            return None;
        };
        self.names(items, pointer);
        let cases = items.iter().enumerate().filter_map(|(at, item)| {
            let (name, case) = item.as_object()?.iter().next()?;
            self.case(name, case, &member(&format!("{pointer}/{at}"), name), names)
        });
        Some(Action::Switch(cases.collect()))
    }

    fn case(&mut self, name: &str, value: &Value, pointer: &str, names: &[String]) -> Option<Case> {
        let case = self.object(value, pointer, "a case")?;
        self.only(case, pointer, &["when", "then"]);
        self.required(case, pointer, "then")?;
        let when = match case.get("when") {
            Some(value) => Some(self.expr(value, &member(pointer, "when"), Spot::Task)?),
            None => None,
        };
        let then = self.then(case.get("then"), &member(pointer, "then"), names);
        Some(Case { name: name.to_owned(), when, then })
    }

    /// A flow directive; names of the same list only.
    pub(super) fn then(&mut self, value: Option<&Value>, pointer: &str, names: &[String]) -> Then {
        let text = match value {
            None => return Then::Continue,
            Some(Value::String(text)) => text.as_str(),
            Some(_) => {
                self.wrong("type", pointer, "`then` is not a text", "write continue, exit, end or the name of a task");
                return Then::Continue;
            }
        };
        match text {
            "continue" => Then::Continue,
            "exit" => Then::Exit,
            "end" => Then::End,
            name => names.iter().position(|other| other == name).map_or_else(
                || {
                    let known: Vec<&str> = names.iter().map(String::as_str).collect();
                    let fix = match nearest(name, &known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("name one of {}, or continue, exit, end", known.join(", ")),
                    };
                    self.wrong("then-target", pointer, format!("there is no task `{name}` in this list"), fix);
                    Then::Continue
                },
                Then::To,
            ),
        }
    }

    fn wait(&mut self, value: &Value, pointer: &str) -> Option<Action> {
        self.span(value, pointer).map(Action::Wait)
    }

    fn raise(&mut self, value: &Value, pointer: &str) -> Option<Action> {
        let raise = self.object(value, pointer, "raise")?;
        self.only(raise, pointer, &["error"]);
        let error = self.required(raise, pointer, "error")?;
        let at = member(pointer, "error");
        let named = match error {
            Value::String(name) => Some(name.as_str()),
            _ => None,
        };
        let (error, at) = match named {
            None => (error.clone(), at),
            Some(name) => match self.errors.get(name).cloned() {
                Some(error) => (error, member("/use/errors", name)),
                None => {
                    self.wrong("reference", &at, format!("there is no error `{name}`"), "add it under `use.errors`");
                    return None;
                }
            },
        };
        let object = self.object(&error, &at, "an error")?;
        self.only(object, &at, &["type", "status", "title", "detail", "instance"]);
        self.required(object, &at, "type")?;
        self.required(object, &at, "status")?;
        Some(Action::Raise(Box::new(ErrorText { error: self.template(&error, &at, Spot::Task) })))
    }

    /// A template inside a call.
    pub(super) fn inside(&mut self, value: &Value, pointer: &str) -> Template {
        self.template(value, pointer, Spot::Task)
    }
}
