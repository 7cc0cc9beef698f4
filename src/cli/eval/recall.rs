//! `sinew eval recall`: does recall find the turns of a conversation that answer a question. No model writes or judges.
//!
//! One conversation is one scope. `recall_at_k` is the share of a question's evidence among the first k turns found, as a
//! mean over all questions that have evidence.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_contract::{Embed, Vector};
use sinew_memory::shelf::{Ask, Note, Shelf, date_words};

use super::super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use crate::assembly::embedder::{self, Kind};

/// Turns found per question; the largest k that is told.
const FOUND: usize = 20;
/// Texts embedded at a time.
const BATCH: usize = 64;
/// A pause of this length begins a new thread: what was said before it is not what is answered after.
const PAUSE_US: i64 = 2 * 3_600 * 1_000_000;

/// `sinew eval recall`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// `{conversations: [{id, turns: [{id, speaker, at, text}], questions: [{id, text, evidence: [turn id]}]}]}`.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Which vectors: hashed words and n-grams, or those of a small model that was installed.
    #[arg(long, value_enum, default_value_t = Kind::Hash)]
    embed: Kind,
    /// Leave vectors out: words alone.
    #[arg(long)]
    no_vectors: bool,
}

#[derive(Debug, Deserialize)]
struct Set {
    conversations: Vec<Conversation>,
}

#[derive(Debug, Deserialize)]
struct Conversation {
    #[serde(default)]
    turns: Vec<Turn>,
    #[serde(default)]
    questions: Vec<Question>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    id: Value,
    #[serde(default)]
    speaker: Option<String>,
    #[serde(default)]
    at: Value,
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Question {
    text: String,
    #[serde(default)]
    evidence: Vec<Value>,
}

/// What all questions together come to.
#[derive(Debug, Default)]
struct Sums {
    at_5: f64,
    at_10: f64,
    at_20: f64,
    questions: u32,
    seconds: f64,
}

/// Judges.
pub fn run(args: &Args, json: bool) -> Outcome {
    let text = std::fs::read_to_string(&args.file);
    let text = text.with_context(|| format!("cannot read `{}`", args.file.display())).or_exit(Exit::Usage)?;
    let set: Set = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is not a set of conversations", args.file.display()))
        .or_exit(Exit::Usage)?;
    let embed = match args.no_vectors {
        true => None,
        false => Some(embedder::open(args.embed, None).or_exit(Exit::Failed)?),
    };
    let mut sums = Sums::default();
    block_on(async {
        for conversation in &set.conversations {
            judge(conversation, embed.as_deref(), &mut sums).await?;
        }
        Ok::<_, anyhow::Error>(())
    })?
    .or_exit(Exit::Failed)?;
    if sums.questions == 0 {
        return Err(anyhow!("`{}` has no question with evidence", args.file.display())).or_exit(Exit::Usage);
    }
    say(&sums, embed.as_deref().map_or("none", Embed::id), json);
    Ok(Exit::Ok)
}

fn say(sums: &Sums, embed: &str, json: bool) {
    let questions = f64::from(sums.questions);
    let mean = |sum: f64| (sum / questions * 10_000.0).round() / 10_000.0;
    let ms = (sums.seconds * 1e6 / questions).round() / 1e3;
    let (at_5, at_10, at_20) = (mean(sums.at_5), mean(sums.at_10), mean(sums.at_20));
    if json {
        print_json(&json!({
            "recall_at_5": at_5, "recall_at_10": at_10, "recall_at_20": at_20,
            "questions": sums.questions, "ms_per_query": ms, "embed": embed,
        }));
    } else {
        print_line(&format!("recall@5 {at_5:.3}  @10 {at_10:.3}  @20 {at_20:.3}  of {} questions", sums.questions));
        print_line(&format!("{ms:.3} ms per question, vectors `{embed}`"));
    }
}

async fn judge(conversation: &Conversation, embed: Option<&dyn Embed>, sums: &mut Sums) -> anyhow::Result<()> {
    let shelf = fill(&conversation.turns, embed).await?;
    for question in conversation.questions.iter().filter(|question| !question.evidence.is_empty()) {
        let begun = Instant::now();
        let vector = match embed {
            Some(embed) => embed.embed(std::slice::from_ref(&question.text)).await?.into_iter().next(),
            None => None,
        };
        let hits = shelf.find(&Ask { text: &question.text, vector: vector.as_ref(), limit: FOUND, ..Ask::default() });
        sums.seconds += begun.elapsed().as_secs_f64();
        let evidence: std::collections::BTreeSet<String> = question.evidence.iter().map(name).collect();
        let share = |k: usize| {
            let found = hits.iter().take(k).filter(|hit| evidence.contains(&hit.id)).count();
            f64::from(u32::try_from(found).unwrap_or(u32::MAX)) / f64::from(u32::try_from(evidence.len()).unwrap_or(1))
        };
        sums.at_5 += share(5);
        sums.at_10 += share(10);
        sums.at_20 += share(20);
        sums.questions += 1;
    }
    Ok(())
}

async fn fill(turns: &[Turn], embed: Option<&dyn Embed>) -> anyhow::Result<Shelf> {
    let notes = notes(turns);
    let mut shelf = Shelf::default();
    for notes in notes.chunks(BATCH) {
        let vectors: Vec<Option<Vector>> = match embed {
            Some(embed) => {
                let texts: Vec<String> = notes.iter().map(said).collect();
                embed.embed(&texts).await?.into_iter().map(Some).collect()
            }
            None => vec![None; notes.len()],
        };
        for (note, vector) in notes.iter().zip(vectors) {
            shelf.add(note.clone(), vector.as_ref());
        }
    }
    Ok(shelf)
}

/// What a vector is made of: dates and names of places in the file would only dilute it.
fn said(note: &Note) -> String {
    if note.who.is_empty() { note.text.clone() } else { format!("{}: {}", note.who, note.text) }
}

fn notes(turns: &[Turn]) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::with_capacity(turns.len());
    let (mut thread, mut before) = (0_u64, None);
    for turn in turns {
        let at = name(&turn.at);
        let at_us = moment(&at);
        if before.as_ref().is_some_and(|(text, us)| is_apart((text, *us), (&at, at_us))) {
            thread += 1;
        }
        let when = at_us.map_or_else(|| at.clone(), date_words);
        notes.push(Note {
            id: name(&turn.id),
            text: turn.text.clone(),
            who: turn.speaker.clone().unwrap_or_default(),
            when,
            thread: Some(thread),
            at_us,
            ..Note::default()
        });
        before = Some((at, at_us));
    }
    notes
}

