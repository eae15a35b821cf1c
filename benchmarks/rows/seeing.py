"""From append to visible: commands at a steady rate, relay and projector as processes, and a reader that looks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import psycopg
from deploy.stack.stack import Service

from benchmarks.bench import Bench
from benchmarks.measure import Spread, percentile
from benchmarks.processes import at_once
from benchmarks.result import Result, at_least, below
from benchmarks.rows.command import Clinician, contact_ids
from ledger.application.commands import Ledger
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store

CLIENTS = 4
#: How often the reader looks, in seconds: what it sees is up to so much later than it could be.
LOOK = 0.005
#: How long nothing may become visible before the benchmark gives up, in seconds.
PATIENCE = 120.0
#: How many of each client's next contacts the reader looks for at once.
AHEAD = 100


def see(bench: Bench) -> Result:
    """Contacts recorded on PostgreSQL, seen in the last view that they change; through Kafka."""
    sizes = bench.sizes
    url = bench.servers.database()
    settings = bench.servers.topic(sizes.partitions)
    recorder = open_store(url)
    Runner(recorder.engine, LocalLog(recorder), PROJECTIONS).prepare()
    each = max(1, int(sizes.latency_rate * sizes.latency_seconds / CLIENTS))
    interval = CLIENTS / sizes.latency_rate
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    environment |= {
        "LEDGER_DATABASE": url,
        "LEDGER_KAFKA": ",".join(settings.brokers),
        "LEDGER_KAFKA_TOPIC": settings.topic,
    }
    services = [Service([name], environment, bench.servers.folder / f"{name}.log") for name in ("relay", "run")]
    try:
        for service in services:
            service.start()
        work = [(url, "client", number, each, interval) for number in range(CLIENTS)]
        _, _, answers = at_once(_prepare, [*work, (url, "reader", 0, each, interval)])
    finally:
        for service in services:
            service.stop()
    recorder.engine.dispose()
    bench.servers.drop(url)
    seen: dict[str, float] = answers[-1]
    done = [one for each_client in answers[:-1] for one in each_client]
    waits = [(seen[contact] - acknowledged) * 1000 for contact, _, _, acknowledged in done]
    whole = [(seen[contact] - due) * 1000 for contact, due, _, _ in done]
    began, ended = min(one[1] for one in done), max(one[3] for one in done)
    rate = len(done) / (ended - began)
    return Result(
        row="visible",
        work=f"append → visible in projection at {sizes.latency_rate} commands/s, through Kafka",
        unit="ms",
        ours=Spread(median=percentile(waits, 0.5), low=min(waits), high=max(waits)),
        events=len(done),
        goals=(
            below(percentile(waits, 0.5), 150, " ms", "p50"),
            below(percentile(waits, 0.99), 500, " ms", "p99"),
            at_least(rate, 0.95 * sizes.latency_rate, " commands/s kept"),
        ),
        limit="the waits of relay and projector between looks, and the turns of the views",
        notes=(
            f"from when the command was due: {percentile(whole, 0.5):.0f} ms (median), "
            f"{percentile(whole, 0.99):.0f} ms (99 of 100)",
            f"the reader looks every {LOOK * 1000:.0f} ms at the view {_view()}, the last that a contact changes",
        ),
        data={"p50_ms": percentile(waits, 0.5), "p99_ms": percentile(waits, 0.99), "rate": rate},
    )


def _view() -> str:
    """The last view, in the order in which they are fed, that a recorded contact changes."""
    return [p for p in PROJECTIONS if p.concerns("contact.recorded") and p.key == ("contact_id",)][-1].name


def _name(number: int) -> str:
    return f"seen {number}"


def _prepare(url: str, part: str, number: int, each: int, interval: float) -> Callable[[], Any]:
    if part == "reader":
        return _reader(url, each)
    recorder = open_store(url)
    clinician = Clinician(Ledger(recorder), _name(number))

    def work() -> list[tuple[str, float, float, float]]:
        done = []
        began = time.monotonic() + number * interval / CLIENTS
        for turn in range(each):
            due = began + turn * interval
            time.sleep(max(0.0, due - time.monotonic()))
            command = clinician.contact()
            sent = time.monotonic()
            clinician.give(command, clinician.staff)
            done.append((command.contact_id, due, sent, time.monotonic()))
        recorder.engine.dispose()
        return done

    return work


def _reader(url: str, each: int) -> Callable[[], dict[str, float]]:
    """Looks for the contacts that come next, until all are seen; answers with when each was."""
    connection = psycopg.connect(url, autocommit=True)
    statement = f"SELECT contact_id FROM view_{_view()} WHERE contact_id = ANY(%s)".encode()
    sources = [contact_ids(_name(number)) for number in range(CLIENTS)]
    coming = [[source.new() for _ in range(each)] for source in sources]

    def work() -> dict[str, float]:
        seen: dict[str, float] = {}
        until = time.monotonic() + PATIENCE
        while any(coming):
            found = connection.execute(statement, [[one for mine in coming for one in mine[:AHEAD]]]).fetchall()
            now = time.monotonic()
            if found:
                until = now + PATIENCE
            elif now > until:
                raise TimeoutError(f"{sum(map(len, coming))} contacts have not become visible in {PATIENCE:.0f} s")
            here = {row[0] for row in found}
            seen.update(dict.fromkeys(here, now))
            for mine in coming:
                mine[:AHEAD] = [one for one in mine[:AHEAD] if one not in here]
            time.sleep(LOOK)
        connection.close()
        return seen

    return work
