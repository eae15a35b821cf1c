"""A month of service, as it is asked for."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date

from ledger.answers.asking import Asking


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


def month_named(text: str) -> Span:
    """The calendar month of a name. Raises ``ValueError`` saying how one is written."""
    mend = f"{text!r} is not a month; write it as 2025-11"
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ValueError(mend) from None
    if len(text) != len("2025-11"):
        raise ValueError(mend)
    return month_of(first)


def span_asked(asking: Asking, text: str) -> Span:
    """The month that was asked for; ``BadInput`` naming the option where it is none."""
    try:
        return month_named(text)
    except ValueError as fault:
        raise asking.refused("month", str(fault)) from None
