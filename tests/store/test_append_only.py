"""The database itself refuses to change, remove or replace what was recorded; the application needs no such right."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from tests.conftest import PostgresServer
from tests.store.agency import said_log, small_agency

from ledger.application.commands import Ledger
from ledger.errors import IntegrityFault
from ledger.store.database import migrate, open_engine
from ledger.store.recorder import EVENT_COLUMNS, LOG_COLUMNS, Recorder

Opened = Callable[[str], Recorder]
TEXTS = [("a", "one"), ("b", "two"), ("a", "three")]


@pytest.fixture
def filled(recorder: Recorder) -> Iterator[Recorder]:
    recorder.insert_events(said_log(TEXTS))
    recorder.sequence()
    before = recorder.read_log(0, 10)
    yield recorder
    assert recorder.read_log(0, 10) == before, "something was changed"


def refused(engine: Engine, statement: str, match: str) -> None:
    with pytest.raises(DBAPIError, match=match), engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("column", EVENT_COLUMNS)
def test_no_column_is_updated(filled: Recorder, column: str) -> None:
    refused(filled.engine, f"UPDATE events SET {column} = {column}", "append-only")  # noqa: S608 - a column of ours


@pytest.mark.parametrize(
    "statement", ["DELETE FROM events", "DELETE FROM events WHERE version = 2", "UPDATE events SET version = 9"]
)
def test_no_event_is_removed_or_renumbered(filled: Recorder, statement: str) -> None:
    refused(filled.engine, statement, "append-only")


@pytest.mark.parametrize("table", ["events", "log_order"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET ticket = DEFAULT"])
def test_postgres_refuses_on_both_tables(postgres: PostgresServer, opened: Opened, table: str, statement: str) -> None:
    recorder = opened(postgres.create())
    recorder.insert_events(said_log(TEXTS))
    assert recorder.sequence() == 3
    refused(recorder.engine, statement.format(table), "append-only|can only be updated to DEFAULT")
    assert len(recorder.read_log(0, 10)) == 3


def test_postgres_refuses_even_on_empty_tables(postgres: PostgresServer, opened: Opened) -> None:
    recorder = opened(postgres.create())
    refused(recorder.engine, "TRUNCATE events, log_order", "append-only")


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE", "INSERT"])
@pytest.mark.parametrize(
    ("position", "version", "command"),
    [
        ("2", "1", "command_id"),  # the place of another event
        ("4", "1", "'new'"),  # the stream and version of another event
        ("4", "9", "command_id"),  # the command of another event
        ("7", "9", "'new'"),  # a gap in the log
        ("4", "9", "'new'"),  # a gap in the stream
        ("NULL", "1", "'new'"),  # a place that SQLite would choose
    ],
)
def test_sqlite_refuses_every_kind_of_replacing(
    sqlite_recorder: Recorder, verb: str, position: str, version: str, command: str
) -> None:
    sqlite_recorder.insert_events(said_log(TEXTS))
    before = sqlite_recorder.read_log(0, 10)
    chosen = {"position": position, "version": version, "command_id": command}
    names = ", ".join(LOG_COLUMNS)
    values = ", ".join(chosen.get(name, name) for name in LOG_COLUMNS)
    refused(
        sqlite_recorder.engine,
        f"{verb} INTO events ({names}) SELECT {values} FROM events WHERE position = 1",  # noqa: S608 - made above
        "gapless|UNIQUE|in turn",
    )
    assert sqlite_recorder.read_log(0, 10) == before


def test_sqlite_refuses_an_upsert_and_a_time_that_goes_back(sqlite_recorder: Recorder) -> None:
    sqlite_recorder.insert_events(said_log(TEXTS))
    names = ", ".join(LOG_COLUMNS)
    refused(
        sqlite_recorder.engine,
        f"INSERT INTO events ({names}) SELECT {names} FROM events WHERE position = 1 "  # noqa: S608
        "ON CONFLICT DO UPDATE SET purpose = 'other'",
        "gapless",
    )
    values = names.replace("recorded_at", "'2000-01-01T00:00:00.000000Z'").replace("position", "4")
    refused(
        sqlite_recorder.engine,
        f"INSERT INTO events ({names}) SELECT {values} FROM events WHERE position = 1",  # noqa: S608
        "never goes back",
    )


def test_sqlite_is_durable(sqlite_recorder: Recorder) -> None:
    with sqlite_recorder.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


@pytest.mark.parametrize(
    ("places", "match"),
    [
        ("(9, 4, '9', 1)", "gapless"),
        ("(5, 4, '9', 1), (6, 5, '9', 1)", "gapless"),
        ("(4, 4, '9', 1), (6, 5, '9', 1)", "gapless"),
        ("(3, 4, '9', 1)", "duplicate key"),
        ("(4, 1, '9', 1)", "duplicate key"),
        ("(4, 4, '9', 1), (5, 4, '9', 1)", "duplicate key"),
        ("(4, 4, '1', 1)", "never goes back"),
        ("(4, 4, '9', 1), (5, 5, '8', 1)", "never goes back"),
        ("(4, 77, '9', 1)", "an event that is there"),
        ("(4, 4, '9', 1), (5, 77, '9', 1)", "an event that is there"),
    ],
)
def test_postgres_gives_no_place_twice_nor_leaves_one_out(
    postgres: PostgresServer, opened: Opened, places: str, match: str
) -> None:
    recorder = opened(postgres.create())
    recorder.insert_events(said_log(TEXTS))
    recorder.sequence()
    recorder.insert_events(said_log([("c", "four"), ("d", "five")]))
    into = "INSERT INTO log_order (position, ticket, recorded_at, leaf) SELECT position, ticket, at, leaf FROM "
    rows = f"(VALUES {places}) AS places (position, ticket, at, n), (SELECT leaf FROM log_order LIMIT 1) AS one"  # noqa: S608 - from the list above
    refused(recorder.engine, into + rows, match)
    assert recorder.sequence() == 5


def test_a_role_that_may_only_insert_and_select_is_enough(postgres: PostgresServer, opened: Opened) -> None:
    url = postgres.create()
    role = f"app_{uuid.uuid4().hex[:12]}"
    owner = open_engine(url)
    with owner.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        connection.exec_driver_sql(f"GRANT INSERT, SELECT ON events, log_order TO {role}")
        connection.exec_driver_sql(f"GRANT SELECT ON log, alembic_version, checkpoints TO {role}")
        connection.exec_driver_sql(f"GRANT SELECT ON cosignatures, timestamps TO {role}")
    recorder = opened(make_url(url).set(username=role).render_as_string(hide_password=False))
    with recorder.reading() as connection:
        assert connection.scalar(text("SELECT current_user")) == role
    small_agency(Ledger(recorder), clients=1, contacts=1)
    assert recorder.sequence() == len(recorder.read_log(0, 100)) > 5
    for statement in ("UPDATE events SET purpose = ''", "DELETE FROM log_order", "TRUNCATE events CASCADE"):
        refused(recorder.engine, statement, "permission denied")
    refused(recorder.engine, "ALTER TABLE events DISABLE TRIGGER ALL", "must be owner")
    owner.dispose()


def test_a_server_that_can_lose_commits_is_refused(postgres: PostgresServer, opened: Opened) -> None:
    url = postgres.create("template1")
    engine = open_engine(url)
    migrate(engine)
    with engine.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    engine.dispose()
    with pytest.raises(IntegrityFault, match="synchronous_commit is off"):
        opened(url)
