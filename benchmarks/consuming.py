"""The bare consumer: kafka-python alone, reading every record of a topic that is committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from ledger.kafka.connection import KafkaSettings


def consume(settings: KafkaSettings, batch: int) -> Iterator[Sequence[Any]]:
    """Every record of the topic as it stands now, all partitions together, as many at a time as a poll gives."""
    consumer = KafkaConsumer(
        **settings.client(),
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
        max_poll_records=batch,
        max_partition_fetch_bytes=4 * 1024 * 1024,
        fetch_max_bytes=16 * 1024 * 1024,
    )
    try:
        partitions = [TopicPartition(settings.topic, p) for p in consumer.partitions_for_topic(settings.topic) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        left = {partition for partition in partitions if ends[partition] > 0}
        while left:
            yield from consumer.poll(timeout_ms=1000, max_records=batch).values()
            left = {partition for partition in left if consumer.position(partition) < ends[partition]}
    finally:
        consumer.close()
