"""Asking witnesses: each is given the proof from where it stands, and what it signs is checked before it is kept."""

from __future__ import annotations

import hashlib

from ledger.errors import IntegrityFault
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.cosignature import cosigned_at
from ledger.proof.merkle import Hashes, prove_consistency
from ledger.proof.notes import Note, PublicKey, Signature, read_signatures
from ledger.proof.trust import Witness
from ledger.proof.web import Answer, Unreachable, ask
from ledger.proof.witness import request_text


class RefusedByWitness(IntegrityFault):
    """A witness says that this log does not go on from what it saw."""


def ask_to_cosign(witness: Witness, since: int, checkpoint: Checkpoint, note: Note, hashes: Hashes) -> Signature:
    """A witness's cosignature on a checkpoint. ``since`` is where it is thought to stand; it is corrected if wrong.

    Raises ``RefusedByWitness`` when it saw another history, ``Unreachable`` when it does not answer as it should.
    """
    answer = _offer(witness, since, checkpoint, note, hashes)
    if answer.status == 409:
        stands = answer.body.removesuffix(b"\n").decode("ascii", errors="replace")
        if answer.content_type != "text/x.tlog.size" or not stands.isdigit() or len(stands) > 19:
            raise Unreachable(f"the witness {witness.name} does not say where it stands")
        if int(stands) > checkpoint.size:
            raise RefusedByWitness(
                f"the witness {witness.name} has cosigned {int(stands):,} events of this log, which has "
                f"{checkpoint.size:,}: its end is missing, or an old backup was restored"
            )
        answer = _offer(witness, int(stands), checkpoint, note, hashes)
    if answer.status == 422:
        raise RefusedByWitness(f"the witness {witness.name} saw another history of this log: it was forked")
    if answer.status != 200:
        raise Unreachable(f"the witness {witness.name} answers with status {answer.status}")
    for signature in read_signatures(answer.body.decode("utf-8", errors="replace")):
        if cosigned_at(Note(note.text, (signature,)), witness.key) is not None:
            return signature
    raise Unreachable(f"the witness {witness.name} has signed with another key than the one that is trusted")


def _offer(witness: Witness, old: int, checkpoint: Checkpoint, note: Note, hashes: Hashes) -> Answer:
    path = prove_consistency(hashes, old, checkpoint.size) if old <= checkpoint.size else []
    return ask(f"{witness.url}/add-checkpoint", request_text(old, path, note))


def last_seen(witness: Witness, origin: str, keys: list[PublicKey]) -> tuple[Checkpoint, Note] | None:
    """The last checkpoint of a log that a witness cosigned; None when it has seen none.

    Raises ``Unreachable`` when it does not answer, ``BadNote`` when what it shows is not signed by log and witness.
    """
    answer = ask(f"{witness.url}/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise Unreachable(f"the witness {witness.name} answers with status {answer.status}")
    checkpoint, note = open_checkpoint(answer.body, keys)
    if checkpoint.origin != origin or cosigned_at(note, witness.key) is None:
        raise Unreachable(f"the witness {witness.name} shows a checkpoint that it has not cosigned, or of another log")
    return checkpoint, note
