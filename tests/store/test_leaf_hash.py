"""The leaf hash: over which bytes, for any text, and as the document for other verifiers says."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from tests.store.agency import said, stored

from ledger.store.envelope import StoredRow, entry_bytes, leaf_hash, leaf_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "leaf-hash.md"
#: Whatever a text can hold, with what JSON writers disagree about made likely.
TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('"\\/\b\f\n\r\t\x00\x1f\x7f\u2028é€😀'))
)
NUMBERS = st.integers(min_value=0, max_value=2**53 - 1)

ROWS = st.builds(
    StoredRow,
    originator_id=TEXTS,
    originator_version=NUMBERS,
    topic=TEXTS,
    state=st.binary(max_size=100),
    schema_version=NUMBERS,
    key=TEXTS,
    chart_id=st.none() | TEXTS,
    occurred_at=TEXTS,
    occurred_offset=st.integers(-1440, 1440),
    actor=TEXTS,
    role=TEXTS,
    credential=st.none() | TEXTS,
    purpose=TEXTS,
    command_id=TEXTS,
    command_index=NUMBERS,
    command_digest=TEXTS,
    correlation_id=TEXTS,
    causation_id=st.none() | TEXTS,
)


def entry_of(row: StoredRow, position: int, recorded_at: str) -> dict[str, Any]:
    """The entry written out again, independently of the code that makes its bytes."""
    return {
        "type": row.topic,
        "schema": row.schema_version,
        "stream": str(row.originator_id),
        "version": row.originator_version,
        "position": position,
        "key": row.key,
        "chart": row.chart_id,
        "occurred_at": row.occurred_at,
        "occurred_offset": row.occurred_offset,
        "recorded_at": recorded_at,
        "actor": row.actor,
        "role": row.role,
        "credential": row.credential,
        "purpose": row.purpose,
        "command": row.command_id,
        "command_index": row.command_index,
        "command_digest": row.command_digest,
        "correlation": row.correlation_id,
        "causation": row.causation_id,
        "payload_sha256": hashlib.sha256(row.state).hexdigest(),
    }


@given(row=ROWS, position=NUMBERS, recorded_at=TEXTS)
def test_the_entry_is_rfc_8785(row: StoredRow, position: int, recorded_at: str) -> None:
    entry = entry_bytes(row, position, recorded_at)
    assert entry == rfc8785.dumps(entry_of(row, position, recorded_at))
    assert leaf_of(row, position, recorded_at) == leaf_hash(entry) == hashlib.sha256(b"\x00" + entry).digest()


RECORDED_AT = "2026-01-05T17:00:00.000000Z"
ENVELOPE = [n for n in StoredRow.__dataclass_fields__ if n not in ("position", "recorded_at", "leaf")]


@pytest.mark.parametrize("name", ENVELOPE)
def test_every_field_of_the_envelope_is_in_the_leaf(name: str) -> None:
    row = stored(said("a", "one"), stream="a", version=1, chart="a")
    value = getattr(row, name)
    other: Any = value + b" " if isinstance(value, bytes) else value + 1 if isinstance(value, int) else f"{value}x"
    assert leaf_of(replace(row, **{name: other}), 1, RECORDED_AT) != leaf_of(row, 1, RECORDED_AT)


def test_place_and_time_are_in_the_leaf() -> None:
    row = stored(said("a", "one"), stream="a", version=1, chart="a")
    assert leaf_of(row, 2, RECORDED_AT) != leaf_of(row, 1, RECORDED_AT)
    assert leaf_of(row, 1, "2026-01-05T17:00:00.000001Z") != leaf_of(row, 1, RECORDED_AT)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def test_the_document_s_example_holds_with_nothing_but_json_and_hashlib() -> None:
    """Exactly what the document tells the author of another verifier to do."""
    shown = json.loads(blocks("json")[0])
    payload, leaf = shown.pop("payload").encode("utf-8"), shown.pop("leaf")
    names = {"stream_id": "stream", "schema_version": "schema", "chart_id": "chart"}
    names |= {"command_id": "command", "correlation_id": "correlation", "causation_id": "causation"}
    entry = {names.get(name, name): value for name, value in shown.items()}
    entry["payload_sha256"] = hashlib.sha256(payload).hexdigest()
    canonical = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    assert canonical.decode("utf-8") == blocks("text")[0]
    assert hashlib.sha256(b"\x00" + canonical).hexdigest() == leaf


def test_the_document_s_example_is_what_the_store_makes() -> None:
    shown = json.loads(blocks("json")[0])
    fields = {"stream_id": "originator_id", "version": "originator_version", "type": "topic", "payload": "state"}
    values = {fields.get(name, name): value for name, value in shown.items()}
    values["state"] = values["state"].encode("utf-8")
    leaf = bytes.fromhex(values.pop("leaf"))
    row = StoredRow(**values)
    assert leaf_of(row, row.position, row.recorded_at) == leaf


def test_the_document_s_program_gives_its_leaf() -> None:
    scope: dict[str, Any] = {}
    exec(compile(blocks("python")[0], str(DOCUMENT), "exec"), scope)  # noqa: S102 - our own document, as a reader runs it
    shown = json.loads(blocks("json")[0])
    expected = shown.pop("leaf")
    shown["payload"] = shown["payload"].encode("utf-8")
    assert scope["leaf"](shown).hex() == expected
