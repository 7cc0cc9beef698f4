//! A Thing Description (W3C WoT TD 1.1), as far as it is used: affordances, their data schemas and forms, the security scheme.
//!
//! Calls nothing. Forms that cannot be used (another content type, URI variables, other protocols) are left out.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sinew_expr::Schema;

use crate::mqtt::topics::{is_filter, is_topic};

/// A description longer than this is no description.
const LEN_MAX: usize = 1 << 20;
/// The words of a data schema that are JSON Schema too.
const SCHEMA_WORDS: [&str; 18] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "oneOf",
    "format",
];

/// By which wire a form goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// HTTP.
    Http,
    /// MQTT.
    Mqtt,
}

/// One way to do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// By which wire.
    pub via: Via,
    /// The path (HTTP) or topic (MQTT). The address that the thing advertises is not kept.
    pub place: String,
    /// The HTTP method, where the form names one.
    pub method: Option<String>,
    ops: Vec<String>,
}

/// A property, an action or an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Affordance {
    /// The data schema: of the value, the input, or the data.
    pub schema: Value,
    /// It cannot be written.
    pub read_only: bool,
    forms: Vec<Form>,
}

impl Affordance {
    /// The first form for an operation on a wire that can be used.
    pub fn form(&self, op: &str, usable: impl Fn(Via) -> bool) -> Option<&Form> {
        self.forms.iter().find(|form| usable(form.via) && form.ops.iter().any(|own| own == op))
    }
}

/// How a caller proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Security {
    None,
    Basic,
    Bearer,
    ApiKey(String),
}

/// A description.
#[derive(Clone, Debug)]
pub struct Thing {
    /// Its name for people.
    pub title: String,
    properties: BTreeMap<String, Affordance>,
    actions: BTreeMap<String, Affordance>,
    events: BTreeMap<String, Affordance>,
    pub(super) security: Security,
}

impl Thing {
    /// Reads a description.
    ///
    /// # Errors
    /// In words: not JSON, not a description, a security scheme that is not spoken here.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > LEN_MAX {
            return Err(format!("the description has more than {LEN_MAX} bytes"));
        }
        let td: Value = serde_json::from_str(text).map_err(|error| format!("the description is not JSON: {error}"))?;
        let title = td.get("title").and_then(Value::as_str).ok_or("the description has no `title`")?.to_owned();
        let base = td.get("base").and_then(Value::as_str).and_then(|base| Url::parse(base).ok());
        let of = |kind: &str, schema: fn(&Value) -> Value, ops: &[&str]| {
            let members = td.get(kind).and_then(Value::as_object).cloned().unwrap_or_default();
            let read = |(name, value): (String, Value)| (name, affordance(&value, base.as_ref(), schema(&value), ops));
            members.into_iter().map(read).collect::<BTreeMap<_, _>>()
        };
        Ok(Self {
            properties: of("properties", Value::clone, &["readproperty", "writeproperty"]),
            actions: of("actions", |value| value.get("input").cloned().unwrap_or_default(), &["invokeaction"]),
            events: of("events", |value| value.get("data").cloned().unwrap_or_default(), &["subscribeevent"]),
            security: security(&td)?,
            title,
        })
    }

    /// A property by its name.
    pub fn property(&self, name: &str) -> Option<(&str, &Affordance)> {
        self.properties.get_key_value(name).map(|(name, found)| (name.as_str(), found))
    }

    /// An action by its name.
    pub fn action(&self, name: &str) -> Option<(&str, &Affordance)> {
        self.actions.get_key_value(name).map(|(name, found)| (name.as_str(), found))
    }

    /// The names of its properties, actions and events.
    pub fn names(&self) -> [Vec<String>; 3] {
        [&self.properties, &self.actions, &self.events].map(|of| of.keys().cloned().collect())
    }

    /// The MQTT topics on which it speaks by itself: `(topic, event name)`; none is a property.
    pub(super) fn topics(&self) -> Vec<(String, Option<String>)> {
        let mqtt = |via| via == Via::Mqtt;
        let of = |all: &BTreeMap<String, Affordance>, op: &'static str| {
            let found =
                all.iter().filter_map(move |(name, one)| Some((one.form(op, mqtt)?.place.clone(), name.clone())));
            found.collect::<Vec<_>>()
        };
        let properties = of(&self.properties, "observeproperty").into_iter().map(|(topic, _)| (topic, None));
        properties
            .chain(of(&self.events, "subscribeevent").into_iter().map(|(topic, name)| (topic, Some(name))))
            .collect()
    }

    /// The data schemas of what can be sent, by `property/<name>` and `action/<name>`.
    pub(super) fn schemas(&self) -> Result<BTreeMap<String, Schema>, String> {
        let of = |kind: &'static str, all: &BTreeMap<String, Affordance>| {
            let named = all.iter().map(move |(name, one)| (format!("{kind}/{name}"), as_json_schema(&one.schema)));
            named.collect::<Vec<_>>()
        };
        let all = of("property", &self.properties).into_iter().chain(of("action", &self.actions));
        let compile = |(name, schema): (String, Value)| {
            let compiled = Schema::compile(&schema).map_err(|error| format!("the data schema of `{name}`: {error}"))?;
            Ok((name, compiled))
        };
        all.map(compile).collect()
    }
}

