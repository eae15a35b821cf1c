"""Places outside the store where checkpoints go: a file, an HTTP endpoint. What is there, nobody can take back.

A place is given every checkpoint in order. One that is away is given later what it missed; it holds up nobody.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from ledger.clock import Clock, to_text
from ledger.errors import IntegrityFault
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.notes import PublicKey
from ledger.proof.web import Unreachable, ask
from ledger.store.sealed import Sealed

#: How much of a file's end is looked at for its last checkpoint: more than one line can be long.
_TAIL = 64 * 1024


class Stamp(msgspec.Struct, frozen=True):
    """An authority's timestamp on a checkpoint, as it goes out beside it and comes back."""

    authority: str
    token: bytes
    received_at: str


@dataclass(frozen=True)
class Sent:
    """A checkpoint as a place gives it back: the note with its signatures, when it came there, the timestamps on it."""

    note: bytes
    at: datetime
    stamps: tuple[Stamp, ...] = ()


class Place(Protocol):
    """Somewhere checkpoints go. ``name`` is how messages call it; errors are ``Unreachable`` or ``IntegrityFault``.

    ``again`` says whether it is given its last checkpoint once more when others have signed it since: a place that a
    store is restored from.
    """

    name: str
    again: bool

    def last(self) -> int:
        """The size of the last checkpoint it has, 0 when none."""

    def held(self) -> Checkpoint | None:
        """The last checkpoint it can show, for comparing; None when it has none or cannot show one."""

    def send(self, notes: Sequence[tuple[int, bytes]]) -> None:
        """Give it these checkpoints, each with its size; when this returns it has them."""


class FilePlace:
    """A file with one line of JSON for each checkpoint: its size, and the signed note as it is. Only ever appended to.

    On a disk that cannot be rewritten, or in another's hands, it is what the store is compared with.
    """

    again = False

    def __init__(self, path: Path, keys: Sequence[PublicKey]) -> None:
        self.name = str(path)
        self._path = path
        self._keys = keys

    def last(self) -> int:
        held = self.held()
        return held.size if held is not None else 0

    def held(self) -> Checkpoint | None:
        note = self._last_note()
        if note is None:
            return None
        return open_checkpoint(note, self._keys)[0]

    def _last_note(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                start = max(0, end - _TAIL)
                file.seek(start)
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise Unreachable(f"{self.name} cannot be read: {fault.strerror}") from fault
        # The first piece may begin inside a line; the last may have been cut off, and be whole but for its line end.
        for line in reversed(lines[1 if start else 0 :]):
            if (note := note_in(line)) is not None:
                return note
        if end > _TAIL:
            raise IntegrityFault(f"{self.name} does not end with checkpoints: something else has written to it")
        return None

    def send(self, notes: Sequence[tuple[int, bytes]]) -> None:
        try:
            with self._path.open("a+b") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")  # a line was cut off when its writer died: leave it, and begin another
                for size, note in notes:
                    file.write(line_of(size, note))
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise Unreachable(f"{self.name} cannot be written: {fault.strerror}") from fault


def line_of(size: int, note: bytes) -> bytes:
    """A checkpoint as a line of a file."""
    return json.dumps({"size": size, "checkpoint": note.decode()}, ensure_ascii=False).encode() + b"\n"


def note_in(line: bytes) -> bytes | None:
    """The signed note in such a line; None for a line that was cut off."""
    try:
        return str(json.loads(line)["checkpoint"]).encode()
    except (ValueError, KeyError, TypeError):
        return None


def notes_of_file(path: Path) -> list[bytes]:
    """Every checkpoint that the file of a place holds; raises ``Unreachable`` when it cannot be read."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as fault:
        raise Unreachable(f"{path} cannot be read: {fault.strerror}") from fault
    return [note for line in lines if (note := note_in(line)) is not None]


class HttpPlace:
    """An HTTP endpoint that is sent each checkpoint with POST, and has it once it answers with a status of 2xx.

    It may be sent the same one twice. What it has taken is noted in the store, since it cannot be asked.
    """

    again = False

    def __init__(self, url: str, sealed: Sealed, clock: Clock) -> None:
        self.name = url
        self._sealed = sealed
        self._clock = clock

    def last(self) -> int:
        return self._sealed.delivered(self.name)

    def held(self) -> Checkpoint | None:
        return None

    def send(self, notes: Sequence[tuple[int, bytes]]) -> None:
        for size, note in notes:
            answer = ask(self.name, note)
            if not 200 <= answer.status < 300:
                raise Unreachable(f"{self.name} answers with status {answer.status}")
            self._sealed.add_delivery(self.name, size, to_text(self._clock.now()))


def open_places(places: Sequence[str], keys: Sequence[PublicKey], sealed: Sealed, clock: Clock) -> list[Place]:
    """The places that the setting LEDGER_SEAL_TO names."""
    found: list[Place] = []
    for place in places:
        parts = urlsplit(place)
        found.append(FilePlace(Path(parts.path), keys) if parts.scheme == "file" else HttpPlace(place, sealed, clock))
    return found
