//! Values on their way through a run, each with where it comes from and how far it may be trusted.
//!
//! Does not know tasks. Labels are coarse but sound: one for each value that flows, one for each member of the context.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sinew_contract::{Digest, Label, Trust};
use sinew_expr::digest_value;

/// A value and its label.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub value: Arc<Value>,
    pub label: Arc<Label>,
}

impl Flow {
    pub fn new(value: Value, label: Label) -> Self {
        Self { value: Arc::new(value), label: Arc::new(label) }
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
    /// The label of each member; what has none has `rest`.
    members: BTreeMap<String, Arc<Label>>,
    rest: Arc<Label>,
}

impl Context {
    /// The context before the first export: an empty object of our own.
    pub fn empty() -> Self {
        let value = Value::Object(serde_json::Map::new());
        let digest = digest_value(&value);
        Self { value: Arc::new(value), digest, members: BTreeMap::new(), rest: Arc::new(Label::owned()) }
    }

    /// Takes the next context. A member that is as it was keeps its label; everything else has the label of the export.
    pub fn export(&mut self, flow: Flow) {
        let old = std::mem::replace(&mut self.value, flow.value);
        self.digest = digest_value(&self.value);
        let kept =
            |name: &String, value: &Value| old.get(name).filter(|before| *before == value).map(|_| self.member(name));
        let members = self.value.as_object().into_iter().flatten();
        let members = members.map(|(name, value)| {
            let label = kept(name, value).unwrap_or_else(|| Arc::clone(&flow.label));
            (name.clone(), label)
        });
        self.members = members.collect();
        self.rest = if self.value.is_object() { Arc::new(Label::owned()) } else { flow.label };
    }

    /// The label of one member.
    pub fn member(&self, name: &str) -> Arc<Label> {
        Arc::clone(self.members.get(name).unwrap_or(&self.rest))
    }

    /// The label of all of it.
    pub fn whole(&self) -> Label {
        self.members.values().fold(Label::clone(&self.rest), |all, label| all.join(label))
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
    fn a_member_that_is_as_it_was_keeps_its_label() {
        let mut context = Context::empty();
        let export = |value, origin, trust| Flow::new(value, Label::new(origin, trust));
        context.export(export(json!({ "order": 1 }), "shop", Trust::Verified));
        context.export(export(json!({ "order": 1, "history": 2 }), "memory", Trust::Observed));
        assert_eq!(context.member("order").trust, Trust::Verified);
        assert_eq!(context.member("history").trust, Trust::Observed);
        assert_eq!(context.whole().trust, Trust::Observed);
        context.export(export(json!({ "order": 9, "history": 2 }), "mail", Trust::Untrusted));
        assert_eq!(context.member("order").trust, Trust::Untrusted, "what changed has the label of the change");
    }

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
