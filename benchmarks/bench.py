"""What every row may ask for: the sizes, the servers, the multiplied logs, and stores and topics filled with them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.agencies import APART, Agencies, fill, own_id
from benchmarks.measure import Share, profiled
from benchmarks.servers import BUILD, Servers
from benchmarks.sizes import Sizes
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.relay import Sender
from ledger.store.database import open_store
from ledger.store.recorder import Recorder


@dataclass
class Filled:
    """A PostgreSQL store with a log of some size, made once and used by several rows."""

    url: str
    recorder: Recorder
    size: int
    chart: str
    filled_seconds: float
    topic: KafkaSettings | None = None
    relayed_seconds: float = 0.0


class Bench:
    """One run of the benchmarks."""

    def __init__(self, servers: Servers, sizes: Sizes, *, say: Callable[[str], None] | None = None) -> None:
        self.servers = servers
        self.sizes = sizes
        self._say = say or (lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201 - told while it runs
        self._filled: dict[int, Filled] = {}
        self.keep_profiles = False

    def say(self, text: str) -> None:
        """Tell whoever waits what is being done."""
        self._say(f"  {text}")

    @cached_property
    def agencies(self) -> Agencies:
        """The agency whose log is multiplied."""
        return Agencies(self.servers.sqlite(), self.sizes.clients, self.sizes.months)

    def fresh(self, events: int) -> tuple[str, Recorder]:
        """A PostgreSQL store of its own with a log of this many events (0: an empty one)."""
        url = self.servers.database()
        recorder = open_store(url)
        if events:
            fill(recorder, self.agencies.log(events))
        return url, recorder

    def filled(self, size: int) -> Filled:
        """The store with a log of this size, beside one chart apart; the same one whenever it is asked for."""
        found = self._filled.get(size)
        if found is None:
            agencies = self.agencies
            self.say(f"filling a store with {size:,} events")
            began = time.perf_counter()
            url, recorder = self.fresh(size)
            seconds = time.perf_counter() - began
            self.servers.checkpoint()
            found = Filled(url, recorder, size, own_id(agencies.chart, APART), seconds)
            self._filled[size] = found
        return found

    def on_topic(self, size: int) -> tuple[Filled, KafkaSettings]:
        """The same with its log on a topic."""
        filled = self.filled(size)
        if filled.topic is None:
            self.say(f"relaying {size:,} events")
            settings = self.servers.topic(self.sizes.partitions)
            began = time.perf_counter()
            relay_all(filled.recorder, settings)
            filled.relayed_seconds = time.perf_counter() - began
            filled.topic = settings
        return filled, filled.topic

    def profile(self, row: str, work: Callable[[], object]) -> tuple[Share, ...]:
        """Where the time of a piece of work goes; with ``--profile`` the profile is kept."""
        keep: Path | None = BUILD / "benchmarks" / "profiles" / f"{row}.prof" if self.keep_profiles else None
        return profiled(work, keep)

    def close(self) -> None:
        """Let go of every store."""
        for filled in self._filled.values():
            filled.recorder.engine.dispose()


def relay_all(recorder: Recorder, settings: KafkaSettings) -> int:
    """Bring a whole log to a topic; returns how many events."""
    sender = Sender(recorder, settings)
    try:
        while sender.send_batch():
            pass
        return sender.position
    finally:
        sender.close()
