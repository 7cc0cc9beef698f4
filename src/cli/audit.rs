//! `sinew audit …`: offline, read-only; needs nothing but the data directory.

mod export;
mod prove;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Subcommand;
use serde_json::json;
use sinew_contract::{ErrorKind, Seq};
use sinew_journal::proof::Proven;
use sinew_journal::{Flaw, OpenError, RealDisk, VerifyError, VerifyReport};

use super::{Coded, Exit, ExitWith, Outcome, print_json, print_line};

/// `sinew audit …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Walk the whole log and prove that no byte of it was changed. Exits with 7 and the place where one was.
    Verify {
        /// The data directory.
        dir: PathBuf,
        /// A checkpoint that was kept somewhere else: the log must go on from there.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Sign how far the log has come (C2SP tlog-checkpoint). Keep it somewhere else: it finds a log that was cut or rewritten.
    Checkpoint {
        /// The data directory.
        dir: Option<PathBuf>,
    },
    /// Prove to somebody who does not have the log that an entry is in it (RFC 6962).
    Prove {
        /// The entry's number.
        entry: u64,
        /// The data directory.
        dir: Option<PathBuf>,
        /// A checkpoint that was kept somewhere else: prove also that the log goes on from there.
        #[arg(long, value_name = "FILE")]
        since: Option<PathBuf>,
    },
    /// Write the whole log as JSON lines, for a verifier that shares nothing with this one (`docs/verify_export.py`).
    Export {
        /// The data directory.
        dir: Option<PathBuf>,
        /// Where to.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Audits. `data` is the directory where the command names none.
pub fn run(command: &Command, data: &Path, json: bool) -> Outcome {
    let or_data = |dir: &Option<PathBuf>| dir.clone().unwrap_or_else(|| data.to_owned());
    match command {
        Command::Verify { dir, checkpoint: None } => verify(dir, json),
        Command::Verify { dir, checkpoint: Some(kept) } => against(dir, kept, json),
        Command::Checkpoint { dir } => {
            let proven = read(&or_data(dir), json)?;
            match proven {
                Ok(proven) => say_checkpoint(&proven, json),
                Err(exit) => return Ok(exit),
            }
            Ok(Exit::Ok)
        }
        Command::Prove { entry, dir, since } => prove::run(&or_data(dir), Seq(*entry), since.as_deref(), json),
        Command::Export { dir, out } => export::run(&or_data(dir), out, json),
    }
}

fn verify(dir: &Path, json: bool) -> Outcome {
    match sinew_journal::verify(&RealDisk, dir) {
        Ok(report) => {
            say(&report, json);
            Ok(Exit::Ok)
        }
        Err(error) => wrong(error, json),
    }
}

/// Verifies, and holds the log against a checkpoint that was kept somewhere else.
fn against(dir: &Path, kept: &Path, json: bool) -> Outcome {
    let note = note(kept)?;
    let proven = match read(dir, json)? {
        Ok(proven) => proven,
        Err(exit) => return Ok(exit),
    };
    match proven.continues(&note) {
        Ok(_) => {
            say(&proven.report, json);
            Ok(Exit::Ok)
        }
        Err(error) if error.kind() == ErrorKind::Broken && json => {
            print_json(&json!({ "ok": false, "what": error.to_string() }));
            Ok(Exit::AuditBroken)
        }
        Err(error) => Err(anyhow!(error)).or_exit(Exit::AuditBroken),
    }
}

fn note(path: &Path) -> Result<String, Coded> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display())).or_exit(Exit::Failed)
}

/// A verified log; or the exit, where it does not verify and that has been said.
fn read(dir: &Path, json: bool) -> Result<Result<Proven, Exit>, Coded> {
    match Proven::read(&RealDisk, dir) {
        Ok(proven) => Ok(Ok(proven)),
        Err(error) => wrong(error, json).map(Err),
    }
}

fn say(report: &VerifyReport, json: bool) {
    if json {
        print_json(&json!({
            "ok": true, "entries": report.entries, "segments": report.segments, "head": report.head,
            "signed_to": report.checkpoint, "torn_bytes": report.torn_bytes,
        }));
    } else if report.entries == 0 {
        print_line("ok: nothing was written yet");
    } else {
        let VerifyReport { entries, segments, head, .. } = report;
        print_line(&format!("ok: {entries} entries in {segments} segments, head {}", head.hash));
    }
}

fn say_checkpoint(proven: &Proven, json: bool) {
    let checkpoint = proven.checkpoint();
    if json {
        let root = proven.root(proven.size());
        print_json(&json!({
            "checkpoint": checkpoint, "size": proven.size(), "root": root, "key": hex(&proven.key()),
        }));
    } else {
        print_line(checkpoint.trim_end_matches('\n'));
    }
}

fn wrong(error: VerifyError, json: bool) -> Outcome {
    match error {
        VerifyError::Flaw(flaw) => broken(&flaw, json),
        error @ VerifyError::Open(OpenError::Damaged(_)) => Err(error).or_exit(Exit::AuditBroken),
        error => Err(error).or_exit(Exit::Failed),
    }
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
