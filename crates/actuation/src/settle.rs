//! What became of an intent that has no outcome: the target is asked by key until it answers; nothing is repeated.
//!
//! Does not know what is done with the answer. Asking goes on while stop is pressed: to know is not to move.
//!
//! | the target says | it means |
//! |---|---|
//! | found, applied | done, with its receipt |
//! | found, not applied | refused by the target |
//! | not found, asked before the command's expiry and the greatest skew of clocks had passed | wait until then, ask again |
//! | not found, asked after that | failed without effect: it can arrive no more |
//! | nothing (busy, late, broken) | ask again, 50 ms doubling to 2 s, for as long as it takes |

use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::{Clock, Command, Deadline, Device, ErrorKind, Manifest, Now, Outcome, Reconcile, Timestamp};
use sinew_expr::mutant;
use tracing::debug;

/// The wait after the first question without an answer; doubles with each.
const BACKOFF: Duration = Duration::from_millis(50);
/// The longest wait: a target that is back is noticed within it.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks until the target has answered. Cancel safe: asking again later finds the same.
pub(crate) async fn settle(clock: &dyn Clock, device: &dyn Device, manifest: &Manifest, command: &Command) -> Outcome {
    let Some(reconcile) = &manifest.reconcile else {
        return unknown("its target cannot be asked by key");
    };
    let mut wait = BACKOFF;
    loop {
        let asked = clock.now();
        let key = json!({ "key": command.key });
        let answer = device.read(&reconcile.operation, &key, Deadline::within(asked, PATIENCE)).await;
        let again_at = match answer {
            Ok(found) => return told(reconcile, &found),
            Err(e) if e.kind() == ErrorKind::Busy && mutant("busy-is-not-found") => {
                return Outcome::Failed { reason: e.to_string(), retry_after_ms: None };
            }
            Err(e) if e.kind() == ErrorKind::Missing => match believable_at(command, manifest, asked) {
                None => {
                    return Outcome::Failed {
                        reason: "the target never saw it, and it has expired".to_owned(),
                        retry_after_ms: None,
                    };
                }
                Some(then) => then,
            },
            Err(e) if matches!(e.kind(), ErrorKind::Denied | ErrorKind::Invalid) => {
                return unknown(&format!("its target cannot be asked: {e}"));
            }
            Err(e) => {
                debug!(key = %command.key, error = %e, "target did not answer");
                let then = clock.now().wall.after(wait);
                wait = (wait * 2).min(BACKOFF_MAX);
                then
            }
        };
        clock.sleep_until(again_at).await;
    }
}

fn unknown(reason: &str) -> Outcome {
    Outcome::Unknown { reason: reason.to_owned() }
}

/// Reads the target's answer as the manifest says.
fn told(reconcile: &Reconcile, found: &Value) -> Outcome {
    let applied = reconcile.applied.as_ref().map_or(Some(true), |at| found.pointer(at).and_then(Value::as_bool));
    let receipt = reconcile.receipt.as_ref().map_or(Some(found), |at| found.pointer(at)).cloned().unwrap_or_default();
    match applied {
        Some(true) => Outcome::Done { receipt, first: None },
        Some(false) if mutant("not-applied-is-done") => Outcome::Done { receipt, first: None },
        Some(false) => Outcome::Refused { by: "target".to_owned(), reason: words(&receipt) },
        None => unknown("its target answered without saying whether it was applied"),
    }
}

/// Why the target refused, in its own words where it gives any.
fn words(receipt: &Value) -> String {
    let named = ["detail", "title", "reason", "error"].iter().find_map(|name| receipt.get(name)?.as_str());
    let own = receipt.as_str().or(named).map(str::to_owned);
    own.unwrap_or_else(|| if receipt.is_null() { "the target refused it".to_owned() } else { receipt.to_string() })
}

/// When "not found" may be believed; none where the question was asked late enough.
///
/// Both clocks must agree. After a reboot the boot clock says nothing about an older command; a deadline further away
/// than a command can live is of another boot, and the wall clock alone decides.
fn believable_at(command: &Command, manifest: &Manifest, asked: Now) -> Option<Timestamp> {
    let skew = Duration::try_from(manifest.clock_skew_max).unwrap_or_default();
    let skew = if mutant("clock-skew-ignored") { Duration::ZERO } else { skew };
    let life = Duration::try_from(manifest.expiry).unwrap_or_default();
    let wall = command.expires.wall.after(skew).since(asked.wall);
    let left = Duration::from_micros(command.expires.boot.0.saturating_sub(asked.boot.0));
    let passed = Duration::from_micros(asked.boot.0.saturating_sub(command.expires.boot.0));
    let boot = if left > life { Duration::ZERO } else { (left + skew).saturating_sub(passed) };
    let wait = wall.max(boot);
    let wait = if mutant("not-found-believed-at-once") { Duration::ZERO } else { wait };
    (!wait.is_zero()).then(|| asked.wall.after(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_the_manifest_says() {
        let reconcile = |applied: Option<&str>, receipt: Option<&str>| Reconcile {
            operation: Value::Null,
            applied: applied.map(str::to_owned),
            receipt: receipt.map(str::to_owned),
        };
        let found = json!({ "applied": true, "result": { "refund": "rf-1" } });
        let done = |receipt: Value| Outcome::Done { receipt, first: None };
        assert_eq!(told(&reconcile(Some("/applied"), Some("/result")), &found), done(json!({ "refund": "rf-1" })));
        assert_eq!(told(&reconcile(None, None), &found), done(found.clone()));
        assert_eq!(told(&reconcile(Some("/applied"), Some("/other")), &found), done(Value::Null));
        let no = json!({ "applied": false, "result": { "detail": "discontinued" } });
        let refused = Outcome::Refused { by: "target".to_owned(), reason: "discontinued".to_owned() };
        assert_eq!(told(&reconcile(Some("/applied"), Some("/result")), &no), refused);
        for odd in [json!({}), json!({ "applied": "yes" }), json!([]), Value::Null] {
            assert_eq!(told(&reconcile(Some("/applied"), None), &odd).word(), "unknown", "{odd}");
        }
    }
}
