//! How reading, compiling or evaluating a value can fail.
//!
//! Does not know who asked: a room wraps it with the file or the task that it came from.

use sinew_contract::{ErrorKind, Failure};

/// An expression, schema, template or JSON text that does not work, or does not work on this input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExprError {
    /// The text is not a jq program.
    #[error("cannot read expression `{source_text}`: {problem}")]
    Syntax {
        /// The expression.
        source_text: String,
        /// What is wrong and where.
        problem: String,
    },
    /// The program uses a name that does not exist, or not in this profile.
    #[error("cannot compile expression `{source_text}`: {problem}")]
    Forbidden {
        /// The expression.
        source_text: String,
        /// Which name, and what to use instead.
        problem: String,
    },
    /// The program failed on its input.
    #[error("expression `{source_text}` failed: {problem}")]
    Failed {
        /// The expression.
        source_text: String,
        /// What the program or the library said.
        problem: String,
    },
    /// The program looped too often.
    #[error("expression `{source_text}` was stopped after {steps_max} steps; bound its loops")]
    TooLong {
        /// The expression.
        source_text: String,
        /// The bound.
        steps_max: u64,
    },
    /// The JSON text is not acceptable.
    #[error("cannot read JSON at `{pointer}`: {problem}")]
    Json {
        /// JSON pointer of the place, as far as it was read.
        pointer: String,
        /// What is wrong.
        problem: String,
    },
    /// The schema itself is wrong.
    #[error("cannot compile JSON schema at `{pointer}`: {problem}")]
    Schema {
        /// JSON pointer into the schema.
        pointer: String,
        /// What is wrong.
        problem: String,
    },
    /// A place in a text cannot be filled.
    #[error("cannot fill place `{{{place}}}` of `{template}`: {problem}")]
    Place {
        /// The text.
        template: String,
        /// The place.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

impl ExprError {
    /// Answers how the caller may react: always the input's fault; the same input fails again.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl From<ExprError> for Failure {
    fn from(error: ExprError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}
