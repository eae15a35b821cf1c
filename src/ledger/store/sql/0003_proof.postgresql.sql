-- The sealed tree on PostgreSQL: signed checkpoints, the full tiles under them, and what others have signed of them.
-- A checkpoint is told by its size: how many events the log had. One size is sealed once, and sizes only grow.
CREATE TABLE checkpoints (
    size      bigint PRIMARY KEY CHECK (size >= 1),
    root      bytea  NOT NULL CHECK (octet_length(root) = 32),
    note      bytea  NOT NULL,
    sealed_at text   COLLATE "C" NOT NULL
);
--;;
-- Full tiles of 256 hashes (c2sp.org/tlog-tiles), and the hash over each, which stands in the tile above.
CREATE TABLE tiles (
    level  integer NOT NULL CHECK (level >= 0),
    number bigint  NOT NULL CHECK (number >= 0),
    hashes bytea   NOT NULL CHECK (octet_length(hashes) = 8192),
    root   bytea   NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (level, number)
);
--;;
CREATE TABLE cosignatures (
    size        bigint NOT NULL REFERENCES checkpoints (size),
    witness     text   COLLATE "C" NOT NULL,
    line        text   NOT NULL,
    received_at text   COLLATE "C" NOT NULL,
    PRIMARY KEY (size, witness)
);
--;;
CREATE TABLE timestamps (
    size        bigint NOT NULL REFERENCES checkpoints (size),
    authority   text   COLLATE "C" NOT NULL,
    token       bytea  NOT NULL,
    received_at text   COLLATE "C" NOT NULL,
    PRIMARY KEY (size, authority)
);
--;;
-- Which checkpoints a place has taken that cannot be asked for what it holds.
CREATE TABLE deliveries (
    place        text   COLLATE "C" NOT NULL,
    size         bigint NOT NULL REFERENCES checkpoints (size),
    delivered_at text   COLLATE "C" NOT NULL,
    PRIMARY KEY (place, size)
);
--;;
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--;;
CREATE TRIGGER tiles_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tiles
FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--;;
CREATE TRIGGER cosignatures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignatures
FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--;;
CREATE TRIGGER timestamps_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timestamps
FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--;;
CREATE TRIGGER deliveries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON deliveries
FOR EACH STATEMENT EXECUTE FUNCTION append_only();
--;;
CREATE FUNCTION checkpoints_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size <= (SELECT max(size) FROM checkpoints) THEN
        RAISE EXCEPTION 'checkpoints only grow: there is one of % events already', (SELECT max(size) FROM checkpoints);
    END IF;
    IF NEW.size > coalesce((SELECT max(position) FROM log_order), 0) THEN
        RAISE EXCEPTION 'a checkpoint seals events of the log: it has none at position %', NEW.size;
    END IF;
    RETURN NEW;
END $$;
--;;
CREATE TRIGGER checkpoints_grow BEFORE INSERT ON checkpoints FOR EACH ROW EXECUTE FUNCTION checkpoints_grow();
--;;
CREATE FUNCTION tiles_in_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <> coalesce((SELECT max(number) FROM tiles WHERE level = NEW.level), -1) + 1 THEN
        RAISE EXCEPTION 'the tiles of level % come in turn: % is not the next', NEW.level, NEW.number;
    END IF;
    RETURN NEW;
END $$;
--;;
CREATE TRIGGER tiles_in_turn BEFORE INSERT ON tiles FOR EACH ROW EXECUTE FUNCTION tiles_in_turn();
