//! Policy texts become one checked set, or a list of everything that is wrong with them.
//!
//! Does not know files: it is handed names and texts. Each policy names itself with `@id("…")` and says why in plain words
//! with `@reason("…")`; both stand in every decision that it makes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use serde_json::{Value, json};
use sinew_contract::{Digest, ErrorKind};

use crate::schema::SCHEMA;

/// One thing that is wrong with a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file's name, as it was handed in.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and how to mend it where that is known.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Why a set of policies was not taken; the last good one stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use these policies:\n{}", .findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n"))]
pub struct PolicyError {
    /// Everything that is wrong, in the order of files and places; never empty.
    pub findings: Vec<Finding>,
}

impl PolicyError {
    /// Always `Invalid`: the same texts fail again.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Policies that passed every check.
pub(crate) struct Loaded {
    pub(crate) policies: PolicySet,
    pub(crate) digest: Digest,
}

/// Parses, names and strictly validates all texts.
///
/// # Errors
/// With every finding of every file.
pub(crate) fn load(texts: &[(String, String)]) -> Result<Loaded, PolicyError> {
    let mut findings = Vec::new();
    let mut named: BTreeMap<String, (usize, Policy)> = BTreeMap::new();
    for (at, (file, text)) in texts.iter().enumerate() {
        match PolicySet::from_str(text) {
            Ok(set) => name_all(at, file, text, &set, &mut named, &mut findings),
            Err(errors) => findings.extend(explain(file, text, &DetailedError::from(&errors))),
        }
    }
    let policies = PolicySet::from_policies(named.values().map(|(_, policy)| policy.clone()))
        .expect("invariant: the map holds each id once");
    findings.extend(validate(&policies, texts, &named));
    if findings.is_empty() {
        let digest = digest(&named);
        return Ok(Loaded { policies, digest });
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Err(PolicyError { findings })
}

/// Gives each policy of one file the id that it names itself.
fn name_all(
    at: usize,
    file: &str,
    text: &str,
    set: &PolicySet,
    named: &mut BTreeMap<String, (usize, Policy)>,
    findings: &mut Vec<Finding>,
) {
    if set.templates().next().is_some() {
        findings.push(finding(
            file,
            text,
            0,
            "templates with `?principal` or `?resource` are not used here; name it".into(),
        ));
    }
    for policy in set.policies() {
        let start = place_of(policy, text);
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            findings.push(finding(
                file,
                text,
                start,
                "a policy without a name; write `@id(\"short-name\")` above it".into(),
            ));
            continue;
        };
        if policy.annotation("reason").is_none_or(str::is_empty) {
            let message = format!("policy `{id}` does not say why; write `@reason(\"…\")` in plain words above it");
            findings.push(finding(file, text, start, message));
        }
        if named.contains_key(id) {
            findings.push(finding(file, text, start, format!("a second policy named `{id}`; give each its own `@id`")));
            continue;
        }
        named.insert(id.to_owned(), (at, policy.new_id(PolicyId::new(id))));
    }
}

/// Where the policy's own text stands in its file.
fn place_of(policy: &Policy, text: &str) -> usize {
    policy.to_cedar().and_then(|own| text.find(own.trim())).unwrap_or(0)
}

/// Strict validation; a warning (a policy that can never apply, look-alike letters) counts as well.
fn validate(
    policies: &PolicySet,
    texts: &[(String, String)],
    named: &BTreeMap<String, (usize, Policy)>,
) -> Vec<Finding> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).expect("invariant: a test parses the schema");
    let result = Validator::new(schema).validate(policies, ValidationMode::Strict);
    let source = |id: &PolicyId| {
        let (at, _) = named.get::<str>(id.as_ref())?;
        texts.get(*at).map(|(file, text)| (file.as_str(), text.as_str()))
    };
    let errors = result.validation_errors().map(|e| (e.policy_id(), DetailedError::from(e)));
    let warnings = result.validation_warnings().map(|w| (w.policy_id(), DetailedError::from(w)));
    let at_source = |(id, error): (&PolicyId, DetailedError)| {
        let (file, text) = source(id).unwrap_or(("", ""));
        explain(file, text, &error)
    };
    errors.chain(warnings).flat_map(at_source).collect()
}

