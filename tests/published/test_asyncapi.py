"""The AsyncAPI document is valid, is what the code gives, and describes the messages that the relay really sends."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from tests.store import make_corpus

from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import TOPIC_CONFIG
from ledger.kafka.wire import MOVED, moved_message, to_message
from ledger.published.asyncapi import TOPIC, asyncapi
from ledger.published.schemas import published_types, render
from ledger.store.envelope import StoredRow

ROOT = Path(__file__).resolve().parents[2]
#: AsyncAPI's own schema of version 3.0.0, unchanged, from the npm package @asyncapi/specs 6.11.1 (Apache-2.0).
SPECIFICATION = Path(__file__).parent / "asyncapi" / "3.0.0.json.gz"

DOCUMENT = asyncapi()


@pytest.fixture(scope="module")
def specification() -> Draft7Validator:
    return Draft7Validator(json.loads(gzip.decompress(SPECIFICATION.read_bytes())))


def fits(pointer: str, value: Any) -> list[str]:
    """What is wrong with a value by the schema at this place of the document."""
    validator = Draft7Validator({**DOCUMENT, "$ref": pointer})
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]


def headers_of(row: StoredRow) -> dict[str, str]:
    return {name: value.decode() for name, value in to_message(row, 6).headers}


def test_the_document_in_docs_is_what_the_code_gives() -> None:
    published = (ROOT / "docs" / "asyncapi.json").read_text(encoding="utf-8")
    assert published == render(DOCUMENT), "run: ledger asyncapi --out docs/asyncapi.json"


def test_the_document_is_valid_asyncapi(specification: Draft7Validator) -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert [f"{fault.json_path}: {fault.message}" for fault in specification.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("info"),
        lambda d: d["channels"]["events"].update(adress="x"),
        lambda d: d["operations"]["relayEvents"].update(action="publish"),
        lambda d: d["components"]["messageBindings"].update(kafka={"key": {}}),
        lambda d: d["components"]["schemas"].update(Entry={"type": "text"}),
    ],
)
def test_what_is_not_asyncapi_is_noticed(
    specification: Draft7Validator, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    document = json.loads(render(DOCUMENT))
    spoil(document)
    assert list(specification.iter_errors(document))


def test_every_reference_leads_somewhere() -> None:
    found = 0

    def follow(node: Any) -> None:
        nonlocal found
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            place: Any = DOCUMENT
            for part in node["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            found += 1
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            follow(each)

    follow(DOCUMENT)
    assert found > 3 * len(published_types())


def test_there_is_a_message_for_each_event_type_and_for_the_end_of_a_topic() -> None:
    names = {f"{name}.v{cls.SCHEMA}" for name, cls in published_types().items()}
    names.add(MOVED)
    assert set(DOCUMENT["components"]["messages"]) == names
    assert set(DOCUMENT["channels"]["events"]["messages"]) == names
    assert all(message["summary"] for message in DOCUMENT["components"]["messages"].values())


def test_the_channel_is_the_topic_as_it_is_made() -> None:
    channel = DOCUMENT["channels"]["events"]
    assert channel["address"] == channel["bindings"]["kafka"]["topic"] == TOPIC == KafkaSettings(brokers=()).topic
    for name, value in channel["bindings"]["kafka"]["topicConfiguration"].items():
        assert (value[0] if isinstance(value, list) else str(value)) == TOPIC_CONFIG[name]
    assert asyncapi("agency.two")["channels"]["events"]["address"] == "agency.two"


def test_what_the_relay_sends_is_what_the_document_says(month: Sequence[StoredRow]) -> None:
    headers = DOCUMENT["components"]["schemas"]["Headers"]["properties"]
    for row in month:
        message, sent = f"#/components/messages/{row.topic}.v{row.schema_version}", headers_of(row)
        assert list(sent) == list(headers)  # all of them, none besides, in this order
        assert fits(f"{message}/headers", sent) == []
        assert fits("#/components/schemas/Entry", json.loads(sent["ce_entry"])) == []
        assert fits(f"{message}/payload", json.loads(row.state)) == []


def test_every_released_payload_fits_the_document_too() -> None:
    for line in make_corpus.CORPUS.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        message = f"#/components/messages/{entry['type']}.v{entry['schema']}"
        assert fits(f"{message}/payload", json.loads(entry["payload"])) == []


def test_headers_of_another_event_do_not_fit(month: Sequence[StoredRow]) -> None:
    signed = next(row for row in month if row.topic == "note.signed")
    sent = headers_of(signed)
    assert fits("#/components/messages/note.signed.v1/headers", sent) == []
    assert fits("#/components/messages/note.drafted.v1/headers", sent)
    for name in sent:
        assert fits("#/components/messages/note.signed.v1/headers", {k: v for k, v in sent.items() if k != name})
    assert fits("#/components/messages/note.signed.v1/headers", sent | {"ce_position": "0"})
    assert fits("#/components/messages/access.granted.v1/payload", json.loads(signed.state))


def test_the_message_that_ends_a_topic_is_as_described() -> None:
    value, headers = moved_message("ledger.events.2", 7)
    assert f"#/components/messages/{MOVED}" in [
        each["$ref"] for each in DOCUMENT["channels"]["events"]["messages"].values()
    ]
    message = DOCUMENT["components"]["messages"][MOVED]
    assert fits(message["payload"]["$ref"], json.loads(value)) == []
    assert fits(message["headers"]["$ref"], {name: text.decode() for name, text in headers}) == []
    assert fits(message["payload"]["$ref"], {"topic": "no topic", "position": -1}) != []
    schema = DOCUMENT["components"]["schemas"]["MovedHeaders"]
    assert schema["required"] == [name for name, _ in headers]
