//! What the validator says about broken playbooks: where, what, and how to mend it. And that nothing makes it panic.

use proptest::prelude::*;
use sinew_planning::{Known, Severity, check};

use crate::returns::TEXT;
use crate::world::{known, with_tasks};

fn findings(text: &str) -> Vec<String> {
    let (playbook, findings) = check(text, &known());
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(playbook.is_none(), refused, "a playbook comes back unless a finding is an error: {findings:?}");
    findings.iter().map(ToString::to_string).collect()
}

const ACT: &str = "call: 'act:1.0.0@default', with: { capability: shop.refund, args: {}, idempotencyKey: k }";

#[test]
fn a_broken_playbook_is_refused_with_line_column_and_fix() {
    let act_alone =
        "  - a: { call: 'act:1.0.0@default', with: { capability: shop.message, args: {}, idempotencyKey: k } }";
    let twice_undone = "  - a: { call: 'act:1.0.0@default', with: { capability: shop.refund, args: {}, idempotencyKey: k, irreversible: true, compensate: { capability: shop.refund-void, argsFrom: '.receipt' } } }";
    let half_done = format!(
        "  - t:\n      try:\n        - a: {{ {ACT} }}\n        - b: {{ {ACT} }}\n      catch:\n        do: [ {{ c: {{ set: {{ x: 1 }} }} }} ]"
    );
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "two names alike",
            "  - a: { set: { x: 1 } }\n  - a: { set: { x: 2 } }",
            &["4:5: error [unique-name] task `a` stands here twice; rename one of the two"],
        ),
        (
            "a slip in the kind of task",
            "  - a: { swich: [] }",
            &["3:10: error [task-kind] `swich` is no task; did you mean `switch`?"],
        ),
        (
            "two kinds in one task",
            "  - a: { set: { x: 1 }, wait: PT1S }",
            &["3:25: error [task-kind] `set` and `wait` stand in one task; make two tasks of it"],
        ),
        (
            "two tasks in one item",
            "  - a: { set: { x: 1 } }\n    b: { set: { x: 1 } }",
            &[
                "3:5: error [task-item] an item of a task list has exactly one name; give each item of the list one name: `- name: { … }`",
            ],
        ),
        (
            "a slip in a key",
            "  - a: { set: { x: 1 }, exprot: { as: . } }",
            &["3:25: error [unknown-key] `exprot` means nothing here; did you mean `export`?"],
        ),
        (
            "a jump to nowhere",
            "  - first: { set: { x: 1 }, then: secnd }\n  - second: { set: { x: 1 } }",
            &["3:29: error [then-target] there is no task `secnd` in this list; did you mean `second`?"],
        ),
        (
            "a jump into another list",
            "  - a: { set: { x: 1 }, then: inner }\n  - l: { do: [ { inner: { set: { x: 1 } } } ] }",
            &[
                "3:25: error [then-target] there is no task `inner` in this list; name one of a, l, or continue, exit, end",
            ],
        ),
        (
            "a variable without a value",
            "  - a: { set: { x: '${ $output.x }' } }",
            &[
                "3:17: error [variable] `$output` has no value here; there are here: $context, $input, $task, $workflow, $runtime",
            ],
        ),
        (
            "a caught error outside of its handler",
            "  - t: { try: [ { a: { set: { x: '${ $error }' } } } ], catch: {} }",
            &["3:31: error [expression] cannot compile expression `$error`"],
        ),
        ("no jq", "  - a: { set: { x: '${ .a + }' } }", &["3:17: error [expression] cannot read expression `.a +`"]),
        (
            "a clock in an expression",
            "  - a: { set: { x: '${ now }' } }",
            &["3:17: error [expression] cannot compile expression `now`"],
        ),
        (
            "an unknown function",
            "  - a: { call: 'infre:1.0.0@default', with: {} }",
            &["3:10: error [unknown-function] there is no function `infre`; did you mean `infer:1.0.0@default`?"],
        ),
        (
            "an unknown version",
            "  - a: { call: act, with: {} }",
            &["3:10: error [function-version] `act` names no version that we have; write `act:1.0.0@default`"],
        ),
        (
            "a part that is not built",
            "  - a: { run: { shell: { command: ls } } }",
            &[
                "3:17: error [not-enabled] `run.shell` is not enabled yet; put the program behind an HTTP device and call it with `act:1.0.0@default`",
            ],
        ),
        (
            "a function that is not built",
            "  - a: { call: 'plan:1.0.0@default', with: {} }",
            &[
                "3:10: error [not-enabled] function `plan` is not enabled yet; use infer, recall, remember, act, approve or compensate",
            ],
        ),
        (
            "a post without a manifest",
            "  - a: { call: http, with: { method: post, endpoint: 'http://h/x' } }",
            &[
                "3:30: error [http-method] `POST` acts, and no capability describes it for `http://h/x`; describe it in `capabilities/`, with this method and path of a device, or call `act:1.0.0@default`",
            ],
        ),
        (
            "an unknown capability",
            "  - a: { call: 'act:1.0.0@default', with: { capability: shop.refnd, args: {}, idempotencyKey: k } }",
            &["3:45: error [unknown-name] there is no capability `shop.refnd`; did you mean `shop.refund`?"],
        ),
        (
            "an act that nothing undoes",
            act_alone,
            &[
                "3:37: error [effect] nothing undoes `shop.message`, and the act does not say that nothing can; add `irreversible: true`, or `compensate: { capability, argsFrom }`",
            ],
        ),
        (
            "undone and irreversible",
            twice_undone,
            &[
                "3:119: error [effect] an act that can be undone is declared irreversible; keep one of `compensate` and `irreversible`",
            ],
        ),
        (
            "a try that leaves half of it",
            &half_done,
            &[
                "7:7: error [undo-missing] `t` does what can be undone and may err afterwards, but its catch undoes nothing; add a task `call: compensate:1.0.0@default` with `scope: t` to `catch.do`",
            ],
        ),
        (
            "an undo outside of a catch",
            "  - a: { call: 'compensate:1.0.0@default', with: { scope: t } }",
            &[
                "3:44: error [compensate-place] `compensate` stands outside of any catch; move it into the `catch.do` of the try whose acts it undoes",
            ],
        ),
        (
            "an unknown table",
            "  - a: { call: 'infer:1.0.0@default', with: { instruction: x, schema: {}, rules: return-decison } }",
            &[
                "3:75: error [unknown-name] there is no decision table `return-decison`; did you mean `return-decision`?",
            ],
        ),
        (
            "an unknown role",
            "  - a: { call: 'approve:1.0.0@default', with: { question: x, approvers: { role: boss }, expires: PT1H, onExpiry: reject } }",
            &["3:75: error [unknown-name] there is no role `boss`; there are: owner, returns-lead"],
        ),
        (
            "an approval that passes by silence",
            "  - a: { call: 'approve:1.0.0@default', with: { question: x, approvers: { role: owner }, expires: PT1H, onExpiry: approve } }",
            &["3:105: error [function-with] \"reject\" was expected; see the functions: `approve` has a fixed form"],
        ),
        (
            "an answer that only a model could give",
            "  - a: { call: 'infer:1.0.0@default', with: { instruction: x, schema: {} } }",
            &[
                "3:39: warning [no-rung] only a model could answer this, and there may be none; name `rules` or a `template` that can answer when no model can",
            ],
        ),
        (
            "a retry for ever",
            "  - t: { try: [ { a: { set: { x: 1 } } } ], catch: { retry: { delay: PT1S } } }",
            &[
                "3:54: error [unbounded] a retry without a limit never ends; add `limit: { attempt: { count: 5 } }` or `limit: { duration: PT5M }`",
            ],
        ),
        (
            "no duration",
            "  - a: { wait: 5 minutes }",
            &["3:10: error [duration] `5 minutes` is no ISO 8601 duration; write `{ seconds: 5 }` or `PT5S`"],
        ),
        (
            "a broken schema",
            "  - a: { set: { x: 1 }, output: { schema: { document: { type: bananas } } } }",
            &["3:45: error [schema] cannot compile JSON schema at"],
        ),
    ];
    let mut wrong = Vec::new();
    for (what, tasks, expected) in cases {
        let found = findings(&with_tasks(tasks));
        let same = found.len() == expected.len() && found.iter().zip(*expected).all(|(f, e)| f.starts_with(e));
        if !same {
            wrong.push(format!("{what}\nfound:    {found:#?}\nexpected: {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_outer_parts_are_checked_too() {
    let head = "document: { dsl: '1.0.3', namespace: t, name: t, version: '1.0.0' }";
    let tasks = "do: [ { a: { set: { x: 1 } } } ]";
    let cases = [
        (format!("{tasks}\n"), vec!["1:1: error [missing-key] `document` is missing; add `document:`"]),
        (
            format!("document: {{ dsl: '2.0.0', namespace: t, name: t, version: '1' }}\n{tasks}\n"),
            vec![
                "1:13: error [dsl-version] version `2.0.0` of the DSL is not known; write one of 1.0.0, 1.0.1, 1.0.2, 1.0.3",
            ],
        ),
        (
            format!("document: {{ dsl: '1.0.3', namespace: t, name: t, version: 1.0 }}\n{tasks}\n"),
            vec!["1:50: error [type] `version` is not a text; write `version` in quotes"],
        ),
        (
            format!("{head}\ndo: []\n"),
            vec![
                "2:1: error [type] a list of tasks is expected here, with at least one; write a list: `- name: { … }`",
            ],
        ),
        (
            format!("{head}\n{tasks}\nschedule: {{ cron: '0 0 31 2 *' }}\n"),
            vec![
                "3:13: error [cron] `0 0 31 2 *` never comes; write minute, hour, day, month and weekday: `30 6 * * 1-5`",
            ],
        ),
        (
            format!("{head}\n{tasks}\ninput: {{ from: '${{ $context.x }}' }}\n"),
            vec!["3:10: error [variable] `$context` has no value here; there are here: $workflow, $runtime"],
        ),
        (
            "document: {a: 1, a: 2}\n".to_owned(),
            vec!["1:18: error [yaml] key `a` stands here twice; keep one of the two"],
        ),
        ("a: [1\n".to_owned(), vec!["1:4: error [yaml] unclosed bracket"]),
    ];
    for (text, expected) in cases {
        let found = findings(&text);
        let same = found.len() == expected.len() && found.iter().zip(&expected).all(|(f, e)| f.starts_with(e));
        assert!(same, "{text}\nfound:    {found:#?}\nexpected: {expected:#?}");
    }
}

#[test]
fn the_returns_playbook_needs_what_it_names() {
    let (playbook, findings) = check(TEXT, &Known::default());
    assert!(playbook.is_none());
    let rules: std::collections::BTreeSet<_> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules.into_iter().collect::<Vec<_>>(), ["unknown-name"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_validator_panic(text in "\\PC{0,200}") {
        let _ = check(&text, &known());
    }

    /// A real playbook with one line lost, doubled or cut short, or two lines changed about.
    #[test]
    fn no_damage_to_a_playbook_makes_the_validator_panic(line in 0_usize..220, how in 0_u8..4, cut in 0_usize..60) {
        let mut lines: Vec<String> = TEXT.lines().map(str::to_owned).collect();
        let at = line % lines.len();
        match how {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines[at] = lines[at].chars().take(cut).collect(),
            _ => {
                let other = (at + cut) % lines.len();
                lines.swap(at, other);
            }
        }
        let (playbook, findings) = check(&lines.join("\n"), &known());
        let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
        prop_assert_eq!(playbook.is_none(), refused);
        prop_assert!(findings.iter().all(|finding| finding.line > 0 && finding.column > 0 && !finding.fix.is_empty()));
    }
}
