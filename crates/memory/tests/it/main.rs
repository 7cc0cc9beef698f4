//! Memory from the outside: what is folded, what is answered, what happens to a file that does not fit.

mod file;
mod items;
mod laws;
mod recalling;
mod series;
mod sql;
mod story;
mod views;
