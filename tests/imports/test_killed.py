"""``kill -9`` of an import at random moments: nothing lost, nothing doubled, nothing half written."""

from __future__ import annotations

import contextlib
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

from tests.killing import Killing

from ledger.application.commands import Ledger
from ledger.imports.running import import_fhir_file
from ledger.store.database import open_store

KILLS = 30
FILES = 8

#: The real command, on the database that a line names.
WORK = """
import alembic.command, alembic.config
import ledger.cli.imports
from ledger.cli.main import cli

def work(database):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.environ["LEDGER_DATABASE"] = database
    os.environ["LEDGER_ACTOR"] = "system:setup"
    cli.main(["import", "fhir", *sys.argv[1:]], standalone_mode=False)
"""


def start(database: str, files: list[Path]) -> subprocess.Popen[bytes]:
    """The real command, in a process of its own."""
    command = [sys.executable, "-c", "from ledger.cli import main; main()", "import", "fhir", *map(str, files)]
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "LEDGER_ACTOR": "system:setup", "LEDGER_DATABASE": database}
    return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)


def test_killed_imports_leave_whole_files_and_the_next_one_finishes(
    tmp_path: Path, fhir_files: list[Path], lines_of: Callable[[str], list[Any]]
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"kill seed {seed}")  # noqa: T201 - a failure must be repeatable
    chance = random.Random(seed)
    files = fhir_files[:FILES]
    reference_url = f"sqlite:///{tmp_path / 'reference.db'}"
    recorder = open_store(reference_url)
    appended = [
        import_fhir_file(Ledger(recorder), f, actor="system:setup", program="psc", purpose="operations").appended
        for f in files
    ]
    recorder.engine.dispose()
    reference = lines_of(reference_url)
    boundaries = {0, *accumulate(appended)}

    with contextlib.closing(Killing(WORK, *map(str, files))) as runner:
        timed = f"sqlite:///{tmp_path / 'timed.db'}"
        began = time.monotonic()
        assert runner.run(timed) == 0
        longest = time.monotonic() - began
        assert lines_of(timed) == reference

        stores = killed = stopped_inside = 0
        database = f"sqlite:///{tmp_path / 'killed-0.db'}"
        while killed < KILLS:
            began = time.monotonic()
            status = runner.run(database, kill_after=longest * chance.random())
            if status == 0:  # it was faster than the kill
                longest = min(longest, time.monotonic() - began)
            else:
                assert os.WTERMSIG(status) == signal.SIGKILL
                killed += 1
            found = lines_of(database)
            assert len(found) in boundaries, "a file is half written"
            assert found == reference[: len(found)], "an event was lost, doubled or changed"
            stopped_inside += 0 < len(found) < len(reference)
            if len(found) == len(reference):
                stores += 1
                database = f"sqlite:///{tmp_path / f'killed-{stores}.db'}"
        assert runner.run(database) == 0
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
        import_fhir_file(Ledger(recorder), file, actor="system:setup", program="psc", purpose="operations")
    recorder.engine.dispose()
    database = f"sqlite:///{tmp_path / 'shared.db'}"
    open_store(database).engine.dispose()
    both = [start(database, files), start(database, files[::-1])]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(lines_of(database)) == sorted(lines_of(reference_url))
