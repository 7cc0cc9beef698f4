//! What expressions see: the variables of the DSL, and the labels of what they look at.
//!
//! Does not know how expressions run. Time and ids come from the journal.

use std::sync::Arc;

use serde_json::{Value, json};
use sinew_contract::{Fault, Timestamp};
use sinew_expr::{ExprError, Labels};

use super::flow::{Context, Flow};
use super::live::{Active, Live};
use crate::faults;
use crate::playbook::{Expr, Task, Template, Uses, Vars};

/// The variables at one place and moment of a run.
pub(crate) struct Scope<'a> {
    pub live: &'a Live,
    pub context: &'a Context,
    pub input: Option<&'a Flow>,
    pub output: Option<&'a Flow>,
    /// The task, and when it began.
    pub task: Option<(&'a Task, Timestamp)>,
    /// An error that is being looked at, before its handler runs.
    pub looking_at: Option<(&'a str, &'a Fault)>,
}

impl<'a> Scope<'a> {
    /// The scope of a run before and after its tasks.
    pub fn of_run(live: &'a Live) -> Self {
        Self { live, context: &live.context, input: None, output: None, task: None, looking_at: None }
    }

    /// The scope inside a task.
    pub fn of_task(live: &'a Live, task: &'a Task, active: &'a Active) -> Self {
        Self { input: Some(&active.input), task: Some((task, active.started)), ..Self::of_run(live) }
    }

    /// Evaluates an expression; each part of what it gives has the labels of what it can come from.
    pub fn expr(&self, expr: &Expr, dot: &Flow) -> Result<Flow, Fault> {
        let value = expr.eval(&dot.value, self).map_err(|error| failed(&error))?;
        let labels = expr.labels(&dot.labels, &|name| self.var_labels(name));
        Ok(Flow { value, labels: Arc::new(labels) })
    }

    /// The same for a value with expressions in it.
    pub fn template(&self, template: &Template, dot: &Flow) -> Result<Flow, Fault> {
        let value = template.eval(&dot.value, self).map_err(|error| failed(&error))?;
        let labels = template.labels(&dot.labels, &|name| self.var_labels(name));
        Ok(Flow { value, labels: Arc::new(labels) })
    }

    /// Says whether a condition holds: as in jq, all but null and false does.
    pub fn holds(&self, expr: &Expr, dot: &Flow) -> Result<(bool, Arc<Labels>), Fault> {
        let flow = self.expr(expr, dot)?;
        Ok((!matches!(*flow.value, Value::Null | Value::Bool(false)), flow.labels))
    }

    /// The labels of a variable; a name that the expression binds itself is its own.
    fn var_labels(&self, name: &str) -> Arc<Labels> {
        let owned = || Arc::new(Labels::owned());
        let of = |flow: Option<&Flow>| flow.map_or_else(owned, |flow| Arc::clone(&flow.labels));
        let only = |member: &str, labels: &Labels| Arc::new(Labels::object([(member.to_owned(), labels.clone())]));
        match name {
            "context" => Arc::clone(&self.context.labels),
            "input" => of(self.input),
            "output" => of(self.output),
            "task" => only("input", &of(self.input)),
            "workflow" => only("input", &self.live.raw.labels),
            "runtime" => owned(),
            _ => self.bound(name).map_or_else(owned, |(_, labels)| labels),
        }
    }

    /// A variable that a task binds; what an error says comes from outside.
    fn bound(&self, name: &str) -> Option<(Arc<Value>, Arc<Labels>)> {
        match self.looking_at {
            Some((other, fault)) if other == name => Some((Arc::new(json!(fault)), self.live.labels_of_error())),
            _ => self.live.bound(name),
        }
    }

    fn workflow(&self, uses: &Uses) -> Value {
        let live = self.live;
        let looks_at = |member: &str| {
            uses.whole.contains("workflow") || uses.members.contains(&("workflow".to_owned(), member.to_owned()))
        };
        let mut workflow = json!({ "id": live.id.to_string(), "startedAt": moment(live.started) });
        if looks_at("input") {
            workflow["input"] = Value::clone(&live.raw.value);
        }
        if looks_at("definition") {
            workflow["definition"] = live.playbook.document().clone();
        }
        workflow
    }

    fn task_value(&self) -> Value {
        let Some((task, started)) = self.task else { return Value::Null };
        let input = self.input.map_or(Value::Null, |flow| Value::clone(&flow.value));
        json!({ "name": &*task.name, "reference": &*task.pointer, "startedAt": moment(started), "input": input })
    }
}

impl Vars for Scope<'_> {
    fn var(&self, name: &str, uses: &Uses) -> Arc<Value> {
        let of = |flow: Option<&Flow>| flow.map_or_else(|| Arc::new(Value::Null), |flow| Arc::clone(&flow.value));
        match name {
            "context" => Arc::clone(&self.context.value),
            "input" => of(self.input),
            "output" => of(self.output),
            "workflow" => Arc::new(self.workflow(uses)),
            "task" => Arc::new(self.task_value()),
            "runtime" => Arc::new(json!({ "name": "sinew", "version": super::ENGINE_VERSION.to_string() })),
            name => self.bound(name).map_or_else(|| Arc::new(Value::Null), |(value, _)| value),
        }
    }
}

/// A moment as the DSL shows it ("Runtime Expression Arguments", `startedAt`).
fn moment(at: Timestamp) -> Value {
    let millis = at.0.div_euclid(1_000);
    json!({ "iso8601": at.to_string(), "epoch": { "seconds": millis.div_euclid(1_000), "milliseconds": millis } })
}

fn failed(error: &ExprError) -> Fault {
    faults::expression(error.to_string())
}
