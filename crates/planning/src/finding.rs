//! What the validator has to say about a playbook: which rule, where, what is wrong, and how to mend it.
//!
//! Does not know the rules themselves: those stand where the things are parsed and checked.

use std::fmt;

use serde::Serialize;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The playbook runs; somebody should look at it.
    Warning,
    /// The playbook is refused.
    Error,
}

/// One thing that is wrong with a playbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule, as in `unknown-function`; stable, so that tools may branch on it.
    pub rule: &'static str,
    /// JSON pointer (RFC 6901) of the place in the playbook; `""` is the whole.
    pub pointer: String,
    /// Line of that place, from 1.
    pub line: usize,
    /// Column of that place in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub fix: String,
    /// See `Severity`.
    pub severity: Severity,
}

impl fmt::Display for Finding {
    /// One line, as compilers write it: `3:5: error [rule] message; fix`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}:{}: {word} [{}] {}; {}", self.line, self.column, self.rule, self.message, self.fix)
    }
}
