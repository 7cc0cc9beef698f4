//! Permit, command, read back, outcome: the last hop.
