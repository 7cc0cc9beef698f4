//! What must be true of a manifest before anything may rest on it.
//!
//! Each check is a plain function that gives the sentences of what is wrong; nothing stops at the first.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use sinew_contract::{CapabilityName, Class, Device, DeviceId, Manifest};
use sinew_expr::{Profile, Program, Schema, mutant, places};

use super::MONEY;

/// A command that lives longer than this is not a command but a plan.
const EXPIRY_MAX: SignedDuration = SignedDuration::from_hours(1);

/// All that is wrong with one manifest.
pub(super) fn all(
    manifest: &Manifest,
    classes: &BTreeMap<CapabilityName, Class>,
    devices: &BTreeMap<DeviceId, Arc<dyn Device>>,
) -> Vec<String> {
    let checks = [
        arguments(manifest),
        pointers(manifest),
        title(manifest),
        undo(manifest, classes),
        physical(manifest),
        times(manifest),
        device(manifest, devices),
    ];
    checks.into_iter().flatten().collect()
}

fn arguments(manifest: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    if let Err(error) = Schema::compile(&manifest.args) {
        found.push(format!("`args`: {error}"));
    }
    if manifest.args.get("type") != Some(&Value::from("object")) {
        found.push("`args`: must say `type = \"object\"`".to_owned());
    }
    if manifest.args.get("additionalProperties") != Some(&Value::Bool(false)) && !mutant("unknown-arguments-pass") {
        found.push(
            "`args`: must say `additionalProperties = false`, so that nothing unknown reaches a target".to_owned(),
        );
    }
    found
}

/// Pointers that money and keys rest on must lead to something that every valid call has.
fn pointers(manifest: &Manifest) -> Vec<String> {
    let args = &manifest.args;
    let natural = manifest.natural_key.iter().map(|at| ("natural-key", at));
    let amount = manifest.amount.iter().flat_map(|a| [("amount.minor", &a.minor), ("amount.currency", &a.currency)]);
    let mut found: Vec<_> = natural
        .chain(amount)
        .filter_map(|(term, at)| always(args, at).err().map(|e| format!("`{term}`: {e}")))
        .collect();
    if let Some(at) = &manifest.amount
        && let Some(schema) = walk(args, &at.minor)
        && schema.get("type") != Some(&Value::from("integer"))
    {
        found.push(format!("`amount.minor`: `{}` must be an integer of minor units", at.minor));
    }
    let envelope = manifest.physical.iter().flat_map(|p| p.envelope.keys()).map(|at| ("physical.envelope", at));
    let named = manifest.trust.keys().map(|at| ("trust", at)).chain(envelope);
    found.extend(
        named
            .filter(|(_, at)| walk(args, at).is_none())
            .map(|(term, at)| format!("`{term}`: `{at}` leads nowhere in `args`; a JSON pointer starts with `/`")),
    );
    let answers = manifest.reconcile.iter().flat_map(|r| [&r.applied, &r.receipt]).flatten();
    found.extend(
        answers
            .filter(|at| !at.is_empty() && !at.starts_with('/'))
            .map(|at| format!("`reconcile`: `{at}` is not a JSON pointer; write `/{at}`")),
    );
    found
}

fn title(manifest: &Manifest) -> Vec<String> {
    match places(&manifest.title) {
        Err(error) => vec![format!("`title`: {error}")],
        Ok(places) => places
            .iter()
            .filter(|place| *place != MONEY || manifest.amount.is_none())
            .map(|place| if place.starts_with('/') { place.clone() } else { format!("/{place}") })
            .filter_map(|at| always(&manifest.args, &at).err().map(|e| format!("`title`: {e}")))
            .collect(),
    }
}

fn undo(manifest: &Manifest, classes: &BTreeMap<CapabilityName, Class>) -> Vec<String> {
    let Some(undo) = &manifest.compensation else {
        let missing = manifest.class == Class::Compensable;
        let message = "`compensation`: a compensable capability must say what undoes it, or be `irreversible`";
        return missing.then(|| message.to_owned()).into_iter().collect();
    };
    let mut found = Vec::new();
    if manifest.class != Class::Compensable {
        let class = manifest.class.as_str();
        found.push(format!("`class`: what can be undone is `compensable`, not `{class}`"));
    }
    match classes.get(&undo.capability) {
        None => found.push(format!("`compensation.capability`: there is no capability `{}`", undo.capability)),
        Some(Class::Pure) => found.push(format!("`compensation.capability`: `{}` changes nothing", undo.capability)),
        Some(_) => {}
    }
    if let Err(error) = Program::compile(&undo.args_from, &[], Profile::Author) {
        found.push(format!("`compensation.args-from`: {error}"));
    }
    found
}

