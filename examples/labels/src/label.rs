//! A white card with a heading, a code and its text.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::canvas::Canvas;
use crate::font;
use crate::symbol::{Kind, Symbol};

/// Pixels of paper around everything: more than the ten modules of quiet zone that the symbologies ask for.
const MARGIN: usize = 44;

/// What is printed on one card.
#[derive(Clone, Debug)]
pub struct Label {
    /// The symbology.
    pub kind: Kind,
    /// What the code says; also printed below it.
    pub text: String,
    /// The line above the code.
    pub heading: &'static str,
    /// Says whether the bars are rubbed and torn until nobody can read them.
    pub damaged: bool,
}

impl Label {
    /// A whole label.
    pub fn new(kind: Kind, text: impl Into<String>, heading: &'static str) -> Self {
        Self { kind, text: text.into(), heading, damaged: false }
    }

    /// Draws the card, at twice the size in which a picture shows it.
    ///
    /// # Errors
    /// When the symbology cannot carry the text.
    pub fn draw(&self, chance: &mut StdRng) -> anyhow::Result<Canvas> {
        let symbol = Symbol::new(self.kind, &self.text)?;
        let (module, height) = match self.kind {
            Kind::Ean13 => (8, 300),
            Kind::Code128 => (6, 260),
            Kind::Qr => (16, 0),
        };
        let inner = symbol.width(module).max(font::width(self.heading, 6));
        let body = if self.kind == Kind::Qr { symbol.width(module) } else { height };
        let mut canvas = Canvas::paper(inner + 2 * MARGIN + 48, MARGIN * 2 + 150 + body);
        font::write(&mut canvas, self.heading, MARGIN, 28, 6);
        let left = (canvas.width() - symbol.width(module)) / 2;
        let place = symbol.draw(&mut canvas, left, 28 + 42 + 36, module, height);
        let below = place[1] + place[3] + 24;
        let text_left = (canvas.width().saturating_sub(font::width(&self.text, 5))) / 2;
        font::write(&mut canvas, &self.text, text_left, below, 5);
        if self.damaged {
            spoil(&mut canvas, place, chance);
        }
        Ok(canvas)
    }
}

/// Rubs the whole code sideways, then tears strips of paper out of it: no line across it keeps its bars.
fn spoil(canvas: &mut Canvas, [left, top, width, height]: [usize; 4], chance: &mut StdRng) {
    canvas.rub(left.saturating_sub(20), top, width + 40, height, 13);
    let paper = canvas.paper_grey();
    for strip in 0..14 {
        let at = left + strip * width / 14 + chance.random_range(0..width / 28);
        for y in top..top + height {
            let lean = (y - top) / 5;
            canvas.fill(at + lean, y, 10 + (y * 7 + strip * 3) % 9, 1, paper);
        }
    }
}
