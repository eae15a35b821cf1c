"""A projector: keeps the views from the topic, sharing its partitions with others by a consumer group.

The group only says who reads what. The place stands beside the rows and changes in their transaction; so whatever two
projectors believe during a rebalance, each batch is applied once, and a zombie's late write is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from ledger.consumers.runner import Runner, StaleRunner
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.membership import Membership

log = structlog.get_logger("ledger.kafka")

#: Projectors of one set of views share this group.
GROUP = "ledger-views"


class Projector:
    """Applies the partitions that the group gives it, until it is stopped."""

    def __init__(self, runner: Runner, settings: KafkaSettings) -> None:
        self._runner = runner
        self._settings = settings
        self.applied = 0

    def run(
        self,
        stop: threading.Event,
        on_quiet: Callable[[], None] | None = None,
        on_turn: Callable[[int], None] | None = None,
    ) -> None:
        """Work until ``stop`` is set; ``on_quiet`` is called when there is nothing to do.

        ``on_turn`` is told after each turn how many events were read in it, by one that stands by as well.
        """
        membership = Membership(self._settings, f"{GROUP}-{self._settings.topic}")
        quiet = True
        mine: frozenset[int] = frozenset()
        try:
            while not stop.is_set():
                given = membership.partitions(wait_ms=100 if quiet and not mine else 1)
                if given != mine:
                    log.info("partitions", count=len(given))
                    mine = given
                done = sum(self._step(partition) for partition in sorted(mine))
                self.applied += done
                quiet = done == 0
                if on_turn is not None:
                    on_turn(done)
                if quiet and mine and on_quiet is not None:
                    on_quiet()
        finally:
            membership.leave()

    def _step(self, partition: int) -> int:
        try:
            return self._runner.step(partition)
        except StaleRunner:
            return 1  # another has applied this batch; look again at once
