//! Small drawings: icons, trends, bars, and the crop of a picture. SVG with attributes alone, since inline style is off.
//!
//! Does not decode pictures: a crop is a window (`viewBox`) over the whole picture.

use maud::{Markup, PreEscaped, html};
use std::fmt::Write as _;

use crate::views::{Measure, PictureRef};

/// A quarter of the code's own size is shown around it: enough to see the label it stands on.
const CROP_MARGIN: f64 = 0.25;

/// The icons, as paths on a grid of 24.
const ICONS: [(&str, &str); 15] = [
    ("home", "M4 11l8-7 8 7v8a1 1 0 0 1-1 1h-4v-6H9v6H5a1 1 0 0 1-1-1z"),
    ("inbox", "M4 13l3-8h10l3 8v6H4zM4 13h5a3 3 0 0 0 6 0h5"),
    (
        "scan",
        "M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3M8 9v6M12 9v6M16 9v6",
    ),
    ("runs", "M5 6h14M5 12h14M5 18h9"),
    ("audit", "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4"),
    ("stop", "M8 3h8l5 5v8l-5 5H8l-5-5V8zM9 9h6v6H9z"),
    ("sense", "M3 12s3.500-6 9-6 9 6 9 6-3.500 6-9 6-9-6-9-6zM12 9.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5"),
    ("remember", "M7 4h10v16l-5-4-5 4z"),
    (
        "think",
        "M9 18h6M10 21h4M12 3a6 6 0 0 0-3.500 10.900c.6.5.5 1.100.5 2.100h6c0-1-.1-1.600.5-2.100A6 6 0 0 0 12 3z",
    ),
    ("decide", "M12 4v16M6 8h12M6 8l-3 6h6zM18 8l-3 6h6z"),
    ("gate", "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 3.500-6 8-6s8 2 8 6"),
    ("act", "M13 3L5 14h6l-1 7 8-11h-6z"),
    ("wait", "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2"),
    ("run", "M7 5l11 7-11 7z"),
    ("warn", "M12 4l9 16H3zM12 10v4M12 17v.5"),
];

/// An icon; says nothing to those who listen, since a word stands beside it.
pub(crate) fn icon(name: &str) -> Markup {
    let path = ICONS.iter().find(|(known, _)| *known == name).map_or("", |(_, path)| path);
    html! {
        svg.icon viewBox="0 0 24 24" aria-hidden="true" {
            path d=(path) {}
        }
    }
}

/// A trend as a line, with its target as a dashed one. Nothing below two points.
pub(crate) fn trend(measure: &Measure, label: &str) -> Markup {
    let points: Vec<f64> = measure.trend.iter().copied().filter(|v| v.is_finite()).collect();
    if points.len() < 2 {
        return html! { div.trend.none { "no trend yet" } };
    }
    let target = measure.target.filter(|t| t.is_finite());
    // The target is drawn where it is near enough to matter; a far one would press the line flat.
    let highest = points.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let target = target.filter(|t| *t <= highest * 3.0);
    let top = target.map_or(highest, |t| t.max(highest)) * 1.1;
    let line = polyline(&points, top);
    let height = |value: f64| 38.0 - value.max(0.0) / top * 36.0;
    let last = points.last().copied().map_or(0.0, height);
    html! {
        svg.trend viewBox="0 0 120 40" preserveAspectRatio="none" role="img" aria-label=(label) {
            @if let Some(target) = target {
                line.target x1="0" x2="120" y1=(two(height(target))) y2=(two(height(target))) {}
            }
            polyline points=(line) {}
            line.last x1="120" x2="120" y1=(two(last)) y2=(two(last)) {}
        }
    }
}

