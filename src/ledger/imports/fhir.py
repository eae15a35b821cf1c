"""A FHIR R4 transaction bundle as commands: every resource is checked, and either taken, or counted and named.

Pure: nothing is read or written here. Sources: the resources' own definitions, https://hl7.org/fhir/R4.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from marshmallow import ValidationError

from ledger.imports.fhir_bundle import Draft, Earlier, Entry
from ledger.imports.fhir_people import take_patients, take_practitioners
from ledger.imports.fhir_plans import take_plans
from ledger.imports.fhir_services import take_conditions, take_encounters
from ledger.imports.fhir_shapes import SHAPES, faults_of

_URN_UUID = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{1,63}")
_FIRST = datetime.min.replace(tzinfo=UTC)
#: Request methods of a transaction that bring a resource; others (DELETE, GET, PATCH) are counted and not taken.
_BRINGS = frozenset({"POST", "PUT", None})
_LONGEST_SOURCE = 190


class Item(msgspec.Struct, rename="camel"):
    """One entry of a bundle; its resource stays unread until its type is known to be one that we take."""

    full_url: Any = ""
    request: Any = None
    resource: msgspec.Raw = msgspec.Raw(b"null")


class Bundle(msgspec.Struct, rename="camel"):
    """A FHIR bundle as it is read from a file."""

    resource_type: Any = None
    type: Any = None
    identifier: Any = None
    meta: Any = None
    entry: list[Item] = []


class _Peek(msgspec.Struct, rename="camel"):
    resource_type: Any = None


_peek = msgspec.json.Decoder(_Peek).decode


def translate(
    bundle: Bundle, *, program: str, zone: ZoneInfo, today: date, earlier: Callable[[str], Earlier | None]
) -> Draft:
    """The commands of a bundle, in the order in which they can be carried out, with what was left and noted.

    ``program`` is where episodes open; a day without a time begins at midnight in ``zone``; ``earlier`` tells what an
    earlier import recorded of a client. Raises ``Refused`` with every fault, each at its place in the file.
    """
    draft = Draft(program=program, zone=zone, today=today, earlier=earlier)
    _read_entries(draft, bundle)
    draft.faults.refuse_if_any()
    draft.source = _source(bundle, draft)
    take_practitioners(draft)
    take_encounters(draft)
    take_conditions(draft)
    take_plans(draft)
    take_patients(draft)
    draft.faults.refuse_if_any()
    draft.steps.sort(key=lambda step: (step.stage, step.occurred_at or _FIRST))
    return draft


def _read_entries(draft: Draft, bundle: Bundle) -> None:
    if bundle.resource_type != "Bundle":
        draft.faults.add("resourceType", "this is not a FHIR Bundle", "send an R4 bundle of type transaction")
    elif bundle.type != "transaction":
        draft.faults.add("type", f"{_short(bundle.type)} is not taken", "send a bundle of type transaction")
    else:
        for index, item in enumerate(bundle.entry):
            _read_entry(draft, index, item)


def _read_entry(draft: Draft, index: int, item: Item) -> None:
    place = f"entry[{index}]"
    url, raw = item.full_url, bytes(item.resource)
    if not isinstance(url, str) or (url.startswith("urn:uuid:") and not _URN_UUID.fullmatch(url)):
        draft.faults.add(f"{place}.fullUrl", f"{_short(url)} is not a URL or urn:uuid", "write urn:uuid: and a UUID")
        return
    if raw == b"null":
        draft.left["entry", "without a resource"] += 1
        return
    try:
        kind = _peek(raw).resource_type
        resource = msgspec.json.decode(raw) if isinstance(kind, str) and kind in SHAPES else None
    except msgspec.DecodeError as fault:
        draft.faults.add(f"{place}.resource", f"cannot be read: {fault}")
        return
    method = item.request.get("method") if isinstance(item.request, dict) else None
    if not isinstance(kind, str) or not _TYPE_NAME.fullmatch(kind):
        draft.faults.add(f"{place}.resource.resourceType", f"{_short(kind)} is not a resource type")
    elif resource is None:
        draft.left[kind, ""] += 1
    elif not isinstance(method, str | None) or method not in _BRINGS:
        draft.left[kind, f"its request is {_short(method)}"] += 1
    else:
        _shape(draft, index, kind, resource, url)


def _shape(draft: Draft, index: int, kind: str, resource: dict[str, Any], url: str) -> None:
    place = f"entry[{index}].resource"
    try:
        entry = Entry(index, kind, SHAPES[kind].deserialize(resource), url)
    except ValidationError as fault:
        for where, message in faults_of(fault.messages, place):
            draft.faults.add(where, message)
        return
    if not entry.own_id:
        draft.faults.add(f"{place}.id", "neither the resource nor its entry has an id", "give it an id or a fullUrl")
        return
    for name in filter(None, (url, f"{kind}/{entry.resource.id}" if entry.resource.id else "")):
        if name in draft.urls:
            draft.faults.add(place, f"{name} comes twice, first at {draft.urls[name].place}", "send it once")
            return
        draft.urls[name] = entry
    draft.entries.append(entry)


def _source(bundle: Bundle, draft: Draft) -> str:
    """Who sent this: the bundle's own identifier, where its metadata says it is from, or its first patient's."""
    identifier, meta = bundle.identifier, bundle.meta
    named = [
        identifier.get("system") if isinstance(identifier, dict) else None,
        meta.get("source") if isinstance(meta, dict) else None,
        *(i.system for entry in draft.of("Patient") for i in entry.resource.identifier),
    ]
    found = next((name for name in named if isinstance(name, str) and name), "not stated").partition("#")[0]
    if len(found) > _LONGEST_SOURCE or not found.isprintable():
        draft.faults.add("identifier.system", f"{_short(found)} is not the name of a source", "name it by its URL")
    return f"fhir:{found}"


def _short(value: Any) -> str:
    """A value as an error message shows it: never more than a line, whatever was sent."""
    text = ascii(value) if isinstance(value, str) else str(type(value).__name__)
    return text if len(text) <= 80 else f"{text[:77]}…"
