//! Straight lines across a picture, at any angle, as rows of grey and of black and white.
//!
//! Knows geometry and thresholds, no symbology.

use rxing::Binarizer;
use rxing::Luma8LuminanceSource;
use rxing::common::{BitArray, GlobalHistogramBinarizer};

use super::field::Bars;
use crate::picture::Picture;

/// Greys along a straight line, and where in the picture each of them lies.
pub(super) struct Line {
    origin: [f32; 2],
    step: [f32; 2],
    luma: Vec<u8>,
}

impl Line {
    /// The point of the picture at sample `at`.
    pub(super) fn point(&self, at: f32) -> [f32; 2] {
        [self.origin[0] + self.step[0] * at, self.origin[1] + self.step[1] * at]
    }

    /// How many samples.
    pub(super) fn len(&self) -> usize {
        self.luma.len()
    }

    /// The part from sample `from` on, at most `len` samples long.
    pub(super) fn part(&self, from: usize, len: usize) -> Self {
        let luma = self.luma.iter().skip(from).take(len).copied().collect();
        Self { origin: self.point(from as f32), step: self.step, luma }
    }

    /// Black where darker than the valley of this line's own histogram, lightly sharpened: the engine's rule.
    pub(super) fn binarised_by_histogram(&self) -> Option<BitArray> {
        let width = u32::try_from(self.luma.len()).ok()?;
        let source = Luma8LuminanceSource::new(self.luma.clone(), width, 1).ok()?;
        let binarizer = GlobalHistogramBinarizer::new(source);
        binarizer.get_black_row(0).ok().map(std::borrow::Cow::into_owned)
    }

    /// Black where darker than the middle between the extremes nearby: follows shadows, glare and blur.
    pub(super) fn binarised_locally(&self, reach: usize) -> BitArray {
        let reach = reach.max(1);
        let mut bits = BitArray::with_size(self.luma.len());
        for (block, threshold) in thresholds(&self.luma, reach).into_iter().enumerate() {
            let values = self.luma.iter().enumerate().skip(block * reach).take(reach);
            for (at, _) in values.filter(|(_, v)| **v < threshold) {
                bits.set(at);
            }
        }
        bits
    }
}

/// For each block of `reach` values the middle between the extremes of it and its neighbours; 0 where there are no bars.
fn thresholds(values: &[u8], reach: usize) -> Vec<u8> {
    let wider = |(a, b): (u8, u8), (c, d): (u8, u8)| (a.min(c), b.max(d));
    let of_block = |block: &[u8]| block.iter().map(|v| (*v, *v)).reduce(wider).unwrap_or((0, 0));
    let blocks: Vec<(u8, u8)> = values.chunks(reach).map(of_block).collect();
    let around = |block: usize| {
        let near = blocks.iter().skip(block.saturating_sub(1)).take(if block == 0 { 2 } else { 3 });
        near.copied().reduce(wider).unwrap_or((0, 0))
    };
    // 24: below this contrast there is paper, not bars.
    let threshold = |(low, high): (u8, u8)| if high - low >= 24 { low.midpoint(high) } else { 0 };
    (0..blocks.len()).map(|block| threshold(around(block))).collect()
}

/// How a picture is ruled with lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ruling {
    /// Direction in degrees, clockwise from left to right.
    pub(super) degrees: f32,
    /// Pixels between neighbouring lines.
    pub(super) spacing: f32,
    /// Pixels between samples of one line.
    pub(super) step: f32,
    /// How many parallel lines, one pixel apart, are averaged into one.
    pub(super) thickness: u8,
}

/// Rules `picture` with parallel lines, from the middle outward.
pub(super) fn ruled<'a>(picture: &'a Picture, ruling: Ruling) -> impl Iterator<Item = Line> + 'a {
    let (sin, cos) = ruling.degrees.to_radians().sin_cos();
    let half = [picture.width() as f32 / 2.0, picture.height() as f32 / 2.0];
    let reach = half[0] * sin.abs() + half[1] * cos.abs();
    let count = (reach / ruling.spacing) as i32;
    (0..=2 * count).filter_map(move |n| {
        let offset = ((n + 1) / 2) as f32 * ruling.spacing * if n % 2 == 0 { 1.0 } else { -1.0 };
        let through = [half[0] - sin * offset, half[1] + cos * offset];
        sample(picture, through, [cos, sin], ruling, f32::INFINITY)
    })
}

/// Rules `count` lines across `bars`, from the middle outward, with room for the quiet zones on both sides.
pub(super) fn across<'a>(
    picture: &'a Picture,
    bars: &Bars,
    ruling: Ruling,
    count: i16,
) -> impl Iterator<Item = Line> + 'a {
    let Bars { centre, direction, reach, height } = *bars;
    let room = reach * 1.3 + 24.0;
    (0..count).filter_map(move |n| {
        let side = if n % 2 == 0 { 1.0 } else { -1.0 };
        let offset = f32::from((n + 1) / 2) * side * 2.0 * height / f32::from(count + 1);
        let through = [centre[0] - direction[1] * offset, centre[1] + direction[0] * offset];
        sample(picture, through, direction, ruling, room)
    })
}

