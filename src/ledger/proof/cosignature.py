"""What a witness signs: that a checkpoint is the largest consistent one it saw, and when.

As https://c2sp.org/tlog-cosignature has it, with Ed25519.
"""

from __future__ import annotations

from ledger.proof.notes import COSIGNATURE, BadNote, Note, PrivateKey, PublicKey, Signature

_TIME_BYTES = 8


def cosign(text: str, key: PrivateKey, moment: int) -> Signature:
    """A witness's signature on a checkpoint's text; ``moment`` counts seconds since 1970."""
    if key.kind != COSIGNATURE:
        raise ValueError("a witness signs with a witness's key")
    return Signature(
        key.name, key.public.key_id, moment.to_bytes(_TIME_BYTES, "big") + key.sign(_message(text, moment))
    )


def cosigned_at(note: Note, key: PublicKey) -> int | None:
    """When a witness has cosigned a note, in seconds since 1970; None when it has not.

    Raises ``BadNote`` when a cosignature in its name does not fit.
    """
    moments = []
    for signature in note.by(key):
        moment = int.from_bytes(signature.raw[:_TIME_BYTES], "big")
        if len(signature.raw) != _TIME_BYTES + 64 or moment >= 1 << 63:
            raise BadNote(f"the cosignature of {key.name} is malformed")
        if not key.fits(_message(note.text, moment), signature.raw[_TIME_BYTES:]):
            raise BadNote(f"the cosignature of {key.name} does not fit the checkpoint: one of them was changed")
        moments.append(moment)
    return max(moments, default=None)


def _message(text: str, moment: int) -> bytes:
    return f"cosignature/v1\ntime {moment}\n{text}".encode()
