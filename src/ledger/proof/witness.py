"""The witness: another party that keeps the last checkpoint it saw of each log, and cosigns only what goes on from it.

It trusts nobody who runs the log: it holds the log's verifier key, a key of its own, and one small file. Two histories
can therefore never both get its cosignature. Rules and status codes are those of https://c2sp.org/tlog-witness.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec
import structlog

from ledger.clock import Clock, SystemClock, to_text
from ledger.errors import BadInput, IntegrityFault, LedgerError
from ledger.proof.checkpoint import Checkpoint, read_checkpoint, read_hash
from ledger.proof.cosignature import cosign
from ledger.proof.keys import write_whole
from ledger.proof.merkle import EMPTY_ROOT, BadProof, check_consistency
from ledger.proof.notes import BadNote, Note, PrivateKey, PublicKey, check_note, read_note
from ledger.proof.proofs import MOST_HASHES

log = structlog.get_logger("ledger.proof")

#: How many signed proofs of a fork are kept: one is enough, and nobody shall fill the disk with them.
_MOST_FORKS = 100


@dataclass(frozen=True)
class Reply:
    """What the witness answers: an HTTP status, the content's type, the content."""

    status: int
    body: str
    content_type: str = "text/plain"


class Refusal(Exception):
    """A request that is not granted, with the status that says why."""

    def __init__(self, status: int, words: str, content_type: str = "text/plain") -> None:
        super().__init__(words)
        self.reply = Reply(status, words if words.endswith("\n") else f"{words}\n", content_type)


class Memory:
    """The witness's file: for each log's origin the last checkpoint, as it was cosigned. One process holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: IO[str] | None = None
        self._notes: dict[str, str] = {}

    def open(self) -> None:
        """Take the file for this process, and read it; a broken one is refused, never begun anew."""
        try:
            self._held = self.path.with_name(self.path.name + ".lock").open("w")
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            self.close()
            raise LedgerError(f"--state: another witness works with {self.path}; one is enough") from fault
        except OSError as fault:
            raise BadInput(f"--state: cannot write {self.path}: {fault.strerror}") from fault
        try:
            self._notes = msgspec.json.decode(self.path.read_bytes(), type=dict[str, str])
            for origin in self._notes:
                self.last(origin)
        except FileNotFoundError:
            self._notes = {}
        except (OSError, msgspec.MsgspecError, BadNote) as fault:
            self.close()
            raise BadInput(
                f"--state: {self.path} cannot be read ({type(fault).__name__}). It is what this witness remembers; "
                "without it a fork would pass, so put it back, or begin as a new witness with a new key"
            ) from fault

    def close(self) -> None:
        """Give the file back."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def last(self, origin: str) -> tuple[Checkpoint, Note] | None:
        """The last checkpoint of a log, None when none was seen."""
        found = self._notes.get(origin)
        if found is None:
            return None
        note = read_note(found.encode())
        return read_checkpoint(note.text), note

    def keep(self, origin: str, note: Note) -> None:
        """Remember a checkpoint as the last one; it is on the disk when this returns."""
        kept = {**self._notes, origin: note.encoded.decode()}
        write_whole(self.path, json.dumps(kept, indent=1, ensure_ascii=False).encode(), 0o600)
        self._notes = kept

    def keep_fork(self, origin: str, seen_at: str, held: Note, offered: Note, *, certain: bool) -> None:
        """Keep two checkpoints that one log has signed.

        Certainly a fork when they give one size two roots; otherwise the log had no proof that one goes on from the
        other, which whoever has both can ask it for again.
        """
        path = self.path.with_name(self.path.name + ".forks")
        line = {"certain": certain, "held": held.encoded.decode(), "offered": offered.encoded.decode()}
        there = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        known = [found for found in map(json.loads, there) if found["certain"] == certain]
        if len(known) >= _MOST_FORKS or any(line.items() <= each.items() for each in known):
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"origin": origin, "seen_at": seen_at, **line}, ensure_ascii=False) + "\n")


