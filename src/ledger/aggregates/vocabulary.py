"""The vocabulary: how an event and a command are defined, once.

An event is one frozen, typed struct with a type name and a schema version. From that one definition come the codec,
the JSON Schema, the documentation table and the recorded corpus that later versions must still read.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

_NO_CONTROL = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*\Z"

Id = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z",
        description="an id: a UUID in lower case",
    ),
]
Moment = Annotated[datetime, msgspec.Meta(tz=True, description="an instant with its UTC offset")]
Minutes = Annotated[int, msgspec.Meta(ge=0, le=1440, description="whole minutes")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=_NO_CONTROL, description="a short text")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000, pattern=_NO_CONTROL, description="a text")]
Date = Annotated[date, msgspec.Meta(description="a calendar date")]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Something that happened. Never changed, never removed; a correction is another event."""

    TYPE: ClassVar[str] = ""
    SCHEMA: ClassVar[int] = 1


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody asks for. It becomes events, or it is refused with all its reasons."""

    NAME: ClassVar[str] = ""
    #: The field that says when it happened, where the command has one; otherwise it happens when it is given.
    OCCURS_AT: ClassVar[str] = ""
    #: Given by this service itself as it works; no surface offers it to people.
    INTERNAL: ClassVar[bool] = False


E = TypeVar("E", bound=type[Event])
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

_events: dict[str, type[Event]] = {}
_upcasters: dict[tuple[str, int], Upcaster] = {}


def event(type_name: str, schema: int = 1) -> Callable[[E], E]:
    """Give an event its type name (``kind.verb``, for ever) and the schema version of its payload."""

    def name(cls: E) -> E:
        if type_name in _events:
            raise TypeError(f"two events are called {type_name}")
        cls.TYPE = type_name
        cls.SCHEMA = schema
        _events[type_name] = cls
        return cls

    return name


def upcaster(type_name: str, from_schema: int) -> Callable[[Upcaster], Upcaster]:
    """Register how a payload of ``from_schema`` becomes one of the next schema version."""

    def register(function: Upcaster) -> Upcaster:
        if (type_name, from_schema) in _upcasters:
            raise TypeError(f"two upcasters for {type_name} schema {from_schema}")
        _upcasters[type_name, from_schema] = function
        return function

    return register


def event_types() -> dict[str, type[Event]]:
    """Every event there is, by type name."""
    return dict(_events)


def find_event(type_name: str) -> type[Event] | None:
    return _events.get(type_name)


def upcast(type_name: str, schema: int, payload: dict[str, Any]) -> dict[str, Any]:
    """Bring a payload of an older schema version up to today's, step by step."""
    target = _events[type_name].SCHEMA
    while schema < target:
        payload = _upcasters[type_name, schema](payload)
        schema += 1
    return payload


def check_upcasters() -> None:
    """Fail at start when a step of some event's upcaster chain is missing or leads nowhere."""
    for name, cls in _events.items():
        for version in range(1, cls.SCHEMA):
            if (name, version) not in _upcasters:
                raise TypeError(f"{name} is at schema {cls.SCHEMA} but nothing upcasts schema {version}")
    for name, version in _upcasters:
        known = _events.get(name)
        if known is None or version >= known.SCHEMA:
            raise TypeError(f"an upcaster for {name} schema {version} leads nowhere")
