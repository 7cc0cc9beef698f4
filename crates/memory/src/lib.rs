//! What the log means: runs, effects, gates, costs, what is remembered and how things were last seen.
//!
//! Everything here is folded from the journal into one derived SQLite file, which may be deleted at any time and is
//! rebuilt by replay. Knows no playbook, no policy and no device; never writes to the journal and decides nothing.
//!
//! ```text
//! journal -> fold(entries) -> project: entry -> changes -> store: one transaction per batch, watermark in it
//!                                                           ├ recall   what do we know that bears on this
//! roof, api, cli <------------------------------------------├ views    runs, timeline, gates, health, totals
//!                                                           └ sql      read-only SQL with limits
//! ```
//!
//! Read in this order: [`Memory`] (the handle), `project` (what each entry means), `timeline` (what it says to people),
//! [`views`] (what can be asked), [`health`] (the three numbers), [`items`] (what is remembered), `recall`, [`sql`], then `store`. Beside them stand what
//! recall is made of: `text` (words), [`vectors`] (nearness), [`shelf`] (how they add up), and [`series`] (numbers over time, in a file of their own).

mod error;
pub mod health;
pub mod items;
pub mod measure;
mod memory;
mod project;
mod recall;
pub mod series;
pub mod shelf;
pub mod sql;
mod store;
mod text;
mod timeline;
mod twin;
pub mod vectors;
pub mod views;
mod writer;

pub use error::MemoryError;
pub use health::{Health, HealthQuery, Percentiles, TrendPoint};
pub use memory::{Memory, OpenReport, Reason};
pub use sql::Table;
pub use views::{
    ActCount, EffectRow, GateRow, GateStatus, Phase, RunFilter, RunRow, RunStatus, ScanRow, TimelineRow, Totals,
};
