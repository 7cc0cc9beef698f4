//! Numbers over time: what goes in comes out, whatever was sealed, repeated, late or interrupted.

use std::path::Path;
use std::time::Duration;

use sinew_contract::{Bucket, ErrorKind, Sample, SampleRange, Samples, Scope, Timestamp};
use sinew_memory::series::{Retention, Series};

const SECOND: i64 = 1_000_000;
const START: i64 = 1_795_338_000 * SECOND;

fn open(path: &Path) -> Series {
    Series::open(path, Retention::default()).expect("it opens")
}

fn sample(series: &str, second: i64, value: f64) -> Sample {
    Sample { series: series.into(), at: Timestamp(START + second * SECOND), value }
}

fn whole(series: &str, step: Option<u64>) -> SampleRange {
    SampleRange {
        scope: Scope::main(),
        series: series.into(),
        from: Timestamp(START - 86_400 * SECOND),
        until: Timestamp(START + 40 * 86_400 * SECOND),
        step: step.map(Duration::from_secs),
        limit: 100_000,
    }
}

async fn take(series: &Series, samples: Vec<Sample>) -> (u64, u64, u64) {
    let taken = series.record(&Scope::main(), samples).await.expect("taken");
    (taken.kept, taken.late, taken.refused)
}

/// A value that a second decides, so that nothing needs to be remembered to check it.
fn value(second: i64) -> f64 {
    f64::from(i32::try_from(second.rem_euclid(977)).expect("small")) / 10.0 - 20.0
}

/// What the buckets of some seconds should be, by the slow way.
fn expected(seconds: &[i64], width: i64) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for second in seconds {
        let (at, value) = (START + second * SECOND, value(*second));
        let at = Timestamp(at - at.rem_euclid(width * SECOND));
        match buckets.last_mut().filter(|last| last.at == at) {
            Some(last) => {
                last.count += 1;
                (last.min, last.max) = (last.min.min(value), last.max.max(value));
                last.sum += value;
                last.last = value;
            }
            None => {
                buckets.push(Bucket { at, count: 1, min: value, max: value, sum: value, first: value, last: value });
            }
        }
    }
    buckets
}

fn close(found: &[Bucket], expected: &[Bucket]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        // A sum of sums is rounded at other places.
        assert!((found.sum - expected.sum).abs() < 1e-6 * (1.0 + expected.sum.abs()), "{found:?} {expected:?}");
        assert_eq!(Bucket { sum: 0.0, ..*found }, Bucket { sum: 0.0, ..*expected });
    }
}

#[tokio::test]
async fn every_point_comes_back_and_every_bucket_is_the_sum_of_its_points() {
    let folder = tempfile::tempdir().expect("there is room");
    let series = open(&folder.path().join("series.sqlite"));
    let seconds: Vec<i64> = (0..9_000).collect();
    for chunk in seconds.chunks(700) {
        let samples = chunk.iter().map(|second| sample("a", *second, value(*second))).collect();
        assert_eq!(take(&series, samples).await, (u64::try_from(chunk.len()).expect("small"), 0, 0));
    }
    let check = async |when: &str| {
        let points = series.range(whole("a", None)).await.expect("read");
        assert_eq!(points.len(), 9_000, "{when}");
        assert!(points.iter().zip(&seconds).all(|(point, second)| point.last == value(*second)), "{when}");
        for width in [1, 7, 60, 3_600, 86_400] {
            let found = series.range(whole("a", Some(u64::try_from(width).expect("small")))).await.expect("read");
            close(&found, &expected(&seconds, width));
        }
    };
    assert!(series.stats().await.expect("counted").sealed > 0, "some are sealed");
    check("half sealed").await;
    series.seal().await.expect("sealed");
    assert_eq!(series.stats().await.expect("counted").open, 0);
    check("all sealed").await;
    let part = SampleRange {
        from: Timestamp(START + 90 * SECOND),
        until: Timestamp(START + 5_000 * SECOND),
        ..whole("a", Some(60))
    };
    close(&series.range(part).await.expect("read"), &expected(&(90..5_000).collect::<Vec<_>>(), 60));
}

