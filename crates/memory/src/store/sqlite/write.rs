//! Carrying changes out: each kind of change is one or two statements.
//!
//! Knows the tables; not why a change is made (`project`). All statements of a batch stand in one transaction.

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use sinew_contract::{
    Command, Concluded, Cost, Decided, Digest, EffectId, EntryRef, Event, GateAnswered, GateOpened, Header, Outcome,
    PrincipalId, RunEnd, RunStarted, Seq, Stepped, Verdict,
};

use super::{failed, items};
use crate::error::MemoryError;
use crate::project::{Change, Projection, Scan};
use crate::store::Store;
use crate::timeline::Said;
use crate::twin::Sighting;
use crate::views::{GateStatus, RunStatus};

/// Every table that is folded, for `reset`.
const TABLES: &[&str] =
    &["timeline", "events", "scans", "runs", "steps", "effects", "gates", "costs", "people_touches", "items", "twin"];

/// The one connection that writes.
pub(crate) struct SqliteStore {
    pub(super) conn: Connection,
    pub(super) head: EntryRef,
}

impl Store for SqliteStore {
    fn head(&self) -> EntryRef {
        self.head
    }

    fn apply(&mut self, batch: &[Projection<'_>], head: EntryRef) -> Result<(), MemoryError> {
        let tx = self.conn.transaction().map_err(failed("begin a batch"))?;
        for projection in batch {
            apply_one(&tx, projection).map_err(failed("fold an entry"))?;
        }
        set_head(&tx, head).and_then(|()| tx.commit()).map_err(failed("commit a batch"))?;
        self.head = head;
        Ok(())
    }

    fn reset(&mut self) -> Result<(), MemoryError> {
        let nothing = EntryRef { seq: Seq::ZERO, hash: Digest::ZERO };
        let tx = self.conn.transaction().map_err(failed("begin to forget"))?;
        for table in TABLES {
            tx.execute(&format!("DELETE FROM {table}"), []).map_err(failed("forget"))?;
        }
        set_head(&tx, nothing).and_then(|()| tx.commit()).map_err(failed("forget"))?;
        self.head = nothing;
        Ok(())
    }
}

pub(super) type Done = rusqlite::Result<()>;

/// SQLite's integers are signed; a seq past 2^63 cannot come to be.
pub(super) fn int(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn tokens(cost: Cost) -> i64 {
    i64::try_from(cost.tokens).unwrap_or(i64::MAX)
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("invariant: records were JSON when they were read")
}

pub(super) fn run_of(header: &Header) -> Option<String> {
    header.run.map(|run| run.to_string())
}

fn set_head(tx: &Transaction<'_>, head: EntryRef) -> Done {
    let sql = "UPDATE meta SET watermark = ?1, hash = ?2 WHERE id = 1";
    tx.prepare_cached(sql)?.execute(params![int(head.seq), head.hash.to_string()])?;
    Ok(())
}

fn apply_one(tx: &Transaction<'_>, projection: &Projection<'_>) -> Done {
    let header = &projection.entry.header;
    if let Some(said) = &projection.said {
        say(tx, header, said)?;
    }
    projection.changes.iter().try_for_each(|change| match change {
        Change::Item(item) => items::put(tx, projection.entry, item),
        Change::RunEnded(end) => run_ended(tx, header, end).and_then(|()| items::episode(tx, projection.entry)),
        other => apply_change(tx, header, other),
    })
}

fn apply_change(tx: &Transaction<'_>, header: &Header, change: &Change<'_>) -> Done {
    match change {
        Change::Event(event) => event_row(tx, header, event),
        Change::Scan(scan) => scan_row(tx, header, scan),
        Change::RunStarted(started) => run_started(tx, header, started),
        Change::Stepped(stepped) => step_row(tx, header, stepped),
        Change::Verdict => first_verdict(tx, header),
        Change::Decided(decided) => effect_decided(tx, header, decided),
        Change::Intended(command) => effect_intended(tx, header, command),
        Change::Concluded(concluded) => effect_concluded(tx, header, concluded),
        Change::Cost { effect, what, cost } => cost_row(tx, header, *effect, what, *cost),
        Change::GateOpened(opened) => gate_opened(tx, header, opened),
        Change::GateClosed { answered, status } => gate_closed(tx, header, answered, *status),
        Change::Touched { person, did, gate } => {
            touched(tx, header, person, did, gate.map(|gate| gate.to_string()).as_deref())
        }
        Change::Item(_) => Ok(()),
        Change::Marked(marked) => items::mark(tx, header, marked),
        Change::Recalled(recalled) => items::used(tx, header, recalled),
        Change::Seen { sighting, source } => seen(tx, header, sighting, source),
        Change::RunEnded(end) => run_ended(tx, header, end),
    }
}

fn say(tx: &Transaction<'_>, header: &Header, said: &Said) -> Done {
    let sql = "INSERT INTO timeline (scope, seq, run, at, kind, phase, title, detail, cost_micros, tokens, effect, cause, \
               principal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        int(header.seq),
        run_of(header),
        header.recorded.0,
        sinew_contract::Record::kind_name(header.kind),
        said.phase.as_str(),
        said.title,
        json(&said.detail),
        said.cost.micros,
        tokens(said.cost),
        said.effect.map(|effect| effect.to_string()),
        header.cause.map(int),
        header.principal.as_str(),
    ])?;
    Ok(())
}

