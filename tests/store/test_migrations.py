"""Tables come from migrations: on an empty database, once, however many processes start; and after a restore."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.command import upgrade
from alembic.config import Config
from sqlalchemy import Engine, insert, inspect, select, text
from tests.conftest import PostgresServer
from tests.store.agency import said_log

import ledger.store
from ledger.consumers.tables import METADATA, PLACES
from ledger.errors import LedgerError
from ledger.store.database import HEAD_REVISION, migrate, open_engine, open_store, revision
from ledger.store.recorder import Recorder

VERSIONS = Path(ledger.store.__file__).parent / "migrations" / "versions"


def command(url: str, *arguments: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from ledger.cli import main; main()", *arguments],
        env={**os.environ, "LEDGER_DATABASE": url, "LEDGER_ACTOR": "system:tests"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_head_revision_is_the_newest_file_and_the_chain_is_whole() -> None:
    found = {}
    for path in VERSIONS.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        own = re.search(r'^revision = "(\d+)"$', source, re.MULTILINE)
        before = re.search(r'^down_revision = (?:"(\d+)"|None)$', source, re.MULTILINE)
        assert own is not None, path.name
        assert before is not None, path.name
        assert path.name.startswith(own[1])
        found[own[1]] = before[1]
    assert max(found) == HEAD_REVISION
    ordered = sorted(found)
    assert [found[name] for name in ordered] == [None, *ordered[:-1]]


def test_each_revision_has_its_sql_for_both_databases() -> None:
    for path in VERSIONS.glob("*.py"):
        for dialect in ("sqlite", "postgresql"):
            assert (VERSIONS.parents[1] / "sql" / f"{path.stem}.{dialect}.sql").is_file(), path.stem


def test_an_unmigrated_postgres_is_refused_with_the_mend_then_two_migrate_it_at_once(postgres: PostgresServer) -> None:
    url = postgres.create("template1")
    status = command(url, "status")
    _, errors = status.communicate(timeout=60)
    assert status.returncode == 1
    assert "run: ledger migrate" in errors
    both = [command(url, "migrate") for _ in range(2)]
    for one in both:
        said, errors = one.communicate(timeout=60)
        assert (one.returncode, errors) == (0, "")
        assert f"revision {HEAD_REVISION}" in said
    engine = open_engine(url)
    assert revision(engine) == HEAD_REVISION
    assert {"events", "log_order", "log"} <= {*inspect(engine).get_table_names(), *inspect(engine).get_view_names()}
    migrate(engine)
    engine.dispose()


@pytest.mark.parametrize("at", ["0000", "9999"])
def test_another_revision_is_refused(database_url: str, at: str) -> None:
    recorder = open_store(database_url)
    with recorder.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": at})
    recorder.engine.dispose()
    with pytest.raises(LedgerError, match=rf"revision {at}.*ledger migrate"):
        open_store(database_url)


def at_revision_1(url: str) -> Engine:
    """A database as the first release left it: the store at revision 0001, the views' tables made at start."""
    engine = open_engine(url)
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["engine"] = engine
    upgrade(config, "0001")
    METADATA.create_all(engine)
    place = {"projection": "x.1", "log": "local", "partition": 0, "place": 7, "position": 7}
    with engine.begin() as connection:
        connection.execute(insert(PLACES), [{**place, "applied": 7, "parked": 0, "not_concerned": 0}])
    return engine


def tables(engine: Engine) -> dict[str, Any]:
    """What the database says of the views' tables: columns with their types, keys, indexes."""
    looking = inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in looking.get_columns(name)],
            looking.get_pk_constraint(name)["constrained_columns"],
            [(i["name"], i["column_names"]) for i in looking.get_indexes(name)],
        )
        for name in METADATA.tables
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """A database with nothing in it, of each kind."""
    return sqlite_url if request.param == "sqlite" else str(request.getfixturevalue("postgres").create("template1"))


def test_the_views_tables_are_those_that_the_consumers_know(empty_url: str) -> None:
    engine = open_engine(empty_url)
    migrate(engine)
    made = tables(engine)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        METADATA.create_all(connection)
    assert made == tables(engine)
    engine.dispose()


def test_a_database_whose_views_tables_were_made_at_start_keeps_what_they_hold(
    empty_url: str,
) -> None:
    engine = at_revision_1(empty_url)
    before = tables(engine)
    with pytest.raises(LedgerError, match=r"revision 0001.*ledger migrate"):
        open_store(empty_url)
    done = command(empty_url, "migrate")
    said, errors = done.communicate(timeout=60)
    assert (done.returncode, errors) == (0, "")
    assert f"revision {HEAD_REVISION}" in said
    assert (revision(engine), tables(engine)) == (HEAD_REVISION, before)
    with engine.connect() as connection:
        assert connection.execute(select(PLACES.c.projection, PLACES.c.place)).all() == [("x.1", 7)]
    engine.dispose()


def test_a_store_restored_from_another_server_begins_a_new_era(
    postgres: PostgresServer, opened: Callable[[str], Recorder]
) -> None:
    """A dump brings rows whose transaction ids this server has not reached; some may have had no place yet."""
    url = postgres.create()
    recorder = opened(url)
    first, second, third, fourth = said_log([("a", "one"), ("b", "two"), ("a", "three"), ("c", "four")])
    recorder.insert_events([first])
    recorder.sequence()
    recorder.insert_events([second])
    with recorder.engine.begin() as connection:  # what a restore does: rows as they were, no trigger fired
        connection.exec_driver_sql("SET session_replication_role = replica")
        connection.exec_driver_sql("UPDATE events SET xid = ((xid::text)::bigint + 1000000)::text::xid8")
    with pytest.raises(LedgerError, match="ledger migrate"):
        recorder.sequence()
    with pytest.raises(LedgerError, match="ledger migrate"):
        opened(url)
    done = command(url, "migrate")
    assert done.wait(timeout=60) == 0
    done.communicate()
    again = opened(url)
    again.insert_events([third, fourth])
    assert again.sequence() == 4
    log = again.read_log(0, 10)
    assert [row.event_id for row in log] == [row.event_id for row in (first, second, third, fourth)]
    assert again.passed_over() == []
    assert again.waiting() == 0
    migrate(again.engine)
    with again.reading() as connection:
        assert connection.scalar(text("SELECT max(era) FROM events")) == 2


def test_an_event_that_lost_its_place_is_named(postgres: PostgresServer, opened: Callable[[str], Recorder]) -> None:
    recorder = opened(postgres.create())
    rows = said_log([("a", "one"), ("b", "two")])
    for row in rows:
        recorder.insert_events([row])
    recorder.sequence()
    with recorder.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE log_order DISABLE TRIGGER ALL")
        connection.exec_driver_sql("DELETE FROM log_order WHERE position = 1")
    recorder.sequence()
    assert [row.event_id for row in recorder.passed_over()] == [rows[0].event_id]
