//! `sinew runs`, `sinew run show`, `sinew run cancel`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sinew_contract::RunId;

use super::client::Client;
use super::{Exit, Outcome, print_json, print_line};

/// `sinew runs`.
#[derive(Debug, Args)]
pub struct List {
    /// Only runs that stand so: running, waiting, completed, faulted, cancelled.
    #[arg(long, value_parser = ["running", "waiting", "completed", "faulted", "cancelled"])]
    status: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// `sinew run …`.
#[derive(Debug, Subcommand)]
pub enum One {
    /// Show a run's timeline.
    Show {
        /// As in r42-9f3a1c2d.
        run: RunId,
    },
    /// Ask a run to end. What it has sent already comes to its outcome all the same.
    Cancel {
        /// As in r42-9f3a1c2d.
        run: RunId,
        /// Why.
        #[arg(long, default_value = "cancelled on the command line")]
        reason: String,
    },
}

/// Lists runs.
pub fn list(client: &Client, args: &List, json: bool) -> Outcome {
    let status = args.status.as_ref().map(|s| format!("&status={s}")).unwrap_or_default();
    let runs = client.get(&format!("/v1/runs?limit={}{status}", args.limit))?;
    if json {
        print_json(&runs);
        return Ok(Exit::Ok);
    }
    if rows(&runs, "runs").is_empty() {
        print_line("no runs");
    }
    for run in rows(&runs, "runs") {
        let outcome = [text(run, "status"), text(run, "result")].join("  ");
        print_line(&format!("{:<20} {:<28} {outcome}", text(run, "run"), text(run, "title")));
    }
    Ok(Exit::Ok)
}

/// Shows or cancels one run.
pub fn one(client: &Client, args: &One, json: bool) -> Outcome {
    let run = match args {
        One::Show { run } => client.get(&format!("/v1/runs/{run}"))?,
        One::Cancel { run, reason } => client.post(&format!("/v1/runs/{run}/cancel"), &json!({ "reason": reason }))?,
    };
    if json {
        print_json(&run);
        return Ok(Exit::Ok);
    }
    print_line(&format!("{}  {}  {}", text(&run, "run"), text(&run, "title"), text(&run, "status")));
    for step in rows(&run, "steps") {
        let line = [text(step, "phase"), text(step, "title"), text(step, "outcome")];
        print_line(&format!("  {}  {:<9} {}  {}", text(step, "at"), line[0], line[1], line[2]));
    }
    Ok(if text(&run, "status") == "waiting" { Exit::Waits } else { Exit::Ok })
}

/// The rows of an answer: itself where it is a list, else the list under `name`.
pub(super) fn rows<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    let list = answer.as_array().or_else(|| answer.get(name).and_then(Value::as_array));
    list.map(Vec::as_slice).unwrap_or_default()
}

/// A field as text; empty where there is none.
pub(super) fn text(row: &Value, name: &str) -> String {
    match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}
