-- All of this is folded from the journal and may be deleted at any time. Times are microseconds since 1970 (UTC), money is
-- millionths of the deployment's currency, ids are the texts that people see, JSON is text. Every key begins with its scope.

-- Whose history this is, and how far it has been folded: the last entry and its hash.
CREATE TABLE meta (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  log       TEXT    NOT NULL,
  watermark INTEGER NOT NULL,
  hash      TEXT    NOT NULL
) STRICT;

-- One row per entry that people may want to see, in words.
CREATE TABLE timeline (
  scope       TEXT    NOT NULL,
  seq         INTEGER NOT NULL,
  run         TEXT,
  at          INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  phase       TEXT    NOT NULL,
  title       TEXT    NOT NULL,
  detail      TEXT    NOT NULL,
  cost_micros INTEGER NOT NULL,
  tokens      INTEGER NOT NULL,
  effect      TEXT,
  cause       INTEGER,
  principal   TEXT    NOT NULL,
  PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX timeline_by_run ON timeline (scope, run, seq) WHERE run IS NOT NULL;

CREATE TABLE events (
  scope    TEXT    NOT NULL,
  seq      INTEGER NOT NULL,
  id       TEXT    NOT NULL,
  source   TEXT    NOT NULL,
  type     TEXT    NOT NULL,
  subject  TEXT,
  observed INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE scans (
  scope   TEXT    NOT NULL,
  seq     INTEGER NOT NULL,
  event   TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  verdict TEXT    NOT NULL,
  code    TEXT,
  image   TEXT,
  at      INTEGER NOT NULL,
  run     TEXT,
  PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  scope            TEXT    NOT NULL,
  run              TEXT    NOT NULL,
  seq              INTEGER NOT NULL,
  playbook         TEXT    NOT NULL,
  version          TEXT    NOT NULL,
  status           TEXT    NOT NULL,
  trigger_seq      INTEGER,
  trigger_name     TEXT,
  trigger_observed INTEGER,
  started          INTEGER NOT NULL,
  ended            INTEGER,
  outcome          TEXT,
  output           TEXT,
  error            TEXT,
  verdict_us       INTEGER,
  cost_micros      INTEGER NOT NULL DEFAULT 0,
  tokens           INTEGER NOT NULL DEFAULT 0,
  touches          INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (scope, run)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX runs_by_seq ON runs (scope, seq);
CREATE INDEX runs_by_status ON runs (scope, status, seq);
CREATE INDEX runs_by_trigger ON runs (scope, trigger_name, seq);
CREATE INDEX runs_by_start ON runs (scope, started);

CREATE TABLE steps (
  scope  TEXT    NOT NULL,
  seq    INTEGER NOT NULL,
  run    TEXT    NOT NULL,
  task   TEXT    NOT NULL,
  went   TEXT,
  output TEXT    NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX steps_by_run ON steps (scope, run, seq);

-- One row per act: what was wished, what policy said, how it ended.
CREATE TABLE effects (
  scope       TEXT    NOT NULL,
  effect      TEXT    NOT NULL,
  run         TEXT    NOT NULL,
  step        INTEGER NOT NULL,
  capability  TEXT    NOT NULL,
  class       TEXT    NOT NULL,
  args        TEXT    NOT NULL,
  key         TEXT,
  natural_key TEXT,
  verdict     TEXT,
  reasons     TEXT    NOT NULL DEFAULT '[]',
  compensates INTEGER NOT NULL DEFAULT 0,
  outcome     TEXT,
  result      TEXT,
  settled     INTEGER NOT NULL DEFAULT 0,
  attempts    INTEGER NOT NULL DEFAULT 0,
  cost_micros INTEGER NOT NULL DEFAULT 0,
  tokens      INTEGER NOT NULL DEFAULT 0,
  asked       INTEGER NOT NULL,
  intended    INTEGER,
  latency_us  INTEGER,
  PRIMARY KEY (scope, effect)
) STRICT, WITHOUT ROWID;
CREATE INDEX effects_by_run ON effects (scope, run, step);

CREATE TABLE gates (
  scope      TEXT    NOT NULL,
  gate       TEXT    NOT NULL,
  seq        INTEGER NOT NULL,
  run        TEXT    NOT NULL,
  effect     TEXT    NOT NULL,
  status     TEXT    NOT NULL,
  question   TEXT    NOT NULL,
  role       TEXT    NOT NULL,
  capability TEXT,
  digest     TEXT    NOT NULL,
  card       TEXT    NOT NULL,
  opened     INTEGER NOT NULL,
  expires    INTEGER NOT NULL,
  answered   INTEGER,
  answer_by  TEXT,
  note       TEXT    NOT NULL DEFAULT '',
  PRIMARY KEY (scope, gate)
) STRICT, WITHOUT ROWID;
CREATE INDEX gates_by_status ON gates (scope, status, seq);
CREATE INDEX gates_by_run ON gates (scope, run, seq);

CREATE TABLE costs (
  scope  TEXT    NOT NULL,
  seq    INTEGER NOT NULL,
  run    TEXT,
  effect TEXT,
  what   TEXT    NOT NULL,
  micros INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX costs_by_run ON costs (scope, run);

-- One row each time a person had to do something.
CREATE TABLE people_touches (
  scope  TEXT    NOT NULL,
  seq    INTEGER NOT NULL,
  person TEXT    NOT NULL,
  did    TEXT    NOT NULL,
  run    TEXT,
  gate   TEXT,
  at     INTEGER NOT NULL,
  PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;

-- What was remembered on purpose. The same key twice is once: the first stands.
CREATE TABLE items (
  scope      TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  seq        INTEGER NOT NULL,
  kind       TEXT    NOT NULL,
  subject    TEXT    NOT NULL,
  content    TEXT    NOT NULL,
  sources    TEXT    NOT NULL,
  confidence INTEGER NOT NULL,
  run        TEXT,
  at         INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX items_by_subject ON items (scope, subject, seq);
CREATE INDEX items_by_kind ON items (scope, kind, seq);

CREATE VIEW episodes AS SELECT scope, key, seq, subject, content, sources, confidence, run, at FROM items WHERE kind = 'episode';

-- How things were last seen: `thing` as in `customer:c17`, one row per property.
CREATE TABLE twin (
  scope    TEXT    NOT NULL,
  thing    TEXT    NOT NULL,
  property TEXT    NOT NULL,
  value    TEXT    NOT NULL,
  source   TEXT    NOT NULL,
  seq      INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  PRIMARY KEY (scope, thing, property)
) STRICT, WITHOUT ROWID;
