"""Recorded events of every schema version ever released are read by this release (design §1.7)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.store import make_corpus

import ledger.aggregates.everything  # noqa: F401 - registers every event type
from ledger.aggregates.vocabulary import event_types, find_event
from ledger.store.codec import decode_payload, encode_payload

ENTRIES: list[dict[str, Any]] = [
    json.loads(line)
    for path in sorted(make_corpus.CORPUS.parent.glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e['type']}-{e['schema']}-{e['kind']}")
def test_every_released_event_is_read(entry: dict[str, Any]) -> None:
    payload = entry["payload"].encode("utf-8")
    event = decode_payload(entry["type"], entry["schema"], payload)
    assert type(event) is find_event(entry["type"])
    if entry["schema"] == event.SCHEMA:
        assert encode_payload(event) == payload


@pytest.mark.parametrize("kind", ["full", "minimal"])
def test_every_event_type_is_in_the_corpus(kind: str) -> None:
    held = {(entry["type"], entry["schema"]) for entry in ENTRIES if entry["kind"] == kind}
    wanted = {(name, cls.SCHEMA) for name, cls in event_types().items()}
    assert wanted - held == set(), "run: python -m tests.store.make_corpus"


def test_nothing_stands_in_the_corpus_twice() -> None:
    keys = [(entry["type"], entry["schema"], entry["kind"]) for entry in ENTRIES]
    assert len(keys) == len(set(keys))


def test_the_script_never_rewrites_what_was_released(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path_factory.mktemp("corpus") / "v1.jsonl"
    monkeypatch.setattr(make_corpus, "CORPUS", corpus)
    make_corpus.main()
    first = corpus.read_bytes()
    make_corpus.main()
    assert corpus.read_bytes() == first
    changed = first.replace(b"credential", b"licence", 1)
    assert changed != first
    corpus.write_bytes(changed)
    with pytest.raises(SystemExit, match="raise its schema and write an upcaster"):
        make_corpus.main()
    assert corpus.read_bytes() == changed
    assert "added" in capsys.readouterr().out
