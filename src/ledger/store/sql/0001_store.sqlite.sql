-- The event store on SQLite. Times are text: UTC, six decimals, 'Z'; they sort as they read.
CREATE TABLE events (
    position        INTEGER PRIMARY KEY,
    stream_id       TEXT    NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    type            TEXT    NOT NULL,
    payload         BLOB    NOT NULL,
    schema_version  INTEGER NOT NULL,
    key             TEXT    NOT NULL,
    chart_id        TEXT,
    occurred_at     TEXT    NOT NULL,
    occurred_offset INTEGER NOT NULL,
    recorded_at     TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    credential      TEXT,
    purpose         TEXT    NOT NULL,
    command_id      TEXT    NOT NULL,
    command_index   INTEGER NOT NULL,
    command_digest  TEXT    NOT NULL,
    correlation_id  TEXT    NOT NULL,
    causation_id    TEXT,
    leaf            BLOB    NOT NULL CHECK (length(leaf) = 32)
) STRICT;
--;;
CREATE UNIQUE INDEX events_stream ON events (stream_id, version);
--;;
CREATE UNIQUE INDEX events_command ON events (command_id, command_index);
--;;
CREATE INDEX events_chart ON events (chart_id, position) WHERE chart_id IS NOT NULL;
--;;
CREATE INDEX events_key ON events (key, position);
--;;
CREATE INDEX events_recorded ON events (recorded_at);
--;;
CREATE VIEW log AS SELECT * FROM events;
--;;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only: record a correction as a new event'); END;
--;;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only: nothing is ever deleted'); END;
--;;
-- Also what keeps INSERT OR REPLACE from removing a row without a DELETE trigger being fired.
CREATE TRIGGER events_in_order BEFORE INSERT ON events
BEGIN
    SELECT RAISE(ABORT, 'positions are gapless: the next one is max + 1')
    WHERE NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM events);
    SELECT RAISE(ABORT, 'recorded_at never goes back')
    WHERE NEW.recorded_at < (SELECT recorded_at FROM events WHERE position = NEW.position - 1);
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: events.stream_id, events.version')
    WHERE EXISTS (SELECT 1 FROM events WHERE stream_id = NEW.stream_id AND version = NEW.version);
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: events.command_id, events.command_index')
    WHERE EXISTS (SELECT 1 FROM events WHERE command_id = NEW.command_id AND command_index = NEW.command_index);
    SELECT RAISE(ABORT, 'a stream''s versions come in turn')
    WHERE NEW.version > 1
      AND NOT EXISTS (SELECT 1 FROM events WHERE stream_id = NEW.stream_id AND version = NEW.version - 1);
END;
