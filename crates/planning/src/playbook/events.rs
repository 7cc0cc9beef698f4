//! Reads tasks about events: which are listened to, what is told of them, what is emitted.
//!
//! Does not know when an event comes. An event is CloudEvents JSON; what it says is compared, member by member inside `data`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::reader::{Spot, member};
use super::{Action, BlockId, Expr, Reader, Shape, Template, Vars};

/// Which events pass: those whose attributes are as wanted, and that belong together.
#[derive(Debug)]
pub(crate) struct EventFilter {
    pub with: Vec<(String, Wanted)>,
    pub correlate: Vec<Correlate>,
}

/// What an attribute must be.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// Equal; for a mapping, in the members that are named.
    Is(Value),
    /// The expression over the attribute is true, or equal to it.
    Holds(Expr),
}

/// A value that events must share.
#[derive(Debug)]
pub(crate) struct Correlate {
    pub name: String,
    /// Where the value stands in the event.
    pub from: Expr,
    /// What it must be; none is what the first event said.
    pub expect: Option<Template>,
}

impl EventFilter {
    /// Says whether the attributes of an event are as wanted. An expression that fails on an event lets it go by.
    pub fn matches(&self, event: &Value, vars: &impl Vars) -> bool {
        self.with.iter().all(|(name, wanted)| {
            let found = event.get(name).unwrap_or(&Value::Null);
            match wanted {
                Wanted::Is(value) => contains(found, value),
                Wanted::Holds(expr) => match expr.eval(&Arc::new(found.clone()), vars).map(Arc::unwrap_or_clone) {
                    Ok(Value::Bool(holds)) => holds,
                    Ok(value) => contains(found, &value),
                    Err(_) => false,
                },
            }
        })
    }
}

/// Objects are compared by the members that are wanted, everything else whole.
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| found.get(name).is_some_and(|f| contains(f, value)))
        }
        _ => found == wanted,
    }
}

/// Which events are consumed, and until when.
#[derive(Debug)]
pub(crate) struct Consume {
    pub mode: Mode,
    pub filters: Vec<EventFilter>,
    pub until: Option<Until>,
}

/// How many of the filters must have had their event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The only one.
    One,
    /// Any; without filters, every event passes.
    Any,
    /// Each.
    All,
}

/// When a listener for any event has heard enough.
#[derive(Debug)]
pub(crate) enum Until {
    /// When this holds of all that were consumed, looked at after each.
    Holds(Expr),
    /// When these have come.
    Heard(Box<Consume>),
}

/// What is told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadAs {
    /// Its data.
    Data,
    /// All of it.
    Envelope,
}

impl ReadAs {
    /// The event as it is told.
    pub fn tell(self, event: &Value) -> Value {
        match self {
            Self::Data => event.get("data").cloned().unwrap_or(Value::Null),
            Self::Envelope => event.clone(),
        }
    }
}

/// A wait for events.
#[derive(Debug)]
pub(crate) struct Listen {
    pub to: Consume,
    pub read: ReadAs,
    pub each: Option<Each>,
}

/// What is done about each event.
#[derive(Debug)]
pub(crate) struct Each {
    /// The variable that holds it.
    pub item: String,
    /// The variable that holds its place, from 0.
    pub at: String,
    pub body: Option<BlockId>,
    pub output: Shape,
    pub export: Shape,
}

