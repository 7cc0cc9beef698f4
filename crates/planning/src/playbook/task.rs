//! Reads tasks: which action it is, its parts, and where it goes next.
//!
//! Does not know calls: those stand in `call`. Each problem names one place, because a task is told by its key alone.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::document::timeout;
use super::reader::{Spot, member, nearest};
use super::{
    Action, Backoff, BlockId, Case, Catch, ErrorFilter, ErrorText, Reader, Retry, Task, TaskId, Template, Then,
    read_duration,
};

/// Keys that any task may have.
const COMMON: &[&str] = &["if", "input", "output", "export", "timeout", "then", "metadata"];
/// The key that says what a task does, and what else may stand beside it.
const ACTIONS: &[(&str, &[&str])] = &[
    ("do", &[]),
    ("set", &[]),
    ("switch", &[]),
    ("try", &["catch"]),
    ("wait", &[]),
    ("raise", &[]),
    ("call", &["with"]),
];
/// What the language has and we do not yet.
const LATER: &[&str] = &["for", "fork", "emit", "listen", "run"];

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
    fn names(&mut self, items: &[Value], pointer: &str) -> Vec<String> {
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

    fn task(&mut self, name: &str, value: &Value, pointer: &str, names: &[String]) -> Option<TaskId> {
        let task = self.object(value, pointer, "a task")?;
        let key = self.action_key(task, pointer)?;
        let condition = task.get("if").and_then(|v| self.expr(v, &member(pointer, "if"), Spot::Task));
        let input = self.shape(task, pointer, "input", Spot::TaskInput);
        let output = self.shape(task, pointer, "output", Spot::Task);
        let export = self.shape(task, pointer, "export", Spot::Export);
        if let Some(value) = task.get("timeout") {
            self.task_timeout(value, &member(pointer, "timeout"));
        }
        let then = self.then(task.get("then"), &member(pointer, "then"), names);
        let action = self.action(name, key, task, pointer, names)?;
        let (name, pointer) = (Arc::from(name), Arc::from(pointer));
        Some(self.add_task(Task { name, pointer, condition, input, output, export, then, action }))
    }

    fn task_timeout(&mut self, value: &Value, pointer: &str) {
        timeout(value, pointer, self);
        self.not_enabled(
            pointer,
            "a timeout of one task",
            "set `timeout` of the whole playbook, or `expires` of an approval",
        );
    }

    /// The one key that says what the task does.
    fn action_key(&mut self, task: &Map<String, Value>, pointer: &str) -> Option<&'static str> {
        if let Some(later) = LATER.iter().find(|name| task.contains_key(**name)) {
            self.not_enabled(
                &member(pointer, later),
                &format!("task `{later}`"),
                "use do, set, switch, try, wait, raise or call",
            );
            return None;
        }
        let found: Vec<_> = ACTIONS.iter().filter(|(key, _)| task.contains_key(*key)).collect();
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
            "try" => self.try_task(name, task, pointer),
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
    fn then(&mut self, value: Option<&Value>, pointer: &str, names: &[String]) -> Then {
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
        let is_expression = value.as_str().is_some_and(|text| super::template::strip(text).is_some());
        if !is_expression && let Err(problem) = read_duration(value) {
            self.wrong("duration", pointer, problem, "write `{ seconds: 5 }` or `PT5S`");
            return None;
        }
        Some(Action::Wait(self.template(value, pointer, Spot::Task)))
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

    fn try_task(&mut self, name: &str, task: &Map<String, Value>, pointer: &str) -> Option<Action> {
        let body = self.block(task.get("try")?, &member(pointer, "try"));
        let at = member(pointer, "catch");
        let catch = self.required(task, pointer, "catch")?;
        let catch = self.object(catch, &at, "catch")?;
        self.only(catch, &at, &["errors", "as", "when", "exceptWhen", "retry", "do", "then"]);
        if catch.contains_key("then") {
            self.not_enabled(&member(&at, "then"), "`catch.then`", "use `then` of the try itself");
        }
        let variable = self.text(catch, &at, "as").unwrap_or("error").trim_start_matches('$').to_owned();
        let filter = catch.get("errors").map(|v| self.error_filter(v, &member(&at, "errors"))).unwrap_or_default();
        self.caught.push(variable.clone());
        let when = self.condition(catch, &at, "when");
        let except_when = self.condition(catch, &at, "exceptWhen");
        let retry = catch.get("retry").and_then(|v| self.retry(v, &member(&at, "retry")));
        self.catching.push(name.to_owned());
        let handler = catch.get("do").and_then(|v| self.block(v, &member(&at, "do")));
        self.catching.pop();
        self.caught.pop();
        let catch = Catch { filter, name: variable, when, except_when, retry, handler };
        Some(Action::Try(body?, Box::new(catch)))
    }

    fn condition(&mut self, owner: &Map<String, Value>, pointer: &str, name: &str) -> Option<super::Expr> {
        owner.get(name).and_then(|value| self.expr(value, &member(pointer, name), Spot::Task))
    }

    fn error_filter(&mut self, value: &Value, pointer: &str) -> ErrorFilter {
        let Some(errors) = self.object(value, pointer, "errors") else { return ErrorFilter::default() };
        self.only(errors, pointer, &["with"]);
        let at = member(pointer, "with");
        let Some(with) = errors.get("with").and_then(|v| self.object(v, &at, "with")) else {
            return ErrorFilter::default();
        };
        self.only(with, &at, &["type", "status", "instance", "title", "details"]);
        let status = with.get("status").and_then(|v| {
            let status = v.as_u64().and_then(|n| u16::try_from(n).ok());
            if status.is_none() {
                self.wrong("type", &member(&at, "status"), "`status` is no HTTP status", "write a number such as 503");
            }
            status
        });
        let mut text = |name| self.text(with, &at, name).map(str::to_owned);
        ErrorFilter {
            error_type: text("type"),
            instance: text("instance"),
            title: text("title"),
            details: text("details"),
            status,
        }
    }

    /// A retry policy, inline or by name.
    fn retry(&mut self, value: &Value, pointer: &str) -> Option<Retry> {
        let (value, pointer) = match value {
            Value::String(name) => match self.retries.get(name).cloned() {
                Some(policy) => (policy, member("/use/retries", name)),
                None => {
                    self.wrong(
                        "reference",
                        pointer,
                        format!("there is no retry policy `{name}`"),
                        "add it under `use.retries`",
                    );
                    return None;
                }
            },
            other => (other.clone(), pointer.to_owned()),
        };
        let policy = self.object(&value, &pointer, "retry")?;
        self.only(policy, &pointer, &["delay", "backoff", "limit", "when", "exceptWhen", "jitter"]);
        if policy.contains_key("jitter") {
            self.not_enabled(&member(&pointer, "jitter"), "`jitter`", "remove it");
        }
        let delay = self.duration(policy, &pointer, "delay").unwrap_or_default();
        let backoff = policy.get("backoff").and_then(|v| self.backoff(v, &member(&pointer, "backoff")));
        let when = self.condition(policy, &pointer, "when");
        let except_when = self.condition(policy, &pointer, "exceptWhen");
        let (count, within) = self.limit(policy, &pointer);
        Some(Retry { delay, backoff: backoff.unwrap_or(Backoff::Constant), when, except_when, count, within })
    }

    fn backoff(&mut self, value: &Value, pointer: &str) -> Option<Backoff> {
        let object = self.object(value, pointer, "backoff")?;
        self.only(object, pointer, &["constant", "linear", "exponential"]);
        match object.keys().next().map(String::as_str) {
            Some("linear") => Some(Backoff::Linear),
            Some("exponential") => Some(Backoff::Exponential),
            _ => Some(Backoff::Constant),
        }
    }

    /// The most tries and the longest time; one of them must be there, so that no retry is for ever.
    fn limit(&mut self, policy: &Map<String, Value>, pointer: &str) -> (Option<u32>, Option<jiff::SignedDuration>) {
        let at = member(pointer, "limit");
        let limit = policy.get("limit").and_then(|v| self.object(v, &at, "limit"));
        let (mut count, mut within) = (None, None);
        if let Some(limit) = limit {
            self.only(limit, &at, &["attempt", "duration"]);
            within = self.duration(limit, &at, "duration");
            let attempt = limit.get("attempt").and_then(|v| self.object(v, &member(&at, "attempt"), "attempt"));
            if let Some(attempt) = attempt {
                self.only(attempt, &member(&at, "attempt"), &["count"]);
                count = attempt.get("count").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
            }
        }
        if count.is_none() && within.is_none() {
            let fix = "add `limit: { attempt: { count: 5 } }` or `limit: { duration: PT5M }`";
            self.wrong("unbounded", pointer, "a retry without a limit never ends", fix);
        }
        (count, within)
    }

    fn duration(&mut self, owner: &Map<String, Value>, pointer: &str, name: &str) -> Option<jiff::SignedDuration> {
        let value = owner.get(name)?;
        let wrong = |problem: String| {
            self.wrong("duration", &member(pointer, name), problem, "write `{ seconds: 2 }` or `PT2S`");
        };
        read_duration(value).map_err(wrong).ok()
    }

    /// A template inside a call.
    pub(super) fn inside(&mut self, value: &Value, pointer: &str) -> Template {
        self.template(value, pointer, Spot::Task)
    }
}
