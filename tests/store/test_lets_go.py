"""A process that stands still in the middle of giving places does not hold up the next one for long."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError
from tests.conftest import PostgresServer
from tests.store.agency import said_log

from ledger.store.database import is_away, open_store
from ledger.store.direct import _KEPT, IDLE_MS, LETS_GO_MS
from ledger.store.postgres import SEQUENCER_LOCK

SHOW = "SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"


def test_the_lock_of_the_order_is_let_go_by_one_that_was_stopped_with_it(postgres: PostgresServer) -> None:
    url = postgres.create()
    stopped, other = open_store(url), open_store(url)
    other.insert_events(said_log([("a", "one"), ("b", "two")]))
    held = stopped._direct.cursor()
    held.cursor.execute("BEGIN")
    held.cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SEQUENCER_LOCK,))
    assert other.sequence() == 2, "it waits for the server to end the transaction that stands still, and goes on"
    held.pooled.invalidate()
    assert stopped.sequence() == 2, "who was stopped goes on with another connection"
    for store in (stopped, other):
        store.engine.dispose()


def test_a_connection_goes_back_to_the_pool_with_the_patience_of_the_pool(postgres: PostgresServer) -> None:
    store = open_store(postgres.create())
    several = [store._direct.cursor() for _ in range(_KEPT + 1)]
    assert [each.cursor.execute(SHOW).fetchone()[0] for each in several] == [str(LETS_GO_MS)] * len(several)
    for each in several:
        store._direct.take_back(each, None)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql(SHOW).scalar() == str(IDLE_MS)
    store.engine.dispose()


@pytest.mark.parametrize("when", ["before it is taken", "while it is out"])
def test_a_connection_that_the_server_has_ended_is_an_outage_and_the_next_one_works(
    when: str, postgres: PostgresServer
) -> None:
    url = postgres.create()
    store, other = open_store(url), open_store(url)
    with store.engine.connect() as connection:  # and back into the pool
        number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
    held = [store._direct.cursor() for _ in range(_KEPT + 1)] if when == "while it is out" else []
    if held:
        number = held[-1].cursor.execute("SELECT pg_backend_pid()").fetchone()[0]
    with other.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT pg_terminate_backend(%s, 5000)", (number,)).scalar()
    if held:
        for each in held:
            store._direct.take_back(each, None)  # what it was used for is done
    else:
        with pytest.raises(DBAPIError) as fault:
            store._direct.cursor()
        assert is_away(fault.value)
    assert store.sequence() == 0
    for opened in (store, other):
        opened.engine.dispose()
