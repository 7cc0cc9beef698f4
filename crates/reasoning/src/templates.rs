//! The template rung: texts with places, written by the owner, filled from the question's inputs.
//!
//! ```toml
//! name = "return-message"
//!
//! [fields]
//! subject = "About {{ title }}"
//! body = "Hello {{ name }}, {{ amount_minor | money(currency) }} are on the way."
//! ```
//!
//! The answer is an object with one text per field. A place that has no value is an error, not a hole in a letter;
//! line breaks and other control characters inside a value become spaces, so that a value can never add a line.
//! Does not know models, mail or HTML.

use std::collections::BTreeMap;

use async_trait::async_trait;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind as JinjaKind, Output, State, UndefinedBehavior};
use serde::Deserialize;
use serde_json::Value;
use sinew_contract::{Ask, Cost, ErrorKind, Failure};

use crate::attempt::Attempt;
use crate::ladder::{Draft, Rung};
use crate::load::{LoadError, read_toml};

/// Instructions of one field: far beyond any letter, soon over for a loop in a loop.
const FUEL: u64 = 50_000;

/// Bytes of one filled field.
const FIELD_LEN_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: String,
    /// For readers only.
    #[serde(default, rename = "title")]
    _title: String,
    fields: BTreeMap<String, String>,
}

/// All templates of a deployment.
pub(crate) struct TemplateRung {
    env: Environment<'static>,
    /// Template name -> its fields.
    fields: BTreeMap<String, Vec<String>>,
}

impl TemplateRung {
    pub(crate) fn load(files: &[(String, String)]) -> Result<Self, LoadError> {
        let mut rung = Self { env: environment(), fields: BTreeMap::new() };
        for (file, text) in files {
            rung.add(file, read_toml(file, text)?)?;
        }
        Ok(rung)
    }

    fn add(&mut self, file: &str, parsed: File) -> Result<(), LoadError> {
        let File { name, fields, .. } = parsed;
        if name.is_empty() || fields.is_empty() || self.fields.contains_key(&name) {
            let problem = format!("a template needs a name of its own (this is `{name}`) and at least one field");
            return Err(LoadError::new(file, "the whole", problem));
        }
        let names = fields.keys().cloned().collect();
        for (field, text) in fields {
            let added = self.env.add_template_owned(key(&name, &field), text);
            added.map_err(|e| LoadError::new(file, format!("field `{field}`"), describe(&e)))?;
        }
        self.fields.insert(name, names);
        Ok(())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    fn render(&self, name: &str, fields: &[String], inputs: &Value) -> Result<Value, String> {
        let one = |field: &String| {
            let text = self.env.get_template(&key(name, field)).and_then(|t| t.render(minijinja::value::Serde(inputs)));
            let text = text.map_err(|e| format!("field `{field}` of template `{name}`: {}", describe(&e)))?;
            if text.len() > FIELD_LEN_MAX {
                return Err(format!("field `{field}` of template `{name}` is longer than {FIELD_LEN_MAX} bytes"));
            }
            Ok((field.clone(), text.trim().into()))
        };
        fields.iter().map(one).collect::<Result<_, _>>().map(Value::Object)
    }
}

#[async_trait]
impl Rung for TemplateRung {
    fn name(&self) -> &str {
        "template"
    }

    async fn draft(&self, ask: &Ask, _attempt: &Attempt) -> Result<Result<Draft, String>, Failure> {
        let Some(name) = &ask.template else { return Ok(Err("the question names no template".to_owned())) };
        let fields = self.fields.get(name).ok_or_else(|| {
            let known = self.names().join("`, `");
            Failure::new(ErrorKind::Invalid, format!("there is no template `{name}`; there are `{known}`"))
        })?;
        let value = self.render(name, fields, &ask.inputs);
        Ok(value.map(|value| Draft { value, because: vec![name.clone()], cost: Cost::default() }))
    }
}

fn key(name: &str, field: &str) -> String {
    format!("{name}/{field}")
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_formatter(place);
    env.add_filter("money", money);
    env
}

/// Writes a value into its place: only texts, numbers and booleans have one, and never with a line break.
fn place(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &minijinja::Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            out.write_str(&plain).map_err(|e| Error::new(JinjaKind::WriteFailure, e.to_string()))
        }
        ValueKind::Number | ValueKind::Bool | ValueKind::Undefined => minijinja::escape_formatter(out, state, value),
        other => Err(Error::new(JinjaKind::InvalidOperation, format!("a {other} has no place in a text"))),
    }
}

