//! Rows of memory and entries of the log, as the face shows them. Pure.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sinew_api::views::{
    ClaimView, Detail, EvidenceView, ExactRequest, GateRow, GateStatus, GateView, Money, Phase, RunRow, RunStatus,
    RunView, ScanView, StepView, Tone, TrackRecord, When,
};
use sinew_contract::{BlobRef, Claim, Entry, Event, Evidence, Manifest, RunId, RunStarted, Timestamp};
use sinew_memory as memory;

/// A field of an event's data, read as what it should be.
fn field<T: DeserializeOwned>(data: &Value, name: &str) -> Option<T> {
    serde_json::from_value(data.get(name)?.clone()).ok()
}

/// A small number in an event's data; 0 where there is none.
pub(super) fn number(data: &Value, name: &str) -> u32 {
    field(data, name).unwrap_or(0)
}

/// A scan's event as its view; none where it is another kind of event.
pub(super) fn scan(entry: &Entry, event: &Event, run: Option<RunId>) -> Option<ScanView> {
    let data = &event.data;
    let image: BlobRef = field(data, "image")?;
    let claims: Vec<Claim> = field(data, "claims").unwrap_or_default();
    Some(ScanView {
        seq: entry.seq(),
        scan: event.subject.clone().unwrap_or_default(),
        at: When(entry.header.observed),
        image: image.into(),
        width: number(data, "width"),
        height: number(data, "height"),
        verdict: field(data, "verdict")?,
        code: field(data, "code"),
        format: field(data, "format"),
        confidence_permille: field(data, "confidence_permille").unwrap_or(0),
        claims: claims.into_iter().map(ClaimView::from).collect(),
        run,
        repeated: false,
    })
}

pub(super) const fn memory_status(status: RunStatus) -> memory::RunStatus {
    match status {
        RunStatus::Running => memory::RunStatus::Running,
        RunStatus::Waiting => memory::RunStatus::Waiting,
        RunStatus::Completed => memory::RunStatus::Completed,
        RunStatus::Faulted => memory::RunStatus::Faulted,
        RunStatus::Cancelled => memory::RunStatus::Cancelled,
    }
}

const fn run_status(status: memory::RunStatus) -> RunStatus {
    match status {
        memory::RunStatus::Running => RunStatus::Running,
        memory::RunStatus::Waiting => RunStatus::Waiting,
        memory::RunStatus::Completed => RunStatus::Completed,
        memory::RunStatus::Faulted => RunStatus::Faulted,
        memory::RunStatus::Cancelled => RunStatus::Cancelled,
    }
}

/// The same word in memory; none for those that wait, which have their own query.
pub(super) const fn memory_gate_status(status: GateStatus) -> Option<memory::GateStatus> {
    match status {
        GateStatus::Waiting => None,
        GateStatus::Approved => Some(memory::GateStatus::Approved),
        GateStatus::Refused => Some(memory::GateStatus::Refused),
        GateStatus::Expired => Some(memory::GateStatus::Expired),
    }
}

const fn gate_status(status: memory::GateStatus) -> GateStatus {
    match status {
        memory::GateStatus::Open => GateStatus::Waiting,
        memory::GateStatus::Approved => GateStatus::Approved,
        memory::GateStatus::Refused => GateStatus::Refused,
        memory::GateStatus::Expired | memory::GateStatus::Withdrawn => GateStatus::Expired,
    }
}

fn millis(micros: i64) -> u64 {
    u64::try_from(micros / 1_000).unwrap_or(0)
}

/// A run in the list.
pub(super) fn run_row(row: memory::RunRow, gates: &[memory::GateRow], now: Timestamp) -> RunRow {
    let until = row.ended.unwrap_or(now);
    let rma = row.output.as_ref().and_then(|o| o.get("rma")).and_then(Value::as_str);
    let name = row.trigger_name.clone().unwrap_or_else(|| row.playbook.clone());
    RunRow {
        run: row.run,
        title: rma.map_or(name.clone(), |rma| format!("{rma} · {name}")),
        playbook: plain(&row.playbook),
        version: row.version,
        status: run_status(row.status),
        result: row.outcome.unwrap_or_default(),
        started: When(row.started),
        ended: row.ended.map(When),
        took_ms: millis(until.0.saturating_sub(row.started.0)),
        cost_micros: row.cost.micros,
        gate: gates.iter().find(|g| g.run == row.run).map(|g| g.gate),
    }
}

/// A name that was checked when it was written; a damaged one is shown as such.
fn plain<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().or_else(|_| "damaged".parse()).expect("a plain word is a name")
}

/// A run with its timeline.
pub(super) fn run(
    row: memory::RunRow,
    steps: Vec<memory::TimelineRow>,
    started: &RunStarted,
    gates: &[memory::GateRow],
    now: Timestamp,
) -> RunView {
    let title =
        |error: &Value| error.get("title").or_else(|| error.get("reason")).and_then(Value::as_str).map(str::to_owned);
    let reason = row.error.as_ref().and_then(title);
    let cancelled = row.status == memory::RunStatus::Cancelled;
    let output = row.output.clone();
    let trigger = row.trigger;
    RunView {
        row: run_row(row, gates, now),
        trigger,
        playbook_digest: started.digest,
        policy_digest: started.policy,
        cancel_reason: reason.clone().filter(|_| cancelled),
        fault: reason.filter(|_| !cancelled),
        input: started.input.clone(),
        output,
        steps: steps.into_iter().map(step).collect(),
    }
}

