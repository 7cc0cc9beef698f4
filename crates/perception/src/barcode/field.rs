//! Where codes may be: bars are where gradients all point one way, matrix codes where there are many and they do not.
//!
//! The picture is cut into cells; each keeps the structure tensor of its gradients (Bigun and Granlund, ICCV 1987). Cells that are
//! busy and agree with their neighbours on a direction make a [`Bars`]; what is busy and not yet explained makes a [`Bounds`].
//! Knows no symbology.

use crate::picture::Picture;

/// Mean squared gradient, in greys per pixel, below which a cell is paper.
const ENERGY_MIN: f32 = 60.0;
/// The same, as a share of what the busiest tenth of the cells has: blurred pictures have faint bars, and faint noise.
const ENERGY_SHARE: f32 = 0.08;
/// From 0 (all directions) to 1 (one direction).
const COHERENCE_MIN: f32 = 0.45;
/// How far neighbouring cells of one code may disagree, as the cosine of twice the angle: some 15 degrees.
const AGREE_MIN: f32 = 0.85;
/// Most places of either kind that are looked at.
const PLACES_MAX: usize = 6;

/// An upright box in picture coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) low: [f32; 2],
    pub(super) high: [f32; 2],
}

/// An oblong full of parallel bars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bars {
    /// Its middle.
    pub(super) centre: [f32; 2],
    /// Across the bars, of unit length.
    pub(super) direction: [f32; 2],
    /// Half of its length across the bars, in pixels.
    pub(super) reach: f32,
    /// Half of its height along the bars, in pixels.
    pub(super) height: f32,
}

/// The cells of a picture.
pub(super) struct Field {
    side: usize,
    columns: usize,
    cells: Vec<Cell>,
    busy: f32,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    xx: f32,
    yy: f32,
    xy: f32,
}

impl Cell {
    fn energy(self) -> f32 {
        self.xx + self.yy
    }

    /// Twice the direction of the gradients, scaled by how much they agree: at most the energy long.
    fn doubled(self) -> [f32; 2] {
        [self.xx - self.yy, 2.0 * self.xy]
    }

    fn coherence(self) -> f32 {
        let [x, y] = self.doubled();
        x.hypot(y) / self.energy().max(f32::MIN_POSITIVE)
    }

    fn agrees(self, other: Self) -> bool {
        let ([a, b], [c, d]) = (self.doubled(), other.doubled());
        a * c + b * d >= AGREE_MIN * a.hypot(b) * c.hypot(d)
    }
}

