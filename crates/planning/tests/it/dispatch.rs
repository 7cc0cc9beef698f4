//! The dispatcher over a log in memory, with scripted ports and a clock that moves only when a test says so.

mod acts;
mod bench;
mod gates;
mod hop;
mod restart;
mod runs;
mod what_if;