impl Reader<'_> {
    pub(super) fn emit(&mut self, value: &Value, pointer: &str) -> Option<Action> {
        let emit = self.object(value, pointer, "emit")?;
        self.only(emit, pointer, &["event"]);
        let at = member(pointer, "event");
        let event = self.required(emit, pointer, "event")?;
        let event = self.object(event, &at, "event")?;
        self.only(event, &at, &["with"]);
        let with = self.required(event, &at, "with")?;
        let at = member(&at, "with");
        let object = self.object(with, &at, "with")?;
        self.only(object, &at, &["id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data"]);
        self.required(object, &at, "type");
        for name in ["dataschema", "time"].into_iter().filter(|name| object.contains_key(*name)) {
            self.not_enabled(&member(&at, name), &format!("`{name}` of an event"), "remove it; the journal says when");
        }
        if object.get("datacontenttype").is_some_and(|kind| kind != "application/json") {
            let fix = "remove it; data is JSON";
            self.not_enabled(&member(&at, "datacontenttype"), "data that is no JSON", fix);
        }
        Some(Action::Emit(self.inside(with, &at)))
    }

    pub(super) fn listen(&mut self, task: &Map<String, Value>, pointer: &str) -> Option<Action> {
        let at = member(pointer, "listen");
        let listen = self.object(task.get("listen")?, &at, "listen")?;
        self.only(listen, &at, &["to", "read"]);
        let read = self.read_as(listen, &at, ReadAs::Data);
        let to = self.required(listen, &at, "to")?;
        let to = self.consume(to, &member(&at, "to"), Spot::Task)?;
        let each = match task.get("foreach") {
            Some(each) => Some(self.each(each, &member(pointer, "foreach"))?),
            None => None,
        };
        Some(Action::Listen(Box::new(Listen { to, read, each })))
    }

    pub(super) fn read_as(&mut self, owner: &Map<String, Value>, pointer: &str, default: ReadAs) -> ReadAs {
        match self.text(owner, pointer, "read") {
            None => default,
            // The raw bytes of an event are not kept: what came is JSON.
            Some("data" | "raw") => ReadAs::Data,
            Some("envelope") => ReadAs::Envelope,
            Some(other) => {
                let fix = "write data, envelope or raw";
                self.wrong("type", &member(pointer, "read"), format!("an event cannot be read as `{other}`"), fix);
                default
            }
        }
    }

    /// `one`, `any` (with `until`) or `all`.
    pub(super) fn consume(&mut self, value: &Value, pointer: &str, spot: Spot) -> Option<Consume> {
        let to = self.object(value, pointer, "an event strategy")?;
        self.only(to, pointer, &["one", "any", "all", "until"]);
        let modes = [("one", Mode::One), ("any", Mode::Any), ("all", Mode::All)];
        let found: Vec<_> = modes.into_iter().filter(|(name, _)| to.contains_key(*name)).collect();
        let [(name, mode)] = found.as_slice() else {
            let fix = "write `one: { with: … }`, `any: [ … ]` or `all: [ … ]`";
            self.wrong("event-strategy", pointer, "exactly one of `one`, `any`, `all` is expected", fix);
            return None;
        };
        let at = member(pointer, name);
        let written = to.get(*name)?;
        let filters = match mode {
            Mode::One => vec![self.event_filter(written, &at, spot)?],
            Mode::Any | Mode::All => self.event_filters(written, &at, *mode, spot)?,
        };
        let until = match to.get("until") {
            None => None,
            Some(_) if *mode != Mode::Any => {
                let fix = "remove it, or use `any`";
                self.wrong("event-strategy", &member(pointer, "until"), "`until` belongs to `any`", fix);
                None
            }
            Some(until) => Some(self.until(until, &member(pointer, "until"), spot)?),
        };
        Some(Consume { mode: *mode, filters, until })
    }

    fn event_filters(&mut self, value: &Value, pointer: &str, mode: Mode, spot: Spot) -> Option<Vec<EventFilter>> {
        let items = value.as_array().filter(|items| mode == Mode::Any || !items.is_empty());
        let Some(items) = items else {
            self.wrong("type", pointer, "a list of event filters is expected here", "write `- with: { type: … }`");
            return None;
        };
        let each = items.iter().enumerate().map(|(at, item)| self.event_filter(item, &format!("{pointer}/{at}"), spot));
        each.collect()
    }

    fn until(&mut self, value: &Value, pointer: &str, spot: Spot) -> Option<Until> {
        if !value.is_object() {
            return self.expr(value, pointer, spot).map(Until::Holds);
        }
        let heard = self.consume(value, pointer, spot)?;
        if heard.until.is_some() {
            let fix = "remove the inner `until`";
            self.wrong("event-strategy", &member(pointer, "until"), "what ends a listener has no end of its own", fix);
        }
        Some(Until::Heard(Box::new(heard)))
    }

    pub(super) fn event_filter(&mut self, value: &Value, pointer: &str, spot: Spot) -> Option<EventFilter> {
        let filter = self.object(value, pointer, "an event filter")?;
        self.only(filter, pointer, &["with", "correlate"]);
        let at = member(pointer, "with");
        let with = self.required(filter, pointer, "with")?;
        let with = self.object(with, &at, "with")?;
        if with.is_empty() {
            self.wrong("missing-key", &at, "the filter lets everything pass", "name the `type` of the event");
        }
        let with = with.iter().map(|(name, value)| (name.clone(), self.wanted(value, &member(&at, name), spot)));
        let with = with.collect();
        let correlate = filter.get("correlate").map(|v| self.correlate(v, &member(pointer, "correlate"), spot));
        Some(EventFilter { with, correlate: correlate.unwrap_or_default() })
    }

    fn wanted(&mut self, value: &Value, pointer: &str, spot: Spot) -> Wanted {
        let is_expression = value.as_str().is_some_and(|text| super::template::strip(text).is_some());
        if is_expression && let Some(expr) = self.expr(value, pointer, spot) {
            return Wanted::Holds(expr);
        }
        if !is_expression && value.to_string().contains("${") {
            let fix = "put the expression over the whole attribute: `data: ${ .n > 1 }`";
            self.not_enabled(pointer, "an expression inside an attribute", fix);
        }
        Wanted::Is(value.clone())
    }

    fn correlate(&mut self, value: &Value, pointer: &str, spot: Spot) -> Vec<Correlate> {
        let Some(named) = self.object(value, pointer, "correlate") else { return Vec::new() };
        let mut all = Vec::with_capacity(named.len());
        for (name, value) in named {
            let at = member(pointer, name);
            let Some(one) = self.object(value, &at, "a correlation") else { continue };
            self.only(one, &at, &["from", "expect"]);
            let Some(from) = self.required(one, &at, "from") else { continue };
            let from = self.expr(from, &member(&at, "from"), spot);
            let expect = one.get("expect").map(|v| self.template(v, &member(&at, "expect"), spot));
            all.extend(from.map(|from| Correlate { name: name.clone(), from, expect }));
        }
        all
    }

    fn each(&mut self, value: &Value, pointer: &str) -> Option<Each> {
        let each = self.object(value, pointer, "foreach")?;
        self.only(each, pointer, &["item", "at", "do", "output", "export"]);
        let item = self.variable(each, pointer, "item", "item");
        let at = self.variable(each, pointer, "at", "index");
        self.bound.extend([item.clone(), at.clone()]);
        let body = each.get("do").map(|tasks| self.block(tasks, &member(pointer, "do")));
        let output = self.shape(each, pointer, "output", Spot::Task);
        let export = self.shape(each, pointer, "export", Spot::Export);
        self.bound.truncate(self.bound.len() - 2);
        let body = match body {
            Some(body) => Some(body?),
            None => None,
        };
        Some(Each { item, at, body, output, export })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::playbook::Uses;

    struct Nothing;
    impl Vars for Nothing {
        fn var(&self, _: &str, _: &Uses) -> Arc<Value> {
            Arc::new(Value::Null)
        }
    }

    #[test]
    fn an_event_passes_when_every_wanted_attribute_is_as_wanted() {
        let event =
            json!({ "type": "sinew.scan.v1", "source": "/devices/dock-1", "data": { "verdict": "read", "n": 1 } });
        let cases = [
            (json!({ "type": "sinew.scan.v1" }), true),
            (json!({ "type": "sinew.scan.v2" }), false),
            (json!({ "type": "sinew.scan.v1", "data": { "verdict": "read" } }), true),
            (json!({ "data": { "verdict": "unread" } }), false),
            (json!({ "subject": "x" }), false),
            (json!({ "data": "${ .n == 1 }" }), true),
            (json!({ "data": "${ .n > 1 }" }), false),
            (json!({ "source": "${ \"/devices/\" + \"dock-1\" }" }), true),
            (json!({ "data": "${ .n.x > 1 }" }), false),
        ];
        for (with, expected) in cases {
            let known = crate::Known::default();
            let mut reader = Reader::new(&known);
            let filter = reader.event_filter(&json!({ "with": with }), "", Spot::Bare).expect("a filter");
            assert_eq!(filter.matches(&event, &Nothing), expected, "{with}");
        }
    }
}
