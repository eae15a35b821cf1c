"""Every change to a bundle is found, and the member that it is in is named: each member, each kind of change."""

from __future__ import annotations

import hashlib
import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.evidence.conftest import Case, Checked, members, zipped
from tests.proof.test_merkle import LEAVES, Naive

from ledger.evidence.verify_evidence import Bad, Bundle, check_consistency, check_inclusion
from ledger.proof.merkle import prove_consistency, prove_inclusion

Check = Callable[..., Checked]
#: Members whose content nobody has signed: they are the exporter's words, held only by the manifest's digest.
WORDS = ("README", "report", "traces/", "policies/", "verify_evidence")


def changed(raw: bytes, seed: str) -> bytes:
    """One bit of it turned."""
    at = random.Random(seed).randrange(len(raw) * 8)
    turned = bytearray(raw)
    turned[at // 8] ^= 1 << at % 8
    return bytes(turned)


def resigned(content: dict[str, bytes]) -> dict[str, bytes]:
    """The manifest made anew to fit: what an attacker does who has read how bundles are made."""
    manifest = json.loads(content["manifest.json"])
    manifest["members"] = {
        name: hashlib.sha256(raw).hexdigest() for name, raw in sorted(content.items()) if name != "manifest.json"
    }
    return {**content, "manifest.json": json.dumps(manifest).encode()}


def named(found: Checked) -> set[str]:
    return {member for member, _ in found.faults}


def test_a_bundle_as_it_was_made_has_no_fault(note_zip: bytes, check: Check) -> None:
    found = check(note_zip)
    assert found.faults == []
    assert check(zipped(members(note_zip))).faults == [], "packed anew by another program it is the same evidence"


def test_every_member_that_was_changed_is_named(note_zip: bytes, check: Check) -> None:
    content = members(note_zip)
    for name, raw in content.items():
        for seed in "abc":
            found = check(zipped({**content, name: changed(raw, name + seed)}))
            assert name in named(found) or (name == "manifest.json" and found.faults), name


def test_every_member_that_was_taken_out_is_named(note_zip: bytes, check: Check) -> None:
    content = members(note_zip)
    for name in content:
        found = check(zipped({other: raw for other, raw in content.items() if other != name}))
        assert name in named(found)


def test_a_member_that_was_put_in_or_is_there_twice_is_named(note_zip: bytes, check: Check) -> None:
    content = members(note_zip)
    assert named(check(zipped({**content, "events/00000099/entry.json": b"{}"}))) == {"events/00000099/entry.json"}
    more = resigned({**content, "events/00000099/entry.json": b"{}", "more.txt": b"x"})
    assert named(check(zipped(more))) == {"events/00000099/entry.json", "more.txt"}
    made = io.BytesIO(note_zip)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(made, "a") as file:
            file.writestr("report.html", content["report.html"])
    assert named(check(made.getvalue())) == {"report.html"}


def test_with_the_manifest_made_anew_every_event_proof_and_checkpoint_still_convicts(
    note_zip: bytes, check: Check
) -> None:
    """What is under the log's signature needs no manifest: the event whose member was changed is named."""
    content = members(note_zip)
    for name, raw in content.items():
        if name == "manifest.json" or name.startswith(WORDS):
            continue
        found = check(zipped(resigned({**content, name: changed(raw, name)})))
        folder = name.rpartition("/")[0] if name.startswith("events/") else name
        where = {f"checkpoints/{name[12:20]}.note"} if name.startswith("consistency/") else set()
        assert any(member.startswith(folder) for member in named(found)) or named(found) & where, name


def test_the_exporters_words_are_held_by_the_digest_that_was_told(note_zip: bytes, check: Check) -> None:
    content = members(note_zip)
    told = hashlib.sha256(content["manifest.json"]).hexdigest()
    assert check(note_zip, told).faults == []
    words = [name for name in content if name.startswith(WORDS)]
    assert len(words) == 10
    for name in words:
        forged = zipped(resigned({**content, name: content[name] + b" "}))
        assert named(check(forged, told)) == {"manifest.json"}
        without = check(forged)
        assert without.faults == []
        assert any("the exporter's words; compare the manifest's SHA-256" in each for each in without.not_proved)


def position_of(content: dict[str, bytes], kind: str) -> int:
    return next(int(e["position"]) for e in json.loads(content["manifest.json"])["events"] if e["type"] == kind)


def without(content: dict[str, bytes], position: int) -> dict[str, bytes]:
    """An event left out, and the manifest made to fit."""
    manifest = json.loads(content["manifest.json"])
    manifest["events"] = [e for e in manifest["events"] if e["position"] != position]
    folder = f"events/{position:08}/"
    kept = {name: raw for name, raw in content.items() if not name.startswith(folder)}
    return resigned({**kept, "manifest.json": json.dumps(manifest).encode()})


def test_an_event_left_out_between_two_of_its_stream_is_noticed(note_zip: bytes, check: Check) -> None:
    content = members(note_zip)
    written, signed = position_of(content, "note.content_written"), position_of(content, "note.signed")
    found = check(zipped(without(content, written)))
    assert (f"events/{signed:08}/entry.json", "an event of its stream is left out before it") in found.faults
    decided = position_of(content, "dispute.decided")
    last = check(zipped(without(content, decided)))
    assert last.faults == [], "the end of a stream cannot be missed"
    assert any("is left out, but between two events of a stream" in each for each in last.not_proved)


def relisted(content: dict[str, bytes], position: int, **changes: object) -> dict[str, bytes]:
    manifest = json.loads(content["manifest.json"])
    for listed in manifest["events"]:
        if listed["position"] == position:
            listed |= changes
    return {**content, "manifest.json": json.dumps(manifest).encode()}


def test_an_event_cannot_be_passed_off_as_unsealed_or_its_content_withheld(note_zip: bytes, check: Check) -> None:
    content = members(note_zip)
    signed = position_of(content, "note.signed")
    folder = f"events/{signed:08}"
    assert named(check(zipped(relisted(content, signed, sealed=False)))) == {f"{folder}/inclusion.tlog-proof"}
    hidden = relisted(content, signed, payload=False)
    del hidden[f"{folder}/payload.json"]
    assert named(check(zipped(resigned(hidden)))) == {f"{folder}/payload.json"}


def test_a_signature_cannot_be_moved_to_other_content(note_zip: bytes, check: Check) -> None:
    """Even by somebody who owns the log's key: the verifier holds the signature against the content by itself."""
    content = members(note_zip)
    written, signed = (position_of(content, kind) for kind in ("note.content_written", "note.signed"))
    found = check(note_zip)
    events = [e for e in found.events if e["entry"]["type"].startswith("note.")]
    assert [e["entry"]["position"] for e in events][-2:] == [written, signed]
    events[1]["payload"]["content"]["sections"]["plan"] = "other words"
    Bundle._contents(found, events)
    assert found.faults == [(f"events/{signed:08}/payload.json", "the signature is not of this note's content")]


@pytest.mark.parametrize("change", ["root", "size", "later"])
def test_a_signatures_checkpoint_is_held_against_the_log(note_zip: bytes, check: Check, change: str) -> None:
    found = check(note_zip)
    event = next(e for e in found.events if e["entry"]["type"] == "note.signed")
    carried = dict(event["payload"]["sealed_before"])
    changes: dict[str, dict[str, object]] = {"root": {"root": "ab" * 32}, "size": {"size": 3}, "later": {"size": 16}}
    carried.update(changes[change])
    with pytest.raises(Bad):
        found._bracket(event, carried)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_byte_of_the_zip_is_changed_it_is_found_or_changed_nothing(
    note_zip: bytes, check: Check, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(note_zip) - 1))
    value = data.draw(st.integers(1, 255))
    turned = bytearray(note_zip)
    turned[at] ^= value
    found = check(bytes(turned))
    if not found.faults:
        assert found.files == members(note_zip), "only what a zip says besides: times and modes of its members"


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 200), data=st.data())
def test_the_verifiers_own_proofs_agree_with_a_naive_tree(size: int, data: st.DataObject) -> None:
    tree = Naive(LEAVES[:size])
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path, growth = prove_inclusion(tree, index, size), prove_consistency(tree, old, size)
    root, before = tree.mth(0, size), tree.mth(0, old)
    leaf = tree.mth(index, index + 1)
    check_inclusion(leaf, index, size, path, root)
    check_consistency(old, before, size, root, growth)
    wrong = bytes(32)
    attempts: tuple[Callable[[], None], ...] = (
        lambda: check_inclusion(wrong, index, size, path, root),
        lambda: check_inclusion(leaf, index, size, [*path, wrong], root),
        lambda: check_inclusion(leaf, index, size, path, wrong),
        lambda: check_consistency(old, wrong, size, root, growth),
        lambda: check_consistency(old, before, size, wrong, growth),
        lambda: check_consistency(old, before, size, root, [*growth, wrong]),
        *([lambda: check_inclusion(leaf, index, size, path[1:], root)] if path else []),
        *([lambda: check_consistency(old, before, size, root, growth[1:])] if growth else []),
    )
    for attempt in attempts:
        with pytest.raises(Bad):
            attempt()


def test_what_is_no_bundle_is_said_to_be_none(check: Check, note_zip: bytes, case: Case, tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04", zipped({"a": b"b"}), zipped({"manifest.json": b"[]"}), note_zip[:-100]):
        assert check(content).faults
    assert case.folder != tmp_path
