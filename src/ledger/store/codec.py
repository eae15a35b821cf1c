"""Between events and stored bytes: a typed codec, and the upcasters on the way back.

Nothing in a payload can choose its own type: the type name stands in the envelope, the payload is read as exactly that
struct, and whatever a user wrote into a text field comes back as the text it was.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from ledger.aggregates.vocabulary import Event, find_event, upcast
from ledger.clock import to_text
from ledger.errors import LedgerError, Reason, Refused
from ledger.store.envelope import MAX_PAYLOAD_BYTES, UNPLACED, Recorded, Stamped, StoredRow, offset_minutes, row_of

_encode = msgspec.json.Encoder(order="deterministic").encode


class UnreadableEvent(LedgerError):
    """An event whose type or schema version this release does not know, or whose payload does not fit its type."""


@cache
def _decoder(cls: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(cls)


def encode_payload(event: Event) -> bytes:
    """The payload's bytes, for ever: JSON in the struct's field order, mappings sorted by key."""
    payload = _encode(event)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Refused(
            [
                Reason(
                    "payload",
                    f"{event.TYPE} would take {len(payload):,} bytes; an event holds at most {MAX_PAYLOAD_BYTES:,}",
                    "shorten the text, or attach the document and name it by its SHA-256",
                    "too-large",
                )
            ]
        )
    return payload


def decode_payload(type_name: str, schema: int, payload: bytes) -> Event:
    """Read a payload of any released schema version as today's event."""
    cls = find_event(type_name)
    if cls is None:
        raise UnreadableEvent(f"this release knows no event type {type_name!r}; upgrade before reading it")
    if schema > cls.SCHEMA:
        raise UnreadableEvent(f"{type_name} is at schema {schema}, this release reads up to {cls.SCHEMA}; upgrade")
    try:
        if schema == cls.SCHEMA:
            return _decoder(cls).decode(payload)
        raw: dict[str, Any] = msgspec.json.decode(payload)
        return msgspec.convert(upcast(type_name, schema, raw), cls)
    except msgspec.MsgspecError as fault:
        raise UnreadableEvent(f"the payload of a {type_name} (schema {schema}) does not read: {fault}") from fault
    except Exception as fault:
        # Bytes that are not UTF-8, nesting without end, an upcaster that stumbles: one event is unreadable, not all.
        raise UnreadableEvent(
            f"the payload of a {type_name} (schema {schema}) does not read: {type(fault).__name__}"
        ) from fault


class EnvelopeMapper(Mapper[str]):
    """The library's mapper, with our envelope and our typed codec in place of its transcoder."""

    def __init__(self) -> None:
        super().__init__(transcoder=JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        if not isinstance(domain_event, Stamped):
            raise TypeError(f"only a stamped change can be stored, not {type(domain_event).__name__}")
        change, context = domain_event.change, domain_event.context
        return row_of(
            (
                change.originator_id,
                change.originator_version,
                change.event.TYPE,
                encode_payload(change.event),
                change.event.SCHEMA,
                change.key,
                change.chart_id,
                to_text(change.occurred_at),
                offset_minutes(change.occurred_at),
                context.actor.id,
                context.actor.role,
                context.actor.credential,
                context.purpose,
                context.command_id,
                domain_event.index,
                context.command_digest,
                context.correlation_id,
                context.causation_id,
                *UNPLACED,
            )
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        return read(stored_event)


def read(stored_event: StoredEvent) -> Recorded:
    """A stored event with its payload read."""
    if not isinstance(stored_event, StoredRow):
        raise TypeError(f"not a row of this store: {type(stored_event).__name__}")
    return Recorded(stored_event, decode_payload(stored_event.topic, stored_event.schema_version, stored_event.state))