fn event_row(tx: &Transaction<'_>, header: &Header, event: &Event) -> Done {
    let sql = "INSERT INTO events (scope, seq, id, source, type, subject, observed, at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        int(header.seq),
        event.id,
        event.source,
        event.event_type,
        event.subject,
        header.observed.0,
        header.recorded.0,
    ])?;
    Ok(())
}

fn scan_row(tx: &Transaction<'_>, header: &Header, scan: &Scan<'_>) -> Done {
    let sql = "INSERT INTO scans (scope, seq, event, name, verdict, code, image, at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        int(header.seq),
        scan.event,
        scan.name,
        scan.verdict,
        scan.code,
        scan.image,
        header.observed.0,
    ])?;
    Ok(())
}

/// The trigger stands before the run in the log, so its row is there.
fn run_started(tx: &Transaction<'_>, header: &Header, started: &RunStarted) -> Done {
    let sql = "INSERT INTO runs (scope, run, seq, playbook, version, status, trigger_seq, trigger_name, trigger_observed, \
               started) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
               (SELECT coalesce(subject, id) FROM events WHERE scope = ?1 AND seq = ?7), \
               (SELECT observed FROM events WHERE scope = ?1 AND seq = ?7), ?8)";
    let run = run_of(header);
    let trigger = started.trigger.map(int);
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        run,
        int(header.seq),
        started.playbook.as_str(),
        started.version,
        RunStatus::Running.as_str(),
        trigger,
        header.recorded.0,
    ])?;
    let sql = "UPDATE scans SET run = ?3 WHERE scope = ?1 AND seq = ?2 AND run IS NULL";
    tx.prepare_cached(sql)?.execute(params![header.scope.as_str(), trigger, run])?;
    Ok(())
}

fn step_row(tx: &Transaction<'_>, header: &Header, stepped: &Stepped) -> Done {
    let sql = "INSERT INTO steps (scope, seq, run, task, went, output, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        int(header.seq),
        run_of(header).unwrap_or_default(),
        stepped.task,
        stepped.went,
        stepped.output.to_string(),
        header.recorded.0,
    ])?;
    Ok(())
}

fn first_verdict(tx: &Transaction<'_>, header: &Header) -> Done {
    let sql = "UPDATE runs SET verdict_us = max(0, ?3 - trigger_observed) \
               WHERE scope = ?1 AND run = ?2 AND verdict_us IS NULL AND trigger_observed IS NOT NULL";
    tx.prepare_cached(sql)?.execute(params![header.scope.as_str(), run_of(header), header.recorded.0])?;
    Ok(())
}

