"""The log as Kafka has it: the topic behind the interface that consumers read, partition by partition.

One consumer fetches all partitions that are read, and what it fetched waits here until it is asked for. So a partition
that has something is not held up by those that have nothing, however many there are.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import LogTruncationError, OffsetOutOfRangeError

from ledger.consumers.log import Entry
from ledger.errors import IntegrityFault
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.identity import READING, Identity
from ledger.kafka.wire import TopicMoved, from_message

#: How many messages wait here, over all partitions, before a partition with more than its share is fetched no further.
_KEPT = 20_000
#: How long a broker may take to say where a partition ends, in milliseconds.
_PATIENCE_MS = 30_000
#: How long a place may be beyond what a broker knows to be committed, in seconds: a new leader learns of it last.
_SETTLES = 30.0


class PlaceLost(IntegrityFault):
    """The topic does not have the place that a reader stands at: events between are gone, or those it has read."""


class KafkaLog:
    """A reader of the topic. Its places are Kafka's offsets plus one, so that 0 means nothing was read yet.

    A place that is not there, before the topic's beginning or beyond its end, raises ``PlaceLost``: going on from
    wherever the topic begins or ends would leave events out. For the same reason nothing is read of a topic that was
    made anew under its name meanwhile: that raises ``TopicRemade``; opened again, it is read from its beginning.
    """

    #: Kafka may give an event again, and another topic gives all of them again; positions tell them.
    repeats = True

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        #: A topic that was made anew under the same name is another log: its offsets mean something else.
        self._topic = Identity(settings)
        self.name, self.partitions = f"{settings.topic}/{self._topic.id}", self._topic.partitions
        self._consumer: Any = KafkaConsumer(
            **settings.client(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            fetch_max_bytes=16 * 1024 * 1024,
        )
        #: What was fetched of each partition and not read yet, and the place that it goes on from.
        self._kept: dict[int, deque[Any]] = {}
        self._next: dict[int, int] = {}
        #: Whether Kafka was asked which topic it is since anything was fetched.
        self._asked = False

    def arrived(self, partitions: Collection[int], wait_ms: int) -> list[int]:
        """Which of some partitions there is something to read of, as far as was fetched; waits so long for the first.

        One that was not read before counts, since its place is not known here. Only these partitions are fetched from
        now on.
        """
        for gone in self._next.keys() - set(partitions):
            del self._next[gone], self._kept[gone]
        self._consumer.assign([self._where(partition) for partition in self._next])
        new = [partition for partition in partitions if partition not in self._next]
        if self._next:
            self._poll(0 if new or any(self._kept.values()) else wait_ms)
        return sorted(new + [partition for partition, kept in self._kept.items() if kept])

    def read(self, partition: int, after: int, limit: int) -> Sequence[Entry]:
        """Up to ``limit`` entries after a place, from what is committed; empty when there is nothing more.

        Raises ``TopicMoved`` behind the last event of a topic that has ended, ``TopicRemade`` when it is another.
        """
        if self._next.get(partition) != after:
            self._begin(partition, after)
        kept = self._kept[partition]
        settled = time.monotonic() + _SETTLES
        while not kept and not self._at_end(partition, patient=time.monotonic() < settled):
            self._poll(100)
            self._topic.look()
        # What was fetched before an answer was asked for is of the topic that the answer is about, and nothing else is.
        self._topic.look(good_for=READING if self._asked else 0.0)
        self._asked = True
        entries: list[Entry] = []
        while kept and len(entries) < limit:
            try:
                row = from_message(kept[0].value, kept[0].headers)
            except (TopicMoved, IntegrityFault):
                if entries:
                    break  # what came before it is read first
                raise
            entries.append(Entry(kept.popleft().offset + 1, row))
        if entries:
            self._next[partition] = entries[-1].offset
        return entries

    def head(self, partition: int) -> int:
        """The place behind the last committed offset; a marker may stand there, so it can be past the last event."""
        where = self._where(partition)
        return int(self._consumer.end_offsets([where], timeout_ms=_PATIENCE_MS)[where])

    def close(self) -> None:
        self._consumer.close()
        self._topic.close()
        self._kept, self._next = {}, {}

    def _where(self, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.topic, partition)

    def _begin(self, partition: int, place: int) -> None:
        """Fetch a partition from a place on, and forget what was fetched of it."""
        self._kept[partition], self._next[partition] = deque(), place
        self._consumer.assign([self._where(each) for each in self._next])
        self._consumer.seek(self._where(partition), place)
        self._consumer.resume(self._where(partition))

    def _at_end(self, partition: int, *, patient: bool) -> bool:
        """Whether a partition was fetched to its end. Beyond it a fetch says whether the place was ever there."""
        position, end = self._consumer.position(self._where(partition)), self.head(partition)
        if position > end and not patient:
            raise self._lost(partition, position)
        return bool(position == end)

    def _poll(self, wait_ms: int) -> None:
        """Take what has come, of all partitions; wait so long for the first."""
        try:
            # All that was fetched: kafka-python 3.0 forgets the rest of what it has unpacked of a partition that is
            # paused half way.
            found = self._consumer.poll(timeout_ms=wait_ms, max_records=sys.maxsize)
        except (OffsetOutOfRangeError, LogTruncationError) as fault:
            where = next(iter(getattr(fault, "divergent_offsets", None) or fault.args[0]))
            raise self._lost(where.partition, self._next[where.partition]) from fault
        self._asked = self._asked and not found
        for where, records in found.items():
            self._kept[where.partition].extend(records)
        share = max(1, _KEPT // max(1, len(self._next)))
        full = {self._where(partition) for partition, kept in self._kept.items() if len(kept) >= share}
        self._consumer.pause(*full)
        self._consumer.resume(*(self._consumer.paused() - full))

    def _lost(self, partition: int, place: int) -> PlaceLost:
        self._topic.look(good_for=0.0)
        where = self._where(partition)
        begin = self._consumer.beginning_offsets([where], timeout_ms=_PATIENCE_MS)[where]
        topic = f"a place is lost: topic {self._settings.topic}, partition {partition}: the place {place}"
        if place < begin:
            return PlaceLost(
                f"{topic} is gone, the topic begins at {begin}: events before that were deleted from it; see: ledger "
                "doctor; then make a whole topic from the store: ledger relay --to NEW_TOPIC"
            )
        return PlaceLost(
            f"{topic} is not there yet or not any more, the topic ends at {self.head(partition)}: it has lost events "
            "that were read from it; see: ledger verify --against-kafka; then make a whole topic from the store: "
            "ledger relay --to NEW_TOPIC"
        )
