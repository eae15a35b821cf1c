"""What ``status`` shows of lag and rate, and the ``--metrics`` option of the commands that run until stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from ledger.cli.session import Session
from ledger.clock import SystemClock
from ledger.consumers.parking import Parked
from ledger.errors import LedgerError
from ledger.kafka.connection import KafkaUnreachable, read_kafka_settings
from ledger.serving.endpoints import address_of, answering
from ledger.serving.health import Health
from ledger.serving.lag import Lag, ahead_words, head_ahead, lag_at, lags, recorded_a_second, view_places
from ledger.serving.metrics import LogMetrics, Now, registry_of

#: The name under which the topic stands among the readers of the log; no view can have it.
TOPIC = "(topic)"
#: How long ``status`` waits for a broker that does not answer.
_PATIENCE_MS = 5000


def _address(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    return None if value is None else address_of(value)


METRICS = click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    callback=_address,
    help="Answer /metrics, /health/live and /health/ready there, to this machine unless HOST says more.",
)


@contextmanager
def serving(
    session: Session, address: tuple[str, int] | None, health: Health, measured: Callable[[Now], LogMetrics]
) -> Iterator[None]:
    """Answer for a loop while it runs, if an address was given."""
    if address is None:
        yield
        return
    now = (session.clock or SystemClock()).now
    with answering(address, registry_of(measured(now)), health):
        yield


@dataclass(frozen=True)
class Standing:
    """Where every reader of the log stands at one moment."""

    at: float
    head: int
    unplaced: int
    recorded: float
    readers: Mapping[str, Lag]
    #: Why the topic's place is not known, when LEDGER_KAFKA is set and it is not.
    topic_fault: str | None
    #: By how many seconds the log's last event is recorded after now.
    ahead: float

    def rates_since(self, before: Standing) -> dict[str, float]:
        """Events a second that each reader has come on by since then."""
        seconds = self.at - before.at
        return {
            name: (lag.place - before.readers[name].place) / seconds
            for name, lag in self.readers.items()
            if name in before.readers
        }

    def reader(self, name: str, rates: Mapping[str, float]) -> dict[str, Any]:
        """One reader as ``status --json`` prints it."""
        lag = self.readers[name]
        found: dict[str, Any] = {"place": lag.place, "behind": lag.behind, "behind_seconds": round(lag.seconds, 3)}
        return found | ({"events_per_second": round(rates[name], 1)} if name in rates else {})

    def topic_data(self, rates: Mapping[str, float]) -> dict[str, Any] | None:
        """The topic likewise; None without LEDGER_KAFKA."""
        if self.topic_fault is not None:
            return {"error": self.topic_fault}
        return self.reader(TOPIC, rates) if TOPIC in self.readers else None


def take_standing(session: Session) -> Standing:
    """Look where the views stand, and the topic when there is one."""
    recorder = session.recorder
    head = recorder.sequence()
    now = (session.clock or SystemClock()).now()
    readers = lags(recorder, view_places(recorder, session.runner), head, now)
    topic, fault = _topic_place()
    if topic is not None:
        readers[TOPIC] = lag_at(recorder, topic, head, now)
    recorded = recorded_a_second(recorder, head, now)
    return Standing(
        time.monotonic(), head, recorder.waiting(), recorded, readers, fault, head_ahead(recorder, head, now)
    )


def _topic_place() -> tuple[int | None, str | None]:
    """The last position on the topic, or why it is not known: a broker that is away does not hide the rest."""
    settings = read_kafka_settings()
    if settings is None:
        return None, None
    from kafka.errors import KafkaError  # its client takes a fifth of a second to import, for those who use it

    from ledger.kafka.place import last_position, live

    try:
        return last_position(live(settings, patience_ms=_PATIENCE_MS), patience_ms=_PATIENCE_MS), None
    except LedgerError as fault:
        return None, str(fault)
    except (KafkaError, OSError, ValueError) as fault:
        return None, str(KafkaUnreachable(settings, fault))


def standing_text(
    session: Session,
    standing: Standing,
    views: Sequence[Mapping[str, Any]],
    rates: Mapping[str, float],
    waiting: Sequence[Parked],
) -> str:
    """The status as a person reads it."""
    lines = [
        f"database  {session.recorder.engine.url.render_as_string()}",
        f"head      {standing.head}" + (f", and {standing.unplaced} wait for a place" if standing.unplaced else ""),
        f"recorded  {standing.recorded:,.1f} events/s over the last minute",
        *ahead_words(standing.ahead),
        "",
        "view",
    ]
    width = max((len(view["name"]) for view in views), default=0)
    lines += [
        f"  {view['name']:<{width}}  {_reader(standing, view['name'], rates)}  rows {view['rows']:>8}" for view in views
    ]
    if standing.topic_fault is not None:
        lines += ["", f"topic: {standing.topic_fault}"]
    elif TOPIC in standing.readers:
        lines += ["", f"{'topic':<{width + 2}}  {_reader(standing, TOPIC, rates)}"]
    lines += ["", f"parked: {len(waiting)}" if waiting else "parked: none"]
    lines += [
        f"  {one.projection}  {one.key}  at {one.position} ({one.event_type}), {one.waiting} waiting: {one.error}"
        for one in waiting
    ]
    return "\n".join(lines)


def _reader(standing: Standing, name: str, rates: Mapping[str, float]) -> str:
    lag = standing.readers[name]
    words = f"place {lag.place:>8}  behind {lag.behind:>6}"
    if lag.behind:
        words += f" ({lag.seconds:,.0f} s)"
    return words + (f"  {rates[name]:>8,.0f} events/s" if name in rates else "")
