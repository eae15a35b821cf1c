-- The bookkeeping of the views (``ledger.consumers.tables`` says what each table is for). Releases before this one made
-- these tables when a projector started; where they are there, they stay as they are.
--
-- Where deploy/roles.sql has made the schema `views`, they are its owner's, who keeps the views: so what changes with the
-- views belongs to the projector, and the record to ledger_owner, whichever of them is asked to migrate.
DO $$
DECLARE
    keeper name;
BEGIN
    SELECT pg_get_userbyid(nspowner) INTO keeper FROM pg_namespace WHERE nspname = 'views';
    IF keeper IS NULL THEN
        RETURN;
    END IF;
    IF NOT pg_has_role(current_user, keeper, 'MEMBER') THEN
        RAISE EXCEPTION 'the tables of the views are made for %, and % may not: run deploy/roles.sql again as a superuser, then ledger migrate', keeper, current_user
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('SET LOCAL ROLE %I', keeper);
    SET LOCAL search_path = views, public;
END $$;
--;;
CREATE TABLE IF NOT EXISTS projection_live (
    projection         text    NOT NULL PRIMARY KEY,
    generation         integer NOT NULL,
    projection_version integer NOT NULL
);
--;;
CREATE TABLE IF NOT EXISTS projection_places (
    projection    text    NOT NULL,
    log           text    NOT NULL,
    partition     integer NOT NULL,
    place         bigint  NOT NULL,
    position      bigint  NOT NULL,
    applied       bigint  NOT NULL,
    parked        bigint  NOT NULL,
    not_concerned bigint  NOT NULL,
    PRIMARY KEY (projection, log, partition)
);
--;;
CREATE TABLE IF NOT EXISTS projection_outcomes (
    projection text   NOT NULL,
    segment    bigint NOT NULL,
    outcomes   bytea  NOT NULL,
    PRIMARY KEY (projection, segment)
);
--;;
CREATE TABLE IF NOT EXISTS parked_keys (
    projection text    NOT NULL,
    key        text    NOT NULL,
    log        text    NOT NULL,
    partition  integer NOT NULL,
    position   bigint  NOT NULL,
    event_type text    NOT NULL,
    error      text    NOT NULL,
    PRIMARY KEY (projection, key)
);
--;;
CREATE TABLE IF NOT EXISTS parked_events (
    projection text   NOT NULL,
    position   bigint NOT NULL,
    key        text   NOT NULL,
    PRIMARY KEY (projection, position)
);
--;;
CREATE INDEX IF NOT EXISTS ix_parked_events_key ON parked_events (key);
--;;
RESET ROLE;
--;;
SET LOCAL search_path TO DEFAULT;
