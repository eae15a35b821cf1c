"""Business-day calendars: on which days an agency's offices are open, and why not on the others.

Names and dates of holidays come from the ``holidays`` library, asked for the day itself and never for its own idea
of an observed day. What the agency makes of each (closes, stays open, moves it to a weekday) is a dated row of
``data/calendars.toml``. Every holiday the library names must have a row: a new or renamed one stops the load instead
of quietly opening or closing the offices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from importlib import metadata
from typing import Literal

import holidays
import msgspec

from ledger.policies.provenance import Provenance, load_data

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = timedelta(days=1)


class CalendarError(ValueError):
    """A calendar that does not exist, does not cover the day asked for, or whose rows contradict each other."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One day of a deadline's arithmetic: whether it counted, and why or why not.

    ``elapsed`` is how much of the day counted, for rules that count hours; None for rules that count days.
    """

    day: date
    counted: bool
    why: str
    elapsed: timedelta | None = None


class Correction(Provenance, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agency makes of one holiday.

    Without ``day`` and ``month_day``, ``name`` is the library's name of a holiday. With ``month_day`` (``MM-DD``) it is
    a closure of every year that the library does not know; with ``day``, one date: a closure of that day only
    (``observe``), a day worked though it would be closed (``ignore``), or a closure kept on ``to`` instead (``move``).
    """

    name: str
    do: Literal["observe", "ignore", "move"]
    reason: str
    day: date | None = None
    month_day: str | None = None
    to: date | None = None
    on_saturday: Literal["stay", "friday"] = "stay"
    on_sunday: Literal["stay", "monday"] = "stay"

    def __post_init__(self) -> None:
        if not self.source.strip() or not self.reason.strip():
            raise ValueError(f"the row for {self.name} needs a source and a reason")
        if self.day is not None and self.month_day is not None:
            raise ValueError(f"the row for {self.name} names a day and a month and day")
        if (self.do == "move") != (self.to is not None) or (self.do == "move" and self.day is None):
            raise ValueError(f"the row for {self.name}: to move a closure takes a day and where it goes")
        if self.month_day is not None:
            date.fromisoformat(f"2024-{self.month_day}")

    def kept_on(self, day: date) -> date:
        """The day on which a closure that falls on ``day`` is kept."""
        weekday = _WEEKDAYS[day.weekday()]
        if weekday == "saturday" and self.on_saturday == "friday":
            return day - _DAY
        if weekday == "sunday" and self.on_sunday == "monday":
            return day + _DAY
        return day


