"""The log as Kafka has it: the topic behind the interface that consumers read, partition by partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from ledger.consumers.log import Entry
from ledger.errors import LedgerError
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.wire import from_message


class KafkaLog:
    """A reader of the topic. Its places are Kafka's offsets plus one, so that 0 means nothing was read yet."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: Any = KafkaConsumer(
            **settings.client(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
            max_poll_records=5000,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            fetch_max_bytes=16 * 1024 * 1024,
        )
        found = self._consumer.partitions_for_topic(settings.topic)
        if not found:
            raise LedgerError(f"LEDGER_KAFKA_TOPIC: there is no topic {settings.topic}; run: ledger topic create")
        self.partitions: Sequence[int] = sorted(found)
        self._assigned: int | None = None
        self._next = -1

    def read(self, partition: int, after: int, limit: int) -> Sequence[Entry]:
        """Up to ``limit`` entries after a place, from what is committed; empty when there is nothing more."""
        where = TopicPartition(self._settings.topic, partition)
        if self._assigned != partition:
            self._consumer.assign([where])
            self._assigned, self._next = partition, -1
        if self._next != after:
            self._consumer.seek(where, after)
        end = self._consumer.end_offsets([where])[where]
        entries: list[Entry] = []
        while len(entries) < limit and self._consumer.position(where) < end:
            for records in self._consumer.poll(timeout_ms=200, max_records=limit - len(entries)).values():
                entries += [Entry(record.offset + 1, from_message(record.value, record.headers)) for record in records]
        self._next = entries[-1].offset if entries else after
        if entries:
            # A marker may follow the last event; reading goes on just behind the event.
            self._consumer.seek(where, self._next)
        return entries

    def head(self, partition: int) -> int:
        """The place behind the last committed offset; a marker may stand there, so it can be past the last event."""
        where = TopicPartition(self._settings.topic, partition)
        return int(self._consumer.end_offsets([where])[where])

    def close(self) -> None:
        self._consumer.close()
