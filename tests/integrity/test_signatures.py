"""``verify`` holds each signature against the checkpoint that it carries; attacks by SQL are named."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from tests.integrity.meddling import meddle, rewrite_event
from tests.tracing.clinic import Clinic, at
from tests.tracing.sealing import Parties

from ledger.aggregates.note_events import AddAddendum
from ledger.aggregates.sealing import SealedCheckpoint
from ledger.integrity.report import Report
from ledger.integrity.sealed import SealedWalk
from ledger.integrity.signatures import SIGNING, Signatures, SignatureWalk
from ledger.integrity.verify import verify
from ledger.proof.merkle import root_at
from ledger.proof.tree import StoredTree
from ledger.store.envelope import StoredRow


@pytest.fixture
def clinic(database_url: str) -> Clinic:
    clinic = Clinic(database_url)
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    return clinic


@pytest.fixture
def parties(clinic: Clinic, tmp_path: Path) -> Parties:
    """A note signed upon a checkpoint that a witness has cosigned, and not sealed since."""
    parties = Parties(clinic.recorder, tmp_path, clinic.clock)
    clinic.recorder.sequence()
    parties.seal(at("2026-11-24 08:30"))
    clinic.sign(at("2026-11-24 09:00"))
    clinic.recorder.sequence()
    return parties


def check(clinic: Clinic, parties: Parties) -> tuple[Report, Signatures]:
    walk = SignatureWalk(clinic.recorder)
    sealed = SealedWalk(clinic.recorder, [parties.key.public], {})
    return verify(clinic.recorder, [], sealed=sealed, signatures=walk), walk.signatures


def signed(clinic: Clinic) -> StoredRow:
    return next(row for row in clinic.recorder.read_log(0, 1000) if row.topic == "note.signed")


def carried(row: StoredRow) -> SealedCheckpoint:
    return msgspec.convert(json.loads(row.state)["sealed_before"], SealedCheckpoint)


def carry(clinic: Clinic, **changes: object) -> None:
    """Change what the signature carries, and its leaf: nobody sealed it yet, so by its hashes it is sound."""
    row = signed(clinic)
    payload = json.loads(row.state)
    payload["sealed_before"] |= changes
    rewrite_event(clinic.recorder, row.position, json.dumps(payload).encode())


def test_a_sound_log_has_no_fault_and_its_signatures_are_counted(clinic: Clinic, parties: Parties) -> None:
    report, found = check(clinic, parties)
    assert (report.sound, found) == (True, Signatures(count=1, carrying=1))
    first = parties.sealed.last()
    assert first is not None
    assert carried(signed(clinic)).root == first.root.hex()
    parties.seal(at("2026-11-24 09:06"))
    assert check(clinic, parties)[0].sound


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"root": "ab" * 32}, "a root for"),
        ({"size": 2, "vouched_size": None, "vouchers": []}, "a root for"),
        ({"size": 10_000}, "was not sealed before it"),
        ({"size": 0}, "was not sealed before it"),
        ({"vouched_size": 9_999}, "others signed of a checkpoint that was not sealed before it"),
        ({"vouchers": ["ab" * 32]}, "they were removed, or never given"),
    ],
    ids=str,
)
def test_a_changed_checkpoint_in_a_signature_is_named(
    clinic: Clinic, parties: Parties, changes: dict[str, object], words: str
) -> None:
    carry(clinic, **changes)
    row = signed(clinic)
    (fault,) = check(clinic, parties)[0].faults
    assert (fault.kind, fault.position, fault.event_id) == ("signature", row.position, row.event_id)
    assert words in fault.words


def test_a_checkpoint_of_another_log_is_named(clinic: Clinic, parties: Parties, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Clinic(f"sqlite:///{tmp_path / 'other.db'}")
    other.serve(at("2026-11-19 15:00"))
    theirs = Parties(other.recorder, tmp_path / "other", other.clock).seal()
    carry(clinic, size=theirs.size, root=theirs.root.hex(), vouched_size=None, vouchers=[])
    (fault,) = check(clinic, parties)[0].faults
    assert fault.kind == "signature"
    assert "another log's" in fault.words


def test_a_true_root_of_what_was_never_sealed_is_named(clinic: Clinic, parties: Parties) -> None:
    """Whoever owns the database can work out a root of any size; sealed is only what was signed."""
    clinic.do(AddAddendum(note_id=clinic.note, addendum_id=clinic.new(), text="more"), clinic.author)
    clinic.recorder.sequence()
    row = next(row for row in clinic.recorder.read_log(0, 1000) if row.topic == "note.addendum_added")
    payload = json.loads(row.state)
    size = row.position - 1
    payload["sealed_before"] |= {"size": size, "root": root_at(StoredTree(clinic.recorder), size).hex()}
    rewrite_event(clinic.recorder, row.position, json.dumps(payload).encode())
    (fault,) = check(clinic, parties)[0].faults
    assert fault.words.endswith("none of that size was ever sealed")


def test_a_payload_that_cannot_be_read_is_named_and_does_not_stop_the_rest(clinic: Clinic, parties: Parties) -> None:
    rewrite_event(clinic.recorder, signed(clinic).position, b'{"sealed_before":7}')
    report, _ = check(clinic, parties)
    assert [fault.kind for fault in report.faults] == ["signature"]
    assert report.head == report.events


def test_an_event_before_the_checkpoint_that_was_rewritten_shows_in_the_signature_too(
    clinic: Clinic, parties: Parties
) -> None:
    """The signature holds the root over all that was there: it convicts a change even when no checkpoint is left."""
    rewrite_event(clinic.recorder, 3)
    meddle(clinic.recorder, "DELETE FROM cosignatures", "DELETE FROM checkpoints")
    kinds = [fault.kind for fault in check(clinic, parties)[0].faults]
    assert kinds == ["signature"]


def test_a_restored_store_without_checkpoints_still_checks_the_roots(clinic: Clinic, parties: Parties) -> None:
    meddle(clinic.recorder, "DELETE FROM cosignatures", "DELETE FROM checkpoints")
    assert check(clinic, parties)[0].sound


def test_the_signing_events_are_those_that_can_carry_one() -> None:
    assert {"note.signed", "note.cosigned", "plan.client_signed"} <= SIGNING
    assert "note.drafted" not in SIGNING
