//! Checks beyond the schema, that a playbook asks for by name: quotes that stand in their source, lengths, ranges,
//! languages, freshness, and tests in jq.
//!
//! ```yaml
//! checks:
//!   grounded: [{ at: /quotes/*, in: /text }]            # each text at `at` stands in the inputs at `in`
//!   length:   [{ at: /body, min: 1, max: 800 }]         # characters
//!   range:    [{ at: /amount, min: 0, max: 500 }]
//!   language: [{ at: /body, is: de }]                   # de, en, es, fr, it, nl, pt
//!   fresh:    [{ at: /reading/at, now: /now, within: PT10M }]   # both in the inputs
//!   test:     [{ that: ".value.total == (.inputs.lines | map(.price) | add)", else: "the total is not the sum" }]
//! ```
//!
//! `*` in a pointer stands for every member. Pure: time comes from the inputs. Does not know models.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use sinew_expr::{Profile, Program};

/// The checks of one question, ready to run.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    named: Named,
    tests: Vec<(Program, String)>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Named {
    grounded: Vec<Grounded>,
    length: Vec<Bounds>,
    range: Vec<Bounds>,
    language: Vec<Language>,
    fresh: Vec<Fresh>,
    test: Vec<Test>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grounded {
    at: String,
    #[serde(rename = "in")]
    source: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    at: String,
    min: Option<f64>,
    max: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    at: String,
    is: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fresh {
    at: String,
    now: String,
    within: jiff::SignedDuration,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    that: String,
    #[serde(rename = "else")]
    otherwise: String,
}

impl Checks {
    /// Reads what a question asks for; null is nothing.
    ///
    /// # Errors
    /// In one line, what cannot be understood.
    pub(crate) fn read(source: &Value) -> Result<Self, String> {
        if source.is_null() {
            return Ok(Self::default());
        }
        let named: Named = serde_json::from_value(source.clone()).map_err(|e| format!("`checks`: {e}"))?;
        for language in &named.language {
            if words_of(&language.is).is_none() {
                return Err(format!("`checks`: no words of language `{}` are known", language.is));
            }
        }
        let compile = |test: &Test| {
            let program = Program::compile(&test.that, &[], Profile::Author).map_err(|e| format!("`checks`: {e}"))?;
            Ok((program, test.otherwise.clone()))
        };
        let tests = named.test.iter().map(compile).collect::<Result<_, String>>()?;
        Ok(Self { named, tests })
    }

    /// What is wrong with an answer, in one line each; empty where nothing is.
    pub(crate) fn findings(&self, inputs: &Value, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.named.grounded.iter().for_each(|check| grounded(check, inputs, value, &mut found));
        self.named.length.iter().for_each(|check| length(check, value, &mut found));
        self.named.range.iter().for_each(|check| range(check, value, &mut found));
        self.named.language.iter().for_each(|check| language(check, value, &mut found));
        self.named.fresh.iter().for_each(|check| fresh(check, inputs, &mut found));
        let both = json!({"value": value, "inputs": inputs});
        for (program, otherwise) in &self.tests {
            match program.run(&both, &[]) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => found.push(otherwise.clone()),
                Err(error) => found.push(format!("{otherwise} ({error})")),
            }
        }
        found
    }
}

/// Every value at a pointer in which `*` stands for each member, with its own pointer.
fn at<'v>(value: &'v Value, pointer: &str) -> Vec<(String, &'v Value)> {
    let mut all = vec![(String::new(), value)];
    for step in pointer.split('/').skip(1) {
        all = all.into_iter().flat_map(|(path, value)| members(&path, value, step)).collect();
    }
    all
}

