"""Checkpoints: the log's size and root at one moment, as a signed note (https://c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.proof.merkle import HASH_BYTES
from ledger.proof.notes import BadNote, Note, PrivateKey, PublicKey, check_note, read_note, sign_note


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says: of which log (its origin), how many events it had, and the root over them."""

    origin: str
    size: int
    root: bytes
    #: Further lines, which nobody can audit; ours have none.
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def read_checkpoint(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint; raises ``BadNote``."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not text.endswith("\n") or not all(lines):
        raise BadNote("it is not a checkpoint: origin, size and root each stand on a line")
    origin, size, root, *extensions = lines
    if not (size.isascii() and size.isdigit()) or size != str(int(size)) or int(size) >= 1 << 63:
        raise BadNote("it is not a checkpoint: the second line is no size")
    return Checkpoint(origin, int(size), read_hash(root), tuple(extensions))


def read_hash(text: str) -> bytes:
    """A hash in base64; raises ``BadNote``."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise BadNote("a hash is not in base64") from fault
    if len(found) != HASH_BYTES or base64.b64encode(found).decode() != text:
        raise BadNote(f"a hash has not {HASH_BYTES} bytes")
    return found


def sign_checkpoint(checkpoint: Checkpoint, key: PrivateKey) -> Note:
    """The checkpoint signed by the log. The key's name is the log's origin."""
    if key.name != checkpoint.origin:
        raise ValueError("the key's name is the origin of the log")
    return sign_note(checkpoint.text, key)


def open_checkpoint(encoded: bytes, keys: Sequence[PublicKey]) -> tuple[Checkpoint, Note]:
    """Read a signed checkpoint, and check that one of these keys has signed it and is its log's; raises ``BadNote``."""
    note = read_note(encoded)
    checkpoint = read_checkpoint(note.text)
    check_note(note, [key for key in keys if key.name == checkpoint.origin])
    return checkpoint, note
