//! The three numbers (latency, cost per action, failure rate) and the touches of people, over a window and as a trend.
//!
//! Pure: works on samples that the store hands in. Knows no clock; the caller names the window.

use serde::Serialize;
use sinew_contract::{Scope, Timestamp};

use crate::store::Sample;

/// Points of a trend.
const POINTS_MAX: usize = 100;

/// Which window to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthQuery {
    /// The tenant.
    pub scope: Scope,
    /// Only runs of this playbook.
    pub playbook: Option<String>,
    /// From here on, by the time at which runs began.
    pub since: Timestamp,
    /// Up to here, exclusive.
    pub until: Timestamp,
    /// How many points the trend has; 0 to 100.
    pub points: usize,
}

/// Two percentiles (nearest rank) of microseconds, and over how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Half are at most so long.
    pub p50_us: i64,
    /// 95 of 100 are at most so long.
    pub p95_us: i64,
    /// How many there were.
    pub count: u64,
}

/// The numbers of one window.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// Runs that began in the window.
    pub runs: u64,
    /// Of these, ended.
    pub ended: u64,
    /// Of these, ended with an error.
    pub faulted: u64,
    /// Acts of these runs that are not pure and have ended.
    pub acts: u64,
    /// Of these, done.
    pub acts_done: u64,
    /// Of these, failed or unknown. A refusal is not a failure: somebody said no and was heard.
    pub acts_failed: u64,
    /// From the trigger's own time to the first verdict; none without a sample.
    pub verdict: Option<Percentiles>,
    /// Millionths of the deployment's currency, all costs of these runs.
    pub cost_micros: i64,
    /// All costs over the acts done, rounded; none where none was done.
    pub cost_per_action_micros: Option<i64>,
    /// (faulted runs + failed acts) over (ended runs + ended acts), per mille, rounded; none where nothing has ended.
    pub failure_permille: Option<u32>,
    /// How often a person touched these runs.
    pub person_touches: u64,
    /// Touches per ended run, per mille, rounded; none where none has ended.
    pub touches_per_run_permille: Option<u32>,
    /// The window, from its first run on, cut into equal parts, oldest first.
    pub trend: Vec<TrendPoint>,
}

/// One part of the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TrendPoint {
    /// Where the part begins.
    pub from: Timestamp,
    /// Runs that began in it.
    pub runs: u64,
    /// See `Health::verdict`.
    pub verdict: Option<Percentiles>,
    /// See `Health::cost_per_action_micros`.
    pub cost_per_action_micros: Option<i64>,
    /// See `Health::failure_permille`.
    pub failure_permille: Option<u32>,
    /// See `Health::touches_per_run_permille`.
    pub touches_per_run_permille: Option<u32>,
}

/// Makes the numbers of a window from one sample per run that began in it.
pub(crate) fn of(samples: &[Sample], query: &HealthQuery) -> Health {
    let sum = Sum::of(samples);
    Health {
        runs: sum.runs,
        ended: sum.ended,
        faulted: sum.faulted,
        acts: sum.acts,
        acts_done: sum.acts_done,
        acts_failed: sum.acts_failed,
        verdict: percentiles(samples.iter().filter_map(|sample| sample.verdict_us).collect()),
        cost_micros: sum.cost_micros,
        cost_per_action_micros: sum.cost_per_action(),
        failure_permille: sum.failure(),
        person_touches: sum.touches,
        touches_per_run_permille: permille(sum.touches, sum.ended),
        trend: trend(samples, query),
    }
}

#[derive(Default)]
struct Sum {
    runs: u64,
    ended: u64,
    faulted: u64,
    acts: u64,
    acts_done: u64,
    acts_failed: u64,
    touches: u64,
    cost_micros: i64,
}

impl Sum {
    fn of<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        samples.into_iter().fold(Self::default(), |sum, sample| Self {
            runs: sum.runs + 1,
            ended: sum.ended + u64::from(sample.ended),
            faulted: sum.faulted + u64::from(sample.faulted),
            acts: sum.acts + sample.acts,
            acts_done: sum.acts_done + sample.acts_done,
            acts_failed: sum.acts_failed + sample.acts_failed,
            touches: sum.touches + sample.touches,
            cost_micros: sum.cost_micros.saturating_add(sample.cost_micros),
        })
    }

    fn cost_per_action(&self) -> Option<i64> {
        let done = i64::try_from(self.acts_done).ok().filter(|done| *done > 0)?;
        Some(self.cost_micros.saturating_add(done / 2) / done)
    }

    fn failure(&self) -> Option<u32> {
        permille(self.faulted + self.acts_failed, self.ended + self.acts)
    }
}

