//! Manifest texts become a checked table of everything that can be done, or a list of all that is wrong with them.
//!
//! Does not know files: it is handed names and texts. What passes here can be relied on afterwards: schemas compile,
//! pointers lead to something that is always there, undos exist, devices understand their operations.

mod check;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use sinew_contract::{
    CapabilityName, Class, Device, DeviceId, Digest, ErrorKind, Failure, Manifest, Price, Retry, Trust, Wish,
};
use sinew_expr::{Schema, canonical, digest_of, fill};

/// The device that answers plain look-ups; where a deployment has it, `http.get` and `http.head` exist.
const HTTP: &str = "http";

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file's name, as it was handed in.
    pub file: String,
    /// From 1; none where the text is well formed and its meaning is wrong.
    pub line: Option<usize>,
    /// What is wrong, at which term, and how to mend it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Why a set of manifests was not taken; the last good one stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use these capabilities:\n{}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct LoadError {
    /// Everything that is wrong; never empty.
    pub problems: Vec<Problem>,
}

impl LoadError {
    /// Always `Invalid`: the same texts fail again.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// A manifest with what was made of it at load.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) digest: Digest,
    schema: Schema,
}

/// Everything that can be done, by name.
#[derive(Debug, Default)]
pub struct Manifests {
    by_name: BTreeMap<CapabilityName, Loaded>,
}

impl Manifests {
    /// Takes `(file name, TOML text)` pairs and the devices that exist; adds the built-in `http.get` and `http.head` where there is a
    /// device `http`.
    ///
    /// # Errors
    /// With every problem of every file.
    pub fn load(texts: &[(String, String)], devices: &BTreeMap<DeviceId, Arc<dyn Device>>) -> Result<Self, LoadError> {
        let mut problems = Vec::new();
        let mut found: Vec<(String, Manifest)> = Vec::new();
        for (file, text) in texts {
            match toml::from_str::<Manifest>(text) {
                Ok(manifest) => found.push((file.clone(), manifest)),
                Err(error) => problems.push(syntax(file, text, &error)),
            }
        }
        if devices.keys().any(|id| id.as_str() == HTTP) {
            found.extend(["GET", "HEAD"].map(|method| ("built in".to_owned(), http_look(method))));
        }
        let classes: BTreeMap<_, _> = found.iter().map(|(_, m)| (m.name.clone(), m.class)).collect();
        let mut by_name = BTreeMap::new();
        for (file, manifest) in found {
            let say = |message: String| Problem { file: file.clone(), line: None, message };
            problems.extend(check::all(&manifest, &classes, devices).into_iter().map(say));
            if by_name.contains_key(&manifest.name) {
                problems.push(say(format!("a second manifest named `{}`; give each its own name", manifest.name)));
            }
            if let Ok(schema) = Schema::compile(&manifest.args) {
                let digest = digest_of(&manifest);
                by_name.insert(manifest.name.clone(), Loaded { manifest: Arc::new(manifest), digest, schema });
            }
        }
        if problems.is_empty() { Ok(Self { by_name }) } else { Err(LoadError { problems }) }
    }

    /// All manifests, by name: for the validator of playbooks, pages and the digest of a deployment.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Manifest>> {
        self.by_name.values().map(|loaded| &loaded.manifest)
    }

    /// Digest over all manifests.
    pub fn digest(&self) -> Digest {
        digest_of(&self.by_name.iter().map(|(name, loaded)| (name, loaded.digest)).collect::<BTreeMap<_, _>>())
    }

    pub(crate) fn get(&self, name: &CapabilityName) -> Option<&Loaded> {
        self.by_name.get(name)
    }

    /// The manifest of a wish, its arguments checked.
    ///
    /// # Errors
    /// `Missing` for an unknown capability; `Invalid` with every way in which the arguments do not match.
    pub(crate) fn check(&self, wish: &Wish) -> Result<&Loaded, Failure> {
        let loaded = self.get(&wish.capability).ok_or_else(|| {
            let known = self.by_name.keys().map(CapabilityName::as_str).collect::<Vec<_>>().join(", ");
            Failure::new(ErrorKind::Missing, format!("no capability `{}`; there are: {known}", wish.capability))
        })?;
        loaded.schema.check(&wish.args).map_err(|findings| {
            let all: Vec<_> = findings.iter().map(|f| format!("`{}`: {}", f.pointer, f.message)).collect();
            Failure::new(ErrorKind::Invalid, format!("arguments of `{}`: {}", wish.capability, all.join("; ")))
        })?;
        Ok(loaded)
    }
}

