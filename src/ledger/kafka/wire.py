"""How an event travels on Kafka: CloudEvents 1.0 in binary mode, the payload as the value, the envelope in headers.

The header ``ce_entry`` is the canonical entry that the leaf hash is made over (``docs/leaf-hash.md``), so that any
consumer can check an event with nothing but SHA-256, and a store can be restored from the topic byte for byte. The
other headers repeat what brokers, tools and simple consumers look at.

The last message of each partition of a topic that has ended is no event: it says on which topic the log goes on
(``docs/decisions/0012-moving-the-log.md``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from kafka.partitioner.default import murmur2

from ledger.clock import from_text
from ledger.errors import IntegrityFault, LedgerError
from ledger.store.checked import checked_entry
from ledger.store.envelope import StoredRow, entry_bytes, leaf_hash, read_entry

#: CloudEvents' ``source``: what wrote the events. The topic says which agency's.
SOURCE = b"/ledger"
CONTENT_TYPE = b"application/json"
#: The ``ce_type`` of the message that ends a topic.
MOVED = "log.moved"

Headers = list[tuple[str, bytes]]


class TopicMoved(LedgerError):
    """The topic has ended: the log goes on on another, which has everything from the first event on."""

    def __init__(self, to: str, position: int) -> None:
        self.to = to
        self.position = position
        super().__init__(f"the log has moved to the topic {to}; this one ended at position {position}")


@dataclass(frozen=True)
class Message:
    """One event as Kafka holds it."""

    key: bytes
    value: bytes
    headers: Headers
    partition: int
    timestamp_ms: int


@lru_cache(maxsize=65536)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition that a key's events are in, as every Kafka client reckons it."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def to_message(row: StoredRow, partitions: int) -> Message:
    """An event of the log as a Kafka message; the key is the chart's or the staff member's id.

    ``partitions`` is how many the topic was made with, whatever was added to it since: a key's events stay together.
    Nothing is checked here; what is sent is made by :func:`sound_message`.
    """
    return _message(row, entry_bytes(row, row.position, row.recorded_at), partitions)


def sound_message(row: StoredRow, partitions: int) -> Message:
    """The same of an event that still gives its leaf hash, made over the bytes that travel; else ``IntegrityFault``."""
    return _message(row, checked_entry(row), partitions)


def _message(row: StoredRow, entry: bytes, partitions: int) -> Message:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", row.event_id.encode()),
        ("ce_source", SOURCE),
        ("ce_type", row.topic.encode()),
        ("ce_subject", str(row.originator_id).encode()),
        ("ce_time", row.occurred_at.encode()),
        ("content-type", CONTENT_TYPE),
        ("ce_position", b"%d" % row.position),
        ("ce_streamversion", b"%d" % row.originator_version),
        ("ce_schemaversion", b"%d" % row.schema_version),
        ("ce_partitions", b"%d" % partitions),
        ("ce_leaf", row.leaf.hex().encode()),
        ("ce_entry", entry),
    ]
    key, time = row.key.encode(), int(from_text(row.recorded_at).timestamp() * 1000)
    return Message(key, row.state, headers, partition_of(key, partitions), time)


def moved_message(to: str, position: int) -> tuple[bytes, Headers]:
    """The value and headers of the message that ends a topic: where the log goes on, and this topic's last place."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", f"moved@{position}".encode()),
        ("ce_source", SOURCE),
        ("ce_type", MOVED.encode()),
        ("content-type", CONTENT_TYPE),
    ]
    return json.dumps({"topic": to, "position": position}).encode(), headers


def moved_in(value: bytes, headers: Iterable[tuple[str, bytes]]) -> TopicMoved | None:
    """What a message says of a move; None when it is an event."""
    if ("ce_type", MOVED.encode()) not in headers:
        return None
    found = json.loads(value)
    return TopicMoved(str(found["topic"]), int(found["position"]))


def position_of(headers: Iterable[tuple[str, bytes]]) -> int:
    """The log position that a message's headers give."""
    for name, value in headers:
        if name == "ce_position":
            return int(value)
    raise IntegrityFault("a message on the topic has no ce_position: something other than the relay wrote to it")


def from_message(value: bytes, headers: Iterable[tuple[str, bytes]]) -> StoredRow:
    """The event that a message carries, checked: the payload against its digest, the entry against the leaf hash.

    Raises ``TopicMoved`` for the message that ends a topic.
    """
    found = dict(headers)
    try:
        entry, leaf = found["ce_entry"], bytes.fromhex(found["ce_leaf"].decode())
    except (KeyError, ValueError) as fault:
        if (moved := moved_in(value, found.items())) is not None:
            raise moved from None
        raise IntegrityFault(
            "a message on the topic has no entry or leaf: something other than the relay wrote to it"
        ) from fault
    event_id = found.get("ce_id", b"?").decode()
    if leaf_hash(entry) != leaf:
        raise IntegrityFault(f"{event_id} on the topic: its envelope does not hash to its leaf")
    row, digest = read_entry(entry, value, leaf)
    if hashlib.sha256(value).hexdigest() != digest:
        raise IntegrityFault(f"{event_id} on the topic: its payload does not hash to the digest in its envelope")
    return row