impl Field {
    /// Looks at the whole of `picture` once.
    pub(super) fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let side = (width.min(height) / 30).clamp(6, 24);
        let (columns, rows) = (width / side, height / side);
        let at = |n: usize| cell(picture, (n % columns) * side, (n / columns) * side, side);
        let cells: Vec<Cell> = (0..columns * rows).map(at).collect();
        let mut energies: Vec<f32> = cells.iter().map(|cell| cell.energy()).collect();
        energies.sort_by(f32::total_cmp);
        let tenth = energies.get(energies.len() * 9 / 10).copied().unwrap_or(0.0);
        Self { side, columns, cells, busy: ENERGY_MIN.max(tenth * ENERGY_SHARE) }
    }

    /// The places that are full of bars, the busiest first.
    pub(super) fn bars(&self) -> Vec<Bars> {
        let wanted = |cell: Cell| cell.energy() >= self.busy && cell.coherence() >= COHERENCE_MIN;
        let mut groups = self.groups(wanted, Cell::agrees, 1);
        groups.retain(|group| group.len() >= 4);
        groups.sort_by(|a, b| self.energy(b).total_cmp(&self.energy(a)));
        let bars = groups.iter().map(|group| self.oblong(group));
        bars.filter(|bars| bars.reach >= 20.0).take(PLACES_MAX).collect()
    }

    /// Boxes around what is busy and lies in none of `explained`, the largest first.
    pub(super) fn unexplained(&self, explained: &[Bounds]) -> Vec<Bounds> {
        let known = |n: usize| {
            let [x, y] = self.middle(n);
            let near = self.side as f32 * 1.5;
            explained
                .iter()
                .any(|b| x >= b.low[0] - near && x <= b.high[0] + near && y >= b.low[1] - near && y <= b.high[1] + near)
        };
        let mut field = Self { side: self.side, columns: self.columns, cells: self.cells.clone(), busy: self.busy };
        field.cells.iter_mut().enumerate().filter(|(n, _)| known(*n)).for_each(|(_, cell)| *cell = Cell::default());
        let mut groups = field.groups(|cell| cell.energy() >= self.busy, |_, _| true, 2);
        groups.retain(|group| group.len() >= 9);
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        groups.iter().map(|group| self.bounds(group)).take(PLACES_MAX).collect()
    }

    /// Cells that are wanted, gathered with those within `gap` of them that they agree with.
    fn groups(&self, wanted: impl Fn(Cell) -> bool, agree: impl Fn(Cell, Cell) -> bool, gap: isize) -> Vec<Vec<usize>> {
        let mut free: Vec<bool> = self.cells.iter().map(|cell| wanted(*cell)).collect();
        let mut groups = Vec::new();
        for first in 0..free.len() {
            if !std::mem::take(&mut free[first]) {
                continue;
            }
            let (mut group, mut next) = (vec![first], 0);
            while let Some(&n) = group.get(next) {
                next += 1;
                for m in self.around(n, gap) {
                    if free[m] && agree(self.cells[n], self.cells[m]) {
                        free[m] = false;
                        group.push(m);
                    }
                }
            }
            groups.push(group);
        }
        groups
    }

    fn around(&self, n: usize, gap: isize) -> impl Iterator<Item = usize> + use<> {
        let (columns, count) = (self.columns as isize, self.cells.len() as isize);
        let (column, row) = (n as isize % columns, n as isize / columns);
        let near = move |d: isize| (-gap..=gap).map(move |e| (column + e, row + d));
        (-gap..=gap).flat_map(near).filter_map(move |(x, y)| {
            let m = y * columns + x;
            ((0..columns).contains(&x) && (0..count).contains(&m)).then_some(m as usize)
        })
    }

    fn energy(&self, group: &[usize]) -> f32 {
        group.iter().map(|n| self.cells[*n].energy()).sum()
    }

    fn middle(&self, n: usize) -> [f32; 2] {
        let at = |cell: usize| (cell * self.side) as f32 + self.side as f32 / 2.0;
        [at(n % self.columns), at(n / self.columns)]
    }

    fn oblong(&self, group: &[usize]) -> Bars {
        let doubled = group.iter().map(|n| self.cells[*n].doubled());
        let [x, y] = doubled.fold([0.0, 0.0], |[a, b], [c, d]| [a + c, b + d]);
        let (sin, cos) = (y.atan2(x) / 2.0).sin_cos();
        let half = self.side as f32 / 2.0;
        let spread = |axis: [f32; 2]| {
            let along = group.iter().map(|n| self.middle(*n)).map(|[x, y]| x * axis[0] + y * axis[1]);
            along.fold((f32::MAX, f32::MIN), |(low, high), at| (low.min(at - half), high.max(at + half)))
        };
        let (across, along) = (spread([cos, sin]), spread([-sin, cos]));
        let (u, v) = (f32::midpoint(across.0, across.1), f32::midpoint(along.0, along.1));
        Bars {
            centre: [u * cos - v * sin, u * sin + v * cos],
            direction: [cos, sin],
            reach: (across.1 - across.0) / 2.0,
            height: (along.1 - along.0) / 2.0,
        }
    }

    fn bounds(&self, group: &[usize]) -> Bounds {
        let side = self.side as f32;
        let boxes = group.iter().map(|n| self.middle(*n)).map(|at| (at.map(|v| v - side), at.map(|v| v + side)));
        let widest = boxes.fold(([f32::MAX; 2], [f32::MIN; 2]), |(low, high), (a, b)| {
            ([low[0].min(a[0]), low[1].min(a[1])], [high[0].max(b[0]), high[1].max(b[1])])
        });
        Bounds { low: widest.0, high: widest.1 }
    }
}