fn polyline(points: &[f64], top: f64) -> String {
    let step = 120.0 / (points.len() - 1) as f64;
    points.iter().enumerate().fold(String::new(), |mut line, (at, value)| {
        let _ = write!(line, "{:.2},{:.2} ", at as f64 * step, 38.0 - value.max(0.0) / top * 36.0);
        line
    })
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

/// A bar that is full to `part` of one.
pub(crate) fn bar(part: f64, label: &str) -> Markup {
    let width = if part.is_finite() { part.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
    html! {
        svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect.whole x="0" y="0" width="100" height="4" {}
            rect.part x="0" y="0" width=(two(width)) height="4" {}
        }
    }
}

/// The window around the corners, within the picture: `[x, y, width, height]`. None where there is nothing to crop.
pub(crate) fn window(quad: &[[f32; 2]], width: u32, height: u32) -> Option<[f64; 4]> {
    let finite = quad.iter().flatten().all(|c| c.is_finite());
    if quad.len() < 2 || width == 0 || height == 0 || !finite {
        return None;
    }
    let axis = |at: usize, end: u32| {
        let corner = |q: &[f32; 2]| q.get(at).copied().map_or(0.0, f64::from);
        let least = quad.iter().map(corner).fold(f64::INFINITY, f64::min);
        let most = quad.iter().map(corner).fold(f64::NEG_INFINITY, f64::max);
        (least, most, f64::from(end))
    };
    let (x0, x1, x_end) = axis(0, width);
    let (y0, y1, y_end) = axis(1, height);
    // A one-dimensional code comes as a line: it gets a height, so that its bars are seen.
    let pad = (x1 - x0).max(y1 - y0).max(16.0) * CROP_MARGIN;
    let cut = |low: f64, high: f64, end: f64| ((low - pad).clamp(0.0, end), (high + pad).clamp(0.0, end));
    let ((left, right), (top, bottom)) = (cut(x0, x1, x_end), cut(y0, y1, y_end));
    (right - left >= 1.0 && bottom - top >= 1.0).then_some([left, top, right - left, bottom - top])
}

/// The part of a picture that matters, as a link to the whole.
pub(crate) fn crop(image: &PictureRef, width: u32, height: u32, quad: &[[f32; 2]], label: &str) -> Markup {
    let href = format!("/v1/blobs/{}", image.digest);
    let corners = quad.iter().fold(String::new(), |mut text, [x, y]| {
        let _ = write!(text, "{x:.1},{y:.1} ");
        text
    });
    html! {
        a.picture href=(href) title="the whole picture" {
            @if let Some([x, y, w, h]) = window(quad, width, height) {
                svg viewBox=(format!("{x:.1} {y:.1} {w:.1} {h:.1}")) role="img" aria-label=(label) {
                    image href=(href) width=(width) height=(height) {}
                    polygon points=(corners) {}
                }
            } @else {
                img src=(href) alt=(label) loading="lazy";
            }
        }
    }
}

/// The sign of the house.
pub(crate) fn mark() -> Markup {
    PreEscaped(include_str!("icon.svg").replacen("<svg ", "<svg class=\"mark\" aria-hidden=\"true\" ", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_stays_within_the_picture() {
        let check = |quad: &[[f32; 2]], expected| assert_eq!(window(quad, 640, 480), expected, "{quad:?}");
        check(&[[100.0, 100.0], [300.0, 100.0], [300.0, 200.0], [100.0, 200.0]], Some([50.0, 50.0, 300.0, 200.0]));
        check(&[[-50.0, -50.0], [9000.0, 9000.0]], Some([0.0, 0.0, 640.0, 480.0]));
        check(&[[100.0, 240.0], [300.0, 240.0]], Some([50.0, 190.0, 300.0, 100.0]));
        check(&[], None);
        check(&[[f32::NAN, 1.0], [2.0, 2.0]], None);
        check(&[[f32::INFINITY, 1.0], [2.0, 2.0]], None);
        check(&[[9000.0, 9000.0], [9001.0, 9001.0]], None);
    }

    #[test]
    fn a_trend_of_strange_numbers_is_drawn_all_the_same() {
        let measure = Measure { value: None, target: Some(1.0), trend: vec![0.0, f64::NAN, -3.0, f64::INFINITY, 0.0] };
        let drawn = trend(&measure, "x").into_string();
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}
