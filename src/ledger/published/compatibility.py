"""What a schema promises to payloads and consumers of the same schema version, and the check that it is kept.

The promise has two directions.

*Backward*: every payload that the recorded schema allows reads today, and means the same. So no field becomes
required, no field's values are narrowed, and no default changes: a payload without the field would mean something else.

*Forward*: every consumer written for the recorded schema reads today's payloads. So no field is removed, none that was
always there may be missing, and no field's values are widened.

Within one schema version only two things may therefore change: a field with a default may be added (old payloads read
as the default, old consumers ignore it), and words (titles, descriptions) may be better. Everything else is a new
schema version with an upcaster. Where it cannot be decided whether a change narrows or widens, it counts as both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Direction = Literal["backward", "forward"]

_WORDS = {"$schema", "$id", "$defs", "title", "description", "examples", "x-schema-version"}
_AT_LEAST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_AT_MOST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_PARTS = {"items", "additionalProperties", "propertyNames"}
_OWN_RULE = {"type", "anyOf", "enum", "properties", "required", "default", "prefixItems"}


class Break(msgspec.Struct, frozen=True):
    """One way in which a schema breaks its promise: to old payloads (backward) or to old consumers (forward)."""

    direction: Direction
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({self.direction})"


def breaks(recorded: Mapping[str, Any], today: Mapping[str, Any]) -> list[Break]:
    """Every way in which today's schema breaks the promise of the recorded one of the same version; empty when kept."""
    comparison = _Comparison(recorded, today)
    comparison.compare(recorded, today, "")
    return comparison.found


class _Comparison:
    def __init__(self, recorded: Mapping[str, Any], today: Mapping[str, Any]) -> None:
        self._roots = recorded, today
        self._seen: set[tuple[str, str]] = set()
        self.found: list[Break] = []

    def compare(self, old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> None:
        """Compare two schemas of the same place."""
        if "$ref" in old and "$ref" in new:
            pair = (old["$ref"], new["$ref"])
            if pair in self._seen:
                return  # told already, or we are inside it: a type that holds itself
            self._seen.add(pair)
        old, new = _follow(old, self._roots[0]), _follow(new, self._roots[1])
        if "anyOf" in old or "anyOf" in new:
            self._options(old, new, where)
            return
        if _kind(old) != _kind(new):
            self._tell("backward", where, f"was {_kind(old)}, is {_kind(new)}")
            self._tell("forward", where, f"was {_kind(old)}, is {_kind(new)}")
            return
        self._choices(old.get("enum", []), new.get("enum", []), where)
        self._fields(old, new, where)
        self._tuple(old.get("prefixItems", []), new.get("prefixItems", []), where)
        for name in sorted((old.keys() | new.keys()) - _WORDS - _OWN_RULE):
            self._keyword(name, old.get(name), new.get(name), where)

    def _options(self, old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> None:
        before, after = (
            {_kind(_follow(option, root)): option for option in schema.get("anyOf", [schema])}
            for schema, root in zip((old, new), self._roots, strict=True)
        )
        for kind in before.keys() - after.keys():
            self._tell("backward", where, f"may no longer be {kind}")
        for kind in after.keys() - before.keys():
            self._tell("forward", where, f"may now be {kind}")
        for kind in before.keys() & after.keys():
            self.compare(before[kind], after[kind], where)

    def _choices(self, old: list[Any], new: list[Any], where: str) -> None:
        for value in old:
            if value not in new:
                self._tell("backward", where, f"{value!r} is no longer a choice")
        for value in new:
            if value not in old:
                self._tell("forward", where, f"{value!r} is a new choice")

    def _fields(self, old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in before.keys() - after.keys():
            self._tell("forward", _below(where, name), "was removed")
        for name in sorted(needed_after - needed_before):
            known = "was optional" if name in before else "is new"
            self._tell("backward", _below(where, name), f"{known}, is required")
        for name in sorted((needed_before - needed_after) & after.keys()):
            self._tell("forward", _below(where, name), "was required, may be missing")
        for name in before.keys() & after.keys():
            there = _below(where, name)
            if name not in needed_before | needed_after and not _same(
                before[name].get("default"), after[name].get("default")
            ):
                self._tell("backward", there, "has another default: payloads without it would mean something else")
            self.compare(before[name], after[name], there)

    def _tuple(self, old: list[Any], new: list[Any], where: str) -> None:
        if len(old) != len(new):
            self._tell("backward", where, f"had {len(old)} parts, has {len(new)}")
            self._tell("forward", where, f"had {len(old)} parts, has {len(new)}")
            return
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            self.compare(before, after, f"{where}[{number}]")

    def _keyword(self, name: str, old: Any, new: Any, where: str) -> None:
        if name in _PARTS and isinstance(old, Mapping) and isinstance(new, Mapping):
            self.compare(old, new, f"{where}[]" if name == "items" else f"{where}{{{name}}}")
            return
        if _same(old, new):
            return
        narrower = wider = True
        if old is None or new is None:
            narrower, wider = old is None, new is None
        elif name in _AT_LEAST:
            narrower, wider = new > old, new < old
        elif name in _AT_MOST:
            narrower, wider = new < old, new > old
        what = f"{name} was {_shown(old)}, is {_shown(new)}"
        if narrower:
            self._tell("backward", where, what)
        if wider:
            self._tell("forward", where, what)

    def _tell(self, direction: Direction, where: str, what: str) -> None:
        self.found.append(Break(direction, where or "the payload", what))


def _follow(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema a reference stands for, with what is said beside the reference."""
    while "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "a choice"
    kind = schema.get("type", "anything")
    return kind if isinstance(kind, str) else json.dumps(kind)


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)  # unlike ==, tells 1 from true


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value)


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
