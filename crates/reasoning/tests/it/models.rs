//! Models as rungs: who answers, what is repaired, what climbs, and that every call stands in the log.

use std::time::Duration;

use serde_json::json;
use sinew_contract::{ErrorKind, Kept, Record};

use crate::house::{House, question, said, two};
use crate::upstream::{Say, Upstream};

const GOOD: &str = "{\"action\":\"hold\"}";

async fn pair(first: Vec<Say>, second: Vec<Say>) -> (Upstream, Upstream) {
    (Upstream::new(first).await, Upstream::new(second).await)
}

fn ok(text: &str) -> Say {
    Say::json(&said(text))
}

#[tokio::test]
async fn the_first_model_answers_and_its_call_stands_in_the_log_raw() {
    let (one, other) = pair(vec![ok(GOOD)], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    let proposal = house.answer(&question(1)).await.expect("it answers");
    assert_eq!((proposal.rung.as_str(), proposal.value), ("one/first", json!({"action": "hold"})));
    // 100 in at one, 10 out at two millionths.
    assert_eq!((proposal.cost.tokens, proposal.cost.micros), (110, 120));
    let calls = house.calls();
    let [call] = calls.as_slice() else { panic!("one call, not {}", calls.len()) };
    assert_eq!(
        (call.route.as_str(), call.ended.as_str(), call.attempt, call.answered),
        ("one/first", "answered", 1, true)
    );
    assert_eq!(call.request, Kept::Text(one.asked()[0].body.to_string()));
    assert_eq!(call.response, Kept::Text(said(GOOD).to_string()));
    assert_eq!(call.asked, proposal.asked);
    assert!(call.drawn_tokens >= call.tokens_in + call.tokens_out && call.drawn_micros >= call.cost.micros);
    assert!(other.asked().is_empty());
    let log = format!("{:?}", house.journal.entries());
    assert!(!log.contains("secret-of"), "a key never stands in the log");
    assert!(one.asked()[0].head.contains("Bearer secret-of-env:ONE"));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_repaired_once_with_the_findings() {
    let (one, other) = pair(vec![ok("{\"action\":\"explode\"}"), ok(GOOD)], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    assert_eq!(house.answer(&question(1)).await.expect("repaired").rung, "one/first");
    let asked = one.asked();
    let last = asked[1].body["messages"].as_array().expect("turns").last().expect("a turn").to_string();
    assert!(last.contains("/action") && asked.len() == 2, "{last}");
    let ended: Vec<_> = house.calls().into_iter().map(|call| (call.ended, call.answered)).collect();
    assert_eq!(ended, [("invalid".to_owned(), false), ("answered".to_owned(), true)]);
}

#[tokio::test]
async fn the_same_answer_that_does_not_fit_twice_stops_all_models() {
    let (one, other) = pair(vec![ok("I cannot say.")], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    let failure = house.answer(&question(1)).await.expect_err("no template is named");
    assert!(failure.to_string().contains("came twice"), "{failure}");
    assert_eq!((one.asked().len(), other.asked().len()), (2, 0));

    let (one, other) = pair(vec![ok("no"), ok("nor that")], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    assert_eq!(house.answer(&question(1)).await.expect("the other model").rung, "two/second");
    assert_eq!((one.asked().len(), other.asked().len()), (2, 1));
}

#[tokio::test]
async fn every_fault_climbs_and_is_charged_for_what_it_may_have_used() {
    let slow = Say::After(Duration::from_secs(60), Box::new(Say::HangUp));
    let cut = json!({"choices": [{"message": {"content": GOOD}, "finish_reason": "length"}]});
    let refused = json!({"choices": [{"message": {"content": null, "refusal": "no"}, "finish_reason": "stop"}]});
    let rows = [
        (Say::fault(429, &[("retry-after", "60")], "{}"), "rate-limited", 0),
        (Say::fault(503, &[], "{}"), "overloaded", 0),
        (Say::fault(401, &[], "{}"), "auth", 0),
        (Say::fault(200, &[], "{\"choi"), "invalid", 100),
        (Say::HangUp, "cut", 100),
        (Say::json(&cut), "cut", 1),
        (Say::json(&refused), "refused", 1),
        (slow, "timeout", 100),
    ];
    for (say, word, tokens_out_min) in rows {
        let (one, other) = pair(vec![say], vec![ok(GOOD)]).await;
        let config = two(&one.url(), &other.url(), "").replacen("5s", "200ms", 1);
        let house = House::new(&config).await;
        assert_eq!(house.answer(&question(1)).await.expect("the other model").rung, "two/second", "{word}");
        let calls = house.calls();
        assert_eq!((calls[0].ended.as_str(), calls[0].answered), (word, false));
        assert!(calls[0].tokens_out >= tokens_out_min, "{word}: {}", calls[0].tokens_out);
        assert_eq!(calls[0].estimated, tokens_out_min > 0, "{word}");
    }
}

#[tokio::test]
async fn a_provider_is_left_alone_for_as_long_as_it_asked() {
    let limited = Say::fault(429, &[("retry-after", "60")], "{}");
    let (one, other) = pair(vec![limited, ok(GOOD)], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    for step in 1..4 {
        assert_eq!(house.answer(&question(step)).await.expect("the other").rung, "two/second");
    }
    assert_eq!(one.asked().len(), 1);
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(house.answer(&question(4)).await.expect("it is back").rung, "one/first");
}

#[tokio::test]
async fn a_short_wait_that_a_provider_asks_for_is_kept() {
    let limited = Say::fault(429, &[("retry-after-ms", "20")], "{}");
    let (one, other) = pair(vec![limited, ok(GOOD)], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    assert_eq!(house.answer(&question(1)).await.expect("it waits").rung, "one/first");
    assert_eq!((one.asked().len(), other.asked().len()), (2, 0));
}

#[tokio::test]
async fn with_all_models_down_the_template_answers_and_a_critical_question_alerts() {
    let down = || vec![Say::fault(503, &[], "{}")];
    let (one, other) = pair(down(), down()).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    let mut ask = question(1);
    (ask.schema, ask.template) = (json!({"type": "object"}), Some("letter".to_owned()));
    assert_eq!(house.answer(&ask).await.expect("the template").rung, "template");
    let alerts = |house: &House| {
        house
            .journal
            .entries()
            .iter()
            .filter(|e| matches!(&e.record, Record::Event(e) if e.event_type == sinew_reasoning::LOW_RUNG))
            .count()
    };
    assert_eq!(alerts(&house), 0, "nobody is woken for what is not critical");
    ask.more.critical = true;
    ask.effect.step = 2;
    house.answer(&ask).await.expect("the template");
    assert_eq!(alerts(&house), 1);
    ask.template = None;
    assert_eq!(house.answer(&ask).await.expect_err("nothing is left").kind(), ErrorKind::Missing);
    assert_eq!(alerts(&house), 2);
}

#[tokio::test]
async fn a_question_may_name_its_model_and_its_checks() {
    let (one, other) = pair(vec![ok(GOOD)], vec![ok(GOOD), ok("{\"action\":\"refund\"}")]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    let mut ask = question(1);
    ask.more.model = Some("second".to_owned());
    ask.more.checks = json!({"test": [{"that": ".value.action == \"refund\"", "else": "it must be a refund"}]});
    let proposal = house.answer(&ask).await.expect("repaired");
    assert_eq!((proposal.rung.as_str(), proposal.value), ("two/second", json!({"action": "refund"})));
    ask.more.model = Some("none".to_owned());
    assert_eq!(house.answer(&ask).await.expect_err("no such model").kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn the_very_same_question_is_answered_from_the_cache_while_it_is_fresh() {
    let (one, other) = pair(vec![ok(GOOD)], vec![ok(GOOD)]).await;
    let config = two(&one.url(), &other.url(), "").replacen("id = \"first-1\"", "id = \"first-1\"\ncache = \"10m\"", 1);
    let house = House::new(&config).await;
    let first = house.answer(&question(1)).await.expect("it answers");
    let again = house.answer(&question(1)).await.expect("it is kept");
    assert_eq!((again.value, again.because, again.cost.micros), (first.value, vec!["cache".to_owned()], 0));
    let mut other_state = question(1);
    other_state.inputs["n"] = json!(31);
    house.answer(&other_state).await.expect("another state is another question");
    house.clock.advance(Duration::from_secs(600));
    house.answer(&question(1)).await.expect("it is stale");
    assert_eq!(one.asked().len(), 3);
}

#[tokio::test]
async fn long_bodies_lie_in_the_blob_store() {
    use sinew_contract::Blobs;
    let (one, other) = pair(vec![ok(GOOD)], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    let mut ask = question(1);
    ask.inputs["text"] = json!("x".repeat(20_000));
    house.answer(&ask).await.expect("it answers");
    let Kept::Blob(blob) = &house.calls()[0].request else { panic!("it is long") };
    assert_eq!(house.blobs.get(blob.digest).await.expect("it is kept"), one.asked()[0].body.to_string());
}

/// Each answer of one conversation comes from another provider; all of them see all of it.
#[tokio::test]
async fn a_conversation_goes_on_with_another_provider() {
    let (one, other) = pair(vec![ok(GOOD), Say::fault(503, &[], "")], vec![ok(GOOD)]).await;
    let house = House::new(&two(&one.url(), &other.url(), "")).await;
    let mut turns = vec![json!({"by": "user", "text": "My parcel is broken."})];
    for (step, rung) in [(1, "one/first"), (2, "two/second"), (3, "two/second")] {
        let mut ask = question(step);
        ask.more.conversation = json!({"turns": turns});
        let proposal = house.answer(&ask).await.expect("it answers");
        assert_eq!(proposal.rung, rung);
        turns.push(json!({"by": "model", "text": proposal.value.to_string()}));
        turns.push(json!({"by": "user", "text": format!("And {step}?")}));
    }
    let last = other.asked().last().expect("it was asked").body["messages"].to_string();
    for part in ["My parcel is broken.", "And 1?", "And 2?", "question 3"] {
        assert!(last.contains(part), "{last}");
    }
}