fn physical(manifest: &Manifest) -> Vec<String> {
    match (&manifest.physical, manifest.class) {
        (None, Class::Physical) if !mutant("matter-without-terms") => {
            vec!["`physical`: without its terms (safe state, dead man, envelope, …) nothing physical moves".to_owned()]
        }
        (Some(_), class) if class != Class::Physical => {
            vec![format!("`physical`: terms of matter need `class = \"physical\"`, not `{}`", class.as_str())]
        }
        (Some(terms), _) => {
            let bad = terms.envelope.iter().filter(|(_, e)| {
                let slew = e.slew_per_s.is_none_or(|slew| slew.is_finite() && slew > 0.0);
                !(e.min.is_finite() && e.max.is_finite() && e.min <= e.max && slew)
            });
            let rate = !(terms.rate_max_per_s.is_finite() && terms.rate_max_per_s > 0.0);
            let rate = rate.then(|| "`physical.rate-max-per-s`: must be above zero and finite".to_owned());
            let range =
                |at: &String| format!("`physical.envelope`: `{at}` needs finite min <= max and slew above zero");
            let period = terms.dead_man <= SignedDuration::ZERO;
            let period = period.then(|| "`physical.dead-man`: must be above zero".to_owned());
            let bare = numbers(&manifest.args, "").into_iter().filter(|at| !terms.envelope.contains_key(at));
            let bare = bare
                .map(|at| format!("`physical.envelope`: the number at `{at}` has no range; nothing unbounded moves"));
            let bare = bare.filter(|_| !mutant("number-without-a-range"));
            bad.map(|(at, _)| range(at)).chain(rate).chain(period).chain(bare).collect()
        }
        (None, _) => Vec::new(),
    }
}

fn times(manifest: &Manifest) -> Vec<String> {
    let zero = SignedDuration::ZERO;
    let rules = [
        (manifest.version >= 1, "`version`: counts from 1"),
        (manifest.expiry > zero && manifest.expiry <= EXPIRY_MAX, "`expiry`: must be above zero and at most 1h"),
        (manifest.clock_skew_max >= zero && manifest.clock_skew_max <= EXPIRY_MAX, "`clock-skew-max`: 0s to 1h"),
        (manifest.retry.attempts_max >= 1, "`retry.attempts-max`: the first try counts, so at least 1"),
        (
            manifest.retry.backoff >= zero && manifest.retry.backoff_max >= manifest.retry.backoff,
            "`retry`: backoff must be from 0s to backoff-max",
        ),
        (manifest.price.micros >= 0, "`price.micros`: cannot be negative"),
        (!manifest.title.trim().is_empty(), "`title`: say in words what will happen"),
        (!manifest.risk.trim().is_empty(), "`risk`: say in words what it means when it is wrong"),
    ];
    rules.into_iter().filter(|(holds, _)| !holds).map(|(_, message)| message.to_owned()).collect()
}

fn device(manifest: &Manifest, devices: &BTreeMap<DeviceId, Arc<dyn Device>>) -> Vec<String> {
    let Some(device) = devices.get(&manifest.device) else {
        let known = devices.keys().map(DeviceId::as_str).collect::<Vec<_>>().join(", ");
        return vec![format!("`device`: there is no device `{}`; there are: {known}", manifest.device)];
    };
    let reconcile = manifest.reconcile.iter().map(|r| ("reconcile.operation", &r.operation));
    let safe = manifest.physical.iter().map(|p| ("physical.safe-state", &p.safe_state));
    let operations = [("operation", &manifest.operation)].into_iter().chain(reconcile).chain(safe);
    operations.filter_map(|(term, op)| device.check(op).err().map(|e| format!("`{term}`: {e}"))).collect()
}

/// The schema of what stands at a pointer, through `properties` only.
fn walk<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() {
        return Some(schema);
    }
    let steps = pointer.strip_prefix('/')?.split('/');
    steps.map(unescape).try_fold(schema, |schema, step| schema.get("properties")?.get(&step))
}

/// Pointers to all numbers that a valid value may have, through `properties` only; a quantity counts as one.
fn numbers(schema: &Value, at: &str) -> Vec<String> {
    let kind = schema.get("type").and_then(Value::as_str);
    if matches!(kind, Some("number" | "integer")) {
        return vec![at.to_owned()];
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    if properties.is_some_and(|names| names.contains_key("value") && names.contains_key("unit")) {
        return vec![at.to_owned()];
    }
    let of = |(name, schema): (&String, &Value)| {
        numbers(schema, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")))
    };
    properties.into_iter().flatten().flat_map(of).collect()
}

/// Says whether every valid value has something at a pointer: known and `required` at each step.
fn always(schema: &Value, pointer: &str) -> Result<(), String> {
    if pointer.is_empty() || walk(schema, pointer).is_none() {
        return Err(format!("`{pointer}` leads nowhere in `args`; a JSON pointer starts with `/`"));
    }
    let mut at = schema;
    for step in pointer.split('/').skip(1).map(unescape) {
        let required = at.get("required").and_then(Value::as_array);
        if !required.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(&step))) {
            return Err(format!("`{pointer}` may be absent; add `{step}` to `required` in `args`"));
        }
        at = at.get("properties").and_then(|p| p.get(&step)).unwrap_or(&Value::Null);
    }
    Ok(())
}

/// RFC 6901, section 4.
fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}
