"""Restoring a store from the topic alone, beside a bare consumer that COPYs what it reads."""

from __future__ import annotations

from functools import partial

import psycopg
from msgspec.structs import replace

from benchmarks.bench import Bench
from benchmarks.consuming import consume
from benchmarks.measure import Stopwatch, Timed, compare
from benchmarks.result import Figure, Result, compared
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.restore import restore as restore_store
from ledger.store.database import open_store

_TABLE = "CREATE TABLE bare (position bigint PRIMARY KEY, key text, type text, payload bytea, entry bytea, leaf text)"
_TYPES = ("int8", "text", "text", "bytea", "bytea", "text")


def restore(bench: Bench) -> Result:
    """Each event checked against its leaf hash, put in order over all partitions, and written with its place."""
    figures = []
    ways = {
        "kafka-python and COPY (text)": partial(_bare, bench, binary=False),
        "kafka-python and COPY (binary)": partial(_bare, bench, binary=True),
    }
    found = None
    for size in bench.sizes.ladder:
        _, settings = bench.on_topic(size)
        bench.say(f"restoring {size:,} events")
        small = size < bench.sizes.ladder[-1]
        known = ways if found is None else {found.best: ways[found.best]}
        found = compare(
            partial(_ours, bench, settings),
            {name: partial(way, settings) for name, way in known.items()},
            min(2, bench.sizes.repeats) if small else 1,
        )
        if size == bench.sizes.ladder[0]:
            tried = found.tried
        figures.append(Figure(what="restore from Kafka", unit="events/s", size=size, value=found.ours.median))
        figures.append(Figure(what="restore, ratio to bare", unit="", size=size, value=found.ratio.median))
    if found is None:
        raise ValueError("a ladder has at least one size")
    last = bench.sizes.ladder[-1]
    _, least = bench.on_topic(bench.sizes.ladder[0])
    result = compared(found, "restore", f"restore of {last:,} events from Kafka to PostgreSQL", 0.3)
    return replace(
        result,
        events=last,
        tried=tried,
        shares=bench.profile("restore", partial(_ours, bench, least)),
        limit="kafka-python's consumer, the checks of each event, and PostgreSQL's keys and guards on the record",
        figures=tuple(figures),
    )


def _ours(bench: Bench, settings: KafkaSettings) -> Timed:
    url = bench.servers.database()
    recorder = open_store(url)
    watch = Stopwatch()
    with watch.running():
        count = restore_store(recorder, settings)
    recorder.engine.dispose()
    bench.servers.drop(url)
    return watch.timed(count)


def _bare(bench: Bench, settings: KafkaSettings, *, binary: bool) -> Timed:
    """What a record holds, as it is, into a table with its primary key alone; nothing is checked or put in order."""
    url = bench.servers.database()
    watch, count = Stopwatch(), 0
    with psycopg.connect(url) as connection:
        connection.execute(_TABLE)
        statement = "COPY bare FROM STDIN" + (" (FORMAT BINARY)" if binary else "")
        with watch.running():
            with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                if binary:
                    copy.set_types(_TYPES)
                for records in consume(settings, 5000):
                    for record in records:
                        found = dict(record.headers)
                        copy.write_row(
                            (
                                int(found["ce_position"]),
                                record.key.decode(),
                                found["ce_type"].decode(),
                                record.value,
                                found["ce_entry"],
                                found["ce_leaf"].decode(),
                            )
                        )
                        count += 1
            connection.commit()
    bench.servers.drop(url)
    return watch.timed(count)
