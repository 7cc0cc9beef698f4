//! What the log means: episodes, the twin, runs and costs, in a derived SQLite file.
