"""A month as a command-line value."""

from __future__ import annotations

from typing import Any

import click

from ledger.answers.period import Span, month_named


class Month(click.ParamType[Span]):
    """A calendar month, as a command-line value."""

    name = "MONTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        if isinstance(value, Span):
            return value
        try:
            return month_named(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)
