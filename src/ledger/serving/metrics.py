"""The relay's and the projector's metrics. They are read when Prometheus asks, so the loops spend nothing on them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ledger.consumers.parking import parked
from ledger.consumers.runner import Runner
from ledger.serving.health import Health
from ledger.serving.lag import Lag, lag_at, lags, recorded_a_second, view_places
from ledger.store.database import is_away
from ledger.store.recorder import Recorder

if TYPE_CHECKING:  # a projector without Kafka need not load its client
    from ledger.kafka.outage import Outage
    from ledger.kafka.relay import RelayState

log = structlog.get_logger("ledger.serving")
#: The servers that a process may wait for, as ``ledger.kafka.outage`` names them.
SERVERS = ("PostgreSQL", "Kafka")
Family = CounterMetricFamily | GaugeMetricFamily
Now = Callable[[], datetime]


class LogMetrics(Collector):
    """What is common to every process: the log's head, its growth, what waits for a place, and the loop's silence."""

    #: Of a process that waits for servers that are away.
    outage: Outage | None = None

    def __init__(self, recorder: Recorder, health: Health, now: Now) -> None:
        self.recorder = recorder
        self.health = health
        self.now = now

    def collect(self) -> Iterator[Family]:
        yield gauge("ledger_loop_silent_seconds", "Seconds since the process's loop turned.", self.health.silent)
        if self.outage is not None:
            yield from outages(self.outage)
        try:
            yield from list(self._of_the_log())
        except Exception as fault:
            if self.outage is None or not is_away(fault):
                raise
            log.warning("metrics of the log cannot be read", error=type(fault).__name__)

    def _of_the_log(self) -> Iterator[Family]:
        head, now = self.recorder.head(), self.now()
        yield gauge("ledger_log_head", "The last position of the log.", head)
        yield gauge(
            "ledger_log_recorded_per_second",
            "Events a second the log has grown by over the last minute.",
            recorded_a_second(self.recorder, head, now),
        )
        yield from self.own(head, now)

    @abstractmethod
    def own(self, head: int, now: datetime) -> Iterator[Family]:
        """What this kind of process adds."""


class RelayMetrics(LogMetrics):
    """The relay: whether it is the active one, how far the topic is behind, and how much it has sent."""

    def __init__(self, recorder: Recorder, health: Health, now: Now, state: Callable[[], RelayState]) -> None:
        super().__init__(recorder, health, now)
        self._state = state

    def own(self, head: int, now: datetime) -> Iterator[Family]:
        state = self._state()
        yield gauge("ledger_relay_active", "1 when this relay is the active one, 0 while it stands by.", state.active)
        yield counter("ledger_relay_events", "Events this relay has brought to the topic.", state.sent)
        yield counter("ledger_relay_takeovers", "How often this relay has become the active one.", state.takeovers)
        if state.active:  # one that stands by does not know where the topic is
            lag = lag_at(self.recorder, state.position, head, now)
            yield gauge("ledger_relay_position", "The last position on the topic.", lag.place)
            yield gauge("ledger_relay_lag_events", "Events of the log that are not on the topic.", lag.behind)
            yield gauge("ledger_relay_lag_seconds", "How long the oldest of them has waited.", lag.seconds)


class ProjectorMetrics(LogMetrics):
    """The projector: the lag and the parked charts of every view, and how many events it has read."""

    def __init__(
        self, recorder: Recorder, health: Health, now: Now, runner: Runner, applied: Callable[[], int]
    ) -> None:
        super().__init__(recorder, health, now)
        self._runner = runner
        self._applied = applied

    def own(self, head: int, now: datetime) -> Iterator[Family]:
        places = view_places(self.recorder, self._runner)
        found = lags(self.recorder, places, max(head, *places.values(), 0), now)
        waiting = [one.projection.rpartition(".")[0] for one in parked(self.recorder.engine)]
        shown: tuple[tuple[str, str, Callable[[str, Lag], float]], ...] = (
            ("ledger_view_position", "The position a view has applied everything up to.", lambda _, lag: lag.place),
            ("ledger_view_lag_events", "Events of the log that a view has not read.", lambda _, lag: lag.behind),
            ("ledger_view_lag_seconds", "How long the oldest of them has waited.", lambda _, lag: lag.seconds),
            ("ledger_view_parked", "Charts a view could not go on with.", lambda name, _: waiting.count(name)),
        )
        for name, words, value in shown:
            family = GaugeMetricFamily(name, words, labels=["view"])
            for view, lag in found.items():
                family.add_metric([view], value(view, lag))
            yield family
        yield counter("ledger_projector_events", "Events this projector has read.", self._applied())


def outages(outage: Outage) -> Iterator[Family]:
    """Which server is away now, and how often each has been."""
    away = GaugeMetricFamily("ledger_server_away", "1 while a server that is needed is away.", labels=["server"])
    often = CounterMetricFamily("ledger_outages", "How often a server was away.", labels=["server"])
    for server in SERVERS:
        away.add_metric([server], outage.away == server)
        often.add_metric([server], outage.counts[server])
    yield away
    yield often


def gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    """A number that goes up and down."""
    return GaugeMetricFamily(name, words, value=value)


def counter(name: str, words: str, value: float) -> CounterMetricFamily:
    """A number that only grows while the process lives; Prometheus makes the rate of it."""
    return CounterMetricFamily(name, words, value=value)


def registry_of(collector: Collector) -> CollectorRegistry:
    """A registry with one process's metrics and nothing else."""
    registry = CollectorRegistry()
    registry.register(collector)
    return registry
