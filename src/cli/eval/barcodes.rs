//! `sinew eval barcodes`: photographs with their text beside them, read by the shipped scanner.
//!
//! One folder per family; beside each picture its text as `.txt` (UTF-8) or `.bin` (ISO-8859-1). A folder whose name begins with
//! `falsepositives` holds pictures without a code: whatever is read there was never there. Every family is read with the same
//! formats, all that the scanner knows: nothing is taken from a folder's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use serde_json::json;
use sinew_contract::ReadVerdict;
use sinew_perception::{Format, ScanConfig, Scanner};

use super::super::{Exit, ExitWith, Outcome, print_json, print_line};

/// Folders of pictures without any code.
const NEGATIVES: &str = "falsepositives";

/// `sinew eval barcodes DIR`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder of families, or one family.
    dir: PathBuf,
    /// List each picture that was not read right.
    #[arg(long)]
    list: bool,
}

/// What came out of a family, or of all.
#[derive(Clone, Debug, Default, Serialize)]
struct Score {
    /// Pictures with a code.
    positives: usize,
    /// Read, and the text is the one beside the picture.
    right: usize,
    /// Read, and it is another text.
    wrong: usize,
    /// Nothing was believed.
    unread: usize,
    /// More than one text, or passes that disagree: a person would be asked.
    conflict: usize,
    /// Pictures without a code.
    negatives: usize,
    /// Of these, how many were read all the same.
    false_reads: usize,
    /// Files that are no picture, or have no text beside them.
    broken: usize,
    /// Half of the pictures took no longer.
    ms_p50: f64,
    /// 95 of 100 took no longer.
    ms_p95: f64,
}

/// A picture that was not read right.
#[derive(Debug, Serialize)]
struct Miss {
    file: String,
    verdict: &'static str,
    expected: Option<String>,
    read: Option<String>,
}

/// Judges.
pub fn run(args: &Args, json: bool) -> Outcome {
    let (families, misses) = judge(&args.dir).or_exit(Exit::Failed)?;
    let total = families.values().map(|(score, times)| (score.clone(), times.clone())).reduce(sum).unwrap_or_default();
    let total = timed(total);
    let families: BTreeMap<_, _> = families.into_iter().map(|(name, pair)| (name, timed(pair))).collect();
    if json {
        print_json(&document(&total, &families, args.list.then_some(&misses)));
    } else {
        print_table(&total, &families, args.list.then_some(&misses));
    }
    Ok(Exit::Ok)
}

fn document(total: &Score, families: &BTreeMap<String, Score>, misses: Option<&Vec<Miss>>) -> serde_json::Value {
    let mut document = json!(total);
    document["families"] = json!(families);
    document["formats"] = json!(Format::ALL);
    if let Some(misses) = misses {
        document["misses"] = json!(misses);
    }
    document
}

fn print_table(total: &Score, families: &BTreeMap<String, Score>, misses: Option<&Vec<Miss>>) {
    print_line(&format!(
        "{:<20}{:>7}{:>7}{:>8}{:>10}{:>12}{:>9}{:>9}",
        "family", "right", "wrong", "unread", "conflict", "false reads", "p50 ms", "p95 ms"
    ));
    for (name, score) in families.iter().map(|(name, score)| (name.as_str(), score)).chain([("all", total)]) {
        print_line(&format!(
            "{name:<20}{:>7}{:>7}{:>8}{:>10}{:>12}{:>9.1}{:>9.1}",
            score.right, score.wrong, score.unread, score.conflict, score.false_reads, score.ms_p50, score.ms_p95
        ));
    }
    for Miss { file, verdict, expected, read } in misses.into_iter().flatten() {
        let expected = expected.as_deref().unwrap_or("no code");
        print_line(&format!("{verdict}: {file}: {expected:?}, read {read:?}"));
    }
}

type Timed = (Score, Vec<Duration>);

