//! Answers the `Recall` port: what do we know that bears on this.
//!
//! Looks only at what the run's scope may see, at its subject where it names one, and says for each item where it comes
//! from, how sure it is and why it stands where it stands. Knows no clock: "recent" is measured from the newest item
//! found, so the same memory gives the same answer.

use std::cmp::Reverse;

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_contract::{Failure, Recall, RecallQuery, Timestamp};

use crate::error::MemoryError;
use crate::items::{FoundItem, Search};
use crate::memory::Memory;
use crate::store::{Find, Found, Reader};

/// Stores of things as last seen, with the part of a thing's name before its colon.
const THINGS: &[(&str, &str)] = &[("customers", "customer"), ("orders", "order"), ("returns", "rma")];
/// Stores of what was remembered, with the kind of item; none is every kind.
const ITEMS: &[(&str, Option<&str>)] = &[
    ("episodes", Some("episode")),
    ("facts", Some("fact")),
    ("documents", Some("document")),
    ("procedures", Some("procedure")),
    ("preferences", Some("preference")),
    ("items", None),
];
/// Candidates that are scored; the newest.
const CANDIDATES_MAX: usize = 1_000;
/// Items in one answer.
const LIMIT_MAX: usize = 100;
/// An item this much older than the newest found counts half as recent.
const HALF_LIFE_US: f64 = 30.0 * 24.0 * 3600.0 * 1e6;

#[async_trait]
impl Recall for Memory {
    async fn recall(&self, query: RecallQuery) -> Result<Value, Failure> {
        let source = source(&query.store)?;
        self.wait_for(query.at_least).await?;
        // Read before asking, so that the answer never claims to know more than it does.
        let as_of = self.watermark();
        let found = match source {
            Source::Items(kind) => self.items(kind, query).await?,
            Source::Things(kind) => self.read(move |store| things(store, kind, &query)).await?,
        };
        Ok(json!({"items": found, "as_of": as_of}))
    }
}

impl Memory {
    /// Through the shelf: words, vectors and standing together.
    async fn items(&self, kind: Option<&'static str>, query: RecallQuery) -> Result<Vec<Value>, MemoryError> {
        let search = Search {
            scope: query.scope,
            text: query.about.unwrap_or_default(),
            kind: kind.map(str::to_owned),
            subject: query.subject,
            as_of: None,
            now: None,
            limit: query.limit.min(LIMIT_MAX),
            score_min: 0,
            diverse: false,
        };
        Ok(self.search(search).await?.iter().map(told).collect())
    }
}

/// What a run is told of an item: what it says, where it comes from, and whether it may be out of date or disputed.
fn told(found: &FoundItem) -> Value {
    let item = &found.item;
    json!({
        "id": item.id, "kind": item.kind, "subject": item.subject, "content": item.content,
        "at": item.recorded.to_string(), "observed": item.observed.to_string(), "source": item.sources,
        "method": item.method, "confidence_permille": item.confidence_permille, "trust_permille": item.trust_permille,
        "entry": item.seq, "stale": found.stale, "age_s": found.age_s, "conflict": item.conflict, "score": found.score, "parts": found.parts,
    })
}

#[derive(Clone, Copy)]
enum Source {
    Items(Option<&'static str>),
    Things(&'static str),
}

fn source(name: &str) -> Result<Source, MemoryError> {
    let items = ITEMS.iter().find(|(store, _)| *store == name).map(|(_, kind)| Source::Items(*kind));
    let things = || THINGS.iter().find(|(store, _)| *store == name).map(|(_, kind)| Source::Things(kind));
    items.or_else(things).ok_or_else(|| MemoryError::UnknownStore { name: name.to_owned(), known: known() })
}

fn known() -> String {
    let names = ITEMS.iter().map(|(name, _)| *name).chain(THINGS.iter().map(|(name, _)| *name));
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn things(store: &mut dyn Reader, kind: &str, query: &RecallQuery) -> Result<Vec<Value>, MemoryError> {
    let subject = query.subject.as_deref();
    let found = store.things(&Find { scope: &query.scope, kind: Some(kind), subject, limit: CANDIDATES_MAX })?;
    Ok(rank(found, query.about.as_deref(), subject.is_some(), query.limit.min(LIMIT_MAX)))
}

/// The parts of a score, each 0 to 1000.
struct Score {
    relevance: u32,
    recency: u32,
    confidence: u32,
}

impl Score {
    /// Words weigh most where words were given; else recency and confidence decide.
    fn total(&self) -> u32 {
        (2 * self.relevance + self.recency + self.confidence) / 4
    }
}

/// Where the subject is named all of it bears on the question, and words only order it; else no common word, no item.
fn rank(found: Vec<Found>, about: Option<&str>, subject_named: bool, limit: usize) -> Vec<Value> {
    let newest = found.iter().map(|f| f.at_us).max().unwrap_or_default();
    let mut scored: Vec<_> = found.into_iter().map(|f| (score(&f, newest, about), f)).collect();
    if about.is_some() && !subject_named {
        scored.retain(|(score, _)| score.relevance > 0);
    }
    scored.sort_by_key(|(score, f)| (Reverse(score.total()), Reverse(f.seq), f.id.clone()));
    scored.into_iter().take(limit).map(|(score, f)| shown(&score, &f)).collect()
}

fn score(found: &Found, newest: i64, about: Option<&str>) -> Score {
    let age_us = newest.saturating_sub(found.at_us).max(0);
    #[expect(clippy::cast_precision_loss, reason = "a score needs no microsecond of a long age")]
    let recency = 1000.0 * 0.5_f64.powf(age_us as f64 / HALF_LIFE_US);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    let recency = recency.round() as u32;
    let relevance = about.map_or(1000, |about| overlap(about, found));
    Score { relevance, recency, confidence: u32::from(found.confidence_permille) }
}

/// The share of the words asked about that the item has, per mille.
fn overlap(about: &str, found: &Found) -> u32 {
    let text = format!("{} {} {}", found.kind, found.subject, found.content).to_lowercase();
    let has: std::collections::BTreeSet<&str> = words(&text).collect();
    let about = about.to_lowercase();
    let asked: std::collections::BTreeSet<&str> = words(&about).collect();
    let hits = asked.intersection(&has).count();
    u32::try_from(hits * 1000 / asked.len().max(1)).unwrap_or(1000)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn shown(score: &Score, found: &Found) -> Value {
    json!({
        "id": found.id, "kind": found.kind, "subject": found.subject, "content": found.content,
        "at": Timestamp(found.at_us).to_string(), "source": found.sources, "entry": found.seq,
        "confidence_permille": found.confidence_permille, "score": score.total(),
        "parts": {"relevance": score.relevance, "recency": score.recency, "confidence": score.confidence},
    })
}
