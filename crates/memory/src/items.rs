//! What is remembered, with where it comes from: searching it, showing one, saying why it stands as it does.
//!
//! Knows rows and questions; asks no clock (the asker says what "now" is) and writes nothing. Works beside a running hub and
//! without one.

mod catalogue;

use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;
use serde_json::{Value, json};
use sinew_contract::{RunId, Scope, Timestamp};

pub(crate) use catalogue::{Catalogues, Embedder};

use crate::error::MemoryError;
use crate::shelf::Parts;
use crate::store::sqlite;

/// One item as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemRow {
    /// Its key.
    pub id: String,
    /// `fact`, `document`, `procedure`, `preference`, `episode`.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// What a fact says of its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// What is remembered; null once it was evicted.
    pub content: Value,
    /// Digest of what it says.
    pub hash: String,
    /// Where it comes from.
    #[serde(rename = "source")]
    pub sources: Vec<String>,
    /// How it came to be known.
    pub method: String,
    /// Items that it was made of.
    pub parents: Vec<String>,
    /// 0 to 1000.
    pub confidence_permille: u16,
    /// 250 untrusted, 500 observed, 750 verified, 1000 owned.
    pub trust_permille: u16,
    /// Labels of the values in it.
    pub labels: Value,
    /// Who said so.
    pub principal: String,
    /// In which run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Which entry of the journal it rests on.
    pub seq: sinew_contract::Seq,
    /// When it was observed.
    #[serde(serialize_with = "as_text")]
    pub observed: Timestamp,
    /// When it was recorded.
    #[serde(serialize_with = "as_text")]
    pub recorded: Timestamp,
    /// From when it holds.
    #[serde(serialize_with = "as_text")]
    pub valid_from: Timestamp,
    /// Until when it holds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub valid_until: Option<Timestamp>,
    /// When it is to be forgotten.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub expires: Option<Timestamp>,
    /// Version of the content's shape.
    pub schema: u32,
    /// What stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub superseded_at: Option<Timestamp>,
    /// Another word about the same weighs as much: somebody has to decide.
    pub conflict: bool,
    /// How often the same was said again.
    pub repeats: u32,
    /// How often a run was given it.
    pub used: u32,
    /// Never evicted.
    pub pinned: bool,
    /// `expired` or `evicted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub gone_at: Option<Timestamp>,
    /// The last entry that changed anything about it.
    #[serde(skip)]
    pub(crate) changed: sinew_contract::Seq,
}

impl ItemRow {
    /// Whether it was known, and stood, at a moment.
    pub fn stood(&self, at: Timestamp) -> bool {
        let ended = [self.superseded_at, self.gone_at, self.expires];
        self.recorded <= at && ended.iter().all(|end| end.is_none_or(|end| end > at))
    }

    /// Whether what it says is past its time at a moment.
    pub fn is_stale(&self, at: Timestamp) -> bool {
        self.valid_until.is_some_and(|until| until <= at) || self.valid_from > at
    }
}

/// Times as people read them (RFC 3339); `Timestamp` and `Option<Timestamp>` alike.
fn as_text<S: serde::Serializer, T: Copy + Into<Option<Timestamp>>>(
    time: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match (*time).into() {
        Some(time) => serializer.collect_str(&time),
        None => serializer.serialize_none(),
    }
}

/// A question to what is remembered.
#[derive(Clone, Debug)]
pub struct Search {
    /// The tenant.
    pub scope: Scope,
    /// In words; empty is all.
    pub text: String,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// What was known at this moment; none is now.
    pub as_of: Option<Timestamp>,
    /// What "now" is: ages and horizons are seen from here. None is the latest word of the scope, for who has no clock.
    pub now: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
    /// Nothing below, 0 to 1000.
    pub score_min: u32,
    /// Leaves out what says almost the same as something better.
    pub diverse: bool,
}

/// One item found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundItem {
    /// The item.
    #[serde(flatten)]
    pub item: ItemRow,
    /// When it was recorded.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// 0 to 1000.
    pub score: u32,
    /// What the score is made of.
    pub parts: Parts,
    /// Past its time: it was so, and may be so no more.
    pub stale: bool,
    /// How long ago it was observed, seconds.
    pub age_s: u64,
}

/// Counts of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ItemStats {
    /// Items that stand.
    pub standing: u64,
    /// Items in whose place another stands.
    pub superseded: u64,
    /// Items in open conflict.
    pub conflicts: u64,
    /// Items that were ended.
    pub expired: u64,
    /// Items whose content was evicted.
    pub evicted: u64,
    /// How often the same was said again.
    pub repeats: u64,
    /// Items that are pinned.
    pub pinned: u64,
    /// Bytes of content.
    pub content_bytes: u64,
    /// Properties of things as last seen.
    pub twin: u64,
}

/// What is remembered, read from its file.
pub struct Items {
    conn: Connection,
    catalogues: Catalogues,
}

fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> MemoryError {
    move |source| MemoryError::Store { doing, source: Box::new(source) }
}

impl Items {
    /// Opens the file read-only.
    ///
    /// # Errors
    /// `Broken` where there is none.
    pub fn open(path: &Path) -> Result<Self, MemoryError> {
        Ok(Self { conn: sqlite::connection(path)?, catalogues: Catalogues::default() })
    }

    /// What bears on the question, the best first.
    ///
    /// # Errors
    /// `Broken` where the file cannot be read.
    pub fn search(&self, search: &Search) -> Result<Vec<FoundItem>, MemoryError> {
        self.catalogues.search(&self.conn, search, None)
    }

