"""Verifying the log, beside reading the same rows and hashing them with SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import psycopg
from msgspec.structs import replace

from benchmarks.bench import Bench, Filled
from benchmarks.measure import Comparison, Stopwatch, Timed, compare
from benchmarks.result import Figure, Result, compared
from ledger.integrity.signatures import SignatureWalk
from ledger.integrity.verify import verify as verify_record
from ledger.projections.every import PROJECTIONS

_LOG = "SELECT * FROM log ORDER BY position"
_BATCH = 5000


def verify(bench: Bench) -> Result:
    """Every leaf hash, the gapless order, the turn of each stream, each signature; read from PostgreSQL."""
    figures, notes = [], []
    found: Comparison | None = None
    ways: dict[str, Callable[[Filled], Timed]] = {
        "psycopg, text, a server-side cursor, SHA-256 of each row": partial(_bare, binary=False),
        "psycopg, binary, a server-side cursor, SHA-256 of each row": partial(_bare, binary=True),
        "psycopg, each row as one text, made by the server, SHA-256 of it": _bare_text,
    }
    tried: dict[str, float] = {}
    for size in bench.sizes.ladder:
        filled = bench.filled(size)
        bench.say(f"verifying {size:,} events")
        known = ways if found is None else {found.best: ways[found.best]}
        repeats = bench.sizes.repeats if size < bench.sizes.ladder[-1] else min(3, bench.sizes.repeats)
        works = {name: partial(way, filled) for name, way in known.items()}
        found = compare(partial(_ours, filled), works, repeats)
        tried = tried or found.tried
        figures.append(Figure(what="verify", unit="events/s", size=size, value=found.ours.median))
        figures.append(Figure(what="verify, ratio to bare", unit="", size=size, value=found.ratio.median))
        figures.append(Figure(what="verify with the views' accounts", unit="events/s", size=size, value=_all(filled)))
    if found is None:
        raise ValueError("a ladder has at least one size")
    raw = _raw(bench.filled(bench.sizes.ladder[-1])).rate
    notes.append(f"hashing the bytes of a COPY, without reading them as rows: {raw:,.0f} rows/s")
    result = compared(found, "verify", f"verify of {bench.sizes.ladder[-1]:,} events, PostgreSQL", 0.4)
    return replace(
        result,
        events=bench.sizes.ladder[-1],
        tried=tried,
        shares=bench.profile("verify", partial(_ours, bench.filled(bench.sizes.ladder[0]))),
        limit="Python for every event: the canonical entry, two hashes, the checks; one process",
        notes=tuple(notes),
        figures=tuple(figures),
    )


def _ours(filled: Filled) -> Timed:
    watch = Stopwatch()
    with watch.running():
        report = verify_record(filled.recorder, (), signatures=SignatureWalk(filled.recorder))
    if not report.sound:
        raise RuntimeError(f"the log is not sound: {report.faults[0].words}")
    return watch.timed(report.events)


def _all(filled: Filled) -> float:
    """The same with the account of every view that has been made, in events a second."""
    watch = Stopwatch()
    with watch.running():
        report = verify_record(filled.recorder, PROJECTIONS)
    if not report.sound:
        raise RuntimeError(f"the record is not sound: {report.faults[0].words}")
    return watch.timed(report.events).rate


def _bare(filled: Filled, *, binary: bool) -> Timed:
    watch, count = Stopwatch(), 0
    with (
        watch.running(),
        psycopg.connect(filled.url) as connection,
        connection.cursor(name="log", binary=binary) as cursor,
    ):
        cursor.itersize = _BATCH
        cursor.execute(_LOG)
        place = [column.name for column in cursor.description or ()].index("payload")
        for row in cursor:
            said = "\x1f".join(map(str, row[:place] + row[place + 1 :])).encode()
            hashlib.sha256(row[place] + said).digest()
            count += 1
    return watch.timed(count)


def _bare_text(filled: Filled) -> Timed:
    watch, count = Stopwatch(), 0
    with (
        watch.running(),
        psycopg.connect(filled.url) as connection,
        connection.cursor(name="log", binary=True) as cursor,
    ):
        cursor.itersize = _BATCH
        cursor.execute("SELECT log::text FROM log ORDER BY position")
        for (row,) in cursor:
            hashlib.sha256(row.encode()).digest()
            count += 1
    return watch.timed(count)


def _raw(filled: Filled) -> Timed:
    watch, count = Stopwatch(), 0
    with (
        watch.running(),
        psycopg.connect(filled.url) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({_LOG}) TO STDOUT (FORMAT BINARY)".encode()) as copy,
    ):
        for data in copy:
            hashlib.sha256(data).digest()
            count += 1
    return watch.timed(count)
