"""Appending to and projecting onto logs of ever greater size: what one more event costs."""

from __future__ import annotations

import psycopg

from benchmarks.bench import Bench, Filled
from benchmarks.measure import Spread, Stopwatch
from benchmarks.result import Figure, Result
from benchmarks.rows.append import writer
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.projections.every import PROJECTIONS


def grow(bench: Bench) -> Result:
    """On each store of the ladder, with its views live: events appended one a commit, then projected."""
    figures, notes = [], []
    rate = 0.0
    for number, size in enumerate(bench.sizes.ladder):
        filled, topic = bench.on_topic(size)
        runner = Runner(filled.recorder.engine, LocalLog(filled.recorder), PROJECTIONS)
        runner.prepare()
        bench.say(f"views of {size:,} events")
        runner.catch_up()
        rows = bench.agencies.copy(0xE0000000 + number)[: bench.sizes.on_top]
        append = Stopwatch()
        work = writer(filled.url, rows)
        with append.running():
            work()
        place = Stopwatch()
        with place.running():
            filled.recorder.sequence()
        project = Stopwatch()
        with project.running():
            done = runner.catch_up()
        rate = done / project.seconds
        for what, watch, unit in (
            ("append, 1 writer, 1 a commit", append, "µs an event"),
            ("places given", place, "µs an event"),
            ("projecting all views", project, "µs an event"),
        ):
            figures.append(Figure(what=what, unit=unit, size=size, value=watch.seconds / len(rows) * 1e6))
        figures += _disk(bench, filled, topic.topic, size + len(rows))
        notes.append(f"{size:,} events were made and written in {filled.filled_seconds:,.0f} s")
    return Result(
        row="grow",
        work=f"{len(rows):,} events more, on logs of {' / '.join(f'{size:,}' for size in bench.sizes.ladder)}",
        unit="events/s",
        ours=Spread.of([rate]),
        events=len(rows),
        limit="nothing that grows but the indexes' depth; see the table of growth",
        notes=tuple(notes),
        figures=tuple(figures),
        data={"events_of_a_client_in_a_month": bench.agencies.events / bench.sizes.clients / bench.sizes.months},
    )


_TABLES = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname IN ('events', 'log_order')), 0),
       coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname NOT IN ('events', 'log_order')), 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = 'public'
"""


def _disk(bench: Bench, filled: Filled, topic: str, events: int) -> list[Figure]:
    """Bytes on the disk for each event: the record with its indexes, the views, the topic."""
    with psycopg.connect(filled.url) as connection:
        record, views = connection.execute(_TABLES).fetchone() or (0, 0)
    found = {"the record on disk": float(record) / events, "the views on disk": float(views) / events}
    files = (bench.servers.folder / "kafka").glob(f"broker-*/data/{topic}-*/*.log")
    found["the topic on disk, one replica"] = sum(file.stat().st_size for file in files) / filled.size
    return [Figure(what=what, unit="bytes an event", size=filled.size, value=value) for what, value in found.items()]
