"""How an event travels on Kafka: CloudEvents 1.0 in binary mode, the payload as the value, the envelope in headers.

The header ``ce_entry`` is the canonical entry that the leaf hash is made over (``docs/leaf-hash.md``), so that any
consumer can check an event with nothing but SHA-256, and a store can be restored from the topic byte for byte. The
other headers repeat what brokers, tools and simple consumers look at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.clock import from_text
from ledger.errors import IntegrityFault
from ledger.store.envelope import StoredRow, entry_bytes, leaf_hash, read_entry

#: CloudEvents' ``source``: what wrote the events. The topic says which agency's.
SOURCE = b"/ledger"
CONTENT_TYPE = b"application/json"

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Message:
    """One event as Kafka holds it."""

    key: bytes
    value: bytes
    headers: Headers
    timestamp_ms: int


def to_message(row: StoredRow) -> Message:
    """An event of the log as a Kafka message; the key is the chart's or the staff member's id."""
    entry = entry_bytes(row, row.position, row.recorded_at)
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
        ("ce_leaf", row.leaf.hex().encode()),
        ("ce_entry", entry),
    ]
    return Message(row.key.encode(), row.state, headers, int(from_text(row.recorded_at).timestamp() * 1000))


def position_of(headers: Iterable[tuple[str, bytes]]) -> int:
    """The log position that a message's headers give."""
    for name, value in headers:
        if name == "ce_position":
            return int(value)
    raise IntegrityFault("a message on the topic has no ce_position: something other than the relay wrote to it")


def from_message(value: bytes, headers: Iterable[tuple[str, bytes]]) -> StoredRow:
    """The event that a message carries, checked: the payload against its digest, the entry against the leaf hash."""
    found = dict(headers)
    try:
        entry, leaf = found["ce_entry"], bytes.fromhex(found["ce_leaf"].decode())
    except (KeyError, ValueError) as fault:
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
