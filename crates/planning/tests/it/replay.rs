//! The log is the truth: folding it again gives the same questions, and a log that says something else is found out.

use std::sync::Arc;

use serde_json::json;
use sinew_contract::{Digest, Entry, Record};
use sinew_planning::{Effect, Engine, Playbook, RunStatus};

use crate::returns::{Case, TEXT, cases, play};
use crate::world::{World, playbook, silence, with_tasks};

/// Folds a log into a fresh engine.
fn refold(playbook: &Arc<Playbook>, log: &[Entry]) -> (Engine, Vec<Effect>) {
    let mut engine = Engine::new([Arc::clone(playbook)]);
    let effects = log.iter().flat_map(|entry| engine.apply(entry)).collect();
    (engine, effects)
}

#[test]
fn killed_at_any_entry_and_folded_again_it_asks_the_same() {
    let playbook = playbook(TEXT);
    for (what, case, _, _) in cases() {
        let (world, _) = play(&playbook, case);
        let mut live = Engine::new([Arc::clone(&playbook)]);
        for (at, entry) in world.log.iter().enumerate() {
            let asked = live.apply(entry);
            let (mut again, _) = refold(&playbook, &world.log[..at]);
            assert_eq!(again.apply(entry), asked, "{what}: the next questions after entry {at}");
            assert_eq!(again.pending(), live.pending(), "{what}: what is open after entry {at}");
            assert_eq!(again.divergences(), [], "{what}");
        }
    }
}

#[test]
fn what_is_open_is_what_was_asked_and_not_answered() {
    let playbook = playbook(TEXT);
    let (world, _) = play(&playbook, Case::plain());
    let mut engine = Engine::new([Arc::clone(&playbook)]);
    let mut open: Vec<Effect> = Vec::new();
    for entry in &world.log {
        open.retain(|effect| !answers(&entry.record, effect));
        open.extend(engine.apply(entry));
        // Who ends waits for no timer.
        if open.iter().any(|effect| matches!(effect, Effect::End { .. })) {
            open.retain(|effect| !matches!(effect, Effect::Timer { .. }));
        }
        assert_eq!(engine.pending(), open, "after entry {}", entry.seq());
    }
}

fn answers(record: &Record, effect: &Effect) -> bool {
    match (record, effect) {
        (Record::Stepped(found), Effect::Note { stepped, .. }) => found == stepped,
        (Record::RunEnded(_), Effect::End { .. }) => true,
        (Record::Endorsed(_), _) => false,
        (record, effect) => effect.id().is_some() && record.effect() == effect.id(),
    }
}

#[test]
fn every_altered_step_is_found() {
    let playbook = playbook(TEXT);
    let (world, _) = play(&playbook, Case::plain());
    let steps = world.log.iter().enumerate().filter(|(_, entry)| matches!(entry.record, Record::Stepped(_)));
    let steps: Vec<usize> = steps.map(|(at, _)| at).collect();
    assert!(steps.len() > 10, "the playbook has tasks");
    for at in steps {
        let mut log = world.log.clone();
        if let Record::Stepped(stepped) = &mut log[at].record {
            stepped.output = Digest([9; 32]);
        }
        let (engine, _) = refold(&playbook, &log);
        let found = engine.divergences().first().expect("the alteration is found");
        assert_eq!(found.seq, log[at].seq(), "at the place of the alteration");
        assert!(found.expected.is_some() && found.found.is_some(), "both sides are told");
        assert_eq!(engine.pending(), [], "a run that diverged asks for nothing");
        assert_eq!(engine.runs().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::Diverged]);
    }
}

#[test]
fn other_contradictions_are_found_too() {
    let playbook = playbook(TEXT);
    let (world, _) = play(&playbook, Case::plain());
    let alter = |change: &dyn Fn(&mut Record) -> bool| {
        let mut log = world.log.clone();
        assert!(log.iter_mut().any(|entry| change(&mut entry.record)), "there is something to alter");
        refold(&playbook, &log).0.divergences().len()
    };
    let other_fact = |record: &mut Record| match record {
        Record::Remembered(fact) => {
            fact.content = json!("something else");
            true
        }
        _ => false,
    };
    let other_act = |record: &mut Record| match record {
        Record::Concluded(concluded) if concluded.capability.as_str() == "shop.refund" => {
            concluded.capability = crate::world::name("shop.message");
            true
        }
        _ => false,
    };
    let never_asked = |record: &mut Record| match record {
        Record::Recalled(recalled) => {
            recalled.effect.step = 99;
            true
        }
        _ => false,
    };
    let other_end = |record: &mut Record| match record {
        Record::RunEnded(ended) => {
            ended.end = sinew_contract::RunEnd::Cancelled { reason: "no".to_owned() };
            true
        }
        _ => false,
    };
    let other_playbook = |record: &mut Record| match record {
        Record::RunStarted(started) => {
            started.digest = Digest::ZERO;
            true
        }
        _ => false,
    };
    let changes: [&dyn Fn(&mut Record) -> bool; 5] =
        [&other_fact, &other_act, &never_asked, &other_end, &other_playbook];
    for (at, change) in changes.into_iter().enumerate() {
        assert_eq!(alter(change), 1, "alteration {at}");
    }
}

#[test]
fn another_input_leads_to_other_steps_and_is_found() {
    let playbook = playbook(&with_tasks("  - a: { set: { x: '${ .n }' } }"));
    let mut world = World::new(&playbook);
    world.run(&playbook, json!({ "n": 1 }), &mut silence);
    let mut log = world.log.clone();
    if let Record::RunStarted(started) = &mut log[0].record {
        started.input = json!({ "n": 2 });
    }
    assert_eq!(refold(&playbook, &log).0.divergences().len(), 1);
}
