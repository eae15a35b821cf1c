"""The command line: one file a group of commands; each is thin, and prints what the rooms below answer.

What lives here: reading arguments, opening the store, asking for grants, and printing (text, or ``--json``).
May import: everything. Nothing imports it.
"""

from ledger.cli.main import main

__all__ = ["main"]