    /// One item.
    ///
    /// # Errors
    /// `Missing` where there is none of that key in this scope.
    pub fn show(&self, scope: &Scope, key: &str) -> Result<ItemRow, MemoryError> {
        let row = sqlite::items::one(&self.conn, scope.as_str(), key).map_err(failed("read an item"))?;
        row.ok_or_else(|| MemoryError::Missing { what: "item", id: key.to_owned() })
    }

    /// Why an item stands as it does: its entry, what it was made of, what stood before and what stands in its place.
    ///
    /// # Errors
    /// `Missing` where there is none of that key in this scope.
    pub fn why(&self, scope: &Scope, key: &str) -> Result<Value, MemoryError> {
        let item = self.show(scope, key)?;
        let beside = match item.predicate {
            Some(_) => sqlite::items::beside(&self.conn, scope.as_str(), &item).map_err(failed("read a chain"))?,
            None => Vec::new(),
        };
        let about = |row: &ItemRow| {
            json!({"id": row.id, "content": row.content, "source": row.sources, "trust_permille": row.trust_permille,
                   "observed": row.observed.to_string(), "confidence_permille": row.confidence_permille, "seq": row.seq})
        };
        let chosen =
            |pick: &dyn Fn(&ItemRow) -> bool| beside.iter().filter(|row| pick(row)).map(about).collect::<Vec<_>>();
        let replaces = chosen(&|row| row.superseded_by.as_deref() == Some(key));
        let conflicts =
            chosen(&|row| item.conflict && row.conflict && row.superseded_by.is_none() && row.gone.is_none());
        let stands_instead = chosen(&|row| item.superseded_by.as_deref() == Some(row.id.as_str()));
        let parents: Vec<Value> =
            item.parents.iter().filter_map(|key| self.show(scope, key).ok()).map(|row| about(&row)).collect();
        let rule = if item.superseded_by.is_some() {
            "another word about the same is better trusted, later observed or surer, in this order"
        } else if item.conflict {
            "another word about the same weighs exactly as much: both stand until somebody decides"
        } else if !replaces.is_empty() {
            "it is better trusted, later observed or surer than what it replaces, in this order"
        } else {
            "nothing else says anything about the same"
        };
        Ok(json!({"item": item, "rule": rule, "replaces": replaces, "superseded_by": stands_instead.first(),
                  "conflicts_with": conflicts, "parents": parents, "entry": item.seq}))
    }

    /// Counts.
    ///
    /// # Errors
    /// `Broken` where the file cannot be read.
    pub fn stats(&self, scope: &Scope) -> Result<ItemStats, MemoryError> {
        let count = |sql: &str| -> Result<u64, MemoryError> {
            let number: i64 =
                self.conn.query_row(sql, [scope.as_str()], |row| row.get(0)).map_err(failed("count items"))?;
            Ok(u64::try_from(number).unwrap_or(0))
        };
        let items =
            |what: &str, which: &str| count(&format!("SELECT coalesce({what}, 0) FROM items WHERE scope = ?1 {which}"));
        Ok(ItemStats {
            standing: items("count(*)", "AND superseded_by IS NULL AND gone IS NULL")?,
            superseded: items("count(*)", "AND superseded_by IS NOT NULL")?,
            conflicts: items("count(*)", "AND conflict = 1 AND gone IS NULL")?,
            expired: items("count(*)", "AND gone = 'expired'")?,
            evicted: items("count(*)", "AND gone = 'evicted'")?,
            repeats: items("sum(repeats)", "")?,
            pinned: items("count(*)", "AND pinned = 1")?,
            content_bytes: items("sum(length(content))", "")?,
            twin: count("SELECT count(*) FROM twin WHERE scope = ?1")?,
        })
    }

    /// Keys to evict so that the content of what is left is no larger than `over_bytes`: those that ended or were
    /// superseded first, then those worth least for their bytes. Pinned ones are never among them.
    ///
    /// # Errors
    /// `Broken` where the file cannot be read.
    pub fn least_worth(&self, scope: &Scope, over_bytes: u64, now: Timestamp) -> Result<Vec<String>, MemoryError> {
        let all = self.all(scope)?;
        let size = |row: &ItemRow| u64::try_from(row.content.to_string().len()).unwrap_or(u64::MAX);
        let mut total: u64 = all.iter().map(size).sum();
        let mut rows: Vec<_> = all.iter().filter(|row| !row.pinned && !row.content.is_null()).collect();
        rows.sort_by(|a, b| worth(a, now).total_cmp(&worth(b, now)).then(a.seq.cmp(&b.seq)));
        let mut keys = Vec::new();
        for row in rows {
            if total <= over_bytes {
                break;
            }
            total = total.saturating_sub(size(row));
            keys.push(row.id.clone());
        }
        Ok(keys)
    }

    /// Every item of a scope, in the order in which they came.
    ///
    /// # Errors
    /// `Broken` where the file cannot be read.
    pub fn all(&self, scope: &Scope) -> Result<Vec<ItemRow>, MemoryError> {
        sqlite::items::changed(&self.conn, scope.as_str(), sinew_contract::Seq::ZERO).map_err(failed("read items"))
    }
}

/// How much an item is worth for a byte of it; below zero for what does not stand any more.
#[expect(clippy::cast_precision_loss, reason = "an order, not an account")]
fn worth(row: &ItemRow, now: Timestamp) -> f64 {
    let bytes = row.content.to_string().len().max(1) as f64;
    if !row.stood(now) {
        return -bytes;
    }
    let days = now.since(row.observed).as_secs_f64() / 86_400.0;
    let sure = f64::from(row.confidence_permille) * f64::from(row.trust_permille);
    sure * (1.0 + f64::from(row.used)) / (1.0 + days / 30.0) / bytes
}
