//! From rows to typed views. What a row holds was written by us, yet it is read as if by a stranger: a file can be altered.

use rusqlite::{Row, types::Type};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sinew_contract::{Cost, Seq, Timestamp};

use crate::items::ItemRow;
use crate::views::{EffectRow, GateRow, GateStatus, Phase, RunRow, RunStatus, ScanRow, TimelineRow};

type Read<T> = rusqlite::Result<T>;

fn garbled(what: &str, found: &str) -> rusqlite::Error {
    let found: String = found.chars().take(80).collect();
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("`{found}` is not {what}").into())
}

/// Anything with a text form: ids, digests, names.
fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: &str, what: &str) -> Read<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| garbled(what, &text))
}

fn parsed_or_none<T: std::str::FromStr>(row: &Row<'_>, column: &str, what: &str) -> Read<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|_| garbled(what, &text))).transpose()
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Read<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|_| garbled("the JSON that should stand there", &text))
}

fn json_or_none(row: &Row<'_>, column: &str) -> Read<Option<Value>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|_| garbled("JSON", &text))).transpose()
}

fn seq(row: &Row<'_>, column: &str) -> Read<Seq> {
    Ok(Seq(unsigned(row.get(column)?)))
}

fn seq_or_none(row: &Row<'_>, column: &str) -> Read<Option<Seq>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|seq| Seq(unsigned(seq))))
}

fn time(row: &Row<'_>, column: &str) -> Read<Timestamp> {
    Ok(Timestamp(row.get(column)?))
}

fn time_or_none(row: &Row<'_>, column: &str) -> Read<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

fn cost(row: &Row<'_>) -> Read<Cost> {
    Ok(Cost { micros: row.get("cost_micros")?, tokens: unsigned(row.get("tokens")?) })
}

/// Counts and places are never below zero; a file that says so is read as zero.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn run(row: &Row<'_>) -> Read<RunRow> {
    let status: String = row.get("status")?;
    Ok(RunRow {
        run: parsed(row, "run", "a run id")?,
        scope: parsed(row, "scope", "a scope")?,
        playbook: row.get("playbook")?,
        version: row.get("version")?,
        status: RunStatus::from_word(&status).ok_or_else(|| garbled("a run's status", &status))?,
        trigger: seq_or_none(row, "trigger_seq")?,
        trigger_name: row.get("trigger_name")?,
        started: time(row, "started")?,
        ended: time_or_none(row, "ended")?,
        outcome: row.get("outcome")?,
        output: json_or_none(row, "output")?,
        error: json_or_none(row, "error")?,
        verdict_us: row.get("verdict_us")?,
        cost: cost(row)?,
        touches: row.get("touches")?,
    })
}

pub(super) fn timeline(row: &Row<'_>) -> Read<TimelineRow> {
    let phase: String = row.get("phase")?;
    Ok(TimelineRow {
        seq: seq(row, "seq")?,
        at: time(row, "at")?,
        kind: row.get("kind")?,
        phase: Phase::from_word(&phase).ok_or_else(|| garbled("a phase", &phase))?,
        title: row.get("title")?,
        detail: json(row, "detail")?,
        cost: cost(row)?,
        effect: parsed_or_none(row, "effect", "an effect id")?,
        cause: seq_or_none(row, "cause")?,
        principal: row.get("principal")?,
    })
}

pub(super) fn effect(row: &Row<'_>) -> Read<EffectRow> {
    Ok(EffectRow {
        effect: parsed(row, "effect", "an effect id")?,
        run: parsed(row, "run", "a run id")?,
        capability: row.get("capability")?,
        class: row.get("class")?,
        args: json(row, "args")?,
        key: row.get("key")?,
        natural_key: row.get("natural_key")?,
        verdict: row.get("verdict")?,
        reasons: json(row, "reasons")?,
        compensates: row.get("compensates")?,
        outcome: row.get("outcome")?,
        result: json_or_none(row, "result")?,
        settled: row.get("settled")?,
        attempts: row.get("attempts")?,
        cost: cost(row)?,
        asked: time(row, "asked")?,
        latency_us: row.get("latency_us")?,
    })
}

pub(super) fn gate(row: &Row<'_>) -> Read<GateRow> {
    let status: String = row.get("status")?;
    Ok(GateRow {
        gate: parsed(row, "gate", "a gate id")?,
        scope: parsed(row, "scope", "a scope")?,
        run: parsed(row, "run", "a run id")?,
        effect: parsed(row, "effect", "an effect id")?,
        status: GateStatus::from_word(&status).ok_or_else(|| garbled("a gate's status", &status))?,
        opened: time(row, "opened")?,
        expires: time(row, "expires")?,
        answered: time_or_none(row, "answered")?,
        by: row.get("answer_by")?,
        note: row.get("note")?,
        digest: parsed(row, "digest", "a digest")?,
        playbook: row.get("playbook")?,
        trigger_name: row.get("trigger_name")?,
        card: json(row, "card")?,
    })
}

pub(super) fn scan(row: &Row<'_>) -> Read<ScanRow> {
    Ok(ScanRow {
        event: row.get("event")?,
        seq: seq(row, "seq")?,
        name: row.get("name")?,
        verdict: row.get("verdict")?,
        code: row.get("code")?,
        // The digest comes from the event's data, so from outside: what is no digest is none.
        image: row.get::<_, Option<String>>("image")?.and_then(|text| text.parse().ok()),
        at: time(row, "at")?,
        run: parsed_or_none(row, "run", "a run id")?,
    })
}

pub(super) fn item_row(row: &Row<'_>) -> Read<ItemRow> {
    let time = |column: &str| row.get::<_, i64>(column).map(Timestamp);
    let time_or_none = |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp));
    Ok(ItemRow {
        id: row.get("key")?,
        kind: row.get("kind")?,
        subject: row.get("subject")?,
        predicate: row.get("predicate")?,
        content: json(row, "content")?,
        hash: row.get("hash")?,
        sources: json(row, "sources")?,
        method: row.get("method")?,
        parents: json(row, "parents")?,
        confidence_permille: row.get("confidence")?,
        trust_permille: row.get("trust")?,
        labels: json(row, "labels")?,
        principal: row.get("principal")?,
        run: parsed_or_none(row, "run", "a run id")?,
        seq: seq(row, "seq")?,
        observed: time("observed")?,
        recorded: time("at")?,
        valid_from: time("valid_from")?,
        valid_until: time_or_none("valid_until")?,
        expires: time_or_none("expires")?,
        schema: row.get("schema")?,
        superseded_by: row.get("superseded_by")?,
        superseded_at: time_or_none("superseded_at")?,
        conflict: row.get("conflict")?,
        repeats: row.get("repeats")?,
        used: row.get("used")?,
        pinned: row.get("pinned")?,
        gone: row.get("gone")?,
        gone_at: time_or_none("gone_at")?,
        changed: seq(row, "changed")?,
    })
}

/// One property of one thing: `(thing, property, value, source, at, seq)`.
pub(super) fn property(row: &Row<'_>) -> Read<(String, String, Value, String, i64, Seq)> {
    let value = json(row, "value")?;
    Ok((row.get("thing")?, row.get("property")?, value, row.get("source")?, row.get("at")?, seq(row, "seq")?))
}
