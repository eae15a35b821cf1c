"""Where everything stands: the log's head, the lag of each view and of the topic, and what is parked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ledger.answers.ask import Answer, Ask
from ledger.answers.asking import Asking
from ledger.answers.query import Query
from ledger.consumers.parking import Parked, parked
from ledger.consumers.rebuild import count_rows
from ledger.errors import LedgerError
from ledger.kafka.connection import KafkaUnreachable, read_kafka_settings
from ledger.projections.every import PROJECTIONS
from ledger.serving.lag import Lag, ahead_words, head_ahead, lag_at, lags, recorded_a_second, view_places

#: The name under which the topic stands among the readers of the log; no view can have it.
TOPIC = "(topic)"
#: How long this waits for a broker that does not answer.
_PATIENCE_MS = 5000


class AskStatus(Ask, frozen=True, kw_only=True):
    """Where everything stands: the log's head, the lag of each view and of the topic, and what is parked.

    Lag is counted in events, and in seconds that the oldest of them has waited. No chart is opened.
    """

    NAME = "status"


class StatusShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json status`` prints."""

    ahead_seconds: float
    database: str
    head: int
    parked: tuple[dict[str, Any], ...]
    recorded_per_second: float
    topic: dict[str, Any] | None
    views: tuple[dict[str, Any], ...]
    waiting_for_a_place: int


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


def take_standing(asking: Asking) -> Standing:
    """Look where the views stand, and the topic when there is one."""
    recorder = asking.recorder
    head = recorder.sequence()
    now = asking.ledger.clock.now()
    readers = lags(recorder, view_places(recorder, asking.runner), head, now)
    topic, fault = _topic_place()
    if topic is not None:
        readers[TOPIC] = lag_at(recorder, topic, head, now)
    recorded = recorded_a_second(recorder, head, now)
    return Standing(
        time.monotonic(), head, recorder.waiting(), recorded, readers, fault, head_ahead(recorder, head, now)
    )


def status_since(asking: Asking, before: Standing | None) -> Answer:
    """The status, with the rates since an earlier look where there was one."""
    standing = take_standing(asking)
    rates = standing.rates_since(before) if before is not None else {}
    waiting = parked(asking.recorder.engine)
    views = [
        {
            "name": p.name,
            "version": p.version,
            **standing.reader(p.name, rates),
            "rows": count_rows(asking.recorder.engine, p),
        }
        for p in PROJECTIONS
    ]
    data = StatusShown(
        ahead_seconds=round(standing.ahead, 3),
        database=asking.recorder.engine.url.render_as_string(),
        head=standing.head,
        parked=tuple(vars(one) for one in waiting),
        recorded_per_second=round(standing.recorded, 3),
        topic=standing.topic_data(rates),
        views=tuple(views),
        waiting_for_a_place=standing.unplaced,
    )
    return Answer(data=data, text=lambda: _text(asking, standing, views, rates, waiting), position=standing.head)


def _status(asking: Asking, ask: AskStatus) -> Answer:
    return status_since(asking, None)


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


def _text(
    asking: Asking,
    standing: Standing,
    views: Sequence[Mapping[str, Any]],
    rates: Mapping[str, float],
    waiting: Sequence[Parked],
) -> str:
    """The status as a person reads it."""
    lines = [
        f"database  {asking.recorder.engine.url.render_as_string()}",
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


STATUS = Query(AskStatus, _status, None, StatusShown)
