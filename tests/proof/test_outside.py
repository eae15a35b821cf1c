"""Programs that this project did not write accept what it makes: Go's libraries of transparency logs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.proof.conftest import ORIGIN, Outside
from tests.store.agency import said_log

from ledger.proof.export import export
from ledger.proof.keys import write_key
from ledger.proof.notes import PrivateKey, check_note, read_note
from ledger.proof.proofs import consistency_of, inclusion_of
from ledger.proof.seal import Sealer
from ledger.proof.tree import StoredTree
from ledger.store.recorder import Recorder

SealerOf = Callable[[Recorder], Sealer]


def grow(recorder: Recorder, count: int, label: str) -> None:
    recorder.insert_events(said_log([(f"{label}{n % 7}", f"text {n}") for n in range(count)]))
    recorder.sequence()


def test_gos_libraries_read_the_exported_log(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path, outside: Outside
) -> None:
    """Over the borders of tiles, each export going on from the one before; twice the same export writes nothing new."""
    sealer = sealer_of(recorder)
    folder = tmp_path / "public"
    size = 0
    for count in (1, 2, 252, 1, 1, 255, 300):
        grow(recorder, count, f"at {size} ")
        size += count
        sealed = sealer.seal()
        assert sealed is not None
        export(recorder, folder, key.public)
        found = outside("log", folder)
        assert (found["size"], found["entries"], found["root"]) == (size, size, sealed.root.hex())
        assert found["included"] > 0
        assert found["consistent"] > 0
    assert export(recorder, folder, key.public).files == 1, "only the checkpoint is put there anew"


def test_a_large_log_reaches_the_third_level_of_tiles(
    sqlite_recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path, outside: Outside
) -> None:
    one = said_log([("large", "text")])[0]
    ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(65_536 + 300)]
    sqlite_recorder.insert_events([replace(one, originator_id=each, command_id=each) for each in ids])
    sealer_of(sqlite_recorder).seal()
    export(sqlite_recorder, tmp_path / "public", key.public)
    assert (tmp_path / "public" / "tile" / "2" / "000.p" / "1").stat().st_size == 32
    assert outside("log", tmp_path / "public")["size"] == 65_836


def test_both_libraries_accept_the_proofs(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path, outside: Outside
) -> None:
    sealer = sealer_of(recorder)
    checkpoints = []
    for count in (3, 255, 256, 40):
        grow(recorder, count, f"{count} ")
        sealed = sealer.seal()
        assert sealed is not None
        checkpoints.append(sealed)
    tree, last = StoredTree(recorder), checkpoints[-1]
    file, older = tmp_path / "proof", tmp_path / "older"
    for row in recorder.read_log(0, 1000)[::41]:
        file.write_text(inclusion_of(tree, row.position, last.note).text)
        found = outside("inclusion", file, key.public.vkey, row.leaf.hex())
        assert found == {"index": row.position - 1, "size": last.size}
    for before in checkpoints:
        older.write_bytes(before.note)
        file.write_text(consistency_of(tree, before.size, last.note).text)
        assert outside("consistency", file, older, key.public.vkey) == {"old": before.size, "size": last.size}


def test_go_refuses_a_log_that_was_meddled_with(
    recorder: Recorder, sealer_of: SealerOf, key: PrivateKey, tmp_path: Path, outside: Outside
) -> None:
    """So that its accepting says something."""
    grow(recorder, 600, "x")
    sealer_of(recorder).seal()
    folder = tmp_path / "public"
    export(recorder, folder, key.public)
    for name in ("tile/0/001", "tile/entries/000", "checkpoint", "vkey", "tile/1/000.p/2"):
        whole = (folder / name).read_bytes()
        at = len(whole) // 2
        (folder / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(subprocess.CalledProcessError):
            outside("log", folder)
        (folder / name).write_bytes(whole)
    assert outside("log", folder)["size"] == 600


def test_our_key_files_are_gos(key: PrivateKey, tmp_path: Path, outside: Outside) -> None:
    write_key(tmp_path / "key", key)
    signed = outside("sign", tmp_path / "key", f"{ORIGIN}\n0\n")["note"]
    assert check_note(read_note(signed.encode()), [key.public]) == key.public
