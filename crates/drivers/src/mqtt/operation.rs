//! How a manifest says what to publish: `{ publish = "line/1/cmd", qos = 1, payload = "{cmd}" }`, or which state to look at:
//! `{ state = "line/1/speed", at = "/value", fresh = "2s" }`.
//!
//! Sends nothing. A value fills one level of a topic and never adds or opens another one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use rumqttc::{Publish, QoS};
use serde::Deserialize;
use serde_json::Value;
use sinew_contract::{Command, ErrorKind, Failure};
use sinew_expr::{fill, places};

use super::topics::{is_filter, is_topic};

/// A checked operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operation {
    Publish(Say),
    State(Look),
}

/// A message to be said.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Say {
    topic: Template,
    /// None: the arguments as JSON.
    payload: Option<String>,
    pub qos: QoS,
    retain: bool,
    stamp: bool,
    pub confirm: Option<Confirm>,
}

/// The state that a device said last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    pub topic: Template,
    /// JSON pointer into the message; `""` is all of it.
    pub at: String,
    pub fresh: Duration,
}

/// What the device itself says once it was done: its word, read back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Confirm {
    /// The topic; one that is declared as a reading.
    pub topic: String,
    /// JSON pointer into what is said there.
    #[serde(default)]
    pub at: String,
    /// JSON pointer into the arguments (or `{key}`, the command's key): what must stand there.
    pub equals: String,
}

/// A text with places, or without.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Template {
    Plain(String),
    Places(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    publish: Option<String>,
    state: Option<String>,
    payload: Option<String>,
    qos: Option<u8>,
    retain: Option<bool>,
    stamp: Option<bool>,
    confirm: Option<Confirm>,
    at: Option<String>,
    fresh: Option<SignedDuration>,
}

impl Operation {
    /// Reads and checks an operation.
    pub(super) fn read(value: &Value) -> Result<Self, Failure> {
        let written = Written::deserialize(value).map_err(|error| invalid(error.to_string()))?;
        match (&written.publish, &written.state) {
            (Some(topic), None) if written.at.is_none() && written.fresh.is_none() => {
                Ok(Self::Publish(say(topic, &written)?))
            }
            (None, Some(topic)) if written.payload.is_none() && written.confirm.is_none() => Ok(Self::State(Look {
                topic: template(topic)?,
                at: written.at.unwrap_or_default(),
                fresh: written.fresh.and_then(|d| Duration::try_from(d).ok()).unwrap_or(Duration::from_secs(5)),
            })),
            _ => Err(invalid(
                "say either `publish` (with `payload`, `qos`, `retain`, `confirm`) or `state` (with `at`, `fresh`)",
            )),
        }
    }
}

impl Say {
    /// The message of a command. With `stamp = true` it carries the command's key and expiry (RFC 3339) as `$key` and
    /// `$expires`, so that a device which knows them can refuse what comes twice or too late.
    pub(super) fn command(&self, command: &Command) -> Result<Publish, Failure> {
        let mut args = command.args.clone();
        if let Some(members) = args.as_object_mut().filter(|_| self.stamp) {
            members.insert("$key".to_owned(), command.key.clone().into());
            members.insert("$expires".to_owned(), command.expires.wall.to_string().into());
        }
        self.fill(&args)
    }

    /// The message for these arguments.
    pub(super) fn fill(&self, args: &Value) -> Result<Publish, Failure> {
        let topic = self.topic.fill(args)?;
        let body = match &self.payload {
            None if args.is_null() => Vec::new(),
            None => serde_json::to_vec(args).map_err(|error| invalid(error.to_string()))?,
            Some(template) => fill(template, args).map_err(|error| invalid(error.to_string()))?.into_bytes(),
        };
        let mut packet = Publish::new(topic, self.qos, body);
        packet.retain = self.retain;
        Ok(packet)
    }
}

impl Template {
    /// The topic with its places filled: each value stays within its level.
    pub(super) fn fill(&self, args: &Value) -> Result<String, Failure> {
        let template = match self {
            Self::Plain(text) => return Ok(text.clone()),
            Self::Places(template) => template,
        };
        let found = places(template).map_err(|error| invalid(error.to_string()))?;
        for place in found {
            let value = if place.starts_with('/') { args.pointer(&place) } else { args.get(&place) };
            let text =
                value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
            if text.is_empty() || text.contains(['/', '+', '#', '\0', '$']) {
                return Err(invalid(format!("`{text}` cannot stand for `{place}` in the topic `{template}`")));
            }
        }
        let topic = fill(template, args).map_err(|error| invalid(error.to_string()))?;
        if is_topic(&topic) { Ok(topic) } else { Err(invalid(format!("`{topic}` is not a topic"))) }
    }
}

