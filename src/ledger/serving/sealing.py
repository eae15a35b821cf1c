"""The sealer's metrics: how much is sealed, what waits for it, and who outside is away or knows another history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from ledger.serving.health import Health
from ledger.serving.lag import lag_at
from ledger.serving.metrics import Family, LogMetrics, Now, counter, gauge
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed


class SealerMetrics(LogMetrics):
    """What a process of ``ledger seal --every`` adds to the log's own."""

    def __init__(
        self, recorder: Recorder, health: Health, now: Now, made: Callable[[], int], alarms: Callable[[], int]
    ) -> None:
        super().__init__(recorder, health, now)
        self._made = made
        self._alarms = alarms

    def own(self, head: int, now: datetime) -> Iterator[Family]:
        last = Sealed(self.recorder).last()
        lag = lag_at(self.recorder, last.size if last else 0, head, now)
        yield counter("ledger_seal_checkpoints", "Checkpoints this sealer has made.", self._made())
        yield gauge("ledger_seal_position", "The last position that a checkpoint covers.", lag.place)
        yield gauge("ledger_seal_lag_events", "Events of the log that no checkpoint covers.", lag.behind)
        yield gauge("ledger_seal_lag_seconds", "How long the oldest of them has waited.", lag.seconds)
        yield gauge("ledger_seal_alarms", "Others who know another history of this log: look at once.", self._alarms())
