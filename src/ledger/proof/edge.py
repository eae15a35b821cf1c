"""The right edge of a growing tree: what has to be known of it to add leaves, give its root, and fill its tiles.

For each level it is the last, partial tile. So it takes a few kilobytes however long the log is, and the whole tiles
that come out of it are all that is ever kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.proof.merkle import HASH_BYTES, Hashes, folded, joined
from ledger.proof.tiles import FULL_BYTES, HEIGHT, WIDTH, levels, root_of, split


@dataclass(frozen=True)
class FullTile:
    """A tile that became full: where it stands, its 256 hashes, and the hash over them, which goes up a level."""

    level: int
    number: int
    hashes: bytes
    root: bytes


class Edge:
    """The right edge of a tree of ``size`` leaves; ``partials`` are the bytes of the partial tile of each level."""

    def __init__(self, size: int = 0, partials: list[bytes] | None = None) -> None:
        self.size = size
        self._partials = [bytearray(partial) for partial in partials or []]
        for level, partial in enumerate(self._partials):
            if len(partial) != (size >> (HEIGHT * level)) % WIDTH * HASH_BYTES:
                raise ValueError(f"a tree of {size} has another number of hashes at level {level}")

    def append(self, leaf: bytes) -> list[FullTile]:
        """Add a leaf; gives the tiles that became full by it, from the lowest level up."""
        self.size += 1
        filled: list[FullTile] = []
        level, added = 0, leaf
        while True:
            if level == len(self._partials):
                self._partials.append(bytearray())
            partial = self._partials[level]
            partial += added
            if len(partial) < FULL_BYTES:
                return filled
            hashes = bytes(partial)
            partial.clear()
            added = root_of(hashes)
            number = (self.size >> (HEIGHT * (level + 1))) - 1
            filled.append(FullTile(level, number, hashes, added))
            level += 1

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        peaks: list[bytes] = []
        for partial in reversed(self._partials):
            hashes = split(bytes(partial))
            at = 0
            while at < len(hashes):
                width = 1 << ((len(hashes) - at).bit_length() - 1)
                peaks.append(folded(hashes[at : at + width]))
                at += width
        return joined(peaks)


def edge_at(hashes: Hashes, size: int) -> Edge:
    """The right edge of the tree over the first ``size`` leaves."""
    partials = []
    for level in range(levels(size)):
        count = size >> (HEIGHT * level)
        first = count // WIDTH * WIDTH
        partials.append(b"".join(hashes.subtree(HEIGHT * level, index) for index in range(first, count)))
    return Edge(size, partials)
