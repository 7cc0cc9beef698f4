//! Where trust comes from that the fold cannot see: the entry behind a remembered item, and the system of record behind
//! an answer. What is found here is journaled with the answer, so that a replay sees it too.
//!
//! Does not know expressions; the engine carries the labels on.

use serde_json::Value;
use sinew_contract::{EffectId, Endorsed, Entry, Label, LabelMap, Record, Seq, Trust};

use super::Shared;
use crate::ActAsk;
use crate::engine::CHECKED_SCAN;

/// The place of what is remembered, in the labels of its entry.
pub(super) const CONTENT: &str = "/content";
/// A reading is checked where its passes and its check digit agree; see the scales of perception.
const SURE_PERMILLE: u16 = 900;

/// A system of record: what it says about something that was checked is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemOfRecord {
    /// The logical host name that playbooks call it by.
    pub host: String,
    /// How the path of a question begins, as in `/returns/`.
    pub path: String,
    /// JSON pointer into the answer to the list of matches: only a list of exactly one is a match.
    pub one: Option<String>,
    /// JSON pointers into the answer, `*` for every item or member of one step: what it vouches for. The rest of what it says
    /// (a remark of a customer, say) stays as untrusted as anybody's word.
    pub facts: Vec<String>,
}

/// The labels of recalled items: each as it was when it was remembered, whatever memory has made of it since. The whole
/// stands under `""`.
pub(super) fn of_items(shared: &Shared, answer: &Value) -> LabelMap {
    let mut labels = LabelMap::new();
    let mut whole = Label::new("memory", Trust::Observed);
    let items = answer.get("items").and_then(Value::as_array).into_iter().flatten();
    for (at, item) in items.enumerate() {
        let label = of_item(shared, item).join(&Label::new("memory", Trust::Observed));
        whole = whole.join(&label);
        labels.insert(format!("/items/{at}"), label);
    }
    labels.insert(String::new(), whole);
    labels
}

fn of_item(shared: &Shared, item: &Value) -> Label {
    let seq = item.get("entry").and_then(Value::as_u64).map(Seq);
    let entry = seq.and_then(|seq| shared.ports.journal.read(seq, 1).ok()?.into_iter().find(|e| e.seq() == seq));
    entry.map_or_else(|| Label::new("memory", Trust::Untrusted), |entry| label_behind(&entry))
}

/// What an entry says about the trust of what was learnt from it; what says nothing is untrusted.
fn label_behind(entry: &Entry) -> Label {
    if let Some(label) = entry.labels.get(CONTENT).or_else(|| entry.labels.get("")) {
        return label.clone();
    }
    match &entry.record {
        // A receipt: a system of ours said so.
        Record::Concluded(_) => Label::new("receipt", Trust::Observed),
        record => Label::new(record.kind(), Trust::Untrusted),
    }
}

/// The endorsement that a look-up has earned: it asked a system of record about something checked, and found one match.
pub(super) fn endorsement(shared: &Shared, ask: &ActAsk, receipt: &Value) -> Option<Endorsed> {
    if ask.wish.capability.as_str() != "http.get" {
        return None;
    }
    let checked = ask.args_label.trust >= Trust::Verified || is_checked_scan(ask);
    let uri = ask.wish.args.get("uri").and_then(Value::as_str).filter(|_| checked)?;
    let record = shared.settings.records.iter().find(|record| record.answers(uri))?;
    let status = receipt.get("status").and_then(Value::as_u64).unwrap_or(200);
    let content = receipt.get("content").filter(|_| (200..300).contains(&status))?;
    let one = |at: &String| content.pointer(at).and_then(Value::as_array).is_some_and(|list| list.len() == 1);
    record.one.as_ref().is_none_or(one).then(|| record.vouch(ask.wish.effect, ask))
}

/// Nothing but a scan on which all passes agree, and our own words, went into the question.
fn is_checked_scan(ask: &ActAsk) -> bool {
    let label = &ask.args_label;
    label.trust >= Trust::Observed
        && ask.confidence_permille >= SURE_PERMILLE
        && label.origin.iter().all(|origin| origin == CHECKED_SCAN)
}

impl SystemOfRecord {
    /// Says whether this question goes to it: the plain host, and the beginning of the path.
    fn answers(&self, uri: &str) -> bool {
        let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"));
        let path = rest.and_then(|rest| rest.strip_prefix(self.host.as_str()));
        path.is_some_and(|path| path.starts_with('/') && path.starts_with(&self.path) && !path.contains(".."))
    }

    fn vouch(&self, effect: EffectId, ask: &ActAsk) -> Endorsed {
        let validator = if ask.args_label.trust >= Trust::Verified {
            "it was verified before".to_owned()
        } else {
            format!("all passes of the reader agree ({} of 1000)", ask.confidence_permille)
        };
        Endorsed { effect, record: self.host.clone(), validator, facts: self.facts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_host_and_path_are_the_system_of_record() {
        let shop = SystemOfRecord { host: "shop.local".into(), path: "/returns/".into(), one: None, facts: Vec::new() };
        assert!(shop.answers("http://shop.local/returns/4006381333931"));
        for uri in [
            "http://shop.local.evil.example/returns/1",
            "http://shop.local@evil.example/returns/1",
            "http://shop.local/reviews/1",
            "http://shop.local/returns/../reviews/1",
            "http://evil.example/?http://shop.local/returns/1",
            "file://shop.local/returns/1",
        ] {
            assert!(!shop.answers(uri), "{uri}");
        }
    }
}
