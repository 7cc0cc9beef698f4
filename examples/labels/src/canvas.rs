//! A sheet of grey on which a label is drawn.

/// Rows of grey, 0 is black, 255 is white.
#[derive(Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    grey: Vec<f32>,
}

impl Canvas {
    /// A sheet of white paper.
    pub fn paper(width: usize, height: usize) -> Self {
        Self { width, height, grey: vec![238.0; width * height] }
    }

    /// The grey of print.
    pub const fn ink(&self) -> f32 {
        26.0
    }

    /// The grey of the paper.
    pub const fn paper_grey(&self) -> f32 {
        238.0
    }

    /// Width in pixels.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Paints a box; what lies outside is cut.
    pub fn fill(&mut self, left: usize, top: usize, width: usize, height: usize, grey: f32) {
        for row in self.grey.chunks_mut(self.width).skip(top).take(height) {
            for pixel in row.iter_mut().skip(left).take(width) {
                *pixel = grey;
            }
        }
    }

    /// The grey at a pixel; beyond the edge the edge goes on.
    pub fn at(&self, x: isize, y: isize) -> f32 {
        let clamp = |v: isize, size: usize| usize::try_from(v).unwrap_or(0).min(size.saturating_sub(1));
        let (x, y) = (clamp(x, self.width), clamp(y, self.height));
        self.grey.get(y * self.width + x).copied().unwrap_or(238.0)
    }

    /// The grey between four pixels.
    pub fn between(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let (left, top) = (left as isize, top as isize);
        let upper = self.at(left, top) * (1.0 - fx) + self.at(left + 1, top) * fx;
        let lower = self.at(left, top + 1) * (1.0 - fx) + self.at(left + 1, top + 1) * fx;
        upper * (1.0 - fy) + lower * fy
    }

    /// Rubs a box sideways: each pixel becomes the mean of its row within `reach`.
    pub fn rub(&mut self, left: usize, top: usize, width: usize, height: usize, reach: usize) {
        let before = self.clone();
        let reach = isize::try_from(reach).unwrap_or(0);
        for y in top..(top + height).min(self.height) {
            for x in left..(left + width).min(self.width) {
                let (x, y) = (x as isize, y as isize);
                let sum: f32 = (-reach..=reach).map(|by| before.at(x + by, y)).sum();
                self.set(x, y, sum / (2 * reach + 1) as f32);
            }
        }
    }

    fn set(&mut self, x: isize, y: isize, grey: f32) {
        let at = y as usize * self.width + x as usize;
        if let Some(pixel) = self.grey.get_mut(at) {
            *pixel = grey;
        }
    }
}
