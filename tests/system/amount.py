"""How often the fault tests break things: a little in every run of the suite, in full by ``make faults``."""

from __future__ import annotations

import os

#: Set by ``make faults``: fifty kills of each kind of process, ten of each server.
IN_FULL = os.environ.get("LEDGER_TEST_FAULTS") == "full"


def times(in_full: int, commonly: int) -> int:
    """How often, in this run."""
    return in_full if IN_FULL else commonly
