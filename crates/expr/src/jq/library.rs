//! The functions that exist here: the library's, without those that touch clock, zone, environment, process or log.
//!
//! Does not know profiles. Loops count their steps, so that every program ends.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use jaq_core::box_iter::box_once;
use jaq_core::load::{
    self,
    parse::{Def, Term},
};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Ctx, Cv, Error, Exn, Native, ValXs};
use jaq_json::Val;
use jaq_std::ValT as _;

use super::{Pure, value, walk};

/// Natives that we leave out or replace.
const NATIVES_OUT: &[&str] = &["halt", "range", "fromjson", "env", "now", "localtime", "strflocaltime"];

/// Definitions that write to the log or end the process.
const DEFS_OUT: &[&str] = &["stderr", "debug", "halt", "halt_error"];

/// Ours instead of the library's: loops that count. `_tick` is the identity and stops the program when no steps are left.
const DEFS_OURS: &str = r"
def repeat(f): def rec: _tick | (f, rec); rec;
def recurse(f): def rec: _tick | (., (f | rec)); rec;
def while(cond; update): def rec: _tick | if cond then ., (update | rec) else empty end; rec;
def until(cond; update): def rec: _tick | if cond then . else update | rec end; rec;
";

/// Bytes of a repeated text.
const TEXT_LEN_MAX: f64 = 1_048_576.0;

/// What the reference implementation has and the library has not.
const DEFS_MORE: &str = r"
def trimstr($s): ltrimstr($s) | rtrimstr($s);
def toarray: if isarray then . else [.] end;
";

/// All definitions that a program may call, each after those that it calls.
static LIBRARY: LazyLock<Vec<Def<&'static str>>> = LazyLock::new(library);

fn library() -> Vec<Def<&'static str>> {
    let ours = load::parse(DEFS_OURS, |p| p.defs()).expect("invariant: our own definitions parse");
    let more = load::parse(DEFS_MORE, |p| p.defs()).expect("invariant: our own definitions parse");
    let theirs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let replaced = |def: Def<&'static str>| {
        let same = |our: &&Def<&str>| our.name == def.name && our.args.len() == def.args.len();
        ours.iter().find(same).cloned().unwrap_or(def)
    };
    let kept = theirs.filter(|def| !DEFS_OUT.contains(&def.name)).map(replaced).chain(more);
    callable(kept)
}

/// The definitions that one program needs, directly or through others: compiling all of them takes a hundred times longer.
pub(super) fn defs_for(term: &Term<&str>) -> Vec<Def<&'static str>> {
    let mut called = BTreeSet::new();
    note_calls(term, &mut called);
    let mut needed = Vec::new();
    for def in LIBRARY.iter().rev() {
        if called.contains(&(def.name, def.args.len())) {
            note_calls(&def.body, &mut called);
            needed.push(def.clone());
        }
    }
    needed.reverse();
    needed
}

fn note_calls<'s>(term: &Term<&'s str>, called: &mut BTreeSet<(&'s str, usize)>) {
    called.extend(call_of(term));
    walk::children(term).into_iter().for_each(|child| note_calls(child, called));
}

/// The function that a term itself calls: by name, or as the format of a text.
fn call_of<'s>(term: &Term<&'s str>) -> Option<(&'s str, usize)> {
    match term {
        Term::Call(name, args) => Some((name, args.len())),
        Term::Str(Some(format), _) => Some((format, 0)),
        _ => None,
    }
}

/// Keeps the definitions whose every call exists: the library defines more than its small build has natives for.
fn callable(defs: impl Iterator<Item = Def<&'static str>>) -> Vec<Def<&'static str>> {
    let mut known: BTreeSet<_> = funs().into_iter().map(|(name, args, _)| (name, args.len())).collect();
    let mut kept = Vec::new();
    for def in defs {
        let mut local = vec![(def.name, def.args.len())];
        local.extend(def.args.iter().map(|arg| (*arg, 0)));
        if all_known(&def.body, &known, &local) {
            known.insert((def.name, def.args.len()));
            kept.push(def);
        }
    }
    kept
}

type Signature = (&'static str, usize);

fn all_known(term: &Term<&'static str>, known: &BTreeSet<Signature>, local: &[Signature]) -> bool {
    let mut local = local.to_vec();
    if let Term::Def(defs, _) = term {
        for def in defs {
            local.push((def.name, def.args.len()));
            local.extend(def.args.iter().map(|arg| (*arg, 0)));
        }
    }
    let here = call_of(term).is_none_or(|call| known.contains(&call) || local.contains(&call));
    here && walk::children(term).into_iter().all(|child| all_known(child, known, &local))
}

/// All natives that a program may call.
pub(super) fn funs() -> Vec<Fun<Pure>> {
    let theirs = jaq_core::funs().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let tick = Native::<Pure>::new(|cv| box_once(spend(&cv.0, &cv.1).map(|()| cv.1)));
    let tick = tick.with_paths(|cvp| box_once(spend(&cvp.0, &cvp.1.0).map(|()| cvp.1)));
    let tick = tick.with_update(|cv, update| match spend(&cv.0, &cv.1) {
        Ok(()) => update(cv.1),
        Err(stop) => box_once(Err(stop)),
    });
    let ours = [run::<Pure>(("range", v(3), range)), run::<Pure>(("_times", v(2), times))];
    let ours = ours.into_iter().chain([run::<Pure>(("fromjson", v(0), fromjson)), ("_tick", v(0), tick)]);
    theirs.filter(|(name, ..)| !NATIVES_OUT.contains(name)).chain(ours).collect()
}

/// Takes one step of a loop whose state is `value`; stops the program in a way that no `try` catches.
fn spend<'a>(ctx: &Ctx<'_, Pure>, value: &Val) -> Result<(), Exn<'a, Val>> {
    if ctx.data().budget.step(value) { Ok(()) } else { Err(Exn::halt(0)) }
}

