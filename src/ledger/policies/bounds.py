"""How far a date or a length that somebody types may go before it can only be a slip: data, so that an agency replaces
a row.

Bounds are for commands alone; what was recorded is read as it is.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import msgspec

from ledger.policies.provenance import Provenance, load_data


class Bound(Provenance, frozen=True, kw_only=True):
    """One bound: an amount (days, minutes or years, as its name says) and why it is there."""

    name: str
    amount: int
    reason: str


class _Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bound: tuple[Bound, ...]


@cache
def _bounds() -> tuple[Bound, ...]:
    return load_data("bounds", _Bounds).bound


@cache
def bound(name: str, day: date) -> int:
    """The amount of the bound of that name on a day; raises ``LookupError`` when no row is in force."""
    found = [row.amount for row in _bounds() if row.name == name and row.in_force(day)]
    if not found:
        raise LookupError(f"no bound {name!r} is in force on {day}")
    return found[-1]


def years_before(day: date, years: int) -> date:
    """The same day so many years earlier; 29 February becomes the 28th where the year has none."""
    year = max(day.year - years, 1)
    return day.replace(year=year, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=year)
