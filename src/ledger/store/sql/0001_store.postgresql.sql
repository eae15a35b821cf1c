-- The event store on PostgreSQL. Times are text: UTC, six decimals, 'Z'; they sort as they read (COLLATE "C").
CREATE TABLE events (
    ticket          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Transaction ids begin anew when a dump is restored into another server: the default then goes up by one.
    era             integer NOT NULL DEFAULT 1,
    xid             xid8    NOT NULL DEFAULT pg_current_xact_id(),
    stream_id       text    COLLATE "C" NOT NULL,
    version         integer NOT NULL CHECK (version >= 1),
    type            text    COLLATE "C" NOT NULL,
    payload         bytea   NOT NULL,
    schema_version  integer NOT NULL,
    key             text    COLLATE "C" NOT NULL,
    chart_id        text    COLLATE "C",
    occurred_at     text    COLLATE "C" NOT NULL,
    occurred_offset integer NOT NULL,
    written_at      text    COLLATE "C" NOT NULL,
    actor           text    NOT NULL,
    role            text    NOT NULL,
    credential      text,
    purpose         text    NOT NULL,
    command_id      text    COLLATE "C" NOT NULL,
    command_index   integer NOT NULL,
    command_digest  text    NOT NULL,
    correlation_id  text    NOT NULL,
    causation_id    text,
    CONSTRAINT events_stream UNIQUE (stream_id, version),
    CONSTRAINT events_command UNIQUE (command_id, command_index)
);
--;;
CREATE INDEX events_order ON events (era, xid, ticket);
--;;
CREATE INDEX events_chart ON events (chart_id, ticket) WHERE chart_id IS NOT NULL;
--;;
CREATE INDEX events_key ON events (key, ticket);
--;;
-- The place of every event in the log; written by the sequencer alone.
CREATE TABLE log_order (
    position    bigint PRIMARY KEY CHECK (position >= 1),
    ticket      bigint NOT NULL UNIQUE REFERENCES events (ticket),
    recorded_at text   COLLATE "C" NOT NULL,
    leaf        bytea  NOT NULL CHECK (octet_length(leaf) = 32)
);
--;;
CREATE INDEX log_order_recorded ON log_order (recorded_at);
--;;
CREATE VIEW log AS
SELECT e.stream_id, e.version, e.type, e.payload, e.schema_version, e.key, e.chart_id, e.occurred_at,
       e.occurred_offset, e.actor, e.role, e.credential, e.purpose, e.command_id, e.command_index,
       e.command_digest, e.correlation_id, e.causation_id, o.position, o.recorded_at, o.leaf
FROM log_order o JOIN events e USING (ticket);
--;;
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused; record a correction as a new event', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
--;;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--;;
CREATE TRIGGER log_order_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_order
FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--;;
-- A stream's versions come in turn in the log's order too: the version before must be visible, and written by this
-- transaction or by one with an earlier id (a transaction that took its id before it read would break the turn).
CREATE FUNCTION events_in_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.xid := pg_current_xact_id();
    IF NEW.version > 1 AND NOT EXISTS (
        SELECT 1 FROM events
        WHERE stream_id = NEW.stream_id AND version = NEW.version - 1 AND (era, xid) <= (NEW.era, NEW.xid)
    ) THEN
        RAISE EXCEPTION 'version % of % comes out of turn', NEW.version, NEW.stream_id
            USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NEW;
END $$;
--;;
CREATE TRIGGER events_in_turn BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_in_turn();
--;;
CREATE FUNCTION log_order_gapless() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before record;
BEGIN
    SELECT position, recorded_at INTO before FROM log_order ORDER BY position DESC LIMIT 1;
    IF NEW.position <> coalesce(before.position, 0) + 1 THEN
        RAISE EXCEPTION 'positions are gapless: the next one is %, not %', coalesce(before.position, 0) + 1, NEW.position;
    END IF;
    IF NEW.recorded_at < before.recorded_at THEN
        RAISE EXCEPTION 'recorded_at never goes back';
    END IF;
    RETURN NEW;
END $$;
--;;
CREATE TRIGGER log_order_gapless BEFORE INSERT ON log_order FOR EACH ROW EXECUTE FUNCTION log_order_gapless();
