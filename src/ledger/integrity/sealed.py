"""Holding the log against what was sealed of it: tiles and checkpoints in the store, and checkpoints that others have.

Walked beside the log, event by event. Two questions are kept apart. Is each event the one whose leaf was sealed? That
names the very events that were rewritten. And do the sealed leaves lead to the roots that were signed? Where they do
not, somebody rewrote the tiles as well, and the checkpoints tell between which two sizes it happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.errors import IntegrityFault
from ledger.integrity.report import Fault, Report
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from ledger.proof.edge import Edge, FullTile, edge_at
from ledger.proof.merkle import HASH_BYTES, root_at
from ledger.proof.notes import PublicKey, read_note
from ledger.proof.tiles import WIDTH, root_of, split
from ledger.proof.tree import StoredTree
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow, TileRow

_BATCH = 64


@dataclass
class Seals:
    """What was found of the sealing. ``agrees`` is the size of the last checkpoint that the log agrees with."""

    checkpoints: int = 0
    agrees: int = 0
    #: The origins of the keys that the signatures were checked with; none when no key was given.
    signed_by: tuple[str, ...] = ()
    #: With whom the log was compared, and up to which size it agrees with each.
    others: dict[str, int] = field(default_factory=dict)
    #: The size of the last checkpoint that enough witnesses have cosigned, and who they are; None when not asked for.
    witnessed: int | None = None
    witnesses: tuple[str, ...] = ()
    #: The last time that an authority has given for a checkpoint, and for which size.
    stamped: str | None = None
    stamped_size: int = 0


class SealedWalk:
    """Told each event of the log in turn. ``others`` are checkpoints from outside the store, by who has them."""

    def __init__(
        self,
        recorder: Recorder,
        keys: Sequence[PublicKey],
        others: Mapping[str, Sequence[Checkpoint]],
        since: Checkpoint | None = None,
    ) -> None:
        self.seals = Seals(signed_by=tuple(dict.fromkeys(key.name for key in keys)))
        #: The checkpoint that the walk begins behind: what it covers is vouched for by its root alone.
        self.since = since
        self._sealed = Sealed(recorder)
        self._keys = keys
        self._tree = StoredTree(recorder)
        self._edge = Edge()
        self._tile: tuple[int, bytes | None] = (-1, None)
        self._tiles: dict[int, Iterator[TileRow]] = {}
        self._ahead: dict[int, TileRow | None] = {}
        # What is sealed while the log is read is not looked at: the log may have been read to its end before.
        last = self._sealed.last()
        self._until, self._last_tile = last.size if last is not None else 0, self._sealed.last_tile(0)
        self._checkpoints = self._every_checkpoint()
        self._next = next(self._checkpoints, None)
        self._asked: dict[int, list[tuple[str, bytes]]] = {}
        #: After the first root that differs no later one can agree, so no later one says anything.
        self._lost = False
        for where, held in others.items():
            self.seals.others[where] = 0
            for each in held:
                self._asked.setdefault(each.size, []).append((where, each.root))

    def begin(self, report: Report) -> None:
        """Behind a checkpoint: see that the stored tree led to it, and to those before it that others have."""
        if self.since is None:
            return
        size = self.since.size
        try:
            self._edge = edge_at(self._tree, size)
        except LookupError:
            self._edge = Edge()
        if (self._edge.size, self._edge.root()) != (size, self.since.root):
            words = (
                f"what is stored of the first {size:,} events does not lead to the root of the checkpoint to begin "
                "behind: verify from the beginning to see which events differ"
            )
            report.add(Fault("root", size, "", words))
            self._lost = True
            return
        self.seals.agrees = size
        for earlier in sorted(each for each in self._asked if each <= size):
            self._compare(earlier, root_at(self._tree, earlier), report)

    def check(self, row: StoredRow, leaf: bytes, report: Report) -> None:
        """One event of the log, with its leaf as it was recomputed."""
        index = row.position - 1
        while self._edge.size < index and not self._lost:
            missing = self._sealed_leaf(self._edge.size)
            if missing is None:
                self._lost = True  # the gap is named by the walk over the log, and nothing can be put in its place
            else:
                self._grow(missing, report)
        sealed = self._sealed_leaf(index)
        if sealed not in (None, leaf) and not self._tile_fits(index // WIDTH):
            # The tile is what was changed, not the event: it is named when it is full. So far it held the log's leaves.
            self._tile, sealed = (index // WIDTH, None), None
        if sealed is not None and leaf != sealed and leaf == row.leaf:
            words = f"this {row.topic} is not the event that was sealed here: it was rewritten, and its leaf with it"
            report.add(Fault("rewritten", row.position, row.event_id, words))
        if self._edge.size == index and not self._lost:
            self._grow(leaf if sealed is None else sealed, report)

    def _sealed_leaf(self, index: int) -> bytes | None:
        """The leaf that the full tile there holds; None when there is no full tile."""
        number, at = divmod(index, WIDTH)
        if self._tile[0] != number:
            tile = self._stored(0, number)
            self._tile = (number, tile.hashes if tile is not None else None)
        hashes = self._tile[1]
        return None if hashes is None else hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]

    def _tile_fits(self, number: int) -> bool:
        """Whether a tile of leaves agrees with the hash over it, and with the tile above."""
        tile, above = self._stored(0, number), self._sealed.tile(1, number // WIDTH)
        if tile is None or root_of(tile.hashes) != tile.root:
            return False
        return above is None or split(above.hashes)[number % WIDTH] == tile.root

    def _stored(self, level: int, number: int) -> TileRow | None:
        """A stored tile; those of a level are asked for in turn."""
        if level not in self._tiles:
            self._tiles[level] = self._every_tile(level)
            self._ahead[level] = next(self._tiles[level], None)
        while (tile := self._ahead[level]) is not None and tile.number < number:
            self._ahead[level] = next(self._tiles[level], None)
        return tile if tile is not None and tile.number == number else None

    def _every_tile(self, level: int) -> Iterator[TileRow]:
        number = 0
        while tiles := self._sealed.tiles(level, number, _BATCH):
            yield from tiles
            number = tiles[-1].number + 1

    def _every_checkpoint(self) -> Iterator[SealedRow]:
        size = 0 if self.since is None else self.since.size
        while rows := self._sealed.checkpoints(size):
            yield from (row for row in rows if row.size <= self._until)
            size = rows[-1].size

    def _grow(self, leaf: bytes, report: Report) -> None:
        for tile in self._edge.append(leaf):
            self._check_tile(tile, report)
        size = self._edge.size
        while self._next is not None and self._next.size == size:
            self._check_checkpoint(self._next, report)
            self._next = next(self._checkpoints, None)
        if size in self._asked:
            self._compare(size, self._edge.root(), report)

    def _compare(self, size: int, ours: bytes, report: Report) -> None:
        """Hold the checkpoints of a size that others have against the log's own root there."""
        for where, root in self._asked.pop(size, ()):
            if root == ours:
                self.seals.others[where] = size
            else:
                words = (
                    f"{where} has a signed checkpoint of {size:,} events with another root: "
                    "this log is not the one that was signed; it was forked"
                )
                report.add(Fault("forked", size, "", words))

    def _check_tile(self, made: FullTile, report: Report) -> None:
        stored = self._stored(made.level, made.number)
        last = (made.number + 1) * WIDTH ** (made.level + 1)
        if stored is None:
            if self._next is not None and last <= self._next.size:
                words = f"the tile {made.number} of level {made.level} is missing, and a checkpoint covers it"
                report.add(Fault("tile", last, "", words))
        elif stored != TileRow(made.level, made.number, made.hashes, made.root):
            words = f"the stored tile {made.number} of level {made.level} is not that of the leaves below it"
            report.add(Fault("tile", last, "", words))

    def _check_checkpoint(self, row: SealedRow, report: Report) -> None:
        self.seals.checkpoints += 1
        if (fault := self._fault_in(row)) is not None:
            report.add(Fault("checkpoint", row.size, "", f"the checkpoint of {row.size:,} events: {fault}"))
        elif row.root == self._edge.root():
            self.seals.agrees = row.size
        else:
            words = (
                f"the log does not lead to the root that was signed for {row.size:,} events: something at positions "
                f"{self.seals.agrees + 1:,} to {row.size:,} was changed, removed or inserted"
            )
            report.add(Fault("root", row.size, "", words))
            self._lost = True

    def _fault_in(self, row: SealedRow) -> str | None:
        """What is wrong with a stored checkpoint by itself."""
        try:
            said = open_checkpoint(row.note, self._keys)[0] if self._keys else read_checkpoint(read_note(row.note).text)
        except IntegrityFault as fault:
            return str(fault)
        if (said.size, said.root) != (row.size, row.root):
            return f"its note says {said.size:,} events and another root than the row it stands in"
        return None

    def finish(self, report: Report) -> None:
        """What was sealed beyond the log's end: it is gone from there."""
        head = report.head
        beyond = self._next.size if self._next is not None else 0
        while self._next is not None:
            beyond = self._next.size
            self._next = next(self._checkpoints, None)
        last_tile = (self._last_tile + 1) * WIDTH
        if not self._lost and max(beyond, last_tile) > head:
            what = (
                f"a checkpoint of {beyond:,} events is signed" if beyond > head else f"{last_tile:,} events were sealed"
            )
            words = f"the log ends at position {head:,}, and {what}: its tail was cut off"
            report.add(Fault("truncated", head, "", words))
        for size in sorted(size for size in self._asked if size > head):
            for where, _ in self._asked[size]:
                words = (
                    f"{where} has a signed checkpoint of {size:,} events, the log has {head:,}: "
                    "an old backup was restored, or its tail was cut off with everything that told of it"
                )
                report.add(Fault("rolled_back", head, "", words))
