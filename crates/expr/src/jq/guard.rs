//! Rewrites a checked term so that what could run away counts its steps: the updates of `reduce` and `foreach`, and `*`.
//!
//! Does not know what a step costs: that is the budget's.

use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;

use super::walk;

/// The same program, guarded.
pub(super) fn guard(mut term: Term<&str>) -> Term<&str> {
    for child in walk::children_mut(&mut term) {
        *child = guard(std::mem::take(child));
    }
    match term {
        Term::Fold(name, xs, pattern, args) => Term::Fold(name, xs, pattern, ticking(args)),
        Term::BinOp(l, BinaryOp::Math(Math::Mul), r) => Term::Call("_times", vec![*l, *r]),
        Term::BinOp(l, BinaryOp::UpdateMath(Math::Mul), r) => times_update(l, r),
        other => other,
    }
}

/// The second argument is the update: `f` becomes `f | _tick`.
fn ticking<'s>(args: Vec<Term<&'s str>>) -> Vec<Term<&'s str>> {
    let tick = |i: usize, arg: Term<&'s str>| if i == 1 { pipe(arg, Term::Call("_tick", Vec::new())) } else { arg };
    args.into_iter().enumerate().map(|(i, arg)| tick(i, arg)).collect()
}

/// `l *= r` is `r as $_times | l |= _times(.; $_times)`.
fn times_update<'s>(l: Box<Term<&'s str>>, r: Box<Term<&'s str>>) -> Term<&'s str> {
    let product = Term::Call("_times", vec![Term::Id, Term::Var("$_times")]);
    let update = Term::BinOp(l, BinaryOp::Update, Box::new(product));
    Term::BinOp(r, BinaryOp::Pipe(Some(Pattern::Var("$_times"))), Box::new(update))
}

fn pipe<'s>(l: Term<&'s str>, r: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(l), BinaryOp::Pipe(None), Box::new(r))
}

/// The whole program as a definition, since the library takes parsed terms in no other way.
pub(super) fn as_definition(term: Term<&str>) -> Def<&str> {
    Def { name: MAIN, args: Vec::new(), body: term }
}

/// The name under which the program itself is called.
pub(super) const MAIN: &str = "_main";
