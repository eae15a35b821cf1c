"""A projector: keeps the views from the topic, sharing its partitions with others by a consumer group.

The group only says who reads what. The place stands beside the rows and changes in their transaction; so whatever two
projectors believe during a rebalance, each batch is applied once, and a zombie's late write is refused.

Where a topic has ended, the projector goes on with the one that the log has moved to, from its beginning: it has every
event, and those that were applied are known by their positions. It does the same where the topic was made anew under
its name, or stands on another Kafka at the same address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import msgspec
import structlog

from ledger.consumers.runner import Runner, StaleRunner
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.identity import TopicRemade
from ledger.kafka.membership import Membership
from ledger.kafka.outage import Outage
from ledger.kafka.place import live
from ledger.kafka.source import KafkaLog
from ledger.kafka.wire import TopicMoved
from ledger.store.database import check_store

log = structlog.get_logger("ledger.kafka")

#: Projectors of one set of views share this group.
GROUP = "ledger-views"
#: How long a quiet projector waits for the next event before it looks after its membership, in milliseconds.
_WAIT_MS = 100


class Projector:
    """Applies the partitions that the group gives it, until it is stopped; the runner reads the topic from then on."""

    def __init__(self, runner: Runner, settings: KafkaSettings, outage: Outage | None = None) -> None:
        self._runner = runner
        self._settings = settings
        self.outage = outage or Outage(lambda: check_store(runner.engine))
        self.applied = 0

    def run(
        self,
        stop: threading.Event,
        on_turn: Callable[[int], None] | None = None,
    ) -> None:
        """Work until ``stop`` is set.

        ``on_turn`` is told after each turn how many events were read in it, by one that stands by as well.
        """
        settings = live(self._settings)
        while not stop.is_set():
            try:
                with closing(KafkaLog(settings)) as topic:
                    self._runner.log = topic
                    self._run_topic(topic, settings, stop, on_turn)
            except TopicMoved as moved:
                log.info("topic-moved", topic=moved.to, position=moved.position)
                settings = msgspec.structs.replace(settings, topic=moved.to)
            except TopicRemade:
                log.warning("topic-made-anew", topic=settings.topic)
            except Exception as fault:  # noqa: BLE001 - what is no outage is raised again
                self.outage.wait(fault, stop)

    def catch_up(self, stop: threading.Event, on_turn: Callable[[int], None] | None = None) -> None:
        """Apply all that is on the topic now, in every partition, and return; ``stop`` ends it sooner.

        It joins no group: others may work at the same time, since of two at one batch only one applies it.
        """
        settings = live(self._settings)
        while True:
            topic = KafkaLog(settings)
            self._runner.log = topic
            try:
                for partition in topic.partitions:
                    while not stop.is_set() and (done := self._step([partition])):
                        self.applied += done
                        if on_turn is not None:
                            on_turn(done)
                return
            except TopicMoved as moved:
                settings = msgspec.structs.replace(settings, topic=moved.to)
            except TopicRemade:
                log.warning("topic-made-anew", topic=settings.topic)
            finally:
                topic.close()

    def _run_topic(
        self,
        topic: KafkaLog,
        settings: KafkaSettings,
        stop: threading.Event,
        on_turn: Callable[[int], None] | None,
    ) -> None:
        """Work on one topic; raises ``TopicMoved`` when it has ended."""
        membership = Membership(settings, f"{GROUP}-{settings.topic}")
        quiet = True
        mine: frozenset[int] = frozenset()
        turn = 0
        try:
            while not stop.is_set():
                given = membership.partitions(wait_ms=100 if quiet and not mine else 1)
                if given != mine:
                    log.info("partitions", count=len(given))
                    mine = given
                found = topic.arrived(mine, wait_ms=_WAIT_MS if quiet else 0) if mine else []
                if mine and not found:
                    # Quiet ones are looked at one after the other all the same: a view that was rebuilt, or that
                    # somebody else has moved, stands elsewhere than what is fetched goes on from.
                    turn += 1
                    found = [sorted(mine)[turn % len(mine)]]
                done = self._step(found) if found else 0
                self.applied += done
                quiet = done == 0
                if found or not mine:
                    self.outage.over()
                if on_turn is not None:
                    on_turn(done)
        finally:
            membership.leave()

    def _step(self, partitions: Sequence[int]) -> int:
        try:
            return self._runner.step_all(partitions)
        except StaleRunner:
            return 1  # another has applied this batch; look again at once
