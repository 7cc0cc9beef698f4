//! What is printed in a picture, as seen by two passes that make different mistakes.
//!
//! The *plain* pass takes the greys as they are; the *processed* pass averages neighbours, samples anew and draws the line between
//! black and white by another rule. A misreading that comes from noise or from a threshold rarely survives both.
//! Does not know what to believe: that is [`crate::scan`].

mod line;
mod linear;
mod matrix;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::format::{Format, hints};
use crate::picture::Picture;

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
    seen.retain(|s| formats.contains(&s.format) && s.format.accepts(&s.value));
    seen
}

fn shielded(look: impl FnOnce() -> Vec<Sighting>) -> Vec<Sighting> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
        tracing::warn!(engine = ENGINE, "the barcode engine panicked; this pass saw nothing");
        Vec::new()
    })
}
