"""Where a topic ends, found from Kafka itself: the last position that is committed on it, or that the log has moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from ledger.errors import IntegrityFault
from ledger.kafka.connection import KafkaSettings, KafkaUnreachable
from ledger.kafka.wire import TopicMoved, moved_in


@dataclass(frozen=True)
class End:
    """The end of a topic. The relay sends in the order of positions, so every position up to the last is there too."""

    #: The greatest position on the topic; 0 when it is empty.
    position: int = 0
    #: The leaf hash (hex) that the last event has on the topic.
    leaf: str = ""
    #: With how many partitions the topic was made, as its last event says; 0 when it is empty.
    made_with: int = 0
    #: How many it has now; 0 when there is no such topic.
    partitions: int = 0
    #: Where the log went on, if it did.
    moved: TopicMoved | None = None


#: How long one look for messages lasts, in milliseconds: where only markers of transactions are left, none will come.
_MOMENT_MS = 20

#: The headers without which a message is not one that a relay sent.
_OF_THE_RELAY = {"ce_position", "ce_leaf", "ce_partitions"}


def end_of(settings: KafkaSettings, *, patience_ms: int = 30_000, strays: bool = False) -> End:
    """Look where the topic ends.

    Waits so long for a broker to answer, and raises kafka-python's errors when none does. A last message that is not a
    relay's raises ``IntegrityFault``, unless ``strays`` are to be passed over.
    """
    consumer = _consumer(settings, patience_ms)
    try:
        numbers = sorted(consumer.partitions_for_topic(settings.topic) or ())
        partitions = [TopicPartition(settings.topic, number) for number in numbers]
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        found = [_end(consumer, each, begins[each], ends[each], strays) for each in partitions]
    finally:
        consumer.close()
    last = max(found, key=lambda end: end.position, default=End())
    moved = next((end.moved for end in found if end.moved is not None), None)
    return End(last.position, last.leaf, last.made_with, len(numbers), moved)


def lacks(settings: KafkaSettings, end: End) -> str:
    """What a topic lacks before its last event, in words; empty when nothing is seen to be missing.

    Only its beginning is read and its offsets are counted: so a topic is found out that was made anew and then went on
    in the middle of the log, and one that lost its oldest events. ``ledger verify --against-kafka`` looks at each.
    """
    if end.position == 0:
        return ""
    consumer = _consumer(settings, 30_000)
    try:
        partitions = [TopicPartition(settings.topic, number) for number in range(end.partitions)]
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        gone = sum(begins.values())
        if gone:
            return f"{gone} of its oldest offsets were deleted"
        first = end.position
        for each in partitions:
            first = min(first, _first(consumer, each, ends[each]) or first)
            if first == 1:
                break
    finally:
        consumer.close()
    if first != 1:
        return f"it begins at position {first}"
    most = sum(ends.values())
    return f"it ends at position {end.position} and has no more than {most} events" if most < end.position else ""


def last_position(settings: KafkaSettings, *, patience_ms: int = 30_000) -> int:
    """The greatest position on the topic, over all partitions; 0 when it is empty."""
    return end_of(settings, patience_ms=patience_ms).position


def live(settings: KafkaSettings, *, patience_ms: int = 30_000) -> KafkaSettings:
    """The settings with the topic that the log is on now: the one that is named, or where it has moved since.

    Raises ``KafkaUnreachable`` when no broker answers.
    """
    seen = {settings.topic}
    while (moved := _reached(settings, patience_ms).moved) is not None:
        if moved.to in seen:
            raise IntegrityFault(f"topic {settings.topic}: the log has moved to {moved.to}, and from there to here")
        seen.add(moved.to)
        settings = msgspec.structs.replace(settings, topic=moved.to)
    return settings


def _reached(settings: KafkaSettings, patience_ms: int) -> End:
    try:
        return end_of(settings, patience_ms=patience_ms, strays=True)
    except (KafkaError, OSError, ValueError) as fault:
        raise KafkaUnreachable(settings, fault) from fault


def _consumer(settings: KafkaSettings, patience_ms: int) -> KafkaConsumer:
    return KafkaConsumer(
        **settings.client(),
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=100,
        bootstrap_timeout_ms=patience_ms,
    )


def _first(consumer: KafkaConsumer, partition: TopicPartition, end: int) -> int | None:
    """The position of a partition's first event; None when it has none."""
    consumer.assign([partition])
    consumer.seek(partition, 0)
    while consumer.position(partition) < end:
        for each in consumer.poll(timeout_ms=_MOMENT_MS).get(partition, ()):
            if (found := dict(each.headers)).keys() >= _OF_THE_RELAY:
                return int(found["ce_position"])
    return None


def _end(consumer: KafkaConsumer, partition: TopicPartition, begin: int, end: int, strays: bool) -> End:
    """The last event of a partition. Its last offsets may be markers of transactions, not messages."""
    back = 8
    consumer.assign([partition])
    while end > begin:
        start = max(begin, end - back)
        records = _read(consumer, partition, start, end)
        moved = next((found for each in records if (found := moved_in(each.value, each.headers)) is not None), None)
        events = [each for each in records if moved_in(each.value, each.headers) is None]
        if strays:
            events = [each for each in events if {name for name, _ in each.headers} >= _OF_THE_RELAY]
        if events or start == begin:
            return _told(events[-1].headers, moved) if events else End(moved=moved)
        back *= 8
    return End()


def _read(consumer: KafkaConsumer, partition: TopicPartition, start: int, end: int) -> Sequence[Any]:
    consumer.seek(partition, start)
    found: list[Any] = []
    while consumer.position(partition) < end:
        for records in consumer.poll(timeout_ms=_MOMENT_MS).values():
            found += records
    return found


def _told(headers: Sequence[tuple[str, bytes]], moved: TopicMoved | None) -> End:
    """What the last event of a partition says of itself."""
    found = dict(headers)
    try:
        return End(
            position=int(found["ce_position"]),
            leaf=found["ce_leaf"].decode(),
            made_with=int(found["ce_partitions"]),
            moved=moved,
        )
    except (KeyError, ValueError) as fault:
        raise IntegrityFault(
            "a message on the topic has no position, leaf or count of partitions: it is not the relay's"
        ) from fault
