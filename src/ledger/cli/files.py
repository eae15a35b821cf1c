"""An answer that goes into a file: refused before anything is read if it could not be written; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ledger.errors import BadInput

#: What may be asked for with ``--out``, by the file's ending.
ENDINGS = (".txt", ".json", ".html")


def check_target(out: Path | None, endings: Sequence[str] = ENDINGS) -> None:
    """Refuse a file that could not be written, before anything is read; raises ``BadInput`` naming ``--out``."""
    if out is None:
        return
    if out.suffix.lower() not in endings:
        raise BadInput(f"--out: {out.name!r} names no kind of file; end it in {', '.join(endings)}")
    if not out.parent.is_dir():
        raise BadInput(f"--out: the folder {out.parent} does not exist; create it first")
    if out.is_dir():
        raise BadInput(f"--out: {out} is a folder; name a file")
    if not os.access(out.parent, os.W_OK):
        raise BadInput(f"--out: the folder {out.parent} cannot be written to; name another place")


def write_whole(out: Path, content: str) -> int:
    """Write a file that only its owner may read; answers its size in bytes.

    The file appears whole or not at all: it is written beside and then put in its place. Raises ``BadInput``.
    """
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    written = content.encode()
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(written)
        beside.replace(out)
    except OSError as fault:
        with suppress(OSError):  # a file system that is read-only says so here as well
            beside.unlink(missing_ok=True)
        raise BadInput(f"--out: {out} cannot be written: {fault.strerror}") from fault
    return len(written)
