//! May this principal do this to that, now: run, ask or refuse.
