//! How an entry is said to people: a phase, a few words, and what stands behind them.
//!
//! Pure. Knows records only; a page or a command may say it better, but this is what every face can rely on.

use serde_json::{Value, json};
use sinew_contract::{
    Answer, Concluded, Cost, Decided, EffectId, Entry, Event, GateAnswered, GateOpened, Intended, ModelCalled, Outcome,
    Proposed, Recalled, Record, RunEnd, RunStarted, Stepped, Verdict,
};

use crate::views::Phase;

/// What is said of one entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub phase: Phase,
    pub title: String,
    pub detail: Value,
    pub cost: Cost,
    pub effect: Option<EffectId>,
}

/// Says an entry; none for entries that belong to no run and no event.
pub(crate) fn say(entry: &Entry) -> Option<Said> {
    let (phase, title, detail) = words(&entry.record)?;
    Some(Said { phase, title, detail, cost: cost(&entry.record), effect: entry.record.effect() })
}

fn cost(record: &Record) -> Cost {
    match record {
        Record::Proposed(Proposed { answer: Ok(proposal), .. }) => proposal.cost,
        Record::Concluded(concluded) => concluded.cost,
        Record::ModelCalled(call) if !call.answered => call.cost,
        _ => Cost::default(),
    }
}

type Words = (Phase, String, Value);

fn words(record: &Record) -> Option<Words> {
    Some(match record {
        Record::Event(event) => said_event(event),
        Record::RunStarted(started) => said_start(started),
        Record::Stepped(stepped) => said_step(stepped),
        Record::Proposed(proposed) => said_proposal(proposed),
        Record::Recalled(recalled) => said_recall(recalled),
        Record::Remembered(item) => (
            Phase::Remember,
            format!("remembered about {}", item.subject),
            json!({"kind": item.item_kind, "subject": item.subject, "content": item.content, "sources": item.sources}),
        ),
        Record::Decided(decided) => said_decision(decided),
        Record::GateOpened(opened) => said_gate(opened),
        Record::GateAnswered(answered) => said_answer(answered),
        Record::Intended(intended) => said_intent(intended),
        Record::Concluded(concluded) => said_end(concluded),
        Record::TimerSet(timer) => {
            (Phase::Run, format!("waits until {}", timer.due), json!({"due": timer.due.to_string()}))
        }
        Record::TimerFired(_) => (Phase::Run, "the wait is over".to_owned(), Value::Null),
        Record::CancelAsked(asked) => {
            (Phase::Run, "asked to end".to_owned(), json!({"run": asked.run, "reason": asked.reason}))
        }
        Record::RunEnded(ended) => said_run_end(&ended.end),
        Record::GateVoted(vote) => (
            Phase::Gate,
            format!("{} said yes; more are asked", vote.by),
            json!({"gate": vote.gate, "note": vote.note}),
        ),
        Record::Endorsed(endorsed) => (
            Phase::Decide,
            format!("matched in {}", endorsed.record),
            json!({"record": endorsed.record, "validator": endorsed.validator, "facts": endorsed.facts}),
        ),
        Record::Erased => (Phase::Run, "erased".to_owned(), Value::Null),
        Record::ModelCalled(call) => said_call(call),
        Record::Answered(answered) => match &answered.answer {
            Ok(value) => (Phase::Run, "answered".to_owned(), value.clone()),
            Err(fault) => (Phase::Run, format!("not answered: {}", fault.title), json!(fault)),
        },
        Record::Booted(_)
        | Record::Stop(_)
        | Record::BudgetReserved(_)
        | Record::Noted(_)
        | Record::Marked(_)
        | Record::Forgotten(_)
        | Record::Granted(_)
        | Record::Reflexed(_)
        | Record::Dropped(_)
        | Record::Muted(_) => return None,
    })
}

fn said_call(call: &ModelCalled) -> Words {
    let detail = json!({
        "attempt": call.attempt, "tokens_in": call.tokens_in, "tokens_cached": call.tokens_cached,
        "tokens_out": call.tokens_out, "estimated": call.estimated, "took_us": call.took_us,
    });
    (Phase::Think, format!("{} was asked: {}", call.route, call.ended), detail)
}

fn said_event(event: &Event) -> Words {
    let about = event.subject.as_deref().unwrap_or(&event.id);
    let detail = json!({
        "id": event.id, "source": event.source, "type": event.event_type, "subject": event.subject,
        "time": event.time.to_string(), "data": event.data,
    });
    (Phase::Sense, format!("{about} came in"), detail)
}

fn said_start(started: &RunStarted) -> Words {
    let detail = json!({
        "playbook": started.playbook, "version": started.version, "digest": started.digest,
        "policy": started.policy, "catalogue": started.catalogue, "trigger": started.trigger,
    });
    (Phase::Run, format!("{} {} began", started.playbook, started.version), detail)
}

