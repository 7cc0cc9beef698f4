//! What each kind of task does (Open Workflow DSL 1.0), in tables.

use serde_json::{Value, json};
use sinew_contract::{Outcome, Record, RunEnd};
use sinew_planning::{Effect, RunStatus};

use crate::world::{World, cancel, concluded, done, error, in_words, output, playbook, refused, silence, with_tasks};

fn run(tasks: &str, input: Value) -> RunEnd {
    let playbook = playbook(&with_tasks(tasks));
    World::new(&playbook).run(&playbook, input, &mut silence)
}

#[test]
fn pure_tasks_give_what_the_standard_says() {
    let cases: &[(&str, &str, Value, Value)] = &[
        ("set replaces", "  - a: { set: { x: 1 } }\n  - b: { set: { y: '${ .x }' } }", json!({}), json!({ "y": 1 })),
        ("set by an expression", "  - a: { set: '${ .[1] }' }", json!([1, 2]), json!(2)),
        (
            "input.from filters, bare expressions too",
            "  - a: { input: { from: .user.id }, set: { id: '${ . }' } }",
            json!({ "user": { "id": "u1" } }),
            json!({ "id": "u1" }),
        ),
        (
            "output.as sees the raw output and the input",
            "  - a: { set: { x: 2 }, output: { as: '{ sum: (.x + $input.n) }' } }",
            json!({ "n": 3 }),
            json!({ "sum": 5 }),
        ),
        (
            "export sees the output and the context before",
            "  - a: { set: { x: 1 }, export: { as: '$context + { a: .x }' } }\n  - b: { set: { y: 2 }, export: { as: '$context + { b: $output.y }' } }\n  - c: { set: '${ $context }' }",
            json!({}),
            json!({ "a": 1, "b": 2 }),
        ),
        (
            "if skips, and its `then` with it",
            "  - a: { if: .n > 5, set: { big: true }, then: end }\n  - b: { set: { n: '${ .n }' } }",
            json!({ "n": 1 }),
            json!({ "n": 1 }),
        ),
        (
            "if runs",
            "  - a: { if: '${ .n > 5 }', set: { big: true }, then: end }\n  - b: { set: { n: 0 } }",
            json!({ "n": 9 }),
            json!({ "big": true }),
        ),
        (
            "switch takes the first case that holds",
            "  - s: { switch: [ { one: { when: .n == 1, then: a } }, { other: { then: b } } ] }\n  - a: { set: { went: a }, then: end }\n  - b: { set: { went: b } }",
            json!({ "n": 1 }),
            json!({ "went": "a" }),
        ),
        (
            "switch takes the default",
            "  - s: { switch: [ { one: { when: .n == 1, then: a } }, { other: { then: b } } ] }\n  - a: { set: { went: a }, then: end }\n  - b: { set: { went: b } }",
            json!({ "n": 2 }),
            json!({ "went": "b" }),
        ),
        (
            "a switch without a case that holds follows its own then",
            "  - s: { switch: [ { one: { when: .n == 1, then: a } } ], then: end }\n  - a: { set: { went: a } }",
            json!({ "n": 2 }),
            json!({ "n": 2 }),
        ),
        (
            "exit leaves the list, not the run",
            "  - l:\n      do:\n        - a: { set: { x: 1 }, then: exit }\n        - b: { set: { x: 2 } }\n  - c: { set: { y: '${ .x }' } }",
            json!({}),
            json!({ "y": 1 }),
        ),
        (
            "end ends the run from inside a list",
            "  - l:\n      do:\n        - a: { set: { x: 1 }, then: end }\n  - c: { set: { y: 2 } }",
            json!({}),
            json!({ "x": 1 }),
        ),
        (
            "then jumps backwards as long as a condition bounds it",
            "  - a: { set: { n: '${ .n + 1 }' } }\n  - s: { switch: [ { more: { when: .n < 5, then: a } }, { enough: { then: end } } ] }",
            json!({ "n": 0 }),
            json!({ "n": 5 }),
        ),
        (
            "an error is caught and named, with its place",
            "  - t:\n      try:\n        - r: { raise: { error: { type: 'urn:x', status: 418, title: Teapot } } }\n      catch:\n        as: err\n        do:\n          - h: { set: { e: '${ $err }' } }",
            json!({}),
            json!({ "e": { "type": "urn:x", "status": 418, "title": "Teapot", "instance": "/do/0/t/try/0/r" } }),
        ),
        (
            "a handler begins with the input of its try",
            "  - t:\n      try:\n        - a: { set: { lost: 1 } }\n        - r: { raise: { error: { type: 'urn:x', status: 418 } } }\n      catch: { do: [ { h: { set: '${ . }' } } ] }",
            json!({ "kept": 1 }),
            json!({ "kept": 1 }),
        ),
        (
            "a catch without a handler goes on with the input",
            "  - t:\n      try: [ { r: { raise: { error: { type: 'urn:x', status: 418 } } } } ]\n      catch: {}",
            json!({ "kept": 1 }),
            json!({ "kept": 1 }),
        ),
        (
            "an inner try that does not match leaves it to the outer",
            "  - o:\n      try:\n        - i:\n            try: [ { r: { raise: { error: { type: 'urn:x', status: 418 } } } } ]\n            catch: { errors: { with: { status: 500 } }, do: [ { h: { set: { by: inner } } } ] }\n      catch: { do: [ { h: { set: { by: outer } } } ] }",
            json!({}),
            json!({ "by": "outer" }),
        ),
        (
            "when and exceptWhen decide with the error at hand",
            "  - o:\n      try:\n        - i:\n            try: [ { r: { raise: { error: { type: 'urn:x', status: 418 } } } } ]\n            catch: { exceptWhen: $error.status == 418, do: [ { h: { set: { by: inner } } } ] }\n      catch: { when: '${ $error.status == 418 }', do: [ { h: { set: { by: outer } } } ] }",
            json!({}),
            json!({ "by": "outer" }),
        ),
        (
            "the context survives a caught error",
            "  - t:\n      try:\n        - a: { set: { x: 1 }, export: { as: '{ a: .x }' } }\n        - r: { raise: { error: { type: 'urn:x', status: 418 } } }\n      catch: { do: [ { h: { set: '${ $context }' } } ] }",
            json!({}),
            json!({ "a": 1 }),
        ),
        (
            "time and ids come from the journal",
            "  - a: { set: { id: '${ $workflow.id }', at: '${ $workflow.startedAt.iso8601 }', s: '${ $task.startedAt.epoch.seconds }', t: '${ $task.name }' } }",
            json!({}),
            json!({ "id": "r1-00000007", "at": "2026-11-22T10:00:01Z", "s": 1_795_341_601, "t": "a" }),
        ),
        (
            "a wait is an input that comes later",
            "  - w: { wait: { seconds: 5 } }\n  - a: { set: { x: '${ .x }' } }",
            json!({ "x": 1 }),
            json!({ "x": 1 }),
        ),
    ];
    for (what, tasks, input, expected) in cases {
        assert_eq!(output(run(tasks, input.clone())), *expected, "{what}");
    }
}

