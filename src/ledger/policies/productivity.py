"""Billable time against the target: the monthly rating of PSC-1 to PSC-4 under every reading, and the weekly figure.

Arithmetic is exact: minutes are integers, part days are fractions, and nothing is rounded before it is compared.
Where the source is ambiguous (how a new hire's months are counted, how time off lowers the floor) each reading is a
named row of productivity.toml; the default is marked there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from typing import Literal, TypeVar

import msgspec

from ledger.policies.provenance import Provenance, load_data

RatingValue = Literal["full", "non", "not_rated"]


class Target(Provenance, frozen=True, kw_only=True):
    """PSC-1: billable minutes for each day worked, and the programs that PSC-1 to PSC-5 are for."""

    rule: str
    programs: tuple[str, ...]
    minutes_per_day_worked: int


class Band(Provenance, frozen=True, kw_only=True):
    """PSC-3: the monthly band in minutes, both ends included."""

    rule: str
    floor_minutes: int
    top_minutes: int


class RampReading(Provenance, frozen=True, kw_only=True):
    """PSC-2: the percentages of a new hire's first spans, and what a span is."""

    rule: str
    id: str
    words: str
    unit: Literal["calendar_month", "day"]
    span: int
    percents: tuple[int, ...]
    default: bool = False


class FloorReading(Provenance, frozen=True, kw_only=True):
    """PSC-4: how days not worked lower the floor."""

    rule: str
    id: str
    words: str
    method: Literal["lesser", "prorated"]
    default: bool = False


class MeasureReading(Provenance, frozen=True, kw_only=True):
    """PSC-3: what a "billable hour/unit" is: direct minutes as they are, or the minutes that billed units stand for."""

    rule: str
    id: str
    words: str
    counts: Literal["direct", "billed"]
    default: bool = False


_Reading = TypeVar("_Reading", RampReading, FloorReading)


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    target: tuple[Target, ...]
    band: tuple[Band, ...]
    ramp: tuple[RampReading, ...]
    floor: tuple[FloorReading, ...]
    measure: tuple[MeasureReading, ...]


class ProductivityRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force on a day; readings with the default first."""

    target: Target
    band: Band
    ramps: tuple[RampReading, ...]
    floors: tuple[FloorReading, ...]
    measures: tuple[MeasureReading, ...]


class Workday(msgspec.Struct, frozen=True, kw_only=True):
    """One scheduled workday. A part day off counts as its share of the minutes scheduled that day."""

    day: date
    scheduled_minutes: int = 480
    pto_minutes: int = 0
    holiday: str | None = None

    @property
    def worked(self) -> Fraction:
        """The share of the day that was worked: 0 on an agency holiday, 1 with no time off."""
        if self.scheduled_minutes <= 0 or not 0 <= self.pto_minutes <= self.scheduled_minutes:
            raise ValueError(f"{self.day.isoformat()}: time off must lie within the minutes scheduled")
        if self.holiday is not None:
            return Fraction(0)
        return 1 - Fraction(self.pto_minutes, self.scheduled_minutes)


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """A month's rating with everything it was made from. All amounts are minutes; fractions are exact."""

    month: date
    value: RatingValue
    above_band: bool
    billable_minutes: int
    scheduled_days: int
    days_worked: Fraction
    ramp: Fraction
    target_minutes: Fraction
    floor_minutes: Fraction
    top_minutes: int
    shortfall_minutes: Fraction
    ramp_reading: str
    floor_reading: str
    steps: tuple[str, ...]
    sources: tuple[str, ...]


class WeekFigure(msgspec.Struct, frozen=True, kw_only=True):
    """A week's billable minutes beside the target. A week is not rated; only a month is (PSC-3)."""

    week_of: date
    billable_minutes: int
    days_worked: Fraction
    target_minutes: Fraction
    difference_minutes: Fraction
    steps: tuple[str, ...]


@cache
def _tables() -> _Tables:
    return load_data("productivity", _Tables)


def productivity_rules(day: date) -> ProductivityRules:
    """The rules in force on ``day``. Raises ``LookupError`` when there is no target or band for it."""
    tables = _tables()
    target = next((row for row in tables.target if row.in_force(day)), None)
    band = next((row for row in tables.band if row.in_force(day)), None)
    if target is None or band is None:
        raise LookupError(f"no productivity rule on {day.isoformat()}")
    return ProductivityRules(
        target=target,
        band=band,
        ramps=tuple(sorted((r for r in tables.ramp if r.in_force(day)), key=lambda r: not r.default)),
        floors=tuple(sorted((r for r in tables.floor if r.in_force(day)), key=lambda r: not r.default)),
        measures=tuple(sorted((r for r in tables.measure if r.in_force(day)), key=lambda r: not r.default)),
    )


