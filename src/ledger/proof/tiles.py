"""The layout that clients of tiled logs read: tiles of 256 hashes, bundles of entries, and their paths.

As https://c2sp.org/tlog-tiles has it. A tile of level L holds the hashes of subtrees over 256**L leaves each; tile N of
a level holds the 256 of them from 256·N on. The last tile of a level is partial until it has all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ledger.errors import IntegrityFault
from ledger.proof.merkle import HASH_BYTES, folded

#: Hashes in a full tile, and the height of the subtree over them.
WIDTH = 256
HEIGHT = 8
FULL_BYTES = WIDTH * HASH_BYTES
#: An entry's length stands in two bytes.
MOST_ENTRY_BYTES = (1 << 16) - 1


@dataclass(frozen=True)
class Tile:
    """One tile: its level, its number within the level, and how many hashes it holds."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where clients look for it, below the log's address."""
        return f"tile/{self.level}/{_numbered(self.number, self.width)}"

    @property
    def entries_path(self) -> str:
        """Where the entries of a tile of level 0 stand."""
        return f"tile/entries/{_numbered(self.number, self.width)}"


def _numbered(number: int, width: int) -> str:
    digits = f"{number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return path if width == WIDTH else f"{path}.p/{width}"


def levels(size: int) -> int:
    """How many levels of tiles a tree of this size has."""
    return max(1, -(-size.bit_length() // HEIGHT)) if size else 0


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles of a tree of this size that one of ``since`` leaves did not have in this width; partial ones last."""
    for level in range(levels(size)):
        count, before = size >> (HEIGHT * level), since >> (HEIGHT * level)
        for number in range(before // WIDTH, count // WIDTH):
            yield Tile(level, number)
        if count % WIDTH and count != before:
            yield Tile(level, count // WIDTH, count % WIDTH)


def split(hashes: bytes) -> list[bytes]:
    """The hashes that a tile's bytes hold."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def root_of(hashes: bytes) -> bytes:
    """The hash of the subtree over a full tile."""
    return folded(split(hashes))


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries as a bundle: each after its length in two bytes, the greater first."""
    found = bytearray()
    for entry in entries:
        if len(entry) > MOST_ENTRY_BYTES:
            raise IntegrityFault(f"an entry of {len(entry):,} bytes is too long for an entry bundle")
        found += len(entry).to_bytes(2, "big") + entry
    return bytes(found)