#[test]
fn what_goes_wrong_faults_with_the_kind_of_the_standard_and_the_place() {
    let cases = [
        (
            "  - r: { raise: { error: { type: 'urn:x', status: 418, title: Teapot } } }",
            json!({}),
            "urn:x",
            418,
            "/do/0/r",
        ),
        ("  - a: { set: { x: '${ .a.b }' } }", json!({ "a": 1 }), "expression", 400, "/do/0/a"),
        (
            "  - a: { set: { x: 1 }, output: { schema: { document: { type: string } } } }",
            json!({}),
            "validation",
            400,
            "/do/0/a",
        ),
        ("  - a: { wait: '${ .d }' }", json!({ "d": "soon" }), "validation", 400, "/do/0/a"),
        ("  - a: { set: '${ . }' }\n  - b: { set: '${ . }', then: a }", json!({}), "runtime", 500, "/do/1/b"),
        (
            "  - a: { call: 'recall:1.0.0@default', with: { store: x, query: '${ . }' } }",
            json!(7),
            "validation",
            400,
            "/do/0/a",
        ),
    ];
    for (tasks, input, kind, status, instance) in cases {
        let fault = error(run(tasks, input));
        let place = fault.instance.clone().unwrap_or_default();
        assert!(fault.error_type.ends_with(kind), "{tasks}: {fault:?}");
        assert_eq!(fault.status, status, "{tasks}");
        if kind != "runtime" {
            assert_eq!(place, instance, "{tasks}");
        }
    }
}

#[test]
fn a_retry_waits_as_its_backoff_says_and_gives_up_at_its_limit() {
    let get = "          - g: { call: http, with: { method: get, endpoint: 'https://h.example/x' } }";
    let tasks = format!(
        "  - t:\n      try:\n{}\n      catch:\n        errors: {{ with: {{ status: 503 }} }}\n        retry: {{ delay: {{ seconds: 10 }}, backoff: {{ linear: {{}} }}, limit: {{ attempt: {{ count: 3 }} }} }}\n        do: [ {{ h: {{ set: {{ gave: up }} }} }} ]",
        get.replacen("          ", "        ", 1)
    );
    let playbook = playbook(&with_tasks(&tasks));
    let mut world = World::new(&playbook);
    let busy =
        |effect: &Effect| vec![concluded(effect, Outcome::Failed { reason: "busy".to_owned(), retry_after_ms: None })];
    let end = world.run(&playbook, json!({}), &mut { busy });
    assert_eq!(output(end), json!({ "gave": "up" }));
    let due: Vec<i64> =
        world.asked.iter().filter_map(|e| if let Effect::Timer { due, .. } = e { Some(due.0) } else { None }).collect();
    // Asked a second after each look failed, which is a second after the pause before it.
    let gaps: Vec<i64> = due.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect();
    assert_eq!(gaps, [20 + 2, 30 + 2]);
}

