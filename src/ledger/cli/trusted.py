"""Whom a command trusts: the policy file of ``--trust`` or LEDGER_TRUST."""

from __future__ import annotations

from pathlib import Path

from ledger.errors import BadInput
from ledger.proof.trust import Trust, read_trust


def trust_of(path: Path | None, setting: str) -> Trust | None:
    """The trust policy in a file; None when there is no file."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        words = fault.strerror if isinstance(fault, OSError) else "it is not text"
        raise BadInput(f"{setting}: {path} cannot be read: {words}") from fault
    return read_trust(text, setting)
