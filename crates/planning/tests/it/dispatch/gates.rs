//! Gates: who may answer, what an answer is bound to, and what happens when nobody answers.

use std::time::Duration;

use sinew_contract::{Answer, Digest, ErrorKind, Outcome, Record, Verdict};
use sinew_planning::Reply as Card;

use super::bench::{Bench, GATE_LIFE, House, PAY, on_go};
use crate::world::{output, principal};

fn asks_first() -> Bench {
    Bench::new(&[on_go("p", PAY)]).judging(|request| if request.approved { Verdict::Run } else { Verdict::Ask })
}

/// One wish that waits at its gate.
async fn waiting() -> (Bench, House) {
    let bench = asks_first();
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("gate-opened", 1).await;
    (bench, house)
}

fn commands(bench: &Bench) -> usize {
    bench.hop.target().carried.len()
}

#[tokio::test]
async fn an_approval_is_decided_about_again_and_then_it_is_done() {
    let (bench, house) = waiting().await;
    house.approve().await;
    bench.until("run-ended", 1).await;
    house.down().await;
    let story = "event | run-started | decided gate-opened | approve | decided intended | done | stepped run-ended";
    assert_eq!(bench.story(), story);
    let approvals: Vec<_> = bench
        .journal
        .entries()
        .iter()
        .filter_map(|e| match &e.record {
            Record::Decided(decided) => Some((decided.request.approved, decided.approval.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!((approvals.as_slice(), commands(&bench)), ([(false, false), (true, true)].as_slice(), 1));
}

#[tokio::test]
async fn a_refusal_ends_it_without_a_command() {
    let (bench, house) = waiting().await;
    house.refuse().await;
    bench.until("run-ended", 1).await;
    house.down().await;
    let story = "event | run-started | decided gate-opened | refuse | refused-by-person | run-ended";
    assert_eq!((bench.story().as_str(), commands(&bench)), (story, 0));
}

#[tokio::test]
async fn nobody_answers_and_it_is_refused_when_its_time_is_over_also_after_a_restart() {
    for restart in [false, true] {
        let (mut bench, mut house) = waiting().await;
        bench.clock.advance(GATE_LIFE - Duration::from_secs(1));
        bench.quiet().await;
        assert_eq!(house.desk.open_gates().len(), 1);
        if restart {
            house.down().await;
            bench = bench.crashed();
            house = bench.up().await;
        }
        bench.clock.advance(Duration::from_secs(1));
        bench.until("run-ended", 1).await;
        house.down().await;
        assert!(bench.story().ends_with("refuse | refused-by-person | run-ended"), "{}", bench.story());
        assert_eq!(commands(&bench), 0);
    }
}

#[tokio::test]
async fn answers_that_do_not_count_are_refused_and_leave_the_gate_open() {
    let (bench, house) = waiting().await;
    let card = house.card().await;
    let cases = [
        (Card { roles: vec!["clerk".to_owned()], ..card.clone() }, ErrorKind::Denied),
        (Card { by: principal("person:eve"), ..card.clone() }, ErrorKind::Denied),
        (Card { digest: Digest([9; 32]), ..card.clone() }, ErrorKind::Conflict),
        (Card { gate: sinew_contract::GateId(sinew_contract::Seq(999)), ..card.clone() }, ErrorKind::Missing),
    ];
    for (bad, kind) in cases {
        let failure = house.desk.answer(bad).await.expect_err("it does not count");
        assert_eq!(failure.kind(), kind, "{failure}");
    }
    // The loop does not run between the two lines, so the gate is still open when the late answer comes.
    bench.clock.advance(GATE_LIFE);
    let failure = house.desk.answer(card).await.expect_err("too late");
    assert_eq!(failure.kind(), ErrorKind::Late);
    house.down().await;
    assert_eq!(commands(&bench), 0);
}

#[tokio::test]
async fn the_first_answer_counts_and_the_same_again_is_harmless() {
    let (bench, house) = waiting().await;
    bench.hop.close_door();
    let card = house.card().await;
    let both = tokio::join!(
        house.desk.answer(card.clone()),
        house.desk.answer(Card { answer: Answer::Refuse, by: principal("person:leo"), ..card.clone() })
    );
    assert!(both.0.is_ok(), "{both:?}");
    assert_eq!(both.1.expect_err("the gate is closed").kind(), ErrorKind::Conflict);
    house.desk.answer(card).await.expect("the same again");
    bench.hop.door.add_permits(1);
    bench.until("run-ended", 1).await;
    house.down().await;
    assert_eq!((bench.story().matches("approve").count(), commands(&bench)), (1, 1));
}

#[tokio::test]
async fn a_token_serves_one_act_and_the_second_asks_again() {
    let message = "{ call: 'act:1.0.0@default', with: { capability: shop.message, irreversible: true, args: { text: hi }, approval: '${ $context.token }', idempotencyKey: KEY } }";
    let tasks = format!(
        "  - ask: {{ call: 'approve:1.0.0@default', with: {{ question: 'Tell them?', proposal: {{ capability: shop.message, args: {{ text: hi }} }}, approvers: {{ role: returns-lead }}, expires: PT1M, onExpiry: reject }}, export: {{ as: '{{ token: .token }}' }} }}\n  - one: {}\n  - two: {}\n",
        message.replace("KEY", "m1"),
        message.replace("KEY", "m2")
    );
    let bench = Bench::new(&[on_go("p", &tasks)]).judging(|r| if r.approved { Verdict::Run } else { Verdict::Ask });
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("gate-opened", 1).await;
    house.approve().await;
    bench.until("gate-opened", 2).await;
    assert_eq!(commands(&bench), 1, "the token served the first");
    house.approve().await;
    bench.until("run-ended", 1).await;
    house.down().await;
    let story = "event | run-started | gate-opened | approve | stepped decided intended | done | \
                 stepped decided gate-opened | approve | decided intended | done | stepped run-ended";
    assert_eq!((bench.story().as_str(), commands(&bench)), (story, 2));
}

/// The second run wants the same thing under another key; policy would let it run.
async fn duplicated() -> (Bench, House) {
    let bench = Bench::new(&[on_go("p", PAY)]);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("run-ended", 1).await;
    bench.go("o1", "k2");
    bench.until("gate-opened", 1).await;
    (bench, house)
}

#[tokio::test]
async fn the_same_thing_again_is_asked_about_and_a_yes_gives_the_first_receipt() {
    let (bench, house) = duplicated().await;
    house.approve().await;
    bench.until("run-ended", 2).await;
    house.down().await;
    assert!(bench.story().ends_with("decided gate-opened | approve | done | stepped run-ended"), "{}", bench.story());
    let receipts: Vec<_> = bench.ends().into_iter().map(|end| output(end)["receipt"].clone()).collect();
    assert_eq!((&receipts[0], commands(&bench)), (&receipts[1], 1), "the same receipt, no second effect");
}

#[tokio::test]
async fn a_no_to_the_same_thing_again_is_a_refusal_as_duplicate() {
    let (bench, house) = duplicated().await;
    house.refuse().await;
    bench.until("run-ended", 2).await;
    house.down().await;
    let entries = bench.journal.entries();
    let last = entries.iter().rev().find_map(|e| match &e.record {
        Record::Concluded(concluded) => Some(concluded.outcome.clone()),
        _ => None,
    });
    assert!(matches!(last, Some(Outcome::Refused { by, .. }) if by == "duplicate"));
    assert_eq!(commands(&bench), 1);
}

#[tokio::test]
async fn the_gates_of_a_cancelled_run_close_with_it() {
    let (bench, house) = waiting().await;
    let card = house.card().await;
    house.desk.cancel(bench.first_run(), principal("person:mia"), "stop".to_owned()).await.expect("taken");
    bench.until("run-ended", 1).await;
    house.desk.catch_up().await.expect("it runs");
    assert!(house.desk.open_gates().is_empty());
    assert_eq!(house.desk.answer(card).await.expect_err("gone").kind(), ErrorKind::Missing);
    bench.clock.advance(GATE_LIFE);
    bench.quiet().await;
    house.down().await;
    assert!(bench.story().ends_with("cancel-asked | run-ended"), "{}", bench.story());
}

/// A playbook that wants two persons to agree.
const TWO: &str = "  - ask: { call: 'approve:1.0.0@default', with: { question: 'Shall we?', \
     approvers: { role: returns-lead, quorum: 2 }, expires: PT1H, onExpiry: reject } }\n";

#[tokio::test]
async fn a_gate_that_asks_for_two_opens_for_two_different_persons_and_one_no_closes_it() {
    let bench = Bench::new(&[on_go("p", TWO)]);
    let house = bench.up().await;
    bench.go("o1", "k1");
    bench.until("gate-opened", 1).await;
    let card = house.card().await;
    for _ in 0..2 {
        house.desk.answer(card.clone()).await.expect("a lead may, and twice is once");
        house.desk.catch_up().await.expect("it runs");
    }
    assert_eq!(house.desk.open_gates().len(), 1, "one person is not two");
    assert!(bench.story().ends_with("gate-opened | gate-voted"), "{}", bench.story());
    house.desk.answer(Card { by: principal("person:ben"), ..card }).await.expect("another lead may");
    bench.until("run-ended", 1).await;
    bench.go("o2", "k2");
    bench.until("gate-opened", 2).await;
    house.approve().await;
    house.desk.catch_up().await.expect("it runs");
    let no = Card { answer: Answer::Refuse, by: principal("person:ben"), ..house.card().await };
    house.desk.answer(no).await.expect("a lead may");
    bench.until("run-ended", 2).await;
    house.down().await;
    let decisions: Vec<_> = bench.ends().into_iter().map(|end| output(end)["decision"].clone()).collect();
    assert_eq!(decisions, ["approve", "reject"]);
}