/// `range($from; $upto; $by)` as the library has it, with each number counted as a step.
fn range(mut cv: Cv<'_, Pure>) -> ValXs<'_, Val> {
    let (by, upto, from) = (cv.0.pop_var(), cv.0.pop_var(), cv.0.pop_var());
    let zero = Val::from(0usize);
    let mut next = Some(from);
    Box::new(std::iter::from_fn(move || {
        let here = next.take()?;
        let more = match by.cmp(&zero) {
            Ordering::Greater => here < upto,
            Ordering::Less => here > upto,
            Ordering::Equal => here != upto,
        };
        if !more {
            return None;
        }
        if let Err(stop) = spend(&cv.0, &here) {
            return Some(Err(stop));
        }
        match here.clone() + by.clone() {
            Ok(sum) => next = Some(sum),
            Err(error) => return Some(Err(error.into())),
        }
        Some(Ok(here))
    }))
}

/// `fromjson` with a bound on nesting: the library's would overflow the stack on a long row of brackets.
#[expect(clippy::needless_pass_by_value, reason = "the library calls it through a function pointer of this type")]
fn fromjson(cv: Cv<'_, Pure>) -> ValXs<'_, Val> {
    let text = cv.1.as_utf8_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let parsed = text.ok_or_else(|| Error::typ(cv.1.clone(), "string"));
    let parsed = parsed.and_then(|text| crate::json::parse_strict(text).map_err(Error::str));
    bome(parsed.map(|json| value::from_json(&json)))
}

/// `l * r`, with a bound on how long a repeated text may get: memory that cannot be had ends the process.
fn times(mut cv: Cv<'_, Pure>) -> ValXs<'_, Val> {
    let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
    let text_len = left.as_bytes().or(right.as_bytes()).map(<[u8]>::len);
    let count = left.as_f64().or(right.as_f64());
    #[expect(clippy::cast_precision_loss, reason = "a bound need not be exact")]
    let too_long = text_len.zip(count).is_some_and(|(len, count)| len as f64 * count > TEXT_LEN_MAX);
    if too_long {
        return bome(Err(Error::str("a text cannot be repeated to more than 1 MiB")));
    }
    bome(left * right)
}

#[cfg(test)]
mod tests {
    use crate::{Profile, Program};

    use super::*;

    #[test]
    fn every_function_of_the_library_compiles_with_what_it_needs() {
        for def in LIBRARY.iter().filter(|def| !def.name.starts_with('@')) {
            let args = vec!["1"; def.args.len()].join("; ");
            let call = if args.is_empty() { def.name.to_owned() } else { format!("{}({args})", def.name) };
            assert!(Program::compile(&call, &[], Profile::Author).is_ok(), "{call}");
        }
    }

    #[test]
    fn the_library_has_what_playbooks_use() {
        let names: BTreeSet<_> = LIBRARY.iter().map(|def| def.name).chain(funs().iter().map(|f| f.0)).collect();
        let used = [
            "map",
            "select",
            "to_entries",
            "from_entries",
            "with_entries",
            "join",
            "split",
            "add",
            "any",
            "all",
            "unique",
            "group_by",
            "sort_by",
            "min_by",
            "max_by",
            "flatten",
            "keys",
            "has",
            "contains",
            "index",
            "ltrimstr",
            "startswith",
            "tostring",
            "tonumber",
            "tojson",
            "fromjson",
            "getpath",
            "setpath",
            "del",
            "paths",
            "limit",
            "first",
            "floor",
            "round",
            "abs",
            "ascii_downcase",
            "trim",
            "type",
            "length",
            "walk",
            "transpose",
            "in",
            "inside",
            "@json",
            "@text",
        ];
        let missing: Vec<_> = used.into_iter().filter(|name| !names.contains(name)).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
