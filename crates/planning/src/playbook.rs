//! A playbook as the engine runs it: parsed, checked, every expression compiled once.
//!
//! Does not know runs: nothing in here changes.

use serde_json::Value;
use sinew_contract::{Digest, PlaybookName};

/// An Open Workflow DSL 1.0 document that passed the validator.
#[derive(Debug)]
pub struct Playbook {
    name: PlaybookName,
    version: String,
    digest: Digest,
    document: Value,
}

impl Playbook {
    /// Its name.
    pub const fn name(&self) -> &PlaybookName {
        &self.name
    }

    /// Its version, from its document.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// SHA-256 of its canonical JSON: what a run is pinned to for life.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The document as JSON.
    pub const fn document(&self) -> &Value {
        &self.document
    }
}