/// Makes sure that an act has its row, whichever of its entries comes first.
fn effect_row(tx: &Transaction<'_>, header: &Header, effect: EffectId, what: &str, class: &str, args: &str) -> Done {
    let sql = "INSERT INTO effects (scope, effect, run, step, capability, class, args, asked) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        effect.to_string(),
        effect.run.to_string(),
        effect.step,
        what,
        class,
        args,
        header.recorded.0,
    ])?;
    Ok(())
}

fn effect_decided(tx: &Transaction<'_>, header: &Header, decided: &Decided) -> Done {
    let request = &decided.request;
    let class = request.class.as_str();
    effect_row(tx, header, decided.effect, request.capability.as_str(), class, &json(&request.args))?;
    let verdict = match decided.decision.verdict {
        Verdict::Run => "run",
        Verdict::Ask => "ask",
        Verdict::Refuse => "refuse",
    };
    let sql = "UPDATE effects SET verdict = ?3, reasons = ?4, compensates = ?5 WHERE scope = ?1 AND effect = ?2";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        decided.effect.to_string(),
        verdict,
        json(&decided.decision.reasons),
        request.compensates,
    ])?;
    Ok(())
}

fn effect_intended(tx: &Transaction<'_>, header: &Header, command: &Command) -> Done {
    let class = command.class.as_str();
    effect_row(tx, header, command.effect, command.capability.as_str(), class, &json(&command.args))?;
    let sql = "UPDATE effects SET key = ?3, natural_key = ?4, attempts = max(attempts, ?5), \
               intended = coalesce(intended, ?6) WHERE scope = ?1 AND effect = ?2";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        command.effect.to_string(),
        command.key,
        command.natural_key,
        command.attempt,
        header.recorded.0,
    ])?;
    Ok(())
}

fn effect_concluded(tx: &Transaction<'_>, header: &Header, concluded: &Concluded) -> Done {
    effect_row(tx, header, concluded.effect, concluded.capability.as_str(), UNKNOWN_CLASS, "null")?;
    let sql = "UPDATE effects SET outcome = ?3, result = ?4, settled = max(settled, ?5), cost_micros = cost_micros + ?6, \
               tokens = tokens + ?7, latency_us = CASE WHEN ?5 THEN max(0, ?8 - intended) ELSE latency_us END \
               WHERE scope = ?1 AND effect = ?2";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        concluded.effect.to_string(),
        concluded.outcome.word(),
        result_of(&concluded.outcome),
        concluded.last,
        concluded.cost.micros,
        tokens(concluded.cost),
        header.recorded.0,
    ])?;
    Ok(())
}

/// Stands where a wish ended before anybody looked at its manifest.
const UNKNOWN_CLASS: &str = "unknown";

fn result_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { receipt, .. } => json(receipt),
        other => json(other),
    }
}

fn cost_row(tx: &Transaction<'_>, header: &Header, effect: EffectId, what: &str, cost: Cost) -> Done {
    let run = effect.run.to_string();
    let sql = "INSERT INTO costs (scope, seq, run, effect, what, micros, tokens, at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        int(header.seq),
        run,
        effect.to_string(),
        what,
        cost.micros,
        tokens(cost),
        header.recorded.0,
    ])?;
    let sql = "UPDATE runs SET cost_micros = cost_micros + ?3, tokens = tokens + ?4 WHERE scope = ?1 AND run = ?2";
    tx.prepare_cached(sql)?.execute(params![header.scope.as_str(), run, cost.micros, tokens(cost)])?;
    Ok(())
}

fn gate_opened(tx: &Transaction<'_>, header: &Header, opened: &GateOpened) -> Done {
    let gate = &opened.gate;
    let sql = "INSERT INTO gates (scope, gate, seq, run, effect, status, question, role, capability, digest, card, opened, \
               expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        sinew_contract::GateId(header.seq).to_string(),
        int(header.seq),
        opened.effect.run.to_string(),
        opened.effect.to_string(),
        GateStatus::Open.as_str(),
        gate.question,
        gate.approvers.role,
        gate.preimage.as_ref().map(|preimage| preimage.capability.as_str()),
        gate.digest.to_string(),
        json(gate),
        header.recorded.0,
        gate.expires.0,
    ])?;
    set_waiting(tx, header, &opened.effect.run.to_string())
}