fn judge(dir: &Path) -> Result<(BTreeMap<String, Timed>, Vec<Miss>)> {
    let config = ScanConfig { formats: Format::ALL.to_vec(), ..ScanConfig::default() };
    let scanner = Scanner::new(config).context("the list of formats")?;
    let (mut families, mut misses) = (BTreeMap::new(), Vec::new());
    for folder in folders(dir)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let timed = family(&scanner, &folder, name.starts_with(NEGATIVES), &mut misses)?;
        if timed.0.positives + timed.0.negatives + timed.0.broken > 0 {
            families.insert(name, timed);
        }
    }
    if families.is_empty() {
        return Err(anyhow!("`{}` holds no pictures (.png, .jpg), nor folders that do", dir.display()));
    }
    Ok((families, misses))
}

/// The folder itself where it holds pictures, and each folder in it.
fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = entries(dir)?;
    folders.retain(|path| path.is_dir());
    folders.push(dir.canonicalize().with_context(|| format!("cannot read `{}`", dir.display()))?);
    Ok(folders)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    let mut paths = read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn family(scanner: &Scanner, folder: &Path, negative: bool, misses: &mut Vec<Miss>) -> Result<Timed> {
    let mut pictures = entries(folder)?;
    pictures.retain(|path| {
        path.extension().is_some_and(|e| ["png", "jpg", "jpeg"].iter().any(|x| e.eq_ignore_ascii_case(x)))
    });
    let (mut score, mut times) = (Score::default(), Vec::new());
    for path in &pictures {
        let expected = if negative { None } else { text_beside(path) };
        let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let begun = Instant::now();
        let scan = scanner.scan(&bytes);
        times.push(begun.elapsed());
        let file = path.display().to_string();
        let Ok(scan) = scan else {
            score.broken += 1;
            misses.push(Miss { file, verdict: "broken", expected, read: None });
            continue;
        };
        let verdict = if negative {
            score.count_negative(scan.verdict)
        } else {
            score.count(scan.verdict, &scan.code, &expected)
        };
        if !matches!(verdict, "right" | "silent") {
            misses.push(Miss { file, verdict, expected, read: scan.code });
        }
    }
    Ok((score, times))
}

impl Score {
    fn count(&mut self, verdict: ReadVerdict, code: &Option<String>, expected: &Option<String>) -> &'static str {
        let Some(expected) = expected else {
            self.broken += 1;
            return "no text beside it";
        };
        self.positives += 1;
        let (counter, word) = match (verdict, code) {
            (ReadVerdict::Read, Some(code)) if code == expected => (&mut self.right, "right"),
            (ReadVerdict::Read, _) => (&mut self.wrong, "wrong"),
            (ReadVerdict::Conflict, _) => (&mut self.conflict, "conflict"),
            (ReadVerdict::Unread, _) => (&mut self.unread, "unread"),
        };
        *counter += 1;
        word
    }

    fn count_negative(&mut self, verdict: ReadVerdict) -> &'static str {
        self.negatives += 1;
        if verdict == ReadVerdict::Read {
            self.false_reads += 1;
            return "false read";
        }
        "silent"
    }
}

/// The text beside a picture: UTF-8 in `.txt`, ISO-8859-1 in `.bin`.
fn text_beside(picture: &Path) -> Option<String> {
    let text = std::fs::read_to_string(picture.with_extension("txt")).ok();
    let latin = || std::fs::read(picture.with_extension("bin")).ok();
    text.or_else(|| latin().map(|bytes| bytes.into_iter().map(char::from).collect()))
}

fn sum((a, mut times): Timed, (b, more): Timed) -> Timed {
    times.extend(more);
    let score = Score {
        positives: a.positives + b.positives,
        right: a.right + b.right,
        wrong: a.wrong + b.wrong,
        unread: a.unread + b.unread,
        conflict: a.conflict + b.conflict,
        negatives: a.negatives + b.negatives,
        false_reads: a.false_reads + b.false_reads,
        broken: a.broken + b.broken,
        ..Score::default()
    };
    (score, times)
}

fn timed((score, mut times): Timed) -> Score {
    times.sort();
    let at = |permille: usize| {
        let rank = (times.len() * permille).div_ceil(1_000).saturating_sub(1);
        times.get(rank).map_or(0.0, |time| (time.as_secs_f64() * 1e5).round() / 100.0)
    };
    Score { ms_p50: at(500), ms_p95: at(950), ..score }
}
