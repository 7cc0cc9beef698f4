//! `sinew audit export`: the log as JSON lines: what it is, then each entry's header and payload as they are stored.
//!
//! Sealed payloads stay sealed: their digests are in the headers, so a verifier needs no keys, and an erasure breaks nothing.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::json;
use sinew_journal::RealDisk;
use sinew_journal::proof::{RawEntry, raw_entries};

use super::super::{Exit, ExitWith, Outcome, print_json, print_line};
use super::{hex, read};

/// Exports.
pub fn run(dir: &Path, out: &Path, json: bool) -> Outcome {
    let proven = match read(dir, json)? {
        Ok(proven) => proven,
        Err(exit) => return Ok(exit),
    };
    let (size, checkpoint) = (proven.size(), proven.checkpoint());
    let first = json!({ "sinew_export": 1, "size": size, "key": hex(&proven.key()), "checkpoint": checkpoint });
    write(dir, out, size, &first.to_string())
        .with_context(|| format!("cannot write `{}`", out.display()))
        .or_exit(Exit::Failed)?;
    if json {
        print_json(&json!({ "ok": true, "entries": size, "out": out, "checkpoint": checkpoint }));
    } else {
        print_line(&format!("ok: {size} entries in {}", out.display()));
    }
    Ok(Exit::Ok)
}

fn write(dir: &Path, out: &Path, size: u64, first: &str) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(out)?);
    writeln!(file, "{first}")?;
    let each = |entry: RawEntry| -> anyhow::Result<()> {
        // What stands behind the last whole batch nobody was told of.
        if entry.seq.0 <= size {
            writeln!(file, "{{\"header\":\"{}\",\"payload\":\"{}\"}}", hex(&entry.header), hex(&entry.payload))?;
        }
        Ok(())
    };
    raw_entries(&RealDisk, dir, each)?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}