fn said_step(stepped: &Stepped) -> Words {
    let name = stepped.task.rsplit('/').next().unwrap_or(&stepped.task);
    let title = match &stepped.went {
        Some(went) => format!("{name}: went to {went}"),
        None => name.to_owned(),
    };
    (Phase::Think, title, json!({"task": stepped.task, "went": stepped.went, "output": stepped.output}))
}

fn said_proposal(proposed: &Proposed) -> Words {
    match &proposed.answer {
        Ok(p) => (
            Phase::Think,
            format!("{} answered", p.rung),
            json!({"value": p.value, "rung": p.rung, "because": p.because, "asked": p.asked, "label": p.label}),
        ),
        Err(fault) => (Phase::Think, format!("no answer: {}", fault.title), json!({"error": fault})),
    }
}

fn said_recall(recalled: &Recalled) -> Words {
    match &recalled.answer {
        Ok(answer) => {
            let found = answer.get("items").and_then(Value::as_array).map_or(0, Vec::len);
            (Phase::Remember, format!("memory gave {found} {}", plural(found, "item")), answer.clone())
        }
        Err(fault) => (Phase::Remember, format!("memory gave no answer: {}", fault.title), json!({"error": fault})),
    }
}

fn plural(count: usize, one: &str) -> String {
    if count == 1 { one.to_owned() } else { format!("{one}s") }
}

fn said_decision(decided: &Decided) -> Words {
    let request = &decided.request;
    let said = match decided.decision.verdict {
        Verdict::Run => "may run",
        Verdict::Ask => "is for a person to decide",
        Verdict::Refuse => "is refused by policy",
    };
    let detail = json!({
        "capability": request.capability, "class": request.class, "verdict": decided.decision.verdict,
        "reasons": decided.decision.reasons, "policy": decided.decision.policy, "approval": decided.approval,
        "amount_minor": request.amount_minor, "currency": request.currency, "args_trust": request.args_trust,
        "control_trust": request.control_trust, "confidence_permille": request.confidence_permille,
        "duplicate": request.duplicate, "approved": request.approved, "compensates": request.compensates,
    });
    (Phase::Decide, format!("{} {said}", request.capability), detail)
}

fn said_gate(opened: &GateOpened) -> Words {
    let gate = &opened.gate;
    let detail = json!({
        "question": gate.question, "why": gate.why, "what": gate.what, "role": gate.approvers.role,
        "digest": gate.digest, "expires": gate.expires.to_string(),
    });
    (Phase::Gate, format!("asked {}: {}", gate.approvers.role, gate.question), detail)
}

fn said_answer(answered: &GateAnswered) -> Words {
    let title = match (&answered.by, answered.answer) {
        (Some(person), Answer::Approve) => format!("{person} approved"),
        (Some(person), Answer::Refuse) => format!("{person} refused"),
        (None, _) => "nobody answered in time: refused".to_owned(),
    };
    let detail = json!({
        "gate": answered.gate, "answer": answered.answer, "by": answered.by, "digest": answered.digest,
        "note": answered.note,
    });
    (Phase::Gate, title, detail)
}

fn said_intent(intended: &Intended) -> Words {
    let command = &intended.command;
    let nth = if command.attempt > 1 { format!(" (try {})", command.attempt) } else { String::new() };
    let detail = json!({
        "capability": command.capability, "class": command.class, "device": command.device, "args": command.args,
        "key": command.key, "natural_key": command.natural_key, "attempt": command.attempt,
        "expires": command.expires.wall.to_string(),
    });
    (Phase::Act, format!("{} goes to {}{nth}", command.capability, command.device), detail)
}

fn said_end(concluded: &Concluded) -> Words {
    let title = match &concluded.outcome {
        Outcome::Done { first: Some(first), .. } => {
            format!("{} was done before, by entry {first}", concluded.capability)
        }
        Outcome::Done { .. } => format!("{} done", concluded.capability),
        Outcome::Refused { by, .. } => format!("{} refused by {by}", concluded.capability),
        Outcome::Failed { .. } => format!("{} failed without effect", concluded.capability),
        Outcome::Unknown { .. } => format!("{}: nobody knows yet whether it happened", concluded.capability),
    };
    let detail = json!({
        "capability": concluded.capability, "outcome": concluded.outcome, "intent": concluded.intent,
        "last": concluded.last,
    });
    (Phase::Act, title, detail)
}

fn said_run_end(end: &RunEnd) -> Words {
    match end {
        RunEnd::Completed { output } => {
            let title = match output.get("outcome").and_then(Value::as_str) {
                Some(outcome) => format!("ended: {outcome}"),
                None => "ended".to_owned(),
            };
            (Phase::Run, title, json!({"output": output}))
        }
        RunEnd::Faulted { error } => {
            (Phase::Run, format!("ended with an error: {}", error.title), json!({"error": error}))
        }
        RunEnd::Cancelled { reason } => (Phase::Run, "was ended by a person".to_owned(), json!({"reason": reason})),
    }
}
