//! The committed samples are what the generator draws, and the scanner reads them as `expected.json` says.

mod bulk;
mod samples;
mod views;
