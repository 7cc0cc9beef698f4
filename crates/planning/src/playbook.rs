//! A playbook as the engine runs it: parsed, checked, every expression compiled once.
//!
//! Does not know runs: nothing in here changes. Tasks and lists of tasks lie in two flat tables and name each other by
//! number, so that the place of a run is a few small numbers.

mod call;
mod catch;
mod cron;
mod document;
mod duration;
mod events;
mod http;
mod nested;
mod parts;
mod reader;
mod schedule;
mod task;
mod template;
mod uses;

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use sinew_contract::{Digest, PlaybookName};
use sinew_expr::Schema;

pub(crate) use call::{Call, Function, Undo};
pub(crate) use document::parse;
pub(crate) use duration::read_duration;
pub(crate) use events::{Consume, Correlate, EventFilter, Listen, Mode, ReadAs, Until};
pub(crate) use http::{Auth, Credential, Http, HttpOutput, OpenApi};
pub(crate) use nested::{Child, ForEach, Fork};
pub(crate) use parts::{Backoff, Catch, ErrorFilter, ErrorText, Jitter, Retry};
pub(crate) use reader::{Problem, Reader};
pub(crate) use schedule::{Schedule, TICK, TICK_SOURCE};
pub(crate) use template::{Expr, Template, Vars};
pub(crate) use uses::Uses;

/// An Open Workflow DSL 1.0 document that passed the validator.
#[derive(Debug)]
pub struct Playbook {
    pub(crate) name: PlaybookName,
    pub(crate) version: String,
    pub(crate) digest: Digest,
    pub(crate) document: Value,
    /// What starts it.
    pub(crate) schedule: Schedule,
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// A run may take this long.
    pub(crate) timeout: Option<SignedDuration>,
    pub(crate) durability: Durability,
    /// Some task waits for events.
    pub(crate) listens: bool,
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
    /// The task may take this long; the value is a duration of the DSL.
    pub timeout: Option<Template>,
    pub then: Then,
    pub action: Action,
}

/// `from` or `as`, and `schema`.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// `input`, `output` or `export`.
    pub part: &'static str,
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
    /// A list of tasks for each item.
    For(Box<ForEach>),
    /// Several tasks side by side.
    Fork(Fork),
    /// An event of our own; the value is what stands in `with`.
    Emit(Template),
    /// Events of others.
    Listen(Box<Listen>),
    /// Another playbook.
    Run(Box<Child>),
    /// A call over HTTP.
    Http(Box<Http>),
    /// A call that an OpenAPI document describes.
    OpenApi(Box<OpenApi>),
    /// A function of the playbook itself: what it is called with, and its task.
    Named(Template, BlockId),
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

impl Action {
    /// What it is called where it can be switched off.
    pub const fn part(&self) -> &'static str {
        match self {
            Self::Do(_) => "do",
            Self::Set(_) => "set",
            Self::Switch(_) => "switch",
            Self::Try(..) => "try",
            Self::Wait(_) => "wait",
            Self::Raise(_) => "raise",
            Self::For(_) => "for",
            Self::Fork(_) => "fork",
            Self::Emit(_) => "emit",
            Self::Listen(_) => "listen",
            Self::Run(_) => "run",
            Self::Http(_) => "http",
            Self::OpenApi(_) => "openapi",
            Self::Named(..) => "named",
            Self::Call(call) => match call.function {
                Function::Infer => "infer",
                Function::Recall => "recall",
                Function::Remember => "remember",
                Function::Act => "act",
                Function::Approve => "approve",
                Function::Compensate => "compensate",
            },
        }
    }
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
        self.schedule.input_for(event, self.name.as_str())
    }

    pub(crate) fn task(&self, id: TaskId) -> &Task {
        self.tasks.get(id.0).expect("invariant: the parser numbers tasks by their place in this table")
    }

    pub(crate) fn block(&self, id: BlockId) -> &[TaskId] {
        self.blocks.get(id.0).expect("invariant: the parser numbers lists by their place in this table")
    }
}
