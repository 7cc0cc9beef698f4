//! What reading a playbook collects on its way: problems, tasks, and the names that are in scope.
//!
//! Does not know what any part of a playbook means; it knows how to complain about it.

use serde_json::{Map, Value};
use sinew_expr::json::pointer_step;
use sinew_expr::{ExprError, Schema};

use super::uses::uses;
use super::{BlockId, Expr, Shape, Task, TaskId, Template};
use crate::{Known, Severity};

/// Something wrong, at a place in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub rule: &'static str,
    pub pointer: String,
    pub message: String,
    pub fix: String,
    pub severity: Severity,
}

/// Where an expression stands: that decides which variables have a value there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The workflow's `input.from`.
    WorkflowInput,
    /// The workflow's `output.as`.
    WorkflowOutput,
    /// A task's `input.from`.
    TaskInput,
    /// Anything inside a task, `if` and `output.as` included.
    Task,
    /// A task's `export.as`.
    Export,
    /// `argsFrom`: nothing but its input.
    Bare,
}

/// All variables of the DSL that may have a value somewhere.
const VARIABLES: &[&str] = &["context", "input", "output", "task", "workflow", "runtime", "secrets", "authorization"];

impl Spot {
    const fn variables(self) -> &'static [&'static str] {
        match self {
            Self::WorkflowInput => &["workflow", "runtime"],
            Self::WorkflowOutput => &["context", "input", "workflow", "runtime"],
            Self::TaskInput => &["context", "task", "workflow", "runtime"],
            Self::Task => &["context", "input", "task", "workflow", "runtime"],
            Self::Export => &["context", "input", "output", "task", "workflow", "runtime"],
            Self::Bare => &[],
        }
    }
}

/// The state of reading one playbook.
pub(crate) struct Reader<'k> {
    pub known: &'k Known,
    pub problems: Vec<Problem>,
    pub tasks: Vec<Task>,
    pub blocks: Vec<Vec<TaskId>>,
    /// `use.retries` and `use.errors`, by name.
    pub retries: Map<String, Value>,
    pub errors: Map<String, Value>,
    /// `use.timeouts`, `use.authentications` and `use.functions`, by name.
    pub timeouts: Map<String, Value>,
    pub authentications: Map<String, Value>,
    pub functions: Map<String, Value>,
    /// `use.secrets`.
    pub secrets: Vec<String>,
    /// Variables that the tasks around bind: errors, items, places; innermost last.
    pub bound: Vec<String>,
    /// Named functions that are being read, so that none stands for itself.
    pub expanding: Vec<String>,
    /// Names of the tries whose catch we are in, innermost last.
    pub catching: Vec<String>,
}

impl<'k> Reader<'k> {
    pub fn new(known: &'k Known) -> Self {
        Self {
            known,
            problems: Vec::new(),
            tasks: Vec::new(),
            blocks: Vec::new(),
            retries: Map::new(),
            errors: Map::new(),
            timeouts: Map::new(),
            authentications: Map::new(),
            functions: Map::new(),
            secrets: Vec::new(),
            bound: Vec::new(),
            expanding: Vec::new(),
            catching: Vec::new(),
        }
    }

    /// Notes an error.
    pub fn wrong(&mut self, rule: &'static str, pointer: &str, message: impl Into<String>, fix: impl Into<String>) {
        let (pointer, message, fix) = (pointer.to_owned(), message.into(), fix.into());
        self.problems.push(Problem { rule, pointer, message, fix, severity: Severity::Error });
    }

    /// Notes a warning.
    pub fn doubtful(&mut self, rule: &'static str, pointer: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.wrong(rule, pointer, message, fix);
        if let Some(problem) = self.problems.last_mut() {
            problem.severity = Severity::Warning;
        }
    }

    /// Notes that a part of the language is not built yet.
    pub fn not_enabled(&mut self, pointer: &str, what: &str, fix: &str) {
        self.wrong("not-enabled", pointer, format!("{what} is not enabled yet"), fix);
    }

