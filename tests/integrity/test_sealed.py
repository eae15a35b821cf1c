"""Attacks on a sealed store by somebody who owns the database and knows how it works: each is found by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integrity.meddling import cut_off, meddle, rewrite_event
from tests.proof.conftest import ORIGIN
from tests.store.agency import said_log

from ledger.integrity.outside import Outside
from ledger.integrity.report import Report
from ledger.integrity.sealed import SealedWalk
from ledger.integrity.verify import verify
from ledger.proof.checkpoint import Checkpoint, sign_checkpoint
from ledger.proof.edge import Edge
from ledger.proof.memory import Memory
from ledger.proof.notes import PrivateKey, new_key
from ledger.proof.seal import Sealer
from ledger.store.database import open_store
from ledger.store.envelope import leaf_of
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed

SIZES = (100, 256, 400, 700)


@pytest.fixture
def key() -> PrivateKey:
    return new_key(ORIGIN)


def grow(recorder: Recorder, count: int, label: str) -> None:
    recorder.insert_events(said_log([(f"{label} {n % 5}", f"text {n}") for n in range(count)]))
    recorder.sequence()


def seal(recorder: Recorder, key: PrivateKey, folder: Path) -> bytes:
    row = Sealer(recorder, key, Memory(folder / "seal.key")).seal()
    assert row is not None
    return row.note


@pytest.fixture
def notes(recorder: Recorder, key: PrivateKey, tmp_path: Path) -> list[bytes]:
    """The checkpoints of the recorder's log, sealed at some sizes, with twenty events after the last."""
    found, size = [], 0
    for each in SIZES:
        grow(recorder, each - size, str(each))
        found.append(seal(recorder, key, tmp_path))
        size = each
    grow(recorder, 20, "after")
    return found


def check(recorder: Recorder, key: PrivateKey, outside: Sequence[bytes] = ()) -> Report:
    others = Outside()
    if outside:
        others.take("an auditor", lambda: outside, [key.public])
    walk = SealedWalk(recorder, [key.public], others.held)
    report = verify(recorder, [], sealed=walk)
    others.report(report)
    return report


def kinds(report: Report) -> list[tuple[str, int]]:
    return [(fault.kind, fault.position) for fault in report.faults]


def test_a_sound_log_agrees_with_everything(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    outside = Outside()
    outside.take("an auditor", lambda: notes, [key.public])
    walk = SealedWalk(recorder, [key.public], outside.held)
    assert verify(recorder, [], sealed=walk).sound
    seals = walk.seals
    assert (seals.checkpoints, seals.agrees, seals.signed_by) == (4, 700, (ORIGIN,))
    assert seals.others == {"an auditor": 700}
    assert walk.seals.witnessed is None


@pytest.mark.parametrize("position", [1, 256, 257, 512])
def test_a_rewritten_event_is_named_though_its_leaf_fits(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], position: int
) -> None:
    event_id = recorder.read_log(position - 1, 1)[0].event_id
    rewrite_event(recorder, position)
    report = check(recorder, key)
    assert kinds(report) == [("rewritten", position)]
    assert report.faults[0].event_id == event_id


