"""Running the ledger's own command as a process, in an environment that a test gives it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEDGER = Path(sys.executable).parent / "ledger"


def environment(**settings: str) -> dict[str, str]:
    """The machine's environment with no settings of the ledger but these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")} | settings


def ledger(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [LEDGER, *arguments], env=environment(**settings), capture_output=True, text=True, check=False, timeout=120
    )


def set_up(settings: dict[str, str], *arguments: str) -> str:
    """Run ``deploy/setup.py`` as an operator would; returns what it said, fails with it when it failed."""
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "setup.py", *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
