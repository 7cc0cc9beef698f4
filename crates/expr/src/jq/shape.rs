//! How an expression carries labels on: which parts of what it looks at can stand in which parts of what it gives.
//!
//! Read from the parsed text alone, before anything runs, and on the safe side: where it cannot tell, the answer has the labels
//! of everything that the expression mentions. Does not know values.

use std::sync::Arc;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::Part;
use sinew_contract::Label;

use super::walk::children;
use crate::labels::{Labels, Step};

/// What an expression gives, in terms of what it looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Its input.
    Dot,
    /// A variable, without the dollar.
    Var(String),
    /// What stands in the text itself.
    Owned,
    /// A part of something.
    Inside(Box<Shape>, Vec<Step>),
    /// An object with these members.
    Object(Vec<(String, Shape)>),
    /// A list of such items.
    List(Box<Shape>),
    /// The members of the second laid over the first.
    Overlaid(Box<Shape>, Box<Shape>),
    /// One of them.
    Either(Vec<Shape>),
    /// Something new, made of all of them.
    Made(Vec<Shape>),
    /// A truth value, made of all of them.
    Judged(Vec<Shape>),
    /// The second, where the first has had a say.
    Under(Box<Shape>, Box<Shape>),
    /// The second, with the first as its input.
    Then(Box<Shape>, Box<Shape>),
    /// The last, where the variables stand for the first.
    Bound(Vec<String>, Box<Shape>, Box<Shape>),
}

/// The labels of variables, by name without the dollar; what nobody knows is the expression's own.
pub type VarLabels<'a> = dyn Fn(&str) -> Arc<Labels> + 'a;

impl Shape {
    /// A path from the input or a variable.
    pub fn path(root: Option<&str>, steps: &[String]) -> Self {
        let root = root.map_or(Self::Dot, |name| Self::Var(name.to_owned()));
        Self::Inside(Box::new(root), steps.iter().cloned().map(Step::Named).collect())
    }

    /// The labels of what the expression gives.
    pub fn labels(&self, dot: &Labels, var: &VarLabels<'_>) -> Labels {
        let whole =
            |parts: &[Self]| parts.iter().fold(Label::owned(), |all, part| all.join(&part.labels(dot, var).whole()));
        match self {
            Self::Dot => dot.clone(),
            Self::Var(name) => Labels::clone(&var(name)),
            Self::Owned => Labels::owned(),
            Self::Inside(of, steps) => match &**of {
                Self::Dot => dot.inside(steps),
                Self::Var(name) => var(name).inside(steps),
                of => of.labels(dot, var).inside(steps),
            },
            Self::Object(members) => {
                Labels::object(members.iter().map(|(name, member)| (name.clone(), member.labels(dot, var))))
            }
            Self::List(item) => Labels::list_of(item.labels(dot, var)),
            Self::Overlaid(under, over) => under.labels(dot, var).overlaid(&over.labels(dot, var)),
            Self::Either(parts) => {
                let mut all = parts.iter().map(|part| part.labels(dot, var));
                let first = all.next().unwrap_or_else(Labels::owned);
                all.fold(first, |either, one| either.or(&one))
            }
            Self::Made(parts) => whole(parts).into(),
            Self::Judged(parts) => {
                let closed = parts.iter().all(|part| part.labels(dot, var).is_closed());
                let labels = Labels::from(whole(parts));
                if closed { labels.closed() } else { labels }
            }
            Self::Under(judge, value) => value.labels(dot, var).under(&judge.labels(dot, var).whole()),
            Self::Then(first, second) => second.labels(&first.labels(dot, var), var),
            Self::Bound(names, value, body) => {
                let value = Arc::new(value.labels(dot, var));
                let with = |name: &str| if names.iter().any(|n| n == name) { Arc::clone(&value) } else { var(name) };
                body.labels(dot, &with)
            }
        }
    }

