//! `sinew memory`: what is remembered, with where it comes from. Reading works beside a running hub; writing goes through
//! the journal, which a running hub holds alone.

mod series;

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args as ClapArgs, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_contract::{Clock, Mark, Marked, Noted, Record, Scope, Timestamp};
use sinew_memory::items::{FoundItem, Items, Search};

use super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use crate::assembly::notes::Notes;
use crate::assembly::places::Places;
use crate::runtime::SystemClock;

/// `sinew memory …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find what bears on a question.
    Search(Question),
    /// Show one item with all that is known about it.
    Show(One),
    /// Say why an item stands as it does: its entry, its sources, what it replaces, what disputes it.
    Why(One),
    /// Keep an item from being evicted, or let it go again.
    Pin {
        #[command(flatten)]
        one: One,
        /// Let it go again.
        #[arg(long)]
        off: bool,
    },
    /// End an item: it does not hold any more.
    Expire {
        #[command(flatten)]
        one: One,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Erase all about a subject for ever, or evict the least worthy items until what is left fits a budget.
    Forget {
        /// As in customer:c17.
        #[arg(required_unless_present = "over_bytes")]
        subject: Option<String>,
        /// Evict until the content of all items is no larger: ended and superseded ones first, then by value per byte.
        #[arg(long, value_name = "BYTES", conflicts_with = "subject")]
        over_bytes: Option<u64>,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// The tenant.
        #[arg(long, default_value = "main")]
        scope: Scope,
    },
    /// Count what there is and what has gone.
    Stats {
        /// The tenant.
        #[arg(long, default_value = "main")]
        scope: Scope,
    },
    /// Write all items as JSON lines.
    Export {
        /// Where to; standard output by default.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// The tenant.
        #[arg(long, default_value = "main")]
        scope: Scope,
    },
    /// Take items from JSON lines, as `export` writes them: {kind, subject, content, source, …}.
    Import {
        /// Which file; `-` is standard input.
        file: PathBuf,
        /// The tenant.
        #[arg(long, default_value = "main")]
        scope: Scope,
    },
    /// Delete what is derived and fold the journal again.
    Rebuild,
    /// Numbers over time: take, tell, drop.
    #[command(subcommand)]
    Series(series::Command),
}

/// Which item.
#[derive(Debug, ClapArgs)]
pub struct One {
    /// Its id.
    id: String,
    /// The tenant.
    #[arg(long, default_value = "main")]
    scope: Scope,
}

/// `sinew memory search`.
#[derive(Debug, ClapArgs)]
pub struct Question {
    /// In words; nothing lists what is there, the best standing first.
    #[arg(default_value = "")]
    text: String,
    /// Only about this, as in customer:c17.
    #[arg(long)]
    subject: Option<String>,
    /// Only this kind: fact, document, procedure, preference, episode.
    #[arg(long)]
    kind: Option<String>,
    /// What was known at this moment, as in 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 10)]
    limit: usize,
    /// Nothing below this score, 0 to 1000.
    #[arg(long, default_value_t = 0)]
    min_score: u32,
    /// Leave out what says almost the same as something better.
    #[arg(long)]
    diverse: bool,
    /// The tenant.
    #[arg(long, default_value = "main")]
    scope: Scope,
}

/// Does what is said.
pub fn run(data: &Path, command: &Command, json: bool) -> Outcome {
    match command {
        Command::Search(question) => search(data, question, json),
        Command::Show(one) => tell(&json!(items(data)?.show(&one.scope, &one.id).or_exit(Exit::Failed)?)),
        Command::Why(one) => tell(&items(data)?.why(&one.scope, &one.id).or_exit(Exit::Failed)?),
        Command::Pin { one, off } => mark(data, one, if *off { Mark::Unpinned } else { Mark::Pinned }, ""),
        Command::Expire { one, reason } => mark(data, one, Mark::Expired, reason),
        Command::Forget { subject: Some(subject), reason, scope, .. } => forget(data, scope, subject, reason),
        Command::Forget { over_bytes, reason, scope, .. } => evict(data, scope, over_bytes.unwrap_or(u64::MAX), reason),
        Command::Stats { scope } => stats(data, scope),
        Command::Export { to, scope } => export(data, to.as_deref(), scope),
        Command::Import { file, scope } => import(data, file, scope),
        Command::Series(command) => series::run(data, command),
        Command::Rebuild => {
            let through = block_on(async { Notes::open(data).await?.rebuild().await })?.or_exit(Exit::Failed)?;
            tell(&json!({ "rebuilt_through": through }))
        }
    }
}

