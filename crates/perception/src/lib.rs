//! Raw reading, calibrated observation, event worth waking for.
