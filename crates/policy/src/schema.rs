//! What a policy may speak of: principals, actions, capabilities in their classes, and the facts of a request.
//!
//! Does not know any deployment. A new fact is a line here and a line in `facts`.
//! Integers only: minor units, seconds, per mille. Trust and class are closed lists, so that a misspelt one is found at
//! load and not in a silent "no".

/// The schema in Cedar's own words (Cedar schema syntax, version 4).
pub const SCHEMA: &str = r#"
// Who asks. `agent:return-clerk` is Agent::"return-clerk"; what is neither an agent nor a person is a System.
entity Agent;
entity Person;
entity System;

// What may go wrong when it is done, or done twice.
entity Class enum ["pure", "idempotent", "compensable", "irreversible", "physical"];

// What is asked for, as in Capability::"shop.refund".
entity Capability in [Class];

// How far a value may be trusted.
entity Trust enum ["untrusted", "observed", "verified", "owned"];

type Facts = {
    // The tenant.
    scope: String,
    // The playbook on whose behalf.
    playbook: String,
    // The device or connector that would do it.
    device: String,
    // The host of the argument `uri`, lower case, without port; empty where there is none or it is not plain.
    host: String,
    // Money moved, in minor units; 0 where none is.
    amount_minor: Long,
    // ISO 4217; empty where no money moves.
    currency: String,
    // The least trust among the arguments.
    args_trust: Trust,
    // The least trust among the values that were branched on to get here.
    control_trust: Trust,
    // Age of the event that started the run, in seconds.
    evidence_age_s: Long,
    // Agreement of checks, 0 to 1000.
    confidence_permille: Long,
    // A person has approved these exact bytes.
    approved: Bool,
    // The natural key was used before, by another run.
    duplicate: Bool,
    // It undoes an earlier act of the same run.
    compensates: Bool,
    // One `<JSON pointer>=<value>` for each leaf of the arguments, as in "/order=O-7": strings raw, others as JSON.
    args: Set<String>,
};

// `Act`: it may be done when a person says so. `ActUnattended`: it may be done without asking.
action Act, ActUnattended appliesTo {
    principal: [Agent, Person, System],
    resource: [Capability],
    context: Facts,
};
"#;

#[cfg(test)]
mod tests {
    use cedar_policy::Schema;

    use super::SCHEMA;

    #[test]
    fn the_schema_is_valid_and_without_warnings() {
        let (_, warnings) = Schema::from_cedarschema_str(SCHEMA).expect("the schema parses");
        assert_eq!(warnings.map(|w| w.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    }
}
