//! Matrix codes: the engine's detectors on the whole picture, again on what is left after painting over what was found.

use rxing::common::{GlobalHistogramBinarizer, HybridBinarizer};
use rxing::{BinaryBitmap, DecodeHints, Luma8LuminanceSource, MultiFormatReader, RXingResult, Reader};

use super::field::Bounds;
use super::{Effort, Pass, Sighting};
use crate::format::{Format, hints};
use crate::picture::Picture;

/// Most codes of one symbology in one picture.
const CODES_MAX: usize = 4;

/// Everything of `format` that `pass` reads in `picture`.
pub(super) fn sightings(picture: &Picture, format: Format, pass: Pass, effort: Effort) -> Vec<Sighting> {
    let hints = hints([format]);
    let mut seen: Vec<Sighting> = Vec::new();
    for attempt in attempts(pass, effort) {
        let mut view = prepared(picture, pass, attempt.shrink);
        while seen.len() < CODES_MAX {
            let Some(result) = read(&view, &hints, attempt.rule) else { break };
            let points: Vec<[f32; 2]> = result.getPoints().iter().map(|p| [p.x, p.y]).collect();
            let Some(corners) = corners(&points) else { break };
            view = painted_over(&view, &corners);
            let scale = attempt.shrink as f32;
            let quad = corners.map(|[x, y]| [x * scale, y * scale]).to_vec();
            seen.push(Sighting { value: result.getText().to_owned(), format, pass, count: 1, quad });
        }
        if !seen.is_empty() {
            break;
        }
    }
    seen
}

/// Everything of `format` in `place`: what the plain pass finds there, the processed pass looks at too.
pub(super) fn glanced(picture: &Picture, format: Format, place: &Bounds) -> Vec<Sighting> {
    let low = place.low.map(|v| v.max(0.0) as u32);
    let size = [0, 1].map(|i| (place.high[i].max(0.0) as u32).saturating_sub(low[i]));
    let Some(view) = picture.cropped(low, size) else { return Vec::new() };
    let mut seen = sightings(&view, format, Pass::Plain, Effort::Quick);
    if !seen.is_empty() {
        seen.extend(sightings(&view, format, Pass::Processed, Effort::Quick));
    }
    for corner in seen.iter_mut().flat_map(|s| s.quad.iter_mut()) {
        *corner = [corner[0] + low[0] as f32, corner[1] + low[1] as f32];
    }
    seen
}

/// How the engine draws the line between black and white.
#[derive(Clone, Copy)]
enum Rule {
    /// By the mean of blocks of 8 x 8: follows the light.
    Blocks,
    /// By one valley in the histogram of the whole picture: not misled by grain.
    Histogram,
}

/// One way to look at the picture.
#[derive(Clone, Copy)]
struct Attempt {
    shrink: u32,
    rule: Rule,
}

/// The ways of a pass, the cheapest first; smaller views forgive noise and blur.
const fn attempts(pass: Pass, effort: Effort) -> &'static [Attempt] {
    use Rule::{Blocks, Histogram};
    match (pass, effort) {
        (Pass::Plain, Effort::Quick) => &[Attempt { shrink: 1, rule: Blocks }],
        (Pass::Processed, Effort::Quick) => &[Attempt { shrink: 1, rule: Histogram }],
        (Pass::Plain, Effort::Thorough) => &[Attempt { shrink: 2, rule: Blocks }, Attempt { shrink: 3, rule: Blocks }],
        (Pass::Processed, Effort::Thorough) => &[
            Attempt { shrink: 2, rule: Histogram },
            Attempt { shrink: 3, rule: Histogram },
            Attempt { shrink: 1, rule: Blocks },
        ],
    }
}

fn prepared(picture: &Picture, pass: Pass, shrink: u32) -> Picture {
    let view = picture.shrunk(shrink);
    match pass {
        Pass::Plain => view,
        Pass::Processed => smoothed(&view),
    }
}

fn read(view: &Picture, hints: &DecodeHints, rule: Rule) -> Option<RXingResult> {
    let source = Luma8LuminanceSource::new(view.luma().to_vec(), view.width(), view.height()).ok()?;
    let mut reader = MultiFormatReader::default();
    match rule {
        Rule::Blocks => reader.decode_with_hints(&mut BinaryBitmap::new(HybridBinarizer::new(source)), hints).ok(),
        Rule::Histogram => {
            reader.decode_with_hints(&mut BinaryBitmap::new(GlobalHistogramBinarizer::new(source)), hints).ok()
        }
    }
}

/// Each pixel becomes the weighted mean of its 3 x 3 neighbourhood (1-2-1 in both directions).
fn smoothed(view: &Picture) -> Picture {
    let width = view.width() as usize;
    let rows: Vec<u8> = view.luma().chunks(width).flat_map(smoothed_row).collect();
    let above = |i: usize| rows.get(i.wrapping_sub(width)).or(rows.get(i)).copied().unwrap_or(0);
    let below = |i: usize| rows.get(i + width).or(rows.get(i)).copied().unwrap_or(0);
    let luma = rows.iter().enumerate().map(|(i, v)| weighted(above(i), *v, below(i))).collect();
    Picture::from_luma(view.width(), view.height(), luma).unwrap_or_else(|| view.clone())
}

fn smoothed_row(row: &[u8]) -> Vec<u8> {
    let at = |i: usize| row.get(i).copied();
    (0..row.len())
        .filter_map(|i| at(i).map(|v| weighted(at(i.wrapping_sub(1)).unwrap_or(v), v, at(i + 1).unwrap_or(v))))
        .collect()
}

const fn weighted(before: u8, here: u8, after: u8) -> u8 {
    ((before as u16 + 2 * here as u16 + after as u16) / 4) as u8
}

/// The corners of the box around the points, grown by a sixth: finder centres lie inside the code.
fn corners(points: &[[f32; 2]]) -> Option<[[f32; 2]; 4]> {
    let first = points.first()?;
    let grow = |(low, high): ([f32; 2], [f32; 2]), p: &[f32; 2]| {
        ([low[0].min(p[0]), low[1].min(p[1])], [high[0].max(p[0]), high[1].max(p[1])])
    };
    let (low, high) = points.iter().fold((*first, *first), grow);
    let margin = (high[0] - low[0]).max(high[1] - low[1]) / 6.0;
    let (low, high) = (low.map(|v| v - margin), high.map(|v| v + margin));
    Some([low, [high[0], low[1]], high, [low[0], high[1]]])
}

fn painted_over(view: &Picture, corners: &[[f32; 2]; 4]) -> Picture {
    let [low, _, high, _] = corners;
    let width = view.width() as usize;
    let inside = |i: usize| {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        x >= low[0] && x <= high[0] && y >= low[1] && y <= high[1]
    };
    let luma = view.luma().iter().enumerate().map(|(i, v)| if inside(i) { 255 } else { *v }).collect();
    Picture::from_luma(view.width(), view.height(), luma).unwrap_or_else(|| view.clone())
}
