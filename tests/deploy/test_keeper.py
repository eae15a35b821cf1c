"""Only the role that keeps the views makes them, so that every other role can read what was made."""

from __future__ import annotations

import psycopg
import pytest
from tests.deploy.commands import ledger
from tests.deploy.conftest import Database
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store

#: Who owns each table and view of a view, in which schema.
MADE = (
    "SELECT DISTINCT relnamespace::regnamespace::text, pg_get_userbyid(relowner)::text FROM pg_class "
    "WHERE relkind IN ('r', 'v') AND (relname LIKE 'rows\\_%' OR relname LIKE 'view\\_%') "
    "AND relnamespace::regnamespace::text <> 'information_schema'"
)


def made(database: Database) -> list[tuple[object, ...]]:
    with psycopg.connect(database.admin) as connection:
        return connection.execute(MADE).fetchall()


@pytest.fixture
def placed(fresh: Database) -> Database:
    """A database with events that have their place, whose views were never made."""
    writer, relay = open_store(fresh.url("ledger_writer")), open_store(fresh.url("ledger_relay"))
    small_agency(Ledger(writer))
    relay.sequence()
    for store in (writer, relay):
        store.engine.dispose()
    return fresh


@pytest.mark.parametrize("command", [("rebuild",), ("run", "--once"), ("status",)], ids=" ".join)
@pytest.mark.parametrize("role", ["ledger_owner", "postgres"])
def test_another_role_makes_no_view_and_is_told_whose_work_it_is(
    placed: Database, role: str, command: tuple[str, ...]
) -> None:
    if role == "postgres":
        with psycopg.connect(placed.admin, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'ALTER ROLE postgres IN DATABASE "{name}" SET search_path = public, views')
    done = ledger(placed.settings(role), *command)
    assert done.returncode == 1, done.stdout
    assert "ledger_projector" in done.stderr
    assert "Traceback" not in done.stderr
    assert made(placed) == []


@pytest.mark.parametrize("first", [("status",), ("rebuild",)], ids=" ".join)
def test_what_the_owner_tried_first_keeps_nobody_from_the_views(placed: Database, first: tuple[str, ...]) -> None:
    ledger(placed.settings("ledger_owner"), *first)
    done = ledger(placed.settings("ledger_projector"), "rebuild")
    assert done.returncode == 0, done.stderr
    assert f"{len(PROJECTIONS)} of {len(PROJECTIONS)} views switched" in done.stdout
    assert made(placed) == [("views", "ledger_projector")]
    for role in ("ledger_writer", "ledger_reader", "ledger_owner"):
        with psycopg.connect(placed.url(role)) as connection:
            assert connection.execute("SELECT count(*) FROM view_caseload").fetchone() is not None
        done = ledger(placed.settings(role), "status")
        assert done.returncode == 0, done.stderr
    done = ledger(placed.settings("ledger_projector"), "run", "--once")
    assert done.returncode == 0, done.stderr
