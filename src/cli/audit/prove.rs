//! `sinew audit prove`: what somebody needs to see that an entry is in the log, and that the log goes on from where it was.

use std::path::Path;

use anyhow::anyhow;
use serde_json::{Value, json};
use sinew_contract::Seq;
use sinew_journal::proof::{Checkpoint, Proven, RawEntry, leaf, raw_entries};
use sinew_journal::{RealDisk, VerifyError};

use super::super::{Coded, Exit, ExitWith, Outcome, print_json, print_line};
use super::{hex, note, read};

/// Proves.
pub fn run(dir: &Path, entry: Seq, since: Option<&Path>, json: bool) -> Outcome {
    let proven = match read(dir, json)? {
        Ok(proven) => proven,
        Err(exit) => return Ok(exit),
    };
    let Some(inclusion) = proven.inclusion(entry) else {
        let error = anyhow!("the log has no entry `{entry}`; it has {}", proven.size());
        return Err(Coded::new(Exit::Failed, error));
    };
    let raw = raw(dir, entry)?;
    let hash = sinew_expr::digest(&raw.header);
    let mut proof = json!({
        "entry": entry, "header": hex(&raw.header), "payload_sha256": sinew_expr::digest(&raw.payload), "hash": hash,
        "leaf": leaf(&hash.0), "size": proven.size(), "root": proven.root(proven.size()), "inclusion": inclusion,
        "checkpoint": proven.checkpoint(), "key": hex(&proven.key()),
    });
    if let Some(kept) = since {
        proof["since"] = consistency(&proven, &note(kept)?)?;
    }
    if json {
        print_json(&proof);
    } else {
        print_line(&format!("entry {entry} of {}: hash {hash}", proven.size()));
        inclusion.iter().for_each(|sibling| print_line(&format!("  {sibling}")));
        print_line(proven.checkpoint().trim_end_matches('\n'));
    }
    Ok(Exit::Ok)
}

fn consistency(proven: &Proven, note: &str) -> Result<Value, Coded> {
    let Checkpoint { size, root, .. } = proven.continues(note).or_exit(Exit::AuditBroken)?;
    Ok(json!({ "size": size, "root": root, "consistency": proven.consistency(size) }))
}

/// The entry as it lies in the log.
fn raw(dir: &Path, wanted: Seq) -> Result<RawEntry, Coded> {
    let mut found = None;
    let look = |entry: RawEntry| {
        if entry.seq == wanted {
            found = Some(entry);
        }
        Ok::<_, VerifyError>(())
    };
    raw_entries(&RealDisk, dir, look).or_exit(Exit::Failed)?;
    found.ok_or_else(|| Coded::new(Exit::Failed, anyhow!("entry `{wanted}` is gone")))
}
