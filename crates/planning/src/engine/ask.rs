//! From a call in a playbook to a question: evaluates what stands in `with` and says what is wanted.
//!
//! Does not know answers. An act carries what policy and the person at a gate want to know.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use sinew_contract::{
    Approvers, Ask, AskLimits, AskMore, CapabilityName, EffectId, Fault, GateId, Label, PrincipalId, Remembered, Trust,
    Wish,
};
use sinew_expr::{Labels, SchemaFinding};

use super::evidence::added;
use super::flow::Flow;
use super::live::{Live, Moment, State};
use super::step::Next;
use crate::playbook::{Call, Function, Task, read_duration};
use crate::{ActAsk, ApproveAsk, Effect, RecallAsk, RememberAsk, faults};

/// Items recalled where the playbook does not say how many.
const LIMIT_DEFAULT: usize = 10;

impl Live {
    /// A call of one of our functions.
    pub(super) fn ask_call(&mut self, task: &Task, call: &Call, input: &Flow, now: Moment) -> Result<Next, Fault> {
        let with = self.in_task(task, |scope| scope.template(&call.with, input))?;
        call.function.check(&with.value).map_err(|findings| not_fit(call.function, &findings))?;
        match call.function {
            Function::Infer => Ok(self.ask_infer(&with, now)),
            Function::Recall => Ok(self.ask_recall(&with, now)),
            Function::Remember => Ok(self.ask_remember(&with, now)),
            Function::Act => self.ask_act(&with, now),
            Function::Approve => self.ask_approve(&with, now),
            Function::Compensate => self.compensate(&with.value, now),
        }
    }

    fn ask_infer(&mut self, with: &Flow, now: Moment) -> Next {
        let effect = self.next_id();
        let value = &with.value;
        let role = value.pointer("/model/role").and_then(Value::as_str).unwrap_or("judge").to_owned();
        let member = |name: &str| value.get(name).cloned().unwrap_or(Value::Null);
        let ask = Ask {
            effect,
            role,
            instruction: text(value, "instruction"),
            inputs: member("inputs"),
            schema: member("schema"),
            rules: maybe(value, "rules"),
            template: maybe(value, "template"),
            more: AskMore { playbook: Some(self.playbook.name().clone()), ..more(value) },
            label: with.label(),
        };
        self.ask(effect, Effect::Infer(Box::new(ask)), now)
    }

    fn ask_recall(&mut self, with: &Flow, now: Moment) -> Next {
        let effect = self.next_id();
        let query = with.value.get("query").unwrap_or(&Value::Null);
        let subject = maybe(query, "subject");
        self.subjects.extend(subject.clone());
        let limit = with.value.get("limit").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let store = text(&with.value, "store");
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        let ask = RecallAsk { effect, store, subject, about: maybe(query, "about"), limit };
        self.set_state(State::Recall(with.label()));
        self.ask(effect, Effect::Recall(Box::new(ask)), now)
    }

    fn ask_remember(&mut self, with: &Flow, now: Moment) -> Next {
        let effect = self.next_id();
        let value = &with.value;
        let subject = text(value, "subject");
        self.subjects.insert(subject.clone());
        let sources = value.get("sources").and_then(Value::as_array).into_iter().flatten();
        let fact = Remembered {
            effect,
            item_kind: text(value, "kind"),
            subject,
            content: value.get("content").cloned().unwrap_or(Value::Null),
            sources: sources.filter_map(Value::as_str).map(str::to_owned).collect(),
            key: text(value, "idempotencyKey"),
            confidence_permille: permille(value.get("confidence")),
        };
        let label = with.member("content").label().join(&with.member("subject").label());
        self.ask(effect, Effect::Remember(Box::new(RememberAsk { fact, label })), now)
    }

    fn ask_act(&mut self, with: &Flow, now: Moment) -> Result<Next, Fault> {
        let value = &with.value;
        let args = Arc::new(value.get("args").cloned().unwrap_or(Value::Null));
        let mut labels = Labels::clone(&with.member("args").labels);
        let capability = capability(value)?;
        let approval = maybe(value, "approval").and_then(|token| token.parse::<GateId>().ok());
        if approval.is_some_and(|gate| self.is_approved(gate, &capability, &args)) {
            // A person has seen these very arguments: that is an endorsement, and it is in the journal.
            let whole = labels.whole();
            let trust = whole.trust.max(Trust::Verified);
            labels = Label { trust, ..whole.join(&Label::new("person", Trust::Owned)) }.into();
        }
        let effect = self.next_id();
        let key = text(value, "idempotencyKey");
        let wish = Wish { effect, capability, args: Value::clone(&args), key, compensates: None };
        self.set_state(State::Act(args));
        Ok(self.act(wish, approval, labels, now))
    }

