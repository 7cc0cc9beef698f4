//! HTTP, events stream, plain pages.
//!
//! Read in this order: [`face`] (what this room needs from the house), [`views`] (what it shows).

pub mod face;
pub mod views;