    /// Reads the shape of a term.
    pub(super) fn of(term: &Term<&str>) -> Self {
        match term {
            Term::Id => Self::Dot,
            Term::Num(_) | Term::Arr(None) | Term::Break(_) => Self::Owned,
            Term::Var(name) => Self::Var(plain(name)),
            Term::Str(None, _) | Term::Neg(_) => Self::Made(children(term).into_iter().map(Self::of).collect()),
            Term::Arr(Some(items)) => Self::List(Self::boxed(items)),
            Term::Obj(members) => object(members).unwrap_or_else(|| everything(term)),
            Term::Path(head, path) => path.0.iter().fold(Self::of(head), |of, (part, _)| of.part(part)),
            Term::Label(_, body) => Self::of(body),
            Term::IfThenElse(branches, otherwise) => {
                let judges = branches.iter().map(|(judge, _)| Self::of(judge)).collect();
                let otherwise = otherwise.as_deref().map_or(Self::Dot, Self::of);
                let values = branches.iter().map(|(_, value)| Self::of(value)).chain([otherwise]).collect();
                Self::Made(judges).over(Self::Either(values))
            }
            Term::TryCatch(body, None) => Self::of(body),
            Term::BinOp(left, op, right) => Self::of_two(left, op, right).unwrap_or_else(|| everything(term)),
            Term::Fold(_, items, pattern, args) => {
                let args: Vec<_> = args.iter().map(Self::of).chain([Self::of(items)]).collect();
                Self::Bound(names(pattern), Self::boxed(items), Box::new(Self::Made(args)))
            }
            Term::Call(name, args) => call(name, args).unwrap_or_else(|| everything(term)),
            // Recursion, formats, definitions, caught errors: something new out of all that is mentioned.
            _ => everything(term),
        }
    }

    fn boxed(term: &Term<&str>) -> Box<Self> {
        Box::new(Self::of(term))
    }

    fn over(self, value: Self) -> Self {
        Self::Under(Box::new(self), Box::new(value))
    }

    /// One step of a path; an index is read from the input of the whole path.
    fn part(self, part: &Part<Term<&str>>) -> Self {
        let step = |of: Self, step: Step| match of {
            Self::Inside(of, mut steps) => {
                steps.push(step);
                Self::Inside(of, steps)
            }
            other => Self::Inside(Box::new(other), vec![step]),
        };
        match part {
            Part::Range(None, None) => step(self, Step::Any),
            Part::Index(index) => match literal(index) {
                Some(name) => step(self, Step::Named(name)),
                None => Self::of(index).over(step(self, Step::Any)),
            },
            // A part of a list: the numbers of its items are others.
            Part::Range(from, upto) => {
                let bounds = from.iter().chain(upto).map(Self::of);
                Self::Made(bounds.chain([self]).collect())
            }
        }
    }

    fn of_two(left: &Term<&str>, op: &BinaryOp<&str>, right: &Term<&str>) -> Option<Self> {
        let (l, r) = (Self::of(left), Self::of(right));
        Some(match op {
            BinaryOp::Pipe(None) => Self::Then(Box::new(l), Box::new(r)),
            BinaryOp::Pipe(Some(Pattern::Var(name))) => Self::Bound(vec![plain(name)], Box::new(l), Box::new(r)),
            // What a pattern takes out stands for the whole that it takes it out of.
            BinaryOp::Pipe(Some(pattern)) => {
                let taken = Self::Made(vec![l, Self::Made(pattern_terms(pattern))]);
                Self::Bound(names(pattern), Box::new(taken), Box::new(r))
            }
            BinaryOp::Comma => Self::Either(vec![l, r]),
            BinaryOp::Alt => Self::Either(vec![l.clone(), l.over(r)]),
            BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => Self::Judged(vec![l, r]),
            BinaryOp::Math(math) if is_plus(*math) && r.is_object() => Self::Overlaid(Box::new(l), Box::new(r)),
            // An object on the left: the other side is an object or nothing, whose members win where it has them.
            BinaryOp::Math(math) if is_plus(*math) && l.is_object() => Self::Either(vec![l, r]),
            BinaryOp::Math(_) => Self::Made(vec![l, r]),
            _ => return None,
        })
    }

