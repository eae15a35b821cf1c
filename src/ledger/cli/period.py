"""A month as a command-line value."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Any

import click


@dataclass(frozen=True)
class Span:
    """Days, both ends included, and how they were asked for (``2025-11``)."""

    first: date
    last: date
    name: str


def month_of(day: date) -> Span:
    """The calendar month that holds a day."""
    last = monthrange(day.year, day.month)[1]
    return Span(day.replace(day=1), day.replace(day=last), f"{day:%Y-%m}")


class Month(click.ParamType[Span]):
    """A calendar month, as a command-line value."""

    name = "MONTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Span:
        if isinstance(value, Span):
            return value
        text = str(value)
        try:
            first = date.fromisoformat(f"{text}-01")
        except ValueError:
            self.fail(f"{value!r} is not a month; write it as 2025-11", param, ctx)
        if len(text) != len("2025-11"):
            self.fail(f"{value!r} is not a month; write it as 2025-11", param, ctx)
        return month_of(first)
