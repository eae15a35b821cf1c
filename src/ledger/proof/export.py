"""The log as files that any client of tiled logs reads: ``checkpoint``, ``tile/…`` and ``vkey`` in one folder.

Serve the folder as it is with any web server. It is written so that a reader never finds a checkpoint whose tiles are
missing: tiles first, the checkpoint last, every file whole or not at all. An export goes on from the one before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import BadInput, IntegrityFault, NotFound
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.keys import write_whole
from ledger.proof.notes import PublicKey, read_note, read_signatures
from ledger.proof.seal import Seen, hold_against
from ledger.proof.tiles import WIDTH, tiles_of
from ledger.proof.tree import StoredTree
from ledger.store.recorder import Recorder
from ledger.store.sealed import Sealed, SealedRow


@dataclass(frozen=True)
class Exported:
    """What an export wrote: the checkpoint's size, and how many files."""

    size: int
    files: int


def export(
    recorder: Recorder,
    folder: Path,
    key: PublicKey,
    *,
    entries: bool = True,
    progress: Callable[[int], None] | None = None,
    opening: Callable[[int, int], object] | None = None,
) -> Exported:
    """Write the last checkpoint and what lies under it; what an earlier export wrote stays as it is.

    ``entries`` says whether the events' entries go out too, or their hashes alone; ``opening`` is told the first and
    last position of the entries before any of them is read. Raises ``NotFound`` when nothing is sealed, and
    ``IntegrityFault`` when the folder holds a checkpoint that the log does not go on from, or an entry is not what was
    recorded.
    """
    sealed = Sealed(recorder)
    last = sealed.last()
    if last is None:
        raise NotFound("checkpoint", "yet: nothing is sealed; run: ledger seal")
    checkpoint, _ = open_checkpoint(last.note, [key])
    tree = StoredTree(recorder)
    since = _exported(folder, key, tree, last)
    if entries and not (folder / "tile" / "entries").is_dir():
        since = 0  # the one before was of hashes alone
    if entries and opening is not None:
        opening(since + 1, last.size)
    files = 0
    try:
        for tile in tiles_of(last.size, since):
            files += _write(folder / tile.path, tree.tile(tile))
            if tile.level == 0 and entries:
                files += _write(folder / tile.entries_path, tree.entry_bundle(tile))
                if progress is not None:
                    progress(tile.width)
    except LookupError as fault:
        raise IntegrityFault(f"{fault}, which its checkpoint of {last.size:,} covers; see: ledger verify") from fault
    files += _write(folder / "vkey", (key.vkey + "\n").encode())
    os.sync()  # all the tiles are on the disk before the checkpoint that promises them
    write_whole(folder / "checkpoint", cosigned(sealed, last))
    return Exported(checkpoint.size, files + 1)


def cosigned(sealed: Sealed, row: SealedRow) -> bytes:
    """A checkpoint with the cosignatures that are known of it: what clients are given."""
    note = read_note(row.note)
    lines = sealed.cosignatures(row.size).values()
    return note.with_signatures(one for line in lines for one in read_signatures(line)).encoded


def _exported(folder: Path, key: PublicKey, tree: StoredTree, last: SealedRow) -> int:
    """The size of the checkpoint that the folder holds, 0 when it is new."""
    try:
        before, _ = open_checkpoint((folder / "checkpoint").read_bytes(), [key])
    except FileNotFoundError:
        return 0
    except (OSError, IntegrityFault) as fault:
        raise BadInput(f"--out: {folder / 'checkpoint'} is there and is not this log's: {fault}") from fault
    hold_against(tree, last.size, last.root, Seen(str(folder), before))
    return before.size // WIDTH * WIDTH  # the partial tiles again, wider


def _write(path: Path, content: bytes) -> int:
    try:
        if path.read_bytes() == content:
            return 0
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content, durable=False)
    return 1
