"""The topic as an AsyncAPI 3 document: its channel, its key and headers, one message for each event type, and the
message that ends a topic.

The schemas stand in the document in AsyncAPI's own dialect (a superset of JSON Schema draft 7), so that its tools read
them; ``schemas.py`` has the same as draft 2020-12.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from ledger.aggregates.vocabulary import Event
from ledger.published.headers import ENTRY, HEADERS, KEY, MOVED, MOVED_HEADERS, MOVED_VALUE
from ledger.published.schemas import components_of, published_types, schema_id

TOPIC = "ledger.events"
_CHANNEL = "events"
_BINDING = "0.5.0"
_KEYED = "keyed"
_REFERENCE = "#/components/schemas/{name}"

_DESCRIPTION = """\
Every event of the record of community behavioural health care, once, in order for each key, and kept for ever.

Read with `isolation.level=read_committed`. Keep your place in the transaction that changes your rows, so that an event
which is delivered again changes nothing: `examples/consumer.py` does it in forty lines. Ignore fields and event types
that you do not know: a later release may add some. A field is never removed or given another meaning within a schema
version (`ce_schemaversion`). A topic may end: each of its partitions then ends with a message `log.moved`, which names
the topic that has the whole log; begin that one at its beginning, and pass over what you have by its position. Events
hold health information: reading the topic is for those who may."""


_MOVED_SCHEMAS = {schema["title"]: schema for schema in (MOVED_HEADERS, MOVED_VALUE)}
_MOVED_MESSAGE = {
    "name": MOVED,
    "title": "LogMoved",
    "summary": "The topic has ended; the log goes on on another one. It stands once at the end of each partition.",
    "contentType": "application/json",
    "headers": {"$ref": _REFERENCE.format(name="MovedHeaders")},
    "payload": {"$ref": _REFERENCE.format(name="LogMoved")},
}


def asyncapi(topic: str = TOPIC) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the topic; the same for the same definitions and release."""
    types = published_types()
    payloads, components = components_of(types.values(), _REFERENCE)
    messages = {
        _message_name(cls): _message(cls, payload) for cls, payload in zip(types.values(), payloads, strict=True)
    }
    messages[MOVED] = _MOVED_MESSAGE
    schemas = {name: _as_draft_7(schema) for name, schema in components.items()}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:ledger:events",
        "info": {
            "title": "The ledger's events",
            "version": version("ledger"),
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "agency": {
                "host": "{brokers}",
                "protocol": "kafka",
                "description": "The agency's Kafka brokers.",
                "variables": {
                    "brokers": {
                        "description": "As in LEDGER_KAFKA: `host:port`, several with commas.",
                        "default": "localhost:9092",
                    }
                },
            }
        },
        "channels": {
            _CHANNEL: {
                "address": topic,
                "title": "The log",
                "description": "All events. Never compacted, never deleted; the number of partitions never changes in "
                "place.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {
                    "kafka": {
                        "topic": topic,
                        "topicConfiguration": {
                            "cleanup.policy": ["delete"],
                            "retention.ms": -1,
                            "retention.bytes": -1,
                        },
                        "bindingVersion": _BINDING,
                    }
                },
            }
        },
        "operations": {
            "relayEvents": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{_CHANNEL}"},
                "summary": "The relay sends every event once, in the order of positions, in transactions.",
            }
        },
        "components": {
            "messages": messages,
            "schemas": {**schemas, "Entry": ENTRY, "Headers": HEADERS, **_MOVED_SCHEMAS},
            "messageBindings": {_KEYED: {"kafka": {"key": KEY, "bindingVersion": _BINDING}}},
        },
    }


def _message_name(event_type: type[Event]) -> str:
    return f"{event_type.TYPE}.v{event_type.SCHEMA}"


def _message(event_type: type[Event], payload: dict[str, Any]) -> dict[str, Any]:
    """One event type as a message; its headers narrow what all messages have to its own type and version."""
    own = {"ce_type": {"const": event_type.TYPE}, "ce_schemaversion": {"const": str(event_type.SCHEMA)}}
    return {
        "name": event_type.TYPE,
        "title": event_type.__name__,
        "summary": " ".join((event_type.__doc__ or "").split()),
        "contentType": "application/json",
        "headers": {"type": "object", "allOf": [{"$ref": _REFERENCE.format(name="Headers")}, {"properties": own}]},
        "payload": payload,
        "bindings": {"$ref": f"#/components/messageBindings/{_KEYED}"},
        "x-schema-id": schema_id(event_type),
    }


def _as_draft_7(node: Any) -> Any:
    """The same schema in draft 7's words: a tuple's parts are ``items``, the rest ``additionalItems``; and a reference
    stands alone, since draft 7 ignores what is beside it."""
    if isinstance(node, list):
        return [_as_draft_7(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: _as_draft_7(value) for name, value in node.items()}
    if "prefixItems" in found:
        rest = found.pop("items", True)
        found["items"] = found.pop("prefixItems")
        found["additionalItems"] = rest
    if "$ref" in found and len(found) > 1:
        found = {"allOf": [{"$ref": found.pop("$ref")}], **found}
    return found
