//! The simulated plant: it moves by its law, refuses what is out of range, does nothing twice, and its faults repeat by seed.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_contract::*;

use crate::common::{World, folder, world};

fn plant(world: &World, more: &Value) -> std::sync::Arc<dyn Device> {
    let mut file = json!({ "id": "belt", "driver": "sim", "kind": "conveyor", "delay": "0ms" });
    let members = more.as_object().into_iter().flatten();
    members.for_each(|(name, value)| file[name] = value.clone());
    world.open(&file)
}

fn set(world: &World, key: &str, speed: &Value) -> Command {
    let operation = json!({ "property": "speed", "value": "/speed" });
    Command { key: key.to_owned(), ..world.command(operation, json!({ "speed": speed })) }
}

async fn speed(world: &World, device: &dyn Device) -> f64 {
    let read = device.read(&json!({ "property": "speed" }), &json!({}), world.deadline()).await;
    read.expect("it answers").as_f64().expect("a number")
}

#[tokio::test]
async fn a_belt_gains_speed_and_does_nothing_twice_for_one_key() {
    let folder = folder();
    let world = world(1, folder.path());
    let belt = plant(&world, &json!({}));
    let first = belt.write(&set(&world, "k-1", &json!(2.0))).await.expect("it is told");
    world.clock.advance(Duration::from_millis(1_500));
    assert!((speed(&world, belt.as_ref()).await - 1.5).abs() < 1e-6);
    belt.write(&set(&world, "k-2", &json!(0.5))).await.expect("it is told");
    assert_eq!(belt.write(&set(&world, "k-1", &json!(2.0))).await.expect("known"), first);
    world.clock.advance(Duration::from_secs(10));
    assert!((speed(&world, belt.as_ref()).await - 0.5).abs() < 1e-9, "the second word stands");
}

#[tokio::test]
async fn what_is_out_of_range_late_or_no_number_moves_nothing() {
    let folder = folder();
    let world = world(1, folder.path());
    let belt = plant(&world, &json!({}));
    for wrong in [json!(3.1), json!(-0.1)] {
        assert!(matches!(belt.write(&set(&world, "k", &wrong)).await, Ok(Reply::Refused(_))), "{wrong}");
    }
    for wrong in [json!("2"), json!(null)] {
        assert_eq!(belt.write(&set(&world, "k", &wrong)).await.expect_err("no number").kind(), ErrorKind::Invalid);
    }
    let late = set(&world, "k", &json!(1));
    world.clock.advance(Duration::from_secs(60));
    assert!(matches!(belt.write(&late).await, Ok(Reply::Refused(_))));
    assert!(speed(&world, belt.as_ref()).await.abs() < 1e-9);
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_by_its_key_and_the_same_seed_loses_the_same() {
    let folder = folder();
    let world = world(1, folder.path());
    let history = async || {
        let belt = plant(&world, &json!({ "refused-permille": 200, "lost-permille": 300, "seed": 7 }));
        let mut words = Vec::new();
        for number in 0..50 {
            let key = format!("k-{number}");
            let word = match belt.write(&set(&world, &key, &json!(1))).await {
                Ok(Reply::Accepted(_)) => "done",
                Ok(_) => "refused",
                Err(_) => "lost",
            };
            let asked = belt.read(&json!({ "done": "{key}" }), &json!({ "key": key }), world.deadline()).await;
            assert_eq!(asked.is_ok(), word != "refused", "{key}: {word}");
            words.push(word);
        }
        words
    };
    let first = history().await;
    assert_eq!(history().await, first);
    for word in ["done", "refused", "lost"] {
        assert!(first.contains(&word), "{word} never happened");
    }
}
