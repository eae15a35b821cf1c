"""``kill -9`` of the projection runner at random moments: nothing lost, nothing doubled, nothing half written."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import func, select
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.clock import ManualClock, SeededIds
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare
from ledger.consumers.tables import PLACES
from ledger.integrity.verify import verify
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

KILLS = 30
#: Seconds that a runner may take to start and do its first batch, on a machine with much else to do.
PATIENCE = 60.0


def start_runner(url: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "from ledger.cli import main; main()", "run", *options],
        env={**os.environ, "LEDGER_DATABASE": url},
        stdout=subprocess.DEVNULL,
    )


def places(recorder: Recorder) -> int:
    """How far all views together have come."""
    with recorder.reading() as connection:
        return int(connection.scalar(select(func.sum(PLACES.c.place))) or 0)


def test_thirty_kills_leave_every_view_as_if_there_had_been_none(
    sqlite_url: str, opened: Callable[[str], Recorder]
) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    choose = random.Random(seed)
    writing = open_store(sqlite_url, ManualClock(datetime(2026, 1, 5, 17, 0, tzinfo=UTC)))
    small_agency(
        Ledger(writing, clock=ManualClock(datetime(2026, 1, 5, 17, 0, tzinfo=UTC)), ids=SeededIds("kill")), 40, 8
    )
    writing.engine.dispose()
    recorder = opened(sqlite_url)
    everything = recorder.head() * len(PROJECTIONS)
    assert recorder.head() > 1000

    at_work = 0
    for _ in range(KILLS):
        before = places(recorder)
        process = start_runner(sqlite_url, "--batch", str(choose.choice((1, 2, 3))))
        until = time.monotonic() + PATIENCE
        while places(recorder) == before < everything and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(choose.uniform(0, 0.12))
        at_work += before < places(recorder) < everything
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
    assert at_work == KILLS, "the log was too short: some runners had nothing left to do when they were killed"

    assert start_runner(sqlite_url, "--once").wait(timeout=PATIENCE) == 0
    assert places(recorder) == everything
    report = verify(recorder, PROJECTIONS)
    assert report.sound, report.faults
    for projection in PROJECTIONS:
        _, generation = build_beside(recorder.engine, LocalLog(recorder), projection)
        difference = compare(recorder.engine, projection, generation)
        assert difference.same, difference
