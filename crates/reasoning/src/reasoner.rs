//! The room's one door: answers the `Model` port with what the deployment brought.
//!
//! Does not know files: the roof reads them and hands over names and texts.

use std::sync::Arc;

use async_trait::async_trait;
use sinew_contract::{Ask, Failure, Model, Proposal};

use crate::ladder::{Rung, climb};
use crate::load::LoadError;
use crate::rules::RulesRung;
use crate::templates::TemplateRung;

/// Answers questions from the deployment's decision tables and templates.
pub struct Reasoner {
    rungs: Vec<Box<dyn Rung>>,
    names: Names,
}

/// What a playbook may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Decision tables, sorted.
    pub rules: Vec<String>,
    /// Templates, sorted.
    pub templates: Vec<String>,
}

impl Reasoner {
    /// Loads a deployment's tables and templates, each a pair of file name (for messages) and text.
    ///
    /// All of them are checked whole; the first that is wrong refuses the deployment.
    ///
    /// # Errors
    /// With the file and the place in it.
    pub fn load(tables: &[(String, String)], templates: &[(String, String)]) -> Result<Self, LoadError> {
        let rules = RulesRung::load(tables)?;
        let templates = TemplateRung::load(templates)?;
        let names = Names { rules: rules.names(), templates: templates.names() };
        Ok(Self { rungs: vec![Box::new(rules), Box::new(templates)], names })
    }

    /// What a playbook may name in `rules` and `template`.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// As the port that planning asks.
    pub fn into_port(self) -> Arc<dyn Model> {
        Arc::new(self)
    }

    /// The ladder of a role, in order. Every role has the same one until providers come.
    fn ladder(&self, _role: &str) -> &[Box<dyn Rung>] {
        &self.rungs
    }
}

#[async_trait]
impl Model for Reasoner {
    async fn answer(&self, ask: &Ask) -> Result<Proposal, Failure> {
        climb(self.ladder(&ask.role), ask).await
    }
}
