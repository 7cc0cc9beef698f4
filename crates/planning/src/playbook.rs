//! A playbook as the engine runs it: parsed, checked, every expression compiled once.
//!
//! Does not know runs: nothing in here changes. Tasks and lists of tasks lie in two flat tables and name each other by
//! number, so that the place of a run is a few small numbers.

mod call;
mod document;
mod duration;
mod parts;
mod reader;
mod task;
mod template;
mod uses;

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use sinew_contract::{Digest, PlaybookName};
use sinew_expr::Schema;

pub(crate) use call::{Call, Function, Http, HttpOutput, Undo};
pub(crate) use document::parse;
pub(crate) use duration::read_duration;
pub(crate) use parts::{Backoff, Catch, ErrorFilter, ErrorText, EventFilter, Retry};
pub(crate) use reader::{Problem, Reader};
pub(crate) use template::{Expr, Template, Vars};
pub(crate) use uses::Uses;

/// An Open Workflow DSL 1.0 document that passed the validator.
#[derive(Debug)]
pub struct Playbook {
    pub(crate) name: PlaybookName,
    pub(crate) version: String,
    pub(crate) digest: Digest,
    pub(crate) document: Value,
    /// What starts it: any of these.
    pub(crate) schedule: Vec<EventFilter>,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// A run may take this long.
    pub(crate) timeout: Option<SignedDuration>,
    pub(crate) durability: Durability,
    pub(crate) tasks: Vec<Task>,
    pub(crate) blocks: Vec<Vec<TaskId>>,
    pub(crate) root: BlockId,
}

/// When a run may enter its next task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Durability {
    /// At once: what leaves nothing rides with the next commit, and a crash folds it again to the same bytes.
    #[default]
    Native,
    /// When the task before it is on disk.
    Strict,
}

/// The place of a task in the table of its playbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId(pub usize);

/// The place of a list of tasks in the table of its playbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockId(pub usize);

/// One task (Open Workflow DSL, "Task").
#[derive(Debug)]
pub(crate) struct Task {
    pub name: Arc<str>,
    /// JSON pointer of the task in its playbook.
    pub pointer: Arc<str>,
    /// `if`: the task is skipped where it is not true.
    pub condition: Option<Expr>,
    pub input: Shape,
    pub output: Shape,
    pub export: Shape,
    pub then: Then,
    pub action: Action,
}

/// `from` or `as`, and `schema`.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub template: Option<Template>,
    pub schema: Option<Schema>,
}

/// Where to go when a task is done (Open Workflow DSL, "Flow Directive").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// To the next in the list.
    Continue,
    /// Out of the list.
    Exit,
    /// To the end of the run.
    End,
    /// To this place of the same list.
    To(usize),
}

/// What a task does.
#[derive(Debug)]
pub(crate) enum Action {
    /// A list of tasks.
    Do(BlockId),
    /// A value.
    Set(Template),
    /// A branch.
    Switch(Vec<Case>),
    /// A list of tasks, and what to do where one of them errs.
    Try(BlockId, Box<Catch>),
    /// A durable wait; the value is a duration of the DSL.
    Wait(Template),
    /// An error on purpose.
    Raise(Box<ErrorText>),
    /// A look over HTTP.
    Http(Box<Http>),
    /// One of our functions.
    Call(Box<Call>),
}

/// One branch of a switch.
#[derive(Debug)]
pub(crate) struct Case {
    pub name: String,
    /// None is the default branch.
    pub when: Option<Expr>,
    pub then: Then,
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

    /// How long a run may take, where the document says so.
    pub const fn timeout(&self) -> Option<SignedDuration> {
        self.timeout
    }

    /// The workflow input for an event (an array of CloudEvents, as the DSL says), where the event starts this playbook.
    pub(crate) fn starts_on(&self, event: &Value) -> Option<Value> {
        self.schedule.iter().any(|filter| filter.matches(event)).then(|| Value::Array(vec![event.clone()]))
    }

    pub(crate) fn task(&self, id: TaskId) -> &Task {
        self.tasks.get(id.0).expect("invariant: the parser numbers tasks by their place in this table")
    }

    pub(crate) fn block(&self, id: BlockId) -> &[TaskId] {
        self.blocks.get(id.0).expect("invariant: the parser numbers lists by their place in this table")
    }
}
