//! Linear codes: many lines across the picture, each read by itself; the count of lines that agree is the evidence.
//!
//! ```text
//! picture -> ruled lines (angles) -> black and white (by the pass's rule) -> engine, both directions -> sightings
//! ```

use rxing::common::BitArray;
use rxing::oned::{MultiFormatOneDReader, OneDReader};
use rxing::{DecodeHints, RXingResult};

use super::field::Bars;
use super::line::{Line, Ruling, across, ruled};
use super::{Effort, Pass, Sighting};
use crate::format::Format;
use crate::picture::Picture;

/// Most codes on one line: a label has two or three side by side.
const CODES_PER_LINE_MAX: usize = 4;

/// Everything that `pass` reads on lines across `picture`.
pub(super) fn sightings(picture: &Picture, hints: &DecodeHints, pass: Pass, effort: Effort) -> Vec<Sighting> {
    let mut seen = Seen::default();
    let mut reader = MultiFormatOneDReader::new(hints);
    for degrees in angles(effort) {
        for line in ruled(picture, ruling(picture, *degrees, pass, effort)) {
            for part in parts(line, pass, effort) {
                let Some(bits) = binarised(&part, pass, PARTS_OF_PICTURE) else { continue };
                read_line(&mut reader, hints, &part, &bits, |found| seen.add(found, pass));
            }
        }
    }
    seen.into_sightings()
}

/// Lines across one place that is full of bars.
const LINES_PER_PLACE: i16 = 15;

/// Everything that `pass` reads across `places`.
pub(super) fn glanced(picture: &Picture, hints: &DecodeHints, pass: Pass, places: &[Bars]) -> Vec<Sighting> {
    let mut seen = Seen::default();
    let mut reader = MultiFormatOneDReader::new(hints);
    for bars in places {
        for line in across(picture, bars, ruling(picture, 0.0, pass, Effort::Quick), LINES_PER_PLACE) {
            let Some(bits) = binarised(&line, pass, PARTS_OF_PLACE) else { continue };
            read_line(&mut reader, hints, &line, &bits, |found| seen.add(found, pass));
        }
    }
    seen.into_sightings()
}

/// A line crosses all bars of a code when they differ by less than the angle of its height over its width: some 18 degrees for a long
/// label. The first look leaves no wider gap, so that a second code askew is not overlooked.
const fn angles(effort: Effort) -> &'static [f32] {
    match effort {
        Effort::Quick => &[0.0, 90.0, 22.0, -22.0, 45.0, -45.0, 68.0, -68.0],
        Effort::Thorough => {
            &[0.0, 90.0, 8.0, -8.0, 20.0, -20.0, 33.0, -33.0, 45.0, -45.0, 57.0, -57.0, 70.0, -70.0, 80.0, -80.0]
        }
    }
}

fn ruling(picture: &Picture, degrees: f32, pass: Pass, effort: Effort) -> Ruling {
    let lines = match effort {
        Effort::Quick => 48.0,
        Effort::Thorough => 96.0,
    };
    let side = picture.width().min(picture.height()) as f32;
    let spacing = (side / lines).max(1.0);
    match pass {
        Pass::Plain => Ruling { degrees, spacing, step: 1.0, thickness: 1 },
        Pass::Processed => Ruling { degrees, spacing, step: 0.5, thickness: 3 },
    }
}

/// The whole line; where a histogram decides, also overlapping parts of it, in which a dark table no longer outweighs the bars.
fn parts(line: Line, pass: Pass, effort: Effort) -> Vec<Line> {
    if (pass, effort) != (Pass::Plain, Effort::Thorough) {
        return vec![line];
    }
    let sixth = line.len() / 6;
    let parts = [0, sixth, 2 * sixth].map(|from| line.part(from, 4 * sixth));
    std::iter::once(line).chain(parts).collect()
}

/// A local threshold looks over one part in `parts` of the line, wider than the widest bar.
fn binarised(line: &Line, pass: Pass, parts: usize) -> Option<BitArray> {
    match pass {
        Pass::Plain => line.binarised_by_histogram(),
        Pass::Processed => Some(line.binarised_locally((line.len() / parts).max(16))),
    }
}

