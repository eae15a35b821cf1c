"""``kill -9`` of an import at random moments: nothing lost, nothing doubled, nothing half written."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

from ledger.application.commands import Ledger
from ledger.imports.running import import_fhir_file
from ledger.store.database import open_store

KILLS = 30
FILES = 8


def start(database: str, files: list[Path]) -> subprocess.Popen[bytes]:
    """The real command, in a process of its own."""
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "import", "fhir", *map(str, files)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env={**os.environ, "LEDGER_DATABASE": database}, stdout=quiet, stderr=quiet)


def test_killed_imports_leave_whole_files_and_the_next_one_finishes(
    tmp_path: Path, fhir_files: list[Path], lines_of: Callable[[str], list[Any]]
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"kill seed {seed}")  # noqa: T201 - a failure must be repeatable
    chance = random.Random(seed)  # noqa: S311 - only where to kill
    files = fhir_files[:FILES]
    reference_url = f"sqlite:///{tmp_path / 'reference.db'}"
    recorder = open_store(reference_url)
    appended = [import_fhir_file(Ledger(recorder), f, program="psc", purpose="operations").appended for f in files]
    recorder.engine.dispose()
    reference = lines_of(reference_url)
    boundaries = {0, *accumulate(appended)}

    began = time.monotonic()
    assert start(f"sqlite:///{tmp_path / 'timed.db'}", files).wait() == 0
    whole = time.monotonic() - began
    assert lines_of(f"sqlite:///{tmp_path / 'timed.db'}") == reference

    stores = 0
    stopped_inside = 0
    database = f"sqlite:///{tmp_path / 'killed-0.db'}"
    for _ in range(KILLS):
        process = start(database, files)
        # The first part of the time is Python starting; most kills fall where the import writes.
        time.sleep(whole * chance.uniform(0.25, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = lines_of(database)
        assert len(found) in boundaries, "a file is half written"
        assert found == reference[: len(found)], "an event was lost, doubled or changed"
        stopped_inside += 0 < len(found) < len(reference)
        if len(found) == len(reference):
            stores += 1
            database = f"sqlite:///{tmp_path / f'killed-{stores}.db'}"
    assert start(database, files).wait() == 0
    assert lines_of(database) == reference
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert stopped_inside > 0, f"no kill of seed {seed} fell between two files"


def test_two_imports_of_the_same_files_at_once_record_each_event_once(
    tmp_path: Path, fhir_files: list[Path], lines_of: Callable[[str], list[Any]]
) -> None:
    files = fhir_files[:FILES]
    reference_url = f"sqlite:///{tmp_path / 'reference.db'}"
    recorder = open_store(reference_url)
    for file in files:
        import_fhir_file(Ledger(recorder), file, program="psc", purpose="operations")
    recorder.engine.dispose()
    database = f"sqlite:///{tmp_path / 'shared.db'}"
    open_store(database).engine.dispose()
    both = [start(database, files), start(database, files[::-1])]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(lines_of(database)) == sorted(lines_of(reference_url))
