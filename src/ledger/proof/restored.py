"""Checkpoints from their topic back into a store that was restored: each only when the log leads to its root.

What follows from the log is made again with them: the full tiles. What witnesses and authorities have added to a
checkpoint comes back too, as far as it is on the topic and holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from ledger.clock import to_text
from ledger.errors import IntegrityFault
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from ledger.proof.cosignature import cosigned_at
from ledger.proof.edge import edge_at
from ledger.proof.notes import BadNote, Note, PublicKey, Signature, read_note
from ledger.proof.places import Sent, Stamp
from ledger.proof.seal import Behind, Forked
from ledger.proof.tree import StoredTree
from ledger.proof.trust import Witness
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow, TileRow

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

log = structlog.get_logger("ledger.proof")

_BATCH = 4096
_TILES = 64


@dataclass
class Held:
    """A checkpoint as its topic has it: what it says, the note as the log signed it, and what others have added."""

    checkpoint: Checkpoint
    note: bytes
    at: datetime
    cosignatures: dict[Signature, None] = field(default_factory=dict)
    stamps: dict[Stamp, None] = field(default_factory=dict)


def read_sent(sent: Sequence[Sent], keys: Sequence[PublicKey]) -> list[Held]:
    """What a topic of checkpoints has, by size; the log's signatures are checked where keys are known.

    One that is there again adds what others have signed since. Raises ``IntegrityFault`` when something else is among
    them, or two histories are.
    """
    found: dict[int, Held] = {}
    for each in sent:
        note = read_note(each.note)
        said = open_checkpoint(each.note, keys)[0] if keys else read_checkpoint(note.text)
        own = Note(note.text, tuple(one for one in note.signatures if one.name == said.origin))
        known = found.setdefault(said.size, Held(said, own.encoded, each.at))
        if known.checkpoint != said:
            raise Forked(f"the topic has two checkpoints of {said.size:,} events, with different roots")
        known.cosignatures.update(dict.fromkeys(one for one in note.signatures if one.name != said.origin))
        known.stamps.update(dict.fromkeys(each.stamps))
    return [found[size] for size in sorted(found)]


def restore_vouchers(
    recorder: Recorder, held: Sequence[Held], witnesses: Sequence[Witness], roots: Sequence[Certificate]
) -> int:
    """Write what others have added to the checkpoints that the store has; returns on how many checkpoints.

    A cosignature of a witness whose key is known, or a timestamp where roots are, is left out when it does not hold,
    with a warning: it is nothing that others signed. What nobody can check here is kept, for whoever can.
    """
    sealed, count = Sealed(recorder), 0
    for each in held:
        size = each.checkpoint.size
        row = sealed.checkpoint(size) if each.cosignatures or each.stamps else None
        if row is None or row.root != each.checkpoint.root:
            continue
        before = len(sealed.cosignatures(size)) + len(sealed.timestamps(size))
        for signature in each.cosignatures:
            if (name := _witness_of(signature, each.checkpoint, witnesses)) is not None:
                sealed.add_cosignature(size, name, signature.line, to_text(each.at))
        for stamp in each.stamps:
            if _holds(stamp, row.note, roots):
                sealed.add_timestamp(size, stamp.authority, stamp.token, stamp.received_at)
        count += len(sealed.cosignatures(size)) + len(sealed.timestamps(size)) > before
    return count


def _witness_of(signature: Signature, checkpoint: Checkpoint, witnesses: Sequence[Witness]) -> str | None:
    """How the witness is called that has cosigned; None when the signature is not what it says."""
    for witness in witnesses:
        if (witness.key.name, witness.key.key_id) == (signature.name, signature.key_id):
            try:
                cosigned_at(Note(checkpoint.text, (signature,)), witness.key)
            except BadNote as fault:
                log.warning("a cosignature does not hold and is left out", error=type(fault).__name__)
                return None
            return witness.name
    return signature.name


def _holds(stamp: Stamp, note: bytes, roots: Sequence[Certificate]) -> bool:
    if not roots:
        return True
    from ledger.proof.timestamp import BadTimestamp, stamped_at  # it takes a moment to import, and few have it

    try:
        stamped_at(stamp.token, note, list(roots))
    except BadTimestamp as fault:
        log.warning("a timestamp does not hold and is left out", error=type(fault).__name__)
        return False
    return True


def restore_checkpoints(recorder: Recorder, sent: Sequence[Held], progress: Callable[[int], None] | None = None) -> int:
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


def _checked(sent: Held, root: bytes, last: SealedRow | None) -> SealedRow:
    said = sent.checkpoint
    if said.root != root:
        agrees = last.size if last else 0
        raise Forked(
            f"there is a signed checkpoint of {said.size:,} events with another root than the restored log has: it "
            f"agrees with what was sealed up to {agrees:,} events; something after that is not what was signed"
        )
    return SealedRow(said.size, said.root, sent.note, to_text(sent.at))
