//! Walking a parsed term: what stands directly inside it.
//!
//! Does not know what is allowed. The library's term has no walker of its own.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::Part;

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

/// As `children`, to change them.
pub(super) fn children_mut<'t, 's>(term: &'t mut Term<&'s str>) -> Vec<&'t mut Term<&'s str>> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => Vec::new(),
        Term::Str(_, parts) => {
            parts.iter_mut().filter_map(|p| if let StrPart::Term(t) = p { Some(t) } else { None }).collect()
        }
        Term::Arr(Some(t)) | Term::Neg(t) | Term::Label(_, t) => vec![t],
        Term::Obj(members) => members.iter_mut().flat_map(|(k, v)| std::iter::once(k).chain(v)).collect(),
        Term::BinOp(l, op, r) => {
            let mut inside = vec![&mut **l, &mut **r];
            if let BinaryOp::Pipe(Some(pattern)) = op {
                pattern_terms_mut(pattern, &mut inside);
            }
            inside
        }
        Term::Fold(_, xs, pattern, args) => {
            let mut inside = vec![&mut **xs];
            pattern_terms_mut(pattern, &mut inside);
            inside.extend(args);
            inside
        }
        Term::TryCatch(t, caught) => std::iter::once(&mut **t).chain(caught.as_deref_mut()).collect(),
        Term::IfThenElse(branches, otherwise) => {
            branches.iter_mut().flat_map(|(c, t)| [c, t]).chain(otherwise.as_deref_mut()).collect()
        }
        Term::Def(defs, body) => defs.iter_mut().map(|def| &mut def.body).chain([&mut **body]).collect(),
        Term::Call(_, args) => args.iter_mut().collect(),
        Term::Path(head, path) => {
            std::iter::once(&mut **head).chain(path.0.iter_mut().flat_map(|(part, _)| part_terms_mut(part))).collect()
        }
    }
}

fn part_terms_mut<'t, 's>(part: &'t mut Part<Term<&'s str>>) -> Vec<&'t mut Term<&'s str>> {
    match part {
        Part::Index(i) => vec![i],
        Part::Range(from, upto) => from.iter_mut().chain(upto).collect(),
    }
}

fn pattern_terms_mut<'t, 's>(pattern: &'t mut Pattern<&'s str>, out: &mut Vec<&'t mut Term<&'s str>>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter_mut().for_each(|item| pattern_terms_mut(item, out)),
        Pattern::Obj(members) => {
            for (key, value) in members {
                out.push(key);
                pattern_terms_mut(value, out);
            }
        }
    }
}