    fn is_approved(&self, gate: GateId, capability: &CapabilityName, args: &Value) -> bool {
        self.approved.get(&gate).is_some_and(|(what, bytes)| what == capability && **bytes == *args)
    }

    /// Asks for an act, with all that policy and a person want to know.
    pub(super) fn act(&mut self, wish: Wish, approval: Option<GateId>, args_labels: Labels, now: Moment) -> Next {
        let effect = wish.effect;
        let ask = ActAsk {
            wish,
            approval,
            args_label: args_labels.whole(),
            args_labels,
            control_label: self.control.clone(),
            control_closed: self.control_closed,
            confidence_permille: self.seen.confidence_permille,
            evidence: self.evidence(),
            subjects: self.subjects.iter().cloned().collect(),
        };
        self.ask(effect, Effect::Act(Box::new(ask)), now)
    }

    fn ask_approve(&mut self, with: &Flow, now: Moment) -> Result<Next, Fault> {
        let value = &with.value;
        let proposal = match value.get("proposal") {
            Some(proposal) => Some((capability(proposal)?, proposal.get("args").cloned().unwrap_or(Value::Null))),
            None => None,
        };
        let expires = value.get("expires").map_or(Err("`expires` is missing".to_owned()), read_duration);
        let expires: SignedDuration = expires.map_err(faults::validation)?;
        let effect = self.next_id();
        let mut evidence = self.evidence();
        evidence.extend(added(value.get("evidence")));
        let ask = ApproveAsk {
            effect,
            question: text(value, "question"),
            proposal,
            approvers: approvers(value.get("approvers").unwrap_or(&Value::Null)),
            expires,
            why: texts(value.get("why")),
            evidence,
            confidence_permille: self.seen.confidence_permille,
        };
        Ok(self.ask(effect, Effect::Approve(Box::new(ask)), now))
    }

    /// The id under which an undo will ask; its key rests on the key of what it undoes.
    pub(super) fn undo_wish(&mut self, capability: CapabilityName, args: Value, key: &str, of: EffectId) -> Wish {
        let effect = self.next_id();
        Wish { effect, capability, args, key: format!("undo/{key}"), compensates: Some(of) }
    }
}

fn not_fit(function: Function, findings: &[SchemaFinding]) -> Fault {
    let first = findings.first().map(|f| format!(" at `{}`: {}", f.pointer, f.message)).unwrap_or_default();
    faults::validation(format!("what `{}` was asked with does not fit{first}", function.name()))
}

fn text(value: &Value, name: &str) -> String {
    maybe(value, name).unwrap_or_default()
}

/// What a question says to models alone.
fn more(value: &Value) -> AskMore {
    let budget = |name: &str| value.pointer(&format!("/budget/{name}"));
    let duration = budget("duration").and_then(|text| read_duration(text).ok());
    let limits = AskLimits {
        calls: budget("calls").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()),
        tokens: budget("tokens").and_then(Value::as_u64),
        micros: budget("money").and_then(Value::as_i64),
        duration_ms: duration.and_then(|d| u64::try_from(d.as_millis()).ok()),
    };
    let model = value.pointer("/model/id").and_then(Value::as_str).map(str::to_owned);
    let checks = value.get("checks").cloned().unwrap_or(Value::Null);
    let conversation = value.get("conversation").cloned().unwrap_or(Value::Null);
    let critical = value.get("critical").and_then(Value::as_bool).unwrap_or(false);
    AskMore { model, limits, checks, conversation, critical, ..AskMore::default() }
}

fn maybe(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn capability(value: &Value) -> Result<CapabilityName, Fault> {
    text(value, "capability").parse::<CapabilityName>().map_err(|error| faults::validation(error.to_string()))
}

fn approvers(value: &Value) -> Approvers {
    let not_by = texts(value.get("notBy")).iter().filter_map(|name| name.parse::<PrincipalId>().ok()).collect();
    let quorum = value.get("quorum").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    Approvers { role: text(value, "role"), quorum: quorum.unwrap_or(1), not_by }
}

/// 0.0 to 1.0 as 0 to 1000; what is not said is sure.
fn permille(value: Option<&Value>) -> u16 {
    let share = value.and_then(Value::as_f64).unwrap_or(1.0).clamp(0.0, 1.0);
    let permille = json!((share * 1000.0).round());
    permille.as_f64().map_or(1000, |n| (0..=1000_u16).rev().find(|p| f64::from(*p) <= n).unwrap_or(0))
}
