-- Numbers over time. Not derived: what is deleted here is gone. Times are microseconds since 1970 (UTC).

CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), expired INTEGER NOT NULL) STRICT;
INSERT INTO meta (id, expired) VALUES (1, 0);

CREATE TABLE series (
  id           INTEGER PRIMARY KEY,
  scope        TEXT    NOT NULL,
  name         TEXT    NOT NULL,
  sealed_batch INTEGER NOT NULL DEFAULT 0,
  UNIQUE (scope, name)
) STRICT;

-- One row per batch, until every point of it is in a chunk.
CREATE TABLE hot (batch INTEGER PRIMARY KEY, points BLOB NOT NULL) STRICT;

-- Points (tier 0, or sparser ones as the tier that they are) and rollups (points = 0) of one stretch of one series.
CREATE TABLE chunks (
  id     INTEGER PRIMARY KEY,
  series INTEGER NOT NULL,
  tier   INTEGER NOT NULL,
  points INTEGER NOT NULL,
  since  INTEGER NOT NULL,
  until  INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  min    REAL    NOT NULL,
  max    REAL    NOT NULL,
  sum    REAL    NOT NULL,
  first  REAL    NOT NULL,
  last   REAL    NOT NULL,
  bytes  BLOB    NOT NULL
) STRICT;
CREATE INDEX chunks_by_time ON chunks (series, until);
CREATE INDEX chunks_by_age ON chunks (tier, until);
