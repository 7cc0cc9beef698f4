//! The last look at an answer, whoever gave it: it matches the schema of its question, and its label is no better
//! than what went in.
//!
//! Does not know rungs.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sinew_contract::{Ask, Digest, ErrorKind, Failure, Label, Sensitivity, Trust};
use sinew_expr::{Schema, SchemaFinding, digest_value};

/// Compiles the schema of a question, before any rung is asked.
pub(crate) fn schema(ask: &Ask) -> Result<Schema, Failure> {
    let wrong = |e: sinew_expr::ExprError| {
        Failure::new(ErrorKind::Invalid, format!("question `{}` has a bad answer schema: {e}", ask.effect))
    };
    Schema::compile(&ask.schema).map_err(wrong)
}

/// Says in one line what is wrong with an answer; none where it matches.
pub(crate) fn mismatch(schema: &Schema, value: &Value) -> Option<String> {
    let one = |finding: &SchemaFinding| format!("at `{}`: {}", finding.pointer, finding.message);
    schema.check(value).err().map(|findings| findings.iter().map(one).collect::<Vec<_>>().join("; "))
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
pub(crate) fn question_digest(ask: &Ask) -> Digest {
    digest_value(&json!({
        "role": ask.role,
        "instruction": ask.instruction,
        "inputs": ask.inputs,
        "schema": ask.schema,
        "rules": ask.rules,
        "template": ask.template,
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
