"""Checkpoints from their topic back into a store that was restored: each only when the log leads to its root.

What follows from the log is made again with them: the full tiles. What witnesses and authorities have added to a
checkpoint is not on the topic, and they are asked again as sealing goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.clock import to_text
from ledger.errors import IntegrityFault
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from ledger.proof.edge import edge_at
from ledger.proof.notes import PublicKey, read_note
from ledger.proof.seal import Behind, Forked
from ledger.proof.tree import StoredTree
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow, TileRow

_BATCH = 4096
_TILES = 64


@dataclass(frozen=True)
class Sent:
    """A checkpoint as its topic has it: the signed note, what it says, and when it came there."""

    note: bytes
    checkpoint: Checkpoint
    at: datetime


def read_sent(notes: Sequence[tuple[bytes, datetime]], keys: Sequence[PublicKey]) -> list[Sent]:
    """What a topic of checkpoints has, by size; signatures are checked where keys are known.

    Raises ``IntegrityFault`` when something else is among them, or two histories are.
    """
    found: dict[int, Sent] = {}
    for note, at in notes:
        said = open_checkpoint(note, keys)[0] if keys else read_checkpoint(read_note(note).text)
        known = found.setdefault(said.size, Sent(note, said, at))
        if known.checkpoint != said:
            raise Forked(f"the topic has two checkpoints of {said.size:,} events, with different roots")
    return [found[size] for size in sorted(found)]


def restore_checkpoints(recorder: Recorder, sent: Sequence[Sent], progress: Callable[[int], None] | None = None) -> int:
    """Write the checkpoints that a restored store lacks, with the tiles below them; returns how many.

    Raises ``Forked`` or ``Behind`` for the first that the store's log does not lead to; those before it are kept.
    """
    sealed = Sealed(recorder)
    last, head = sealed.last(), recorder.sequence()
    due = {each.checkpoint.size: each for each in sent if last is None or each.checkpoint.size > last.size}
    try:
        edge = edge_at(StoredTree(recorder), last.size if last else 0)
    except (LookupError, ValueError) as fault:
        raise Behind(f"the store has lost events that were sealed; see: ledger verify ({fault})") from fault
    count, tiles = 0, list[TileRow]()
    for size, leaf in _leaves(sealed, edge.size, min(head, max(due, default=0))):
        tiles += [TileRow(**vars(tile)) for tile in edge.append(leaf)]
        if len(tiles) >= _TILES or size in due:
            sealed.add_tiles(tiles)
            tiles = []
        if size in due:
            last = _checked(due.pop(size), edge.root(), last)
            sealed.append(last, sealed.last())
            count += 1
        if progress is not None and size % _BATCH == 0:
            progress(_BATCH)
    for size in sorted(due):
        raise Behind(
            f"there is a checkpoint of {size:,} events, and the topic has {head:,}: the rest was recorded and sealed, "
            "and is not on it, because the store was lost before it was relayed"
        )
    return count


def _leaves(sealed: Sealed, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    """The leaves of the log with their positions."""
    while after < until:
        leaves = sealed.leaves(after, min(_BATCH, until - after))
        if not leaves:
            raise IntegrityFault(f"the log ends at position {after:,} while checkpoints are restored")
        yield from enumerate(leaves, start=after + 1)
        after += len(leaves)


def _checked(sent: Sent, root: bytes, last: SealedRow | None) -> SealedRow:
    said = sent.checkpoint
    if said.root != root:
        agrees = last.size if last else 0
        raise Forked(
            f"there is a signed checkpoint of {said.size:,} events with another root than the restored log has: it "
            f"agrees with what was sealed up to {agrees:,} events; something after that is not what was signed"
        )
    return SealedRow(said.size, said.root, sent.note, to_text(sent.at))
