//! A question becomes a checked proposal: decision tables, templates, ladders.
