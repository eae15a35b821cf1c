"""What a key has signed last, kept beside the key and apart from the store.

A store can be put back to an old backup; its sealer would then sign another history with the same key, and nobody could
tell which is the true one. So the sealer writes down each checkpoint beside its key before anybody sees it, and signs
nothing that does not grow from there. The file holds the checkpoint as it is, so any client of such logs can read it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import LedgerError
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.keys import write_whole
from ledger.proof.notes import BadNote, Note, PublicKey


class Memory:
    """The last checkpoint that a key has signed, in the file ``KEY.last``."""

    def __init__(self, key_file: Path) -> None:
        self.path = key_file.with_name(key_file.name + ".last")
        self._lock = key_file.with_name(key_file.name + ".lock")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the key, so that no second sealer on this machine signs with it; refused when another holds it."""
        try:
            lock = self._lock.open("w")
        except OSError as fault:
            raise LedgerError(f"cannot write {self._lock}: {fault.strerror}") from fault
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                raise LedgerError(f"another sealer is at work with this key ({self._lock}); one is enough") from fault
            yield

    def recall(self, key: PublicKey) -> Checkpoint | None:
        """The last checkpoint that was signed with this key; None when there is none. A changed file is refused."""
        try:
            encoded = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return open_checkpoint(encoded, [key])[0]
        except BadNote as fault:
            raise BadNote(
                f"{self.path}: {fault}; it is what the key has signed last, and nothing is signed without it"
            ) from fault

    def keep(self, note: Note) -> None:
        """Write down what is about to be published, before it is."""
        write_whole(self.path, note.encoded, 0o600)
