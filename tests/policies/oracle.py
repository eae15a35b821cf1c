"""A slow second opinion on deadlines, which shares nothing with the code it judges.

It reads no rule file and no holiday library, and asks no time-zone database: the days on which offices are closed in
2024 to 2028 are typed here from wall calendars, and so are the instants at which the clocks change. It then walks from
the end of the service minute by minute, looking at each minute's local date, until the limit is used up.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)

#: (hours from UTC in winter, the UTC hour at which clocks go forward, the UTC hour at which they go back)
ZONES = {"America/Los_Angeles": (-8, 10, 9), "America/Chicago": (-6, 8, 7)}

#: Year: the Sunday on which clocks go forward and the one on which they go back.
SUMMER = {
    2023: ((3, 12), (11, 5)),
    2024: ((3, 10), (11, 3)),
    2025: ((3, 9), (11, 2)),
    2026: ((3, 8), (11, 1)),
    2027: ((3, 14), (11, 7)),
    2028: ((3, 12), (11, 5)),
    2029: ((3, 11), (11, 4)),
}

#: Weekdays on which the offices are closed, by month and day.
CLOSED = {
    "us-ca-agency": {
        2024: "1-1 1-15 2-19 4-1 5-27 7-4 9-2 11-11 11-28 11-29 12-25",
        2025: "1-1 1-20 2-17 3-31 5-26 7-4 9-1 11-11 11-27 11-28 12-25",
        2026: "1-1 1-19 2-16 3-31 5-25 9-7 11-11 11-26 11-27 12-25",
        2027: "1-1 1-18 2-15 3-31 5-31 7-5 9-6 11-11 11-25 11-26",
        2028: "1-17 2-21 3-31 5-29 7-4 9-4 11-10 11-23 11-24 12-25",
    },
    "us-ca-agency-open-black-friday": {
        2024: "1-1 1-15 2-19 4-1 5-27 7-4 9-2 11-11 11-28 12-25",
        2025: "1-1 1-20 2-17 3-31 5-26 7-4 9-1 11-11 11-27 12-25",
        2026: "1-1 1-19 2-16 3-31 5-25 9-7 11-11 11-26 12-25",
        2027: "1-1 1-18 2-15 3-31 5-31 7-5 9-6 11-11 11-25",
        2028: "1-17 2-21 3-31 5-29 7-4 9-4 11-10 11-23 12-25",
    },
    "us-mo-agency": {
        2024: "1-1 1-15 2-12 2-19 5-8 5-27 6-19 7-4 9-2 10-14 11-11 11-28 12-25",
        2025: "1-1 1-20 2-12 2-17 5-8 5-26 6-19 7-4 9-1 10-13 11-11 11-27 12-25",
        2026: "1-1 1-19 2-12 2-16 5-8 5-25 6-19 7-3 9-7 10-12 11-11 11-26 12-25",
        2027: "1-1 1-18 2-12 2-15 5-7 5-31 6-18 7-5 9-6 10-11 11-11 11-25 12-24 12-31",
        2028: "1-17 2-11 2-21 5-8 5-29 6-19 7-4 9-4 10-9 11-10 11-23 12-25",
    },
}

#: Rule and reading: what is counted, and how much of it.
LIMITS = {
    ("PSC-13", "72-elapsed-hours"): ("hours", 72),
    ("PSC-13", "3-calendar-days"): ("days", 3),
    ("PSC-13", "3-business-days"): ("open days", 3),
    ("PSC-13-extension", "5-business-days"): ("open days", 5),
    ("PSC-13-extension", "5-calendar-days"): ("days", 5),
    ("PSC-14-full", "72-elapsed-hours"): ("hours", 72),
    ("PSC-14-full", "3-calendar-days"): ("days", 3),
    ("PSC-14-full", "3-business-days"): ("open days", 3),
    ("PSC-14-partial", "5-business-days"): ("open days", 5),
    ("PSC-14-partial", "5-calendar-days"): ("days", 5),
    ("BHIN-23-068-routine", "3-business-days"): ("open days", 3),
    ("BHIN-23-068-crisis", "1-calendar-day"): ("days", 1),
    ("ECM-8", "3-business-days"): ("open days", 3),
    ("ECM-8", "72-elapsed-hours"): ("hours", 72),
    ("CSS-7", "next-business-day"): ("open days", 1),
    ("CSS-10", "10-calendar-days"): ("days", 10),
    ("CSS-10", "10-business-days"): ("open days", 10),
    ("CSS-3", "5-business-days"): ("open days", 5),
}


def closed_weekdays(calendar: str, year: int) -> set[date]:
    """The hand-typed closed weekdays of a year."""
    pairs = (typed.split("-") for typed in CLOSED[calendar][year].split())
    return {date(year, int(month), int(day)) for month, day in pairs}


_SHUT = {name: {day for year in years for day in closed_weekdays(name, year)} for name, years in CLOSED.items()}


def is_open(calendar: str, day: date) -> bool:
    """Whether offices are open: Monday to Friday, but for the typed days."""
    return day.isoweekday() <= 5 and day not in _SHUT[calendar]


@cache
def _clock_changes(zone: str, year: int) -> tuple[datetime, datetime]:
    _, forward, back = ZONES[zone]
    (spring_month, spring_day), (autumn_month, autumn_day) = SUMMER[year]
    begins = datetime(year, spring_month, spring_day, forward, tzinfo=UTC)
    return begins, datetime(year, autumn_month, autumn_day, back, tzinfo=UTC)


_HOURS = {hours: timedelta(hours=hours) for hours in range(-12, 13)}


def offset(zone: str, instant: datetime) -> timedelta:
    """Hours from UTC at an instant given in UTC, from the typed clock changes."""
    begins, ends = _clock_changes(zone, instant.year)
    return _HOURS[ZONES[zone][0] + (1 if begins <= instant < ends else 0)]


def local_date(zone: str, instant: datetime) -> date:
    """The date on the wall at an instant given in UTC."""
    return (instant + offset(zone, instant)).date()


def last_instant(limit: tuple[str, int], started: datetime, zone: str, calendar: str) -> datetime:
    """The last instant, in UTC, that is still in time for a clock started at ``started``."""
    what, amount = limit
    at = started.astimezone(UTC)
    if what == "hours":
        for _ in range(amount * 60):
            at += MINUTE
        return at
    at = at.replace(second=0, microsecond=0)
    day, reached = local_date(zone, at), 0
    while True:
        at += MINUTE
        today = local_date(zone, at)
        if today == day:
            continue
        if reached == amount:
            return at - MICROSECOND
        day = today
        if what == "days" or is_open(calendar, day):
            reached += 1


def psc_14(full: datetime, partial: datetime, signed: datetime) -> str:
    """The rating of a note signed at an instant, given the two last instants."""
    if signed <= full:
        return "full"
    return "partial" if signed <= partial else "non"