/// A data schema as JSON Schema: its own words that mean the same there, and nothing else.
fn as_json_schema(schema: &Value) -> Value {
    let Some(members) = schema.as_object() else { return json!({}) };
    let keep = |(name, value): (&String, &Value)| {
        if !SCHEMA_WORDS.contains(&name.as_str()) {
            return None;
        }
        let value = match (name.as_str(), value) {
            ("properties", Value::Object(inner)) => {
                inner.iter().map(|(name, value)| (name.clone(), as_json_schema(value))).collect::<Map<_, _>>().into()
            }
            ("items", inner) => as_json_schema(inner),
            ("oneOf", Value::Array(inner)) => inner.iter().map(as_json_schema).collect::<Vec<_>>().into(),
            _ => value.clone(),
        };
        Some((name.clone(), value))
    };
    members.iter().filter_map(keep).collect::<Map<_, _>>().into()
}

fn affordance(value: &Value, base: Option<&Url>, schema: Value, ops: &[&str]) -> Affordance {
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    let forms = value.get("forms").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let forms = forms.iter().filter_map(|written| form(written, base, ops)).collect();
    Affordance { schema, read_only: flag("readOnly"), forms }
}

/// A form; none where it cannot be used.
fn form(written: &Value, base: Option<&Url>, default_ops: &[&str]) -> Option<Form> {
    let text = |name: &str| written.get(name).and_then(Value::as_str);
    let media_type = text("contentType").unwrap_or("application/json").split(';').next().unwrap_or_default();
    let href = text("href")?;
    // A long poll answers when something happens, not when it is asked.
    if media_type.trim() != "application/json" || href.contains(['{', '}']) || written.get("subprotocol").is_some() {
        return None;
    }
    let url = base.map_or_else(|| Url::parse(href), |base| base.join(href)).ok()?;
    let ops = match written.get("op") {
        Some(Value::String(op)) => vec![op.clone()],
        Some(Value::Array(ops)) => ops.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => default_ops.iter().map(|op| (*op).to_owned()).collect(),
    };
    match url.scheme() {
        "http" | "https" => {
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            let place = format!("{}{query}", url.path());
            Some(Form { via: Via::Http, place, method: text("htv:methodName").map(str::to_owned), ops })
        }
        "mqtt" | "mqtts" => {
            let named = text("mqv:topic").or_else(|| text("mqv:filter")).map(str::to_owned);
            let place = named.unwrap_or_else(|| url.path().trim_start_matches('/').to_owned());
            (is_topic(&place) && is_filter(&place)).then_some(Form { via: Via::Mqtt, place, method: None, ops })
        }
        _ => None,
    }
}

fn security(td: &Value) -> Result<Security, String> {
    let name = match td.get("security") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => names.first().and_then(Value::as_str).unwrap_or_default(),
        _ => return Err("the description has no `security`".to_owned()),
    };
    let scheme = td.get("securityDefinitions").and_then(|all| all.get(name));
    let text = |word: &str| scheme.and_then(|scheme| scheme.get(word)).and_then(Value::as_str);
    match (text("scheme"), text("in").unwrap_or("header")) {
        (Some("nosec"), _) => Ok(Security::None),
        (Some("basic"), "header") => Ok(Security::Basic),
        (Some("bearer"), "header") => Ok(Security::Bearer),
        (Some("apikey"), "header") => Ok(Security::ApiKey(text("name").unwrap_or("authorization").to_owned())),
        (scheme, place) => Err(format!(
            "the security scheme `{}` in the `{place}` is not spoken; there are nosec, basic, bearer and apikey, in a header",
            scheme.unwrap_or_default()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn td(security: &Value, href: &str) -> String {
        json!({
            "title": "conveyor", "security": "s", "securityDefinitions": { "s": security },
            "properties": { "speed": { "type": "number", "minimum": 0, "maximum": 3, "unit": "m/s", "forms": [
                { "href": "coap://x/speed" },
                { "href": href, "contentType": "application/cbor" },
                { "href": href, "op": ["readproperty"], "subprotocol": "longpoll" },
                { "href": href },
                { "href": "mqtt://10.9.8.7:1883/conveyor/speed", "op": ["observeproperty"] },
            ] } },
        })
        .to_string()
    }

    #[test]
    fn of_a_form_only_path_or_topic_is_kept() {
        let thing = Thing::read(&td(&json!({ "scheme": "nosec" }), "http://169.254.169.254/a%20b/speed?x=1"))
            .expect("it is right");
        let (_, speed) = thing.property("speed").expect("it is there");
        let form = speed.form("writeproperty", |_| true).expect("one can be used");
        assert_eq!((form.via, form.place.as_str()), (Via::Http, "/a%20b/speed?x=1"));
        assert_eq!(thing.topics(), [("conveyor/speed".to_owned(), None)]);
    }

    #[test]
    fn security_is_understood_or_refused() {
        let read = |scheme: Value| Thing::read(&td(&scheme, "http://x/")).map(|thing| thing.security);
        assert_eq!(read(json!({ "scheme": "basic" })), Ok(Security::Basic));
        assert_eq!(read(json!({ "scheme": "bearer", "in": "header" })), Ok(Security::Bearer));
        assert_eq!(read(json!({ "scheme": "apikey", "name": "x-key" })), Ok(Security::ApiKey("x-key".to_owned())));
        for scheme in [json!({ "scheme": "apikey", "in": "query" }), json!({ "scheme": "oauth2" }), json!({})] {
            assert!(read(scheme.clone()).is_err(), "{scheme}");
        }
    }

    #[test]
    fn values_are_held_against_the_data_schema() {
        let thing = Thing::read(&td(&json!({ "scheme": "nosec" }), "http://x/")).expect("it is right");
        let schemas = thing.schemas().expect("they compile");
        let speed = schemas.get("property/speed").expect("it is there");
        for (value, fits) in
            [(json!(0), true), (json!(3.0), true), (json!(3.1), false), (json!("1"), false), (json!(null), false)]
        {
            assert_eq!(speed.check(&value).is_ok(), fits, "{value}");
        }
    }
}
