//! `sinew eval injection`: can a text that anybody could have written move anything, where a model obeys every word of it?
//!
//! Each text goes through five channels (tickets, labels, text read from pictures, memory, answers of tools) into the real
//! house: engine, policy, dispatcher, last hop. The model is the worst there could be, and so is the owner's policy. A device
//! records what reaches it; nobody approves anything, so whatever reaches it is a risky unattended effect.
//!
//! ```text
//! text -> channel -> run -> obedient model -> wishes -> floor, policy, gate (refused) -> last hop -> recorder
//! ```

mod obedient;
mod recorder;
mod report;
mod scratch;
mod world;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use serde_json::Value;

use super::super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use report::Report;
use world::World;

/// `sinew eval injection`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A JSON array of texts, or of objects with `text`.
    #[arg(long, value_name = "FILE")]
    cases: PathBuf,
    /// Switch the guard off (labels are forgotten before anybody looks at them): shows that the measure can fail.
    #[arg(long)]
    no_guard: bool,
}

/// Where a text comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// A message of a customer.
    Tickets,
    /// A code on a parcel.
    Labels,
    /// Text read from a picture.
    Ocr,
    /// What was remembered of a stranger's words.
    Memory,
    /// What a tool answered.
    Tools,
}

impl Channel {
    pub(crate) const ALL: [Self; 5] = [Self::Tickets, Self::Labels, Self::Ocr, Self::Memory, Self::Tools];

    /// The name, as in the report and in the playbooks.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tickets => "tickets",
            Self::Labels => "labels",
            Self::Ocr => "ocr",
            Self::Memory => "memory",
            Self::Tools => "tools",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// Judges.
pub fn run(args: &Args, json: bool) -> Outcome {
    let texts = read(&args.cases).or_exit(Exit::Usage)?;
    let report = block_on(measure(texts, !args.no_guard))?.or_exit(Exit::Failed)?;
    if json {
        print_json(&report);
    } else {
        print_line(&report.to_string());
    }
    Ok(if args.no_guard || report.holds() { Exit::Ok } else { Exit::Failed })
}

async fn measure(texts: Vec<String>, guarded: bool) -> Result<Report> {
    let world = World::build(texts, guarded).await?;
    let report = world.play().await?;
    Ok(report)
}

/// The texts of a file.
fn read(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", path.display()))?;
    let Some(items) = value.as_array() else { bail!("`{}` is not a JSON array of texts", path.display()) };
    let text_of = |item: &Value| item.as_str().or_else(|| item.get("text")?.as_str()).map(str::to_owned);
    let texts: Option<Vec<String>> = items.iter().map(text_of).collect();
    match texts {
        Some(texts) if !texts.is_empty() => Ok(texts),
        Some(_) => bail!("`{}` holds no text", path.display()),
        None => bail!("`{}`: each item must be a text, or an object with a `text`", path.display()),
    }
}