/// Currencies whose minor unit is not a hundredth (ISO 4217, table A.1).
const NO_DECIMALS: &[&str] =
    &["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"];
const THREE_DECIMALS: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// `{{ 1234 | money("EUR") }}` is `12.34 EUR`.
fn money(minor: i64, currency: &str) -> Result<String, Error> {
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Error::new(JinjaKind::InvalidOperation, format!("`{currency}` is no ISO 4217 currency")));
    }
    let decimals = match currency {
        c if NO_DECIMALS.contains(&c) => 0,
        c if THREE_DECIMALS.contains(&c) => 3,
        _ => 2,
    };
    let sign = if minor < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let dot = if decimals > 0 { "." } else { "" };
    Ok(format!("{sign}{whole}{dot}{fraction} {currency}"))
}

/// The error, its line, and what stood behind it, in one line.
fn describe(error: &Error) -> String {
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{detail}{line}", error.kind())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rung(body: &str) -> Result<TemplateRung, LoadError> {
        let text = format!("name = \"t\"\n[fields]\nbody = '''{body}'''\n");
        TemplateRung::load(&[("templates/t.toml".to_owned(), text)])
    }

    fn render(body: &str, inputs: &Value) -> Result<String, String> {
        let rung = rung(body).map_err(|e| e.to_string())?;
        let value = rung.render("t", &["body".to_owned()], inputs)?;
        Ok(value["body"].as_str().unwrap_or_default().to_owned())
    }

    #[test]
    fn places_are_filled() {
        let inputs = json!({"name": "Ana <b>", "n": 3, "minor": -5, "items": [{"t": "a"}, {"t": "b"}]});
        let check = |body: &str, expected: &str| assert_eq!(render(body, &inputs).as_deref(), Ok(expected), "{body}");
        check("Hello {{ name }}!", "Hello Ana <b>!");
        check("{% for i in items %}{{ i.t }};{% endfor %}", "a;b;");
        check("{% if n > 2 %}many{% endif %}", "many");
        check("{{ minor | money(\"EUR\") }} {{ 1234 | money('EUR') }}", "-0.05 EUR 12.34 EUR");
        check("{{ 1234 | money('JPY') }} {{ 1234 | money('KWD') }}", "1234 JPY 1.234 KWD");
    }

    #[test]
    fn a_value_can_never_add_a_line() {
        let inputs = json!({"name": "Ana\r\nBcc: all@example.com\u{0}"});
        assert_eq!(render("To {{ name }}", &inputs).as_deref(), Ok("To Ana  Bcc: all@example.com"));
    }

    #[test]
    fn what_cannot_be_filled_is_an_error_and_never_a_hole() {
        let check = |body: &str, word: &str| {
            let error = render(body, &json!({"list": [1], "none": null})).expect_err(body);
            assert!(error.contains(word), "{body}: {error}");
        };
        check("{{ missing }}", "undefined");
        check("{{ list }}", "no place");
        check("{{ none }}", "no place");
        check("{{ 1 | money('euro') }}", "ISO 4217");
        check("{{ open", "field `body`");
        check("{{ 1 | unknown_filter }}", "unknown filter");
        check("{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}", "fuel");
        check("{% for i in range(2000) %}xxxxxxxxxxxxxxxx{% endfor %}", "longer than 16384 bytes");
    }
}
