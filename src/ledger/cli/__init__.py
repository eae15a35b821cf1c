"""The command line: one file a group of commands; each is thin, and prints what the rooms below answer.

What lives here: reading arguments, opening the store, handing questions to ``answers``, files, and printing (text, or
``--json``). A command that shows charts asks a question of ``answers``.
May import: everything. Nothing imports it.
"""

from ledger.cli.main import main

__all__ = ["main"]
