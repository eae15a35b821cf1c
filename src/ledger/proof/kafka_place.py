"""The checkpoints' own topic: beside the topic of the log, one partition, kept for ever.

A checkpoint's message has the log's origin as its key, the signed note with its cosignatures as value, its size in a
header, and each timestamp on it in one of its own. It may be there again: when a sealer died after sending it, and with
what witnesses and authorities have added to it since.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from ledger.errors import IntegrityFault
from ledger.kafka.connection import KafkaSettings, KafkaUnreachable
from ledger.kafka.doctor import create_topic
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.notes import PublicKey
from ledger.proof.places import Sent, Stamp
from ledger.proof.web import PATIENCE, Unreachable

SUFFIX = ".checkpoints"
_SIZE = "checkpoint-size"
#: The header of a timestamp: a ``Stamp`` as JSON, its token in base64.
_STAMP = "checkpoint-timestamp"


def _no_stamps(_: int) -> Sequence[Stamp]:
    return ()


class KafkaPlace:
    """The topic as a place. Made when it is first needed; its last message says where it stands.

    ``stamps`` answers what timestamps there are on the checkpoint of a size.
    """

    again = True

    def __init__(
        self,
        settings: KafkaSettings,
        origin: str,
        keys: Sequence[PublicKey],
        stamps: Callable[[int], Sequence[Stamp]] = _no_stamps,
    ) -> None:
        self._stamps = stamps
        self._settings = msgspec.structs.replace(settings, topic=settings.topic + SUFFIX)
        self.name = f"topic {self._settings.topic}"
        self._origin = origin
        self._keys = keys
        self._producer: Any = None

    def last(self) -> int:
        note = self._last_note()
        return 0 if note is None else open_checkpoint(note, self._keys)[0].size

    def held(self) -> Checkpoint | None:
        note = self._last_note()
        return None if note is None else open_checkpoint(note, self._keys)[0]

    def _last_note(self) -> bytes | None:
        try:
            return last_note(self._settings)
        except (KafkaError, OSError, ValueError) as fault:
            raise Unreachable(f"{self.name} does not answer: {type(fault).__name__}") from fault

    def send(self, notes: Sequence[tuple[int, bytes]]) -> None:
        try:
            if self._producer is None:
                create_topic(self._settings, 1)
                self._producer = KafkaProducer(
                    **self._settings.client(), enable_idempotence=True, acks="all", delivery_timeout_ms=30_000
                )
            sent = [
                self._producer.send(
                    self._settings.topic,
                    value=note,
                    key=self._origin.encode(),
                    headers=[
                        (_SIZE, b"%d" % size),
                        ("content-type", b"text/plain; charset=utf-8"),
                        *((_STAMP, msgspec.json.encode(stamp)) for stamp in self._stamps(size)),
                    ],
                )
                for size, note in notes
            ]
            for future in sent:
                future.get(timeout=40)
        except (KafkaError, KafkaUnreachable, OSError, ValueError) as fault:
            self.close()
            raise Unreachable(f"{self.name} does not take checkpoints: {type(fault).__name__}") from fault

    def close(self) -> None:
        """Let go of the brokers."""
        if self._producer is not None:
            self._producer.close(timeout=1)
            self._producer = None


def last_note(settings: KafkaSettings) -> bytes | None:
    """The last checkpoint on a topic of checkpoints; None when there is none. Raises kafka-python's errors."""
    consumer: Any = KafkaConsumer(
        **settings.client(), enable_auto_commit=False, bootstrap_timeout_ms=int(PATIENCE * 1000)
    )
    try:
        if not consumer.partitions_for_topic(settings.topic):
            return None
        partition = TopicPartition(settings.topic, 0)
        end = consumer.end_offsets([partition])[partition]
        if end == 0:
            return None
        consumer.assign([partition])
        consumer.seek(partition, end - 1)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for records in consumer.poll(timeout_ms=500).values():
                return bytes(records[-1].value or b"")
        raise KafkaError("the last checkpoint was not read in time")
    finally:
        consumer.close()


def every_note(settings: KafkaSettings) -> list[bytes]:
    """Every checkpoint on the topic of checkpoints that belongs to a topic of the log, in their order."""
    return [each.note for each in every_sent(settings)]


def every_sent(settings: KafkaSettings) -> list[Sent]:
    """As ``every_note``, each with the time when it came to the topic, and the timestamps on it."""
    topic = settings.topic + SUFFIX
    consumer: Any = None
    try:
        consumer = KafkaConsumer(
            **settings.client(), enable_auto_commit=False, bootstrap_timeout_ms=int(PATIENCE * 1000)
        )
        found: list[Sent] = []
        if not consumer.partitions_for_topic(topic):
            return found
        partition = TopicPartition(topic, 0)
        end = consumer.end_offsets([partition])[partition]
        consumer.assign([partition])
        consumer.seek(partition, consumer.beginning_offsets([partition])[partition])
        while consumer.position(partition) < end:
            for records in consumer.poll(timeout_ms=1000).values():
                found += [
                    Sent(bytes(record.value or b""), _at(record.timestamp), _stamps_in(record.headers))
                    for record in records
                ]
        return found
    except (KafkaError, OSError, ValueError) as fault:
        raise Unreachable(f"topic {topic} does not answer: {type(fault).__name__}") from fault
    finally:
        if consumer is not None:
            consumer.close()


def _stamps_in(headers: Sequence[tuple[str, bytes]]) -> tuple[Stamp, ...]:
    try:
        return tuple(msgspec.json.decode(value, type=Stamp) for name, value in headers if name == _STAMP)
    except msgspec.DecodeError as fault:
        raise IntegrityFault("a timestamp on the topic of checkpoints is malformed") from fault


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
