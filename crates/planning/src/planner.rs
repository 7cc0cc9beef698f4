//! A goal becomes a list of tasks, by a model: written in a small profile of the language, checked by the validator that
//! checks people, mended by its findings at most twice. A plan is a value; nothing here runs it.
//!
//! Does not know which model answers, nor what it costs.
//!
//! ```text
//! goal + what is allowed -> question -> model -> profile -> validator -> Planned
//!                              ^------- findings (twice) ------|------> Refused
//! ```

mod profile;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sinew_contract::{Ask, AskMore, CapabilityName, Cost, Digest, EffectId, ErrorKind, Failure, Label, Model, Trust};
use sinew_expr::digest_value;

use crate::check::{Known, check};
use crate::functions::Function;
use crate::playbook::Playbook;
use crate::{Finding, Severity};

/// A plan is asked for once, and mended at most so often.
const MENDS_MAX: u32 = 2;

/// What a plan may be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    /// Functions by name, as in `infer`, `act`, `approve`.
    pub functions: BTreeSet<String>,
    /// Capabilities that it may ask for.
    pub capabilities: BTreeSet<CapabilityName>,
    /// Tasks, those in lists of others included.
    pub tasks_max: usize,
    /// Lists in lists.
    pub depth_max: usize,
}

/// A wish for a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// Who asks.
    pub effect: EffectId,
    /// What is to be reached, in words.
    pub goal: String,
    /// What the plan may look at when it is made.
    pub context: Value,
    /// What it may be made of.
    pub allow: Allow,
    /// Limits of the question.
    pub more: AskMore,
    /// The label of goal and context.
    pub label: Label,
}

/// A plan that fits the profile and passes the validator.
#[derive(Debug)]
pub struct Planned {
    /// The tasks, as they stand under `do`.
    pub tasks: Value,
    /// The playbook that they make, ready to be looked at by a person; it is in no deployment.
    pub playbook: Playbook,
    /// Digest of the playbook's document.
    pub digest: Digest,
    /// How often the model was asked.
    pub asked: u32,
    /// What the asking cost.
    pub cost: Cost,
    /// The label of the plan: never above what went in, and never above what a model makes.
    pub label: Label,
    /// Warnings of the validator.
    pub warnings: Vec<Finding>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The model could not be asked, or its answer was not of the agreed form.
    #[error("no model made a plan")]
    Unanswered(#[source] Failure),
    /// The last plan still had these findings.
    #[error("the plan was refused after {asked} answers, with {} findings; the first: {}", .findings.len(), first(.findings))]
    Refused {
        /// How often the model was asked.
        asked: u32,
        /// What is wrong with its last answer.
        findings: Vec<Finding>,
    },
}

impl PlanError {
    /// Answers how the caller may react.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unanswered(failure) => failure.kind(),
            Self::Refused { .. } => ErrorKind::Denied,
        }
    }
}

fn first(findings: &[Finding]) -> String {
    findings.first().map_or_else(|| "none".to_owned(), ToString::to_string)
}

/// Asks for a plan and gives it back only if it fits the profile and passes the validator.
///
/// # Errors
/// `Unanswered` where no model could be asked; `Refused`, with the findings, where the plan could not be mended.
pub async fn plan(model: &dyn Model, known: &Known, goal: &Goal) -> Result<Planned, PlanError> {
    let known = narrowed(known, &goal.allow);
    let mut mend = Value::Null;
    let mut cost = Cost::default();
    for asked in 1.. {
        let proposal = model.answer(&question(goal, &mend)).await.map_err(PlanError::Unanswered)?;
        cost.micros = cost.micros.saturating_add(proposal.cost.micros);
        cost.tokens = cost.tokens.saturating_add(proposal.cost.tokens);
        let tasks = proposal.value.get("do").cloned().unwrap_or(Value::Null);
        let document = document(&tasks);
        let (playbook, findings) = judge(&document, &tasks, goal, &known);
        match playbook {
            Some(playbook) => {
                let label = proposal.label.join(&Label::new("plan", Trust::Untrusted));
                let (digest, warnings) = (digest_value(&document), findings);
                return Ok(Planned { tasks, playbook, digest, asked, cost, label, warnings });
            }
            None if asked > MENDS_MAX => return Err(PlanError::Refused { asked, findings }),
            None => mend = json!({ "previous": tasks, "findings": findings }),
        }
    }
    unreachable!("invariant: the loop ends with a plan or with a refusal")
}

/// A plan is judged by the profile first: what it forbids needs no second look.
fn judge(document: &Value, tasks: &Value, goal: &Goal, known: &Known) -> (Option<Playbook>, Vec<Finding>) {
    let strange = profile::findings(tasks, &goal.allow);
    if !strange.is_empty() {
        return (None, strange);
    }
    // JSON is YAML (YAML 1.2, section 1.3), so the validator reads it as it reads people's.
    let (playbook, findings) = check(&document.to_string(), known);
    let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    (playbook.filter(|_| !errors), findings)
}

/// What the validator knows for this plan: of the capabilities only those that it may ask for.
fn narrowed(known: &Known, allow: &Allow) -> Known {
    let mut known = known.clone();
    known.capabilities.retain(|name, _| allow.capabilities.contains(name));
    known
}

fn document(tasks: &Value) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "plan", "name": "plan", "version": "1.0.0" },
        "do": tasks,
    })
}

fn question(goal: &Goal, mend: &Value) -> Ask {
    Ask {
        effect: goal.effect,
        role: "plan".to_owned(),
        instruction: instruction(&goal.allow),
        inputs: json!({ "goal": goal.goal, "context": goal.context, "mend": mend }),
        schema: schema(&goal.allow),
        rules: None,
        template: None,
        more: goal.more.clone(),
        label: goal.label.clone(),
    }
}

fn instruction(allow: &Allow) -> String {
    let functions = allow.functions.iter().filter_map(|name| Some((name, Function::of(name)?)));
    let functions: Vec<_> =
        functions.map(|(name, f)| format!("- call: {name}:1.0.0@default, with: {}", f.document())).collect();
    let capabilities: Vec<_> = allow.capabilities.iter().map(ToString::to_string).collect();
    format!(
        "Make a plan for the goal in DATA: a list of tasks of the Open Workflow DSL 1.0. Each item is an object with one member, the \
         task's name. A task is one of: do, set, switch, try (with catch), raise, call. Expressions stand in ${{ }} and are jq without \
         definitions and without endless loops. These functions may be called:\n{}\nThese capabilities may be asked for by act: {}. \
         At most {} tasks, at most {} lists deep. Where `mend` is not null, it has your previous plan and what is wrong with it: give \
         the whole plan again, mended. The plan will be checked; it does not run by itself.",
        functions.join("\n"),
        capabilities.join(", "),
        allow.tasks_max,
        allow.depth_max
    )
}

fn schema(allow: &Allow) -> Value {
    json!({ "type": "object", "required": ["do"], "additionalProperties": false, "properties": { "do": {
        "type": "array", "minItems": 1, "maxItems": allow.tasks_max,
        "items": { "type": "object", "minProperties": 1, "maxProperties": 1 } } } })
}
