//! Deaths of the real process: at every boundary of the log and of the last hop, and by `kill -9` at any moment. After
//! each, the hub is started again on the same data, and the shop's ledger must be that of an undisturbed history.
//!
//! Knows the shop, the API and the exit codes; the hub itself is a black box.

mod boundaries;
mod history;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::judge::deeds;
use crate::support::story::expected;
use crate::support::{deep, seed, text};
use history::{Death, Plan, Told};

/// Every way that a return can go, in as few photographs as that takes.
const FILES: [&str; 6] = [
    "02-code128.jpg",
    "10-same-parcel.jpg",
    "12-above-limit.jpg",
    "13-above-limit-refused.jpg",
    "14-no-code.jpg",
    "16-discontinued.jpg",
];
/// Histories that are lived at the same time: one per core of a small machine.
const SIDE_BY_SIDE: usize = 2;
/// Hubs that are killed one after the other in one history.
const KILLS_PER_HISTORY: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn undisturbed_the_ledger_is_what_the_samples_call_for() {
    let expected = expected();
    let files: Vec<_> = expected.iter().map(|sample| text(sample, "file")).collect();
    let told = Plan::quiet(&files, 3).live(None).await;
    let done = deeds(&told.ledger);
    let mut wrong = told.wrong;
    for (rma, should) in called_for(&expected) {
        let is = done.get(&rma).into_iter().flatten().map(|(action, fate, _)| (action.clone(), fate.clone()));
        let is: Vec<_> = is.collect();
        if is != should {
            wrong.push(format!("{rma}: {is:?} and should be {should:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("undisturbed: {} photographs, {} calls, {} returns", files.len(), told.ledger.len(), done.len());
}

/// What the samples call for, per return: action and fate, in order.
fn called_for(expected: &[Value]) -> Vec<(String, Vec<(String, String)>)> {
    let word = |effect: &Value, name| text(effect, name).to_owned();
    let of = |sample: &Value| {
        let effects = sample["effects"].as_array().into_iter().flatten();
        effects.map(|effect| (word(effect, "action"), word(effect, "applied"))).collect::<Vec<_>>()
    };
    let named = expected.iter().filter(|sample| !of(sample).is_empty());
    named.map(|sample| (text(sample, "rma").to_owned(), of(sample))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_at_any_boundary_changes_nothing() {
    abort_everywhere(&[json!({})]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_at_any_boundary_changes_nothing_even_where_the_shop_honours_no_key() {
    abort_everywhere(&foul_weather()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_moment_changes_nothing() {
    kill_often(&[json!({})]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_at_any_moment_changes_nothing_even_where_the_shop_honours_no_key() {
    kill_often(&foul_weather()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foul_weather_alone_changes_nothing() {
    let undisturbed = quiet().await;
    let plans = foul_weather().into_iter().map(|weather| Plan { weather, ..Plan::quiet(&FILES, 3) });
    let wrong: Vec<_> = live_all(plans, &undisturbed).await.into_iter().flat_map(|(_, told)| told.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The judge finds a build that sends again what it does not know. The mutant that skips the sync shows itself on the
/// simulated disk alone, in the journal's own suite: a process that dies loses nothing that the kernel has.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutant_that_retries_blindly_is_found() {
    let undisturbed = quiet().await;
    let weather = json!({ "unguarded": true, "lose_reply_every": 3 });
    let mutant = Plan { weather, always: vec!["mutant:blind-retry".to_owned()], ..Plan::quiet(&FILES, 1) };
    let told = mutant.live(Some(&deeds(&undisturbed.ledger))).await;
    let doubled = told.wrong.iter().filter(|line| line.starts_with("doubled")).count();
    assert!(doubled > 0, "the judge found nothing: {:#?}", told.wrong);
    println!("the mutant was found: {doubled} times doubled; {:?}", told.kinds);
}

/// A shop that honours no key, in every weather that a network has.
fn foul_weather() -> Vec<Value> {
    [
        json!({}),
        json!({ "lose_reply_every": 3 }),
        json!({ "lose_request_every": 4 }),
        json!({ "busy_every": 3, "retry_after_s": 1 }),
        json!({ "slow_ms": 40 }),
        json!({ "lose_reply_every": 4, "lose_request_every": 5, "busy_every": 7, "slow_ms": 10 }),
    ]
    .map(|mut weather| {
        weather["unguarded"] = json!(true);
        weather
    })
    .into()
}

/// Aborts at every boundary that a quiet history passes, and holds that each was hit.
async fn abort_everywhere(weather: &[Value]) {
    let (seed, mut chance) = chance();
    let undisturbed = quiet().await;
    let plans = plans_of_aborts(&undisturbed, weather, &mut chance);
    let first = plans.iter().filter_map(|plan| plan.deaths.first()).filter_map(boundary);
    let mut hits: BTreeMap<_, _> = first.map(|boundary| (boundary.to_owned(), 0)).collect();
    let lived = live_all(plans, &undisturbed).await;
    for boundary in lived.iter().flat_map(|(plan, told)| came_about(plan, told)).filter_map(boundary) {
        *hits.entry(boundary.to_owned()).or_default() += 1;
    }
    println!("seed {seed}: {} histories, {} aborts", lived.len(), hits.values().sum::<usize>());
    hits.iter().for_each(|(boundary, hits)| println!("  {boundary:<36} {hits}"));
    let wrong: Vec<_> = lived.into_iter().flat_map(|(_, told)| told.wrong).collect();
    let missed: Vec<_> = hits.iter().filter(|(_, hits)| **hits == 0).collect();
    assert!(wrong.is_empty() && missed.is_empty(), "never hit: {missed:?}; wrong: {wrong:#?}");
}

/// For each boundary a history whose first hub dies there, and whose second dies at any other, if it gets so far. At the
/// first passing of each; at the first three, where the full counts are wanted.
fn plans_of_aborts(undisturbed: &Told, weather: &[Value], chance: &mut StdRng) -> Vec<Plan> {
    let all = boundaries::passed(&undisturbed.kinds, 1);
    let mut plan = |boundary: &str, nth: usize, outage: bool| {
        let again = &all[chance.random_range(0..all.len())];
        let deaths = vec![fault(boundary, nth), fault(again, chance.random_range(1..4))];
        let weather = weather[chance.random_range(0..weather.len())].clone();
        Plan { files: some(chance), crowd: 1, deaths, weather, outage, always: Vec::new() }
    };
    let rounds = 1..=if deep() { 3 } else { 1 };
    let timers: Vec<_> = boundaries::of_timers().iter().map(|boundary| plan(boundary, 1, true)).collect();
    let quiet = rounds.flat_map(|nth| boundaries::passed(&undisturbed.kinds, nth).into_iter().map(move |b| (b, nth)));
    timers.into_iter().chain(quiet.map(|(boundary, nth)| plan(&boundary, nth, false))).collect()
}

fn fault(boundary: &str, nth: usize) -> Death {
    Death::At(format!("{boundary}:{nth}"))
}

/// The boundary at which a hub was to die, without the number that says at which passing.
fn boundary(death: &Death) -> Option<&str> {
    match death {
        Death::At(fault) => fault.rsplit_once(':').map(|(boundary, _)| boundary),
        Death::After(_) => None,
    }
}

/// Kills at moments drawn over the time that a quiet history takes, until enough of them came before all rested.
async fn kill_often(weather: &[Value]) {
    let (seed, mut chance) = chance();
    let undisturbed = quiet().await;
    let wanted = if deep() { 100 } else { 12 };
    let (mut kills, mut histories, mut wrong) = (0, 0, Vec::new());
    while kills < wanted {
        let mut plan = || {
            let span = undisturbed.took.as_micros();
            let mut moment = || Death::After(Duration::from_micros(chance.random_range(0..span as u64)));
            let deaths = (0..KILLS_PER_HISTORY).map(|_| moment()).collect();
            let weather = weather[histories % weather.len()].clone();
            histories += 1;
            Plan { files: some(&mut chance), crowd: 3, deaths, weather, outage: false, always: Vec::new() }
        };
        let plans: Vec<_> = (0..SIDE_BY_SIDE).map(|_| plan()).collect();
        for (plan, told) in live_all(plans, &undisturbed).await {
            kills += came_about(&plan, &told).count();
            wrong.extend(told.wrong);
        }
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    }
    println!("seed {seed}: {histories} histories, {kills} kills over {:?}", undisturbed.took);
}

/// A history in which nothing happens, to compare with.
async fn quiet() -> Told {
    let told = Plan::quiet(&FILES, 1).live(None).await;
    assert!(told.wrong.is_empty(), "{:#?}", told.wrong);
    told
}

/// Lives through all of them, two at a time.
async fn live_all(plans: impl IntoIterator<Item = Plan>, undisturbed: &Told) -> Vec<(Plan, Told)> {
    let should = deeds(&undisturbed.ledger);
    let live = |plan: Plan| {
        let should = should.clone();
        async move {
            let told = plan.live(Some(&should)).await;
            (plan, told)
        }
    };
    stream::iter(plans).map(live).buffer_unordered(SIDE_BY_SIDE).collect().await
}

/// The deaths of a plan that came about.
fn came_about<'a>(plan: &'a Plan, told: &'a Told) -> impl Iterator<Item = &'a Death> {
    plan.deaths.iter().zip(&told.died).filter_map(|(death, died)| died.then_some(death))
}

fn chance() -> (u64, StdRng) {
    let seed = seed();
    println!("seed {seed}; the same again with SINEW_SEED={seed}");
    (seed, StdRng::seed_from_u64(seed))
}

/// Four of the photographs in any order; each such four has a refund, a message and a question to a person in it. All
/// of them, where the full counts are wanted.
fn some(chance: &mut StdRng) -> Vec<String> {
    let mut files = FILES.map(str::to_owned).to_vec();
    files.shuffle(chance);
    files.truncate(if deep() { FILES.len() } else { 4 });
    files
}
