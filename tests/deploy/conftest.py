"""A database that was set up as an operator sets it up, and URLs of it for each role."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import make_url
from tests.conftest import PostgresServer
from tests.deploy.commands import ledger, set_up

from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store


@dataclass(frozen=True)
class Database:
    """One database of the test server, with the roles of ``deploy/roles.sql``."""

    admin: str

    def url(self, role: str) -> str:
        return make_url(self.admin).set(username=role, password=None).render_as_string(hide_password=False)

    def settings(self, role: str) -> dict[str, str]:
        return {"LEDGER_DATABASE": self.url(role)}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While the block runs, places are given as ledger_relay and the views are kept as ledger_projector."""
        relay = open_store(self.url("ledger_relay"))
        projector = open_store(self.url("ledger_projector"))
        runner = Runner(projector.engine, LocalLog(projector), PROJECTIONS)
        runner.prepare()
        stop = threading.Event()
        faults: list[BaseException] = []

        def loop(turn: Callable[[], int]) -> None:
            try:
                while not stop.wait(0.02):
                    turn()
            except BaseException as fault:  # noqa: BLE001 - a thread's fault has to reach the test
                faults.append(fault)

        threads = [threading.Thread(target=loop, args=[turn]) for turn in (relay.sequence, runner.catch_up)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            relay.engine.dispose()
            projector.engine.dispose()
        assert not faults, faults


def new_database(postgres: PostgresServer) -> Database:
    """A database of its own, set up by ``deploy/setup.py``."""
    database = Database(postgres.create("template1"))
    set_up(database.settings("ledger_owner"), "--admin", database.admin)
    return database


@pytest.fixture(scope="session")
def agency(postgres: PostgresServer) -> Database:
    """A database with a small agency's month in it, recorded as ledger_writer."""
    database = new_database(postgres)
    with database.kept():
        done = ledger(database.settings("ledger_writer"), "simulate", "--clients", "8", "--months", "1", "--seed", "1")
        assert done.returncode == 0, done.stdout + done.stderr
    return database


@pytest.fixture
def fresh(postgres: PostgresServer) -> Database:
    """A database with no event in it."""
    return new_database(postgres)
