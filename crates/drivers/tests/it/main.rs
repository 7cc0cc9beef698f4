//! The drivers against real sockets and folders; targets are scripted, so that each fault is made on purpose.

mod commands;
mod common;
mod files;
mod folder;
mod mqtt;
mod questions;
mod sim;
mod wot;