    /// Says whether it is an object for sure, of which every member is known by name.
    fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

fn is_plus(math: jaq_core::ops::Math) -> bool {
    matches!(math, jaq_core::ops::Math::Add)
}

/// Something new out of the input and all that is mentioned inside.
fn everything(term: &Term<&str>) -> Shape {
    let inside = children(term).into_iter().map(Shape::of);
    Shape::Made(inside.chain([Shape::Dot]).collect())
}

/// Calls that give parts of what they are given. All others make something new.
fn call(name: &str, args: &[Term<&str>]) -> Option<Shape> {
    let items = || Shape::Inside(Box::new(Shape::Dot), vec![Step::Any]);
    Some(match (name, args) {
        ("true" | "false" | "null" | "empty", []) => Shape::Owned,
        ("not", []) => Shape::Judged(vec![Shape::Dot]),
        ("first" | "last", []) => items(),
        ("select", [judge]) => Shape::of(judge).over(Shape::Dot),
        ("map", [each]) => Shape::List(Box::new(Shape::Then(Box::new(items()), Shape::boxed(each)))),
        _ => return None,
    })
}

/// An object whose members' names are all written out.
fn object(members: &[(Term<&str>, Option<Term<&str>>)]) -> Option<Shape> {
    let member = |(key, value): &(Term<&str>, Option<Term<&str>>)| match (key, value) {
        (key, Some(value)) => Some((literal(key)?, Shape::of(value))),
        (Term::Var(name), None) => Some((plain(name), Shape::Var(plain(name)))),
        (key, None) => {
            let name = literal(key)?;
            Some((name.clone(), Shape::Inside(Box::new(Shape::Dot), vec![Step::Named(name)])))
        }
    };
    members.iter().map(member).collect::<Option<Vec<_>>>().map(Shape::Object)
}

/// A name or a number of an item that is written out.
fn literal(term: &Term<&str>) -> Option<String> {
    match term {
        Term::Str(None, parts) => match parts.as_slice() {
            [] => Some(String::new()),
            [StrPart::Str(text)] => Some((*text).to_owned()),
            _ => None,
        },
        Term::Num(digits) => digits.parse::<u32>().ok().map(|n| n.to_string()),
        _ => None,
    }
}

fn plain(name: &str) -> String {
    name.trim_start_matches('$').to_owned()
}

fn names(pattern: &Pattern<&str>) -> Vec<String> {
    match pattern {
        Pattern::Var(name) => vec![plain(name)],
        Pattern::Arr(items) => items.iter().flat_map(names).collect(),
        Pattern::Obj(members) => {
            let of_key = |key: &Term<&str>| if let Term::Var(name) = key { Some(plain(name)) } else { None };
            members.iter().flat_map(|(key, inside)| of_key(key).into_iter().chain(names(inside))).collect()
        }
    }
}

fn pattern_terms(pattern: &Pattern<&str>) -> Vec<Shape> {
    match pattern {
        Pattern::Var(_) => Vec::new(),
        Pattern::Arr(items) => items.iter().flat_map(pattern_terms).collect(),
        Pattern::Obj(members) => {
            members.iter().flat_map(|(key, inside)| [Shape::of(key)].into_iter().chain(pattern_terms(inside))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use sinew_contract::Trust;

    use super::*;
    use crate::{Profile, Program};

    /// `.bad` and `$evil` are untrusted, `.fact` and `$context.order` verified, `.one` is untrusted but of a closed list.
    fn labels_of(source: &str) -> Labels {
        let of = |origin: &str, trust| Labels::from(Label::new(origin, trust));
        let dot = Labels::object([
            ("bad".into(), of("mail", Trust::Untrusted)),
            ("fact".into(), of("shop", Trust::Verified)),
            ("one".into(), of("mail", Trust::Untrusted).closed()),
            (
                "list".into(),
                Labels::list_of(Labels::object([
                    ("ok".into(), of("shop", Trust::Verified)),
                    ("bad".into(), of("mail", Trust::Untrusted)),
                ])),
            ),
        ]);
        let order = Labels::object([("order".into(), of("shop", Trust::Verified))]);
        let var = |name: &str| match name {
            "evil" => of("mail", Trust::Untrusted),
            "context" => order.clone(),
            _ => Labels::owned(),
        };
        let program = Program::compile(source, &["$evil", "$context"], Profile::Author).expect(source);
        program.shape().labels(&dot, &|name| Arc::new(var(name)))
    }

    #[test]
    fn each_part_of_what_comes_out_has_the_labels_of_what_went_into_it() {
        let check = |source: &str, at: &str, expected| {
            assert_eq!(labels_of(source).at_pointer(at).whole().trust, expected, "{source} at `{at}`");
        };
        use Trust::{Owned, Untrusted, Verified};
        check(".", "/fact", Verified);
        check(".", "/bad", Untrusted);
        check(".fact", "", Verified);
        check("$context.order.price", "", Verified);
        check("{ a: .fact, b: .bad }", "/a", Verified);
        check("{ a: .fact, b: .bad }", "/b", Untrusted);
        check("{ fact, bad }", "/fact", Verified);
        check("{ (.bad): .fact }", "/x", Untrusted);
        check("$context + { x: .bad }", "/order", Verified);
        check("$context + { x: .bad }", "/x", Untrusted);
        check("$context + { order: .bad }", "/order", Untrusted);
        check("{ order: .bad } + $context", "/order", Untrusted);
        check("$context + { x: .bad } + { y: .fact }", "/y", Verified);
        check("$context + $evil", "/order", Untrusted);
        check(".list[0].ok", "", Verified);
        check(".list[].ok", "", Verified);
        check(".list[1:][0].ok", "", Untrusted);
        check("[ .list[] | select(.bad == 1) ] | .[0].ok", "", Untrusted);
        check("[ .list[] | select(.ok == 1) | .ok ] | .[0]", "", Verified);
        check(".list | map(.ok) | .[0]", "", Verified);
        check(".list | map(.bad) | first", "", Untrusted);
        check(".list | map(select(.bad == 1)) | .[0].ok", "", Untrusted);
        check("[ .list[].ok ]", "/0", Verified);
        check("if .bad then 1 else 2 end", "", Untrusted);
        check("if .fact then .bad else 2 end", "", Untrusted);
        check("if .fact then 1 else 2 end", "", Verified);
        check(".fact // .bad", "", Untrusted);
        check(".fact // 0", "", Verified);
        check(".bad // 0", "", Untrusted);
        check("\"n: \\(.bad)\"", "", Untrusted);
        check("\"n: \\(.fact)\"", "", Verified);
        check("\"plain\"", "", Owned);
        check(".bad as $x | { a: $x, b: .fact }", "/a", Untrusted);
        check(".bad as $x | { a: $x, b: .fact }", "/b", Verified);
        check(".bad as $context | $context.order", "", Untrusted);
        check(". as { bad: $x } | $x", "", Untrusted);
        check("reduce .list[] as $i (0; . + $i.ok)", "", Untrusted);
        check("reduce .fact as $i (0; . + $i)", "", Untrusted);
        check("def f: .bad; f", "", Untrusted);
        check("def f($x): $x; f(.bad)", "", Untrusted);
        check("try error(.bad) catch .", "", Untrusted);
        check(".fact | tostring", "", Verified);
        check(".bad | length", "", Untrusted);
        check("keys", "", Untrusted);
        check("to_entries", "", Untrusted);
        check("..", "", Untrusted);
        check(".[\"fact\"]", "", Verified);
        check(".[.bad]", "", Untrusted);
        check("getpath([\"fact\"])", "", Untrusted);
        check(".fact |= . + 1", "/fact", Untrusted);
        check("[ .fact, 1 ] | max", "", Verified);
    }

    #[test]
    fn a_choice_among_a_closed_list_is_closed() {
        let check = |source: &str, expected| assert_eq!(labels_of(source).is_closed(), expected, "{source}");
        check(".one", true);
        check(".one == \"accept\"", true);
        check(".one == \"a\" or .one == \"b\"", true);
        check(".one == \"a\" and .bad == \"b\"", false);
        check("(.one == \"a\") | not", true);
        check(".bad == \"accept\"", false);
        check(".one + \"x\"", false);
        check(".bad | length > 3", false);
    }
}
