//! From a picture to one verdict, and from the verdict to the event that wakes a playbook.
//!
//! Keeps the Sinew words (claim, verdict, `sinew.scan.v1`); what is believed of what was seen is in [`evidence`].
//! Does not know where the bytes came from or where they are kept.

pub mod evidence;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sinew_contract::{BlobRef, Claim, ErrorKind, Event, ReadVerdict, Timestamp};

use crate::barcode::{self, Effort, Sighting};
use crate::format::Format;
use crate::picture::{Picture, PictureError, PictureLimits};
use evidence::Evidence;

/// Type of the events that [`scan_event`] makes.
pub const SCAN_EVENT_TYPE: &str = "sinew.scan.v1";

/// Most claims that one scan carries: enough for every label, and a bound on what noise can write into the log.
const CLAIMS_MAX: usize = 12;

/// The longest side, in pixels, on which the first look is taken; larger photographs are shrunk for it.
const FIRST_LOOK_SIDE_MAX: u32 = 1600;

/// What to look for and in how much picture.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScanConfig {
    /// The symbologies to look for: mandatory, since each one more is one more way to see what is not there.
    pub formats: Vec<Format>,
    /// The limits on what is decoded.
    #[serde(default)]
    pub limits: PictureLimits,
}

impl Default for ScanConfig {
    /// What stands on goods and return labels: EAN-13, EAN-8, UPC-A, Code 128 and QR.
    fn default() -> Self {
        let formats = vec![Format::Ean13, Format::Ean8, Format::UpcA, Format::Code128, Format::Qr];
        Self { formats, limits: PictureLimits::default() }
    }
}

/// A configuration that cannot scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanConfigError {
    /// No format is listed.
    #[error("the scanner has an empty `formats` list; name at least one, as in `formats = [\"code-128\", \"qr\"]`")]
    NoFormats,
}

impl ScanConfigError {
    /// Answers how the caller may react.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// What was made of one picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scan {
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// IANA media type of the file, by its content.
    pub media_type: &'static str,
    /// Everything that either pass saw, one claim for each value before the second passes, the best supported first.
    pub claims: Vec<Claim>,
    /// `read` only when exactly one value is believed.
    pub verdict: ReadVerdict,
    /// The value, when the verdict is `read`.
    pub code: Option<String>,
    /// Its symbology.
    pub format: Option<Format>,
    /// Agreement of checks behind `code`, 0 to 1000; 0 without a code.
    pub confidence_permille: u16,
}

/// Reads pictures. Holds configuration only, so one may be shared by all threads; a scan is blocking work of some 50 ms.
#[derive(Clone, Debug)]
pub struct Scanner {
    config: ScanConfig,
}

impl Scanner {
    /// Makes a scanner.
    ///
    /// # Errors
    /// `NoFormats` when the configuration lists none.
    pub fn new(config: ScanConfig) -> Result<Self, ScanConfigError> {
        if config.formats.is_empty() {
            return Err(ScanConfigError::NoFormats);
        }
        Ok(Self { config })
    }

    /// Decodes `bytes` and reads what is printed in the picture. Deterministic: the same bytes give the same scan.
    ///
    /// # Errors
    /// [`PictureError`] when there is no picture to look at. A picture without a readable code is a scan with the verdict `unread`.
    pub fn scan(&self, bytes: &[u8]) -> Result<Scan, PictureError> {
        let picture = Picture::decode(bytes, &self.config.limits)?;
        Ok(self.read(&picture))
    }

    /// Reads what is printed in a decoded picture.
    pub fn read(&self, picture: &Picture) -> Scan {
        let evidence = self.look(picture);
        let (verdict, winner) = evidence::verdict(&evidence);
        Scan {
            width: picture.width(),
            height: picture.height(),
            media_type: picture.media_type(),
            code: winner.map(|e| e.value.clone()),
            format: winner.map(|e| e.format),
            confidence_permille: winner.map_or(0, Evidence::confidence_permille),
            verdict,
            claims: evidence::claims(&evidence).into_iter().take(CLAIMS_MAX).collect(),
        }
    }