/// A line across the whole picture: a code fills a quarter of it, or more.
const PARTS_OF_PICTURE: usize = 40;
/// A line across one place: a code fills most of it.
const PARTS_OF_PLACE: usize = 16;

/// One code on one line.
struct Found {
    value: String,
    format: Format,
    ends: [[f32; 2]; 2],
}

/// Reads `bits` from left to right, and, where that gave nothing, from right to left.
fn read_line(
    reader: &mut MultiFormatOneDReader,
    hints: &DecodeHints,
    line: &Line,
    bits: &BitArray,
    mut report: impl FnMut(Found),
) {
    for backward in [false, true] {
        let mut row = bits.clone();
        if backward {
            row.reverse();
        }
        let mut count = 0;
        while count < CODES_PER_LINE_MAX {
            let Ok(result) = reader.decode_row(0, &row, hints) else { break };
            let Some((from, to)) = extent(&result) else { break };
            if let Some(format) = Format::of_engine(*result.getBarcodeFormat()) {
                let last = line.len() as f32 - 1.0;
                let [from, to] = if backward { [last - from, last - to] } else { [from, to] };
                let ends = [line.point(from), line.point(to)];
                report(Found { value: result.getText().to_owned(), format, ends });
            }
            count += 1;
            blank_up_to(&mut row, to);
        }
        if count > 0 {
            return;
        }
    }
}

fn extent(result: &RXingResult) -> Option<(f32, f32)> {
    let xs = result.getPoints().iter().map(|p| p.x);
    let (from, to) = xs.fold((f32::MAX, f32::MIN), |(a, b), x| (a.min(x), b.max(x)));
    (to > from).then_some((from, to))
}

/// Paints white what lies left of `to`, so that the next code on the line can be found.
fn blank_up_to(row: &mut BitArray, to: f32) {
    let to = (to.max(0.0) as usize + 1).min(row.get_size());
    for at in 0..to {
        if row.get(at) {
            row.unset(at);
        }
    }
}

/// Sightings in the order in which their values first appeared.
#[derive(Default)]
struct Seen(Vec<(Sighting, Vec<[[f32; 2]; 2]>)>);

impl Seen {
    fn add(&mut self, found: Found, pass: Pass) {
        let known = self.0.iter_mut().find(|(s, _)| s.value == found.value && s.format == found.format);
        if let Some((sighting, ends)) = known {
            sighting.count += 1;
            ends.push(found.ends);
            return;
        }
        let sighting = Sighting { value: found.value, format: found.format, pass, count: 1, quad: Vec::new() };
        self.0.push((sighting, vec![found.ends]));
    }

    fn into_sightings(self) -> Vec<Sighting> {
        let finish = |(mut sighting, ends): (Sighting, Vec<[[f32; 2]; 2]>)| {
            sighting.quad = quad(&ends);
            sighting
        };
        self.0.into_iter().map(finish).collect()
    }
}

/// The corners around lines that cross one code: the two outermost lines, joined.
///
/// "Outermost" is measured across the direction of the first line, which crosses the code somewhere in its middle.
fn quad(ends: &[[[f32; 2]; 2]]) -> Vec<[f32; 2]> {
    let Some([a, b]) = ends.first() else { return Vec::new() };
    let across = [-(b[1] - a[1]), b[0] - a[0]];
    let height = |ends: &&[[f32; 2]; 2]| {
        let middle = [ends[0][0] + ends[1][0], ends[0][1] + ends[1][1]];
        middle[0] * across[0] + middle[1] * across[1]
    };
    let top = ends.iter().min_by(|a, b| height(a).total_cmp(&height(b)));
    let bottom = ends.iter().max_by(|a, b| height(a).total_cmp(&height(b)));
    match (top, bottom) {
        (Some([a, b]), Some([d, c])) => vec![*a, *b, *c, *d],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quad_joins_the_outermost_lines_clockwise() {
        let line = |y: f32| [[10.0, y], [90.0, y]];
        let corners = quad(&[line(50.0), line(40.0), line(60.0)]);
        assert_eq!(corners, vec![[10.0, 40.0], [90.0, 40.0], [90.0, 60.0], [10.0, 60.0]]);
        assert!(quad(&[]).is_empty());
    }
}