/// Two turns that follow each other belong to different talks.
fn is_apart((text, at_us): (&String, Option<i64>), (next, next_us): (&String, Option<i64>)) -> bool {
    match at_us.zip(next_us) {
        Some((at, next)) => next.abs_diff(at) > PAUSE_US.unsigned_abs(),
        None => text != next,
    }
}

/// A moment in any of the usual ways of RFC 3339, with or without a zone; none for other text.
fn moment(text: &str) -> Option<i64> {
    let zoned = text.parse::<jiff::Timestamp>().ok();
    let civil = || {
        let local = text.parse::<jiff::civil::DateTime>().ok()?;
        local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    zoned.or_else(civil).map(jiff::Timestamp::as_microsecond)
}

fn name(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(at: &str) -> Turn {
        Turn { id: json!(1), speaker: None, at: json!(at), text: String::new() }
    }

    #[test]
    fn a_pause_or_another_date_begins_a_new_thread() {
        let threads = |turns: &[&str]| -> Vec<Option<u64>> {
            notes(&turns.iter().map(|at| turn(at)).collect::<Vec<_>>()).into_iter().map(|note| note.thread).collect()
        };
        let spaced = ["2024-05-01T10:00:00Z", "2024-05-01T10:01:00Z", "2024-05-01T15:00:00", "2024-05-02"];
        assert_eq!(threads(&spaced), [Some(0), Some(0), Some(1), Some(2)]);
        let told = ["1:56 pm on 8 May, 2023", "1:56 pm on 8 May, 2023", "7:00 am on 9 May, 2023"];
        assert_eq!(threads(&told), [Some(0), Some(0), Some(1)]);
        assert_eq!(threads(&["", ""]), [Some(0), Some(0)]);
    }
}
