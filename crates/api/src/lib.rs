//! HTTP, events stream, plain pages.
