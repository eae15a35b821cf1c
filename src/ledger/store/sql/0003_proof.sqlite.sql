-- The sealed tree on SQLite: signed checkpoints, the full tiles under them, and what others have signed of them.
-- A checkpoint is told by its size: how many events the log had. One size is sealed once, and sizes only grow.
CREATE TABLE checkpoints (
    size      INTEGER PRIMARY KEY CHECK (size >= 1),
    root      BLOB    NOT NULL CHECK (length(root) = 32),
    note      BLOB    NOT NULL,
    sealed_at TEXT    NOT NULL
) STRICT;
--;;
-- Full tiles of 256 hashes (c2sp.org/tlog-tiles), and the hash over each, which stands in the tile above.
CREATE TABLE tiles (
    level  INTEGER NOT NULL CHECK (level >= 0),
    number INTEGER NOT NULL CHECK (number >= 0),
    hashes BLOB    NOT NULL CHECK (length(hashes) = 8192),
    root   BLOB    NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (level, number)
) STRICT;
--;;
CREATE TABLE cosignatures (
    size        INTEGER NOT NULL REFERENCES checkpoints (size),
    witness     TEXT    NOT NULL,
    line        TEXT    NOT NULL,
    received_at TEXT    NOT NULL,
    PRIMARY KEY (size, witness)
) STRICT;
--;;
CREATE TABLE timestamps (
    size        INTEGER NOT NULL REFERENCES checkpoints (size),
    authority   TEXT    NOT NULL,
    token       BLOB    NOT NULL,
    received_at TEXT    NOT NULL,
    PRIMARY KEY (size, authority)
) STRICT;
--;;
-- Which checkpoints a place has taken that cannot be asked for what it holds.
CREATE TABLE deliveries (
    place        TEXT    NOT NULL,
    size         INTEGER NOT NULL REFERENCES checkpoints (size),
    delivered_at TEXT    NOT NULL,
    PRIMARY KEY (place, size)
) STRICT;
--;;
CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;
--;;
CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;
--;;
CREATE TRIGGER tiles_no_update BEFORE UPDATE ON tiles
BEGIN SELECT RAISE(ABORT, 'tiles are append-only'); END;
--;;
CREATE TRIGGER tiles_no_delete BEFORE DELETE ON tiles
BEGIN SELECT RAISE(ABORT, 'tiles are append-only'); END;
--;;
CREATE TRIGGER cosignatures_no_update BEFORE UPDATE ON cosignatures
BEGIN SELECT RAISE(ABORT, 'cosignatures are append-only'); END;
--;;
CREATE TRIGGER cosignatures_no_delete BEFORE DELETE ON cosignatures
BEGIN SELECT RAISE(ABORT, 'cosignatures are append-only'); END;
--;;
CREATE TRIGGER timestamps_no_update BEFORE UPDATE ON timestamps
BEGIN SELECT RAISE(ABORT, 'timestamps are append-only'); END;
--;;
CREATE TRIGGER timestamps_no_delete BEFORE DELETE ON timestamps
BEGIN SELECT RAISE(ABORT, 'timestamps are append-only'); END;
--;;
CREATE TRIGGER deliveries_no_update BEFORE UPDATE ON deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries are append-only'); END;
--;;
CREATE TRIGGER deliveries_no_delete BEFORE DELETE ON deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries are append-only'); END;
--;;
-- These also keep INSERT OR REPLACE from removing a row without a DELETE trigger being fired.
CREATE TRIGGER checkpoints_grow BEFORE INSERT ON checkpoints
BEGIN
    SELECT RAISE(ABORT, 'checkpoints only grow: there is one of as many events or more already')
    WHERE NEW.size <= (SELECT max(size) FROM checkpoints);
    SELECT RAISE(ABORT, 'a checkpoint seals events of the log: it has none at that position')
    WHERE NEW.size > (SELECT coalesce(max(position), 0) FROM events);
END;
--;;
CREATE TRIGGER tiles_in_turn BEFORE INSERT ON tiles
BEGIN
    SELECT RAISE(ABORT, 'the tiles of a level come in turn')
    WHERE NEW.number <> (SELECT coalesce(max(number), -1) + 1 FROM tiles WHERE level = NEW.level);
END;
--;;
CREATE TRIGGER cosignatures_once BEFORE INSERT ON cosignatures
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: cosignatures.size, cosignatures.witness')
    WHERE EXISTS (SELECT 1 FROM cosignatures WHERE size = NEW.size AND witness = NEW.witness);
END;
--;;
CREATE TRIGGER timestamps_once BEFORE INSERT ON timestamps
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: timestamps.size, timestamps.authority')
    WHERE EXISTS (SELECT 1 FROM timestamps WHERE size = NEW.size AND authority = NEW.authority);
END;
--;;
CREATE TRIGGER deliveries_once BEFORE INSERT ON deliveries
BEGIN
    SELECT RAISE(ABORT, 'UNIQUE constraint failed: deliveries.place, deliveries.size')
    WHERE EXISTS (SELECT 1 FROM deliveries WHERE place = NEW.place AND size = NEW.size);
END;
