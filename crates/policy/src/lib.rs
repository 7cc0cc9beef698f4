//! May this principal do this to that, now: run, ask or refuse.
//!
//! Answers the `Policy` port with Cedar. Knows no journal, no clock, no file: it is handed policy texts at load and one
//! whole `Request` per decision, so that a decision can be replayed from its record.
//!
//! Read in this order: [`schema`] (what a policy may speak of), [`load`] (texts to checked policies, with findings that
//! name file, line and column), [`facts`] (a request in Cedar's words), [`decide`] (two questions, one verdict), [`floor`] (what no policy can permit unattended).
//!
//! ```text
//! policies/*.cedar -> load (parse, name, validate strictly) -> Cedar
//! Request -> facts -> ActUnattended? Act? -> Decision { run | ask | refuse, reasons, digest }
//! ```

mod decide;
mod facts;
mod floor;
mod load;
mod schema;

pub use decide::Cedar;
pub use load::{Finding, PolicyError};
pub use schema::SCHEMA;
