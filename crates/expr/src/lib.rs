//! The ground: canonical JSON, digests, labels, jq in the pure profile, schema check.
