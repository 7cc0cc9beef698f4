//! An entry of the log in a few words, without its payload: for the audit page and the event stream.

use sinew_api::views::{EntryRow, When};
use sinew_contract::{Answer, Entry, Record, RunEnd, Verdict};

/// The entry as a row.
pub(super) fn row(entry: &Entry) -> EntryRow {
    EntryRow {
        seq: entry.seq(),
        hash: entry.hash,
        at: When(entry.header.recorded),
        kind: Record::kind_name(entry.header.kind).to_owned(),
        summary: summary(&entry.record),
        principal: entry.header.principal.clone(),
        run: entry.header.run,
        effect: entry.record.effect(),
        cause: entry.header.cause,
    }
}

fn summary(record: &Record) -> String {
    match record {
        Record::Booted(booted) => format!("sinew {} opened the log", booted.version),
        Record::Event(event) => format!("{} from {}", event.event_type, event.source),
        Record::RunStarted(run) => format!("{} {} started", run.playbook, run.version),
        Record::Stepped(step) => step
            .went
            .as_ref()
            .map_or_else(|| format!("passed {}", step.task), |went| format!("passed {}, went to {went}", step.task)),
        Record::Proposed(proposed) => match &proposed.answer {
            Ok(proposal) => format!("answered by {}", proposal.rung),
            Err(fault) => format!("not answered: {}", fault.title),
        },
        Record::Recalled(_) => "memory was asked".to_owned(),
        Record::Remembered(item) => format!("remembered a {}", item.item_kind),
        Record::Noted(item) => format!("noted a {}", item.item_kind),
        Record::Marked(marked) => format!("{:?}: {} items", marked.mark, marked.keys.len()).to_lowercase(),
        Record::Forgotten(gone) => format!("forgot a subject: {} items", gone.items),
        Record::Decided(decided) => format!("{}: {}", decided.request.capability, verdict(decided.decision.verdict)),
        Record::GateOpened(opened) => opened.gate.question.clone(),
        Record::GateAnswered(answered) => format!("gate {} {}", answered.gate, answer(answered)),
        Record::Intended(intended) => format!("{}, try {}", intended.command.capability, intended.command.attempt),
        Record::Concluded(concluded) => format!("{}: {}", concluded.capability, concluded.outcome.word()),
        Record::TimerSet(timer) => format!("waits until {}", timer.due),
        Record::TimerFired(_) => "waited".to_owned(),
        Record::Answered(answered) => match &answered.answer {
            Ok(_) => "answered".to_owned(),
            Err(fault) => format!("not answered: {}", fault.title),
        },
        Record::CancelAsked(asked) => format!("asked to end: {}", asked.reason),
        Record::RunEnded(ended) => end(&ended.end).to_owned(),
        Record::Stop(stop) => (if stop.engaged { "stop pressed" } else { "stop released" }).to_owned(),
        Record::ModelCalled(call) => format!("{} was asked: {}", call.route, call.ended),
        Record::BudgetReserved(budget) => format!("set aside for {} calls to models", budget.calls),
        Record::Granted(grant) => format!("reflex {}: {}", grant.rule, verdict(grant.decision.verdict)),
        Record::Reflexed(slice) => format!("reflex {} fired {} times, {} late", slice.rule, slice.count, slice.late),
        Record::Dropped(dropped) => format!("dropped {} of {}", dropped.count, dropped.queue),
        Record::Muted(muted) => {
            format!("device {} {}", muted.device, if muted.muted { "muted" } else { "is heard again" })
        }
        Record::GateVoted(vote) => format!("gate {}: {} said yes, more are asked", vote.gate, vote.by),
        Record::Endorsed(endorsed) => format!("matched in {}: {}", endorsed.record, endorsed.validator),
        Record::Erased => "erased".to_owned(),
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Run => "may run",
        Verdict::Ask => "asks a person",
        Verdict::Refuse => "refused",
    }
}

const fn answer(answered: &sinew_contract::GateAnswered) -> &'static str {
    match (answered.answer, answered.by.is_some()) {
        (Answer::Approve, _) => "approved",
        (Answer::Refuse, true) => "refused",
        (Answer::Refuse, false) => "refused: nobody answered in time",
    }
}

const fn end(end: &RunEnd) -> &'static str {
    match end {
        RunEnd::Completed { .. } => "completed",
        RunEnd::Faulted { .. } => "faulted",
        RunEnd::Cancelled { .. } => "cancelled",
    }
}