def ramp_percent(reading: RampReading, hired_on: date, day: date) -> int:
    """The percentage of the target asked for on ``day``. Raises ``ValueError`` for a day before the hire date."""
    if day < hired_on:
        raise ValueError(f"{day.isoformat()} is before the hire date {hired_on.isoformat()}")
    if reading.unit == "calendar_month":
        passed = (day.year - hired_on.year) * 12 + day.month - hired_on.month
    else:
        passed = (day - hired_on).days
    return reading.percents[min(passed // reading.span, len(reading.percents) - 1)]


def billable_minutes(services: Iterable[tuple[int, int]], day: date, measure: str | None = None) -> int:
    """The measure of PSC-3 over (direct minutes, minutes of the billed units) of signed billable services, in minutes.

    ``measure`` is ``direct_minutes`` or ``billed_units`` (None: the default); another raises ``ValueError``.
    """
    rules = productivity_rules(day)
    reading = next((row for row in rules.measures if measure is None or row.id == measure), None)
    if reading is None:
        raise ValueError(f"no measure {measure} on {day.isoformat()}")
    return sum(billed if reading.counts == "billed" else direct for direct, billed in services)


def _hours(minutes: Fraction | int) -> str:
    """Minutes as hours and minutes, exact: a part minute is written as a fraction."""
    value = Fraction(minutes)
    whole, rest = divmod(value, 60)
    return f"{whole} h {_number(rest)} min"


def _number(value: Fraction) -> str:
    whole, part = divmod(value, 1)
    if not part:
        return str(whole)
    return f"{whole} {part}" if whole else str(part)


def _days_worked(
    workdays: Sequence[Workday], hired_on: date | None, left_on: date | None
) -> tuple[Fraction, list[tuple[date, Fraction]], list[str]]:
    worked: list[tuple[date, Fraction]] = []
    off, holidays, outside = Fraction(0), 0, 0
    for workday in workdays:
        share = workday.worked
        if (hired_on is not None and workday.day < hired_on) or (left_on is not None and workday.day > left_on):
            outside += 1
            continue
        if workday.holiday is not None:
            holidays += 1
        else:
            off += 1 - share
        worked.append((workday.day, share))
    total = sum((share for _, share in worked), Fraction(0))
    words = f"{len(workdays)} scheduled workdays − {_number(off)} days of PTO − {holidays} agency holidays"
    if outside:
        words += f" − {outside} days outside the employment"
    return total, worked, [f"days worked: {words} = {_number(total)}"]


def _month_of(workdays: Sequence[Workday], month: date) -> list[Workday]:
    own = sorted(workdays, key=lambda w: w.day)
    if any((w.day.year, w.day.month) != (month.year, month.month) for w in own):
        raise ValueError(f"a workday lies outside {month:%Y-%m}")
    if len({w.day for w in own}) != len(own):
        raise ValueError("a workday is given twice")
    return own


def _ramp_of(reading: RampReading, hired_on: date | None, worked: list[tuple[date, Fraction]]) -> tuple[Fraction, str]:
    if hired_on is None:
        return Fraction(1), "ramp: no hire date given, so the full target"
    percents: dict[int, Fraction] = {}
    for day, share in worked:
        if share:
            percent = ramp_percent(reading, hired_on, day)
            percents[percent] = percents.get(percent, Fraction(0)) + share
    total = sum(percents.values(), Fraction(0))
    if not total:
        return Fraction(1), "ramp: no day worked"
    ramp = sum((percent * share for percent, share in percents.items()), Fraction(0)) / total / 100
    parts = ", ".join(f"{_number(share)} days at {percent} %" for percent, share in sorted(percents.items()))
    return ramp, f"ramp from hire on {hired_on.isoformat()} ({reading.id}: {reading.words}): {parts} = {ramp}"


def _pick(rows: Sequence[_Reading], wanted: str | None, what: str) -> _Reading:
    for row in rows:
        if wanted is None or row.id == wanted:
            return row
    raise ValueError(f"no {what} reading {wanted}")


def rate_month(
    month: date,
    billable: int,
    workdays: Sequence[Workday],
    *,
    hired_on: date | None = None,
    left_on: date | None = None,
    ramp_reading: str | None = None,
    floor_reading: str | None = None,
) -> Rating:
    """The rating of the month that holds ``month``, from billable minutes and the month's scheduled workdays.

    Workdays before the hire date or after the last day count as scheduled, not as worked. When spans of the ramp
    change inside the month, the ramp is the average over the days worked. A month with no day worked is not rated.
    Readings by id, None for the default. Raises ``ValueError`` for workdays outside the month or an unknown reading.
    """
    if billable < 0:
        raise ValueError("billable minutes cannot be negative")
    first = month.replace(day=1)
    rules = productivity_rules(first)
    ramp_row = _pick(rules.ramps, ramp_reading, "ramp")
    floor_row = _pick(rules.floors, floor_reading, "floor")
    own = _month_of(workdays, month)
    days, worked, steps = _days_worked(own, hired_on, left_on)
    ramp, ramp_words = _ramp_of(ramp_row, hired_on, worked)
    daily, band = rules.target.minutes_per_day_worked, rules.band
    by_days = daily * days
    target = ramp * by_days
    steps += [
        ramp_words,
        f"target: {ramp} × {_hours(daily)} × {_number(days)} days = {_hours(target)}",
    ]
    if floor_row.method == "lesser":
        floor = ramp * min(Fraction(band.floor_minutes), by_days)
        how = f"{ramp} × the lesser of {_hours(band.floor_minutes)} and {_hours(by_days)}"
    else:
        share = days / len(own) if own else Fraction(0)
        floor = ramp * band.floor_minutes * share
        how = f"{ramp} × {_hours(band.floor_minutes)} × {_number(days)} ÷ {len(own)} scheduled workdays"
    steps.append(f"floor ({floor_row.id}): {how} = {_hours(floor)}")
    value: RatingValue
    above = days > 0 and billable > band.top_minutes
    if not days:
        value = "not_rated"
        steps.append("not rated: no day was worked in the month")
    elif billable >= floor:
        value = "full"
        steps.append(f"{_hours(billable)} billable is not below the floor: Full Compliance")
    else:
        value = "non"
        steps.append(f"{_hours(billable)} billable is {_hours(floor - billable)} below the floor: Non-Compliance")
    if above:
        steps.append(f"above band: more than {_hours(band.top_minutes)}")
    rows: tuple[Target | Band | RampReading | FloorReading, ...] = (rules.target, ramp_row, band, floor_row)
    return Rating(
        month=first,
        value=value,
        above_band=above,
        billable_minutes=billable,
        scheduled_days=len(own),
        days_worked=days,
        ramp=ramp,
        target_minutes=target,
        floor_minutes=floor,
        top_minutes=band.top_minutes,
        shortfall_minutes=max(Fraction(0), floor - billable) if days else Fraction(0),
        ramp_reading=ramp_row.id,
        floor_reading=floor_row.id,
        steps=tuple(steps),
        sources=tuple(f"{row.rule}: {row.source} (confidence {row.confidence})" for row in rows),
    )


def nearest_minute(minutes: Fraction) -> int:
    """Minutes as a reviewed summary freezes them (PSC-5): to the nearest minute, half a minute upwards."""
    return int(minutes + Fraction(1, 2))


def rate_month_every_reading(
    month: date,
    billable: int,
    workdays: Sequence[Workday],
    *,
    hired_on: date | None = None,
    left_on: date | None = None,
) -> tuple[Rating, ...]:
    """The month under every pair of ramp and floor readings, the default pair first."""
    rules = productivity_rules(month.replace(day=1))
    return tuple(
        rate_month(
            month,
            billable,
            workdays,
            hired_on=hired_on,
            left_on=left_on,
            ramp_reading=ramp.id,
            floor_reading=floor.id,
        )
        for ramp in rules.ramps
        for floor in rules.floors
    )


def week_figure(
    week_of: date,
    billable: int,
    workdays: Sequence[Workday],
    *,
    hired_on: date | None = None,
    left_on: date | None = None,
    ramp_reading: str | None = None,
) -> WeekFigure:
    """Billable minutes beside the target for the Monday-to-Sunday week that holds ``week_of``; no rating (PSC-5)."""
    monday = week_of - timedelta(days=week_of.weekday())
    own = sorted(workdays, key=lambda w: w.day)
    if any(not monday <= w.day < monday + timedelta(days=7) for w in own) or len({w.day for w in own}) != len(own):
        raise ValueError(f"a workday lies outside the week of {monday.isoformat()} or is given twice")
    rules = productivity_rules(monday)
    ramp_row = _pick(rules.ramps, ramp_reading, "ramp")
    days, worked, steps = _days_worked(own, hired_on, left_on)
    ramp, ramp_words = _ramp_of(ramp_row, hired_on, worked)
    daily = rules.target.minutes_per_day_worked
    target = ramp * daily * days
    difference = billable - target
    side = "at or above" if difference >= 0 else "below"
    steps += [
        ramp_words,
        f"target: {ramp} × {_hours(daily)} × {_number(days)} days = {_hours(target)}",
        f"{_hours(billable)} billable is {_hours(abs(difference))} {side} the target; a week is not rated",
    ]
    return WeekFigure(
        week_of=monday,
        billable_minutes=billable,
        days_worked=days,
        target_minutes=target,
        difference_minutes=difference,
        steps=tuple(steps),
    )