impl Loaded {
    /// The thing itself: the canonical JSON of the values that the manifest points to.
    pub(crate) fn natural_key(&self, args: &Value) -> Option<String> {
        let pointers = &self.manifest.natural_key;
        let values: Vec<_> = pointers.iter().map(|at| args.pointer(at).cloned().unwrap_or_default()).collect();
        (!values.is_empty()).then(|| canonical(&Value::Array(values)))
    }

    /// Minor units and currency.
    ///
    /// # Errors
    /// `Invalid` where the amount is not a whole number of minor units.
    pub(crate) fn amount(&self, args: &Value) -> Result<Option<(i64, String)>, Failure> {
        let Some(at) = &self.manifest.amount else { return Ok(None) };
        let minor = args.pointer(&at.minor).and_then(Value::as_i64);
        let currency = args.pointer(&at.currency).and_then(Value::as_str);
        let amount = minor.zip(currency).map(|(minor, currency)| (minor, currency.to_owned()));
        let name = &self.manifest.name;
        amount.map(Some).ok_or_else(|| {
            let message = format!("the amount of `{name}` at `{}` is not a whole number of minor units", at.minor);
            Failure::new(ErrorKind::Invalid, message)
        })
    }

    /// The title with its places filled; `{$money}` is the amount as people write it, `189.00 EUR`.
    ///
    /// # Errors
    /// `Invalid` where a place has no value.
    pub(crate) fn what(&self, args: &Value) -> Result<String, Failure> {
        let name = &self.manifest.name;
        let mut values = args.clone();
        if let (Some(amount), Some(values)) = (self.amount(args)?, values.as_object_mut()) {
            values.insert(MONEY.to_owned(), Value::String(money(&amount)));
        }
        fill(&self.manifest.title, &values)
            .map_err(|e| Failure::new(ErrorKind::Invalid, format!("cannot say what `{name}` would do")).caused_by(e))
    }
}

/// The place in a title that stands for the amount.
pub(crate) const MONEY: &str = "$money";

/// Minor units as people write them. Two digits for all but the currencies without minor units (ISO 4217, exponent 0).
fn money((minor, currency): &(i64, String)) -> String {
    if matches!(currency.as_str(), "JPY" | "KRW" | "CLP" | "ISK" | "VND") {
        return format!("{minor} {currency}");
    }
    let (sign, minor) = (if *minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    format!("{sign}{}.{:02} {currency}", minor / 100, minor % 100)
}

/// The built-in look-ups. Their caller decides about trying again, so that a playbook's own retry is not multiplied.
fn http_look(method: &str) -> Manifest {
    let args = json!({
        "type": "object", "additionalProperties": false, "required": ["uri"],
        "properties": {
            "uri": { "type": "string", "minLength": 1, "maxLength": 8192 },
            "query": { "type": "object" },
            "headers": { "type": "object", "additionalProperties": { "type": "string" } },
            "authentication": { "type": "object", "required": ["scheme"] },
        },
    });
    Manifest {
        name: format!("http.{}", method.to_ascii_lowercase()).parse().expect("invariant: a plain name"),
        version: 1,
        title: "Look up {uri}".to_owned(),
        risk: "Nothing changes; the target sees the question.".to_owned(),
        class: Class::Pure,
        device: HTTP.parse().expect("invariant: a plain name"),
        operation: json!({ "method": method, "uri": "{uri}", "raw": true }),
        args,
        trust: BTreeMap::from([(String::new(), Trust::Observed)]),
        natural_key: Vec::new(),
        reconcile: None,
        compensation: None,
        amount: None,
        price: Price::default(),
        expiry: SignedDuration::from_secs(10),
        clock_skew_max: SignedDuration::from_secs(1),
        retry: Retry { attempts_max: 1, ..Retry::default() },
        physical: None,
    }
}

fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Problem {
    let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    Problem { file: file.to_owned(), line, message: error.message().to_owned() }
}
