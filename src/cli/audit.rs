//! `sinew audit verify`: offline, read-only; needs nothing but the data directory.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Subcommand;
use serde_json::json;
use sinew_journal::{Flaw, OpenError, RealDisk, VerifyError};

use super::{Exit, ExitWith, Outcome, print_json, print_line};

/// `sinew audit …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Walk the whole log and prove that no byte of it was changed. Exits with 7 and the place where one was.
    Verify {
        /// The data directory.
        dir: PathBuf,
    },
}

/// Verifies.
pub fn run(command: &Command, json: bool) -> Outcome {
    let Command::Verify { dir } = command;
    let report = match sinew_journal::verify(&RealDisk, dir) {
        Err(VerifyError::Flaw(flaw)) => return broken(&flaw, json),
        Err(error @ VerifyError::Open(OpenError::Damaged(_))) => return Err(error).or_exit(Exit::AuditBroken),
        other => other.or_exit(Exit::Failed)?,
    };
    if json {
        print_json(&json!({
            "ok": true, "entries": report.entries, "segments": report.segments, "head": report.head,
            "signed_to": report.checkpoint, "torn_bytes": report.torn_bytes,
        }));
    } else {
        print_line(&format!(
            "ok: {} entries in {} segments, head {}",
            report.entries, report.segments, report.head.hash
        ));
    }
    Ok(Exit::Ok)
}

/// Machines get the place on standard output, as they get the good answer.
fn broken(flaw: &Flaw, json: bool) -> Outcome {
    if !json {
        return Err(anyhow!("the log was changed: {flaw}")).or_exit(Exit::AuditBroken);
    }
    let Flaw { file, offset, seq, what } = flaw;
    print_json(&json!({ "ok": false, "file": file, "offset": offset, "entry": seq, "what": what }));
    Ok(Exit::AuditBroken)
}
