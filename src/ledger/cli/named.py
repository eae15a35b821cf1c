"""What a command line names: charts, staff, notes and programs; refused when malformed."""

from __future__ import annotations

from typing import Any

import click

from ledger.answers.named import unfit_program
from ledger.clock import is_id


class Id(click.ParamType[str]):
    """The id of something in the record, as a command-line value; capitals are taken as small letters.

    ``also`` are words that may stand in its place.
    """

    name = "ID"

    def __init__(self, *also: str) -> None:
        self._also = also

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text in self._also:
            return text
        if not is_id(text.lower()):
            mend = "write a UUID, for example 3f2b6c1e-0d4a-4e6f-9a51-7c2d1e0f9b8a"
            self.fail(f"{value!r} is not an id; {' or '.join([mend, *self._also])}", param, ctx)
        return text.lower()


class ProgramName(click.ParamType[str]):
    """A program of the rule book, as a command-line value."""

    name = "PROGRAM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if fault := unfit_program(value):
            self.fail(fault, param, ctx)
        return str(value)