fn members<'v>(path: &str, value: &'v Value, step: &str) -> Vec<(String, &'v Value)> {
    match (step, value) {
        ("*", Value::Array(items)) => items.iter().enumerate().map(|(i, v)| (format!("{path}/{i}"), v)).collect(),
        ("*", Value::Object(map)) => map.iter().map(|(name, v)| (format!("{path}/{name}"), v)).collect(),
        _ => value.pointer(&format!("/{step}")).map(|v| (format!("{path}/{step}"), v)).into_iter().collect(),
    }
}

fn grounded(check: &Grounded, inputs: &Value, value: &Value, found: &mut Vec<String>) {
    let sources: Vec<_> = at(inputs, &check.source).into_iter().filter_map(|(_, v)| v.as_str()).map(plain).collect();
    for (path, quote) in at(value, &check.at) {
        let quote = quote.as_str().map(plain).unwrap_or_default();
        if quote.is_empty() || !sources.iter().any(|source| source.contains(&quote)) {
            found.push(format!("at `{path}`: the quote does not stand in `{}`", check.source));
        }
    }
}

/// A text with its blanks made one space each and typographic quotes made plain, so that a line break is no lie.
fn plain(text: &str) -> String {
    let straight = text.chars().map(|c| match c {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' => '"',
        other => other,
    });
    straight.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn length(check: &Bounds, value: &Value, found: &mut Vec<String>) {
    for (path, text) in at(value, &check.at) {
        // A text has far fewer characters than a double counts exactly.
        let len = text.as_str().map_or(0, |t| t.chars().count()) as f64;
        if let Some(bound) = outside(len, check) {
            found.push(format!("at `{path}`: {len} characters, and {bound}"));
        }
    }
}

fn range(check: &Bounds, value: &Value, found: &mut Vec<String>) {
    for (path, number) in at(value, &check.at) {
        let problem = match number.as_f64().filter(|n| n.is_finite()) {
            Some(n) => outside(n, check).map(|bound| format!("{n}, and {bound}")),
            None => Some("not a number".to_owned()),
        };
        found.extend(problem.map(|problem| format!("at `{path}`: {problem}")));
    }
}

fn outside(number: f64, check: &Bounds) -> Option<String> {
    let low = check.min.filter(|min| number < *min).map(|min| format!("at least {min} are asked for"));
    low.or_else(|| check.max.filter(|max| number > *max).map(|max| format!("at most {max} are allowed")))
}

fn fresh(check: &Fresh, inputs: &Value, found: &mut Vec<String>) {
    let time = |pointer: &str| inputs.pointer(pointer)?.as_str()?.parse::<jiff::Timestamp>().ok();
    let fresh = match (time(&check.at), time(&check.now)) {
        (Some(taken), Some(now)) => now.duration_since(taken) <= check.within && taken <= now,
        _ => false,
    };
    if !fresh {
        found.push(format!("the input at `{}` is not from the last {:#}", check.at, check.within));
    }
}

fn language(check: &Language, value: &Value, found: &mut Vec<String>) {
    for (path, text) in at(value, &check.at) {
        let text = text.as_str().unwrap_or_default();
        if let Some(seems) = seems(text).filter(|seems| *seems != check.is) {
            found.push(format!("at `{path}`: this seems to be `{seems}`, and `{}` is asked for", check.is));
        }
    }
}

/// The commonest small words of each language; a text of any length has several of its own.
const WORDS: &[(&str, &str)] = &[
    ("de", "der die das und ist nicht ein eine ich wir sie mit für auf den dem zu von haben wird ihre"),
    ("en", "the and is not a an i we you with for on of to have will your this that are"),
    ("es", "el la los las y es no un una con para en de que su por está se gracias usted"),
    ("fr", "le la les et est pas un une nous vous avec pour sur de que dans votre des merci je"),
    ("it", "il la gli e è non un una con per su di che nel sono grazie lei del della questo"),
    ("nl", "de het een en is niet ik wij met voor op van dat zijn uw wordt deze bij naar ook"),
    ("pt", "o a os as e é não um uma com para em de que seu por está obrigado você no"),
];
/// Fewer small words than this say nothing about a language.
const WORDS_MIN: usize = 4;

fn words_of(language: &str) -> Option<BTreeSet<&'static str>> {
    WORDS.iter().find(|(own, _)| *own == language).map(|(_, words)| words.split(' ').collect())
}

