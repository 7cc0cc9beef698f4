//! Values on their way through a run, each with where it and its parts come from and how far they may be trusted.
//!
//! Does not know tasks, nor how an expression carries labels on: `sinew-expr` does.

use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{Digest, Label, Trust};
use sinew_expr::{Labels, Step, digest_value};

/// A value and the labels of its parts.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub value: Arc<Value>,
    pub labels: Arc<Labels>,
}

impl Flow {
    /// A value with one label, or with one for each of its parts.
    pub fn new(value: Value, labels: impl Into<Labels>) -> Self {
        Self { value: Arc::new(value), labels: Arc::new(labels.into()) }
    }

    /// One label for all of it.
    pub fn label(&self) -> Label {
        self.labels.whole()
    }

    /// A member of it; null where there is none.
    pub fn member(&self, name: &str) -> Self {
        let value = self.value.get(name).cloned().unwrap_or_default();
        Self::new(value, self.labels.at(&Step::Named(name.to_owned())))
    }
}

/// Joins another label in, see `Label::join`.
pub(crate) fn join_into(label: &mut Label, other: &Label) {
    *label = std::mem::replace(label, Label::owned()).join(other);
}

/// The context of a run: what `export.as` last made.
#[derive(Debug)]
pub(crate) struct Context {
    pub value: Arc<Value>,
    pub digest: Digest,
    pub labels: Arc<Labels>,
}

impl Context {
    /// The context before the first export: an empty object of our own.
    pub fn empty() -> Self {
        let value = Value::Object(serde_json::Map::new());
        let digest = digest_value(&value);
        Self { value: Arc::new(value), digest, labels: Arc::new(Labels::owned()) }
    }

    /// Takes the next context.
    pub fn export(&mut self, flow: Flow) {
        self.digest = digest_value(&flow.value);
        self.value = flow.value;
        self.labels = flow.labels;
    }
}

/// The origin of a scan on which the passes and the check digit agree: what a system of record may be asked about.
pub(crate) const CHECKED_SCAN: &str = "scan";
/// The origin of a scan on which they do not.
const UNSURE_SCAN: &str = "scan:unsure";

/// What an event brings: our own scans are observed, since anybody can print a code; of others nobody vouches for anything.
/// What a scan leads to is verified only by an endorsement, see `Record::Endorsed`.
pub(crate) fn label_of_input(input: &Value, has_trigger: bool) -> Label {
    let Some(event) = input.get(0).filter(|_| has_trigger) else { return Label::new("person", Trust::Verified) };
    let event_type = event.get("type").and_then(Value::as_str).unwrap_or_default();
    if !event_type.starts_with("sinew.scan.") {
        return Label::new(event_type, Trust::Untrusted);
    }
    let read = event.pointer("/data/verdict").is_some_and(|verdict| verdict == "read");
    // 900 per mille: both passes and the check digit agree; see the scales of perception.
    let sure = confidence(input) >= 900;
    Label::new(if read && sure { CHECKED_SCAN } else { UNSURE_SCAN }, Trust::Observed)
}

/// Agreement of checks behind the trigger, 0 to 1000; 1000 where it claims nothing.
pub(crate) fn confidence(input: &Value) -> u16 {
    let claimed = input.pointer("/0/data/confidence_permille").and_then(Value::as_u64);
    claimed.map_or(1000, |n| u16::try_from(n.min(1000)).unwrap_or(1000))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scan_is_observed_and_says_whether_its_passes_agree() {
        let scan = |verdict: &str, confidence: u64| json!([{ "type": "sinew.scan.v1", "data": { "verdict": verdict, "confidence_permille": confidence } }]);
        let cases = [
            (scan("read", 1000), true, Label::new(CHECKED_SCAN, Trust::Observed)),
            (scan("read", 899), true, Label::new(UNSURE_SCAN, Trust::Observed)),
            (scan("conflict", 1000), true, Label::new(UNSURE_SCAN, Trust::Observed)),
            (
                json!([{ "type": "com.example.mail", "data": {} }]),
                true,
                Label::new("com.example.mail", Trust::Untrusted),
            ),
            (json!({ "by": "hand" }), false, Label::new("person", Trust::Verified)),
        ];
        for (input, has_trigger, expected) in cases {
            assert_eq!(label_of_input(&input, has_trigger), expected, "{input}");
        }
    }
}
