"""Appending one event a command: to SQLite, and to PostgreSQL with one writer and with several, places included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks import bare
from benchmarks.bench import Bench
from benchmarks.measure import Stopwatch, Timed, compare
from benchmarks.processes import at_once, sequencing
from benchmarks.result import Result, compared
from ledger.store.database import open_store
from ledger.store.envelope import StoredRow


def append_sqlite(bench: Bench) -> Result:
    """One event a transaction, its place and its leaf hash in the same one."""
    rows = _rows(bench, 1, bench.sizes.append_sqlite)[0]
    values = [bare.log_values(_with_a_place(row, number)) for number, row in enumerate(rows, start=1)]

    def ours() -> Timed:
        recorder = open_store(bench.servers.sqlite())
        watch = Stopwatch()
        with watch.running():
            for row in rows:
                recorder.insert_events([row])
        recorder.engine.dispose()
        return watch.timed(len(rows))

    def plain(keys: bool) -> Callable[[], Timed]:
        def work() -> Timed:
            connection = bare.sqlite_table(bench.servers.sqlite(), keys=keys)
            watch = Stopwatch()
            with watch.running():
                bare.insert_sqlite(connection, values)
            connection.close()
            return watch.timed(len(values))

        return work

    ways = {f"sqlite3, {bare.KEY_ALONE}": plain(False), f"sqlite3, {bare.WITH_KEYS}": plain(True)}
    found = compare(ours, ways, bench.sizes.repeats)
    return compared(
        found,
        "append-sqlite",
        "append, 1 event a command, SQLite",
        0.8,
        events=len(rows),
        shares=bench.profile("append-sqlite", ours),
        limit="the wait for the disk at each commit, and the three keys and the order that a bare table does not check",
    )


def _with_a_place(row: StoredRow, position: int) -> StoredRow:
    """A row with some place: what a bare table is given has the same size as what the store writes."""
    return replace(row, position=position, leaf=bytes(32))


def append_one(bench: Bench) -> Result:
    """One writer on PostgreSQL; the sequencer gives the places meanwhile."""
    return _append(bench, "append-postgres", "append, 1 writer, PostgreSQL", 1, bench.sizes.append_one)


def append_eight(bench: Bench) -> Result:
    """Several writers on PostgreSQL, until the last event has its place."""
    writers = bench.sizes.writers
    work = f"append, {writers} writers, PostgreSQL, in order and gapless (until the last event has its place)"
    return _append(bench, "append-writers", work, writers, bench.sizes.append_each)


def _append(bench: Bench, row: str, work: str, writers: int, each: int) -> Result:
    rows = _rows(bench, writers, each)
    values = [[(*bare.values(one), one.recorded_at) for one in mine] for mine in rows]
    count = sum(map(len, rows))
    waits: list[float] = []

    def ours() -> Timed:
        url = bench.servers.database()
        with sequencing(url, count) as sequencer:
            began, ended, _ = at_once(writer, [(url, mine) for mine in rows])
            placed = sequencer.reached()
        waits.append(placed - ended)
        bench.servers.drop(url)
        return Timed(count, max(placed, ended) - began)

    def plain(keys: bool) -> Callable[[], Timed]:
        def work() -> Timed:
            url = bench.servers.database()
            bare.postgres_table(url, keys=keys).close()
            began, ended, _ = at_once(bare.writer, [(url, mine) for mine in values])
            bench.servers.drop(url)
            return Timed(count, ended - began)

        return work

    ways = {f"psycopg, {bare.KEY_ALONE}": plain(False), f"psycopg, {bare.WITH_KEYS}": plain(True)}
    found = compare(ours, ways, bench.sizes.repeats)
    alone = bench.servers.database()
    return compared(
        found,
        row,
        work,
        0.7,
        events=count,
        shares=bench.profile(row, writer(alone, rows[0])),
        limit="the writers', the server's and the sequencer's processors, which share the machine's cores",
        notes=(f"the last event had its place {max(waits) * 1000:.0f} ms after the last commit, at most",),
    )


def writer(url: str, rows: Sequence[StoredRow]) -> Callable[[], int]:
    """A process that appends these rows, one a commit."""
    recorder = open_store(url)

    def work() -> int:
        for row in rows:
            recorder.insert_events([row])
        recorder.engine.dispose()
        return len(rows)

    return work


def _rows(bench: Bench, writers: int, each: int) -> list[list[StoredRow]]:
    """What each writer appends: the beginning of an agency's log of its own, and of another's when it is too short."""
    found: list[list[StoredRow]] = []
    copy = 0
    for _ in range(writers):
        mine: list[StoredRow] = []
        while len(mine) < each:
            mine += bench.agencies.copy(copy)
            copy += 1
        found.append(mine[:each])
    return found
