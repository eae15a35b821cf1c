"""The sealer: takes the log into the tree and signs checkpoints of it, each consistent with the last.

What it does, in this order, and where it may be killed at any moment:

1. ``begun``: it knows the last checkpoint and has found the tree's right edge under it; its root is the one signed.
2. ``tiles``: it has read the log on from there, recomputed every leaf, and stored the tiles that became full. Tiles
   follow from the log alone, so one that is there already from a sealer that died has to be the same.
3. ``proved``: it has read the tree back from the store, and a consistency proof from the last signed checkpoint to the
   new root has passed the check that an outsider would make; so has every checkpoint that is known outside the store.
4. ``signed``: the checkpoint is signed, and nobody has it.
5. ``remembered``: it stands beside the key. From here on the key signs nothing that is not consistent with it.
6. ``sealed``: it stands in the store, after the one that it was made upon and after no other.

What goes out (places, witnesses, Kafka) is read from the store afterwards, so nothing is published that is not sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ledger.clock import Clock, SystemClock, to_text
from ledger.errors import IntegrityFault
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proof.edge import Edge, edge_at
from ledger.proof.memory import Memory
from ledger.proof.merkle import check_consistency, prove_consistency, root_at
from ledger.proof.notes import PrivateKey
from ledger.proof.tree import StoredTree
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow, TileRow

#: Events read at once, and full tiles stored in one transaction.
_BATCH = 4096
_TILES = 64


class Forked(IntegrityFault):
    """The log is not the one that was signed: the same events have another root."""


class Behind(IntegrityFault):
    """The log has fewer events than were signed: its end is missing, or an old backup was restored."""


@dataclass(frozen=True)
class Seen:
    """A checkpoint of this log that somebody outside the store holds: where, and what it says."""

    where: str
    checkpoint: Checkpoint


def _nothing(_: str) -> None:
    return


class Sealer:
    """Seals one store with one key.

    ``seen`` gives the checkpoints that are known outside the store; it is asked before the first one is signed.
    ``reached`` is told each step above, for the tests that stop it there.
    """

    def __init__(
        self,
        recorder: Recorder,
        key: PrivateKey,
        memory: Memory,
        *,
        clock: Clock | None = None,
        seen: Callable[[], Iterable[Seen]] = tuple,
        reached: Callable[[str], None] = _nothing,
    ) -> None:
        self._recorder = recorder
        self._sealed = Sealed(recorder)
        self._key = key
        self._memory = memory
        self._clock = clock or SystemClock()
        self._seen = seen
        self._asked = False
        self._reached = reached
        self._last: SealedRow | None = None
        self._edge: Edge | None = None

    def seal(self, progress: Callable[[int], None] | None = None) -> SealedRow | None:
        """Seal what is in the log; gives the new checkpoint, None when nothing was recorded since the last.

        Raises ``Forked`` or ``Behind``, and signs nothing, when the log is not the one that was signed before.
        """
        head = self._recorder.sequence()
        last = self._sealed.last()
        edge = self._edge_under(last)
        self._reached("begun")
        if edge.size >= head and self._asked:
            return None
        try:
            self._take_in(edge, head, progress)
            self._reached("tiles")
            tree = StoredTree(self._recorder)
            self._prove(tree, last, edge)
            self._reached("proved")
            if edge.size == (last.size if last else 0):
                return None
            sealed = self._sign(edge, last)
        except BaseException:
            self._edge = None  # it has gone on, and what it stands for was not sealed
            raise
        self._last = sealed
        return sealed

    def last(self) -> SealedRow | None:
        """The last checkpoint in the store."""
        return self._sealed.last()

    def _edge_under(self, last: SealedRow | None) -> Edge:
        """The right edge under the last checkpoint, found anew unless this sealer made that checkpoint itself."""
        if self._edge is not None and last == self._last:
            return self._edge
        size = last.size if last else 0
        try:
            edge = edge_at(StoredTree(self._recorder), size)
        except (LookupError, ValueError) as fault:
            raise Behind(f"the log has lost events that were sealed: {size:,} were; see: ledger verify") from fault
        if last is not None and edge.root() != last.root:
            raise Forked(f"the first {size:,} events of the log are not those that were sealed; see: ledger verify")
        self._edge, self._last = edge, last
        return edge

    def _take_in(self, edge: Edge, head: int, progress: Callable[[int], None] | None) -> None:
        full: list[TileRow] = []
        while edge.size < head:
            rows = self._recorder.read_log(edge.size, min(_BATCH, head - edge.size))
            if not rows:
                raise Behind(f"the log ends at position {edge.size:,}, but its head was {head:,}; see: ledger verify")
            for row in rows:
                full += [TileRow(**vars(tile)) for tile in edge.append(_checked(row, edge.size + 1))]
            if len(full) >= _TILES:
                self._sealed.add_tiles(full)
                full = []
            if progress is not None:
                progress(len(rows))
        if full:
            self._sealed.add_tiles(full)

    def _prove(self, tree: StoredTree, last: SealedRow | None, edge: Edge) -> None:
        """Prove, on what is stored and not on what is in memory, that the new tree goes on from all that was signed."""
        root = edge.root()
        if root_at(tree, edge.size) != root:
            raise Forked("the tiles that are stored do not lead to the root of the log; see: ledger verify")
        known = [] if last is None else [Seen("the store", Checkpoint(self._key.name, last.size, last.root))]
        remembered = self._memory.recall(self._key.public)
        if remembered is not None:
            known.append(Seen(str(self._memory.path), remembered))
        if not self._asked:
            known += self._seen()
        for each in known:
            hold_against(tree, edge.size, root, each)
        self._asked = True

    def _sign(self, edge: Edge, last: SealedRow | None) -> SealedRow:
        checkpoint = Checkpoint(self._key.name, edge.size, edge.root())
        note = sign_checkpoint(checkpoint, self._key)
        open_checkpoint(note.encoded, [self._key.public])
        self._reached("signed")
        self._memory.keep(note)
        self._reached("remembered")
        sealed = SealedRow(checkpoint.size, checkpoint.root, note.encoded, to_text(self._clock.now()))
        self._sealed.append(sealed, last)
        self._reached("sealed")
        return sealed


def hold_against(tree: StoredTree, size: int, root: bytes, seen: Seen) -> None:
    """Check that a tree goes on from a checkpoint that was signed before; raises ``Forked`` or ``Behind``."""
    old = seen.checkpoint
    if old.size > size:
        raise Behind(
            f"{seen.where} has a checkpoint of {old.size:,} events, and the log has {size:,}: "
            "its end is missing, or an old backup was restored"
        )
    try:
        check_consistency(old.size, old.root, size, root, prove_consistency(tree, old.size, size))
    except IntegrityFault as fault:
        raise Forked(
            f"{seen.where} has a checkpoint of {old.size:,} events that this log does not begin with: it was forked"
        ) from fault


def _checked(row: StoredRow, position: int) -> bytes:
    """The leaf of the event that comes next, recomputed from what is stored."""
    if row.position != position:
        raise IntegrityFault(f"position {position} is missing from the log; see: ledger verify")
    leaf = leaf_of(row, row.position, row.recorded_at)
    if leaf != row.leaf:
        raise IntegrityFault(f"position {position} {row.event_id} does not hash to its leaf; see: ledger verify")
    return leaf
