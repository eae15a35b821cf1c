-- The bookkeeping of the views (``ledger.consumers.tables`` says what each table is for). Releases before this one made
-- these tables when a view was first kept; where they are there, they stay as they are.
CREATE TABLE IF NOT EXISTS projection_live (
    projection         TEXT    NOT NULL PRIMARY KEY,
    generation         INTEGER NOT NULL,
    projection_version INTEGER NOT NULL
);
--;;
CREATE TABLE IF NOT EXISTS projection_places (
    projection    TEXT    NOT NULL,
    log           TEXT    NOT NULL,
    partition     INTEGER NOT NULL,
    place         BIGINT  NOT NULL,
    position      BIGINT  NOT NULL,
    applied       BIGINT  NOT NULL,
    parked        BIGINT  NOT NULL,
    not_concerned BIGINT  NOT NULL,
    PRIMARY KEY (projection, log, partition)
);
--;;
CREATE TABLE IF NOT EXISTS projection_outcomes (
    projection TEXT   NOT NULL,
    segment    BIGINT NOT NULL,
    outcomes   BLOB   NOT NULL,
    PRIMARY KEY (projection, segment)
);
--;;
CREATE TABLE IF NOT EXISTS parked_keys (
    projection TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    log        TEXT    NOT NULL,
    partition  INTEGER NOT NULL,
    position   BIGINT  NOT NULL,
    event_type TEXT    NOT NULL,
    error      TEXT    NOT NULL,
    PRIMARY KEY (projection, key)
);
--;;
CREATE TABLE IF NOT EXISTS parked_events (
    projection TEXT   NOT NULL,
    position   BIGINT NOT NULL,
    key        TEXT   NOT NULL,
    PRIMARY KEY (projection, position)
);
--;;
CREATE INDEX IF NOT EXISTS ix_parked_events_key ON parked_events (key);
