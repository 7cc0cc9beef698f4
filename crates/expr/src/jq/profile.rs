//! What may stand in an expression, judged on its parsed form before it is compiled.
//!
//! Does not know the library: a name that exists nowhere is the compiler's to refuse.

use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};

use super::walk::children;
use super::{forbidden, parse_term};
use crate::ExprError;

/// Who wrote the expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The owner: all of pure jq, but no definition that calls itself (it could exhaust the stack).
    Author,
    /// A model or anybody else: also no definitions, and no loop that is not bounded by its input.
    Model,
}

/// Names that no profile has, and what to use instead.
const IMPURE: &[(&str, &str)] = &[
    ("now", "it reads the clock; use `$workflow.startedAt` or `$task.startedAt`"),
    ("localtime", "it reads the zone; use `gmtime`"),
    ("strflocaltime", "it reads the zone; use `strftime`"),
    ("env", "it reads the environment; put the value into the configuration"),
    ("$ENV", "it reads the environment; put the value into the configuration"),
    ("input", "there is only one input, `.`"),
    ("inputs", "there is only one input, `.`"),
    ("input_filename", "there is only one input, `.`"),
    ("input_line_number", "there is only one input, `.`"),
    ("debug", "it writes to the log; every step is in the journal already"),
    ("stderr", "it writes to the log; every step is in the journal already"),
    ("halt", "it ends the process; use `error`"),
    ("halt_error", "it ends the process; use `error`"),
    ("_tick", "it is internal"),
    ("_times", "it is internal"),
    ("_main", "it is internal"),
];

/// Loops that a model may not write.
const UNBOUNDED: &[&str] = &["repeat", "while", "until", "combinations"];

/// A range that a model writes ends here at the latest.
const RANGE_MAX: u32 = 10_000;

/// An expression longer than this is not one; the parser's stack is made for it.
pub(super) const SOURCE_LEN_MAX: usize = 16 * 1024;

/// Deeper terms than this are refused, definitions counted as if they stood where they are called.
const DEPTH_MAX: usize = 256;

/// Parses an expression and refuses what may not stand in this profile.
pub(super) fn check(source: &str, profile: Profile) -> Result<Term<&str>, ExprError> {
    if source.len() > SOURCE_LEN_MAX {
        let start = source.get(..80).unwrap_or_default();
        return Err(forbidden(start, format!("it is longer than {SOURCE_LEN_MAX} bytes")));
    }
    let term = parse_term(source)?;
    if depth(&term) > DEPTH_MAX {
        return Err(forbidden(source, format!("it is nested deeper than {DEPTH_MAX}")));
    }
    let mut check = Check { profile, open: Vec::new() };
    check.term(&term).map_err(|problem| forbidden(source, problem))?;
    Ok(term)
}

/// How deep evaluation can nest: the longest way down, plus every definition on it.
///
/// A row of like things (members, steps of a path, branches) counts by its length, since it is evaluated as a nest.
fn depth(term: &Term<&str>) -> usize {
    if let Term::Def(defs, body) = term {
        return defs.iter().map(|def| depth(&def.body)).sum::<usize>() + depth(body) + 1;
    }
    let inside = children(term);
    let deepest = inside.iter().map(|term| depth(term)).max().unwrap_or(0);
    match term {
        Term::Path(_, path) => deepest + path.0.len() + 1,
        Term::BinOp(_, BinaryOp::Pipe(Some(pattern)), _) | Term::Fold(_, _, pattern, _) => {
            deepest + pattern_len(pattern) + 1
        }
        Term::Call(..) | Term::Obj(_) | Term::Str(..) | Term::IfThenElse(..) => deepest + inside.len() + 1,
        _ => deepest + 1,
    }
}

fn pattern_len(pattern: &Pattern<&str>) -> usize {
    match pattern {
        Pattern::Var(_) => 1,
        Pattern::Arr(items) => 1 + items.iter().map(pattern_len).sum::<usize>(),
        Pattern::Obj(members) => 1 + members.iter().map(|(_, inside)| 1 + pattern_len(inside)).sum::<usize>(),
    }
}

struct Check<'s> {
    profile: Profile,
    /// Definitions whose body we are in.
    open: Vec<(&'s str, usize)>,
}

impl<'s> Check<'s> {
    fn term(&mut self, term: &Term<&'s str>) -> Result<(), String> {
        match term {
            Term::Call(name, args) => self.call(name, args)?,
            Term::Var(name) => pure(name)?,
            Term::Def(defs, body) => {
                defs.iter().try_for_each(|def| self.def(def))?;
                return self.term(body);
            }
            Term::Fold(name, ..) if self.profile == Profile::Model => {
                return Err(format!("`{name}` is not allowed in an expression written by a model; use `map` or `add`"));
            }
            _ => {}
        }
        children(term).into_iter().try_for_each(|child| self.term(child))
    }

    fn def(&mut self, def: &Def<&'s str>) -> Result<(), String> {
        if self.profile == Profile::Model {
            return Err(format!("`def {}` is not allowed in an expression written by a model", def.name));
        }
        self.open.push((def.name, def.args.len()));
        self.term(&def.body)?;
        self.open.pop();
        Ok(())
    }

    fn call(&self, name: &'s str, args: &[Term<&'s str>]) -> Result<(), String> {
        pure(name)?;
        if self.open.contains(&(name, args.len())) {
            return Err(format!("`def {name}` calls itself, which could exhaust the stack; use `recurse` or `reduce`"));
        }
        if self.profile == Profile::Model { bounded(name, args) } else { Ok(()) }
    }
}

fn pure(name: &str) -> Result<(), String> {
    match IMPURE.iter().find(|(out, _)| *out == name) {
        Some((_, instead)) => Err(format!("`{name}` does not exist here: {instead}")),
        None => Ok(()),
    }
}

fn bounded(name: &str, args: &[Term<&str>]) -> Result<(), String> {
    let endless = UNBOUNDED.contains(&name) || (name == "recurse" && !args.is_empty());
    if endless || (name == "range" && !args.iter().all(is_bound)) {
        return Err(format!("`{name}` must be bounded by its input in an expression written by a model"));
    }
    Ok(())
}

/// A number up to the bound, or the length of something that is there.
fn is_bound(term: &Term<&str>) -> bool {
    match term {
        Term::Num(digits) => digits.parse::<u32>().is_ok_and(|n| n <= RANGE_MAX),
        Term::Call(name, args) => *name == "length" && args.is_empty(),
        Term::BinOp(_, BinaryOp::Pipe(None), last) => is_bound(last),
        _ => false,
    }
}
