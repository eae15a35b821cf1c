"""Holding an exported log against its own checkpoint: files alone, without the store that they came from.

Every tile must lead to the signed root, and every entry must hash to the leaf that its tile has for it
(c2sp.org/tlog-tiles). What differs is named by its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import IntegrityFault
from ledger.integrity.report import Fault, Report
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.edge import Edge
from ledger.proof.merkle import HASH_BYTES
from ledger.proof.notes import PublicKey
from ledger.proof.tiles import HEIGHT, WIDTH, Tile, levels, root_of, split
from ledger.store.envelope import leaf_hash


@dataclass
class Export:
    """What a folder holds: the checkpoint's size, and whether there are entries beside the hashes."""

    size: int
    entries: bool
    report: Report


def check_export(folder: Path, keys: Sequence[PublicKey], progress: Callable[[int], None] | None = None) -> Export:
    """Check all files of an export; raises nothing for a fault, the report names them.

    Raises ``IntegrityFault`` when there is no checkpoint in it that the log's key has signed.
    """
    checkpoint = checkpoint_of(folder, keys)
    report = Report(head=checkpoint.size)
    with_entries = (folder / "tile" / "entries").is_dir()
    edge = Edge()
    for tile in _level(0, checkpoint.size):
        hashes = _tile(folder, tile, report)
        for leaf in hashes:
            edge.append(leaf)
        if len(hashes) < tile.width:
            return Export(checkpoint.size, with_entries, report)  # nothing above can be worked out
        if with_entries:
            _check_entries(folder, tile, hashes, report)
        if progress is not None:
            progress(tile.width)
    for level in range(1, levels(checkpoint.size)):
        _check_level(folder, level, checkpoint.size, report)
    if edge.root() != checkpoint.root:
        words = f"the tiles do not lead to the root that was signed for {checkpoint.size:,} events"
        report.add(Fault("root", checkpoint.size, "", words))
    report.events = checkpoint.size
    return Export(checkpoint.size, with_entries, report)


def checkpoint_of(folder: Path, keys: Sequence[PublicKey]) -> Checkpoint:
    """The signed checkpoint of an export; raises ``IntegrityFault`` when there is none that a key has signed."""
    path = folder / "checkpoint"
    try:
        return open_checkpoint(path.read_bytes(), keys)[0]
    except OSError as fault:
        raise IntegrityFault(f"{path} cannot be read: {fault.strerror}") from fault
    except IntegrityFault as fault:
        raise IntegrityFault(f"{path}: {fault}") from fault


def _level(level: int, size: int) -> Iterator[Tile]:
    """The tiles of a level, in their order; level 0 holds the leaves."""
    count = size >> (HEIGHT * level)
    for number in range(count // WIDTH):
        yield Tile(level, number)
    if count % WIDTH:
        yield Tile(level, count // WIDTH, count % WIDTH)


def _tile(folder: Path, tile: Tile, report: Report) -> list[bytes]:
    """The hashes of a tile; none, and a fault, when it is not there in its width."""
    content = _read(folder / tile.path)
    if content is None:
        report.add(Fault("tile", _last(tile), "", f"{tile.path} is missing, and the checkpoint covers it"))
        return []
    if len(content) != tile.width * HASH_BYTES:
        words = f"{tile.path} has {len(content):,} bytes, a tile of {tile.width} hashes has {tile.width * HASH_BYTES:,}"
        report.add(Fault("tile", _last(tile), "", words))
        return []
    return split(content)


def _check_level(folder: Path, level: int, size: int, report: Report) -> None:
    """Each hash of a level's tiles is the root of the tile below it."""
    for tile in _level(level, size):
        for at, expected in enumerate(_tile(folder, tile, report)):
            below = Tile(level - 1, tile.number * WIDTH + at)
            content = _read(folder / below.path)
            if content is None or len(content) != WIDTH * HASH_BYTES:
                continue  # named when its own level was looked at
            if root_of(content) != expected:
                words = f"{below.path} does not lead to what {tile.path} has for it: one of the two was changed"
                report.add(Fault("tile", _last(below), "", words))


def _check_entries(folder: Path, tile: Tile, hashes: Sequence[bytes], report: Report) -> None:
    content = _read(folder / tile.entries_path)
    first = tile.number * WIDTH + 1
    if content is None:
        report.add(Fault("entry", first, "", f"{tile.entries_path} is missing, and other entries are there"))
        return
    entries = list(_entries(content))
    for number, leaf in enumerate(hashes):
        if number >= len(entries) or entries[number] is None:
            report.add(Fault("entry", first + number, "", f"{tile.entries_path} ends before this entry"))
            return
        if leaf_hash(entries[number] or b"") != leaf:
            words = f"the entry in {tile.entries_path} does not hash to its leaf in {tile.path}"
            report.add(Fault("entry", first + number, "", words))
    if len(entries) > len(hashes):
        report.add(Fault("entry", first + len(hashes), "", f"{tile.entries_path} has more entries than {tile.path}"))


def _entries(content: bytes) -> Iterator[bytes | None]:
    """The entries of a bundle; None at the end for one that is cut off."""
    at = 0
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        yield content[at + 2 : end] if end <= len(content) else None
        at = end


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _last(tile: Tile) -> int:
    """The last position that a tile covers."""
    return int((tile.number * WIDTH + tile.width) << (HEIGHT * tile.level))
