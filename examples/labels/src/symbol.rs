//! A code as modules of black and white.

use anyhow::anyhow;
use barcoders::sym::code128::Code128;
use barcoders::sym::ean13::EAN13;
use qrcode::{Color, EcLevel, QrCode};

use crate::canvas::Canvas;

/// Which symbology carries a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Thirteen digits.
    Ean13,
    /// Any ASCII text.
    Code128,
    /// Any text.
    Qr,
}

impl Kind {
    /// The name that claims use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ean13 => "ean-13",
            Self::Code128 => "code-128",
            Self::Qr => "qr",
        }
    }
}

/// The modules of one code, row by row, `true` is black; one row only for linear codes.
pub struct Symbol {
    width: usize,
    modules: Vec<bool>,
}

impl Symbol {
    /// Encodes `text`.
    ///
    /// # Errors
    /// When the symbology cannot carry the text.
    pub fn new(kind: Kind, text: &str) -> anyhow::Result<Self> {
        let refused = |e: &dyn std::fmt::Display| anyhow!("cannot put `{text}` on a {} label: {e}", kind.name());
        let modules: Vec<bool> = match kind {
            Kind::Ean13 => bars(&EAN13::new(text).map_err(|e| refused(&e))?.encode()),
            // The letter before the text chooses code set B: upper and lower case.
            Kind::Code128 => bars(&Code128::new(format!("\u{0181}{text}")).map_err(|e| refused(&e))?.encode()),
            Kind::Qr => {
                let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|e| refused(&e))?;
                let modules = code.to_colors().into_iter().map(|c| c == Color::Dark).collect();
                return Ok(Self { width: code.width(), modules });
            }
        };
        Ok(Self { width: modules.len(), modules })
    }

    /// Draws the symbol with `module` pixels a module; linear bars are `height` pixels high. Returns its box: left, top, width, height.
    pub fn draw(&self, canvas: &mut Canvas, left: usize, top: usize, module: usize, height: usize) -> [usize; 4] {
        let rows = self.modules.len() / self.width.max(1);
        let row_height = if rows == 1 { height } else { module };
        for (row, modules) in self.modules.chunks(self.width.max(1)).enumerate() {
            for (column, _) in modules.iter().enumerate().filter(|(_, dark)| **dark) {
                canvas.fill(left + column * module, top + row * row_height, module, row_height, canvas.ink());
            }
        }
        [left, top, self.width * module, rows * row_height]
    }

    /// Width in pixels at `module` pixels a module.
    pub const fn width(&self, module: usize) -> usize {
        self.width * module
    }
}

fn bars(encoded: &[u8]) -> Vec<bool> {
    encoded.iter().map(|b| *b == 1).collect()
}
