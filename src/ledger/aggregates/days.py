"""Which day a time falls on: where the program or the agency is, whatever offset was written with the time.

By the offset alone one could be at work, or in a program, a day before it began: +14:00 is tomorrow already.
"""

from __future__ import annotations

from datetime import date, datetime, time, tzinfo

from ledger.aggregates.base import Given
from ledger.policies.billing_programs import program_zone


def day_of(given: Given, moment: datetime, program: str = "") -> date:
    """The day of a time in the program's zone, or in the agency's where no program is named or it has none.

    An import keeps the day that its source wrote: another system's days begin where that system is.
    """
    return moment.astimezone(_zone(given, moment, program)).date()


def today(given: Given) -> date:
    """The server's day: what "in the future" is measured against."""
    return given.now.astimezone(_zone(given, given.occurred_at, "")).date()


def first_moment(given: Given, day: date) -> datetime:
    """When a day begins, in the agency's zone."""
    return datetime.combine(day, time(), given.zone)


def _zone(given: Given, moment: datetime, program: str) -> tzinfo | None:
    if given.actor.relays:
        return moment.tzinfo
    return program_zone(program) or given.zone
