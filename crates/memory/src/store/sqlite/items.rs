//! Items: written with where they come from, put in the place of older words, never over them.
//!
//! Of two words about the same (subject and predicate) the one of the better trusted source stands; of equally trusted
//! ones the later observed; of those the surer. Where all three are equal, both stand and both say so. A rule, not a
//! judgement: the same log gives the same chains.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::{Value, json};
use sinew_contract::{Entry, Header, Mark, Marked, Recalled, Seq, Trust};

use super::rows::item_row as read;
use super::write::{self, Done, int, run_of};
use crate::items::ItemRow;
use crate::project::Item;

/// Kinds of which each is its own, even where it says the same: two runs that ended alike are two.
const EVENTFUL: &str = "episode";

pub(super) fn put(tx: &Transaction<'_>, entry: &Entry, item: &Item<'_>) -> Done {
    // No source, no write.
    if item.sources.is_empty() {
        return Ok(());
    }
    let header = &entry.header;
    let scope = header.scope.as_str();
    let hash = sinew_expr::digest_of(&(item.kind, item.subject, item.predicate, item.content)).to_string();
    if item.kind != EVENTFUL && is_repeat(tx, header, item, &hash)? {
        return Ok(());
    }
    let sql = "INSERT INTO items (scope, key, seq, kind, subject, predicate, content, hash, sources, method, parents, \
               confidence, trust, labels, principal, run, observed, at, valid_from, valid_until, expires, schema, changed) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
               ?22, ?3) ON CONFLICT DO NOTHING";
    let put = tx.prepare_cached(sql)?.execute(params![
        scope,
        item.key,
        int(header.seq),
        item.kind,
        item.subject,
        item.predicate,
        write::json(item.content),
        hash,
        write::json(&item.sources),
        item.method,
        write::json(&item.parents),
        item.confidence_permille,
        trust_of(entry),
        write::json(&entry.labels),
        header.principal.as_str(),
        run_of(header),
        header.observed.0,
        header.recorded.0,
        item.valid_from.unwrap_or(header.observed).0,
        item.valid_until.map(|until| until.0),
        item.expires.map(|expires| expires.0),
        item.schema,
    ])?;
    match item.predicate {
        Some(predicate) if put > 0 => settle(tx, header, item, predicate),
        _ => Ok(()),
    }
}

/// A run that has ended, as an episode: what started it, what it did, how it ended and what that cost. No arguments and no
/// output: those are about people, and stand sealed in the journal.
pub(super) fn episode(tx: &Transaction<'_>, entry: &Entry) -> Done {
    let Some(run) = run_of(&entry.header) else { return Ok(()) };
    let scope = entry.header.scope.as_str();
    let sql = "SELECT playbook, version, status, outcome, trigger_name, started, ended, cost_micros, tokens, touches FROM runs \
               WHERE scope = ?1 AND run = ?2";
    let told = tx.prepare_cached(sql)?.query_row(params![scope, run], |row| {
        let (started, ended): (i64, Option<i64>) = (row.get("started")?, row.get("ended")?);
        let subject = row.get::<_, Option<String>>("trigger_name")?;
        let content = json!({
            "playbook": row.get::<_, String>("playbook")?, "version": row.get::<_, String>("version")?,
            "status": row.get::<_, String>("status")?, "outcome": row.get::<_, Option<String>>("outcome")?,
            "ms": ended.unwrap_or(started).saturating_sub(started) / 1_000, "cost_micros": row.get::<_, i64>("cost_micros")?,
            "tokens": row.get::<_, i64>("tokens")?, "touches": row.get::<_, i64>("touches")?,
        });
        Ok((subject, content))
    });
    let Some((subject, mut content)) = told.optional()? else { return Ok(()) };
    let sql = "SELECT capability, outcome FROM effects WHERE scope = ?1 AND run = ?2 ORDER BY step LIMIT 100";
    let acts: Vec<Value> = tx
        .prepare_cached(sql)?
        .query_map(params![scope, run], |row| {
            Ok(json!({"act": row.get::<_, String>(0)?, "ended": row.get::<_, Option<String>>(1)?}))
        })?
        .collect::<rusqlite::Result<_>>()?;
    if let Some(members) = content.as_object_mut() {
        members.insert("acts".to_owned(), Value::Array(acts));
    }
    let source = format!("run:{run}");
    let (key, subject) = (format!("run/{run}"), subject.unwrap_or_else(|| source.clone()));
    let item = Item {
        kind: EVENTFUL,
        subject: &subject,
        predicate: None,
        content: &content,
        sources: &[source],
        method: "house",
        parents: &[],
        key: &key,
        confidence_permille: 1000,
        valid_from: None,
        valid_until: None,
        expires: None,
        schema: 1,
    };
    put(tx, entry, &item)
}

/// The same content about the same subject again: counted at the one that stands, and linked by nothing else.
fn is_repeat(tx: &Transaction<'_>, header: &Header, item: &Item<'_>, hash: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE items SET repeats = repeats + 1, changed = ?5 WHERE scope = ?1 AND subject = ?2 AND hash = ?3 \
               AND key <> ?4 AND superseded_by IS NULL AND gone IS NULL";
    let values = params![header.scope.as_str(), item.subject, hash, item.key, int(header.seq)];
    Ok(tx.prepare_cached(sql)?.execute(values)? > 0)
}

