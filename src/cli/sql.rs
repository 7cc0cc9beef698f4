//! `sinew sql`: memory, read-only. Works beside a running hub and without one.

use std::path::Path;

use anyhow::Context;
use clap::Args as ClapArgs;
use serde_json::Value;

use super::{Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::places::Places;

/// `sinew sql`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// One SELECT, as in "SELECT run, status FROM runs".
    query: String,
}

/// Asks memory.
pub fn run(data: &Path, args: &Args, json: bool) -> Outcome {
    let path = Places::new(data).memory();
    let table = sinew_memory::sql::query_file(&path, &args.query)
        .with_context(|| format!("asking memory at `{}`", path.display()))
        .or_exit(Exit::Failed)?;
    if json {
        print_json(&table);
        return Ok(Exit::Ok);
    }
    print_line(&table.columns.join("\t"));
    for row in &table.rows {
        let cells: Vec<_> = row.iter().map(cell).collect();
        print_line(&cells.join("\t"));
    }
    if table.truncated {
        eprintln!("sinew: there is more; add a LIMIT and an ORDER BY");
    }
    Ok(Exit::Ok)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
