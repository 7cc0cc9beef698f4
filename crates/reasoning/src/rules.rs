//! The rules rung: decision tables, as a shop owner would write them on paper.
//!
//! A table has typed inputs (jq over the question's inputs), outputs, and rows. Each row has an id and a reason, which
//! stand in the answer. Does not know models. Vocabulary: DMN 1.5, decision tables and unary tests.

mod table;
mod unary;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;
use sinew_contract::{Ask, Cost, ErrorKind, Failure};

use crate::attempt::Attempt;
use crate::ladder::{Draft, Rung};
use crate::load::LoadError;

use table::{RunError, Table};

/// All decision tables of a deployment.
pub(crate) struct RulesRung {
    tables: BTreeMap<String, Table>,
}

impl RulesRung {
    pub(crate) fn load(files: &[(String, String)]) -> Result<Self, LoadError> {
        let mut tables = BTreeMap::new();
        for (file, text) in files {
            let table = Table::load(file, text)?;
            let name = table.name.clone();
            if tables.insert(name.clone(), table).is_some() {
                return Err(LoadError::new(file, "`name`", format!("there is another table `{name}`")));
            }
        }
        Ok(Self { tables })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }
}

#[async_trait]
impl Rung for RulesRung {
    fn name(&self) -> &str {
        "rules"
    }

    async fn draft(&self, ask: &Ask, _attempt: &Attempt) -> Result<Result<Draft, String>, Failure> {
        let Some(name) = &ask.rules else { return Ok(Err("the question names no table".to_owned())) };
        let table = self.tables.get(name).ok_or_else(|| {
            let known = self.names().join("`, `");
            Failure::new(ErrorKind::Invalid, format!("there is no decision table `{name}`; there are `{known}`"))
        })?;
        decide(table, &ask.inputs)
    }
}

fn decide(table: &Table, inputs: &Value) -> Result<Result<Draft, String>, Failure> {
    match table.decide(inputs) {
        Ok(hit) => {
            let because = hit.rows.iter().map(|row| format!("{}/{row}", table.name)).collect();
            Ok(Ok(Draft { value: hit.value, because, cost: Cost::default() }))
        }
        Err(RunError::NoRow { .. }) => Ok(Err(format!("no row of table `{}` matches", table.name))),
        Err(error) => Err(Failure::new(error.kind(), error.to_string())),
    }
}