fn items(data: &Path) -> Result<Items, super::Coded> {
    let path = Places::new(data).memory();
    Items::open(&path).with_context(|| format!("there is no memory at `{}`", path.display())).or_exit(Exit::Failed)
}

/// One document: what is told here has no shorter form that would not leave out where it comes from.
fn tell(value: &Value) -> Outcome {
    print_json(value);
    Ok(Exit::Ok)
}

fn search(data: &Path, question: &Question, json: bool) -> Outcome {
    let as_of = question.as_of.as_deref().map(moment).transpose().or_exit(Exit::Usage)?;
    let search = Search {
        scope: question.scope.clone(),
        text: question.text.clone(),
        kind: question.kind.clone(),
        subject: question.subject.clone(),
        as_of,
        now: Some(SystemClock.now().wall),
        limit: question.limit,
        score_min: question.min_score,
        diverse: question.diverse,
    };
    let found = items(data)?.search(&search).or_exit(Exit::Failed)?;
    if json {
        print_json(&json!({ "items": found }));
        return Ok(Exit::Ok);
    }
    if found.is_empty() {
        print_line("nothing is remembered that bears on this");
    }
    found.iter().for_each(say);
    Ok(Exit::Ok)
}

fn say(found: &FoundItem) {
    let item = &found.item;
    let marks = [(found.stale, " stale"), (item.conflict, " disputed"), (item.pinned, " pinned")];
    let marks: String = marks.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect();
    print_line(&format!("{:>4}  {}  {}  {}{marks}", found.score, item.id, item.subject, item.content));
    let sure = format!("{}.{} %", item.confidence_permille / 10, item.confidence_permille % 10);
    print_line(&format!(
        "      {} by {}, {sure} sure, observed {}",
        item.sources.join(", "),
        item.method,
        item.observed
    ));
}

fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let time: jiff::Timestamp =
        text.parse().with_context(|| format!("`{text}` is no time; write 2026-11-22T10:00:00Z"))?;
    Ok(Timestamp(time.as_microsecond()))
}

fn mark(data: &Path, one: &One, mark: Mark, reason: &str) -> Outcome {
    items(data)?.show(&one.scope, &one.id).or_exit(Exit::Failed)?;
    let marked = Marked { keys: vec![one.id.clone()], mark, reason: reason.to_owned() };
    let item = block_on(async {
        let notes = Notes::open(data).await?;
        notes.say(vec![(None, None, Record::Marked(marked))], &one.scope).await?;
        Ok::<_, anyhow::Error>(notes.items()?.show(&one.scope, &one.id)?)
    })?;
    tell(&json!(item.or_exit(Exit::Failed)?))
}

fn forget(data: &Path, scope: &Scope, subject: &str, reason: &str) -> Outcome {
    let forgotten = block_on(async {
        let notes = Notes::open(data).await?;
        let count = notes.items()?.all(scope)?.iter().filter(|item| item.subject == subject).count();
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let erased = notes.forget(scope, subject, count, reason).await?;
        Ok::<_, anyhow::Error>((count, erased))
    })?;
    let (items, key_erased) = forgotten.or_exit(Exit::Failed)?;
    tell(&json!({ "items": items, "key_erased": key_erased }))
}

/// Ended and superseded items first, then the least worth for their bytes. Pinned ones stay.
fn evict(data: &Path, scope: &Scope, over_bytes: u64, reason: &str) -> Outcome {
    let evicted = block_on(async {
        let notes = Notes::open(data).await?;
        let plan = notes.items()?.least_worth(scope, over_bytes, SystemClock.now().wall)?;
        let count = plan.len();
        let marks = plan.chunks(64).map(|keys| {
            let marked = Marked { keys: keys.to_vec(), mark: Mark::Evicted, reason: reason.to_owned() };
            (None, None, Record::Marked(marked))
        });
        notes.say(marks.collect(), scope).await?;
        Ok::<_, anyhow::Error>((count, notes.items()?.stats(scope)?))
    })?;
    let (count, stats) = evicted.or_exit(Exit::Failed)?;
    tell(&json!({ "evicted": count, "stats": stats }))
}