/// The language that a text seems to be in; none where it is too short to say, or two are as likely.
fn seems(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let said: Vec<_> = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let count = |words: &str| said.iter().filter(|word| words.split(' ').any(|own| own == **word)).count();
    let mut counts: Vec<_> = WORDS.iter().map(|(language, words)| (count(words), *language)).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    match counts.as_slice() {
        [(first, language), (second, _), ..] if *first >= WORDS_MIN && first > second => Some(language),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(checks: &Value, inputs: &Value, value: &Value, expected: &[&str]) {
        let findings = Checks::read(checks).expect("it is right").findings(inputs, value);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, part) in findings.iter().zip(expected) {
            assert!(finding.contains(part), "{finding}");
        }
    }

    #[test]
    fn a_quote_must_stand_in_its_source() {
        let checks = json!({"grounded": [{"at": "/quotes/*/text", "in": "/text"}]});
        let inputs = json!({"text": "It arrived \u{201c}broken\u{201d},\n  said she."});
        let quotes = |all: &[&str]| json!({"quotes": all.iter().map(|t| json!({"text": t})).collect::<Vec<_>>()});
        check(&checks, &inputs, &quotes(&["arrived \"broken\", said"]), &[]);
        check(&checks, &inputs, &quotes(&["It arrived", "It arrived whole", ""]), &["/quotes/1", "/quotes/2"]);
        check(&checks, &json!({}), &quotes(&["It arrived"]), &["/quotes/0"]);
    }

    #[test]
    fn bounds_hold_for_texts_and_numbers() {
        let value = json!({"body": "grün", "n": [1, -1, "x", 1e300]});
        check(&json!({"length": [{"at": "/body", "min": 4, "max": 4}]}), &json!({}), &value, &[]);
        check(&json!({"length": [{"at": "/body", "max": 3}]}), &json!({}), &value, &["at most 3"]);
        let expected = ["at least 0", "not a number", "at most 9"];
        check(&json!({"range": [{"at": "/n/*", "min": 0, "max": 9}]}), &json!({}), &value, &expected);
    }

    #[test]
    fn a_language_is_told_by_its_small_words() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(seems(text), expected, "{text}");
        check("Your refund is on the way and you will have it in a week.", Some("en"));
        check("Die Erstattung ist auf dem Weg und wird in einer Woche bei Ihnen sein, mit der Post.", Some("de"));
        check("Votre remboursement est en route et vous le recevrez dans une semaine avec la poste.", Some("fr"));
        check("OK", None);
    }

    #[test]
    fn freshness_and_own_tests() {
        let inputs = json!({"now": "2026-11-22T10:00:00Z", "at": "2026-11-22T09:51:00Z", "sum": 3});
        let fresh = |within: &str| json!({"fresh": [{"at": "/at", "now": "/now", "within": within}]});
        check(&fresh("PT10M"), &inputs, &json!(null), &[]);
        check(&fresh("PT5M"), &inputs, &json!(null), &["not from the last"]);
        let test = json!({"test": [{"that": ".value.sum == .inputs.sum", "else": "the sum is wrong"}]});
        check(&test, &inputs, &json!({"sum": 3}), &[]);
        check(&test, &inputs, &json!({"sum": 4}), &["the sum is wrong"]);
    }

    #[test]
    fn what_is_not_a_check_is_refused() {
        for wrong in [json!({"colour": []}), json!({"test": [{"that": "now", "else": "x"}]}), json!(7)] {
            assert!(Checks::read(&wrong).is_err(), "{wrong}");
        }
        assert!(Checks::read(&json!({"language": [{"at": "/b", "is": "xx"}]})).is_err());
    }
}
