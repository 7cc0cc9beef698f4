//! How a rule is written beside its device, and what is made of it at load: `[[reflex]]`, checked whole against the manifest
//! of the capability that it fires.
//!
//! Judges nothing: `judge` does.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sinew_contract::{CapabilityName, Class, DeviceId, Digest, Envelope, Manifest, PlaybookName, Reflexive};
use sinew_expr::{Schema, digest_of, places};

use crate::manifests::Manifests;

/// A grant that lives longer than this is forgotten, not standing.
const GRANT_MAX: SignedDuration = SignedDuration::from_hours(24 * 31);

/// One `[[reflex]]` of a device's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleConfig {
    /// Its name; one of its kind on the device.
    pub name: String,
    /// When.
    pub when: When,
    /// Then.
    pub then: Then,
    /// The least time from one firing to the next, per topic. Default none.
    #[serde(default)]
    pub every: SignedDuration,
    /// A reading older than this fires nothing. Default 1 s.
    #[serde(default = "default_fresh")]
    pub fresh: SignedDuration,
    /// How long policy's yes holds; it is asked again at half of that. Default 24 h, at most 31 days.
    #[serde(default = "default_grant")]
    pub grant: SignedDuration,
}

/// The condition. Exactly one of `above`, `below` and `is`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// The topic filter.
    pub topic: String,
    /// JSON pointer to the value in the message; `""` is all of it.
    #[serde(default)]
    pub value: String,
    /// Fires above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Fires below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Fires on exactly this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Value>,
    /// Hysteresis: having fired, it waits until the value has come back to this. None: fires on every reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
    /// JSON pointer to the time of the reading: seconds, milliseconds or microseconds since 1970, or RFC 3339. None: when
    /// it was read from the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// The command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Then {
    /// What is done; a capability of the same device.
    pub capability: CapabilityName,
    /// Its arguments. A text that is one place alone, as in `"{/seq}"`, takes the value at that pointer of the message.
    #[serde(default = "nothing")]
    pub args: Value,
}

const fn default_fresh() -> SignedDuration {
    SignedDuration::from_secs(1)
}
const fn default_grant() -> SignedDuration {
    SignedDuration::from_hours(24)
}
fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What makes it fire.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Above(f64),
    Below(f64),
    Is(Value),
}

/// Where one argument comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Fixed(Value),
    Reading(String),
}

/// A rule, compiled: nothing in it can be wrong any more.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub name: PlaybookName,
    pub device: DeviceId,
    pub filter: String,
    pub value: String,
    pub condition: Condition,
    pub until: Option<f64>,
    pub at: Option<String>,
    pub every: Duration,
    pub fresh: Duration,
    pub grant: Duration,
    pub capability: CapabilityName,
    pub class: Class,
    pub args: Vec<(String, Source)>,
    /// As they are written, for policy.
    pub args_written: Value,
    pub envelope: Vec<(String, Envelope)>,
    pub rate_max_per_s: f64,
    pub schema: Arc<Schema>,
    pub operation: usize,
    pub digest: Digest,
}

/// Compiles one rule, or says all that is wrong with it.
pub(super) fn compile(
    device: &DeviceId,
    config: &RuleConfig,
    manifests: &Manifests,
    wire: &dyn Reflexive,
) -> Result<Rule, Vec<String>> {
    let mut wrong = Vec::new();
    let condition = condition(&config.when).map_err(|problem| wrong.push(problem)).ok();
    let name = config
        .name
        .parse()
        .map_err(|_| wrong.push("`name` has other characters than a-z, A-Z, 0-9 and - _ . : @".to_owned()))
        .ok();
    let times = times(config).map_err(|problem| wrong.push(problem)).ok();
    let args = args(&config.then.args).map_err(|problem| wrong.push(problem)).ok();
    let pointers = std::iter::once(&config.when.value).chain(&config.when.at);
    wrong.extend(
        pointers
            .filter(|at| !at.is_empty() && !at.starts_with('/'))
            .map(|at| format!("`{at}` is not a JSON pointer; write `/{at}`")),
    );
    let manifest = manifests.iter().find(|manifest| manifest.name == config.then.capability);
    match manifest {
        None => wrong.push(format!("there is no capability `{}`", config.then.capability)),
        Some(manifest) => wrong.extend(unfit(device, manifest)),
    }
    let schema = manifest.and_then(|m| Schema::compile(&m.args).ok()).map(Arc::new);
    if let (Some(schema), Some(args)) = (&schema, &args)
        && args.iter().all(|(_, source)| matches!(source, Source::Fixed(_)))
        && let Err(findings) = schema.check(&config.then.args)
    {
        wrong.extend(findings.iter().map(|f| format!("`then.args`: `{}`: {}", f.pointer, f.message)));
    }
    let operation = manifest.map(|m| wire.compile(&m.operation).map_err(|e| wrong.push(format!("`{}`: {e}", m.name))));
    let (
        Some(condition),
        Some(name),
        Some([every, fresh, grant]),
        Some(args),
        Some(manifest),
        Some(schema),
        Some(Ok(operation)),
        true,
    ) = (condition, name, times, args, manifest, schema, operation, wrong.is_empty())
    else {
        return Err(wrong);
    };
    let physical = manifest.physical.as_ref();
    Ok(Rule {
        name,
        device: device.clone(),
        filter: config.when.topic.clone(),
        value: config.when.value.clone(),
        condition,
        until: config.when.until,
        at: config.when.at.clone(),
        every,
        fresh,
        grant,
        capability: manifest.name.clone(),
        class: manifest.class,
        args,
        args_written: config.then.args.clone(),
        envelope: physical.map(|p| p.envelope.clone().into_iter().collect()).unwrap_or_default(),
        rate_max_per_s: physical.map_or(f64::INFINITY, |p| p.rate_max_per_s),
        schema,
        operation,
        digest: digest_of(&(config, manifest.as_ref())),
    })
}

