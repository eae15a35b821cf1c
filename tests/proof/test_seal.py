"""The sealer: what it signs, what it refuses to sign, and that the sealed tables are never changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.integrity.meddling import meddle, on, rewrite_event
from tests.proof.conftest import ORIGIN
from tests.store.agency import said_log

from ledger.errors import IntegrityFault, LedgerError
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proof.keys import write_key
from ledger.proof.memory import Memory
from ledger.proof.merkle import check_consistency, prove_consistency
from ledger.proof.notes import BadNote, PrivateKey, new_key
from ledger.proof.seal import Behind, Forked, Sealer, Seen
from ledger.proof.tree import StoredTree
from ledger.store.recorder import Recorder
from ledger.store.sealed import Overtaken, Sealed, SealedRow, TileRow

SealerOf = Callable[[Recorder], Sealer]


def grow(recorder: Recorder, count: int, label: str) -> int:
    recorder.insert_events(said_log([(f"{label} {n % 5}", f"text {n}") for n in range(count)]))
    return recorder.sequence()


def test_each_checkpoint_goes_on_from_the_one_before(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path
) -> None:
    sealer = sealer_of(recorder)
    assert sealer.seal() is None, "an empty log has nothing to seal"
    made: list[SealedRow] = []
    for number, count in enumerate((1, 254, 1, 300, 7)):
        head = grow(recorder, count, str(number))
        row = sealer.seal()
        assert row is not None
        assert row.size == head
        assert open_checkpoint(row.note, [key.public])[0] == Checkpoint(ORIGIN, head, row.root)
        assert Memory(tmp_path / "seal.key").recall(key.public) == Checkpoint(ORIGIN, head, row.root)
        made.append(row)
        assert sealer.seal() is None, "nothing is new"
    assert list(Sealed(recorder).checkpoints()) == made
    tree, last = StoredTree(recorder), made[-1]
    for row in made:
        path = prove_consistency(tree, row.size, last.size)
        check_consistency(row.size, row.root, last.size, last.root, path)
    assert sealer_of(recorder).seal() is None, "nor for a sealer that starts anew"


def test_what_one_sealer_began_another_goes_on_with(recorder: Recorder, sealer_of: SealerOf) -> None:
    grow(recorder, 600, "a")
    first = sealer_of(recorder).seal()
    grow(recorder, 200, "b")
    second = sealer_of(recorder).seal()
    assert first is not None
    assert second is not None
    tree = StoredTree(recorder)
    path = prove_consistency(tree, first.size, second.size)
    check_consistency(600, first.root, 800, second.root, path)


def test_two_sealers_at_once_make_one_history(
    recorder: Recorder, key: PrivateKey, sealer_of: SealerOf, tmp_path: Path
) -> None:
    """Two machines, each with the key and a memory of its own: one checkpoint stands, the other sealer is told."""
    grow(recorder, 300, "a")
    overtaking: list[SealedRow | None] = []

    def overtake(step: str) -> None:
        if step == "remembered" and not overtaking:
            overtaking.append(None)
            grow(recorder, 5, "b")
            overtaking[0] = other.seal()

    other = Sealer(recorder, key, Memory(tmp_path / "other.key"))
    slow = Sealer(recorder, key, Memory(tmp_path / "seal.key"), reached=overtake)
    with pytest.raises(Overtaken, match="another sealer has sealed 305 events since the checkpoint of 0"):
        slow.seal()
    assert [row.size for row in Sealed(recorder).checkpoints()] == [305]
    grow(recorder, 1, "c")
    row = slow.seal()
    assert row is not None
    assert row.size == 306


def test_one_key_is_held_by_one_sealer_of_a_machine(tmp_path: Path) -> None:
    with Memory(tmp_path / "key").held():
        with pytest.raises(LedgerError, match="another sealer is at work"), Memory(tmp_path / "key").held():
            pass
        with Memory(tmp_path / "other").held():
            pass
    with Memory(tmp_path / "key").held():
        pass


@pytest.mark.parametrize("position", [3, 299, 600])
def test_nothing_is_signed_over_an_event_that_does_not_hash_to_its_leaf(
    recorder: Recorder, sealer_of: SealerOf, position: int
) -> None:
    grow(recorder, 600, "a")
    where = "(stream_id, version) = (SELECT stream_id, version FROM log WHERE position = :position)"
    meddle(recorder, f"UPDATE events SET actor = 'x' WHERE {where}", position=position)  # noqa: S608 - words of ours
    with pytest.raises(IntegrityFault, match=f"position {position} .*does not hash to its leaf"):
        sealer_of(recorder).seal()
    assert Sealed(recorder).last() is None


def test_nothing_is_signed_when_events_since_the_last_full_tile_were_rewritten(
    recorder: Recorder, sealer_of: SealerOf
) -> None:
    grow(recorder, 600, "a")
    sealer = sealer_of(recorder)
    sealer.seal()
    rewrite_event(recorder, 590)
    grow(recorder, 5, "b")
    with pytest.raises(Forked):
        sealer_of(recorder).seal()
    with pytest.raises(Forked):
        sealer.seal()
    assert [row.size for row in Sealed(recorder).checkpoints()] == [600]


def test_an_old_backup_is_not_sealed_with_the_key_that_signed_more(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path
) -> None:
    """The store forgets, the key does not: what it signed last stands beside it."""
    grow(recorder, 20, "a")
    forgotten = Checkpoint(ORIGIN, 25, bytes(32))
    Memory(tmp_path / "seal.key").keep(sign_checkpoint(forgotten, key))
    with pytest.raises(Behind, match=r"seal.key.last has a checkpoint of 25 events, and the log has 20"):
        sealer_of(recorder).seal()
    grow(recorder, 10, "b")
    with pytest.raises(Forked, match="does not begin with"):
        sealer_of(recorder).seal()
    assert Sealed(recorder).last() is None


def test_a_memory_that_was_changed_stops_the_sealer(recorder: Recorder, sealer_of: SealerOf, tmp_path: Path) -> None:
    grow(recorder, 5, "a")
    sealer_of(recorder).seal()
    file = tmp_path / "seal.key.last"
    file.write_text(file.read_text().replace("\n5\n", "\n4\n"))
    grow(recorder, 5, "b")
    with pytest.raises(BadNote, match="nothing is signed without it"):
        sealer_of(recorder).seal()


@pytest.mark.parametrize(("size", "error"), [(5, Forked), (50, Behind)])
def test_a_checkpoint_that_somebody_else_holds_stops_the_sealer(
    recorder: Recorder, key: PrivateKey, tmp_path: Path, size: int, error: type[Exception]
) -> None:
    grow(recorder, 20, "a")
    seen = Seen("the witness w", Checkpoint(ORIGIN, size, bytes(32)))
    sealer = Sealer(recorder, key, Memory(tmp_path / "seal.key"), seen=lambda: [seen])
    with pytest.raises(error, match="the witness w has a checkpoint"):
        sealer.seal()
    assert Sealed(recorder).last() is None
    assert not (tmp_path / "seal.key.last").exists()


def test_a_new_key_goes_on_with_the_same_tree(recorder: Recorder, sealer_of: SealerOf, tmp_path: Path) -> None:
    grow(recorder, 10, "a")
    first = sealer_of(recorder).seal()
    other = new_key(ORIGIN)
    write_key(tmp_path / "other.key", other)
    grow(recorder, 10, "b")
    row = Sealer(recorder, other, Memory(tmp_path / "other.key")).seal()
    assert first is not None
    assert row is not None
    assert open_checkpoint(row.note, [other.public])[0].size == 20


TABLES = ("checkpoints", "tiles", "cosignatures", "timestamps", "deliveries")


@pytest.fixture
def sealed(recorder: Recorder, sealer_of: SealerOf) -> Recorder:
    grow(recorder, 300, "a")
    row = sealer_of(recorder).seal()
    assert row is not None
    rows = Sealed(recorder)
    rows.add_cosignature(row.size, "w", "line", "now")
    rows.add_timestamp(row.size, "https://tsa.example.org", b"token", "now")
    rows.add_delivery("https://place.example.org", row.size, "now")
    return recorder


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_was_sealed_is_never_changed(sealed: Recorder, table: str, statement: str) -> None:
    column = {"tiles": "level"}.get(table, "size")
    if statement.startswith("TRUNCATE") and sealed.engine.dialect.name == "sqlite":
        statement = "DELETE FROM {}"  # it has no TRUNCATE
    with pytest.raises(DBAPIError, match="append-only"), sealed.engine.begin() as connection:
        connection.exec_driver_sql(statement.format(table, column, column))


@pytest.mark.parametrize("table", TABLES)
def test_nor_replaced(sealed: Recorder, table: str) -> None:
    """On SQLite INSERT OR REPLACE removes a row without a DELETE; on PostgreSQL a second row is refused by its key."""
    verb = on(sealed, "INSERT OR REPLACE", "INSERT")
    with pytest.raises(DBAPIError), sealed.engine.begin() as connection:
        connection.exec_driver_sql(f"{verb} INTO {table} SELECT * FROM {table}")  # noqa: S608 - a table of ours


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (SealedRow(300, bytes(32), b"", "now"), "only grow"),
        (SealedRow(299, bytes(32), b"", "now"), "only grow"),
        (SealedRow(301, bytes(32), b"", "now"), "seals events of the log"),
    ],
)
def test_the_database_itself_refuses_a_checkpoint_out_of_turn(sealed: Recorder, row: SealedRow, words: str) -> None:
    with pytest.raises(DBAPIError, match=words):
        Sealed(sealed).append(row, Sealed(sealed).last())


def test_the_database_itself_refuses_a_tile_out_of_turn(sealed: Recorder) -> None:
    with pytest.raises(DBAPIError, match="in turn"):
        Sealed(sealed).add_tiles([TileRow(0, 2, bytes(8192), bytes(32))])
    with pytest.raises(IntegrityFault, match=r"tile 0 of level 0 .* from position 1 on"):
        Sealed(sealed).add_tiles([TileRow(0, 0, bytes(8192), bytes(32))])
    assert Sealed(sealed).tile(0, 1) is None


def test_reading_and_proving_write_nothing(sealed: Recorder) -> None:
    def counts() -> list[int]:
        with sealed.reading() as connection:
            return [connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in TABLES]  # noqa: S608

    before = counts()
    tree = StoredTree(sealed)
    for size in range(300):
        prove_consistency(tree, size, 300)
    assert counts() == before


def test_a_proof_reads_few_tiles(recorder: Recorder, sealer_of: SealerOf) -> None:
    grow(recorder, 3000, "a")
    sealer_of(recorder).seal()
    for size in (1, 255, 256, 257, 2999):
        tree = StoredTree(recorder)
        prove_consistency(tree, size, 3000)
        assert tree.read <= 4, "two levels of tiles, and the right edge of each"