fn stats(data: &Path, scope: &Scope) -> Outcome {
    let stats = items(data)?.stats(scope).or_exit(Exit::Failed)?;
    tell(&json!(stats))
}

fn export(data: &Path, to: Option<&Path>, scope: &Scope) -> Outcome {
    let all = items(data)?.all(scope).or_exit(Exit::Failed)?;
    let lines: Vec<String> = all.iter().map(|item| json!(item).to_string()).collect();
    match to {
        Some(path) => {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            std::fs::write(path, text)
                .with_context(|| format!("cannot write `{}`", path.display()))
                .or_exit(Exit::Failed)?;
        }
        None => lines.iter().for_each(|line| print_line(line)),
    }
    Ok(Exit::Ok)
}

/// One line of an import; what `export` writes, with what may be left out.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<String>,
    kind: String,
    subject: String,
    content: Value,
    source: Vec<String>,
    #[serde(default)]
    predicate: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    confidence_permille: Option<u16>,
    #[serde(default, deserialize_with = "time")]
    observed: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    valid_from: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    valid_until: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    expires: Option<Timestamp>,
    #[serde(default)]
    schema: Option<u32>,
}

/// A time as people write it.
fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| moment(&text).map_err(serde::de::Error::custom)).transpose()
}

const KINDS: &[&str] = &["fact", "document", "procedure", "preference", "episode"];

impl Line {
    /// What it says, checked: sealed for its subject, observed when it says.
    fn record(self) -> anyhow::Result<(Option<String>, Option<Timestamp>, Record)> {
        if !KINDS.contains(&self.kind.as_str()) {
            return Err(anyhow!("its kind `{}` is none of {}", self.kind, KINDS.join(", ")));
        }
        if self.source.is_empty() || self.source.iter().any(|source| source.trim().is_empty()) {
            return Err(anyhow!("it has no source; say in `source` where it comes from"));
        }
        let confidence = self.confidence_permille.unwrap_or(1000);
        if confidence > 1000 || self.subject.trim().is_empty() {
            return Err(anyhow!("`confidence_permille` is 0 to 1000, and `subject` is not empty"));
        }
        let content =
            sinew_expr::digest_of(&(&self.kind, &self.subject, &self.predicate, &self.content, self.observed));
        let noted = Noted {
            key: self
                .id
                .unwrap_or_else(|| format!("{}/{}", self.kind, content.to_string().get(..16).unwrap_or_default())),
            item_kind: self.kind,
            subject: self.subject.clone(),
            predicate: self.predicate,
            content: self.content,
            sources: self.source,
            method: self.method.unwrap_or_else(|| "import".to_owned()),
            parents: self.parents,
            confidence_permille: confidence,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            expires: self.expires,
            schema: self.schema.unwrap_or(1),
        };
        Ok((Some(self.subject), self.observed, Record::Noted(Box::new(noted))))
    }
}

/// A partly bad file gives its good part and a list of what was bad.
fn import(data: &Path, file: &Path, scope: &Scope) -> Outcome {
    let reader: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot read `{}`", file.display()));
        Box::new(std::io::BufReader::new(opened.or_exit(Exit::Usage)?))
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (line, number) in reader.lines().zip(1_u64..) {
        let line = line.or_exit(Exit::Usage)?;
        if line.trim().is_empty() {
            continue;
        }
        let read = serde_json::from_str::<Line>(&line).map_err(anyhow::Error::from).and_then(Line::record);
        match read {
            Ok(record) => good.push(record),
            Err(error) => bad.push(json!({ "line": number, "what": format!("{error:#}") })),
        }
    }
    let count = good.len();
    let through = block_on(async { Notes::open(data).await?.say(good, scope).await })?.or_exit(Exit::Failed)?;
    print_json(&json!({ "taken": count, "refused": bad, "through": through }));
    Ok(if bad.is_empty() { Exit::Ok } else { Exit::Failed })
}
