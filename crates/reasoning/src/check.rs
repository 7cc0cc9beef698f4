//! The last look at an answer, whoever gave it: it matches the schema of its question, and its label is no better
//! than what went in.
//!
//! Does not know rungs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use sinew_contract::{Ask, Digest, ErrorKind, Failure, Label, Sensitivity, Trust};
use sinew_expr::{ExprError, Schema, SchemaFinding, digest_value};

use crate::checks::Checks;

/// Schemas kept compiled: a deployment has a few dozen; more come only from playbooks that make them up.
const SCHEMAS_MAX: usize = 256;

/// Schemas that have been compiled before.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    all: Mutex<BTreeMap<Arc<str>, Arc<Schema>>>,
}

impl Schemas {
    /// The schema, compiled, and its text.
    fn get(&self, source: &Value) -> Result<(Arc<Schema>, Arc<str>), ExprError> {
        let text = source.to_string();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((text, schema)) = all.get_key_value(text.as_str()) {
            return Ok((Arc::clone(schema), Arc::clone(text)));
        }
        let (schema, text) = (Arc::new(Schema::compile(source)?), Arc::<str>::from(text));
        if all.len() >= SCHEMAS_MAX {
            all.clear();
        }
        all.insert(Arc::clone(&text), Arc::clone(&schema));
        Ok((schema, text))
    }
}

/// What an answer of one question must be.
#[derive(Debug)]
pub(crate) struct Fit {
    schema: Arc<Schema>,
    checks: Checks,
    /// The schema as text.
    pub(crate) schema_text: Arc<str>,
    /// Digest of the question.
    pub(crate) asked: Digest,
}

impl Fit {
    /// Compiles what a question asks for, before any rung is asked.
    pub(crate) fn of(ask: &Ask, schemas: &Schemas) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::new(ErrorKind::Invalid, format!("question `{}` {what}", ask.effect));
        let (schema, schema_text) =
            schemas.get(&ask.schema).map_err(|e| wrong(format!("has a bad answer schema: {e}")))?;
        let checks = Checks::read(&ask.more.checks).map_err(|e| wrong(format!("has bad checks: {e}")))?;
        Ok(Self { schema, checks, schema_text, asked: question_digest(ask) })
    }

    /// Whatever it is.
    #[cfg(test)]
    pub(crate) fn any() -> Self {
        let schema = Schema::compile(&json!(true)).expect("it is a schema");
        Self { schema: Arc::new(schema), checks: Checks::default(), schema_text: "true".into(), asked: Digest::ZERO }
    }

    /// What is wrong with an answer, in one line each; empty where it fits.
    pub(crate) fn findings(&self, inputs: &Value, value: &Value) -> Vec<String> {
        let one = |finding: SchemaFinding| format!("at `{}`: {}", finding.pointer, finding.message);
        match self.schema.check(value) {
            Ok(()) => self.checks.findings(inputs, value),
            Err(findings) => findings.into_iter().map(one).collect(),
        }
    }
}

/// The label of an answer: all that went in, and the rung as one more origin.
///
/// The rung itself is the owner's text, so it neither lifts nor lowers trust.
pub(crate) fn label(inputs: &Label, rung: &str) -> Label {
    let rung =
        Label { origin: BTreeSet::from([rung.to_owned()]), trust: Trust::Owned, sensitivity: Sensitivity::Public };
    inputs.clone().join(&rung)
}

/// The digest under which the same question is the same: all of it but who asks and the label.
fn question_digest(ask: &Ask) -> Digest {
    digest_value(&json!({
        "role": ask.role,
        "instruction": ask.instruction,
        "inputs": ask.inputs,
        "schema": ask.schema,
        "rules": ask.rules,
        "template": ask.template,
        "model": ask.more.model,
        "checks": ask.more.checks,
        "conversation": ask.more.conversation,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_never_trusted_more_than_its_inputs() {
        for trust in [Trust::Untrusted, Trust::Observed, Trust::Verified, Trust::Owned] {
            let inputs = Label { sensitivity: Sensitivity::Personal, ..Label::new("shop", trust) };
            let label = label(&inputs, "rules");
            assert_eq!((label.trust, label.sensitivity), (trust, Sensitivity::Personal));
            assert_eq!(label.origin, BTreeSet::from(["rules".to_owned(), "shop".to_owned()]));
        }
    }
}
