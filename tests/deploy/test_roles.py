"""Each database role can do its work and nothing else: commands run as the role, and what it must not do is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from tests.deploy.commands import LEDGER, environment, ledger, set_up
from tests.deploy.conftest import Database
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Behind, Runner, WrongVersion
from ledger.consumers.tables import METADATA
from ledger.projections.every import PROJECTIONS
from ledger.store.database import HEAD_REVISION, open_store
from ledger.store.postgres import SEQUENCER_LOCK

ROLES = ("ledger_owner", "ledger_writer", "ledger_relay", "ledger_sealer", "ledger_projector", "ledger_reader")
DAILY = ROLES[1:]

#: What no role of the daily work may do to the record, whoever it is.
NEVER = (
    "UPDATE events SET actor = actor",
    "DELETE FROM events",
    "TRUNCATE events CASCADE",
    "UPDATE log_order SET recorded_at = recorded_at",
    "DELETE FROM log_order",
    "TRUNCATE log_order",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "DROP TABLE events CASCADE",
    "CREATE OR REPLACE VIEW public.log AS SELECT 1",
    "CREATE TABLE public.mine (a integer)",
    "CREATE TEMPORARY TABLE events (a integer)",
    "UPDATE alembic_version SET version_num = '0000'",
    "SET session_replication_role = replica",
    "CREATE ROLE another",
    "GRANT ledger_owner TO CURRENT_USER",
    "COPY events TO PROGRAM 'cat'",
    "CREATE FUNCTION views.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION views.mine() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
    "DO 'BEGIN END'",
    "SELECT pg_advisory_lock(1818583143)",
    "SELECT pg_try_advisory_xact_lock_shared(1818583143)",
    "SELECT lo_from_bytea(0, '')",
    "SELECT pg_notify('a', 'b')",
)
#: What belongs to one role alone.
APPEND = "INSERT INTO events (stream_id) VALUES ('x')"
PLACE = "INSERT INTO log_order (position, ticket, recorded_at, leaf) SELECT 1, 1, '', ''"
SEALS = (
    "INSERT INTO checkpoints (size) VALUES (1)",
    "INSERT INTO tiles (level, number) VALUES (0, 0)",
    "INSERT INTO cosignatures (size) VALUES (1)",
    "INSERT INTO timestamps (size) VALUES (1)",
    "INSERT INTO deliveries (size) VALUES (1)",
)
VIEWS = (
    "UPDATE projection_places SET place = 0",
    "DELETE FROM parked_keys",
    "DROP VIEW view_caseload",
    "CREATE TABLE views.mine (a integer)",
    "INSERT INTO projection_live VALUES ('x', 1, 1)",
)
#: The sequencer's lock, and one of the views' locks; a path that would last after the view that set it.
KEEP_FROM_PLACING = f"SELECT pg_advisory_xact_lock({SEQUENCER_LOCK})"
KEEP_FROM_VIEWS = "SELECT pg_advisory_xact_lock(1818583913, 1)"
SET_PATH = "SELECT set_config('search_path', 'views, public', false)"
OWN = {
    "ledger_writer": (PLACE, *SEALS, *VIEWS, KEEP_FROM_PLACING, KEEP_FROM_VIEWS, SET_PATH),
    "ledger_relay": (APPEND, *SEALS, *VIEWS, KEEP_FROM_VIEWS, SET_PATH),
    "ledger_sealer": (
        *(APPEND, PLACE, "DELETE FROM checkpoints", "UPDATE tiles SET root = root", *VIEWS),
        *(KEEP_FROM_VIEWS, SET_PATH),
    ),
    "ledger_projector": (APPEND, PLACE, *SEALS, KEEP_FROM_PLACING),
    "ledger_reader": (APPEND, PLACE, *SEALS, *VIEWS, KEEP_FROM_PLACING, KEEP_FROM_VIEWS, SET_PATH),
}
REFUSED = [(role, words) for role in DAILY for words in (*NEVER, *OWN[role])]


@pytest.mark.parametrize(("role", "statement"), REFUSED)
def test_a_role_is_refused_what_is_not_its_work(agency: Database, role: str, statement: str) -> None:
    with psycopg.connect(agency.url(role)) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("column", ["xid", "era", "ticket"])
def test_a_writer_does_not_choose_where_an_event_stands(agency: Database, column: str) -> None:
    with psycopg.connect(agency.url("ledger_writer")) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(sql.SQL("INSERT INTO events ({}) VALUES (DEFAULT)").format(sql.Identifier(column)))


def test_even_the_owner_cannot_change_an_event_without_taking_the_guard_away_first(agency: Database) -> None:
    for statement in ("UPDATE events SET actor = actor", "DELETE FROM log_order", "TRUNCATE events CASCADE"):
        connected = psycopg.connect(agency.url("ledger_owner"))
        with connected as connection, pytest.raises(InsufficientPrivilege, match="is append-only"):
            connection.execute(statement)


def test_what_the_projector_makes_never_stands_before_a_table_of_the_record(fresh: Database) -> None:
    with psycopg.connect(fresh.url("ledger_projector")) as connection:
        connection.execute("CREATE TABLE events AS SELECT * FROM public.events")
        connection.execute("CREATE VIEW log AS SELECT * FROM public.log WHERE false")
    for role in ("ledger_writer", "ledger_relay", "ledger_sealer", "ledger_reader", "ledger_owner"):
        with psycopg.connect(fresh.url(role)) as connection:
            found = connection.execute(
                "SELECT relnamespace::regnamespace::text FROM pg_class "
                "WHERE oid IN ('events'::regclass, 'log'::regclass)"
            ).fetchall()
        assert found == [("public",), ("public",)]


@pytest.mark.parametrize("call", [SET_PATH, KEEP_FROM_PLACING])
def test_a_view_does_nothing_with_the_rights_of_who_reads_it(fresh: Database, call: str) -> None:
    """Functions in a view are called as the reader of the view: what the projector put there, a writer would do."""
    with psycopg.connect(fresh.url("ledger_projector")) as connection:
        connection.execute(sql.SQL("CREATE VIEW laid AS SELECT ({})::text").format(sql.SQL(call)))
    connected = psycopg.connect(fresh.url("ledger_writer"))
    with connected as connection, pytest.raises(InsufficientPrivilege, match="permission denied for function"):
        connection.execute("SELECT * FROM laid").fetchall()


def test_no_role_is_more_than_it_seems(agency: Database) -> None:
    with psycopg.connect(agency.admin) as connection:
        found = connection.execute(
            "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls "
            "FROM pg_roles WHERE rolname = ANY(%s) ORDER BY 1",
            [list(ROLES)],
        ).fetchall()
        assert found == [(role, False) for role in sorted(ROLES)]
        owned = connection.execute(
            "SELECT DISTINCT n.nspname, pg_get_userbyid(c.relowner)::text FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname IN ('public', 'views') ORDER BY 1"
        ).fetchall()
    assert owned == [("public", "ledger_owner"), ("views", "ledger_projector")]


def test_the_bookkeeping_of_the_views_is_the_projectors_whoever_migrates(fresh: Database) -> None:
    """Also where a projector of an earlier release made the tables itself: they stay, with what they hold."""
    with psycopg.connect(fresh.admin) as connection:
        found = connection.execute(
            "SELECT relname, relnamespace::regnamespace::text, pg_get_userbyid(relowner)::text FROM pg_class "
            "WHERE relkind = 'r' AND relname = ANY(%s) ORDER BY 1",
            [list(METADATA.tables)],
        ).fetchall()
        assert found == [(name, "views", "ledger_projector") for name in sorted(METADATA.tables)]
        connection.execute("DROP TABLE deliveries, timestamps, cosignatures, tiles, checkpoints")
        connection.execute("DROP FUNCTION checkpoints_grow, tiles_in_turn")
        connection.execute("CREATE INDEX events_chart ON events (chart_id)")
        connection.execute("CREATE INDEX log_order_recorded ON log_order (recorded_at)")
        connection.execute("ALTER TABLE log_order ADD FOREIGN KEY (ticket) REFERENCES events (ticket)")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.execute("INSERT INTO views.projection_live VALUES ('x', 1, 1)")
        connection.execute("REVOKE ledger_projector FROM ledger_owner")
    try:
        done = ledger(fresh.settings("ledger_owner"), "migrate")
        assert done.returncode == 1
        assert "run deploy/roles.sql again" in done.stderr
    finally:
        set_up(fresh.settings("ledger_owner"), "--admin", fresh.admin)
    with psycopg.connect(fresh.url("ledger_reader")) as connection:
        assert connection.execute("SELECT projection FROM projection_live").fetchall() == [("x",)]
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD_REVISION,)]


def test_several_projectors_start_at_once_where_no_view_was_made(fresh: Database) -> None:
    relay = open_store(fresh.url("ledger_relay"))
    writer = open_store(fresh.url("ledger_writer"))
    small_agency(Ledger(writer))
    head = relay.sequence()
    writer.engine.dispose()
    relay.engine.dispose()
    with psycopg.connect(fresh.admin, autocommit=True) as connection:
        connection.execute("GRANT ledger_relay TO ledger_projector")
    try:
        several = [
            subprocess.Popen(
                [LEDGER, "--json", "run", "--once"],
                env=environment(**fresh.settings("ledger_projector")),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        ended = [(*one.communicate(timeout=120), one.returncode) for one in several]
    finally:
        with psycopg.connect(fresh.admin, autocommit=True) as connection:
            connection.execute("REVOKE ledger_relay FROM ledger_projector")
    assert [code for *_, code in ended] == [0] * 4, ended
    with psycopg.connect(fresh.url("ledger_reader")) as connection:
        found = connection.execute(
            "SELECT projection, sum(applied + parked + not_concerned) FROM projection_places GROUP BY 1"
        )
        assert dict(found.fetchall()) == {f"{p.name}.1": head for p in PROJECTIONS}


def test_a_role_that_was_not_named_does_not_get_in(agency: Database) -> None:
    with psycopg.connect(agency.admin, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS stranger")
        connection.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(agency.url("stranger"))


def test_the_setup_may_be_run_again(agency: Database) -> None:
    said = set_up(agency.settings("ledger_owner"), "--admin", agency.admin)
    assert "grants: made" in said
    done = ledger(agency.settings("ledger_reader"), "verify")
    assert done.returncode == 0, done.stderr


COMMANDS = (
    ("status",),
    ("verify",),
    ("--as", "system:nightly", "caseload", "--on", "2025-10-15"),
    ("--as", "system:nightly", "billing", "rows", "--month", "2025-10"),
    ("--as", "system:nightly", "timeliness", "--month", "2025-10"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_writer_works_with_what_the_projector_keeps(agency: Database, command: tuple[str, ...]) -> None:
    with agency.kept():
        done = ledger(agency.settings("ledger_writer"), "--json", *command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS[:2], ids=" ".join)
def test_the_reader_can_say_where_everything_stands_and_prove_it(agency: Database, command: tuple[str, ...]) -> None:
    with agency.kept():
        done = ledger(agency.settings("ledger_reader"), "--json", *command)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["head"] > 600


def test_a_reader_sees_no_chart_because_its_access_cannot_be_recorded(agency: Database) -> None:
    with agency.kept():
        chart = json.loads(
            ledger(
                agency.settings("ledger_writer"), "--json", "--as", "system:x", "caseload", "--on", "2025-10-15"
            ).stdout
        )
        client = next(value for value in _ids(chart) if _is_chart(agency, value))
        shown = ledger(agency.settings("ledger_writer"), "--as", "system:x", "chart", client)
        done = ledger(agency.settings("ledger_reader"), "--as", "system:x", "chart", client)
    assert shown.returncode == 0, shown.stderr
    assert done.returncode != 0
    assert client not in done.stdout
    assert "permission denied for table events" in done.stderr


def test_the_sealer_seals_what_has_its_place_and_proves_it(agency: Database, tmp_path: Path) -> None:
    """Places are the relay's to give; the sealer waits for them, and adds checkpoints and what belongs to them."""
    key, sent = tmp_path / "seal.key", tmp_path / "sent"
    settings = agency.settings("ledger_sealer") | {"LEDGER_SEAL_KEY": str(key), "LEDGER_SEAL_TO": sent.as_uri()}
    made = ledger({}, "tlog", "key", "new", "--name", "agency.example.org/ledger", "--out", str(key))
    assert made.returncode == 0, made.stderr
    with agency.kept():
        done = ledger(settings, "--json", "seal")
        checked = ledger(settings, "--json", "verify")
    assert done.returncode == 0, done.stderr
    head = json.loads(done.stdout)["size"]
    assert head > 600
    assert head == json.loads(sent.read_text().splitlines()[-1])["size"]
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["sealed"]["agrees"] == head