    /// Looks harder only while nothing is believed on the word of both passes.
    fn look(&self, picture: &Picture) -> Vec<Evidence> {
        let factor = picture.width().max(picture.height()).div_ceil(FIRST_LOOK_SIDE_MAX).max(1);
        let shrunk = (factor > 1).then(|| picture.shrunk(factor));
        let view = shrunk.as_ref().unwrap_or(picture);
        let mut looks = vec![(view, factor, Effort::Quick), (view, factor, Effort::Thorough)];
        if factor > 1 {
            looks.push((picture, 1, Effort::Thorough));
        }
        let mut seen = scaled(barcode::glance(view, &self.config.formats), factor);
        let evidence = evidence::weigh(&seen);
        if evidence.iter().any(Evidence::is_confirmed) {
            return evidence;
        }
        for (view, factor, effort) in looks {
            seen.extend(scaled(barcode::sightings(view, &self.config.formats, effort), factor));
            let evidence = evidence::weigh(&seen);
            if evidence.iter().any(Evidence::is_confirmed) {
                return evidence;
            }
        }
        evidence::weigh(&seen)
    }
}

/// Brings what was seen in a shrunk picture back into the coordinates of the whole.
fn scaled(mut seen: Vec<Sighting>, factor: u32) -> Vec<Sighting> {
    for corner in seen.iter_mut().flat_map(|s| s.quad.iter_mut()) {
        *corner = corner.map(|v| v * factor as f32);
    }
    seen
}

/// How a picture came to us: what the event says beside the scan itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The event's id, unique within `source`: the same capture keeps it for ever.
    pub id: String,
    /// The device as a URI reference: `/devices/dock-1`.
    pub source: String,
    /// The scan's name: the file's name or what the device calls it.
    pub name: String,
    /// When it was taken.
    pub time: Timestamp,
    /// Where the bytes are kept.
    pub image: BlobRef,
}

/// The CloudEvents event of a scan: type `sinew.scan.v1`, subject the scan's name, data the verdict with its evidence.
pub fn scan_event(capture: Capture, scan: &Scan) -> Event {
    let data = json!({
        "scan": capture.name,
        "image": capture.image,
        "width": scan.width,
        "height": scan.height,
        "verdict": scan.verdict,
        "code": scan.code,
        "format": scan.format,
        "confidence_permille": scan.confidence_permille,
        "claims": scan.claims,
    });
    let Capture { id, source, name, time, .. } = capture;
    Event { id, source, event_type: SCAN_EVENT_TYPE.to_owned(), time, subject: Some(name), data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank(side: u32) -> Picture {
        let luma = vec![255; (side * side) as usize];
        Picture::from_luma(side, side, luma).expect("a square")
    }

    #[test]
    fn a_blank_picture_is_unread_and_says_so() {
        let scanner = Scanner::new(ScanConfig::default()).expect("formats are listed");
        for side in [1, 2, 63, 300] {
            let scan = scanner.read(&blank(side));
            assert_eq!((scan.verdict, scan.code, scan.confidence_permille), (ReadVerdict::Unread, None, 0), "{side}");
        }
    }

    #[test]
    fn a_scanner_without_formats_is_refused() {
        let config = ScanConfig { formats: Vec::new(), ..ScanConfig::default() };
        assert_eq!(Scanner::new(config).expect_err("no formats"), ScanConfigError::NoFormats);
    }

    #[test]
    fn the_event_carries_the_verdict_and_only_a_reference_to_the_picture() {
        let scan = Scan {
            width: 900,
            height: 700,
            media_type: "image/jpeg",
            claims: Vec::new(),
            verdict: ReadVerdict::Read,
            code: Some("RMA-100002".into()),
            format: Some(Format::Code128),
            confidence_permille: 1000,
        };
        let image = BlobRef { digest: sinew_contract::Digest([7; 32]), len: 9, media_type: "image/jpeg".into() };
        let capture = Capture {
            id: "dock-1/02.jpg".into(),
            source: "/devices/dock-1".into(),
            name: "02.jpg".into(),
            time: Timestamp(1),
            image: image.clone(),
        };
        let event = scan_event(capture, &scan);
        assert_eq!(event.event_type, "sinew.scan.v1");
        assert_eq!(event.subject.as_deref(), Some("02.jpg"));
        let expected = json!({
            "scan": "02.jpg", "image": image, "width": 900, "height": 700, "verdict": "read", "code": "RMA-100002",
            "format": "code-128", "confidence_permille": 1000, "claims": [],
        });
        assert_eq!(event.data, expected);
    }
}
