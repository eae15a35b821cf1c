"""One rebuild of a view at a time: a second is told who is at it, and one that was killed keeps nobody waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, select
from tests.conftest import PostgresServer
from tests.consumers.views import make_views, run
from tests.store.agency import said_log

from ledger.consumers import exclusive
from ledger.consumers.exclusive import BeingRebuilt, exclusively
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, rows_of, switch
from ledger.consumers.runner import Runner
from ledger.consumers.tables import PLACES
from ledger.errors import LedgerError
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder

_HOLD = """
import sys
from ledger.consumers.exclusive import exclusively
from ledger.store.database import open_engine
with exclusively(open_engine(sys.argv[1]), sys.argv[2:]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(url: str, *views: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that rebuilds some views, until it is told to end or killed."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, url, *views], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def take(engine: Engine) -> None:
    """Begin a rebuild of the caseload, and end it."""
    with exclusively(engine, ["caseload"]) as still_alone:
        still_alone()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "PATIENCE", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_second_rebuild_is_told_who_is_at_it(database_url: str, opened: Callable[[str], Recorder]) -> None:
    engine = opened(database_url).engine
    with (
        another(database_url, "caseload", "billing") as process,
        pytest.raises(BeingRebuilt, match=f"caseload.*process {process.pid} on "),
    ):
        take(engine)
    take(engine)


def test_one_that_was_killed_keeps_nobody_waiting(database_url: str, opened: Callable[[str], Recorder]) -> None:
    """The operating system, or the server that sees the connection go, takes the lock back."""
    engine = opened(database_url).engine
    with another(database_url, "caseload") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        take(engine)
        take(engine)


def test_on_postgresql_two_views_are_rebuilt_at_once(
    postgres: PostgresServer, opened: Callable[[str], Recorder]
) -> None:
    url = postgres.create()
    engine = opened(url).engine
    with another(url, "billing"), exclusively(engine, ["caseload"]) as still_alone:
        still_alone()


def test_a_connection_that_is_gone_stops_the_switch(
    postgres: PostgresServer, opened: Callable[[str], Recorder]
) -> None:
    engine = opened(postgres.create()).engine
    with exclusively(engine, ["caseload"]) as still_alone:
        with engine.connect() as connection:
            ended = connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE application_name LIKE 'ledger rebuild%%' AND datname = current_database()"
            ).all()
        assert ended == [(True,)]
        with pytest.raises(LedgerError, match="nothing was switched"):
            still_alone()


def test_rebuilds_at_once_leave_one_whole_view(database_url: str, opened: Callable[[str], Recorder]) -> None:
    """Without the lock, each dropped the table that the other was filling."""
    recorder = opened(database_url)
    recorder.insert_events(said_log([(f"chart {n % 7}", f"text {n}") for n in range(60)]))
    view, _, _ = make_views()
    run(recorder, view)
    before = rows_of(recorder.engine, view)
    told: list[LedgerError] = []
    failed: list[BaseException] = []

    def one() -> None:
        mine = opened(database_url)
        try:
            for _ in range(3):
                try:
                    with exclusively(mine.engine, [view.name]):
                        fresh, generation = build_beside(mine.engine, LocalLog(mine), view)
                        switch(mine.engine, fresh, view, generation)
                except BeingRebuilt as fault:
                    told.append(fault)
        except BaseException as fault:  # noqa: BLE001 - shown by the assertion below
            failed.append(fault)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert rows_of(recorder.engine, view) == before


class Overtaken(LocalLog):
    """A log to which events come, and are applied to the live rows, just after a reader has asked for its head."""

    def __init__(self, recorder: Recorder, live: Runner, late: list[StoredRow]) -> None:
        super().__init__(recorder)
        self._store, self._live, self._late = recorder, live, late

    def head(self, partition: int) -> int:
        found = super().head(partition)
        if self._late:
            self._store.insert_events(self._late)
            self._late = []
            self._live.catch_up()
        return found


def test_a_switch_waits_for_what_the_live_rows_got_meanwhile(recorder: Recorder) -> None:
    rows = said_log([(f"chart {n}", f"text {n}") for n in range(9)])
    recorder.insert_events(rows[:5])
    view, _, _ = make_views()
    live = run(recorder, view)
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), view)
    fresh.log = Overtaken(recorder, live, list(rows[5:]))
    switch(recorder.engine, fresh, view, generation)
    assert len(rows_of(recorder.engine, view)) == 9, "a reader sees fewer rows than before the switch"
    with recorder.reading() as connection:
        place = connection.scalar(select(PLACES.c.place).where(PLACES.c.projection == f"said.{generation}"))
    assert place == 9