/// The part of a line that lies in the picture and not further than `room` from `through`.
fn sample(picture: &Picture, through: [f32; 2], direction: [f32; 2], ruling: Ruling, room: f32) -> Option<Line> {
    let (from, to) = clip(picture, through, direction)?;
    let (from, to) = (from.max(-room), to.min(room));
    let count = ((to - from) / ruling.step) as usize;
    // 64: no linear code that can be told from noise is narrower than this.
    if count < 64 {
        return None;
    }
    let origin = [through[0] + direction[0] * from, through[1] + direction[1] * from];
    let step = direction.map(|d| d * ruling.step);
    let aside = [-direction[1], direction[0]];
    let middle = f32::from(ruling.thickness.saturating_sub(1)) / 2.0;
    let mut sums = vec![0u16; count];
    for n in 0..ruling.thickness {
        let by = f32::from(n) - middle;
        add_samples(picture, [origin[0] + aside[0] * by, origin[1] + aside[1] * by], step, &mut sums);
    }
    let thickness = u16::from(ruling.thickness.max(1));
    let luma = sums.into_iter().map(|sum| u8::try_from(sum / thickness).unwrap_or(u8::MAX)).collect();
    Some(Line { origin, step, luma })
}

/// Adds to each of `sums` the grey between the four pixels around the next point; outside the picture its edge goes on.
///
/// Half of a scan's time is spent here: coordinates are 16.16 fixed point, so that a sample is a few whole-number steps.
fn add_samples(picture: &Picture, from: [f32; 2], step: [f32; 2], sums: &mut [u16]) {
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    if width < 2 || height < 2 {
        return;
    }
    let fixed = |v: f32| (v * 65_536.0) as i64;
    let ([mut x, mut y], [dx, dy]) = (from.map(fixed), step.map(fixed));
    let (x_last, y_last) = (((width - 1) << 16) - 1, ((height - 1) << 16) - 1);
    for sum in sums {
        let (cx, cy) = (x.clamp(0, x_last), y.clamp(0, y_last));
        let at = ((cy >> 16) * width + (cx >> 16)) as usize;
        let (fx, fy) = ((cx >> 8) as u32 & 255, (cy >> 8) as u32 & 255);
        let (upper, lower) = (pair(picture, at, fx), pair(picture, at + width as usize, fx));
        *sum += ((upper * (256 - fy) + lower * fy + (1 << 15)) >> 16) as u16;
        x += dx;
        y += dy;
    }
}

/// 256 times the grey between a pixel and its right neighbour, `part` 256ths of the way.
fn pair(picture: &Picture, at: usize, part: u32) -> u32 {
    match picture.luma().get(at..at + 2) {
        Some([a, b]) => u32::from(*a) * (256 - part) + u32::from(*b) * part,
        _ => 255 * 256,
    }
}

/// The part of the line that lies in the picture, as distances from `through`.
fn clip(picture: &Picture, through: [f32; 2], direction: [f32; 2]) -> Option<(f32, f32)> {
    let (mut from, mut to) = (f32::MIN, f32::MAX);
    for ((at, d), size) in through.into_iter().zip(direction).zip([picture.width(), picture.height()]) {
        let end = size.saturating_sub(1) as f32;
        if d.abs() < 1e-6 {
            if at < 0.0 || at > end {
                return None;
            }
            continue;
        }
        let (a, b) = ((0.0 - at) / d, (end - at) / d);
        from = from.max(a.min(b));
        to = to.min(a.max(b));
    }
    (to > from).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope() -> Picture {
        let luma = (0..100u32).flat_map(|y| (0..200u32).map(move |x| ((x + y) / 2) as u8)).collect();
        Picture::from_luma(200, 100, luma).expect("200 x 100")
    }

    #[test]
    fn lines_at_any_angle_stay_in_the_picture_and_know_their_points() {
        let picture = slope();
        for degrees in [0.0, 13.0, 45.0, 90.0, 135.0] {
            let ruling = Ruling { degrees, spacing: 7.0, step: 1.0, thickness: 1 };
            let lines: Vec<Line> = ruled(&picture, ruling).collect();
            assert!(lines.len() > 5, "{degrees}: {}", lines.len());
            for line in &lines {
                let [x, y] = line.point(line.len() as f32 - 1.0);
                assert!((-0.5..200.0).contains(&x) && (-0.5..100.0).contains(&y), "{degrees}: {x}, {y}");
                let expected = (x + y) / 2.0;
                let last = f32::from(*line.luma.last().expect("not empty"));
                assert!((last - expected).abs() <= 1.5, "{degrees}: {last} at {x}, {y}");
            }
        }
    }

    #[test]
    fn the_local_threshold_follows_a_shadow() {
        // Bars of contrast 60 on paper that falls from 250 to 70.
        let luma: Vec<u8> = (0..360u16).map(|i| (250 - i / 2 - if (i / 6) % 2 == 0 { 60 } else { 0 }) as u8).collect();
        let line = Line { origin: [0.0, 0.0], step: [1.0, 0.0], luma };
        let bits = line.binarised_locally(24);
        let right = (0..360).filter(|i| bits.get(*i) == ((i / 6) % 2 == 0)).count();
        assert!(right > 340, "{right} of 360");
    }
}
