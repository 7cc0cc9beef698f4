//! What may stand in an expression, judged on its parsed form before it is compiled.
//!
//! Does not know the library: a name that exists nowhere is the compiler's to refuse.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::Part;

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
];

/// Loops that a model may not write.
const UNBOUNDED: &[&str] = &["repeat", "while", "until", "combinations"];

/// A range that a model writes ends here at the latest.
const RANGE_MAX: u32 = 10_000;

/// An expression longer than this is not one.
const SOURCE_LEN_MAX: usize = 64 * 1024;

/// Deeper brackets than this would exhaust the parser's stack.
const NESTING_MAX: usize = 128;

/// Refuses what may not stand in this profile.
pub(super) fn check(source: &str, profile: Profile) -> Result<(), ExprError> {
    check_size(source).map_err(|problem| forbidden(source, problem))?;
    let term = parse_term(source)?;
    let mut check = Check { profile, open: Vec::new() };
    check.term(&term).map_err(|problem| forbidden(source, problem))
}

/// Counts brackets without understanding strings: too strict by a little, and safe before any parser has run.
fn check_size(source: &str) -> Result<(), String> {
    if source.len() > SOURCE_LEN_MAX {
        return Err(format!("it is longer than {SOURCE_LEN_MAX} bytes"));
    }
    let words = ["if", "try", "reduce", "foreach", "def", "label"];
    let opened = source.matches(['(', '[', '{']).count();
    let nested = source.split(|c: char| !c.is_alphanumeric()).filter(|word| words.contains(word)).count();
    let signs = source.matches('-').count();
    if nesting(source) > NESTING_MAX || (nested.max(signs) > NESTING_MAX * 8 && opened > 0) {
        return Err(format!("it is nested deeper than {NESTING_MAX}"));
    }
    Ok(())
}

fn nesting(source: &str) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    for c in source.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
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

/// The terms directly inside a term, those in patterns and strings included.
pub(super) fn children<'t, 's>(term: &'t Term<&'s str>) -> Vec<&'t Term<&'s str>> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => Vec::new(),
        Term::Str(_, parts) => {
            parts.iter().filter_map(|p| if let StrPart::Term(t) = p { Some(t) } else { None }).collect()
        }
        Term::Arr(Some(t)) | Term::Neg(t) | Term::Label(_, t) => vec![t],
        Term::Obj(members) => members.iter().flat_map(|(k, v)| std::iter::once(k).chain(v)).collect(),
        Term::BinOp(l, op, r) => {
            let mut inside = vec![&**l, &**r];
            if let BinaryOp::Pipe(Some(pattern)) = op {
                pattern_terms(pattern, &mut inside);
            }
            inside
        }
        Term::Fold(_, xs, pattern, args) => {
            let mut inside = vec![&**xs];
            pattern_terms(pattern, &mut inside);
            inside.extend(args);
            inside
        }
        Term::TryCatch(t, caught) => std::iter::once(&**t).chain(caught.as_deref()).collect(),
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().flat_map(|(c, t)| [c, t]).chain(otherwise.as_deref()).collect()
        }
        Term::Def(defs, body) => defs.iter().map(|def| &def.body).chain([&**body]).collect(),
        Term::Call(_, args) => args.iter().collect(),
        Term::Path(head, path) => {
            std::iter::once(&**head).chain(path.0.iter().flat_map(|(part, _)| part_terms(part))).collect()
        }
    }
}

fn part_terms<'t, 's>(part: &'t Part<Term<&'s str>>) -> Vec<&'t Term<&'s str>> {
    match part {
        Part::Index(i) => vec![i],
        Part::Range(from, upto) => from.iter().chain(upto).collect(),
    }
}

fn pattern_terms<'t, 's>(pattern: &'t Pattern<&'s str>, out: &mut Vec<&'t Term<&'s str>>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| pattern_terms(item, out)),
        Pattern::Obj(members) => {
            for (key, value) in members {
                out.push(key);
                pattern_terms(value, out);
            }
        }
    }
}
