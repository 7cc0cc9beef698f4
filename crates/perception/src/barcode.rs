//! What is printed in a picture, as seen by two passes that make different mistakes.
//!
//! The *plain* pass takes the greys as they are; the *processed* pass averages neighbours, samples anew and draws the line between
//! black and white by another rule. A misreading that comes from noise or from a threshold rarely survives both.
//! Does not know what to believe: that is [`crate::scan`].

mod field;
mod line;
mod linear;
mod matrix;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::format::{Format, hints};
use crate::picture::Picture;
use field::{Bounds, Field};

/// Name and version of the engine behind both passes, as claims tell it.
pub const ENGINE: &str = "rxing 0.9.3";

/// Which of the two ways from greys to black and white.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pass {
    /// The greys as they are.
    Plain,
    /// Smoothed, sampled anew, and first thresholded by the rule that the plain pass does not use.
    Processed,
}

impl Pass {
    /// Both, the cheaper first.
    pub const BOTH: [Self; 2] = [Self::Plain, Self::Processed];

    /// The word in a claim's engine string.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Processed => "processed",
        }
    }
}

/// One value that one pass saw, with how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// The text of the code; it has passed its symbology's own checks.
    pub value: String,
    /// The symbology.
    pub format: Format,
    /// Who saw it.
    pub pass: Pass,
    /// On how many lines across the picture (linear codes), or in how many tries (matrix codes).
    pub count: u32,
    /// Corners in picture coordinates, clockwise from the code's own top left; empty when unknown.
    pub quad: Vec<[f32; 2]>,
}

impl Sighting {
    /// The upright box around its corners; none when they are unknown.
    fn bounds(&self) -> Option<Bounds> {
        let boxes = self.quad.iter().map(|p| Bounds { low: *p, high: *p });
        boxes.reduce(|a, b| Bounds {
            low: [a.low[0].min(b.low[0]), a.low[1].min(b.low[1])],
            high: [a.high[0].max(b.high[0]), a.high[1].max(b.high[1])],
        })
    }
}

/// How hard to look: each level costs more and is tried only when the one before has found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Upright, sideways and slightly tilted codes.
    Quick,
    /// Every angle, finer lines, other scales.
    Thorough,
}

/// Lists everything that either pass sees in `picture`, in a fixed order: same picture, same answer.
///
/// A panic inside the engine counts as having seen nothing.
pub fn sightings(picture: &Picture, formats: &[Format], effort: Effort) -> Vec<Sighting> {
    let (linear, matrix): (Vec<_>, Vec<_>) =
        Format::ALL.iter().filter(|f| formats.contains(f)).partition(|f| f.is_linear());
    let mut seen = Vec::new();
    if !linear.is_empty() {
        let hints = hints(linear);
        for pass in Pass::BOTH {
            seen.extend(shielded(|| linear::sightings(picture, &hints, pass, effort)));
        }
    }
    for format in matrix {
        for pass in Pass::BOTH {
            seen.extend(shielded(|| matrix::sightings(picture, format, pass, effort)));
        }
    }
    keep_accepted(&mut seen, formats);
    seen
}

/// The first look: only where codes may be. Cheap, in the same fixed order; what it does not find may be there all the same.
///
/// Linear codes are read across each place that is full of parallel bars, by both passes. Matrix codes are sought in what is busy
/// and not explained by a code already seen.
pub fn glance(picture: &Picture, formats: &[Format]) -> Vec<Sighting> {
    let field = Field::of(picture);
    let (linear, matrix): (Vec<_>, Vec<_>) =
        Format::ALL.iter().filter(|f| formats.contains(f)).partition(|f| f.is_linear());
    let mut seen = Vec::new();
    if !linear.is_empty() {
        let (hints, places) = (hints(linear), field.bars());
        for pass in Pass::BOTH {
            seen.extend(shielded(|| linear::glanced(picture, &hints, pass, &places)));
        }
        keep_accepted(&mut seen, formats);
    }
    let mut explained: Vec<Bounds> = seen.iter().filter(|s| s.count >= EXPLAINS).filter_map(Sighting::bounds).collect();
    for format in matrix {
        for place in widened(picture, field.unexplained(&explained)) {
            let found = shielded(|| matrix::glanced(picture, format, &place));
            explained.extend(found.iter().filter_map(Sighting::bounds));
            seen.extend(found);
        }
    }
    keep_accepted(&mut seen, formats);
    seen
}

/// Lines that must agree before a linear code explains why a place is busy.
const EXPLAINS: u32 = 3;

/// The places, or the whole picture where they cover most of it: looking once is cheaper.
fn widened(picture: &Picture, places: Vec<Bounds>) -> Vec<Bounds> {
    let whole = [picture.width() as f32, picture.height() as f32];
    let area =
        |b: &Bounds| (b.high[0].min(whole[0]) - b.low[0].max(0.0)) * (b.high[1].min(whole[1]) - b.low[1].max(0.0));
    if places.iter().map(area).sum::<f32>() < 0.6 * whole[0] * whole[1] {
        return places;
    }
    vec![Bounds { low: [0.0; 2], high: whole }]
}

fn keep_accepted(seen: &mut Vec<Sighting>, formats: &[Format]) {
    seen.retain(|s| formats.contains(&s.format) && s.format.accepts(&s.value));
}

fn shielded(look: impl FnOnce() -> Vec<Sighting>) -> Vec<Sighting> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
        tracing::warn!(engine = ENGINE, "the barcode engine panicked; this pass saw nothing");
        Vec::new()
    })
}