def test_what_an_earlier_release_let_the_relay_seal_is_taken_back(fresh: Database) -> None:
    with psycopg.connect(fresh.url("ledger_owner")) as connection:
        connection.execute("GRANT INSERT ON checkpoints, tiles, cosignatures, timestamps, deliveries TO ledger_relay")
    set_up(fresh.settings("ledger_owner"), "--admin", fresh.admin)
    for statement in SEALS:
        connected = psycopg.connect(fresh.url("ledger_relay"))
        with connected as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(statement)


def _ids(found: object) -> list[str]:
    if isinstance(found, dict):
        return [each for value in found.values() for each in _ids(value)]
    if isinstance(found, list):
        return [each for value in found for each in _ids(value)]
    return [found] if isinstance(found, str) else []


def _is_chart(database: Database, value: str) -> bool:
    with psycopg.connect(database.url("ledger_reader")) as connection:
        return connection.execute("SELECT FROM log WHERE chart_id = %s LIMIT 1", [value]).fetchone() is not None


def test_a_rebuilt_view_is_read_by_the_same_roles_as_before(agency: Database) -> None:
    done = ledger(agency.settings("ledger_projector"), "--json", "rebuild", "caseload")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["switched"]
    for role in ("ledger_writer", "ledger_reader", "ledger_owner"):
        with psycopg.connect(agency.url(role)) as connection:
            found = connection.execute("SELECT count(*) FROM view_caseload").fetchone()
        assert found is not None
        assert found[0] > 0


