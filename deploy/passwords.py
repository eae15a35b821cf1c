"""Make the passwords of a stack: a file of random letters for each role, unless it is there already.

Run it with ``python3 deploy/passwords.py FOLDER``; it needs nothing but Python. The folder is its owner's alone. The
files in it may be read by anybody who can reach them, since a container reads its own as another user.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

#: The database's superuser, and the ledger's roles (``roles.sql``).
NAMES = (
    "postgres",
    "ledger_owner",
    "ledger_writer",
    "ledger_relay",
    "ledger_sealer",
    "ledger_projector",
    "ledger_reader",
)


def make_passwords(folder: Path) -> list[str]:
    """Make what is missing; returns the names of what was made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []
    for name in NAMES:
        file = folder / name
        if not file.exists():
            file.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
            file.chmod(0o444)
            made.append(name)
    return made


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 deploy/passwords.py FOLDER")
    for each in make_passwords(Path(sys.argv[1])):
        print(f"made {Path(sys.argv[1]) / each}")