def test_every_rewritten_event_is_named(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    for position in (3, 200, 300, 301, 511):
        rewrite_event(recorder, position)
    assert kinds(check(recorder, key)) == [("rewritten", position) for position in (3, 200, 300, 301, 511)]


def test_one_after_the_last_full_tile_shows_at_the_next_checkpoint(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    rewrite_event(recorder, 650)
    report = check(recorder, key, notes)
    assert kinds(report) == [("root", 700), ("forked", 700)]
    assert "positions 401 to 700" in report.faults[0].words


def test_one_that_was_not_sealed_yet_cannot_show(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    """What the proof does not say: the time between recording and sealing is the window that is left."""
    rewrite_event(recorder, 710)
    assert check(recorder, key, notes).sound


def test_content_that_does_not_fit_its_leaf_is_named_once(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    meddle(recorder, "UPDATE events SET actor = 'x' WHERE stream_id || version IN "
           "(SELECT stream_id || version FROM log WHERE position = 300)")  # fmt: skip
    assert kinds(check(recorder, key)) == [("content", 300)]


def test_a_tail_that_was_cut_off_is_found(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    cut_off(recorder, 650)
    report = check(recorder, key, notes)
    assert kinds(report) == [("truncated", 650), ("rolled_back", 650)]
    assert "a checkpoint of 700 events is signed" in report.faults[0].words


def test_and_when_its_checkpoints_were_removed_by_the_tiles(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    cut_off(recorder, 450)
    meddle(recorder, "DELETE FROM checkpoints WHERE size > 450")
    report = check(recorder, key)
    assert kinds(report) == [("truncated", 450)]
    assert "512 events were sealed" in report.faults[0].words


def test_and_when_everything_went_by_those_who_kept_a_checkpoint(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    cut_off(recorder, 450)
    meddle(recorder, "DELETE FROM checkpoints WHERE size > 450", "DELETE FROM tiles WHERE level = 0 AND number > 0")
    assert check(recorder, key).sound, "the store knows nothing of it any more"
    report = check(recorder, key, notes)
    assert kinds(report) == [("rolled_back", 450)]
    assert "an auditor has a signed checkpoint of 700 events, the log has 450" in report.faults[0].words


def test_an_old_backup_is_found_by_those_who_kept_a_checkpoint(
    sqlite_recorder: Recorder, key: PrivateKey, tmp_path: Path
) -> None:
    """Not made by hand: the database as it was, put back as it was."""
    file = Path(str(sqlite_recorder.engine.url.database))
    grow(sqlite_recorder, 300, "a")
    seal(sqlite_recorder, key, tmp_path)
    with sqlite3.connect(file) as source, sqlite3.connect(tmp_path / "backup.db") as backup:
        source.backup(backup)
    grow(sqlite_recorder, 50, "b")
    kept = seal(sqlite_recorder, key, tmp_path)
    assert check(sqlite_recorder, key, [kept]).sound
    old = open_store(f"sqlite:///{tmp_path / 'backup.db'}")
    assert check(old, key).sound
    assert kinds(check(old, key, [kept])) == [("rolled_back", 300)]
    grow(old, 50, "another fifty")  # and work goes on in it
    assert kinds(check(old, key, [kept])) == [("forked", 350)]
    old.engine.dispose()


def test_a_forked_log_signed_with_the_logs_own_key_is_found_by_those_who_kept_a_checkpoint(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    """Everything the store holds is made anew to fit: leaf, tiles, checkpoints, signatures. It cannot know better."""
    rewrite_event(recorder, 120)
    meddle(recorder, *[f"DELETE FROM {table}" for table in ("checkpoints", "tiles")])  # noqa: S608 - tables of ours
    edge, sealed = Edge(), Sealed(recorder)
    for row in recorder.read_log(0, 700):
        filled = edge.append(row.leaf)
        for tile in filled:
            meddle(recorder, "INSERT INTO tiles VALUES (:level, :number, :hashes, :root)", **vars(tile))
        if edge.size in SIZES:
            note = sign_checkpoint(Checkpoint(ORIGIN, edge.size, edge.root()), key).encoded
            values = {"size": edge.size, "root": edge.root(), "note": note, "at": "2026-01-05T17:00:00.000000Z"}
            meddle(recorder, "INSERT INTO checkpoints VALUES (:size, :root, :note, :at)", **values)
    assert sealed.last() is not None
    assert check(recorder, key).sound, "the store agrees with itself"
    report = check(recorder, key, notes)
    assert kinds(report) == [("forked", 256), ("forked", 400), ("forked", 700)], "at 100 the two were one"
    assert "an auditor has a signed checkpoint of 256 events with another root" in report.faults[0].words


def test_tiles_that_were_rewritten_with_the_event_show_at_the_checkpoint(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    rewrite_event(recorder, 120)
    edge = Edge()
    for row in recorder.read_log(0, 256):
        for tile in edge.append(row.leaf):
            change = "UPDATE tiles SET hashes = :hashes, root = :root WHERE number = :number AND level = :level"
            meddle(recorder, change, **vars(tile))
    report = check(recorder, key)
    assert kinds(report) == [("root", 256)]
    assert "positions 101 to 256" in report.faults[0].words


@pytest.mark.parametrize("column", ["hashes", "root"])
def test_a_changed_tile_is_found(recorder: Recorder, key: PrivateKey, notes: list[bytes], column: str) -> None:
    size = 8192 if column == "hashes" else 32
    meddle(recorder, f"UPDATE tiles SET {column} = :other WHERE number = 1", other=bytes(size))  # noqa: S608
    assert kinds(check(recorder, key)) == [("tile", 512)], "and no event is accused"


def test_a_missing_tile_is_found(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    meddle(recorder, "DELETE FROM tiles WHERE number = 1")
    assert kinds(check(recorder, key)) == [("tile", 512)]


@pytest.mark.parametrize(
    ("column", "words"), [("note", "does not fit the text"), ("root", "another root than the row")]
)
def test_a_changed_checkpoint_is_found(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], column: str, words: str
) -> None:
    other = notes[2].replace(b"400", b"401") if column == "note" else bytes(32)
    meddle(recorder, f"UPDATE checkpoints SET {column} = :other WHERE size = 400", other=other)  # noqa: S608
    report = check(recorder, key)
    assert kinds(report) == [("checkpoint", 400)]
    assert words in report.faults[0].words


def test_a_swapped_signature_is_found(recorder: Recorder, key: PrivateKey, notes: list[bytes]) -> None:
    said, _, _ = notes[3].partition(b"\n\n")
    _, _, signature = notes[2].partition(b"\n\n")
    meddle(recorder, "UPDATE checkpoints SET note = :note WHERE size = 700", note=said + b"\n\n" + signature)
    report = check(recorder, key)
    assert kinds(report) == [("checkpoint", 700)]
    assert "does not fit" in report.faults[0].words


def test_a_checkpoint_signed_with_a_key_that_nobody_trusts_is_found(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    seal(recorder, new_key(ORIGIN), tmp_path / "elsewhere")  # somebody with the store, and without the key
    report = check(recorder, key)
    assert kinds(report) == [("checkpoint", 720)]
    assert "no key that is trusted" in report.faults[0].words


def test_what_somebody_holds_that_is_not_this_logs_is_named(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    forged = sign_checkpoint(Checkpoint(ORIGIN, 5, bytes(32)), new_key(ORIGIN)).encoded
    report = check(recorder, key, [forged])
    assert kinds(report) == [("foreign", 0)]


def test_an_event_that_was_inserted_or_removed_shifts_all_after_it(
    recorder: Recorder, key: PrivateKey, notes: list[bytes]
) -> None:
    """Removed, and the places after it given anew with their leaves: each one after it is another than was sealed."""
    if recorder.engine.dialect.name == "sqlite":
        meddle(recorder, "DELETE FROM events WHERE position = 90",
               "UPDATE events SET position = -position WHERE position > 90",
               "UPDATE events SET position = -position - 1 WHERE position < 0")  # fmt: skip
    else:
        meddle(recorder, "WITH gone AS (DELETE FROM log_order WHERE position = 90 RETURNING ticket) "
               "DELETE FROM events WHERE ticket IN (SELECT ticket FROM gone)",
               "ALTER TABLE log_order DROP CONSTRAINT log_order_position_check",
               "UPDATE log_order SET position = -position WHERE position > 90",
               "UPDATE log_order SET position = -position - 1 WHERE position < 0")  # fmt: skip
    recompute_leaves(recorder)
    found = kinds(check(recorder, key))
    rewritten = [position for kind, position in found if kind == "rewritten"]
    assert rewritten[:10] == list(range(90, 100))


def recompute_leaves(recorder: Recorder) -> None:
    table = "events" if recorder.engine.dialect.name == "sqlite" else "log_order"
    statement = text(f"UPDATE {table} SET leaf = :leaf WHERE position = :position")  # noqa: S608 - tables of ours
    rows = recorder.read_log(89, 1000)
    leaves = [{"leaf": leaf_of(row, row.position, row.recorded_at), "position": row.position} for row in rows]
    with recorder.engine.begin() as connection:
        if table == "log_order":
            connection.exec_driver_sql("SET session_replication_role = replica")
        connection.execute(statement, leaves)


def test_sealing_while_the_log_is_verified_is_no_fault(
    recorder: Recorder, key: PrivateKey, notes: list[bytes], tmp_path: Path
) -> None:
    walk = SealedWalk(recorder, [key.public], {})
    grow(recorder, 300, "meanwhile")
    seal(recorder, key, tmp_path)
    assert verify(recorder, [], sealed=walk).sound
    assert walk.seals.agrees == 700