fn permille(part: u64, whole: u64) -> Option<u32> {
    let rounded = (part * 1000 + whole / 2).checked_div(whole)?;
    Some(u32::try_from(rounded).unwrap_or(u32::MAX))
}

/// Nearest rank: the smallest value such that at least so many of a hundred are not above it.
fn percentiles(mut values: Vec<i64>) -> Option<Percentiles> {
    values.sort_unstable();
    let rank = |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Percentiles { p50_us: rank(50)?, p95_us: rank(95)?, count: values.len() as u64 })
}

fn trend(samples: &[Sample], query: &HealthQuery) -> Vec<TrendPoint> {
    let points = query.points.min(POINTS_MAX);
    // A young house would have all its runs in one slice of the week: the line begins with the first of them.
    let first = samples.iter().map(|sample| sample.started_us).min().unwrap_or(query.since.0);
    let since = first.max(query.since.0);
    let span = i128::from(query.until.0) - i128::from(since);
    if points == 0 || span <= 0 {
        return Vec::new();
    }
    let edge = |n: usize| {
        let offset = span * n as i128 / points as i128;
        i64::try_from(i128::from(since) + offset).unwrap_or(i64::MAX)
    };
    (0..points).map(|n| point(samples, edge(n), edge(n + 1))).collect()
}

fn point(samples: &[Sample], from: i64, to: i64) -> TrendPoint {
    let within = || samples.iter().filter(|sample| (from..to).contains(&sample.started_us));
    let sum = Sum::of(within());
    TrendPoint {
        from: Timestamp(from),
        runs: sum.runs,
        verdict: percentiles(within().filter_map(|sample| sample.verdict_us).collect()),
        cost_per_action_micros: sum.cost_per_action(),
        failure_permille: sum.failure(),
        touches_per_run_permille: permille(sum.touches, sum.ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(points: usize) -> HealthQuery {
        HealthQuery { scope: Scope::main(), playbook: None, since: Timestamp(0), until: Timestamp(100), points }
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let check = |values: Vec<i64>, expected: Option<(i64, i64)>| {
            assert_eq!(percentiles(values).map(|p| (p.p50_us, p.p95_us)), expected);
        };
        check(vec![], None);
        check(vec![7], Some((7, 7)));
        check(vec![2, 1], Some((1, 2)));
        check((1..=100).rev().collect(), Some((50, 95)));
        check((1..=20).collect(), Some((10, 19)));
    }

    #[test]
    fn nothing_has_no_rate_rather_than_a_good_one() {
        let health = of(&[], &window(2));
        assert_eq!((health.failure_permille, health.cost_per_action_micros, health.verdict), (None, None, None));
        assert_eq!(health.touches_per_run_permille, None);
        assert_eq!(health.trend.len(), 2);
    }

    #[test]
    fn the_trend_of_a_young_house_begins_with_its_first_run() {
        let samples = [80, 85, 95].map(|started_us| Sample { started_us, ..Sample::default() });
        let trend: Vec<_> = of(&samples, &window(2)).trend.iter().map(|p| (p.from.0, p.runs)).collect();
        assert_eq!(trend, [(80, 2), (90, 1)]);
    }

    #[test]
    fn rates_count_ended_runs_and_ended_acts() {
        let done = Sample { ended: true, acts: 2, acts_done: 2, cost_micros: 30, touches: 1, ..Sample::default() };
        let bad = Sample { started_us: 60, ended: true, faulted: true, acts: 1, acts_failed: 1, ..Sample::default() };
        let open = Sample { started_us: 99, ..Sample::default() };
        let health = of(&[done, bad, open], &window(2));
        assert_eq!((health.runs, health.ended, health.faulted, health.acts_failed), (3, 2, 1, 1));
        assert_eq!(health.failure_permille, Some(400), "two of five");
        assert_eq!(health.cost_per_action_micros, Some(15));
        assert_eq!(health.touches_per_run_permille, Some(500));
        let trend: Vec<_> = health.trend.iter().map(|p| (p.from.0, p.runs, p.failure_permille)).collect();
        assert_eq!(trend, [(0, 1, Some(0)), (50, 2, Some(1000))]);
    }
}
