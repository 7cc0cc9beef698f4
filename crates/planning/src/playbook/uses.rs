//! What an expression looks at: which variables, which members of the context, and whether its own input.
//!
//! A reading of the text, not of its meaning, and on the safe side: whatever it cannot tell counts as used. Labels rest on it,
//! and only what is used has to be handed to the program.

use std::collections::BTreeSet;

/// Words of jq that do not look at the input by themselves.
const KEYWORDS: &[&str] = &["if", "then", "elif", "else", "end", "and", "or", "null", "true", "false"];

/// What an expression looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Its input `.`, openly or through a function.
    pub dot: bool,
    /// Variables, without the dollar; among them names that the expression binds itself.
    pub vars: BTreeSet<String>,
    /// `variable` -> the members looked at, as in `$context.order`; a variable that is looked at whole is not in here.
    pub members: BTreeSet<(String, String)>,
    /// Variables that are looked at whole.
    pub whole: BTreeSet<String>,
}

/// Texts in places in texts are read this deep; what lies deeper counts as looking at everything it can.
const DEPTH_MAX: usize = 32;

/// Reads what an expression looks at.
pub(crate) fn uses(source: &str) -> Uses {
    let mut uses = Uses::default();
    code(source, &mut uses, 0);
    uses
}

/// Reads code up to its end or the bracket that closes the place it stands in; says how long it is.
fn code(source: &str, uses: &mut Uses, depth: usize) -> usize {
    let mut rest = source;
    let mut before = ' ';
    let mut open = 0_usize;
    while let Some(c) = rest.chars().next() {
        open += usize::from(c == '(');
        if c == ')' {
            let Some(left) = open.checked_sub(1) else { break };
            open = left;
        }
        let len = token(c, before, rest, uses, depth);
        let (token, after) = rest.split_at(len.max(1).min(rest.len()));
        before = token.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    source.len() - rest.len()
}

fn token(c: char, before: char, rest: &str, uses: &mut Uses, depth: usize) -> usize {
    match c {
        '$' => variable(rest, uses),
        '"' => text(rest, uses, depth),
        '.' => {
            // A dot right behind a name, bracket or text goes on with a path; any other begins one.
            uses.dot |= !(is_word(before) || matches!(before, ']' | ')' | '"' | '?'));
            1 + word_len(rest.get(1..).unwrap_or_default())
        }
        c if c.is_ascii_digit() => word_len(rest),
        c if is_word(c) => word(rest, uses),
        c => c.len_utf8(),
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn word_len(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// `$name` and, where it follows at once, `.member`.
fn variable(rest: &str, uses: &mut Uses) -> usize {
    let name_len = word_len(rest.get(1..).unwrap_or_default());
    let name = rest.get(1..=name_len).unwrap_or_default();
    let after = rest.get(1 + name_len..).unwrap_or_default();
    uses.vars.insert(name.to_owned());
    let member_len = after.strip_prefix('.').map_or(0, word_len);
    match after.get(1..=member_len).filter(|m| !m.is_empty()) {
        Some(member) => {
            uses.members.insert((name.to_owned(), member.to_owned()));
            2 + name_len + member_len
        }
        None => {
            uses.whole.insert(name.to_owned());
            1 + name_len
        }
    }
}

/// A text literal; the places in it are code.
fn text(rest: &str, uses: &mut Uses, depth: usize) -> usize {
    let mut at = 1;
    let mut escaped = false;
    while let Some(c) = rest.get(at..).and_then(|tail| tail.chars().next()) {
        at += c.len_utf8();
        match c {
            '(' if escaped && depth >= DEPTH_MAX => {
                uses.dot = true;
                return rest.len();
            }
            '(' if escaped => {
                at += code(rest.get(at..).unwrap_or_default(), uses, depth + 1);
                escaped = false;
            }
            '"' if !escaped => return at,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

/// A bare word: a keyword, the key of an object, or a function, which may look at the input.
fn word(rest: &str, uses: &mut Uses) -> usize {
    let len = word_len(rest);
    let (name, after) = rest.split_at(len);
    let is_key = after.trim_start().starts_with(':');
    uses.dot |= !is_key && !KEYWORDS.contains(&name);
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_says_what_it_looks_at() {
        let cases: &[(&str, bool, &[&str], &[&str])] = &[
            (".", true, &[], &[]),
            ("$context.order.price", false, &["order"], &[]),
            ("\"refund/\" + $context.order.rma + \"/\" + $workflow.id", false, &["order", "id"], &[]),
            ("$context + { order: .matches[0] }", true, &[], &["context"]),
            ("{ a: $context.x, b: 1 }", false, &["x"], &[]),
            ("length > 3", true, &[], &[]),
            ("if $context.a then 1 else 2 end", false, &["a"], &[]),
            ("$context[\"a\"]", false, &[], &["context"]),
            ("\"n: \\($context.a) \\(.b)\"", true, &["a"], &[]),
            ("($context.a // 0) > 1.5", false, &["a"], &[]),
            ("..", true, &[], &[]),
            ("\"\\($context.a)\" + $input.b", false, &["a", "b"], &[]),
            ("\"x\\(\"\\($context.a)\")\" + .b", true, &["a"], &[]),
        ];
        for (source, dot, members, whole) in cases {
            let found = uses(source);
            let names: Vec<_> = found.members.iter().map(|(_, m)| m.as_str()).collect();
            let wholes: Vec<_> = found.whole.iter().map(String::as_str).collect();
            assert_eq!((found.dot, names.as_slice(), wholes.as_slice()), (*dot, *members, *whole), "{source}");
        }
    }
}
