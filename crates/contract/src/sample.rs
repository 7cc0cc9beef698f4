//! Telemetry: numbers over time, on their way past the log. Bounded, may drop; never the truth.
//!
//! Does not know how they are stored or thinned out: `sinew-memory` keeps them, drivers and perception offer them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::{Scope, Timestamp};

/// One number of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which series, as in `dock-1/temperature` or `pump{side="left"}`; at most 512 bytes.
    pub series: Arc<str>,
    /// When it was measured.
    pub at: Timestamp,
    /// In the series' own unit; finite.
    pub value: f64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Kept.
    pub kept: u64,
    /// Dropped, since they are older than anything that is kept.
    pub late: u64,
    /// Refused: not finite, or a series without a proper name.
    pub refused: u64,
}

/// A question about one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRange {
    /// The tenant.
    pub scope: Scope,
    /// Which series.
    pub series: Arc<str>,
    /// From here on.
    pub from: Timestamp,
    /// Up to here, exclusive.
    pub until: Timestamp,
    /// Width of one bucket, aligned to the epoch; none gives every point as a bucket of its own.
    pub step: Option<Duration>,
    /// At most so many buckets, the earliest.
    pub limit: usize,
}

/// What the points of one stretch of time come to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bucket {
    /// Where it begins; a point's own time where no step was asked for.
    pub at: Timestamp,
    /// How many points.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// Their sum.
    pub sum: f64,
    /// The earliest.
    pub first: f64,
    /// The latest.
    pub last: f64,
}
