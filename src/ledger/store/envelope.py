"""The envelope: everything that is recorded about an event, and the bytes its leaf hash is made over.

``docs/leaf-hash.md`` says the same for somebody who writes a verifier of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
from eventsourcing.persistence import StoredEvent

from ledger.aggregates.base import Actor, Change
from ledger.aggregates.vocabulary import Event
from ledger.clock import from_text, to_text

#: Larger payloads are refused; a long document is stored apart and named by its SHA-256 (design §5).
MAX_PAYLOAD_BYTES = 128 * 1024


@dataclass(frozen=True)
class Context:
    """Who asked for a command, why, and which requests it belongs to; part of every envelope it leads to."""

    command_id: str
    actor: Actor
    purpose: str
    correlation_id: str
    causation_id: str | None = None
    #: SHA-256 (hex) of the command as it was asked, so that a reused command id is told from a retried one.
    command_digest: str = ""


@dataclass(frozen=True)
class Stamped:
    """A change with its context: what the store is given. ``index`` counts the events of one command from 0."""

    change: Change
    context: Context
    index: int

    @property
    def originator_id(self) -> str:
        return self.change.originator_id

    @property
    def originator_version(self) -> int:
        return self.change.originator_version


@dataclass(frozen=True)
class StoredRow(StoredEvent):
    """An event as it is stored. ``topic`` is the event type, ``state`` the payload's bytes (JSON, UTF-8).

    Times are text of one form (UTC, six decimals), so that they sort as they read in every database;
    ``occurred_offset`` is the UTC offset the person meant, in minutes. ``position``, ``recorded_at`` and ``leaf`` are
    the log's and are empty until the event has its place in it.
    """

    schema_version: int
    key: str
    chart_id: str | None
    occurred_at: str
    occurred_offset: int
    actor: str
    role: str
    credential: str | None
    purpose: str
    command_id: str
    command_index: int
    command_digest: str
    correlation_id: str
    causation_id: str | None
    position: int = 0
    recorded_at: str = ""
    leaf: bytes = b""

    @property
    def event_id(self) -> str:
        """The event's id wherever it is named: its stream and its version in it."""
        return f"{self.originator_id}@{self.originator_version}"

    @property
    def occurred(self) -> datetime:
        """When it happened, with the offset the person meant."""
        zone = timezone(timedelta(minutes=self.occurred_offset))
        return from_text(self.occurred_at).astimezone(zone)

    @property
    def recorded(self) -> datetime:
        """When the server recorded it (UTC)."""
        return from_text(self.recorded_at)


#: The log's part of a row that has no place in it yet: position, recorded_at, leaf.
UNPLACED = (0, "", b"")

_MINUTE = timedelta(minutes=1)
_ROW_FIELDS = tuple(field.name for field in fields(StoredRow))


def row_of(values: Sequence[Any]) -> StoredRow:
    """A row from the values of all its fields, in their order: as a database gives them.

    A frozen dataclass sets its fields one by one; a log of millions is read in half the time when they are set at once.
    """
    if len(values) != len(_ROW_FIELDS):
        raise TypeError(f"a row has {len(_ROW_FIELDS)} values, not {len(values)}")
    row = StoredRow.__new__(StoredRow)
    row.__dict__.update(zip(_ROW_FIELDS, values, strict=True))
    return row


@dataclass(frozen=True)
class Recorded:
    """A stored event with its payload read: what aggregates are rebuilt from and projections are fed with."""

    row: StoredRow
    event: Event

    @property
    def originator_id(self) -> str:
        return str(self.row.originator_id)

    @property
    def originator_version(self) -> int:
        return self.row.originator_version


class _Entry(msgspec.Struct, frozen=True):
    """The fields of a log entry; in the alphabet's order, because RFC 8785 sorts them."""

    actor: str
    causation: str | None
    chart: str | None
    command: str
    command_digest: str
    command_index: int
    correlation: str
    credential: str | None
    key: str
    occurred_at: str
    occurred_offset: int
    payload_sha256: str
    position: int
    purpose: str
    recorded_at: str
    role: str
    schema: int
    stream: str
    type: str
    version: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Entry).decode


def entry_bytes(row: StoredRow, position: int, recorded_at: str) -> bytes:
    """The canonical bytes of an event in the log: RFC 8785 JSON of its envelope and its payload's SHA-256.

    The payload goes in by its digest, so that an entry stays small whatever the payload's size, and can be shown to
    somebody who may not read the content.
    """
    return _encode(
        _Entry(
            row.actor,
            row.causation_id,
            row.chart_id,
            row.command_id,
            row.command_digest,
            row.command_index,
            row.correlation_id,
            row.credential,
            row.key,
            row.occurred_at,
            row.occurred_offset,
            hashlib.sha256(row.state).hexdigest(),
            position,
            row.purpose,
            recorded_at,
            row.role,
            row.schema_version,
            str(row.originator_id),
            row.topic,
            row.originator_version,
        )
    )


def read_entry(entry: bytes, payload: bytes, leaf: bytes) -> tuple[StoredRow, str]:
    """The row that an entry and its payload describe, and the SHA-256 (hex) that the entry gives for the payload.

    Nothing is checked here; a reader compares the digest and the leaf.
    """
    found = _decode(entry)
    row = StoredRow(
        originator_id=found.stream,
        originator_version=found.version,
        topic=found.type,
        state=payload,
        schema_version=found.schema,
        key=found.key,
        chart_id=found.chart,
        occurred_at=found.occurred_at,
        occurred_offset=found.occurred_offset,
        actor=found.actor,
        role=found.role,
        credential=found.credential,
        purpose=found.purpose,
        command_id=found.command,
        command_index=found.command_index,
        command_digest=found.command_digest,
        correlation_id=found.correlation,
        causation_id=found.causation,
        position=found.position,
        recorded_at=found.recorded_at,
        leaf=leaf,
    )
    return row, found.payload_sha256


def leaf_hash(entry: bytes) -> bytes:
    """The RFC 6962 leaf hash of an entry: SHA-256 over a zero byte and the entry's bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def leaf_of(row: StoredRow, position: int, recorded_at: str) -> bytes:
    """The leaf hash of a row at a place in the log."""
    return leaf_hash(entry_bytes(row, position, recorded_at))


def offset_minutes(moment: datetime) -> int:
    """The UTC offset of an aware time, in whole minutes."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError(f"{moment.isoformat()} has no UTC offset")
    return offset // _MINUTE


__all__ = [
    "MAX_PAYLOAD_BYTES",
    "UNPLACED",
    "Context",
    "Recorded",
    "Stamped",
    "StoredRow",
    "entry_bytes",
    "leaf_hash",
    "leaf_of",
    "offset_minutes",
    "row_of",
    "to_text",
]
