"""Verifying only what came behind a checkpoint that somebody kept and trusts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.consumers.views import make_views, run
from tests.integrity.meddling import cut_off, meddle, on, rewrite_event
from tests.integrity.test_sealed import SIZES, grow, kinds, seal
from tests.proof.conftest import ORIGIN
from tests.store.agency import said_log

from ledger.integrity.outside import Outside
from ledger.integrity.report import Report
from ledger.integrity.sealed import SealedWalk
from ledger.integrity.verify import verify
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.notes import PrivateKey, new_key
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

HEAD = SIZES[-1] + 20
#: The number of the checkpoint behind which most tests begin, and its size.
THIRD, BEHIND = 2, SIZES[2]


@pytest.fixture
def key() -> PrivateKey:
    return new_key(ORIGIN)


@pytest.fixture
def notes(recorder: Recorder, key: PrivateKey, tmp_path: Path) -> list[bytes]:
    """The checkpoints of the recorder's log, sealed at some sizes, with twenty events after the last."""
    rows = said_log([(f"chart {n % 5}", f"text {n}") for n in range(HEAD)])
    found, size = [], 0
    for each in (*SIZES, HEAD):
        recorder.insert_events(rows[size:each])
        recorder.sequence()
        size = each
        if each < HEAD:
            found.append(seal(recorder, key, tmp_path))
    return found


def walk_since(recorder: Recorder, key: PrivateKey, note: bytes, kept: Sequence[bytes] = ()) -> SealedWalk:
    outside = Outside()
    outside.take("an auditor", lambda: [*kept, note], [key.public])
    return SealedWalk(recorder, [key.public], outside.held, open_checkpoint(note, [key.public])[0])


def check(recorder: Recorder, key: PrivateKey, note: bytes) -> Report:
    return verify(recorder, [], sealed=walk_since(recorder, key, note))


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_only_what_came_since_is_read(recorder: Recorder, key: PrivateKey, notes: list[bytes], number: int) -> None:
    walk = walk_since(recorder, key, notes[number], notes)
    report = verify(recorder, [], sealed=walk)
    assert kinds(report) == []
    assert (report.events, report.head) == (HEAD - SIZES[number], HEAD)
    assert (walk.seals.agrees, walk.seals.others) == (SIZES[-1], {"an auditor": SIZES[-1]})
    assert walk.seals.checkpoints == len(SIZES) - 1 - number


def test_nothing_may_have_come_since(recorder: Recorder, key: PrivateKey, notes: list[bytes], tmp_path: Path) -> None:
    report = check(recorder, key, seal(recorder, key, tmp_path))
    assert kinds(report) == []
    assert (report.events, report.head) == (0, HEAD)


def test_what_was_changed_since_is_found_as_in_the_whole(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    rewrite_event(recorder, 450)
    rewrite_event(recorder, 650)
    assert kinds(check(recorder, key, notes[THIRD])) == [("rewritten", 450), ("root", 700)]


@pytest.mark.parametrize("position", [BEHIND + 1, 500, HEAD - 6])
def test_an_event_that_was_taken_away_since_is_found(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], position: int
) -> None:
    """Also by the versions of its stream, of which the walk has seen none before."""
    table = on(recorder, "events", "log_order")
    meddle(recorder, f"DELETE FROM {table} WHERE position = {position}")  # noqa: S608 - words of ours
    found = kinds(check(recorder, key, notes[THIRD]))
    assert ("missing", position) in found
    assert any(kind == "version" and at > position for kind, at in found)


def test_what_it_covers_is_vouched_for_by_its_root_and_not_read(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    """What ``--since`` leaves out, as its help says; the whole verification finds it."""
    rewrite_event(recorder, 3)
    assert check(recorder, key, notes[THIRD]).sound
    assert not verify(recorder, [], sealed=SealedWalk(recorder, [key.public], {})).sound


@pytest.mark.parametrize("what", ["a tile", "its leaves"])
def test_a_stored_tree_that_does_not_lead_to_it_is_found(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], what: str
) -> None:
    if what == "a tile":
        meddle(recorder, "UPDATE tiles SET root = :root, hashes = :hashes", root=b"1" * 32, hashes=b"1" * 8192)
    else:
        rewrite_event(recorder, SIZES[-1] - 10)  # in no full tile
    report = check(recorder, key, notes[-1])
    assert kinds(report)[0] == ("root", SIZES[-1])
    assert "verify from the beginning" in report.faults[0].words


def test_a_log_that_was_cut_off_before_it_is_found(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    cut_off(recorder, 300)
    assert kinds(check(recorder, key, notes[THIRD]))[0] == ("truncated", 300)
    meddle(recorder, "DELETE FROM checkpoints WHERE size > 100", "DELETE FROM tiles")
    assert kinds(check(recorder, key, notes[THIRD]))[0] == ("root", BEHIND)


def of_another_log(folder: Path, key: PrivateKey, count: int) -> bytes:
    """A checkpoint of some size, signed with the same key over other events."""
    folder.mkdir()
    other = open_store(f"sqlite:///{folder / 'other.db'}")
    grow(other, count, "another")
    note = seal(other, key, folder)
    other.engine.dispose()
    return note


def test_another_log_with_a_checkpoint_of_that_size_is_none_to_begin_behind(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], tmp_path: Path
) -> None:
    assert kinds(check(recorder, key, of_another_log(tmp_path / "another", key, BEHIND)))[0] == ("root", BEHIND)


def test_a_checkpoint_kept_before_it_is_held_against_the_log_too(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], tmp_path: Path
) -> None:
    forked = of_another_log(tmp_path / "another", key, SIZES[0])
    report = verify(recorder, [], sealed=walk_since(recorder, key, notes[THIRD], [forked]))
    assert kinds(report) == [("forked", SIZES[0])]


def test_the_accounts_of_the_views_add_up(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    view, words, _ = make_views()
    run(recorder, view, words)
    report = verify(recorder, [view, words], sealed=walk_since(recorder, key, notes[THIRD]))
    assert kinds(report) == []
    assert [one.dealt_with for one in report.projections] == [HEAD, HEAD]
