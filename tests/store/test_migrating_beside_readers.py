"""``ledger migrate`` of a database that is up to date holds nobody up, whoever reads meanwhile."""

from __future__ import annotations

import psycopg
from sqlalchemy import event
from tests.conftest import PostgresServer
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.store.database import migrate, open_engine, open_store
from ledger.store.postgres import begin_era


def test_it_returns_while_a_dump_reads_and_a_writer_writes_on(postgres: PostgresServer) -> None:
    url = postgres.create()
    store = open_store(url)
    small_agency(Ledger(store))
    before = store.sequence()
    engine = open_engine(url)

    @event.listens_for(engine, "connect")
    def impatient(connection: psycopg.Connection, _record: object) -> None:
        """Ends in a fault where it would wait for the reader."""
        connection.execute("SET lock_timeout = '2s'")
        connection.commit()

    with psycopg.connect(url) as reader:
        reader.execute("LOCK TABLE events IN ACCESS SHARE MODE")  # as pg_dump does, until its transaction ends
        migrate(engine)
        assert not begin_era(engine)
        small_agency(Ledger(store), 1, 1)
        assert store.sequence() > before
    for one in (engine, store.engine):
        one.dispose()
