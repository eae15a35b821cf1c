-- A chart's events have the chart's id as their key, so the index by key finds them; and recorded_at never goes back, so
-- a moment's position is found by halving.
DROP INDEX events_chart;
--;;
DROP INDEX log_order_recorded;
--;;
-- The sequencer writes many places in one statement, and they are checked together. The foreign key locked every event's
-- row, which is a write; since no event is ever deleted, that it is there when it gets its place says as much.
ALTER TABLE log_order DROP CONSTRAINT log_order_ticket_fkey;
--;;
DROP TRIGGER log_order_gapless ON log_order;
--;;
CREATE OR REPLACE FUNCTION log_order_gapless() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head        bigint;
    recorded    text COLLATE "C";
BEGIN
    SELECT min(position) - 1 INTO head FROM written;
    IF head > 0 THEN
        SELECT recorded_at INTO recorded FROM log_order WHERE position = head;
    END IF;
    IF head > 0 AND recorded IS NULL OR (SELECT max(position) - min(position) + 1 <> count(*) FROM written) THEN
        RAISE EXCEPTION 'positions are gapless: the next one is %',
            (SELECT coalesce(max(position), 0) + 1 FROM log_order WHERE position NOT IN (SELECT position FROM written));
    END IF;
    IF EXISTS (SELECT 1 FROM (SELECT recorded_at, lag(recorded_at, 1, recorded) OVER (ORDER BY position) AS before
                              FROM written) AS turn WHERE recorded_at < before) THEN
        RAISE EXCEPTION 'recorded_at never goes back';
    END IF;
    IF EXISTS (SELECT 1 FROM written LEFT JOIN events USING (ticket) WHERE events.ticket IS NULL) THEN
        RAISE EXCEPTION 'a place is given to an event that is there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
--;;
CREATE TRIGGER log_order_gapless AFTER INSERT ON log_order REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION log_order_gapless();