/// 250 for untrusted to 1000 for owned. Without a label: what a person says is verified, all else observed.
fn trust_of(entry: &Entry) -> u16 {
    let least = entry.labels.values().map(|label| label.trust).min();
    let person = entry.header.principal.as_str().starts_with("person:");
    match least.unwrap_or(if person { Trust::Verified } else { Trust::Observed }) {
        Trust::Untrusted => 250,
        Trust::Observed => 500,
        Trust::Verified => 750,
        Trust::Owned => 1000,
    }
}

/// Uses `items_by_predicate`.
fn settle(tx: &Transaction<'_>, header: &Header, item: &Item<'_>, predicate: &str) -> Done {
    let sql = "SELECT * FROM items WHERE scope = ?1 AND subject = ?2 AND predicate = ?3 AND superseded_by IS NULL \
               AND gone IS NULL ORDER BY seq LIMIT 1000";
    let standing: Vec<ItemRow> = tx
        .prepare_cached(sql)?
        .query_map(params![header.scope.as_str(), item.subject, predicate], read)?
        .collect::<rusqlite::Result<_>>()?;
    let weight = |row: &ItemRow| (row.trust_permille, row.observed, row.confidence_permille);
    let Some(new) = standing.iter().find(|row| row.id == item.key) else { return Ok(()) };
    for old in standing.iter().filter(|row| row.id != item.key) {
        match weight(new).cmp(&weight(old)) {
            std::cmp::Ordering::Greater => supersede(tx, header, &old.id, &new.id)?,
            std::cmp::Ordering::Less => return supersede(tx, header, &new.id, &old.id),
            std::cmp::Ordering::Equal => {
                for key in [&new.id, &old.id] {
                    let sql = "UPDATE items SET conflict = 1, changed = ?3 WHERE scope = ?1 AND key = ?2";
                    tx.prepare_cached(sql)?.execute(params![header.scope.as_str(), key, int(header.seq)])?;
                }
            }
        }
    }
    Ok(())
}

fn supersede(tx: &Transaction<'_>, header: &Header, old: &str, new: &str) -> Done {
    let sql = "UPDATE items SET superseded_by = ?3, superseded_at = ?4, conflict = 0, changed = ?5 \
               WHERE scope = ?1 AND key = ?2";
    let values = params![header.scope.as_str(), old, new, header.recorded.0, int(header.seq)];
    tx.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn mark(tx: &Transaction<'_>, header: &Header, marked: &Marked) -> Done {
    let set = match marked.mark {
        Mark::Pinned => "pinned = 1",
        Mark::Unpinned => "pinned = 0",
        Mark::Expired => "gone = 'expired', gone_at = ?3",
        Mark::Evicted => "gone = 'evicted', gone_at = ?3, content = 'null'",
    };
    let keep = if marked.mark == Mark::Evicted { "AND pinned = 0" } else { "" };
    let sql = format!("UPDATE items SET {set}, changed = ?4 WHERE scope = ?1 AND key = ?2 {keep}");
    for key in &marked.keys {
        let values = params![header.scope.as_str(), key, header.recorded.0, int(header.seq)];
        tx.prepare_cached(&sql)?.execute(values)?;
    }
    Ok(())
}

/// Whatever was given to a run was of use to it.
pub(super) fn used(tx: &Transaction<'_>, header: &Header, recalled: &Recalled) -> Done {
    let items = recalled.answer.as_ref().ok().and_then(|answer| answer.get("items")?.as_array());
    for key in items.into_iter().flatten().filter_map(|item| item.get("id").and_then(Value::as_str)) {
        let sql = "UPDATE items SET used = used + 1, changed = ?3 WHERE scope = ?1 AND key = ?2";
        tx.prepare_cached(sql)?.execute(params![header.scope.as_str(), key, int(header.seq)])?;
    }
    Ok(())
}

/// One item.
pub(crate) fn one(conn: &rusqlite::Connection, scope: &str, key: &str) -> rusqlite::Result<Option<ItemRow>> {
    let sql = "SELECT * FROM items WHERE scope = ?1 AND key = ?2";
    conn.prepare_cached(sql)?.query_row(params![scope, key], read).optional()
}

/// Those that have changed since, in the order in which they came. Uses `items_by_change`.
pub(crate) fn changed(conn: &rusqlite::Connection, scope: &str, since: Seq) -> rusqlite::Result<Vec<ItemRow>> {
    let sql = "SELECT * FROM items WHERE scope = ?1 AND changed > ?2 ORDER BY seq";
    conn.prepare_cached(sql)?.query_map(params![scope, int(since)], read)?.collect()
}

/// Those that a word about the same has put aside in favour of this one, and those that stand beside it in conflict.
pub(crate) fn beside(conn: &rusqlite::Connection, scope: &str, row: &ItemRow) -> rusqlite::Result<Vec<ItemRow>> {
    let sql = "SELECT * FROM items WHERE scope = ?1 AND subject = ?2 AND predicate = ?3 AND key <> ?4 ORDER BY seq LIMIT 1000";
    let values = params![scope, row.subject, row.predicate, row.id];
    conn.prepare_cached(sql)?.query_map(values, read)?.collect()
}
