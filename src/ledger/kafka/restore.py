"""A store from the topic alone: every partition, merged by position, each hash checked, written as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ledger.errors import IntegrityFault
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.place import live
from ledger.kafka.whole import Found, WholeTopic
from ledger.kafka.wire import from_message
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder

_BATCH = 5000


def merged(settings: KafkaSettings) -> Iterator[StoredRow]:
    """Every event on the topic in the order of positions; a gap or a double raises ``IntegrityFault``."""
    topic = WholeTopic(settings)
    try:
        for expected, found in enumerate(topic, start=1):
            if found.position != expected:
                raise IntegrityFault(_unexpected(settings, expected, found))
            yield from_message(found.value, found.headers)
    finally:
        topic.close()


def _unexpected(settings: KafkaSettings, expected: int, found: Found) -> str:
    where = f"topic {settings.topic}, partition {found.partition}, offset {found.offset}"
    if found.position == 0:
        return f"{where}: a message without a position; something other than the relay wrote it"
    if found.position > expected:
        return f"topic {settings.topic}: position {expected} is missing; the next event is at {found.position}"
    return f"{where}: position {found.position} is there twice, or out of its turn"
