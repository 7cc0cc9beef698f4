//! Append-only, hash-chained, provable: the log, the keyring and the blobs.
