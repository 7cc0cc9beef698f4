//! The floor: what no policy text can permit unattended. Data that anybody could have written never chooses what is done,
//! to whom or with how much, unless a person looks.
//!
//! Does not read policies and cannot be switched off. It only ever turns "run" into "ask"; it looks at the request alone, so
//! a decision replays from its record.

use sinew_contract::{Class, Request, Trust};

/// Why this may not run unattended; empty where it may.
pub(crate) fn reasons(request: &Request) -> Vec<String> {
    if request.approved || request.class == Class::Pure {
        return Vec::new();
    }
    arguments(request).into_iter().chain(control(request)).collect()
}

/// Every argument must be trusted as far as its capability needs.
fn arguments(request: &Request) -> Option<String> {
    let places: Vec<_> = request.short.iter().map(|at| if at.is_empty() { "all of them" } else { at }).collect();
    let capability = &request.capability;
    let text = || format!("floor: arguments of `{capability}` are not trusted enough: {}", places.join(", "));
    (!places.is_empty()).then(text)
}

/// Where an untrusted value was branched on, only what can be undone runs, and only where the value is one of a closed list.
/// The undo of an act of the same run is no new wish: it takes back what was decided before.
fn control(request: &Request) -> Option<String> {
    let harmless = request.compensates || (request.class == Class::Compensable && request.control_closed);
    let untrusted = request.control_trust == Trust::Untrusted && !harmless;
    untrusted.then(|| "floor: whether it is done at all rests on something untrusted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_holds_by_class_arguments_and_control() {
        let check = |class, short: &[&str], control: &str, closed, approved, compensates, expected: usize| {
            let request = serde_json::from_value(serde_json::json!({
                "principal": "agent:x", "scope": "main", "playbook": "p", "capability": "c", "class": class, "device": "d",
                "amount_minor": 0, "currency": "", "args_trust": "untrusted", "control_trust": control, "short": short,
                "control_closed": closed, "evidence_age_s": 0, "confidence_permille": 1000, "approved": approved,
                "duplicate": false, "compensates": compensates, "args": {},
            }));
            let found = reasons(&request.expect("a whole request"));
            assert_eq!(
                found.len(),
                expected,
                "{class} {short:?} {control} {closed} {approved} {compensates}: {found:?}"
            );
        };
        check("irreversible", &[], "verified", false, false, false, 0);
        check("irreversible", &["/to"], "verified", false, false, false, 1);
        check("irreversible", &["/to"], "untrusted", true, false, false, 2);
        check("irreversible", &["/to"], "untrusted", false, true, false, 0);
        check("compensable", &[], "untrusted", true, false, false, 0);
        check("compensable", &[], "untrusted", false, false, false, 1);
        check("idempotent", &[], "untrusted", true, false, false, 1);
        check("idempotent", &[], "untrusted", false, false, true, 0);
        check("physical", &[], "observed", false, false, false, 0);
        check("pure", &["/uri"], "untrusted", false, false, false, 0);
    }
}
