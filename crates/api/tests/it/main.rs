//! The room as its callers see it: the router over a house of cardboard, and a real socket for the stream.

mod caller;
mod contract;
mod door;
mod events;
mod fake;
mod flows;
mod pages;
mod people;
