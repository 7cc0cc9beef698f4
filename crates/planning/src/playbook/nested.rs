//! Reads tasks that hold other tasks or other playbooks: `for`, `fork`, `run`.
//!
//! Does not know how many turns a loop takes or which branch is first.

use serde_json::{Map, Value};
use sinew_contract::PlaybookName;

use super::reader::{Spot, member, nearest};
use super::{Action, BlockId, Expr, Reader, Template};

/// A list of tasks for each item of a list.
#[derive(Debug)]
pub(crate) struct ForEach {
    /// The variable that holds the item.
    pub each: String,
    /// The variable that holds its place, from 0.
    pub at: String,
    /// The list.
    pub items: Template,
    /// The loop goes on as long as this holds.
    pub while_holds: Option<Expr>,
    pub body: BlockId,
}

/// Tasks side by side.
#[derive(Debug)]
pub(crate) struct Fork {
    /// One list of one task each.
    pub branches: Vec<BlockId>,
    /// The first that is done wins, and the others are given up.
    pub compete: bool,
}

/// A run of another playbook.
#[derive(Debug)]
pub(crate) struct Child {
    pub name: PlaybookName,
    /// None is the one that is offered now.
    pub version: Option<String>,
    pub input: Option<Template>,
    /// The task waits for the child's end.
    pub is_awaited: bool,
}

/// More branches are a mistake: each may hold a question open.
const BRANCHES_MAX: usize = 256;

impl Reader<'_> {
    pub(super) fn for_each(&mut self, task: &Map<String, Value>, pointer: &str) -> Option<Action> {
        let at = member(pointer, "for");
        let head = self.object(task.get("for")?, &at, "for")?;
        self.only(head, &at, &["each", "in", "at"]);
        let items = self.required(head, &at, "in")?;
        let items_at = member(&at, "in");
        let items = match items {
            Value::String(_) => Template::Expr(Box::new(self.expr(items, &items_at, Spot::Task)?)),
            Value::Array(_) => self.inside(items, &items_at),
            _ => {
                let fix = "write an expression such as `.items`, or a list";
                self.wrong("type", &items_at, "`in` is no list", fix);
                return None;
            }
        };
        let each = self.variable(head, &at, "each", "item");
        let place = self.variable(head, &at, "at", "index");
        self.bound.extend([each.clone(), place.clone()]);
        let while_holds = task.get("while").and_then(|v| self.expr(v, &member(pointer, "while"), Spot::Task));
        let body = self.required(task, pointer, "do").and_then(|v| self.block(v, &member(pointer, "do")));
        self.bound.truncate(self.bound.len() - 2);
        Some(Action::For(Box::new(ForEach { each, at: place, items, while_holds, body: body? })))
    }

    /// The name of a variable that a task binds, without its dollar.
    pub(super) fn variable(&mut self, owner: &Map<String, Value>, pointer: &str, name: &str, default: &str) -> String {
        let text = self.text(owner, pointer, name).unwrap_or(default).trim_start_matches('$').to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(plain) {
            let fix = "use letters, digits and `_`";
            self.wrong("name", &member(pointer, name), format!("`{text}` can name no variable"), fix);
        }
        text
    }

    pub(super) fn fork(&mut self, value: &Value, pointer: &str) -> Option<Action> {
        let fork = self.object(value, pointer, "fork")?;
        self.only(fork, pointer, &["branches", "compete"]);
        let at = member(pointer, "branches");
        let items = self.required(fork, pointer, "branches")?;
        let Some(items) = items.as_array().filter(|items| !items.is_empty() && items.len() <= BRANCHES_MAX) else {
            let fix = "write a list: `- name: { … }`";
            self.wrong("type", &at, format!("`branches` is a list of 1 to {BRANCHES_MAX} tasks"), fix);
            return None;
        };
        let compete = match fork.get("compete") {
            None => false,
            Some(Value::Bool(compete)) => *compete,
            Some(_) => {
                self.wrong("type", &member(pointer, "compete"), "`compete` is not true or false", "write `true`");
                false
            }
        };
        self.names(items, &at);
        let mut branches = Vec::with_capacity(items.len());
        for (nr, item) in items.iter().enumerate() {
            let Some((name, task)) = item.as_object().and_then(|o| o.iter().next()) else { continue };
            // A branch goes nowhere but to its end: its neighbours run beside it.
            if let Some(task) = self.task(name, task, &member(&format!("{at}/{nr}"), name), &[]) {
                branches.push(self.add_block(vec![task]));
            }
        }
        Some(Action::Fork(Fork { branches, compete }))
    }

    pub(super) fn run_task(&mut self, value: &Value, pointer: &str) -> Option<Action> {
        let run = self.object(value, pointer, "run")?;
        if let Some(kind) = ["container", "script", "shell"].into_iter().find(|kind| run.contains_key(*kind)) {
            let fix = "put the program behind an HTTP device and call it with `act:1.0.0@default`";
            self.not_enabled(&member(pointer, kind), &format!("`run.{kind}`"), fix);
            return None;
        }
        self.only(run, pointer, &["workflow", "await", "return"]);
        let is_awaited = run.get("await") != Some(&Value::Bool(false));
        if run.get("return").is_some_and(|what| what != "stdout") {
            let fix = "remove it; the output of the playbook is returned";
            self.not_enabled(&member(pointer, "return"), "`return` of a process", fix);
        }
        let at = member(pointer, "workflow");
        let workflow = self.required(run, pointer, "workflow")?;
        let workflow = self.object(workflow, &at, "workflow")?;
        self.only(workflow, &at, &["namespace", "name", "version", "input"]);
        self.required(workflow, &at, "namespace");
        let version = self.text(workflow, &at, "version").filter(|v| *v != "latest").map(str::to_owned);
        let input = workflow.get("input").map(|v| self.inside(v, &member(&at, "input")));
        self.required(workflow, &at, "name")?;
        let name = self.text(workflow, &at, "name")?;
        let known: Vec<&str> = self.known.playbooks.iter().map(PlaybookName::as_str).collect();
        if !known.contains(&name) {
            let fix = match nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "add it to `playbooks/` of the same deployment".to_owned(),
                None => format!("there are: {}", known.join(", ")),
            };
            self.wrong("unknown-name", &member(&at, "name"), format!("there is no playbook `{name}`"), fix);
        }
        let name = name.parse().ok()?;
        Some(Action::Run(Box::new(Child { name, version, input, is_awaited })))
    }
}
