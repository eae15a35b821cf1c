"""An exported log that was changed on its way, or where it lies: each file that differs is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integrity.test_sealed import grow, seal
from tests.proof.conftest import ORIGIN

from ledger.errors import IntegrityFault
from ledger.integrity.exported import check_export
from ledger.integrity.report import Report
from ledger.proof.export import export
from ledger.proof.memory import Memory
from ledger.proof.notes import PrivateKey, new_key
from ledger.proof.seal import Sealer
from ledger.store.database import open_store

SIZE = 700
KEY = new_key(ORIGIN)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of 700 entries: two full tiles of leaves and a partial one, and a partial tile over them."""
    folder = tmp_path_factory.mktemp("export")
    write(folder, "here", SIZE, KEY)
    return folder / "public"


def write(folder: Path, label: str, count: int, key: PrivateKey) -> None:
    recorder = open_store(f"sqlite:///{folder / 'ledger.db'}")
    grow(recorder, count, label)
    seal(recorder, key, folder)
    export(recorder, folder / "public", key.public)
    recorder.engine.dispose()


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    shutil.copytree(exported, tmp_path / "public")
    return tmp_path / "public"


def check(folder: Path) -> Report:
    return check_export(folder, [KEY.public]).report


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def test_an_export_is_sound_as_it_was_written(folder: Path) -> None:
    found = check_export(folder, [KEY.public])
    assert (found.size, found.entries, found.report.faults) == (SIZE, True, [])
    shutil.rmtree(folder / "tile" / "entries")
    found = check_export(folder, [KEY.public])
    assert (found.entries, found.report.faults) == (False, [])


ATTACKS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a leaf": (lambda f: flip(f / "tile/0/001", 40), "entry", "tile/entries/001 does not hash"),
    "a leaf of the partial tile": (lambda f: flip(f / "tile/0/002.p/188", 40), "entry", "tile/0/002.p/188"),
    "a hash above": (
        lambda f: flip(f / "tile/1/000.p/2", 40),
        "tile",
        "tile/0/001 does not lead to what tile/1/000.p/2",
    ),
    "an entry": (lambda f: flip(f / "tile/entries/000", 90), "entry", "tile/entries/000 does not hash"),
    "a tile is gone": (lambda f: (f / "tile/0/000").unlink(), "tile", "tile/0/000 is missing"),
    "a tile is short": (lambda f: (f / "tile/0/000").write_bytes(b"x" * 31), "tile", "has 31 bytes"),
    "the tile above is gone": (lambda f: (f / "tile/1/000.p/2").unlink(), "tile", "tile/1/000.p/2 is missing"),
    "entries are gone": (lambda f: (f / "tile/entries/001").unlink(), "entry", "tile/entries/001 is missing"),
    "entries are cut off": (
        lambda f: (f / "tile/entries/001").write_bytes((f / "tile/entries/001").read_bytes()[:-3]),
        "entry",
        "tile/entries/001 ends before this entry",
    ),
    "an entry too many": (
        lambda f: (f / "tile/entries/001").write_bytes((f / "tile/entries/001").read_bytes() + b"\0\1x"),
        "entry",
        "more entries",
    ),
    "two tiles in each other's place": (
        lambda f: [
            (f / "tile/0/000").rename(f / "t"),
            (f / "tile/0/001").rename(f / "tile/0/000"),
            (f / "t").rename(f / "tile/0/001"),
        ],
        "entry",
        "tile/entries/000 does not hash",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_changed_is_named_by_its_file(folder: Path, attack: str) -> None:
    harm, kind, words = ATTACKS[attack]
    harm(folder)
    report = check(folder)
    assert [fault for fault in report.faults if fault.kind == kind and words in fault.words], report.faults


@pytest.mark.parametrize("with_entries", [True, False])
def test_another_log_under_this_checkpoint_does_not_lead_to_it(
    folder: Path, tmp_path: Path, with_entries: bool
) -> None:
    """Tiles and entries agree among themselves; only the signed root tells."""
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", "another", SIZE, KEY)
    shutil.rmtree(folder / "tile")
    shutil.copytree(tmp_path / "other" / "public" / "tile", folder / "tile")
    if not with_entries:
        shutil.rmtree(folder / "tile" / "entries")
    assert [(fault.kind, fault.position) for fault in check(folder).faults] == [("root", SIZE)]


@pytest.mark.parametrize("harm", ["gone", "changed", "signed by another"])
def test_without_the_logs_own_checkpoint_nothing_is_checked(folder: Path, harm: str) -> None:
    path = folder / "checkpoint"
    if harm == "gone":
        path.unlink()
    elif harm == "changed":
        path.write_bytes(path.read_bytes().replace(b"\n700\n", b"\n701\n"))
    with pytest.raises(IntegrityFault, match="checkpoint"):
        check_export(folder, [new_key(ORIGIN).public] if harm == "signed by another" else [KEY.public])


def test_an_export_of_many_levels_is_walked_to_its_root(tmp_path: Path) -> None:
    """65 536 leaves and some: three levels, with a full tile on the second."""
    recorder = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    grow(recorder, WIDE, "many")
    Sealer(recorder, KEY, Memory(tmp_path / "seal.key")).seal()
    export(recorder, tmp_path / "public", KEY.public, entries=False)
    recorder.engine.dispose()
    assert check(tmp_path / "public").faults == []
    flip(tmp_path / "public/tile/1/000", 8000)
    named = [fault.words for fault in check(tmp_path / "public").faults]
    assert len(named) == 2
    assert all("tile/1/000" in words for words in named)


WIDE = 65_536 + 300
