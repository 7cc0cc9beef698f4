//! Which rung answers, and what is said when none can.

use serde_json::json;
use sinew_contract::{ErrorKind, Label, Sensitivity, Trust};

use crate::{answer, ask, load};

const TABLE: &str = r#"
name = "size"
hit-policy = "first"
inputs = [{ name = "n", type = "integer" }]
outputs = [{ name = "size", type = "string" }]
rows = [{ id = "small", when = { n = "< 10" }, then = { size = "small" }, reason = "Below ten." }]
"#;
const TEMPLATE: &str = "name = \"letter\"\n[fields]\nbody = \"n is {{ n }}\"\n";

#[test]
fn the_rung_that_the_question_names_answers() {
    let reasoner = load(&[("size.toml", TABLE)], &[("letter.toml", TEMPLATE)]).expect("both load");
    let mut question = ask(json!({"n": 3}));
    question.rules = Some("size".to_owned());
    let proposal = answer(&reasoner, &question).expect("the table answers");
    assert_eq!(proposal.value, json!({"size": "small", "reason": "Below ten."}));
    assert_eq!((proposal.rung.as_str(), proposal.because), ("rules", vec!["size/small".to_owned()]));
    assert_eq!((proposal.cost.micros, proposal.cost.tokens), (0, 0));

    (question.rules, question.template) = (None, Some("letter".to_owned()));
    let proposal = answer(&reasoner, &question).expect("the template answers");
    assert_eq!((proposal.rung.as_str(), proposal.value), ("template", json!({"body": "n is 3"})));
}

#[test]
fn a_rung_that_cannot_answer_falls_to_the_next() {
    let reasoner = load(&[("size.toml", TABLE)], &[("letter.toml", TEMPLATE)]).expect("both load");
    let mut question = ask(json!({"n": 30}));
    (question.rules, question.template) = (Some("size".to_owned()), Some("letter".to_owned()));
    assert_eq!(answer(&reasoner, &question).expect("the template is left").rung, "template");

    question.inputs = json!({"n": 3});
    question.schema = json!({"required": ["body"]});
    assert_eq!(answer(&reasoner, &question).expect("only the template fits the schema").rung, "template");
}

#[test]
fn where_no_rung_can_answer_each_says_why() {
    let reasoner = load(&[("size.toml", TABLE)], &[("letter.toml", TEMPLATE)]).expect("both load");
    let mut question = ask(json!({"n": 30}));
    question.rules = Some("size".to_owned());
    let failure = answer(&reasoner, &question).expect_err("no row and no template");
    assert_eq!(failure.kind(), ErrorKind::Missing);
    for part in ["no row of table `size` matches", "names no template", "`judge`"] {
        assert!(failure.to_string().contains(part), "{failure}");
    }
    question.inputs = json!({"n": 1});
    question.schema = json!({"properties": {"size": {"enum": ["large"]}}});
    let failure = answer(&reasoner, &question).expect_err("the answer is not what was asked for");
    assert!(failure.to_string().contains("at `/size`"), "{failure}");
}

#[test]
fn a_question_that_is_wrong_is_invalid() {
    let reasoner = load(&[("size.toml", TABLE)], &[]).expect("it loads");
    let mut question = ask(json!({"n": "three"}));
    question.rules = Some("size".to_owned());
    let failure = answer(&reasoner, &question).expect_err("the input has the wrong type");
    assert_eq!(failure.kind(), ErrorKind::Invalid);
    assert!(failure.to_string().contains("input `n` of table `size` is `\"three\"`, expected an integer"), "{failure}");

    question.rules = Some("none".to_owned());
    let failure = answer(&reasoner, &question).expect_err("there is no such table");
    assert!(failure.to_string().contains("there is no decision table `none`; there are `size`"), "{failure}");

    question.schema = json!({"type": "nonsense"});
    let failure = answer(&reasoner, &question).expect_err("the schema is bad");
    assert_eq!(failure.kind(), ErrorKind::Invalid);
}

#[test]
fn the_label_of_an_answer_is_never_above_its_inputs() {
    let reasoner = load(&[("size.toml", TABLE)], &[]).expect("it loads");
    for trust in [Trust::Untrusted, Trust::Observed, Trust::Verified, Trust::Owned] {
        let mut question = ask(json!({"n": 3}));
        question.rules = Some("size".to_owned());
        question.label = Label { sensitivity: Sensitivity::Personal, ..Label::new("mail", trust) };
        let label = answer(&reasoner, &question).expect("the table answers").label;
        assert_eq!((label.trust, label.sensitivity), (trust, Sensitivity::Personal));
        assert!(label.origin.contains("mail") && label.origin.contains("rules"));
    }
}

#[test]
fn the_same_question_has_the_same_digest_whoever_asks() {
    let reasoner = load(&[("size.toml", TABLE)], &[]).expect("it loads");
    let digest = |inputs: serde_json::Value, step: u32| {
        let mut question = ask(inputs);
        question.rules = Some("size".to_owned());
        question.effect.step = step;
        answer(&reasoner, &question).expect("the table answers").asked
    };
    assert_eq!(digest(json!({"n": 1, "m": 2}), 1), digest(json!({"m": 2.0, "n": 1}), 9));
    assert_ne!(digest(json!({"n": 1}), 1), digest(json!({"n": 2}), 1));
}
