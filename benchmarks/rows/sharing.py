"""Several projectors that share the partitions of the topic: what a second and a fourth process add on one machine."""

from __future__ import annotations

import threading
from collections.abc import Callable

from benchmarks.bench import Bench, relay_all
from benchmarks.measure import Spread
from benchmarks.processes import at_once
from benchmarks.result import Result
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.projector import Projector
from ledger.kafka.source import KafkaLog
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_engine, open_store

PROCESSES = (1, 2, 4)


def share(bench: Bench) -> Result:
    """From when all are ready to join the group until every event has been dealt with in every view."""
    url, recorder = bench.fresh(bench.sizes.project)
    settings = bench.servers.topic(bench.sizes.partitions)
    count = relay_all(recorder, settings)
    recorder.engine.dispose()
    bench.servers.drop(url)
    rates: dict[int, float] = {}
    for processes in PROCESSES:
        bench.say(f"{processes} projectors")
        views = bench.servers.database()
        store = open_store(views)
        Runner(store.engine, LocalLog(store), PROJECTIONS).prepare()
        store.engine.dispose()
        began, ended, _ = at_once(_projector, [(views, settings, count)] * processes)
        rates[processes] = count / (ended - began)
        bench.servers.drop(views)
    best = max(rates.values())
    return Result(
        row="projectors",
        work=f"projecting all views from Kafka with {', '.join(map(str, PROCESSES))} projectors, PostgreSQL",
        ours=Spread(median=best, low=min(rates.values()), high=best),
        events=count,
        limit="the machine's cores, which the projectors share with PostgreSQL and the broker",
        notes=tuple(
            f"{number} processes: {rate:,.0f} events/s, joining the group included" for number, rate in rates.items()
        ),
        data={f"projectors_{number}": rate for number, rate in rates.items()},
    )


def _projector(url: str, settings: KafkaSettings, count: int) -> Callable[[], int]:
    engine = open_engine(url)
    log = KafkaLog(settings)
    runner = Runner(engine, log, PROJECTIONS)
    runner.prepare()
    stop = threading.Event()

    def turned(done: int) -> None:
        if done == 0 and runner.dealt_with() >= count:
            stop.set()

    def work() -> int:
        projector = Projector(runner, settings)
        projector.run(stop, turned)
        log.close()
        engine.dispose()
        return projector.applied

    return work
