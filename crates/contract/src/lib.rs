//! The ground: the nouns that cross a wall, and the ports.
//!
//! Knows no I/O, no runtime, no room. Read in this order: [`ports`] (the questions), [`Record`] (all that can have
//! happened), [`Entry`] (a record in the journal), then the nouns in the order of one datum's way: [`Event`], [`Ask`] and
//! [`Proposal`], [`Request`] and [`Decision`], [`Gate`], [`Manifest`], [`Command`] and [`Outcome`].

mod capability;
mod command;
mod decision;
mod entry;
mod error;
mod event;
mod gate;
mod id;
mod label;
mod model;
pub mod ports;
mod proposal;
mod record;
mod reflex;
mod sample;
mod time;

pub use capability::*;
pub use command::*;
pub use decision::*;
pub use entry::*;
pub use error::*;
pub use event::*;
pub use gate::*;
pub use id::*;
pub use label::*;
pub use model::*;
pub use ports::*;
pub use proposal::*;
pub use record::*;
pub use reflex::*;
pub use sample::*;
pub use time::*;
