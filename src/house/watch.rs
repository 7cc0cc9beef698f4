//! What one watches the house by, and stops it with.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use sinew_api::face::{Caller, Watch};
use sinew_api::views::{
    AuditView, Condition, EntryQuery, EntryRow, HealthView, Measure, Numbers, StopOrder, StopView, When,
};
use sinew_contract::{Draft, Entry, Expect, Failure, Follow, PrincipalId, Record, Seq, Stop, Timestamp};
use sinew_memory::{GateStatus, Health, HealthQuery};

use super::{Inside, words};

/// The window of the three numbers: a week.
const WINDOW_US: i64 = 7 * 86_400 * 1_000_000;
/// Points of a trend line.
const POINTS: usize = 24;
/// Entries that the stream reads at a time.
const STREAM_BATCH: usize = 64;

#[async_trait]
impl Watch for Inside {
    async fn health(&self) -> HealthView {
        let now = self.clock.now().wall;
        let numbers = self.numbers(now).await;
        let gates = self.memory.gates(&self.scope(), Some(GateStatus::Open), 1_000).await.unwrap_or_default();
        let totals = self.memory.totals(&self.scope()).await.unwrap_or_default();
        let stops = self.stops();
        let unknown = totals.acts.iter().filter(|a| a.outcome == "unknown").map(|a| a.count).sum();
        HealthView {
            condition: if stops.is_empty() { Condition::Ready } else { Condition::Stopped },
            reasons: stops.iter().map(|s| format!("stopped: {}", s.covers_words())).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tail: self.journal.tail().seq,
            since: When(self.since),
            numbers: numbers.unwrap_or_default(),
            gates_waiting: u64::try_from(gates.len()).unwrap_or(u64::MAX),
            oldest_gate: gates.iter().map(|g| g.opened).min().map(When),
            runs_open: totals.running + totals.waiting,
            acts_unknown: unknown,
            devices: Vec::new(),
            stops,
        }
    }

    async fn audit(&self) -> Result<AuditView, Failure> {
        let inside_tail = self.journal.tail();
        let last = self.audited.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(last.map_or_else(
            || AuditView {
                log: self.journal.id(),
                entries: inside_tail.seq,
                head: inside_tail.hash,
                ok: None,
                verified_to: Seq::ZERO,
                verified_at: None,
                problem: None,
            },
            |view| AuditView { entries: inside_tail.seq, head: inside_tail.hash, ..view },
        ))
    }

    async fn entries(&self, query: &EntryQuery) -> Result<Vec<EntryRow>, Failure> {
        let limit = usize::try_from(query.limit()).unwrap_or(50);
        let mut end = query.before.map_or(self.journal.tail().seq.0, |seq| seq.0.saturating_sub(1));
        let mut rows = Vec::new();
        while end > 0 && rows.len() < limit {
            let from = end.saturating_sub(255).max(1);
            let length = usize::try_from(end - from + 1).unwrap_or(256);
            let batch = self.journal.read(Seq(from), length)?;
            let wanted = |e: &&Arc<Entry>| query.run.is_none() || e.header.run == query.run;
            rows.extend(batch.iter().rev().filter(wanted).map(|e| words::row(e)));
            end = from - 1;
        }
        rows.truncate(limit);
        Ok(rows)
    }

    fn follow(&self, from: Seq) -> BoxStream<'static, Result<EntryRow, Failure>> {
        stream::unfold(Some(self.journal.follow(from)), next_batch).flat_map(stream::iter).boxed()
    }

    fn tail(&self) -> Seq {
        self.journal.tail().seq
    }

    fn stops(&self) -> Vec<StopView> {
        self.stops.views()
    }

    async fn halt(&self, order: &StopOrder, by: &Caller) -> Result<Vec<StopView>, Failure> {
        let stop = Stop { scope: order.scope.clone(), engaged: order.engaged, reason: order.reason.clone() };
        let latched = self.actuator.halt(&stop);
        let journaled = self.record_stop(stop, by.principal.clone()).await;
        latched?;
        // The latch holds whether or not the log could be written; a release, however, must be on record.
        if !order.engaged {
            journaled?;
        } else if let Err(failure) = journaled {
            tracing::error!(%failure, "stop holds but could not be journaled");
        }
        Ok(self.stops())
    }
}

/// The next rows of a follower; none after the log was closed or broke.
async fn next_batch(
    follower: Option<Box<dyn Follow>>,
) -> Option<(Vec<Result<EntryRow, Failure>>, Option<Box<dyn Follow>>)> {
    let mut follower = follower?;
    match follower.next(STREAM_BATCH).await {
        Ok(batch) => Some((batch.iter().map(|e| Ok(words::row(e))).collect(), Some(follower))),
        Err(failure) => Some((vec![Err(failure)], None)),
    }
}

impl Inside {
    /// Verifies the log on disk and keeps the answer for the page. Blocks; call it on a blocking thread.
    pub fn verify_now(&self) {
        let view = (self.verify)();
        *self.audited.lock().unwrap_or_else(PoisonError::into_inner) = Some(view);
    }

    /// Tells the log of a stop that was pressed or released.
    ///
    /// # Errors
    /// The log's; who pressed is known until the end of the process all the same.
    pub async fn record_stop(&self, stop: Stop, by: PrincipalId) -> Result<(), Failure> {
        self.stops.note(&stop, &by, self.clock.now().wall);
        self.journal.append(vec![Draft::new(by, Record::Stop(stop))], Expect::Anything).await?;
        Ok(())
    }

    async fn numbers(&self, now: Timestamp) -> Result<Numbers, Failure> {
        let query = HealthQuery {
            scope: self.scope(),
            playbook: None,
            since: Timestamp(now.0.saturating_sub(WINDOW_US)),
            until: Timestamp(now.0.saturating_add(1)),
            points: POINTS,
        };
        let health = self.memory.health(query).await?;
        Ok(self.measures(&health))
    }

    fn measures(&self, health: &Health) -> Numbers {
        let targets = &self.targets;
        let latency = |pick: fn(&sinew_memory::Percentiles) -> i64| health.verdict.as_ref().map(|p| millis(pick(p)));
        let trend = |pick: fn(&sinew_memory::Percentiles) -> i64| {
            health.trend.iter().filter_map(|t| t.verdict.as_ref()).map(|p| millis(pick(p))).collect()
        };
        let measure = |value, target, trend| Measure { value, target: Some(target), trend };
        let cost = |micros: Option<i64>| micros.map(|m| m as f64);
        Numbers {
            latency_p50_ms: measure(latency(|p| p.p50_us), targets.latency_p50_ms, trend(|p| p.p50_us)),
            latency_p95_ms: measure(latency(|p| p.p95_us), targets.latency_p95_ms, trend(|p| p.p95_us)),
            cost_per_action_micros: measure(
                cost(health.cost_per_action_micros),
                targets.cost_per_action_micros,
                health.trend.iter().filter_map(|t| cost(t.cost_per_action_micros)).collect(),
            ),
            failures_permille: measure(
                health.failure_permille.map(f64::from),
                targets.failures_permille,
                health.trend.iter().filter_map(|t| t.failure_permille.map(f64::from)).collect(),
            ),
            touches_per_return: measure(
                health.touches_per_run_permille.map(|t| f64::from(t) / 1_000.0),
                targets.touches_per_return,
                health
                    .trend
                    .iter()
                    .filter_map(|t| t.touches_per_run_permille)
                    .map(|t| f64::from(t) / 1_000.0)
                    .collect(),
            ),
            runs: health.runs,
            actions: health.acts,
        }
    }
}

fn millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}
