"""Writes the corpus of recorded events: each type and schema version, with all its fields and with the fewest.

Run once for a release, as ``python -m tests.store.make_corpus``. What the corpus holds already was released: it stays
as it is, byte for byte, and only event types or schema versions that it does not hold yet are added. A field that may
be absent can join a schema version: payloads without it come out as they were, and one that has it is added beside.
"""

from __future__ import annotations

import json
import re
import sys
import types
import typing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

import ledger.aggregates.everything  # noqa: F401 - registers every event type
from ledger.aggregates.vocabulary import Event, event_types
from ledger.store.codec import UnreadableEvent, decode_payload, encode_payload

CORPUS = Path(__file__).parent / "corpus" / "v1.jsonl"
#: What a full text holds: quotes, a line end, a letter and a sign beyond ASCII, and what another codec took for a type.
TEXT = 'said "no"\n{"_type_": "x"} – é 😀'
#: Field names whose texts have a form of their own; any other text is ``TEXT``.
FORMS = {"_id": "6b1f0f0e-3c55-4b0c-9a53-1b7f6f8a2d10", "sha256": "ab" * 32, "position": "1"}


def sample(annotation: Any, name: str, *, full: bool) -> Any:
    """A value of a type: with everything that may be there, or with as little as possible."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        patterns = [meta.pattern for meta in args[1:] if isinstance(meta, msgspec.Meta) and meta.pattern]
        found = sample(args[0], name, full=full)
        if not isinstance(found, str) or all(re.search(pattern, found) for pattern in patterns):
            return found
        return next(form for form in FORMS.values() if all(re.search(pattern, form) for pattern in patterns))
    if origin in (typing.Union, types.UnionType):
        if type(None) in args and not full:
            return None
        return sample(next(a for a in args if a not in (type(None), msgspec.UnsetType)), name, full=full)
    if origin is typing.Literal:
        return args[-1 if full else 0]
    if origin is tuple and (len(args) != 2 or args[1] is not Ellipsis):
        return tuple(sample(a, name, full=full) for a in args)
    if origin in (tuple, list, frozenset, set):
        return origin([sample(args[0], name, full=full)] if full else [])
    if origin is dict or (isinstance(origin, type) and issubclass(origin, typing.Mapping)):
        return {sample(args[0], name, full=full): sample(args[1], name, full=full)} if full else {}
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return struct(annotation, full=full)
    return _plain(annotation, name, full=full)


def _plain(annotation: Any, name: str, *, full: bool) -> Any:
    if annotation is str:
        return next((form for end, form in FORMS.items() if name.endswith(end)), TEXT if full else "x")
    if annotation is bool:
        return full
    if annotation is int:
        return 45 if full else 0
    if annotation is float:
        return 1.5 if full else 0.0
    if annotation is datetime:
        return datetime(2026, 1, 5, 17, 30, 15, 250000, tzinfo=UTC)
    if annotation is date:
        return date(2026, 2, 28)
    raise TypeError(f"{name}: no sample of {annotation!r}; say here how one looks")


def struct(cls: type[msgspec.Struct], *, full: bool) -> msgspec.Struct:
    """An instance of a struct; a minimal one leaves every field with a default to its default."""
    fields = msgspec.structs.fields(cls)
    wanted = [f for f in fields if full or f.required]
    return cls(**{f.name: sample(f.type, f.name, full=full) for f in wanted})


def entries(cls: type[Event]) -> list[dict[str, Any]]:
    """The corpus entries of one event type, as lines of the file."""
    found = []
    for kind, full in (("full", True), ("minimal", False)):
        instance = struct(cls, full=full)
        assert isinstance(instance, cls)
        payload = encode_payload(instance).decode("utf-8")
        found.append({"type": cls.TYPE, "schema": cls.SCHEMA, "kind": kind, "payload": payload})
    return found


def _grown(before: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any] | None:
    """The entry under a kind that names its new fields, when the one before it still comes out byte for byte."""
    try:
        same = encode_payload(decode_payload(before["type"], before["schema"], before["payload"].encode("utf-8")))
    except UnreadableEvent:
        return None
    then, now = json.loads(before["payload"]), json.loads(entry["payload"])
    if same.decode("utf-8") != before["payload"] or {name: now.get(name) for name in then} != then:
        return None
    return {**entry, "kind": f"{entry['kind']} with {', '.join(sorted(now.keys() - then.keys()))}"}


def main() -> None:
    """Add what is missing; refuse when something that was released would come out differently."""
    held = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()] if CORPUS.exists() else []
    released = {(entry["type"], entry["schema"], entry["kind"]): entry for entry in held}
    added = []
    for _, cls in sorted(event_types().items()):
        for entry in entries(cls):
            before = released.get((entry["type"], entry["schema"], entry["kind"]))
            if before is None:
                added.append(entry)
            elif before != entry and (grown := _grown(before, entry)) is not None:
                if (entry["type"], entry["schema"], grown["kind"]) not in released:
                    added.append(grown)
            elif before != entry:
                sys.exit(
                    f"{entry['type']} schema {entry['schema']} ({entry['kind']}) was released with another payload:\n"
                    f"  then {before['payload']}\n  now  {entry['payload']}\n"
                    "an event that was released never changes: raise its schema and write an upcaster"
                )
    CORPUS.parent.mkdir(exist_ok=True)
    with CORPUS.open("a", encoding="utf-8") as file:
        for entry in added:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    print(f"{len(held)} entries kept, {len(added)} added")  # noqa: T201 - a script that says what it did


if __name__ == "__main__":
    main()
