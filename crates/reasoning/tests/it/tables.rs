//! Decision tables: what is refused at load, and hit policies.

use serde_json::json;
use sinew_contract::ErrorKind;

use crate::{answer, ask, load};

fn table(policy: &str, rows: &str) -> String {
    format!(
        r#"name = "t"
hit-policy = "{policy}"
[[inputs]]
name = "n"
from = ".deep.n"
type = "integer"
[[inputs]]
name = "colour"
type = "string"
optional = true
[[outputs]]
name = "size"
type = "string"
values = ["small", "large"]
{rows}
"#
    )
}

fn row(id: &str, when: &str, then: &str) -> String {
    format!("[[rows]]\nid = \"{id}\"\nwhen = {{ {when} }}\nthen = {{ {then} }}\nreason = \"Because of {id}.\"\n")
}

#[test]
fn a_wrong_table_is_refused_with_file_row_and_column() {
    let check = |rows: &str, place: &str, word: &str| {
        let error = load(&[("rules/t.toml", &table("first", rows))], &[]).err().expect(rows);
        assert_eq!((error.file.as_str(), error.kind()), ("rules/t.toml", ErrorKind::Invalid));
        assert!(error.place.contains(place), "{error}");
        assert!(error.problem.contains(word), "{error}");
    };
    let good = "size = \"small\"";
    check(&row("a", "n = \"<= thirty\"", good), "row `a`, column `n`", "not an integer");
    check(&row("a", "m = 1", good), "row `a`, column `m`", "no such column");
    check(&row("a", "n = 1", "width = 1"), "row `a`, column `width`", "no such column");
    check(&row("a", "n = 1", ""), "row `a`, column `size`", "gives no value");
    check(&row("a", "n = 1", "size = \"huge\""), "row `a`, column `size`", "none of \"small\", \"large\"");
    check(&row("a", "n = 1", "size = 1"), "row `a`, column `size`", "not a string");
    check(&row("a", "n = 1", good).replace("Because of a.", " "), "column `reason`", "reason");
    check(&(row("a", "n = 1", good) + &row("a", "n = 2", good)), "row `a`", "name of its own");
    check("[[rows]]\nid = \"a\"\n", "line 15, column 1", "missing field `then`");
    check("rows = [", "line", "unclosed array");
    check("", "line 1, column 1", "missing field `rows`");
}

#[test]
fn a_wrong_expression_or_column_is_refused() {
    let rows = row("a", "n = 1", "size = \"small\"");
    let check = |text: String, place: &str, word: &str| {
        let error = load(&[("t.toml", &text)], &[]).err().expect(place);
        assert!(error.place.contains(place) && error.problem.contains(word), "{error}");
    };
    check(table("first", &rows).replace(".deep.n", ".deep.("), "input `n`, `from`", "cannot read expression");
    check(table("first", &rows).replace(".deep.n", "now"), "input `n`, `from`", "clock");
    check(table("first", &rows).replace("\"colour\"", "\"n\""), "input `n`", "name of its own");
    check(table("first", &rows).replace("name = \"size\"", "name = \"reason\""), "output `reason`", "already");
    check(table("some", &rows), "line 2", "unknown variant");
    let twice = [("a.toml", table("first", &rows)), ("b.toml", table("first", &rows))];
    let error = load(&[("a.toml", &twice[0].1), ("b.toml", &twice[1].1)], &[]).err().expect("the same name twice");
    assert_eq!((error.file.as_str(), error.problem.as_str()), ("b.toml", "there is another table `t`"));
}

#[test]
fn hit_policies_decide_which_rows_count() {
    let rows = row("low", "n = \"< 10\"", "size = \"small\"")
        + &row("red", "colour = \"red\"", "size = \"large\"")
        + &row("high", "n = \">= 10\", colour = \"not red\"", "size = \"large\"");
    let decide = |policy: &str, n: i64, colour: Option<&str>| {
        let reasoner = load(&[("t.toml", &table(policy, &rows))], &[]).expect("it loads");
        let mut question = ask(json!({"deep": {"n": n}, "colour": colour}));
        question.rules = Some("t".to_owned());
        answer(&reasoner, &question).map(|p| p.because.join(" "))
    };
    assert_eq!(decide("first", 1, Some("red")).expect("two rows match"), "t/low");
    assert_eq!(decide("first", 50, None).expect("one row matches"), "t/high");
    assert_eq!(decide("unique", 50, Some("red")).expect("one row matches"), "t/red");
    assert_eq!(decide("collect", 1, Some("red")).expect("two rows match"), "t/low t/red");
    assert_eq!(decide("collect", 1, Some("blue")).expect("one row matches"), "t/low");
    let overlap = decide("unique", 1, Some("red")).expect_err("two rows match");
    assert_eq!(overlap.kind(), ErrorKind::Broken);
    assert!(overlap.to_string().contains("rows `low`, `red` of table `t` all match"), "{overlap}");
}
