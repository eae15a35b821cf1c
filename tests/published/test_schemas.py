"""The published schemas describe what is stored: every recorded payload fits, and what is wrong does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from tests.store import make_corpus

from ledger.published.schemas import event_schema, event_schemas, file_name, published_types, render
from ledger.store.envelope import StoredRow

SCHEMAS = event_schemas()
CORPUS: list[dict[str, Any]] = [
    json.loads(line) for line in make_corpus.CORPUS.read_text(encoding="utf-8").splitlines()
]

formats = FormatChecker(formats=())


def is_instant(value: object) -> bool:
    """An instant as RFC 3339 has it: with its offset."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def is_day(value: object) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


formats.checks("date-time", raises=ValueError)(is_instant)
formats.checks("date", raises=ValueError)(is_day)


def faults(type_name: str, payload: Any) -> list[str]:
    validator = Draft202012Validator(SCHEMAS[type_name], format_checker=formats)
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(payload)]


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(each)


def payload_of(type_name: str) -> dict[str, Any]:
    """The payload of the corpus that has every field."""
    entry = next(entry for entry in CORPUS if entry["type"] == type_name and entry["kind"] == "full")
    payload: dict[str, Any] = json.loads(entry["payload"])
    return payload


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_sound_schema_with_its_words(name: str) -> None:
    schema, cls = SCHEMAS[name], published_types()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:ledger:event:{name}:{cls.SCHEMA}"
    assert schema["x-schema-version"] == cls.SCHEMA
    assert set(schema["properties"]) == set(cls.__struct_encode_fields__)
    for each in (schema, *schema.get("$defs", {}).values()):
        assert each["description"], f"{each['title']} has no docstring"


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: f"{entry['type']}-{entry['schema']}-{entry['kind']}")
def test_every_released_payload_fits_its_schema(entry: dict[str, Any]) -> None:
    if entry["schema"] == published_types()[entry["type"]].SCHEMA:
        assert faults(entry["type"], json.loads(entry["payload"])) == []


def test_every_event_of_a_month_fits_its_schema(month: Sequence[StoredRow]) -> None:
    assert len({row.topic for row in month}) > 30
    assert [(row.topic, found) for row in month if (found := faults(row.topic, json.loads(row.state)))] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_payload_without_a_required_field_does_not_fit(name: str) -> None:
    required = SCHEMAS[name]["required"]
    assert required
    for field in required:
        payload = payload_of(name)
        del payload[field]
        assert faults(name, payload) == [f"$: {field!r} is a required property"]


@pytest.mark.parametrize(
    ("name", "field", "wrong"),
    [
        ("contact.recorded", "direct_minutes", "55"),
        ("contact.recorded", "started_at", "2026-01-02T14:00:00"),
        ("contact.recorded", "group", {"group_id": "not an id", "size": 3}),
        ("contact.recorded", "group", {"group_id": "6b1f0f0e-3c55-4b0c-9a53-1b7f6f8a2d10", "size": 1}),
        ("contact.corrected", "ended_at", "yesterday"),
        ("client.registered", "birth_date", "2026-02-30"),
        ("note.drafted", "content", {"sections": {"plan": ""}}),
        ("note.signed", "cited_plans", [{"plan_id": "x"}]),
        ("access.granted", "charts", [["6b1f0f0e-3c55-4b0c-9a53-1b7f6f8a2d10", -1, "coordinator"]]),
    ],
)
def test_a_wrong_value_does_not_fit(name: str, field: str, wrong: Any) -> None:
    assert faults(name, payload_of(name)) == []
    assert faults(name, payload_of(name) | {field: wrong})


def test_a_field_that_a_later_release_adds_does_not_disturb() -> None:
    assert faults("note.signed", payload_of("note.signed") | {"from_the_future": [1]}) == []


def test_patterns_are_those_of_json_schema() -> None:
    patterns = [node["pattern"] for node in nodes(SCHEMAS) if isinstance(node.get("pattern"), str)]
    assert patterns
    assert not [pattern for pattern in patterns if "\\Z" in pattern or "\\A" in pattern or "(?P" in pattern]


def test_what_has_only_a_place_is_named() -> None:
    parts = SCHEMAS["access.granted"]["$defs"]["ChartShown"]["prefixItems"]
    assert [part["title"] for part in parts] == ["chart_id", "position", "relationship"]


def test_the_same_definitions_give_the_same_bytes() -> None:
    script = (
        "import sys\nfrom ledger.published.asyncapi import asyncapi\nfrom ledger.published.schemas import *\n"
        "sys.stdout.buffer.write((render(event_schemas()) + render(asyncapi())).encode())"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


def test_every_schema_has_a_file_of_its_own() -> None:
    assert file_name(published_types()["note.signed"]) == "v1/note.signed.json"
    assert len({file_name(cls) for cls in published_types().values()}) == len(SCHEMAS)
    assert json.loads(render(SCHEMAS["note.signed"])) == event_schema(published_types()["note.signed"])