#[test]
fn a_retry_never_waits_a_stop_out() {
    let tasks = "  - t:\n      try:\n        - g: { call: http, with: { method: get, endpoint: 'https://h.example/x' } }\n      catch:\n        retry: { delay: { seconds: 10 }, limit: { attempt: { count: 3 } } }\n        do: [ { h: { set: { gave: up } } } ]";
    let playbook = playbook(&with_tasks(tasks));
    let mut world = World::new(&playbook);
    let end = world.run(&playbook, json!({}), &mut |effect: &Effect| vec![concluded(effect, refused("stopped"))]);
    assert_eq!(output(end), json!({ "gave": "up" }));
    assert!(!world.asked.iter().any(|effect| matches!(effect, Effect::Timer { .. })), "{:?}", world.asked);
}

#[test]
fn a_look_over_http_gives_content_or_an_error_with_its_status() {
    let tasks = "  - g: { call: http, with: { method: GET, endpoint: { uri: 'https://h.example/pets/{id}' }, query: { q: '${ .q }' } } }";
    let playbook = playbook(&with_tasks(tasks));
    let cases = [
        (done(json!({ "status": 200, "content": { "ok": true } })), Ok(json!({ "ok": true }))),
        (done(json!({ "status": 404, "content": {} })), Err(404)),
        (Outcome::Failed { reason: "down".to_owned(), retry_after_ms: None }, Err(503)),
        (Outcome::Refused { by: "policy".to_owned(), reason: "host".to_owned() }, Err(403)),
    ];
    for (outcome, expected) in cases {
        let mut world = World::new(&playbook);
        let end = world
            .run(&playbook, json!({ "id": "a/b", "q": 7 }), &mut |effect| vec![concluded(effect, outcome.clone())]);
        let Effect::Act(ask) = &world.asked[0] else { panic!("an act is asked first") };
        assert_eq!(ask.wish.args, json!({ "uri": "https://h.example/pets/a%2Fb", "query": { "q": 7 } }));
        match expected {
            Ok(value) => assert_eq!(output(end), value),
            Err(status) => assert_eq!(error(end).status, status),
        }
    }
}

#[test]
fn every_passed_task_is_noted_in_order_with_the_branch_it_took() {
    let tasks = "  - s: { switch: [ { one: { when: .n == 1, then: l } } ] }\n  - x: { set: { no: 1 } }\n  - l: { do: [ { a: { set: { y: 1 } } } ] }";
    let playbook = playbook(&with_tasks(tasks));
    let mut world = World::new(&playbook);
    world.run(&playbook, json!({ "n": 1 }), &mut silence);
    let notes = world.asked.iter().filter_map(|effect| match effect {
        Effect::Note { stepped, .. } => Some((stepped.task.as_str(), stepped.went.as_deref())),
        _ => None,
    });
    let notes: Vec<_> = notes.collect();
    assert_eq!(notes, [("/do/0/s", Some("one")), ("/do/2/l/do/0/a", None), ("/do/2/l", None)]);
}

#[test]
fn a_cancelled_run_ends_once_and_hears_nothing_more() {
    let playbook = playbook(&with_tasks("  - a: { set: { x: 1 } }\n  - w: { wait: PT1H }"));
    let mut world = World::new(&playbook);
    let (run, effects) = world.start(&playbook, json!({}), None);
    assert_eq!(effects.iter().filter_map(in_words).collect::<Vec<_>>(), ["timer"]);
    let ends = world.append(None, cancel(run));
    assert_eq!(ends.iter().filter_map(in_words).collect::<Vec<_>>(), ["cancelled"]);
    assert_eq!(world.append(None, cancel(run)), [], "asked twice is once");
    let timer = effects.iter().find_map(Effect::id).expect("the timer has an id");
    let late = Record::TimerFired(sinew_contract::TimerFired { effect: timer });
    assert_eq!(world.append(None, late), [], "an answer that comes too late is not heard");
    world.settle(ends, &mut silence);
    assert_eq!(world.engine.run(run).map(|run| run.status), Some(RunStatus::Cancelled));
    assert_eq!(world.engine.divergences(), []);
}

#[test]
fn only_events_that_match_start_a_run() {
    let text = with_tasks("  - a: { set: '${ . }' }").replace(
        "do:\n",
        "schedule: { on: { any: [ { with: { type: sinew.scan.v1, data: { verdict: unread } } }, { with: { type: other.v1 } } ] } }\ndo:\n",
    );
    let playbook = playbook(&text);
    for (verdict, starts) in [("unread", 1), ("read", 0)] {
        let mut world = World::new(&playbook);
        world.append(None, Record::Event(crate::world::scan(verdict, &[])));
        let started = world.engine.starts(&world.log[0]);
        assert_eq!((started.len(), world.engine.unstarted().len()), (starts, starts), "{verdict}");
        if let Some((_, input)) = started.first() {
            assert_eq!(input[0]["type"], "sinew.scan.v1");
            assert_eq!(input[0]["time"], "2026-11-22T10:00:00Z");
            world.start(&playbook, input.clone(), Some(sinew_contract::Seq(1)));
            assert_eq!(world.engine.unstarted().len(), 0, "a run of it is there");
        }
    }
}