@pytest.mark.parametrize("command", [("rebuild",), ("run", "--once"), ("migrate",)], ids=" ".join)
def test_a_writer_that_would_do_the_work_of_another_role_changes_nothing(
    agency: Database, command: tuple[str, ...]
) -> None:
    def tables() -> list[tuple[object, ...]]:
        with psycopg.connect(agency.admin) as connection:
            return connection.execute("SELECT oid, relname FROM pg_class ORDER BY 1").fetchall()

    before = tables()
    with agency.kept():
        done = ledger(agency.settings("ledger_writer"), *command)
    assert tables() == before
    if command != ("migrate",):  # there is nothing to migrate, which is not refused
        assert done.returncode == 1, done.stdout
        assert "permission denied" in done.stderr or "only read the views" in done.stderr


def test_without_a_sequencer_a_writer_goes_on_and_sees_what_has_its_place(
    fresh: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.store.postgres.PATIENCE", 0.1)
    writer = open_store(fresh.url("ledger_writer"))
    relay = open_store(fresh.url("ledger_relay"))
    try:
        small_agency(Ledger(writer))
        assert writer.sequence() == 0, "nothing has its place, and the writer may not give it"
        assert writer.waiting() > 0
        head = relay.sequence()
        assert writer.sequence() == head > 0
        assert writer.waiting() == 0
    finally:
        writer.engine.dispose()
        relay.engine.dispose()


def test_a_writer_waits_for_a_sequencer_that_is_only_late(fresh: Database) -> None:
    writer = open_store(fresh.url("ledger_writer"))
    try:
        small_agency(Ledger(writer))
        with fresh.kept():
            assert writer.sequence() > 0
        assert writer.waiting() == 0
    finally:
        writer.engine.dispose()


def test_views_that_lack_events_are_not_shown_as_if_they_had_them(
    fresh: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.consumers.runner.PATIENCE", 0.1)
    writer = open_store(fresh.url("ledger_writer"))
    relay = open_store(fresh.url("ledger_relay"))
    runner = Runner(writer.engine, LocalLog(writer), PROJECTIONS)
    try:
        with pytest.raises(WrongVersion, match=r"the views have not been made.* start: ledger run"):
            runner.prepare()
        with fresh.kept():
            pass
        small_agency(Ledger(writer))
        relay.sequence()
        runner.prepare()
        assert not runner.keeps
        with pytest.raises(Behind, match=r"has dealt with 0 of .* events: .*; see: ledger status"):
            runner.catch_up()
        with fresh.kept():
            monkeypatch.setattr("ledger.consumers.runner.PATIENCE", 30.0)
            assert runner.catch_up() == 0
    finally:
        writer.engine.dispose()
        relay.engine.dispose()


def test_without_kafka_the_projector_may_be_given_the_sequencers_right(fresh: Database) -> None:
    writer = open_store(fresh.url("ledger_writer"))
    small_agency(Ledger(writer))
    writer.engine.dispose()
    with psycopg.connect(fresh.admin, autocommit=True) as connection:
        connection.execute("GRANT ledger_relay TO ledger_projector")
        try:
            done = ledger(fresh.settings("ledger_projector"), "--json", "run", "--once")
        finally:
            connection.execute("REVOKE ledger_relay FROM ledger_projector")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] > 0
