-- The database roles of the ledger, each with the least it needs. Run once in the ledger's own database, by a superuser,
-- before each `ledger migrate`; running it again changes nothing. Then `ledger migrate` as ledger_owner, and
-- grants.sql as ledger_owner after every migration. deploy/setup.py does all of it in that order.
--
--   ledger_owner      owns the tables of the record, may make the projector's; for `ledger migrate` and `ledger restore`,
--                     never for daily work
--   ledger_writer     records: INSERT and SELECT of events, SELECT of the views; what people and programs work as
--   ledger_relay      gives events their place in the log, and relays them: SELECT of events, INSERT of places
--   ledger_sealer     seals what has its place: SELECT of the log, INSERT of checkpoints, tiles and what others add to them
--   ledger_projector  keeps the views: owns the schema `views` and nothing else, reads the log
--   ledger_reader     reads the log and the views; nothing traces its reads, so it is for verification, not for people
--
-- They log in without a password here: set one (deploy/setup.py does, from files), or use pg_hba.conf.
-- Without Kafka no relay runs; let the projector give the places then:  GRANT ledger_relay TO ledger_projector;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_owner', 'ledger_writer', 'ledger_relay', 'ledger_sealer', 'ledger_projector',
                              'ledger_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', name);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    -- `ledger restore` works through a temporary table.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO ledger_owner', current_database());
    -- The record first, then the views: what the projector makes can never stand before a table of the record.
    FOREACH name IN ARRAY ARRAY['ledger_owner', 'ledger_writer', 'ledger_relay', 'ledger_sealer', 'ledger_reader'] LOOP
        EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = public, views', name, current_database());
    END LOOP;
    -- The projector makes its tables in the first schema of its path.
    EXECUTE format('ALTER ROLE ledger_projector IN DATABASE %I SET search_path = views, public', current_database());
END $$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO ledger_owner;
GRANT USAGE ON SCHEMA public TO ledger_writer, ledger_relay, ledger_sealer, ledger_projector, ledger_reader;

CREATE SCHEMA IF NOT EXISTS views AUTHORIZATION ledger_projector;
-- `ledger migrate` makes the bookkeeping of the views in the projector's name, so that it is the projector's.
GRANT ledger_projector TO ledger_owner;
GRANT USAGE ON SCHEMA views TO ledger_owner, ledger_writer, ledger_relay, ledger_sealer, ledger_reader;
-- Views come and go with rebuilds: whatever the projector makes may be read by those who read, and by nobody else.
ALTER DEFAULT PRIVILEGES FOR ROLE ledger_projector IN SCHEMA views
    GRANT SELECT ON TABLES TO ledger_owner, ledger_writer, ledger_relay, ledger_sealer, ledger_reader;

-- What everybody may do in a new database and nobody needs here. A function that the projector made would work with the
-- rights of whoever reads a view that calls it, a writer's as well: so the owner alone makes any, in migrations.
REVOKE USAGE ON LANGUAGE sql, plpgsql FROM PUBLIC;
GRANT USAGE ON LANGUAGE plpgsql TO ledger_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE ledger_projector REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
-- The server's own functions that do something although they are only selected, so that a view, too, could call them:
-- locks that keep others from giving places, large objects, notices, and settings (a search_path that lasts).
DO $$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN
        SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        AND (proname ~ '^(pg_(try_)?advisory_|lo_)' OR proname IN ('loread', 'lowrite', 'pg_notify', 'set_config'))
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
END $$;
-- Locks with one key: migrating and restoring, giving places, sealing. With two: keeping and rebuilding the views.
GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) TO ledger_owner, ledger_relay, ledger_sealer;
GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(integer, integer), pg_try_advisory_lock(integer, integer)
    TO ledger_projector;
-- pg_dump sets its path with it; a rebuild its name, which another one is told.
GRANT EXECUTE ON FUNCTION set_config(text, text, boolean) TO ledger_owner, ledger_projector;
