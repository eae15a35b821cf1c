"""The JSON Schema (draft 2020-12) of each event's payload, made from the one definition of the event.

A schema describes every payload of its version that was ever stored: a field with a default may be missing in an old
one, and reading it gives the default. New payloads hold all fields but those that have no default: what these would
say is not there to be said. Objects stay open: a consumer ignores
fields it does not know, because a later release may add one (``compatibility.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

import ledger.aggregates.everything  # noqa: F401 - registers every event type
from ledger.aggregates.vocabulary import Event, event_types

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def schema_id(event_type: type[Event]) -> str:
    """The ``$id`` of an event's schema: its type name and schema version, as a URN."""
    return f"urn:ledger:event:{event_type.TYPE}:{event_type.SCHEMA}"


def file_name(event_type: type[Event]) -> str:
    """The file an event's schema is published in, in a folder for its version: ``v1/note.signed.json``."""
    return f"v{event_type.SCHEMA}/{event_type.TYPE}.json"


def published_types() -> dict[str, type[Event]]:
    """Every event type, sorted by its name."""
    return dict(sorted(event_types().items()))


def event_schema(event_type: type[Event]) -> Schema:
    """The JSON Schema of one event's payload, complete in itself: what it refers to stands in ``$defs``."""
    (root,), components = components_of([event_type], "#/$defs/{name}")
    name = root["$ref"].removeprefix("#/$defs/")
    payload = components.pop(name)
    found: Schema = {
        "$schema": DIALECT,
        "$id": schema_id(event_type),
        "title": event_type.TYPE,
        "description": payload["description"],
        "x-schema-version": event_type.SCHEMA,
        "type": "object",
        "properties": payload["properties"],
        "required": payload["required"],
    }
    if components:
        found["$defs"] = components
    return found


def event_schemas() -> dict[str, Schema]:
    """The JSON Schema of every event's payload, by type name."""
    return {name: event_schema(cls) for name, cls in published_types().items()}


def components_of(types: Iterable[type[Event]], ref_template: str) -> tuple[list[Schema], dict[str, Schema]]:
    """References to the types' schemas, and the schemas by name, each one once and sorted.

    What the definitions say in Python's terms is said in JSON Schema's: times have their format (RFC 3339 with an
    offset), and patterns end as ECMA-262 ends them.
    """
    types = list(types)
    roots, components = msgspec.json.schema_components(types, ref_template=ref_template)
    marked: set[str] = set()
    for info, root in zip(inspect.multi_type_info(types), roots, strict=True):
        _mark_times(info, root, components, marked)
    return list(roots), {name: _without_python(components[name]) for name in sorted(components)}


def render(document: Mapping[str, Any]) -> str:
    """A schema or document as it is published: the same bytes whenever the definitions are the same."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _mark_times(info: inspect.Type, schema: Schema, components: Mapping[str, Schema], marked: set[str]) -> None:
    """Give the format ``date-time`` to every time below: msgspec leaves it out where a time could lack its offset.

    Commands refuse a time without an offset, so no event has one.
    """
    if isinstance(info, inspect.Metadata):
        _mark_times(info.type, schema, components, marked)
    elif isinstance(info, inspect.DateTimeType):
        schema["format"] = "date-time"
    elif isinstance(info, inspect.UnionType):
        for each in info.types:
            for option in schema["anyOf"]:
                if _may_be(each, option):
                    _mark_times(each, option, components, marked)
    elif isinstance(info, inspect.StructType):
        name = schema["$ref"].rpartition("/")[2]
        if name not in marked:
            marked.add(name)
            for number, field in enumerate(info.fields):
                if info.array_like:
                    place = components[name]["prefixItems"][number]
                    place["title"] = field.encode_name  # JSON has only its place; a reader needs its name
                else:
                    place = components[name]["properties"][field.encode_name]
                _mark_times(field.type, place, components, marked)
    elif isinstance(info, inspect.TupleType):
        for each, part in zip(info.item_types, schema.get("prefixItems", ()), strict=True):
            _mark_times(each, part, components, marked)
    elif isinstance(info, inspect.CollectionType):
        _mark_times(info.item_type, schema.get("items", {}), components, marked)
    elif isinstance(info, inspect.DictType):
        _mark_times(info.value_type, schema.get("additionalProperties", {}), components, marked)


def _may_be(info: inspect.Type, option: Schema) -> bool:
    """Whether one option of an ``anyOf`` is the schema of this member of the union."""
    if isinstance(info, inspect.Metadata):
        return _may_be(info.type, option)
    if isinstance(info, inspect.StructType):
        return "$ref" in option
    if isinstance(info, inspect.CollectionType | inspect.TupleType):
        return option.get("type") == "array"
    if isinstance(info, inspect.DictType):
        return option.get("type") == "object"
    return isinstance(info, inspect.DateTimeType) and option.get("type") == "string"


def _without_python(node: Any) -> Any:
    """Patterns as ECMA-262 writes them, which JSON Schema asks for (``\\Z`` is Python's), and lists for tuples."""
    if isinstance(node, dict):
        return {
            name: value.replace(r"\Z", "$") if name == "pattern" and isinstance(value, str) else _without_python(value)
            for name, value in node.items()
        }
    return [_without_python(each) for each in node] if isinstance(node, list | tuple) else node
