"""The log as Kafka has it: the topic behind the interface that consumers read, partition by partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from ledger.consumers.log import Entry
from ledger.errors import LedgerError
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import admin
from ledger.kafka.wire import TopicMoved, from_message


class KafkaLog:
    """A reader of the topic. Its places are Kafka's offsets plus one, so that 0 means nothing was read yet."""

    #: Kafka may give an event again, and another topic gives all of them again; positions tell them.
    repeats = True

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._readers: dict[int, Any] = {}
        #: A topic that was made anew under the same name is another log: its offsets mean something else.
        self.name, self.partitions = _identity(settings)

    def read(self, partition: int, after: int, limit: int) -> Sequence[Entry]:
        """Up to ``limit`` entries after a place, from what is committed; empty when there is nothing more.

        Raises ``TopicMoved`` behind the last event of a topic that has ended.
        """
        where = TopicPartition(self._settings.topic, partition)
        reader = self._reader(where)
        if reader.position(where) != after:
            reader.seek(where, after)
        while True:
            records = reader.poll(timeout_ms=100, max_records=limit).get(where, ())
            if records:
                entries = _events(records)
                # A marker may follow the last event; the next read begins behind the event, not behind the marker.
                reader.seek(where, entries[-1].offset)
                return entries
            if reader.position(where) >= reader.end_offsets([where])[where]:
                return []

    def head(self, partition: int) -> int:
        """The place behind the last committed offset; a marker may stand there, so it can be past the last event."""
        where = TopicPartition(self._settings.topic, partition)
        return int(self._reader(where).end_offsets([where])[where])

    def _reader(self, where: TopicPartition) -> Any:
        reader = self._readers.get(where.partition)
        if reader is None:
            reader = KafkaConsumer(
                **self._settings.client(),
                isolation_level="read_committed",
                enable_auto_commit=False,
                fetch_max_wait_ms=50,
                max_poll_records=5000,
                max_partition_fetch_bytes=4 * 1024 * 1024,
                fetch_max_bytes=16 * 1024 * 1024,
            )
            reader.assign([where])
            reader.seek(where, 0)
            self._readers[where.partition] = reader
        return reader

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        self._readers = {}


def _events(records: Sequence[Any]) -> list[Entry]:
    """The events in some messages, up to the one that ends the topic; raises ``TopicMoved`` when that is the first."""
    entries: list[Entry] = []
    for record in records:
        try:
            entries.append(Entry(record.offset + 1, from_message(record.value, record.headers)))
        except TopicMoved:
            if not entries:
                raise
            break
    return entries


def _identity(settings: KafkaSettings) -> tuple[str, Sequence[int]]:
    """The topic's name with the id Kafka gave it, and its partitions."""
    client = admin(settings)
    try:
        found = next(iter(client.describe_topics([settings.topic])), None)
    finally:
        client.close()
    if found is None or found["error_code"] != 0:
        raise LedgerError(f"LEDGER_KAFKA_TOPIC: there is no topic {settings.topic}; run: ledger topic create")
    partitions = sorted(each["partition_index"] for each in found["partitions"])
    return f"{settings.topic}/{found['topic_id']}", partitions