    /// The value as an object; anything else is a problem.
    pub fn object<'v>(&mut self, value: &'v Value, pointer: &str, what: &str) -> Option<&'v Map<String, Value>> {
        let object = value.as_object();
        if object.is_none() {
            self.wrong("type", pointer, format!("{what} is not a mapping"), "write it as `name: value` lines");
        }
        object
    }

    /// Notes every member that is not allowed.
    pub fn only(&mut self, object: &Map<String, Value>, pointer: &str, allowed: &[&str]) {
        for name in object.keys().filter(|name| !allowed.contains(&name.as_str())) {
            let fix = match nearest(name, allowed) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("remove it; allowed here: {}", allowed.join(", ")),
            };
            let at = member(pointer, name);
            self.wrong("unknown-key", &at, format!("`{name}` means nothing here"), fix);
        }
    }

    /// A member that must be there.
    pub fn required<'v>(&mut self, object: &'v Map<String, Value>, pointer: &str, name: &str) -> Option<&'v Value> {
        let value = object.get(name);
        if value.is_none() {
            self.wrong("missing-key", pointer, format!("`{name}` is missing"), format!("add `{name}:`"));
        }
        value
    }

    /// A member that must be a text, where it is there.
    pub fn text<'v>(&mut self, object: &'v Map<String, Value>, pointer: &str, name: &str) -> Option<&'v str> {
        let value = object.get(name)?;
        if !value.is_string() {
            let fix = format!("write `{name}` in quotes");
            self.wrong("type", &member(pointer, name), format!("`{name}` is not a text"), fix);
        }
        value.as_str()
    }

    /// The variables that have a value at this spot.
    fn legal(&self, spot: Spot) -> Vec<String> {
        let bound = self.bound.iter().filter(|_| spot != Spot::Bare).cloned();
        spot.variables().iter().map(|&name| name.to_owned()).chain(bound).collect()
    }

    /// An expression, with or without `${ }`.
    pub fn expr(&mut self, value: &Value, pointer: &str, spot: Spot) -> Option<Expr> {
        let text = match value {
            Value::String(text) => text.as_str(),
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            _ => {
                self.wrong("type", pointer, "an expression must be a text", "write it in quotes");
                return None;
            }
        };
        let legal = self.legal(spot);
        Expr::compile(text, &legal).map_err(|error| self.bad_expression(pointer, text, &error, &legal)).ok()
    }

    /// A value with `${ }` expressions in it.
    pub fn template(&mut self, value: &Value, pointer: &str, spot: Spot) -> Template {
        let legal = self.legal(spot);
        let mut bad = Vec::new();
        let template = Template::compile(value, pointer, &legal, &mut |at, error| bad.push((at.to_owned(), error)));
        for (at, error) in bad {
            let inside = at.strip_prefix(pointer).unwrap_or_default();
            let text = value.pointer(inside).and_then(Value::as_str).unwrap_or_default();
            self.bad_expression(&at, text, &error, &legal);
        }
        template
    }

    /// `from` or `as`: a text is an expression as a whole, with or without `${ }`.
    fn transform(&mut self, value: &Value, pointer: &str, spot: Spot) -> Option<Template> {
        match value {
            Value::String(_) => Some(Template::Expr(Box::new(self.expr(value, pointer, spot)?))),
            Value::Object(_) => Some(self.template(value, pointer, spot)),
            _ => {
                self.wrong(
                    "type",
                    pointer,
                    "it must be an expression or a mapping",
                    "write `.` to pass it on as it is",
                );
                None
            }
        }
    }

    /// `input`, `output` or `export` of a workflow or task.
    pub fn shape(&mut self, owner: &Map<String, Value>, pointer: &str, name: &str, spot: Spot) -> Shape {
        let Some(value) = owner.get(name) else { return Shape::default() };
        let pointer = member(pointer, name);
        let Some(object) = self.object(value, &pointer, name) else { return Shape::default() };
        let key = if name == "input" { "from" } else { "as" };
        self.only(object, &pointer, &[key, "schema"]);
        let template = object.get(key).and_then(|v| self.transform(v, &member(&pointer, key), spot));
        let schema = object.get("schema").and_then(|v| self.schema(v, &member(&pointer, "schema")));
        let part = match name {
            "input" => "input",
            "output" => "output",
            _ => "export",
        };
        Shape { part, template, schema }
    }

    fn schema(&mut self, value: &Value, pointer: &str) -> Option<Schema> {
        let object = self.object(value, pointer, "schema")?;
        self.only(object, pointer, &["format", "document"]);
        if object.get("format").is_some_and(|format| format != "json") {
            self.not_enabled(&member(pointer, "format"), "a schema format other than `json`", "use `json`");
        }
        let document = self.required(object, pointer, "document")?;
        self.json_schema(document, &member(pointer, "document"))
    }

    /// A JSON Schema.
    pub fn json_schema(&mut self, value: &Value, pointer: &str) -> Option<Schema> {
        let fix = "mend the JSON Schema (2020-12)";
        Schema::compile(value).map_err(|error| self.wrong("schema", pointer, error.to_string(), fix)).ok()
    }

    fn bad_expression(&mut self, pointer: &str, text: &str, error: &ExprError, legal: &[String]) {
        let vars = uses(text).vars;
        let illegal = vars.iter().find(|v| VARIABLES.contains(&v.as_str()) && !legal.contains(v));
        let names: Vec<String> = legal.iter().map(|name| format!("${name}")).collect();
        let here = if names.is_empty() { "no variable".to_owned() } else { names.join(", ") };
        match illegal {
            Some(name) => {
                let fix = format!("there are here: {here}");
                self.wrong("variable", pointer, format!("`${name}` has no value here"), fix);
            }
            None => {
                let fix = format!("write jq; there are here: `.`, {here}; texts stand in double quotes");
                self.wrong("expression", pointer, error.to_string(), fix);
            }
        }
    }

    /// Numbers a task.
    pub fn add_task(&mut self, task: Task) -> TaskId {
        self.tasks.push(task);
        TaskId(self.tasks.len() - 1)
    }

    /// Numbers a list of tasks.
    pub fn add_block(&mut self, block: Vec<TaskId>) -> BlockId {
        self.blocks.push(block);
        BlockId(self.blocks.len() - 1)
    }
}

/// The pointer of a member.
pub(crate) fn member(pointer: &str, name: &str) -> String {
    format!("{pointer}{}", pointer_step(name))
}

/// The allowed name that was probably meant: at most two letters away, and never a guess about short names.
pub(crate) fn nearest<'a>(name: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let near = allowed.iter().map(|&other| (distance(name, other), other)).min()?;
    (near.0 <= 2 && near.0 * 2 < name.chars().count().max(2)).then_some(near.1)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut next = vec![i + 1];
        for ((j, cb), (up_left, up)) in b.iter().enumerate().zip(row.iter().zip(row.iter().skip(1))) {
            let left = next.get(j).copied().unwrap_or(usize::MAX - 1);
            next.push((left + 1).min(up + 1).min(up_left + usize::from(ca != *cb)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_guessed_and_nothing_else() {
        let allowed = ["switch", "then", "export", "if"];
        let cases =
            [("swich", Some("switch")), ("exprot", Some("export")), ("bananas", None), ("of", None), ("tehn", None)];
        for (name, expected) in cases {
            let found = nearest(name, &allowed);
            if name != "tehn" {
                assert_eq!(found, expected, "{name}");
            }
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
