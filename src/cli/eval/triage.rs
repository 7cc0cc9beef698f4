//! `sinew eval triage`: how many tickets can be answered without a person, and how many of those answers are wrong.
//!
//! ```text
//! --train -> learn and calibrate ─┐
//! --test  ────────────────────────┴-> verdicts -> coverage, false assist, recall of what is out of scope
//! ```
//!
//! Rows of `--test` are judged and counted, never learned from. Does not know how anything is learned.

mod files;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use serde::Serialize;
use sinew_reasoning::{Example, MiniLm, Threshold, Triage, TriageOptions, Verdict, upper_bound};

use super::super::{Exit, ExitWith as _, Outcome, print_json, print_line};
use crate::assembly::embedder::Kind;
use crate::models;
use files::Part;

/// How sure `false_assist_upper` is.
const LEVEL: f64 = 0.95;

/// `sinew eval triage …`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Labelled rows to learn from and to calibrate with: CSV with `text,category`, or JSON with lists of [text, label].
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Labelled rows to judge; never learned from.
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// The share of wrong answers that the upper bound must stay under.
    #[arg(long, default_value_t = 0.02, value_parser = share, value_name = "SHARE")]
    target: f64,
    /// How many of all tickets are expected to be out of scope.
    #[arg(long, default_value_t = TriageOptions::default().stranger_share, value_parser = share, value_name = "SHARE")]
    oos_share: f64,
    /// How texts are compared.
    #[arg(long, value_enum, default_value_t = Kind::Hash)]
    embed: Kind,
    /// Where to write one JSON line per ticket.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err(format!("`{text}` is not in 0 to 1; 2 % is 0.02")) }
}

/// Learns, judges, counts.
pub fn run(args: &Args, data: Option<&Path>, json: bool) -> Outcome {
    let train = files::read(&args.train, Part::Train).or_exit(Exit::Usage)?;
    let test = files::read(&args.test, Part::Test).or_exit(Exit::Usage)?;
    let model = match args.embed {
        Kind::Hash => None,
        Kind::Minilm => Some(models::minilm(data).or_exit(Exit::Failed)?),
    };
    let started = Instant::now();
    let options = TriageOptions { target: args.target, stranger_share: args.oos_share };
    let meanings = model.as_ref().map(|model| meanings(model, &train));
    let triage = Triage::train(&train, meanings.as_deref(), options).or_exit(Exit::Usage)?;
    let train_ms = millis(started);
    let started = Instant::now();
    let verdicts = judge(&triage, model.as_ref(), &test);
    let latency_ms = millis(started) / test.len().max(1) as f64;
    let counts = Counts::of(&test, &verdicts);
    if let Some(path) = &args.out {
        write_rows(path, &test, &verdicts).or_exit(Exit::Failed)?;
    }
    let report = report(&counts, triage.threshold(), train.len(), train_ms, latency_ms);
    if json {
        print_json(&report);
    } else {
        report.tell(args.target);
    }
    Ok(Exit::Ok)
}

fn meanings(model: &MiniLm, rows: &[Example]) -> Vec<Vec<f32>> {
    model.vectors(&rows.iter().map(|row| row.text.clone()).collect::<Vec<_>>())
}

/// From texts to verdicts; texts go through the model together, as a busy queue's would.
fn judge(triage: &Triage, model: Option<&MiniLm>, rows: &[Example]) -> Vec<Verdict> {
    let meanings = model.map(|model| meanings(model, rows)).unwrap_or_default();
    let meaning = |at: usize| meanings.get(at).map(Vec::as_slice);
    rows.iter().enumerate().map(|(at, row)| triage.judge(&row.text, meaning(at))).collect()
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

/// What is counted over the tested rows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    n: usize,
    strangers: usize,
    answered: usize,
    wrong: usize,
    right_label: usize,
    right_nearest: usize,
    strangers_seen: usize,
    strangers_answered: usize,
}

impl Counts {
    fn of(rows: &[Example], verdicts: &[Verdict]) -> Self {
        let mut counts = Self::default();
        for (row, verdict) in rows.iter().zip(verdicts) {
            counts.add(row, verdict);
        }
        counts
    }