class Witness:
    """Answers for some logs, each known by its verifier keys (the key's name is the log's origin)."""

    def __init__(
        self, key: PrivateKey, logs: Sequence[PublicKey], memory: Memory, *, clock: Clock | None = None
    ) -> None:
        self._key = key
        self._logs: dict[str, list[PublicKey]] = {}
        for each in logs:
            self._logs.setdefault(each.name, []).append(each)
        self._memory = memory
        self._clock = clock or SystemClock()
        self._one_at_a_time = threading.Lock()

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer a request to cosign: what the size was, a proof from there, and the new checkpoint."""
        try:
            old, path, note, checkpoint = _request(body)
            keys = self._logs.get(checkpoint.origin)
            if keys is None:
                raise Refusal(404, "this witness does not know that log")
            try:
                check_note(note, keys)
            except BadNote as fault:
                raise Refusal(403, str(fault)) from fault
            if old > checkpoint.size:
                raise Refusal(400, f"the old size {old} is above the checkpoint's {checkpoint.size}")
            # Checking and remembering are one step, or a slower request could take the log back.
            with self._one_at_a_time:
                return self._consider(old, path, note, checkpoint)
        except Refusal as refused:
            return refused.reply

    def _consider(self, old: int, path: Sequence[bytes], note: Note, checkpoint: Checkpoint) -> Reply:
        held = self._memory.last(checkpoint.origin)
        size, root = (held[0].size, held[0].root) if held is not None else (0, EMPTY_ROOT)
        if old != size:
            raise Refusal(409, f"{size}\n", "text/x.tlog.size")
        if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
            raise Refusal(422, "a log without entries has another root")
        try:
            check_consistency(size, root, checkpoint.size, checkpoint.root, path)
        except BadProof as fault:
            if held is not None and checkpoint.size > 0:
                self._cry_fork(checkpoint, held[1], note, certain=checkpoint.size == size and checkpoint.root != root)
            raise Refusal(422, str(fault)) from fault
        signature = cosign(note.text, self._key, int(self._clock.now().timestamp()))
        signed_by_log = [s for key in self._logs[checkpoint.origin] for s in note.by(key)]
        self._memory.keep(checkpoint.origin, Note(note.text, (*signed_by_log, signature)))
        return Reply(200, signature.line)

    def _cry_fork(self, checkpoint: Checkpoint, held: Note, offered: Note, *, certain: bool) -> None:
        self._memory.keep_fork(checkpoint.origin, to_text(self._clock.now()), held, offered, certain=certain)
        words = "a log has two histories: it was forked" if certain else "a log does not prove that it goes on"
        log.error(words, count=checkpoint.size)

    def checkpoint(self, origin_hash: str) -> Reply:
        """The last checkpoint that was cosigned of a log, which is named by the SHA-256 of its origin in hex."""
        for origin in self._logs:
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                held = self._memory.last(origin)
                if held is not None:
                    return Reply(200, held[1].encoded.decode(), "text/plain; charset=utf-8")
        return Reply(404, "no checkpoint of such a log was seen\n")


def _request(body: bytes) -> tuple[int, list[bytes], Note, Checkpoint]:
    """A request taken apart; whatever is malformed is refused with 400."""
    head, found, encoded = body.partition(b"\n\n")
    lines = head.decode("utf-8", errors="replace").split("\n")
    number = lines[0].removeprefix("old ")
    if not found or number == lines[0] or not (number.isascii() and number.isdigit()):
        raise Refusal(400, "the request is malformed: old SIZE, hashes, an empty line, a checkpoint")
    if len(number) > 19 or number != str(int(number)) or len(lines) - 1 > MOST_HASHES:
        raise Refusal(400, "the request is malformed: its size or its proof is too long")
    try:
        note = read_note(encoded)
        return int(number), [read_hash(line) for line in lines[1:]], note, read_checkpoint(note.text)
    except IntegrityFault as fault:
        raise Refusal(400, str(fault)) from fault


def request_text(old: int, path: Sequence[bytes], note: Note) -> bytes:
    """A request to cosign, as it is sent."""
    lines = [f"old {old}", *(base64.b64encode(each).decode() for each in path)]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + note.encoded