class CalendarData(Provenance, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One calendar as its data file states it. ``extends`` takes another's rows, save those for a name given here."""

    id: str
    title: str
    zone: str
    country: str
    subdivision: str
    first_year: int
    last_year: int
    weekend: tuple[Weekday, ...]
    extends: str | None = None
    rows: tuple[Correction, ...] = ()


class CalendarBook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All calendars of a data file."""

    calendars: tuple[CalendarData, ...]

    def get(self, calendar_id: str) -> CalendarData:
        """One calendar's data; :class:`CalendarError` if the file has none of that id."""
        for found in self.calendars:
            if found.id == calendar_id:
                return found
        raise CalendarError(f"no calendar {calendar_id!r}; there are {', '.join(c.id for c in self.calendars)}")

    def rows_of(self, calendar_id: str, below: tuple[str, ...] = ()) -> tuple[Correction, ...]:
        """A calendar's own rows and those it takes from the calendars it extends."""
        if calendar_id in below:
            raise CalendarError(f"calendar {calendar_id!r} extends itself")
        data = self.get(calendar_id)
        if data.extends is None:
            return data.rows
        own = {row.name for row in data.rows}
        inherited = self.rows_of(data.extends, (*below, calendar_id))
        return tuple(row for row in inherited if row.name not in own) + data.rows


#: What an agency adopts to count business days otherwise: its readings are the calendars there are, for one program.
CALENDAR_RULE = "CALENDAR"


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """The resolved calendar: every closed day of the years it covers.

    ``version`` is the calendar's id and twelve hex digits of the SHA-256 of everything an answer can depend on (zone,
    years, weekend, closed days with their reasons). It changes when an answer could change, and not when the
    library is upgraded without effect. ``basis`` names the library's release, for the reader of a trace.
    """

    id: str
    title: str
    zone: str
    first_year: int
    last_year: int
    weekend: frozenset[Weekday]
    closed: dict[date, str]
    version: str
    basis: str

    def why_not(self, day: date) -> str | None:
        """Why ``day`` is no business day (``Saturday``, or the holiday's name), or None when it is one."""
        if not self.first_year <= day.year <= self.last_year:
            raise CalendarError(f"calendar {self.id} covers {self.first_year} to {self.last_year}, not {day}")
        weekday = _WEEKDAYS[day.weekday()]
        if weekday in self.weekend:
            return weekday.capitalize()
        return self.closed.get(day)

    def is_business_day(self, day: date) -> bool:
        """Whether the offices are open on ``day``."""
        return self.why_not(day) is None

    def next_business_day(self, day: date) -> date:
        """The first business day after ``day`` (never ``day`` itself)."""
        return self.add_business_days(day, 1)[0]

    def add_business_days(self, day: date, count: int) -> tuple[date, tuple[Step, ...]]:
        """The ``count``-th business day after ``day``, ``day`` itself being day 0, and every day passed on the way.

        ``day`` need not be a business day. A count of zero is ``day`` itself, with no steps.
        """
        if count < 0:
            raise ValueError(f"cannot count {count} business days")
        steps: list[Step] = []
        reached = 0
        while reached < count:
            day += _DAY
            closed = self.why_not(day)
            if closed is None:
                reached += 1
                steps.append(Step(day=day, counted=True, why=f"business day {reached}"))
            else:
                steps.append(Step(day=day, counted=False, why=closed))
        return day, tuple(steps)


def add_calendar_days(day: date, count: int) -> tuple[date, tuple[Step, ...]]:
    """The ``count``-th day after ``day``, ``day`` itself being day 0; weekends and holidays count like any other."""
    if count < 0:
        raise ValueError(f"cannot count {count} calendar days")
    steps = tuple(Step(day=day + n * _DAY, counted=True, why=f"calendar day {n}") for n in range(1, count + 1))
    return day + count * _DAY, steps


def resolve(book: CalendarBook, calendar_id: str) -> Calendar:
    """Work out one calendar's closed days from its rows and the library.

    Raises :class:`CalendarError` when the library names a holiday that no row in force on it speaks of, when two rows
    do, when a row speaks of a holiday the library never names, or when a one-day row finds nothing to change.
    """
    data = book.get(calendar_id)
    rows = book.rows_of(calendar_id)
    closed: dict[date, list[str]] = {}
    # One year more than is covered: a New Year's Day on a Saturday may be kept on the last day of the last year.
    years = range(data.first_year, data.last_year + 2)
    known = holidays.country_holidays(data.country, subdiv=data.subdivision, years=years, observed=False)
    named = [row for row in rows if row.day is None and row.month_day is None]
    seen: set[str] = set()
    for day in sorted(known):
        for name in known.get_list(day):
            seen.add(name)
            _close(closed, day, name, _the_row(named, calendar_id, name, day))
    if unknown := {row.name for row in named} - seen:
        raise CalendarError(f"calendar {calendar_id}: the library names no {', '.join(sorted(unknown))}")
    for row in rows:
        for year in years if row.month_day is not None else ():
            found = _day_in(year, str(row.month_day))
            if found is not None and row.in_force(found):
                _close(closed, found, row.name, row)
    _apply_single_days(closed, (row for row in rows if row.day is not None), calendar_id)
    covered = {day: "; ".join(why) for day, why in sorted(closed.items()) if _covers(data, day)}
    return Calendar(
        id=data.id,
        title=data.title,
        zone=data.zone,
        first_year=data.first_year,
        last_year=data.last_year,
        weekend=frozenset(data.weekend),
        closed=covered,
        version=_version(data, covered),
        basis=f"holidays {metadata.version('holidays')}, {data.country}-{data.subdivision}",
    )


def _the_row(rows: Iterable[Correction], calendar_id: str, name: str, day: date) -> Correction:
    found = [row for row in rows if row.name == name and row.in_force(day)]
    if len(found) != 1:
        count = "no row" if not found else f"{len(found)} rows"
        raise CalendarError(f"calendar {calendar_id}: {count} for {name} on {day}")
    return found[0]


def _close(closed: dict[date, list[str]], day: date, name: str, row: Correction) -> None:
    if row.do != "observe":
        return
    kept = row.kept_on(day)
    moved = "" if kept == day else f", observed ({day.day} {day:%b} falls on {day:%A})"
    closed.setdefault(kept, []).append(name + moved)


def _apply_single_days(closed: dict[date, list[str]], rows: Iterable[Correction], calendar_id: str) -> None:
    for row in rows:
        day = row.day
        if day is None:  # never: the caller chose rows that name a day
            continue
        if row.do == "observe":
            closed.setdefault(day, []).append(row.name)
            continue
        if day not in closed:
            raise CalendarError(f"calendar {calendar_id}: nothing is closed on {day} for {row.name} to {row.do}")
        names = closed.pop(day)
        if row.to is not None:
            closed.setdefault(row.to, []).extend(f"{name}, kept on this day instead of {day}" for name in names)


def _day_in(year: int, month_day: str) -> date | None:
    try:
        return date.fromisoformat(f"{year}-{month_day}")
    except ValueError:  # 29 February in a common year
        return None


def _covers(data: CalendarData, day: date) -> bool:
    return data.first_year <= day.year <= data.last_year


def _version(data: CalendarData, closed: dict[date, str]) -> str:
    lines = [data.id, data.zone, f"{data.first_year}-{data.last_year}", ",".join(sorted(data.weekend))]
    lines += [f"{day.isoformat()} {why}" for day, why in closed.items()]
    return f"{data.id}@{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:12]}"


@lru_cache(maxsize=1)
def calendars() -> CalendarBook:
    """The calendars of ``data/calendars.toml``, as written."""
    return load_data("calendars", CalendarBook)


@lru_cache(maxsize=64)
def calendar(calendar_id: str) -> Calendar:
    """The resolved calendar of that id; :class:`CalendarError` if there is none."""
    return resolve(calendars(), calendar_id)
