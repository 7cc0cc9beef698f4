//! The one validator, for people and models: text in, an executable playbook and findings out.
//!
//! Does not know files or deployments: what a playbook may name comes in as `Known`.
//!
//! ```text
//! text -> yaml -> typed parse (names, targets, functions, expressions, what is named) -> coverage of effects -> Playbook
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sinew_contract::{CapabilityName, Class, Compensation, PlaybookName};
use sinew_expr::digest_value;

use crate::functions::Function;
use crate::playbook::{Action, BlockId, Playbook, Problem, Reader, TaskId, parse};
use crate::yaml::{self, Document};
use crate::{Finding, Severity};

/// What a playbook may name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The capabilities of the deployment.
    pub capabilities: BTreeMap<CapabilityName, KnownCapability>,
    /// The decision tables.
    pub rules: BTreeSet<String>,
    /// The message templates.
    pub templates: BTreeSet<String>,
    /// The roles that people can have.
    pub roles: BTreeSet<String>,
    /// The playbooks that may be run as a part of another.
    pub playbooks: BTreeSet<PlaybookName>,
    /// Method and address -> the capability that acts there: what `call: http` may do beyond looking.
    pub routes: BTreeMap<(String, String), CapabilityName>,
}

/// What the validator wants to know of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCapability {
    /// See `Class`.
    pub class: Class,
    /// How it is undone, where its manifest says so.
    pub compensation: Option<Compensation>,
}

/// A YAML text as JSON, read as strictly as playbooks are.
///
/// # Errors
/// Says where the text cannot be read, and why.
pub fn read_yaml(text: &str) -> Result<Value, String> {
    yaml::parse(text).map(|document| document.value).map_err(|error| error.to_string())
}

/// The name that a playbook gives itself, where its text can be read that far.
pub fn named(text: &str) -> Option<PlaybookName> {
    let document = yaml::parse(text).ok()?;
    document.value.pointer("/document/name")?.as_str()?.parse().ok()
}

/// Checks a playbook whole; gives it back, ready to run, unless a finding is an error.
///
/// Findings come in the order of the text.
pub fn check(text: &str, known: &Known) -> (Option<Playbook>, Vec<Finding>) {
    let document = match yaml::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let yaml::Place { line, column } = error.place;
            let (pointer, message, fix) = (error.pointer, error.message, error.fix.to_owned());
            let finding = Finding { rule: "yaml", pointer, line, column, message, fix, severity: Severity::Error };
            return (None, vec![finding]);
        }
    };
    let mut reader = Reader::new(known);
    let playbook = parse(document.value.clone(), digest_value(&document.value), &mut reader);
    let mut problems = reader.problems;
    if let Some(playbook) = &playbook {
        cover(playbook, &mut problems);
    }
    let findings = place(problems, &document);
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    (playbook.filter(|_| !refused), findings)
}

/// Gives each problem its line and column, in the order of the text, each once.
fn place(problems: Vec<Problem>, document: &Document) -> Vec<Finding> {
    let finding = |problem: Problem| {
        let yaml::Place { line, column } = document.place(&problem.pointer);
        let Problem { rule, pointer, message, fix, severity } = problem;
        Finding { rule, pointer, line, column, message, fix, severity }
    };
    let mut findings: Vec<Finding> = problems.into_iter().map(finding).collect();
    findings.sort_by(|a, b| (a.line, a.column, a.rule, &a.message).cmp(&(b.line, b.column, b.rule, &b.message)));
    findings.dedup();
    findings
}

/// A try that may err after it has done something that can be undone must undo it in its catch.
fn cover(playbook: &Playbook, problems: &mut Vec<Problem>) {
    for task in &playbook.tasks {
        let Action::Try(body, catch) = &task.action else { continue };
        let undoes = catch.handler.is_some_and(|block| any(playbook, block, &|id| is_undo(playbook, id)));
        if leaves_something(playbook, *body) && !undoes {
            problems.push(Problem {
                rule: "undo-missing",
                pointer: format!("{}/catch", task.pointer),
                message: format!(
                    "`{}` does what can be undone and may err afterwards, but its catch undoes nothing",
                    task.name
                ),
                fix: format!("add a task `call: compensate:1.0.0@default` with `scope: {}` to `catch.do`", task.name),
                severity: Severity::Error,
            });
        }
    }
}

/// Says whether something that can be undone is followed by anything at all in this list.
fn leaves_something(playbook: &Playbook, block: BlockId) -> bool {
    let tasks = playbook.block(block);
    tasks.iter().enumerate().any(|(at, id)| {
        let last = at + 1 == tasks.len();
        match &playbook.task(*id).action {
            Action::Call(_) | Action::Http(_) => is_undoable(playbook, *id) && !last,
            action => inner_blocks(action).into_iter().any(|inner| {
                let several = matches!(action, Action::For(_) | Action::Fork(_) | Action::Listen(_));
                leaves_something(playbook, inner)
                    || ((several || !last) && any(playbook, inner, &|id| is_undoable(playbook, id)))
            }),
        }
    })
}

fn is_undoable(playbook: &Playbook, id: TaskId) -> bool {
    match &playbook.task(id).action {
        Action::Call(call) => call.undo.is_some(),
        Action::Http(http) => http.undo.is_some(),
        _ => false,
    }
}

/// The lists of tasks inside a task, but for what it does about an error.
fn inner_blocks(action: &Action) -> Vec<BlockId> {
    match action {
        Action::Do(inner) | Action::Try(inner, _) | Action::Named(_, inner) => vec![*inner],
        Action::For(each) => vec![each.body],
        Action::Fork(fork) => fork.branches.clone(),
        Action::Listen(listen) => listen.each.iter().filter_map(|each| each.body).collect(),
        _ => Vec::new(),
    }
}

fn is_undo(playbook: &Playbook, id: TaskId) -> bool {
    matches!(&playbook.task(id).action, Action::Call(call) if call.function == Function::Compensate)
}

/// Says whether any task in a list, or in the lists inside, is such.
fn any(playbook: &Playbook, block: BlockId, such: &impl Fn(TaskId) -> bool) -> bool {
    playbook.block(block).iter().any(|id| {
        let action = &playbook.task(*id).action;
        let handler = match action {
            Action::Try(_, catch) => catch.handler,
            _ => None,
        };
        such(*id) || inner_blocks(action).into_iter().chain(handler).any(|inner| any(playbook, inner, such))
    })
}
