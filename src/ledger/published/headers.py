"""The headers of a message on the topic: CloudEvents 1.0 in binary mode, and the entry that the leaf is made over.

Kafka's header values are bytes; each is given here as the text they hold in UTF-8. ``docs/leaf-hash.md`` tells how a
leaf is computed. A test compares both schemas with what the relay sends.
"""

from __future__ import annotations

from typing import Any

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UTC = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"
_SHA256 = r"^[0-9a-f]{64}$"


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", **more, "description": description}


def _number(description: str, least: int | None = None) -> dict[str, Any]:
    bound = {} if least is None else {"minimum": least}
    return {"type": "integer", **bound, "description": description}


def _perhaps(description: str) -> dict[str, Any]:
    return {"type": ["string", "null"], "description": description}


#: The text of the header ``ce_entry``, read as JSON.
ENTRY: dict[str, Any] = {
    "title": "Entry",
    "description": "Everything recorded about an event, with its payload's digest: the JSON object (RFC 8785) that the "
    "leaf hash is made over. Hash the header's bytes as they are; never write them anew.",
    "type": "object",
    "properties": {
        "actor": _text("Who acted: a staff id, or `system:NAME`."),
        "causation": _perhaps("The request that led to this one."),
        "chart": _perhaps("The chart (client) the event belongs to, if it belongs to one."),
        "command": _text("The command that led to the event."),
        "command_digest": _text("SHA-256 of that command as it was asked."),
        "command_index": _number("Which of the command's events this is, from 0.", 0),
        "correlation": _text("What ties requests together."),
        "credential": _perhaps("The credential the actor held then."),
        "key": _text("The message's key: the chart, the staff member, or `agency`."),
        "occurred_at": _text("When it happened: UTC, six decimals.", pattern=_UTC),
        "occurred_offset": _number("The UTC offset the person meant, in minutes."),
        "payload_sha256": _text("SHA-256 of the message's value, as it is.", pattern=_SHA256),
        "position": _number("The place in the log, from 1, without a gap.", 1),
        "purpose": _text("Why: treatment, payment, operations, …"),
        "recorded_at": _text("When the server recorded it; never before the event before it.", pattern=_UTC),
        "role": _text("The role the actor held then."),
        "schema": _number("The schema version of the payload.", 1),
        "stream": _text("The stream: the id of the note, contact, client, … that the event is about."),
        "type": _text("The event's type."),
        "version": _number("The event's version in its stream, from 1.", 1),
    },
}
ENTRY["required"] = list(ENTRY["properties"])
ENTRY["additionalProperties"] = False

#: The headers that every message has.
HEADERS: dict[str, Any] = {
    "title": "Headers",
    "description": "CloudEvents 1.0 in binary mode, and what this log adds to it. All values are text in UTF-8.",
    "type": "object",
    "properties": {
        "ce_specversion": _text("The version of CloudEvents.", const="1.0"),
        "ce_id": _text("The event's id: its stream and its version in it.", pattern=f"^{_UUID}@[1-9][0-9]*$"),
        "ce_source": _text("What wrote the event.", const="/ledger"),
        "ce_type": _text("The event's type; it says which schema the payload has."),
        "ce_subject": _text("The stream: the id of what the event is about.", pattern=f"^{_UUID}$"),
        "ce_time": _text("When it happened (not when it was recorded): UTC, six decimals.", pattern=_UTC),
        "content-type": _text("How the value is written.", const="application/json"),
        "ce_position": _text(
            "The place in the log, from 1, without a gap over all partitions; it rises within each partition.",
            pattern="^[1-9][0-9]*$",
        ),
        "ce_streamversion": _text("The event's version in its stream, from 1.", pattern="^[1-9][0-9]*$"),
        "ce_schemaversion": _text("The schema version of the payload.", pattern="^[1-9][0-9]*$"),
        "ce_partitions": _text(
            "With how many partitions the topic was made: what chooses a key's partition, whatever was added since.",
            pattern="^[1-9][0-9]*$",
        ),
        "ce_leaf": _text("The leaf hash, in hex: SHA-256 of a zero byte and the bytes of `ce_entry`.", pattern=_SHA256),
        "ce_entry": _text(
            "The canonical entry; `#/components/schemas/Entry` says what it holds.",
            contentMediaType="application/json",
        ),
    },
}
HEADERS["required"] = list(HEADERS["properties"])

#: The ``ce_type`` of the message that ends a topic, its headers, and its value.
MOVED = "log.moved"
MOVED_HEADERS: dict[str, Any] = {
    "title": "MovedHeaders",
    "description": "CloudEvents 1.0 in binary mode. The message is no event of the record: it has no key, no position "
    "and no entry.",
    "type": "object",
    "properties": {
        "ce_specversion": _text("The version of CloudEvents.", const="1.0"),
        "ce_id": _text("Made of the last position on the topic.", pattern="^moved@[0-9]+$"),
        "ce_source": _text("What wrote the message.", const="/ledger"),
        "ce_type": _text("What it is.", const=MOVED),
        "content-type": _text("How the value is written.", const="application/json"),
    },
}
MOVED_HEADERS["required"] = list(MOVED_HEADERS["properties"])
MOVED_VALUE: dict[str, Any] = {
    "title": "LogMoved",
    "description": "The last message of each partition of a topic that has ended: another topic has the whole log, "
    "from the first event on, and goes on with it.",
    "type": "object",
    "properties": {
        "topic": _text("The topic that the log goes on on.", pattern=r"^[A-Za-z0-9._-]{1,249}$"),
        "position": _number("The last position on the topic that has ended: all events up to it are on both.", 0),
    },
    "required": ["topic", "position"],
}

#: The message's key, which chooses the partition: what has one key is in order.
KEY: dict[str, Any] = _text(
    "The chart's (client's) id, the staff member's id, or `agency`: what has one key is in order."
)