/// What a capability must not ask for where nobody can look it up in time.
fn unfit(device: &DeviceId, manifest: &Manifest) -> Vec<String> {
    let name = &manifest.name;
    let physical = manifest.physical.as_ref();
    let rules = [
        (
            manifest.device == *device,
            format!("`{name}` acts on `{}`; a reflex acts on the device that it hears", manifest.device),
        ),
        (manifest.class != Class::Pure, format!("`{name}` is pure: there is nothing to do")),
        (manifest.class != Class::Irreversible, format!("`{name}` is irreversible: no reflex does that")),
        (manifest.natural_key.is_empty(), format!("`{name}` has a natural key; a reflex keeps no table of keys")),
        (manifest.amount.is_none(), format!("`{name}` moves money: no reflex does that")),
        (
            physical.is_none_or(|terms| terms.interlocks.is_empty()),
            format!("`{name}` has interlocks; a reflex cannot judge them, leave it to a playbook"),
        ),
        (
            physical.is_none_or(|terms| terms.envelope.values().all(|range| range.slew_per_s.is_none())),
            format!("`{name}` limits the change per second; a reflex cannot judge it, leave it to a playbook"),
        ),
    ];
    rules.into_iter().filter(|(holds, _)| !holds).map(|(_, problem)| problem).collect()
}

fn condition(when: &When) -> Result<Condition, String> {
    let found =
        [when.above.map(Condition::Above), when.below.map(Condition::Below), when.is.clone().map(Condition::Is)];
    let mut found = found.into_iter().flatten();
    let (Some(condition), None) = (found.next(), found.next()) else {
        return Err("`when` needs exactly one of `above`, `below` and `is`".to_owned());
    };
    match (&condition, when.until) {
        (Condition::Above(limit) | Condition::Below(limit), _) if !limit.is_finite() => {
            Err("a limit in `when` must be finite".to_owned())
        }
        (Condition::Above(limit), Some(until)) if until.is_finite() && until <= *limit => Ok(condition),
        (Condition::Below(limit), Some(until)) if until.is_finite() && until >= *limit => Ok(condition),
        (_, None) => Ok(condition),
        _ => Err("`when.until` must lie on the other side of the limit, or at it".to_owned()),
    }
}

fn times(config: &RuleConfig) -> Result<[Duration; 3], String> {
    let positive = |name: &str, time: SignedDuration| {
        let time = Duration::try_from(time).map_err(|_| format!("`{name}` cannot be negative"))?;
        if time.is_zero() { Err(format!("`{name}` must be more than nothing")) } else { Ok(time) }
    };
    if config.grant > GRANT_MAX {
        return Err("`grant` is at most 31 days".to_owned());
    }
    let every = Duration::try_from(config.every).map_err(|_| "`every` cannot be negative".to_owned())?;
    Ok([every, positive("fresh", config.fresh)?, positive("grant", config.grant)?])
}

fn args(written: &Value) -> Result<Vec<(String, Source)>, String> {
    let members = written.as_object().ok_or("`then.args` must be a table")?;
    let source = |value: &Value| match value.as_str() {
        None => Ok(Source::Fixed(value.clone())),
        Some(text) => match places(text).map_err(|error| format!("`then.args`: {error}"))?.as_slice() {
            [] => Ok(Source::Fixed(value.clone())),
            [one] if *text == format!("{{{one}}}") && one.starts_with('/') => Ok(Source::Reading(one.clone())),
            _ => Err(format!("`then.args`: `{text}` must be one place alone, as in `{{/seq}}`")),
        },
    };
    members.iter().map(|(name, value)| Ok((name.clone(), source(value)?))).collect()
}
