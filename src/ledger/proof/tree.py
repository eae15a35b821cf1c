"""The tree as the store holds it: full tiles from their table, the partial ones from what lies below them.

A proof reads a few tiles whatever the log's length: one or two for each level of tiles, of eight kilobytes each.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.proof.merkle import folded
from ledger.proof.tiles import HEIGHT, WIDTH, Tile, bundle, split
from ledger.store.checked import check_leaf
from ledger.store.envelope import entry_bytes
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed

#: Tiles kept in memory while one tree is looked at.
_KEPT = 64


class StoredTree:
    """The hashes of the log's tree, for as far as its full tiles are stored and its last leaves are in the log."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._sealed = Sealed(recorder)
        self._full: dict[tuple[int, int], list[bytes]] = {}
        #: How many tiles were read from the database.
        self.read = 0

    def subtree(self, height: int, index: int) -> bytes:
        level, above = divmod(height, HEIGHT)
        first = index << above
        number, at = divmod(first, WIDTH)
        hashes = self._hashes(level, number, at + (1 << above))
        if len(hashes) < at + (1 << above):
            raise LookupError(f"the tree has no subtree {index} of height {height}")
        return folded(hashes[at : at + (1 << above)])

    def tile(self, tile: Tile) -> bytes:
        """A tile's bytes, in its width."""
        hashes = self._hashes(tile.level, tile.number, tile.width)[: tile.width]
        if len(hashes) < tile.width:
            raise LookupError(f"the tree has no {tile.path}")
        return b"".join(hashes)

    def _hashes(self, level: int, number: int, wanted: int) -> list[bytes]:
        found = self._full.get((level, number))
        if found is not None and len(found) >= wanted:
            return found
        self.read += 1
        stored = self._sealed.tile(level, number)
        if stored is not None:
            found = split(stored.hashes)
        elif level == 0:
            found = self._sealed.leaves(number * WIDTH, WIDTH)
        else:
            found = self._sealed.tile_roots(level - 1, number * WIDTH, WIDTH)
        if len(self._full) >= _KEPT:
            self._full.clear()
        self._full[level, number] = found
        return found

    def entries(self, first: int, limit: int) -> Iterator[bytes]:
        """The canonical entries of the log, from a leaf on (counted from 0), made from what is stored now.

        Each is checked against its leaf: what goes out was recorded so. Raises ``IntegrityFault`` naming the event.
        """
        for row in self._recorder.read_log(first, limit):
            check_leaf(row)
            yield entry_bytes(row, row.position, row.recorded_at)

    def entry_bundle(self, tile: Tile) -> bytes:
        """The entries under a tile of level 0, as a bundle."""
        return bundle(self.entries(tile.number * WIDTH, tile.width))