#[tokio::test]
async fn late_and_repeated_points_count_once_and_the_later_word_stands() {
    let folder = tempfile::tempdir().expect("there is room");
    let series = open(&folder.path().join("series.sqlite"));
    let all: Vec<Sample> = (0..3_000).map(|second| sample("a", second, 0.0)).collect();
    take(&series, all.clone()).await;
    series.seal().await.expect("sealed");
    // Again, with other numbers for some, and one in between that came late.
    take(&series, all).await;
    take(&series, (100..200).map(|second| sample("a", second, 7.0)).collect()).await;
    let late = Sample { at: Timestamp(START + SECOND / 2), ..sample("a", 0, 3.0) };
    take(&series, vec![late]).await;
    for _ in 0..2 {
        let points = series.range(whole("a", None)).await.expect("read");
        assert_eq!(points.len(), 3_001);
        assert_eq!(points.iter().filter(|point| point.last == 7.0).count(), 100);
        let day: Vec<Bucket> = series.range(whole("a", Some(86_400))).await.expect("read");
        assert_eq!(day.iter().map(|bucket| bucket.count).sum::<u64>(), 3_001);
        assert_eq!(day.iter().map(|bucket| bucket.sum).sum::<f64>(), 703.0);
        series.seal().await.expect("sealed");
    }
}

#[tokio::test]
async fn what_was_not_sealed_is_taken_up_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("series.sqlite");
    let mut seconds = Vec::new();
    for start in [0, 1_500, 3_000, 4_500] {
        let series = open(&path);
        for second in start..start + 1_500 {
            seconds.push(second);
            if second % 100 == 99 {
                let samples = seconds.iter().skip(seconds.len() - 100).map(|s| sample("a", *s, value(*s))).collect();
                take(&series, samples).await;
            }
        }
    }
    let series = open(&path);
    let points = series.range(whole("a", None)).await.expect("read");
    assert_eq!(
        points.iter().map(|point| point.last).collect::<Vec<_>>(),
        seconds.iter().map(|s| value(*s)).collect::<Vec<_>>()
    );
    let stats = series.stats().await.expect("counted");
    assert_eq!(stats.sealed + stats.open, 6_000, "no point stands twice");
}

#[tokio::test]
async fn old_points_go_by_tier_and_their_sums_stay() {
    let folder = tempfile::tempdir().expect("there is room");
    let series = open(&folder.path().join("series.sqlite"));
    let day = 86_400;
    // One a second for an hour, forty days ago; one a day since, which are as sparse as the widest tier.
    take(&series, (0..3_600).map(|second| sample("a", second, value(second))).collect()).await;
    series.seal().await.expect("sealed");
    take(&series, (1..40).map(|n| sample("sparse", n * day, 1.0)).collect()).await;
    series.seal().await.expect("sealed");
    let expired = series.expire(Timestamp(START + 40 * day * SECOND)).await.expect("expired");
    assert_eq!(expired.points, 3_600);
    assert!(series.range(whole("a", None)).await.expect("read").is_empty(), "points are gone");
    close(&series.range(whole("a", Some(60))).await.expect("read"), &expected(&(0..3_600).collect::<Vec<_>>(), 60));
    assert_eq!(series.range(whole("sparse", None)).await.expect("read").len(), 39);
    assert_eq!(series.stats().await.expect("counted").expired, 3_600);
    let (kept, late, _) = take(&series, vec![sample("a", 0, 1.0)]).await;
    assert_eq!((kept, late), (0, 1), "older than anything that is kept");
}

#[tokio::test]
async fn what_is_no_sample_is_refused_and_scopes_do_not_see_each_other() {
    let folder = tempfile::tempdir().expect("there is room");
    let series = open(&folder.path().join("series.sqlite"));
    let bad = vec![sample("", 0, 1.0), sample("a", 0, f64::NAN), sample("a\n", 0, 1.0), sample("a", 0, 1.0)];
    assert_eq!(take(&series, bad).await, (1, 0, 3));
    let other = SampleRange { scope: "tenant-2".parse().expect("plain"), ..whole("a", None) };
    assert_eq!(series.range(other).await.expect_err("it is not theirs").kind(), ErrorKind::Missing);
}

#[tokio::test]
async fn an_unknown_series_is_missing() {
    let folder = tempfile::tempdir().expect("there is room");
    let series = open(&folder.path().join("series.sqlite"));
    let failure = series.range(whole("nowhere", None)).await.expect_err("there is none");
    assert_eq!(failure.kind(), ErrorKind::Missing);
}
