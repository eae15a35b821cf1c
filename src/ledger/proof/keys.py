"""Key files: a signing key in a file that its owner alone may read, and beside it what the key has signed last."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ledger.errors import BadInput, LedgerError
from ledger.proof.notes import PrivateKey, PublicKey, read_private_key, read_vkey


def write_key(path: Path, key: PrivateKey) -> None:
    """Write a new key file with mode 0600; a file that is there is never overwritten."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as fault:
        raise BadInput(f"--out: {path} is there already; a key is never overwritten, choose another name") from fault
    except OSError as fault:
        raise BadInput(f"--out: cannot write {path}: {fault.strerror}") from fault
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(key.text + "\n")
        file.flush()
        os.fsync(file.fileno())


def load_key(path: Path, setting: str) -> PrivateKey:
    """Read a key file; one that others may read or write is refused, naming the setting."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
    except (OSError, UnicodeDecodeError) as fault:
        words = fault.strerror if isinstance(fault, OSError) else "it is not text"
        raise BadInput(f"{setting}: {path} cannot be read: {words}") from fault
    if stat.S_IMODE(mode) & 0o077:
        raise BadInput(f"{setting}: others may read {path} (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}")
    try:
        return read_private_key(text)
    except BadInput as fault:
        raise BadInput(f"{setting}: {path}: {fault}") from fault


def load_vkey(text: str, setting: str) -> PublicKey:
    """A verifier key given as itself or as a file that holds it."""
    try:
        if "+" not in text or Path(text).is_file():
            text = Path(text).read_text(encoding="utf-8")
        return read_vkey(text)
    except (OSError, UnicodeDecodeError, BadInput) as fault:
        words = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise BadInput(f"{setting}: {words}") from fault


def write_whole(path: Path, content: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Put a file in its place whole or not at all: written beside, brought to the disk, then renamed.

    With ``durable=False`` a reader finds it whole too, and whoever writes many of them brings them to the disk at once.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as fault:
        beside.unlink(missing_ok=True)
        raise LedgerError(f"cannot write {path}: {fault.strerror}") from fault


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
