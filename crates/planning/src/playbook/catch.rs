//! Reads `try`: what is caught, how it is tried again, what is done about it.
//!
//! Does not know runs or errors at run time.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::reader::{Spot, member};
use super::{Action, Backoff, Catch, ErrorFilter, Expr, Jitter, Reader, Retry, read_duration};

const CATCH: &[&str] = &["errors", "as", "when", "exceptWhen", "retry", "do", "then"];

impl Reader<'_> {
    pub(super) fn try_task(
        &mut self,
        name: &str,
        task: &Map<String, Value>,
        pointer: &str,
        names: &[String],
    ) -> Option<Action> {
        let body = self.block(task.get("try")?, &member(pointer, "try"));
        let at = member(pointer, "catch");
        let catch = self.required(task, pointer, "catch")?;
        let catch = self.object(catch, &at, "catch")?;
        self.only(catch, &at, CATCH);
        let variable = self.variable(catch, &at, "as", "error");
        let filter = catch.get("errors").map(|v| self.error_filter(v, &member(&at, "errors"))).unwrap_or_default();
        self.bound.push(variable.clone());
        let when = self.condition(catch, &at, "when");
        let except_when = self.condition(catch, &at, "exceptWhen");
        let retry = catch.get("retry").and_then(|v| self.retry(v, &member(&at, "retry")));
        self.catching.push(name.to_owned());
        let handler = catch.get("do").and_then(|v| self.block(v, &member(&at, "do")));
        self.catching.pop();
        self.bound.pop();
        let then = catch.contains_key("then").then(|| self.then(catch.get("then"), &member(&at, "then"), names));
        let catch = Catch { filter, name: variable, when, except_when, retry, handler, then };
        Some(Action::Try(body?, Box::new(catch)))
    }

    fn condition(&mut self, owner: &Map<String, Value>, pointer: &str, name: &str) -> Option<Expr> {
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
                    let message = format!("there is no retry policy `{name}`");
                    self.wrong("reference", pointer, message, "add it under `use.retries`");
                    return None;
                }
            },
            other => (other.clone(), pointer.to_owned()),
        };
        let policy = self.object(&value, &pointer, "retry")?;
        self.only(policy, &pointer, &["delay", "backoff", "limit", "when", "exceptWhen", "jitter"]);
        let delay = self.duration(policy, &pointer, "delay").unwrap_or_default();
        let backoff = policy.get("backoff").and_then(|v| self.backoff(v, &member(&pointer, "backoff")));
        let backoff = backoff.unwrap_or(Backoff::Constant);
        let when = self.condition(policy, &pointer, "when");
        let except_when = self.condition(policy, &pointer, "exceptWhen");
        let jitter = policy.get("jitter").and_then(|v| self.jitter(v, &member(&pointer, "jitter")));
        let (count, within) = self.limit(policy, &pointer);
        Some(Retry { delay, backoff, when, except_when, count, within, jitter })
    }

    fn jitter(&mut self, value: &Value, pointer: &str) -> Option<Jitter> {
        let object = self.object(value, pointer, "jitter")?;
        self.only(object, pointer, &["from", "to"]);
        self.required(object, pointer, "to")?;
        let from = self.duration(object, pointer, "from").unwrap_or_default();
        let to = self.duration(object, pointer, "to")?;
        if to < from {
            self.wrong("duration", pointer, "`to` is less than `from`", "write the lesser duration as `from`");
            return None;
        }
        Some(Jitter { from, to })
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
    fn limit(&mut self, policy: &Map<String, Value>, pointer: &str) -> (Option<u32>, Option<SignedDuration>) {
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

    fn duration(&mut self, owner: &Map<String, Value>, pointer: &str, name: &str) -> Option<SignedDuration> {
        let value = owner.get(name)?;
        let wrong = |problem: String| {
            self.wrong("duration", &member(pointer, name), problem, "write `{ seconds: 2 }` or `PT2S`");
        };
        read_duration(value).map_err(wrong).ok()
    }
}
