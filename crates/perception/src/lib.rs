//! Raw reading, calibrated observation, event worth waking for.
//!
//! Knows pictures and what is printed in them. Knows no device, no clock, no disk, no journal: bytes come in, claims and one
//! event go out, and the same bytes always give the same answer.
//!
//! ```text
//! bytes -> picture -> barcode (lines, matrix: two passes each) -> evidence -> scan -> contract::Event
//! ```
//!
//! Read in this order: [`picture`] (bytes to luma, with limits), [`mod@format`] (which symbologies, which check digits),
//! [`barcode`] (what is seen, by which pass), [`scan`] (what is believed of it, and the event).

pub mod barcode;
pub mod format;
pub mod picture;
pub mod scan;

pub use format::Format;
pub use picture::{Picture, PictureError, PictureLimits};
pub use scan::{Capture, Scan, ScanConfig, Scanner, scan_event};
