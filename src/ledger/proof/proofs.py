"""Proofs as text that stands for itself: that an event is in the log, and that one checkpoint goes on from another.

An inclusion proof has the form of https://c2sp.org/tlog-proof, with the event's entry as its extra data where it is
shown. A consistency proof has the form in which witnesses are asked (https://c2sp.org/tlog-witness): the old size, the
hashes, and the later checkpoint. Both are checked without the store: see ``check_inclusion_proof`` and
``check_consistency_proof``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import BadInput, NotFound
from ledger.proof.checkpoint import Checkpoint, open_checkpoint, read_checkpoint, read_hash
from ledger.proof.merkle import (
    BadProof,
    Hashes,
    check_consistency,
    check_inclusion,
    prove_consistency,
    prove_inclusion,
)
from ledger.proof.notes import BadNote, Note, PublicKey, read_note
from ledger.store.envelope import leaf_hash

_INCLUSION = "c2sp.org/tlog-proof@v1"
#: A proof in a tree of 2**63 leaves has no more hashes.
MOST_HASHES = 63


@dataclass(frozen=True)
class Inclusion:
    """An event's place in a signed tree. ``index`` counts from 0: the log's position less one."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    entry: bytes | None = None

    @property
    def text(self) -> str:
        extra = [f"extra {_b64(self.entry)}"] if self.entry is not None else []
        lines = [_INCLUSION, *extra, f"index {self.index}", *map(_b64, self.path)]
        return "".join(f"{line}\n" for line in lines) + "\n" + self.checkpoint.decode()


@dataclass(frozen=True)
class Consistency:
    """That a later signed tree begins with the tree of ``old`` leaves."""

    old: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    @property
    def text(self) -> str:
        lines = [f"old {self.old}", *map(_b64, self.path)]
        return "".join(f"{line}\n" for line in lines) + "\n" + self.checkpoint.decode()


def inclusion_of(hashes: Hashes, position: int, checkpoint: bytes, entry: bytes | None = None) -> Inclusion:
    """Prove that the event at a position is under a checkpoint; raises ``NotFound`` when it is not covered yet."""
    size = read_checkpoint(read_note(checkpoint).text).size
    if not 1 <= position <= size:
        raise NotFound("position", f"{position} in the checkpoint of {size:,} events")
    return Inclusion(position - 1, tuple(prove_inclusion(hashes, position - 1, size)), checkpoint, entry)


def consistency_of(hashes: Hashes, old: int, checkpoint: bytes) -> Consistency:
    """Prove that a checkpoint goes on from the tree of ``old`` leaves."""
    size = read_checkpoint(read_note(checkpoint).text).size
    if not 0 <= old <= size:
        raise BadInput(f"the checkpoint of {size:,} events cannot go on from {old:,}: name the older one first")
    return Consistency(old, tuple(prove_consistency(hashes, old, size)), checkpoint)


def read_inclusion(text: str) -> Inclusion:
    """Read an inclusion proof; raises ``BadProof`` when it is malformed."""
    lines, checkpoint = _divided(text)
    if lines[0] != _INCLUSION:
        raise BadProof(f"it is not an inclusion proof: its first line is not {_INCLUSION}")
    lines, entry = lines[1:], None
    if lines and lines[0].startswith("extra "):
        entry = _from_b64(lines[0].removeprefix("extra "))
        lines = lines[1:]
    if not lines or not lines[0].startswith("index "):
        raise BadProof("the inclusion proof has no line “index N”")
    return Inclusion(_number(lines[0].removeprefix("index ")), _path(lines[1:]), checkpoint, entry)


def read_consistency(text: str) -> Consistency:
    """Read a consistency proof; raises ``BadProof`` when it is malformed."""
    lines, checkpoint = _divided(text)
    if not lines[0].startswith("old "):
        raise BadProof("it is not a consistency proof: its first line is not “old N”")
    return Consistency(_number(lines[0].removeprefix("old ")), _path(lines[1:]), checkpoint)


def check_inclusion_proof(proof: Inclusion, leaf: bytes | None, keys: Sequence[PublicKey]) -> tuple[Checkpoint, Note]:
    """Check that an event is under a checkpoint that the log has signed; gives the checkpoint.

    The leaf is the one given; where none is, that of the entry in the proof. Raises ``BadProof`` or ``BadNote``.
    """
    checkpoint, note = open_checkpoint(proof.checkpoint, keys)
    if leaf is None:
        if proof.entry is None:
            raise BadInput("--entry: the proof has no entry in it; give the event's entry, or its leaf hash")
        leaf = leaf_hash(proof.entry)
    check_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint, note


def check_consistency_proof(
    proof: Consistency, old: bytes, keys: Sequence[PublicKey]
) -> tuple[Checkpoint, Checkpoint, Note]:
    """Check that a checkpoint goes on from an older one that the same log has signed; gives both."""
    before, _ = open_checkpoint(old, keys)
    after, note = open_checkpoint(proof.checkpoint, keys)
    if before.origin != after.origin:
        raise BadNote(f"the checkpoints are of two logs: {before.origin} and {after.origin}")
    if before.size != proof.old:
        raise BadProof(f"the proof begins at {proof.old:,} events, the older checkpoint has {before.size:,}")
    check_consistency(before.size, before.root, after.size, after.root, proof.path)
    return before, after, note


def _divided(text: str) -> tuple[list[str], bytes]:
    head, found, checkpoint = text.partition("\n\n")
    if not found:
        raise BadProof("the proof has no checkpoint: an empty line comes before it")
    return head.split("\n"), checkpoint.encode()


def _path(lines: Sequence[str]) -> tuple[bytes, ...]:
    if len(lines) > MOST_HASHES:
        raise BadProof(f"the proof has more than {MOST_HASHES} hashes")
    return tuple(read_hash(line) for line in lines)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or text != str(int(text)):
        raise BadProof(f"{text[:20]!r} is no number of leaves")
    return int(text)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _from_b64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise BadProof("the extra data of the proof is not in base64") from fault
