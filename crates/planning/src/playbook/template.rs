//! Expressions and the values that hold them, compiled once per playbook.
//!
//! Does not know where variables come from: a `Vars` gives them. A path such as `$context.order.price` is looked up by
//! ourselves; everything else runs as jq in the pure profile.

use std::sync::Arc;

use serde_json::{Map, Value};
use sinew_expr::{ExprError, Labels, Profile, Program, Shape, VarLabels};

use super::uses::{Uses, uses};

/// The variables that an expression may look at, at one place and moment.
pub(crate) trait Vars {
    /// The value of a variable, named without its dollar; at least those parts of it that the expression looks at.
    fn var(&self, name: &str, uses: &Uses) -> Arc<Value>;
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expr {
    source: String,
    uses: Uses,
    run: How,
}

#[derive(Debug)]
enum How {
    /// Members one after the other, from a variable or from the input.
    Path { root: Option<String>, steps: Vec<String> },
    /// Anything else, with its variables in the order in which it was compiled with them.
    Jq { program: Box<Program>, vars: Vec<String> },
}

impl Expr {
    /// Compiles an expression, with or without its `${ }`, that may look at these variables.
    pub fn compile(text: &str, legal: &[String]) -> Result<Self, ExprError> {
        let source = strip(text).unwrap_or(text).trim().to_owned();
        let uses = uses(&source);
        if let Some((root, steps)) =
            as_path(&source).filter(|(root, _)| root.as_ref().is_none_or(|r| legal.contains(r)))
        {
            return Ok(Self { source, uses, run: How::Path { root, steps } });
        }
        let vars: Vec<String> = legal.iter().filter(|name| uses.vars.contains(*name)).cloned().collect();
        let dollars: Vec<String> = vars.iter().map(|name| format!("${name}")).collect();
        let names: Vec<&str> = dollars.iter().map(String::as_str).collect();
        let program = Box::new(Program::compile(&source, &names, Profile::Author)?);
        Ok(Self { source, uses, run: How::Jq { program, vars } })
    }

    /// Evaluates it on its input.
    pub fn eval(&self, dot: &Arc<Value>, vars: &impl Vars) -> Result<Arc<Value>, ExprError> {
        match &self.run {
            How::Path { root: None, steps } if steps.is_empty() => Ok(Arc::clone(dot)),
            How::Path { root: None, steps } => self.walk(dot, steps),
            How::Path { root: Some(root), steps } => {
                let value = vars.var(root, &self.uses);
                if steps.is_empty() { Ok(value) } else { self.walk(&value, steps) }
            }
            How::Jq { program, vars: names } => {
                let values: Vec<Value> = names.iter().map(|name| Value::clone(&vars.var(name, &self.uses))).collect();
                program.run(dot, &values).map(Arc::new)
            }
        }
    }

    /// As jq does: a member of null is null, a member of anything else that is no object is an error.
    fn walk(&self, value: &Value, steps: &[String]) -> Result<Arc<Value>, ExprError> {
        let mut at = value;
        for step in steps {
            at = match at {
                Value::Object(members) => members.get(step).unwrap_or(&Value::Null),
                Value::Null => &Value::Null,
                _ => {
                    let problem = format!("there is no member `{step}` in what is no object");
                    return Err(ExprError::Failed { source_text: self.source.clone(), problem });
                }
            };
        }
        Ok(Arc::new(at.clone()))
    }

    /// The labels of what it gives.
    pub fn labels(&self, dot: &Labels, var: &VarLabels<'_>) -> Labels {
        match &self.run {
            How::Path { root, steps } => Shape::path(root.as_deref(), steps).labels(dot, var),
            How::Jq { program, .. } => program.shape().labels(dot, var),
        }
    }
}

/// The inside of `${ … }`, where a text is one.
pub(crate) fn strip(text: &str) -> Option<&str> {
    text.trim().strip_prefix("${")?.strip_suffix('}')
}

/// `.a.b` or `$var.a.b`: the variable and the members.
fn as_path(source: &str) -> Option<(Option<String>, Vec<String>)> {
    let (root, path) = match source.strip_prefix('$') {
        Some(rest) => {
            let (name, path) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
            (Some(name), path)
        }
        None => (None, source),
    };
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if root.is_some_and(|name| !is_name(name)) || (root.is_none() && path.is_empty()) {
        return None;
    }
    let steps: Vec<&str> = match path {
        "" => Vec::new(),
        "." if root.is_none() => Vec::new(),
        path => path.strip_prefix('.')?.split('.').collect(),
    };
    if !steps.iter().all(|step| is_name(step)) {
        return None;
    }
    Some((root.map(str::to_owned), steps.into_iter().map(str::to_owned).collect()))
}

/// A value with expressions in it.
#[derive(Debug)]
pub(crate) enum Template {
    /// No expression anywhere inside.
    Literal(Arc<Value>),
    /// One expression.
    Expr(Box<Expr>),
    /// Members in their order.
    Object(Vec<(String, Template)>),
    /// Items.
    Array(Vec<Template>),
}

impl Template {
    /// Compiles all strings of the form `${ … }` inside a value; `each` says what to do with one that does not compile.
    pub fn compile(value: &Value, pointer: &str, legal: &[String], each: &mut impl FnMut(&str, ExprError)) -> Self {
        match value {
            Value::String(text) if strip(text).is_some() => match Expr::compile(text, legal) {
                Ok(expr) => Self::Expr(Box::new(expr)),
                Err(error) => {
                    each(pointer, error);
                    Self::Literal(Arc::new(Value::Null))
                }
            },
            Value::Object(members) => {
                let compile = |(name, value): (&String, &Value)| {
                    let pointer = format!("{pointer}{}", sinew_expr::json::pointer_step(name));
                    (name.clone(), Self::compile(value, &pointer, legal, each))
                };
                Self::object(members.iter().map(compile).collect(), value)
            }
            Value::Array(items) => {
                let compile = |(at, value)| Self::compile(value, &format!("{pointer}/{at}"), legal, each);
                let items: Vec<Self> = items.iter().enumerate().map(compile).collect();
                if items.iter().all(Self::is_literal) { Self::literal(value) } else { Self::Array(items) }
            }
            _ => Self::literal(value),
        }
    }

