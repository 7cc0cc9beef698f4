//! The symbologies we read, by the names that people write, and what their check digits are worth.
//!
//! Knows the numbers of GS1, not the pictures.

use std::collections::HashSet;
use std::fmt;

use rxing::{BarcodeFormat, DecodeHints};
use serde::{Deserialize, Serialize};

/// A symbology. The list of those to look for is always given: each one more is one more way to see what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// GTIN-13 (ISO/IEC 15420), check digit modulo 10.
    #[serde(rename = "ean-13")]
    Ean13,
    /// GTIN-8 (ISO/IEC 15420), check digit modulo 10.
    #[serde(rename = "ean-8")]
    Ean8,
    /// GTIN-12 (ISO/IEC 15420), check digit modulo 10.
    UpcA,
    /// Zero-suppressed GTIN-12 (ISO/IEC 15420).
    UpcE,
    /// ISO/IEC 15417, check character modulo 103.
    #[serde(rename = "code-128")]
    Code128,
    /// ISO/IEC 16388, no check character required.
    #[serde(rename = "code-39")]
    Code39,
    /// Interleaved 2 of 5 (ISO/IEC 16390), no check digit required.
    Itf,
    /// QR Code (ISO/IEC 18004), Reed-Solomon.
    Qr,
    /// Data Matrix (ISO/IEC 16022), Reed-Solomon.
    DataMatrix,
    /// PDF417 (ISO/IEC 15438), Reed-Solomon.
    #[serde(rename = "pdf-417")]
    Pdf417,
}

impl Format {
    /// All of them, linear ones first, the strict before the lax.
    pub const ALL: [Self; 10] = [
        Self::Ean13,
        Self::UpcA,
        Self::Ean8,
        Self::UpcE,
        Self::Code128,
        Self::Code39,
        Self::Itf,
        Self::Qr,
        Self::DataMatrix,
        Self::Pdf417,
    ];

    /// The name in configuration, claims and playbooks.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ean13 => "ean-13",
            Self::Ean8 => "ean-8",
            Self::UpcA => "upc-a",
            Self::UpcE => "upc-e",
            Self::Code128 => "code-128",
            Self::Code39 => "code-39",
            Self::Itf => "itf",
            Self::Qr => "qr",
            Self::DataMatrix => "data-matrix",
            Self::Pdf417 => "pdf-417",
        }
    }

    /// Says whether one line across the bars carries the whole value.
    pub const fn is_linear(self) -> bool {
        !matches!(self, Self::Qr | Self::DataMatrix | Self::Pdf417)
    }

    /// How many digits the value must have, where the symbology fixes that.
    const fn digits(self) -> Option<usize> {
        match self {
            Self::Ean13 => Some(13),
            Self::UpcA => Some(12),
            Self::Ean8 | Self::UpcE => Some(8),
            _ => None,
        }
    }

    /// Says whether `value` may stand in this symbology: length, digits and, where there is one, the check digit.
    pub fn accepts(self, value: &str) -> bool {
        let Some(digits) = self.digits() else { return !value.is_empty() };
        let fits = value.len() == digits && value.bytes().all(|b| b.is_ascii_digit());
        fits && (self == Self::UpcE || check_digit_holds(value))
    }

    pub(crate) const fn of_engine(format: BarcodeFormat) -> Option<Self> {
        Some(match format {
            BarcodeFormat::EAN_13 => Self::Ean13,
            BarcodeFormat::EAN_8 => Self::Ean8,
            BarcodeFormat::UPC_A => Self::UpcA,
            BarcodeFormat::UPC_E => Self::UpcE,
            BarcodeFormat::CODE_128 => Self::Code128,
            BarcodeFormat::CODE_39 => Self::Code39,
            BarcodeFormat::ITF => Self::Itf,
            BarcodeFormat::QR_CODE => Self::Qr,
            BarcodeFormat::DATA_MATRIX => Self::DataMatrix,
            BarcodeFormat::PDF_417 => Self::Pdf417,
            _ => return None,
        })
    }

    const fn engine(self) -> BarcodeFormat {
        match self {
            Self::Ean13 => BarcodeFormat::EAN_13,
            Self::Ean8 => BarcodeFormat::EAN_8,
            Self::UpcA => BarcodeFormat::UPC_A,
            Self::UpcE => BarcodeFormat::UPC_E,
            Self::Code128 => BarcodeFormat::CODE_128,
            Self::Code39 => BarcodeFormat::CODE_39,
            Self::Itf => BarcodeFormat::ITF,
            Self::Qr => BarcodeFormat::QR_CODE,
            Self::DataMatrix => BarcodeFormat::DATA_MATRIX,
            Self::Pdf417 => BarcodeFormat::PDF_417,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the engine is told: only these formats, and to look hard.
pub(crate) fn hints(formats: impl IntoIterator<Item = Format>) -> DecodeHints {
    let possible: HashSet<BarcodeFormat> = formats.into_iter().map(Format::engine).collect();
    DecodeHints { PossibleFormats: Some(possible), TryHarder: Some(true), ..DecodeHints::default() }
}

/// Says whether the last digit is the GS1 check digit of those before it (GS1 General Specifications, 7.9).
fn check_digit_holds(value: &str) -> bool {
    let weighted = |(i, b): (usize, u8)| u32::from(b - b'0') * if i % 2 == 0 { 1 } else { 3 };
    value.bytes().rev().enumerate().map(weighted).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_checked_where_there_are_any() {
        let rows = [
            (Format::Ean13, "4006381333931", true),
            (Format::Ean13, "4006381333932", false),
            (Format::Ean13, "400638133393", false),
            (Format::Ean8, "73513537", true),
            (Format::Ean8, "73513536", false),
            (Format::UpcA, "036000291452", true),
            (Format::UpcA, "03600029145x", false),
            (Format::Code128, "RMA-100123", true),
            (Format::Qr, "", false),
        ];
        for (format, value, expected) in rows {
            assert_eq!(format.accepts(value), expected, "{format} {value}");
        }
    }

    #[test]
    fn names_in_configuration_are_the_names_in_claims() {
        for format in Format::ALL {
            assert_eq!(serde_json::to_value(format).expect("a name"), serde_json::json!(format.name()));
            assert_eq!(Format::of_engine(format.engine()), Some(format));
        }
    }
}
