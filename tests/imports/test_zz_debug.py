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

from ledger.application.commands import Ledger
from ledger.imports.running import import_fhir_file
from ledger.store.database import open_store

KILLS = 30
FILES = 8

#: Loads the program once, then runs the real command in a child for every database named on its standard input, and
#: answers the child's process id and, when it has ended, its status. So a kill never falls on Python's own start.
RUNNER = """
import os, sys
import alembic.command, alembic.config
import ledger.cli.imports
from ledger.cli.main import cli

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.environ["LEDGER_DATABASE"] = line.strip()
        try:
            cli.main(["import", "fhir", *sys.argv[1:]], standalone_mode=False)
        except BaseException:
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Runner:
    """Imports of the same files into one database after another, each in a process that can be killed."""

    def __init__(self, files: list[Path]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, *map(str, files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _answer(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def run(self, database: str, kill_after: float | None = None) -> int:
        """Import into a database, killing the process after some seconds; answers how it ended."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{database}\n")
        self.process.stdin.flush()
        child = self._answer()
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it had finished already
                os.kill(child, signal.SIGKILL)
        return self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait()


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

    with contextlib.closing(Runner(files)) as runner:
        timed = f"sqlite:///{tmp_path / 'timed.db'}"
        began = time.monotonic()
        assert runner.run(timed) == 0
        whole = time.monotonic() - began
        assert lines_of(timed) == reference

        stores = killed = stopped_inside = 0
        database = f"sqlite:///{tmp_path / 'killed-0.db'}"
        while killed < KILLS:
            killed += os.WTERMSIG(runner.run(database, kill_after=whole * chance.random())) == signal.SIGKILL
            found = lines_of(database)
            assert len(found) in boundaries, "a file is half written"
            assert found == reference[: len(found)], "an event was lost, doubled or changed"
            print(round(time.monotonic() - began, 2), round(whole, 2), len(found), killed)
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
        import_fhir_file(Ledger(recorder), file, program="psc", purpose="operations")
    recorder.engine.dispose()
    database = f"sqlite:///{tmp_path / 'shared.db'}"
    open_store(database).engine.dispose()
    both = [start(database, files), start(database, files[::-1])]
    assert [process.wait() for process in both] == [0, 0]
    assert sorted(lines_of(database)) == sorted(lines_of(reference_url))
