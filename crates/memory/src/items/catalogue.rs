//! A shelf per scope, kept up with the rows: what search and recall look into.
//!
//! In memory alone and made of rows, so that there is nothing on disk that could be damaged or keep what was forgotten. A
//! row that has changed is put anew; when too many places are of rows that are gone, the shelf is made again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use serde_json::Value;
use sinew_contract::{Embed, Scope, Seq, Vector};

use super::{FoundItem, ItemRow, Search, failed};
use crate::error::MemoryError;
use crate::shelf::{Ask, Note, Shelf, date_words};
use crate::store::sqlite;
use crate::vectors::Bits;

const DAY_US: i64 = 86_400_000_000;
/// Texts embedded at a time.
const BATCH: usize = 256;
/// A shelf with more places gone than standing, beyond so many, is made again.
const GONE_MAX: usize = 1_024;

/// Makes vectors on the thread that asks, which may block.
pub(crate) type Embedder = Arc<dyn Embed>;

/// One catalogue per scope. Losing them costs time, nothing else.
#[derive(Default)]
pub(crate) struct Catalogues {
    of: Mutex<BTreeMap<Scope, Catalogue>>,
}

/// The shelf of one scope, and its rows by place.
#[derive(Default)]
pub(crate) struct Catalogue {
    shelf: Shelf,
    rows: BTreeMap<usize, ItemRow>,
    through: Seq,
}

impl Catalogues {
    pub(crate) fn search(
        &self,
        conn: &Connection,
        search: &Search,
        embed: Option<&Embedder>,
    ) -> Result<Vec<FoundItem>, MemoryError> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let catalogue = of.entry(search.scope.clone()).or_default();
        let rows =
            sqlite::items::changed(conn, search.scope.as_str(), catalogue.through).map_err(failed("read items"))?;
        catalogue.take(&rows, embed);
        if catalogue.shelf.gone() > GONE_MAX.max(catalogue.rows.len()) {
            *catalogue = Catalogue::default();
            let rows = sqlite::items::changed(conn, search.scope.as_str(), Seq::ZERO).map_err(failed("read items"))?;
            catalogue.take(&rows, embed);
        }
        Ok(catalogue.search(search, embed))
    }

    /// Lets go of everything: rows were forgotten, or memory is folded again.
    pub(crate) fn clear(&self) {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Runs a future to its end on this thread, which is one for blocking. None outside of a runtime, or where it fails.
fn embedded(embed: Option<&Embedder>, texts: &[String]) -> Vec<Option<Vector>> {
    let none = || vec![None; texts.len()];
    let (Some(embed), Ok(runtime)) = (embed, tokio::runtime::Handle::try_current()) else { return none() };
    match runtime.block_on(embed.embed(texts)) {
        Ok(vectors) => vectors.into_iter().map(Some).collect(),
        Err(failure) => {
            tracing::warn!(%failure, "texts could not be embedded; words alone decide");
            none()
        }
    }
}

impl Catalogue {
    fn take(&mut self, rows: &[ItemRow], embed: Option<&Embedder>) {
        for rows in rows.chunks(BATCH) {
            let notes: Vec<Note> = rows.iter().map(note).collect();
            let texts: Vec<String> = notes.iter().map(|note| note.text.clone()).collect();
            for ((row, note), vector) in rows.iter().zip(notes).zip(embedded(embed, &texts)) {
                self.through = self.through.max(row.changed);
                if let Some(place) = self.shelf.place(&row.id) {
                    self.rows.remove(&place);
                }
                self.shelf.add(note, vector.as_ref());
                if let Some(place) = self.shelf.place(&row.id) {
                    self.rows.insert(place, row.clone());
                }
            }
        }
    }

    fn search(&self, search: &Search, embed: Option<&Embedder>) -> Vec<FoundItem> {
        let times = |row: &ItemRow| [Some(row.recorded), row.superseded_at, row.gone_at];
        let latest = || self.rows.values().flat_map(times).flatten().max().unwrap_or_default();
        let at = search.as_of.or(search.now).unwrap_or_else(latest);
        let may = |row: &ItemRow| {
            row.stood(at)
                && search.kind.as_ref().is_none_or(|kind| row.kind == *kind)
                && search.subject.as_ref().is_none_or(|subject| row.subject == *subject)
        };
        let mut allowed = Bits::default();
        self.rows.iter().filter(|(_, row)| may(row)).for_each(|(place, _)| allowed.set(*place));
        let text = vec![search.text.clone()];
        let vector = if search.text.is_empty() { None } else { embedded(embed, &text).into_iter().next().flatten() };
        let hits = self.shelf.find(&Ask {
            text: &search.text,
            vector: vector.as_ref(),
            limit: search.limit,
            score_min: search.score_min,
            now_us: Some(at.0),
            allowed: Some(&allowed),
            diverse: search.diverse,
        });
        // Where nothing is named that it is about, what has no word in common does not bear on the question.
        let bears = |hit: &crate::shelf::Hit| {
            search.text.is_empty() || search.subject.is_some() || hit.parts.lexical > 0 || hit.parts.who > 0
        };
        let found = |hit: crate::shelf::Hit| {
            let item = self.rows.get(&hit.place)?.clone();
            let (stale, age_s) = (item.is_stale(at), at.since(item.observed).as_secs());
            Some(FoundItem { at: item.recorded, item, score: hit.score, parts: hit.parts, stale, age_s })
        };
        hits.into_iter().filter(bears).filter_map(found).collect()
    }
}

fn note(row: &ItemRow) -> Note {
    let mut text = String::new();
    if let Some(predicate) = &row.predicate {
        text.push_str(predicate);
    }
    say(&row.content, &mut text);
    Note {
        id: row.id.clone(),
        text,
        who: row.subject.clone(),
        when: date_words(row.observed.0),
        thread: None,
        at_us: Some(row.observed.0),
        half_life_us: half_life_us(&row.kind),
        confidence_permille: row.confidence_permille,
        trust_permille: row.trust_permille,
        used: row.used,
    }
}

/// After how long an item counts half as recent: what happened ages, what is written down does not.
fn half_life_us(kind: &str) -> Option<i64> {
    match kind {
        "episode" => Some(30 * DAY_US),
        "fact" => Some(180 * DAY_US),
        "preference" => Some(365 * DAY_US),
        _ => None,
    }
}

/// Every text, number and name in a value, in order.
fn say(value: &Value, text: &mut String) {
    let mut add = |word: &str| {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    };
    match value {
        Value::String(word) => add(word),
        Value::Number(number) => add(&number.to_string()),
        Value::Bool(_) | Value::Null => {}
        Value::Array(values) => values.iter().for_each(|value| say(value, text)),
        Value::Object(members) => {
            for (name, value) in members {
                say(&Value::String(name.clone()), text);
                say(value, text);
            }
        }
    }
}
