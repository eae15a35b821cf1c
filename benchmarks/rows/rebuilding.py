"""``ledger rebuild`` of every view at each size of the ladder: its rate, and the most memory it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.bench import Bench, Filled
from benchmarks.measure import Share, Spread, Stopwatch, Timed, compare, shares_of_file
from benchmarks.result import Figure, Goal, Result, at_least
from benchmarks.rows.projecting import FLOOR
from benchmarks.servers import BUILD, ROOT
from benchmarks.upserts import Batch, batches_of, cut, make_tables, upsert_copied

LEDGER = Path(sys.executable).parent / "ledger"
#: Events in a batch of the baseline's reading and writing.
BATCH = 5000
#: How much more memory ten times the events may take and still be called the same.
SAME_MEMORY = 1.15


def rebuild(bench: Bench) -> Result:
    """The command as an operator runs it, from the start of its process to its end."""
    figures: list[Figure] = []
    memory: dict[int, float] = {}
    rates: dict[int, float] = {}
    for size in bench.sizes.ladder:
        filled = bench.filled(size)
        bench.say(f"rebuilding {size:,} events")
        timed, memory[size] = run_rebuild(filled)
        rates[size] = timed.rate
        figures.append(Figure(what="rebuild of all views", unit="events/s", size=size, value=timed.rate))
        figures.append(Figure(what="rebuild, most memory", unit="MB", size=size, value=memory[size]))
    before, last = bench.sizes.ladder[-2:]
    grown = memory[last] / memory[before]
    middle = bench.filled(before)
    batches = _batches(middle)
    found = compare(
        lambda: run_rebuild(middle)[0],
        {
            f"psycopg: the log read, bulk upserts by COPY and one INSERT, keys alone, {before:,} events": lambda: _bare(
                middle, batches
            )
        },
        max(1, bench.sizes.repeats // 2),
    )
    return Result(
        row="rebuild",
        work=f"rebuild of {last:,} events, all views, PostgreSQL",
        baseline=found.best,
        ours=Spread.of([rates[last]]),
        bare=found.bare,
        ratio=found.ratio,
        events=last,
        repeats=1,
        goals=(
            at_least(rates[last], FLOOR, " events/s"),
            Goal(
                wanted=f"memory as for {before:,} (within {SAME_MEMORY - 1:.0%})",
                found=f"{memory[last]:,.0f} MB, × {grown:.2f}",
                met=grown <= SAME_MEMORY,
            ),
        ),
        shares=_shares(bench, bench.filled(bench.sizes.ladder[0])),
        limit="as projecting: Python that folds each event in each view, and PostgreSQL that writes the rows",
        notes=(f"the ratio was measured at {before:,} events, {found.pairs} times",),
        figures=tuple(figures),
    )


def run_rebuild(filled: Filled, profile: Path | None = None) -> tuple[Timed, float]:
    """Run the command; the time, and the most memory its process had, in MB."""
    command = [str(LEDGER), "--json", "rebuild"]
    if profile is not None:
        command = [sys.executable, "-m", "cProfile", "-o", str(profile), *command]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    events = filled.recorder.sequence()
    done = subprocess.run(  # noqa: S603 - the ledger's own command
        [sys.executable, "-m", "benchmarks.launch", *command],
        env={**ours, "LEDGER_DATABASE": filled.url},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout)
    if found["code"]:
        raise RuntimeError(f"ledger rebuild ended with {found['code']}")
    return Timed(events, found["seconds"], found["cpu"]), found["megabytes"]


def _batches(filled: Filled) -> list[Batch]:
    def log() -> Any:
        after = 0
        while rows := filled.recorder.read_log(after, BATCH):
            yield from rows
            after = rows[-1].position

    return batches_of(filled.recorder.engine, cut(log(), BATCH))


def _bare(filled: Filled, batches: list[Batch]) -> Timed:
    """Read the log once, and write the rows that are ready."""
    with psycopg.connect(filled.url) as connection:
        make_tables(connection)
        watch, count = Stopwatch(), 0
        with watch.running():
            waiting = iter(batches)
            with psycopg.connect(filled.url) as reading, reading.cursor(name="log") as cursor:
                cursor.itersize = BATCH
                cursor.execute("SELECT * FROM log ORDER BY position")
                while rows := cursor.fetchmany(BATCH):
                    count += len(rows)
                    upsert_copied(connection, next(waiting, {}))
    return watch.timed(count)


def _shares(bench: Bench, filled: Filled) -> tuple[Share, ...]:
    folder = BUILD / "benchmarks" / "profiles" if bench.keep_profiles else bench.servers.folder
    folder.mkdir(parents=True, exist_ok=True)
    run_rebuild(filled, folder / "rebuild.prof")
    return shares_of_file(folder / "rebuild.prof")
