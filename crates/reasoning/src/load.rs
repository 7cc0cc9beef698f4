//! What can be wrong with a decision table or a template when a deployment is loaded.
//!
//! Does not know where the files are: it is handed names and texts.

use serde::de::DeserializeOwned;
use sinew_contract::{ErrorKind, Failure};

/// A file of the deployment that cannot be used, with the place in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot load `{file}`, {place}: {problem}")]
pub struct LoadError {
    /// The file, as it was named by whoever handed it over.
    pub file: String,
    /// Where in it: a line and column, or a row and column of the table.
    pub place: String,
    /// What is wrong, and how to mend it.
    pub problem: String,
}

impl LoadError {
    pub(crate) fn new(file: &str, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: place.into(), problem: problem.into() }
    }

    /// Answers how the caller may react: the deployment is refused, the last good one stays.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// Reads a TOML text into a type of ours; an error names line and column, from 1.
pub(crate) fn read_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, LoadError> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        LoadError::new(file, format!("line {line}, column {column}"), error.message())
    })
}
