"""Where the relay stands, found from Kafka itself: the last position that is committed on the topic."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition

from ledger.kafka.connection import KafkaSettings
from ledger.kafka.wire import position_of


def last_position(settings: KafkaSettings, *, patience_ms: int = 30_000) -> int:
    """The greatest position on the topic, over all partitions; 0 when it is empty.

    Waits so long for a broker to answer, and raises kafka-python's errors when none does.

    The relay sends in the order of positions and in transactions, so every position up to it is there too.
    """
    consumer = KafkaConsumer(
        **settings.client(),
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        bootstrap_timeout_ms=patience_ms,
    )
    try:
        partitions = [TopicPartition(settings.topic, p) for p in consumer.partitions_for_topic(settings.topic) or ()]
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        return max((_last(consumer, p, begins[p], ends[p]) for p in partitions), default=0)
    finally:
        consumer.close()


def _last(consumer: KafkaConsumer, partition: TopicPartition, begin: int, end: int) -> int:
    """The position of the last event of a partition. Its last offsets may be markers of transactions, not events."""
    back = 8
    consumer.assign([partition])
    while end > begin:
        start = max(begin, end - back)
        consumer.seek(partition, start)
        last = 0
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=1000).values():
                for record in records:
                    last = position_of(record.headers)
        if last or start == begin:
            return last
        back *= 8
    return 0