/// A Cedar error and those it brings along, each at its place.
fn explain(file: &str, text: &str, error: &DetailedError) -> Vec<Finding> {
    let offset = error.source_locations.first().map_or(0, |label| label.loc.start);
    let help = error.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    let mut findings = vec![finding(file, text, offset, format!("{}{help}", error.message))];
    findings.extend(error.related.iter().flat_map(|related| explain(file, text, related)));
    findings
}

fn finding(file: &str, text: &str, offset: usize, message: String) -> Finding {
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Finding { file: file.to_owned(), line: before.matches('\n').count() + 1, column, message }
}

/// Digest over the schema and the policies by id, whatever files they stand in and however they are laid out.
fn digest(named: &BTreeMap<String, (usize, Policy)>) -> Digest {
    let policies: serde_json::Map<String, Value> = named
        .iter()
        .map(|(id, (_, policy))| (id.clone(), policy.to_json().expect("invariant: a parsed policy has a JSON form")))
        .collect();
    sinew_expr::digest_value(&json!({ "schema": SCHEMA, "policies": policies }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "@id(\"a\")\n@reason(\"because\")\npermit(principal, action == Action::\"Act\", resource);\n";

    fn findings(texts: &[(&str, &str)]) -> Vec<String> {
        let texts: Vec<_> = texts.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        load(&texts).err().map(|e| e.findings.iter().map(Finding::to_string).collect()).unwrap_or_default()
    }

    #[track_caller]
    fn check(text: &str, place: &str, words: &[&str]) {
        let found = findings(&[("p.cedar", text)]);
        let hit = found.iter().any(|f| f.starts_with(place) && words.iter().all(|w| f.contains(w)));
        assert!(hit, "wanted {words:?} at {place} in {found:#?}");
    }

    fn named(id: &str, rest: &str) -> String {
        format!("@id(\"{id}\")\n@reason(\"r\")\n{rest}")
    }

    #[test]
    fn a_broken_file_is_refused_with_file_line_and_column() {
        check("@id(\"a\")\npermit(principal, action resource);", "p.cedar:2:26:", &["unexpected token"]);
        check("permit(principal, action, resource);", "p.cedar:1:1:", &["without a name"]);
        check("@id(\"a\")\npermit(principal, action, resource);", "p.cedar:1:1:", &["`a` does not say why"]);
        let wrong_field = named("a", "permit(principal, action, resource) when {\n  context.amount < 5 };");
        check(&wrong_field, "p.cedar:4:3:", &["amount"]);
        let wrong_type = named("a", "permit(principal, action, resource) when {\n  context.amount_minor < \"5\" };");
        check(&wrong_type, "p.cedar:4:", &["String"]);
        let wrong_trust =
            named("a", "permit(principal, action, resource) when {\n context.args_trust == Trust::\"verifed\" };");
        check(&wrong_trust, "p.cedar:4:", &["verifed"]);
        let wrong_action = named("a", "permit(principal, action == Action::\"Actt\", resource);");
        check(&wrong_action, "p.cedar:3:", &["Actt"]);
        let never = named("a", "permit(principal, action, resource) when { context.approved && false };");
        check(&never, "p.cedar:1:1:", &["policy is impossible"]);
        check(&named("a", "permit(principal == ?principal, action, resource);"), "p.cedar:1:1:", &["templates"]);
    }

    #[test]
    fn two_policies_cannot_share_a_name() {
        let found = findings(&[("one.cedar", GOOD), ("two.cedar", GOOD)]);
        assert_eq!(found, ["two.cedar:1:1: a second policy named `a`; give each its own `@id`"]);
    }

    #[test]
    fn the_digest_follows_the_meaning_and_not_the_layout() {
        let digest = |texts: &[(&str, String)]| {
            let texts: Vec<_> = texts.iter().map(|(n, t)| ((*n).to_owned(), t.clone())).collect();
            load(&texts).expect("these are good").digest
        };
        let b = GOOD.replace("\"a\"", "\"b\"");
        let together = digest(&[("x", format!("// a comment\n{b}{GOOD}"))]);
        let apart = digest(&[("y", GOOD.to_owned()), ("z", b.clone())]);
        assert_eq!(together, apart);
        assert_ne!(together, digest(&[("y", GOOD.to_owned())]));
        assert_ne!(apart, digest(&[("y", GOOD.to_owned()), ("z", b.replace("because", "why not"))]));
    }
}
