//! The ground: values. Canonical JSON, digests, strict reading, jq in the pure profile, the labels that it carries on, schema checks, places in texts.
//!
//! Everything here is a plain function of its arguments: no clock, disk, net, environment or random source. (But for
//! [`mutant()`], which in a build with faults asks the environment which check is switched off.)

mod canonical;
mod digest;
mod error;
mod fill;
mod jq;
pub mod json;
mod labels;
mod mutant;
mod schema;

pub use canonical::canonical;
pub use digest::{digest, digest_of, digest_value};
pub use error::ExprError;
pub use fill::{fill, fill_uri, places};
pub use jq::{Profile, Program, Shape, VarLabels};
pub use labels::{Labels, Step};
pub use mutant::mutant;
pub use schema::{Schema, SchemaFinding};
