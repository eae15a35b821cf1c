"""All views from Kafka into PostgreSQL, beside a bare consumer with bare bulk upserts of as many rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg
from msgspec.structs import replace
from sqlalchemy import Engine

from benchmarks.bench import Bench, relay_all
from benchmarks.consuming import consume
from benchmarks.measure import Stopwatch, Timed, compare
from benchmarks.result import Result, at_least, compared
from benchmarks.upserts import WAYS, Batch, batches_of, make_tables
from ledger.consumers.parking import parked
from ledger.consumers.runner import Runner
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.source import KafkaLog
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_engine
from ledger.store.envelope import StoredRow

#: Events a second that the views are to keep up with.
FLOOR = 10_000

Upsert = Callable[[Any, Batch], None]


def project(bench: Bench) -> Result:
    """One projector; rows and places committed together, batch by batch."""
    url, recorder = bench.fresh(bench.sizes.project)
    settings = bench.servers.topic(bench.sizes.partitions)
    count = relay_all(recorder, settings)
    recorder.engine.dispose()
    bench.servers.drop(url)

    views = bench.servers.database()  # stays: its rows are what the baseline writes, its views the shape of its tables
    engine = open_engine(views)
    _, size = run_views(engine, settings, count)
    batches = batches_of(engine, reads(settings, size))

    def ours() -> Timed:
        fresh = bench.servers.database()
        with_views = open_engine(fresh)
        timed, _ = run_views(with_views, settings, count)
        with_views.dispose()
        bench.servers.drop(fresh)
        return timed

    def plain(upsert: Upsert) -> Timed:
        with psycopg.connect(views) as connection:
            make_tables(connection)
            watch = Stopwatch()
            with watch.running():
                read = _consume_and_upsert(connection, settings, batches, size, upsert)
        return watch.timed(read)

    ways = {f"kafka-python; {name}, keys alone": partial(plain, upsert) for name, upsert in WAYS.items()}
    found = compare(ours, ways, bench.sizes.repeats)
    shares = bench.profile("project", ours)
    engine.dispose()
    bench.servers.drop(views)
    written = sum(len(rows) for batch in batches for rows in batch.values())
    result = compared(found, "project", "projecting all views from Kafka, one projector, PostgreSQL", 0.5)
    return replace(
        result,
        events=count,
        goals=(*result.goals, at_least(found.ours.median, FLOOR, " events/s")),
        shares=shares,
        limit="Python that folds and turns rows into columns, and PostgreSQL that writes them with their indexes",
        notes=(f"{written / count:.2f} rows written for each event, in {len(PROJECTIONS)} views",),
    )


def run_views(engine: Engine, settings: KafkaSettings, count: int) -> tuple[Timed, int]:
    """Bring all views up to the end of the topic; the time, and how many events a batch has."""
    log = KafkaLog(settings)
    runner = Runner(engine, log, PROJECTIONS)
    runner.prepare()
    watch = Stopwatch()
    with watch.running():
        done = runner.catch_up()
    log.close()
    waiting = parked(engine)
    if done != count or waiting:  # a rate is worth nothing when events were left out or parked
        raise RuntimeError(f"{done} of {count} events applied, {len(waiting)} charts parked: {waiting[:1]}")
    return watch.timed(done), runner.batch


def reads(settings: KafkaSettings, size: int) -> Iterator[Sequence[StoredRow]]:
    """The topic in the batches that a runner reads."""
    log = KafkaLog(settings)
    try:
        for partition in log.partitions:
            after = 0
            while entries := log.read(partition, after, size):
                yield [entry.row for entry in entries]
                after = entries[-1].offset
    finally:
        log.close()


def _consume_and_upsert(
    connection: psycopg.Connection[Any], settings: KafkaSettings, batches: list[Batch], size: int, upsert: Upsert
) -> int:
    """Read the topic, and write the next batch of rows whenever as many records have been read as are in one."""
    waiting = iter(batches)
    read = due = 0
    for records in consume(settings, size):
        read += len(records)
        while read >= due + size:
            due += size
            batch = next(waiting, None)
            if batch is not None:
                upsert(connection, batch)
    for batch in waiting:
        upsert(connection, batch)
    return read
