//! One decision table: read from TOML, checked whole, then asked.
//!
//! ```toml
//! name = "return-decision"
//! hit-policy = "first"                      # first | unique | collect
//!
//! [[inputs]]
//! name = "days"                             # the column
//! from = ".days_since_delivery"             # jq over the question's inputs; without it, the member of that name
//! type = "integer"                          # integer | number | string | boolean
//! optional = false                          # may it be missing?
//!
//! [[outputs]]
//! name = "verdict"
//! type = "string"
//! values = ["accept", "refuse", "unsure"]   # the only ones, where given
//!
//! [[rows]]
//! id = "too-late"
//! when = { days = "> 30" }                  # a column that is not named matches anything
//! then = { verdict = "refuse" }
//! reason = "It came back after 30 days."
//! ```
//!
//! The answer is the row's outputs and its `reason`. Does not know questions or labels.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};
use sinew_contract::ErrorKind;
use sinew_expr::{ExprError, Profile, Program};

use super::unary::{ColumnType, Test};
use crate::load::{LoadError, read_toml};

/// Which rows count where several match (DMN 1.5, section 8.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum HitPolicy {
    /// The first in the order of the file.
    First,
    /// There may be only one.
    Unique,
    /// All of them: the answer is a list.
    Collect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: String,
    /// For readers only.
    #[serde(default, rename = "title")]
    _title: String,
    hit_policy: HitPolicy,
    inputs: Vec<InputDef>,
    outputs: Vec<OutputDef>,
    rows: Vec<RowDef>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct InputDef {
    name: String,
    from: Option<String>,
    #[serde(rename = "type")]
    column: ColumnType,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct OutputDef {
    name: String,
    #[serde(rename = "type")]
    column: ColumnType,
    #[serde(default)]
    values: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RowDef {
    id: String,
    #[serde(default)]
    when: BTreeMap<String, Value>,
    then: BTreeMap<String, Value>,
    reason: String,
}

/// A table that is known to be well formed.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    hit_policy: HitPolicy,
    inputs: Vec<Input>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Input {
    name: String,
    from: Program,
    column: ColumnType,
    optional: bool,
}

#[derive(Debug)]
struct Row {
    id: String,
    /// One test per input, in the same order.
    tests: Vec<Test>,
    answer: Value,
}

/// What came out, and which rows said so.
#[derive(Debug, PartialEq)]
pub(super) struct Hit {
    pub(super) value: Value,
    pub(super) rows: Vec<String>,
}

/// Why a table could not decide.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum RunError {
    #[error("no row of table `{table}` matches")]
    NoRow { table: String },
    #[error("rows `{rows}` of table `{table}` all match, but its hit policy is unique; make them exclude each other")]
    Overlap { table: String, rows: String },
    #[error("input `{input}` of table `{table}` is `{found}`, expected {expected}")]
    Input { table: String, input: String, found: String, expected: &'static str },
    #[error("cannot read input `{input}` of table `{table}`: {source}")]
    Expression { table: String, input: String, source: ExprError },
}

impl RunError {
    /// An overlap is a mistake in the table that a person must mend; the rest is the question's.
    pub(super) const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRow { .. } => ErrorKind::Missing,
            Self::Overlap { .. } => ErrorKind::Broken,
            Self::Input { .. } | Self::Expression { .. } => ErrorKind::Invalid,
        }
    }
}

impl Table {
    /// Reads and checks a table.
    ///
    /// # Errors
    /// With the row and the column, or line and column where it is no such TOML at all.
    pub(super) fn load(file: &str, text: &str) -> Result<Self, LoadError> {
        let parsed: File = read_toml(file, text)?;
        check_names(file, &parsed)?;
        let inputs = parsed.inputs.iter().map(|def| input(file, def)).collect::<Result<Vec<_>, _>>()?;
        let rows = parsed.rows.iter().map(|def| row(file, def, &parsed)).collect::<Result<_, _>>()?;
        Ok(Self { name: parsed.name, hit_policy: parsed.hit_policy, inputs, rows })
    }