    fn literal(value: &Value) -> Self {
        Self::Literal(Arc::new(value.clone()))
    }

    fn object(members: Vec<(String, Self)>, value: &Value) -> Self {
        if members.iter().all(|(_, t)| t.is_literal()) { Self::literal(value) } else { Self::Object(members) }
    }

    const fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Evaluates all expressions inside.
    pub fn eval(&self, dot: &Arc<Value>, vars: &impl Vars) -> Result<Arc<Value>, ExprError> {
        match self {
            Self::Literal(value) => Ok(Arc::clone(value)),
            Self::Expr(expr) => expr.eval(dot, vars),
            _ => self.fill(dot, vars).map(Arc::new),
        }
    }

    fn fill(&self, dot: &Arc<Value>, vars: &impl Vars) -> Result<Value, ExprError> {
        match self {
            Self::Literal(value) => Ok(Value::clone(value)),
            Self::Expr(expr) => expr.eval(dot, vars).map(Arc::unwrap_or_clone),
            Self::Array(items) => {
                let items: Result<Vec<Value>, ExprError> = items.iter().map(|item| item.fill(dot, vars)).collect();
                items.map(Value::Array)
            }
            Self::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (name, member) in members {
                    object.insert(name.clone(), member.fill(dot, vars)?);
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// The labels of what it gives: each part has those of the expressions that make it.
    pub fn labels(&self, dot: &Labels, var: &VarLabels<'_>) -> Labels {
        match self {
            Self::Literal(_) => Labels::owned(),
            Self::Expr(expr) => expr.labels(dot, var),
            Self::Object(members) => {
                Labels::object(members.iter().map(|(name, member)| (name.clone(), member.labels(dot, var))))
            }
            Self::Array(items) => {
                let numbered = items.iter().enumerate();
                Labels::object(numbered.map(|(at, item)| (at.to_string(), item.labels(dot, var))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Fixed;

    impl Vars for Fixed {
        fn var(&self, name: &str, _: &Uses) -> Arc<Value> {
            Arc::new(json!({ "name": name, "deep": { "n": 7 } }))
        }
    }

    #[test]
    fn values_with_expressions_are_filled_and_keep_their_order() {
        let legal = ["context".to_owned(), "input".to_owned()];
        let cases = [
            (json!("plain"), json!("plain")),
            (json!("${ . }"), json!({ "a": { "b": 2 }, "l": [1] })),
            (json!("${ .a.b }"), json!(2)),
            (json!("${ .a.c.d }"), json!(null)),
            (json!("${ $context.deep.n }"), json!(7)),
            (json!("${ $input }"), json!({ "name": "input", "deep": { "n": 7 } })),
            (json!("${ .a.b + $context.deep.n }"), json!(9)),
            (json!({ "z": 1, "a": ["${ .a.b }", "$"] }), json!({ "z": 1, "a": [2, "$"] })),
        ];
        let dot = Arc::new(json!({ "a": { "b": 2 }, "l": [1] }));
        for (source, expected) in cases {
            let template = Template::compile(&source, "", &legal, &mut |at, e| panic!("{at}: {e}"));
            let value = template.eval(&dot, &Fixed).expect("evaluates");
            assert_eq!(value.to_string(), expected.to_string(), "{source}");
        }
    }

    #[test]
    fn a_path_errs_where_jq_errs() {
        let dot = Arc::new(json!({ "l": [1] }));
        assert!(Expr::compile(".l.x", &[]).expect("a path").eval(&dot, &Fixed).is_err());
        assert!(Expr::compile("$nobody.x", &[]).is_err(), "variables must be legal, in paths too");
    }
}
