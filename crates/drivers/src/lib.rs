//! One protocol, one file, one device.
