//! Simulated clock, faults, one conformance suite per port.