    /// Finds the rows that match.
    pub(super) fn decide(&self, inputs: &Value) -> Result<Hit, RunError> {
        let values = self.inputs.iter().map(|input| self.read(input, inputs)).collect::<Result<Vec<_>, _>>()?;
        let matching = |row: &&Row| row.tests.iter().zip(&values).all(|(test, value)| test.matches(value));
        let hits: Vec<_> = self.rows.iter().filter(matching).collect();
        let ids = |rows: &[&Row]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
        match (self.hit_policy, hits.as_slice()) {
            (HitPolicy::Collect, all) => {
                Ok(Hit { value: all.iter().map(|row| row.answer.clone()).collect(), rows: ids(all) })
            }
            (_, []) => Err(RunError::NoRow { table: self.name.clone() }),
            (HitPolicy::Unique, several @ [_, _, ..]) => {
                Err(RunError::Overlap { table: self.name.clone(), rows: ids(several).join("`, `") })
            }
            (_, [first, ..]) => Ok(Hit { value: first.answer.clone(), rows: ids(&[first]) }),
        }
    }

    fn read(&self, input: &Input, inputs: &Value) -> Result<Value, RunError> {
        let (table, name) = (self.name.clone(), input.name.clone());
        let value = input.from.run(inputs, &[]);
        let value =
            value.map_err(|source| RunError::Expression { table: table.clone(), input: name.clone(), source })?;
        if input.column.admits(&value) || (value.is_null() && input.optional) {
            return Ok(value);
        }
        let found = value.to_string().chars().take(80).collect();
        Err(RunError::Input { table, input: name, found, expected: input.column.as_str() })
    }
}

fn check_names(file: &str, parsed: &File) -> Result<(), LoadError> {
    if parsed.rows.is_empty() || parsed.outputs.is_empty() {
        return Err(LoadError::new(file, "the whole", "a table needs at least one output and one row"));
    }
    unique(file, "input", parsed.inputs.iter().map(|input| &input.name))?;
    unique(file, "output", parsed.outputs.iter().map(|output| &output.name))?;
    unique(file, "row", parsed.rows.iter().map(|row| &row.id))?;
    match parsed.outputs.iter().find(|output| output.name == "reason") {
        Some(_) => Err(LoadError::new(file, "output `reason`", "every row's `reason` is in the answer already")),
        None => Ok(()),
    }
}

fn unique<'a>(file: &str, what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), LoadError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || !seen.insert(name) {
            return Err(LoadError::new(file, format!("{what} `{name}`"), "each needs a name of its own"));
        }
    }
    Ok(())
}

fn input(file: &str, def: &InputDef) -> Result<Input, LoadError> {
    let quoted = Value::from(def.name.as_str());
    let source = def.from.clone().unwrap_or_else(|| format!(".[{quoted}]"));
    let from = Program::compile(&source, &[], Profile::Author);
    let from = from.map_err(|e| LoadError::new(file, format!("input `{}`, `from`", def.name), e.to_string()))?;
    Ok(Input { name: def.name.clone(), from, column: def.column, optional: def.optional })
}

fn row(file: &str, def: &RowDef, table: &File) -> Result<Row, LoadError> {
    let at = |column: &str| format!("row `{}`, column `{column}`", def.id);
    if def.reason.trim().is_empty() {
        return Err(LoadError::new(file, at("reason"), "a row needs a reason that a person understands"));
    }
    let unknown = def.when.keys().find(|name| !table.inputs.iter().any(|input| input.name == **name));
    let unknown = unknown.or_else(|| def.then.keys().find(|name| !table.outputs.iter().any(|o| o.name == **name)));
    if let Some(name) = unknown {
        return Err(LoadError::new(file, at(name), "the table has no such column"));
    }
    let test = |input: &InputDef| match def.when.get(&input.name) {
        None => Ok(Test::Any),
        Some(cell) => Test::parse(cell, input.column).map_err(|problem| LoadError::new(file, at(&input.name), problem)),
    };
    let tests = table.inputs.iter().map(test).collect::<Result<_, _>>()?;
    let answer = table.outputs.iter().map(|output| {
        let value = output_value(def, output).map_err(|problem| LoadError::new(file, at(&output.name), problem))?;
        Ok((output.name.clone(), value))
    });
    let mut answer = answer.collect::<Result<Map<_, _>, _>>()?;
    answer.insert("reason".to_owned(), def.reason.trim().into());
    Ok(Row { id: def.id.clone(), tests, answer: answer.into() })
}

fn output_value(row: &RowDef, output: &OutputDef) -> Result<Value, String> {
    let value = row.then.get(&output.name).ok_or("the row gives no value for it")?;
    if !output.column.admits(value) {
        return Err(format!("`{value}` is not {}", output.column.as_str()));
    }
    if !output.values.is_empty() && !output.values.contains(value) {
        let allowed: Vec<_> = output.values.iter().map(Value::to_string).collect();
        return Err(format!("`{value}` is none of {}", allowed.join(", ")));
    }
    Ok(value.clone())
}
