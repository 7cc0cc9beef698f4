//! The kinds of errors inside a playbook: those of the DSL, and how an act can go wrong.
//!
//! Does not know who raises them. The normative type is `https://serverlessworkflow.io/spec/1.0.0/errors/<kind>`; the
//! standard moved house and its own test kit uses yet another path, so types are compared by a fixed table of aliases.

use sinew_contract::{Fault, Outcome};

const NORMATIVE: &str = "https://serverlessworkflow.io/spec/1.0.0/errors/";
const HOSTS: &[&str] = &["https://serverlessworkflow.io", "https://open-workflow-specification.org"];
const PATHS: &[&str] = &["/spec/1.0.0/errors/", "/dsl/errors/types/"];

/// The last part of a type of the standard, under any of its addresses.
fn kind_of(error_type: &str) -> Option<&str> {
    let path = HOSTS.iter().find_map(|host| error_type.strip_prefix(host))?;
    PATHS.iter().find_map(|prefix| path.strip_prefix(prefix))
}

/// Says whether two types name the same kind of error.
pub(crate) fn same_type(a: &str, b: &str) -> bool {
    match (kind_of(a), kind_of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn fault(error_type: String, status: u16, title: impl Into<String>, detail: Option<String>) -> Fault {
    Fault { error_type, status, title: title.into(), detail, instance: None }
}

/// Something beyond a wire failed, or answered with this status.
pub(crate) fn communication(status: u16, detail: impl Into<String>) -> Fault {
    fault(format!("{NORMATIVE}communication"), status, "communication failed", Some(detail.into()))
}

/// An expression failed on its input.
pub(crate) fn expression(detail: impl Into<String>) -> Fault {
    fault(format!("{NORMATIVE}expression"), 400, "an expression failed", Some(detail.into()))
}

/// A value does not match its schema.
pub(crate) fn validation(detail: impl Into<String>) -> Fault {
    fault(format!("{NORMATIVE}validation"), 400, "a value does not fit", Some(detail.into()))
}

/// Something took longer than it may.
pub(crate) fn timeout(detail: impl Into<String>) -> Fault {
    fault(format!("{NORMATIVE}timeout"), 408, "time is up", Some(detail.into()))
}

/// The run does what no run may do.
pub(crate) fn runtime(detail: impl Into<String>) -> Fault {
    fault(format!("{NORMATIVE}runtime"), 500, "the run cannot go on", Some(detail.into()))
}

/// An undo did not come through.
pub(crate) fn stuck(detail: impl Into<String>) -> Fault {
    fault("urn:sinew:error:stuck".to_owned(), 500, "an act could not be undone", Some(detail.into()))
}

/// Stop was pressed: what it held back must not leave by itself once it is released.
pub(crate) fn stopped(reason: &str) -> Fault {
    fault("urn:sinew:error:stopped".to_owned(), 503, "stop is pressed", Some(reason.to_owned()))
}

/// Says whether an error is that of a stop.
pub(crate) fn is_stop(fault: &Fault) -> bool {
    fault.error_type == "urn:sinew:error:stopped"
}

/// What an outcome other than done means to a playbook; none for done.
pub(crate) fn of_outcome(outcome: &Outcome) -> Option<Fault> {
    let (kind, status, title, reason) = match outcome {
        Outcome::Done { .. } => return None,
        Outcome::Refused { by, reason } if by == "stopped" => return Some(stopped(reason)),
        Outcome::Refused { by, reason } => refused(by, reason),
        Outcome::Failed { reason, .. } => ("failed", 503, "it surely was not done", reason),
        Outcome::Unknown { reason } => ("unknown", 504, "nobody knows whether it was done", reason),
    };
    Some(fault(format!("urn:sinew:error:{kind}"), status, title, Some(reason.clone())))
}

fn refused<'r>(by: &str, reason: &'r String) -> (&'static str, u16, &'static str, &'r String) {
    match by {
        "person" => ("refused-by-person", 403, "a person said no", reason),
        "policy" => ("refused-by-policy", 403, "policy said no", reason),
        "duplicate" => ("refused-as-duplicate", 409, "it was done before, by another run", reason),
        "key" => ("key-misused", 422, "its key stands for something else", reason),
        _ => ("refused-by-target", 409, "the target said no", reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_standard_are_equal_under_all_their_addresses() {
        let cases = [
            ("https://serverlessworkflow.io/spec/1.0.0/errors/communication", true),
            ("https://open-workflow-specification.org/dsl/errors/types/communication", true),
            ("https://open-workflow-specification.org/spec/1.0.0/errors/communication", true),
            ("https://serverlessworkflow.io/spec/1.0.0/errors/timeout", false),
            ("https://evil.example/spec/1.0.0/errors/communication", false),
            ("communication", false),
        ];
        let raised = communication(503, "the shop is down");
        for (wanted, expected) in cases {
            assert_eq!(same_type(wanted, &raised.error_type), expected, "{wanted}");
        }
        assert!(same_type("urn:sinew:error:failed", "urn:sinew:error:failed"));
    }
}
