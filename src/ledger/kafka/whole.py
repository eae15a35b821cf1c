"""A whole topic, all partitions side by side in the order of positions: for restoring a store and comparing with one.

One consumer reads every partition. What is kept in memory is bounded, however long the log and however uneven the
partitions: one that has run ahead of the others is paused until they have come up to it.
"""

from __future__ import annotations

import heapq
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition

from ledger.errors import LedgerError
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.wire import Headers, moved_in

#: How many messages are kept in memory, over all partitions, beyond what one answer of a broker holds.
_KEPT = 10_000
#: How many bytes one answer holds at most, of all partitions.
_FETCHED = 4 * 1024 * 1024
#: How long a transaction may stay open before reading behind it is given up, in seconds. The relay's ends after 30.
_PATIENCE = 150.0


class Found(msgspec.Struct, frozen=True, gc=False):
    """A message as it was found on the topic."""

    #: The position that it gives; 0 when it gives none.
    position: int
    partition: int
    offset: int
    #: Whether its position is greater than all before it in its partition.
    in_turn: bool
    key: bytes | None
    value: bytes
    headers: Headers


class WholeTopic:
    """Every committed message that is on a topic when it is opened; the message that ends a topic is left out.

    A position greater than ``until`` cannot be right, and puts none of those after it out of their turn.
    """

    def __init__(self, settings: KafkaSettings, until: int | None = None) -> None:
        self.settings = settings
        self._until = sys.maxsize if until is None else until
        # The ends are those of everything sent by now, committed or not: what a transaction has put into one partition
        # may be committed there a moment before it is in another.
        written = KafkaConsumer(**settings.client(), isolation_level="read_uncommitted", enable_auto_commit=False)
        try:
            numbers = sorted(written.partitions_for_topic(settings.topic) or ())
            if not numbers:
                raise LedgerError(f"LEDGER_KAFKA_TOPIC: there is no topic {settings.topic}; run: ledger topic create")
            self._ends = written.end_offsets([TopicPartition(settings.topic, number) for number in numbers])
        finally:
            written.close()
        self._consumer: Any = KafkaConsumer(
            **settings.client(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCHED // 4,
            fetch_max_bytes=_FETCHED,
        )
        self._consumer.assign(list(self._ends))
        self._kept: dict[TopicPartition, deque[Any]] = {where: deque() for where in self._ends}
        self._reading = set(self._ends)
        self._most = max(1, _KEPT // len(self._ends))
        for where in self._ends:
            self._consumer.seek(where, 0)

    @property
    def partitions(self) -> int:
        """How many partitions the topic has."""
        return len(self._ends)

    def __iter__(self) -> Iterator[Found]:
        """Every message, in the order of positions; one that is out of its turn comes where it was found."""
        streams = [self._in_turn(where) for where in self._ends]
        for _, _, found in heapq.merge(*streams, key=lambda each: each[:2]):
            yield found

    def close(self) -> None:
        self._consumer.close()

    def _in_turn(self, where: TopicPartition) -> Iterator[tuple[int, int, Found]]:
        """A partition's messages, with the greatest position so far: what is out of turn does not hold up the merge."""
        greatest, partition = 0, where.partition
        for record in self._records(where):
            position = _position(record.headers)
            if position == 0 and moved_in(record.value, record.headers) is not None:
                continue
            in_turn = position > greatest
            if position <= self._until:
                greatest = max(greatest, position)
            found = Found(position, partition, record.offset, in_turn, record.key, record.value, record.headers)
            yield greatest, partition, found

    def _records(self, where: TopicPartition) -> Iterator[Any]:
        kept = self._kept[where]
        while True:
            while kept:
                yield kept.popleft()
            if where not in self._reading:
                return
            self._consumer.resume(where)
            self._fill(where)

    def _fill(self, where: TopicPartition) -> None:
        """Read until a partition has something again, or has come to its end; keep what others are given meanwhile."""
        until = time.monotonic() + _PATIENCE
        while not self._kept[where] and where in self._reading:
            if self._poll():
                until = time.monotonic() + _PATIENCE
            elif time.monotonic() > until:
                raise LedgerError(
                    f"topic {self.settings.topic}: partition {where.partition} is held up by a transaction that does "
                    "not end; start a relay, which ends it, or wait and repeat"
                )

    def _poll(self) -> bool:
        """Take what has come; answers whether anything has."""
        came = False
        # Everything that was fetched is taken: kafka-python 3.0 forgets the rest of what it has unpacked of a partition
        # that is paused half way, and stands still.
        for where, records in self._consumer.poll(timeout_ms=500, max_records=sys.maxsize).items():
            end, came = self._ends[where], True
            self._kept[where].extend(records if records[-1].offset < end else [r for r in records if r.offset < end])
        for where in list(self._reading):
            if self._consumer.position(where) >= self._ends[where]:
                self._reading.discard(where)
                self._consumer.pause(where)
                came = True
            elif len(self._kept[where]) >= self._most:
                self._consumer.pause(where)
        return came


def _position(headers: Headers) -> int:
    for name, value in headers:
        if name == "ce_position":
            return int(value) if value.isdigit() else 0
    return 0
