//! HTTP, events stream, plain pages.
//!
//! Read in this order: [`face`] (what this room needs from the house), [`views`] (what it shows), `guard` (the door that
//! every request passes), `server` (every path), then `v1` (JSON, one file per resource) and `pages` (for people). Who may
//! come in stands in [`people`].
//!
//! Knows the ground alone. Does not know how anything is stored or decided: the roof implements [`House`] and [`Watch`].

pub mod face;
mod guard;
mod metrics;
mod openapi;
mod pages;
pub mod people;
mod problem;
mod server;
mod v1;
pub mod views;

pub use face::{Caller, House, Watch};
pub use openapi::openapi_json;
pub use people::{People, PeopleError, PeopleStore, Person, check_bind, local_token};
pub use problem::Problem;
pub use server::{Parts, Settings, router, serve};