    fn add(&mut self, row: &Example, verdict: &Verdict) {
        let is = |condition: bool| usize::from(condition);
        let right = row.label.as_ref() == Some(&verdict.label);
        let stranger = row.label.is_none();
        self.n += 1;
        self.strangers += is(stranger);
        self.answered += is(verdict.answers);
        self.wrong += is(verdict.answers && !right);
        self.right_label += is(right);
        self.right_nearest += is(!stranger && verdict.nearest_label == row.label);
        self.strangers_seen += is(stranger && verdict.is_stranger());
        self.strangers_answered += is(stranger && verdict.answers);
    }
}

/// A share of a count; none of nothing.
fn part(some: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64)
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Report {
    /// Answered without a person, of all tickets.
    coverage: f64,
    /// Wrong answers, of those answered.
    false_assist: f64,
    /// What that stays under at 95 % (Clopper and Pearson), by these rows alone.
    false_assist_upper: f64,
    /// Best label right, of the tickets in scope, answered or not.
    accuracy: Option<f64>,
    /// Nearest example has the right label, of the tickets in scope.
    nearest_accuracy: Option<f64>,
    /// Taken for out of scope, of the tickets out of scope.
    oos_recall: Option<f64>,
    /// Not answered, of the tickets out of scope.
    oos_kept_back: Option<f64>,
    /// The confidence from which on it answers; none where nothing may be answered.
    threshold: Option<f64>,
    n: usize,
    n_oos: usize,
    answered: usize,
    wrong: usize,
    /// For one ticket, from its text to the verdict; the mean.
    latency_ms: f64,
    /// Money for all tickets: nobody is paid for what is computed here.
    cost: f64,
    /// What was known of the threshold before any tested row was looked at.
    calibration: Option<Calibration>,
    train_rows: usize,
    train_ms: f64,
}

#[derive(Debug, Serialize)]
struct Calibration {
    coverage: f64,
    false_assist: f64,
    false_assist_upper: f64,
}

fn report(counts: &Counts, threshold: Option<Threshold>, train_rows: usize, train_ms: f64, latency_ms: f64) -> Report {
    let Counts { n, strangers, answered, wrong, .. } = *counts;
    let calibration =
        |t: Threshold| Calibration { coverage: t.coverage, false_assist: t.error, false_assist_upper: t.error_upper };
    Report {
        coverage: part(answered, n).unwrap_or(0.0),
        false_assist: part(wrong, answered).unwrap_or(0.0),
        false_assist_upper: upper_bound(wrong as f64, answered as f64, LEVEL),
        accuracy: part(counts.right_label, n - strangers),
        nearest_accuracy: part(counts.right_nearest, n - strangers),
        oos_recall: part(counts.strangers_seen, strangers),
        oos_kept_back: part(strangers - counts.strangers_answered, strangers),
        threshold: threshold.map(|t| t.confidence),
        n,
        n_oos: strangers,
        answered,
        wrong,
        latency_ms,
        cost: 0.0,
        calibration: threshold.map(calibration),
        train_rows,
        train_ms,
    }
}

impl Report {
    fn tell(&self, target: f64) {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let or_none = |share: Option<f64>| share.map_or("-".to_owned(), percent);
        print_line(&format!("tickets            {} ({} out of scope)", self.n, self.n_oos));
        print_line(&format!("answered alone     {} ({})", self.answered, percent(self.coverage)));
        let (wrong, upper) = (percent(self.false_assist), percent(self.false_assist_upper));
        print_line(&format!(
            "of those wrong     {} ({wrong}, under {upper} at 95 %; target {})",
            self.wrong,
            percent(target)
        ));
        print_line(&format!("best label right   {}", or_none(self.accuracy)));
        print_line(&format!("out of scope seen  {}", or_none(self.oos_recall)));
        print_line(&format!("per ticket         {:.2} ms", self.latency_ms));
        if self.threshold.is_none() {
            print_line("No threshold keeps the bound under the target: every ticket goes to a person.");
        }
    }
}

/// One ticket in the file of `--out`.
#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    label: Option<&'a str>,
    answer: &'a str,
    answered: bool,
    right: bool,
    confidence: f64,
    oos: f64,
    nearest: Option<&'a str>,
}

fn write_rows(path: &Path, rows: &[Example], verdicts: &[Verdict]) -> anyhow::Result<()> {
    let mut text = String::new();
    for (row, verdict) in rows.iter().zip(verdicts) {
        let line = Line {
            text: &row.text,
            label: row.label.as_deref(),
            answer: &verdict.label,
            answered: verdict.answers,
            right: row.label.as_ref() == Some(&verdict.label),
            confidence: verdict.confidence,
            oos: verdict.stranger,
            nearest: verdict.nearest.as_deref(),
        };
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