/// The structure tensor of the square at `x`, `y`, per pixel.
fn cell(picture: &Picture, x: usize, y: usize, side: usize) -> Cell {
    let width = picture.width() as usize;
    let row = |y: usize| picture.luma().get(y * width + x..y * width + x + side).unwrap_or(&[]);
    let (mut xx, mut yy, mut xy) = (0i64, 0i64, 0i64);
    for dy in 0..side.saturating_sub(1) {
        let (here, below) = (row(y + dy), row(y + dy + 1));
        // Both differences are taken around the middle of the same four pixels, or diagonals would look like noise.
        for (upper, lower) in here.windows(2).zip(below.windows(2)) {
            let [a, b, c, d] = [upper[0], upper[1], lower[0], lower[1]].map(i64::from);
            let (gx, gy) = (b + d - a - c, c + d - a - b);
            xx += gx * gx;
            yy += gy * gy;
            xy += gx * gy;
        }
    }
    // Each difference is twice the gradient.
    let pixels = (4 * (side - 1) * (side - 1)) as f32;
    Cell { xx: xx as f32 / pixels, yy: yy as f32 / pixels, xy: xy as f32 / pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bars of 3 pixels at `degrees`, 160 long and 80 high in the middle of 400 x 300 pixels of paper.
    fn tilted(degrees: f32) -> Picture {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let grey = |x: f32, y: f32| {
            let (u, v) = ((x - 200.0) * cos + (y - 150.0) * sin, (y - 150.0) * cos - (x - 200.0) * sin);
            let bar = (u + 300.0).rem_euclid(6.0) < 3.0;
            if u.abs() < 80.0 && v.abs() < 40.0 && bar { 20 } else { 230 }
        };
        let luma = (0..300u16).flat_map(|y| (0..400u16).map(move |x| grey(f32::from(x), f32::from(y)))).collect();
        Picture::from_luma(400, 300, luma).expect("400 x 300")
    }

    #[test]
    fn bars_are_found_where_they_are_at_any_angle() {
        for degrees in [0.0, 10.0, 30.0, 45.0, 90.0, 130.0, 171.0] {
            let bars = Field::of(&tilted(degrees)).bars();
            let first = bars.first().unwrap_or_else(|| panic!("{degrees}: none"));
            let (sin, cos) = degrees.to_radians().sin_cos();
            let parallel = (first.direction[0] * cos + first.direction[1] * sin).abs();
            assert!(parallel > 0.98, "{degrees}: {first:?}");
            assert!((first.centre[0] - 200.0).abs() < 15.0 && (first.centre[1] - 150.0).abs() < 15.0, "{first:?}");
            assert!((60.0..110.0).contains(&first.reach) && (30.0..60.0).contains(&first.height), "{first:?}");
        }
    }

    #[test]
    fn what_is_explained_is_not_looked_at_again() {
        let field = Field::of(&tilted(0.0));
        assert_eq!(field.unexplained(&[]).len(), 1);
        let all = Bounds { low: [110.0, 100.0], high: [290.0, 200.0] };
        assert!(field.unexplained(&[all]).is_empty());
        let paper = Picture::from_luma(50, 40, vec![200; 2_000]).expect("50 x 40");
        assert!(Field::of(&paper).bars().is_empty() && Field::of(&paper).unexplained(&[]).is_empty());
        let dot = Picture::from_luma(1, 1, vec![0]).expect("1 x 1");
        assert!(Field::of(&dot).bars().is_empty());
    }
}