/// Operations of reflexes, checked before and kept under their numbers.
#[derive(Debug, Default)]
pub(super) struct Operations {
    list: Mutex<Vec<Say>>,
}

impl Operations {
    pub(super) fn add(&self, operation: &Value) -> Result<usize, Failure> {
        match Operation::read(operation)? {
            Operation::Publish(say) => {
                let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
                list.push(say);
                Ok(list.len() - 1)
            }
            Operation::State(_) => Err(invalid("a reflex acts; it cannot look at a `state`")),
        }
    }

    /// The message of a shot; none where its arguments do not fit.
    pub(super) fn publish(&self, number: usize, args: &Value) -> Option<Publish> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.get(number)?.fill(args).ok()
    }
}

fn say(topic: &str, written: &Written) -> Result<Say, Failure> {
    let qos = match written.qos {
        Some(0) => QoS::AtMostOnce,
        None | Some(1) => QoS::AtLeastOnce,
        Some(other) => return Err(invalid(format!("`qos` is 0 or 1, not `{other}`"))),
    };
    if let Some(template) = &written.payload {
        places(template).map_err(|error| invalid(error.to_string()))?;
    }
    if let Some(confirm) = &written.confirm
        && !(is_filter(&confirm.topic) && (confirm.equals == "{key}" || confirm.equals.starts_with('/')))
    {
        return Err(invalid("`confirm` needs a topic, and `equals` as a JSON pointer into the arguments or `{key}`"));
    }
    let (payload, confirm) = (written.payload.clone(), written.confirm.clone());
    Ok(Say {
        topic: template(topic)?,
        payload,
        qos,
        retain: written.retain.unwrap_or(false),
        stamp: written.stamp.unwrap_or(false),
        confirm,
    })
}

fn template(topic: &str) -> Result<Template, Failure> {
    let found = places(topic).map_err(|error| invalid(error.to_string()))?;
    if !found.is_empty() {
        return Ok(Template::Places(topic.to_owned()));
    }
    if is_topic(topic) {
        Ok(Template::Plain(topic.to_owned()))
    } else {
        Err(invalid(format!("`{topic}` is not a topic")))
    }
}

fn invalid(problem: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("the operation is not right: {problem}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_are_read_or_refused_with_what_is_wrong() {
        let rows = [
            (json!({"publish": "a/cmd"}), ""),
            (json!({"publish": "a/{id}/cmd", "qos": 0, "payload": "{cmd}"}), ""),
            (json!({"state": "a/speed", "at": "/v", "fresh": "2s"}), ""),
            (json!({"publish": "a/cmd", "confirm": {"topic": "a/done", "at": "/key", "equals": "{key}"}}), ""),
            (json!({"publish": "a/+"}), "is not a topic"),
            (json!({"publish": "a", "state": "b"}), "say either"),
            (json!({"publish": "a", "qos": 2}), "`qos` is 0 or 1"),
            (json!({"publish": "a", "colour": 2}), "unknown field `colour`"),
            (json!({"publish": "a", "confirm": {"topic": "b", "equals": "x"}}), "`confirm` needs"),
            (json!("a"), "invalid type"),
        ];
        for (value, part) in rows {
            let found = Operation::read(&value).map_or_else(|failure| failure.to_string(), |_| String::new());
            assert!(found.contains(part) && part.is_empty() == found.is_empty(), "{value}: {found}");
        }
    }

    #[test]
    fn a_value_never_leaves_its_level_of_a_topic() {
        let Ok(Operation::Publish(say)) = Operation::read(&json!({"publish": "line/{id}/cmd", "payload": "{cmd}!"}))
        else {
            panic!("it is right")
        };
        for (id, topic) in
            [("1", Some("line/1/cmd")), ("a/b", None), ("+", None), ("#", None), ("", None), ("a\0", None)]
        {
            let filled = say.fill(&json!({"id": id, "cmd": "stop"})).ok();
            assert_eq!(filled.as_ref().map(|packet| packet.topic.as_str()), topic, "{id}");
            assert!(filled.is_none_or(|packet| packet.payload == "stop!"));
        }
    }
}