fn gate_closed(tx: &Transaction<'_>, header: &Header, answered: &GateAnswered, status: GateStatus) -> Done {
    let sql = "UPDATE gates SET status = ?3, answered = ?4, answer_by = ?5, note = ?6 \
               WHERE scope = ?1 AND gate = ?2 AND status = 'open'";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        answered.gate.to_string(),
        status.as_str(),
        header.recorded.0,
        answered.by.as_ref().map(PrincipalId::as_str),
        answered.note,
    ])?;
    set_waiting(tx, header, &answered.effect.run.to_string())
}

/// A run waits while any gate of it is open. Uses `gates_by_run`.
fn set_waiting(tx: &Transaction<'_>, header: &Header, run: &str) -> Done {
    let sql = "UPDATE runs SET status = CASE WHEN EXISTS \
               (SELECT 1 FROM gates WHERE scope = ?1 AND run = ?2 AND status = 'open') THEN 'waiting' ELSE 'running' END \
               WHERE scope = ?1 AND run = ?2 AND status IN ('running', 'waiting')";
    tx.prepare_cached(sql)?.execute(params![header.scope.as_str(), run])?;
    Ok(())
}

fn touched(tx: &Transaction<'_>, header: &Header, person: &str, did: &str, gate: Option<&str>) -> Done {
    let run = run_of(header);
    let sql = "INSERT INTO people_touches (scope, seq, person, did, run, gate, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let scope = header.scope.as_str();
    tx.prepare_cached(sql)?.execute(params![scope, int(header.seq), person, did, run, gate, header.recorded.0])?;
    let sql = "UPDATE runs SET touches = touches + 1 WHERE scope = ?1 AND run = ?2";
    tx.prepare_cached(sql)?.execute(params![scope, run])?;
    Ok(())
}

fn seen(tx: &Transaction<'_>, header: &Header, sighting: &Sighting, source: &str) -> Done {
    let sql = "INSERT INTO twin (scope, thing, property, value, source, seq, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT DO UPDATE SET value = excluded.value, source = excluded.source, seq = excluded.seq, \
               at = excluded.at";
    tx.prepare_cached(sql)?.execute(params![
        header.scope.as_str(),
        sighting.thing,
        sighting.property,
        json(&sighting.value),
        source,
        int(header.seq),
        header.recorded.0,
    ])?;
    Ok(())
}

fn run_ended(tx: &Transaction<'_>, header: &Header, end: &RunEnd) -> Done {
    let (status, outcome, output, error) = match end {
        RunEnd::Completed { output } => {
            let outcome = output.get("outcome").and_then(|outcome| outcome.as_str());
            (RunStatus::Completed, outcome, Some(json(output)), None)
        }
        RunEnd::Faulted { error } => (RunStatus::Faulted, None, None, Some(json(error))),
        RunEnd::Cancelled { reason } => {
            (RunStatus::Cancelled, None, None, Some(json(&serde_json::json!({"reason": reason}))))
        }
    };
    let (scope, run) = (header.scope.as_str(), run_of(header));
    let sql =
        "UPDATE runs SET status = ?3, ended = ?4, outcome = ?5, output = ?6, error = ?7 WHERE scope = ?1 AND run = ?2";
    tx.prepare_cached(sql)?
        .execute(params![scope, run, status.as_str(), header.recorded.0, outcome, output, error,])?;
    let sql = "UPDATE gates SET status = ?3, answered = ?4 WHERE scope = ?1 AND run = ?2 AND status = 'open'";
    tx.prepare_cached(sql)?.execute(params![scope, run, GateStatus::Withdrawn.as_str(), header.recorded.0])?;
    Ok(())
}