fn step(row: memory::TimelineRow) -> StepView {
    let outcome = ["outcome", "verdict", "answer", "status"].iter().find_map(|name| word(&row.detail, name));
    let outcome = outcome.unwrap_or_default();
    StepView {
        seq: row.seq,
        at: When(row.at),
        phase: phase(row.phase, &row.kind),
        title: row.title,
        tone: tone(&outcome, &row.kind),
        outcome,
        took_ms: None,
        cost_micros: row.cost.micros,
        effect: row.effect,
        gate: (row.kind == "gate-opened").then_some(sinew_contract::GateId(row.seq)),
        details: details(row.cause, &row.kind, &row.principal),
        data: (!row.detail.is_null()).then_some(row.detail),
    }
}

fn word(detail: &Value, name: &str) -> Option<String> {
    detail.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn details(cause: Option<sinew_contract::Seq>, kind: &str, principal: &str) -> Vec<Detail> {
    let mut details = vec![Detail::new("kind", kind), Detail::new("by", principal)];
    details.extend(cause.map(|seq| Detail::new("because of entry", seq.to_string())));
    details
}

fn phase(phase: memory::Phase, kind: &str) -> Phase {
    match phase {
        memory::Phase::Sense => Phase::Sense,
        memory::Phase::Remember => Phase::Remember,
        memory::Phase::Think => Phase::Think,
        memory::Phase::Decide => Phase::Decide,
        memory::Phase::Gate => Phase::Gate,
        memory::Phase::Act => Phase::Act,
        memory::Phase::Run if kind.starts_with("timer") => Phase::Wait,
        memory::Phase::Run => Phase::Run,
    }
}

fn tone(outcome: &str, kind: &str) -> Tone {
    match outcome {
        "done" | "approve" | "approved" | "completed" | "run" => Tone::Good,
        "unknown" | "ask" => Tone::Open,
        "failed" | "refused" | "refuse" | "faulted" => Tone::Bad,
        _ if kind == "gate-opened" => Tone::Open,
        _ => Tone::Plain,
    }
}

/// A gate in the inbox.
pub(super) fn gate_row(row: &memory::GateRow, manifest: Option<&Manifest>) -> GateRow {
    let card = &row.card;
    GateRow {
        gate: row.gate,
        run: row.run,
        playbook: plain(&row.playbook),
        status: gate_status(row.status),
        question: card.question.clone(),
        what: card.what.clone(),
        amount: amount(row, manifest),
        why: card.why.clone(),
        confidence_permille: card.confidence_permille,
        role: card.approvers.role.clone(),
        opened: When(row.opened),
        expires: When(row.expires),
        by: row.by.as_deref().and_then(|by| by.parse().ok()),
        answered: row.answered.map(When),
    }
}

fn amount(row: &memory::GateRow, manifest: Option<&Manifest>) -> Option<Money> {
    let args = &row.card.preimage.as_ref()?.args;
    let at = manifest?.amount.as_ref()?;
    let minor = args.pointer(&at.minor)?.as_i64()?;
    let currency = args.pointer(&at.currency)?.as_str()?.to_owned();
    Some(Money { minor, currency })
}

/// The whole card.
pub(super) fn gate(
    row: &memory::GateRow,
    manifest: Option<&Manifest>,
    size: (u32, u32),
    cost_micros: i64,
    alike: &[memory::GateRow],
) -> GateView {
    let card = &row.card;
    GateView {
        row: gate_row(row, manifest),
        digest: row.digest,
        risk: card.risk.clone(),
        request: card.preimage.as_ref().zip(manifest).map(|(preimage, manifest)| ExactRequest {
            capability: preimage.capability.clone(),
            manifest_version: preimage.manifest_version,
            class: manifest.class,
            undo: manifest.compensation.as_ref().map(|c| c.capability.clone()),
            args: preimage.args.clone(),
        }),
        evidence: card.evidence.iter().map(|e| evidence(e, size)).collect(),
        record: record(row, alike),
        not_by: card.approvers.not_by.clone(),
        cost_micros,
        note: row.note.clone(),
    }
}

fn evidence(evidence: &Evidence, (width, height): (u32, u32)) -> EvidenceView {
    match evidence.clone() {
        Evidence::Image { blob, quad } => {
            EvidenceView::Image { image: blob.into(), width, height, quad, caption: String::new() }
        }
        Evidence::Fact { name, value } => EvidenceView::Fact { name, value },
        Evidence::Memory { id, text } => EvidenceView::Memory { id, text },
    }
}

/// What became of gates about the same capability in the same playbook.
fn record(row: &memory::GateRow, alike: &[memory::GateRow]) -> TrackRecord {
    let capability = |g: &memory::GateRow| g.card.preimage.as_ref().map(|p| p.capability.clone());
    let same = |g: &&memory::GateRow| {
        g.gate != row.gate && g.by.is_some() && g.playbook == row.playbook && capability(g) == capability(row)
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let refused = |g: &&memory::GateRow| g.status == memory::GateStatus::Refused;
    TrackRecord {
        answered: count(alike.iter().filter(same).count()),
        refused: count(alike.iter().filter(same).filter(refused).count()),
    }
}

/// The media type that the first bytes say; never what the sender said.
pub(super) fn media_type(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 2] = [(b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg")];
    let found = known.iter().find(|(magic, _)| bytes.starts_with(magic));
    found.map_or("application/octet-stream", |(_, name)| name).to_owned()
}
