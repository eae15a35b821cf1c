"""What the target asks of a worker's month and week, under every reading, and how it stands (PSC-1 to PSC-4).

Whoever works in a program that the target is not for is not rated: their minutes stand alone, and the steps say why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from ledger.policies.adoption import Adoption, holding_adoption
from ledger.policies.productivity import (
    ProductivityRules,
    Rating,
    Workday,
    billable_minutes,
    productivity_rules,
    rate_month_every_reading,
    week_figure,
)
from ledger.projections.base import Line
from ledger.projections.staffing import StaffMember, calendar_of, days_between, workdays
from ledger.projections.utilisation import UtilisedService

Services = Sequence[Line[UtilisedService]]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A month under one reading of PSC-2, PSC-3 and PSC-4. Amounts are minutes; ``steps`` hold them exactly."""

    adopted: bool
    measure: str
    ramp_reading: str
    floor_reading: str
    value: str
    above_band: bool
    billable_minutes: int
    days_worked: float
    target_minutes: float
    floor_minutes: float
    top_minutes: int
    shortfall_minutes: float
    steps: tuple[str, ...]
    sources: tuple[str, ...]


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """A week, Monday to Sunday, beside its target; a week is not rated."""

    week_of: date
    billable_minutes: int
    days_worked: float
    target_minutes: float
    difference_minutes: float
    units: int
    steps: tuple[str, ...]


def every_verdict(
    member: StaffMember, services: Services, adoptions: Sequence[Adoption], first: date, last: date
) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """The month under every measure, ramp and floor reading; exactly one is the adopted one."""
    rules = productivity_rules(first)
    days = workdays(member, days_between(first, last), adoptions)
    if not set(member.programs) & set(rules.target.programs):
        return (_unrated(member, services, days, rules),), ()
    chosen, words = _adopted(adoptions, member, first)
    measure = chosen.get("PSC-3", rules.measures[0].id)
    ramp = chosen.get("PSC-2", rules.ramps[0].id)
    floor = chosen.get("PSC-4", rules.floors[0].id)
    before = _before(member, days)
    found: list[Verdict] = []
    for row in rules.measures:
        minutes = _measured(services, first, row.id)
        ratings = rate_month_every_reading(
            first,
            minutes,
            days,
            hired_on=_hired(member),
            left_on=_left(member),
        )
        for rating in ratings:
            is_adopted = (row.id, rating.ramp_reading, rating.floor_reading) == (measure, ramp, floor)
            steps = (*before, f"billable ({row.id}: {row.words}) = {minutes} min", *rating.steps)
            found.append(_verdict(rating, row.id, is_adopted, steps))
    return tuple(sorted(found, key=lambda one: not one.adopted)), words


def _unrated(member: StaffMember, services: Services, days: Sequence[Workday], rules: ProductivityRules) -> Verdict:
    """The month of somebody in a program that no target is for: minutes, and why they are not rated."""
    minutes = sum(line.row.direct_minutes for line in services if line.row.counted)
    return Verdict(
        adopted=True,
        measure=rules.measures[0].id,
        ramp_reading="none",
        floor_reading="none",
        value="not_rated",
        above_band=False,
        billable_minutes=minutes,
        days_worked=float(sum(day.worked for day in days if member.employed_on(day.day))),
        target_minutes=0.0,
        floor_minutes=0.0,
        top_minutes=0,
        shortfall_minutes=0.0,
        steps=(f"billable = {minutes} min", _not_for(member, rules)),
        sources=(),
    )


def _not_for(member: StaffMember, rules: ProductivityRules) -> str:
    programs = ", ".join(member.programs) or "somebody without a program"
    return f"not rated: {rules.target.rule} to PSC-5 are for {', '.join(rules.target.programs)}, not for {programs}"


def _verdict(rating: Rating, measure: str, adopted: bool, steps: tuple[str, ...]) -> Verdict:
    return Verdict(
        adopted=adopted,
        measure=measure,
        ramp_reading=rating.ramp_reading,
        floor_reading=rating.floor_reading,
        value=rating.value,
        above_band=rating.above_band,
        billable_minutes=rating.billable_minutes,
        days_worked=float(rating.days_worked),
        target_minutes=float(rating.target_minutes),
        floor_minutes=float(rating.floor_minutes),
        top_minutes=rating.top_minutes,
        shortfall_minutes=float(rating.shortfall_minutes),
        steps=steps,
        sources=rating.sources,
    )


def _adopted(adoptions: Sequence[Adoption], member: StaffMember, day: date) -> tuple[dict[str, str], tuple[str, ...]]:
    chosen: dict[str, str] = {}
    words: list[str] = []
    for rule in ("PSC-2", "PSC-3", "PSC-4"):
        holding = holding_adoption(adoptions, rule, member.program or "", day)
        if holding is None:
            words.append(f"nobody had adopted a reading of {rule} for {day}: the table's default holds")
        else:
            chosen[rule] = holding.reading
            words.append(holding.words())
    return chosen, tuple(words)


def _before(member: StaffMember, days: Sequence[Workday]) -> tuple[str, ...]:
    steps: list[str] = []
    if not member.schedules:
        steps.append(f"no schedule is recorded for {member.name}: record one (set-schedule) to count days worked")
    elif not days:
        steps.append("the schedule has no workday in this period")
    if calendar_of(member, date.max) is None:
        steps.append(f"no calendar is known for {', '.join(member.programs) or 'no program'}: no holiday is counted")
    closed = [day for day in days if day.holiday is not None]
    steps += [f"{day.day.isoformat()} is an agency holiday: {day.holiday}" for day in closed]
    return tuple(steps)


def one_week(member: StaffMember, services: Services, adoptions: Sequence[Adoption], monday: date) -> Week:
    in_week = within(services, monday, monday + timedelta(days=6))
    rules = productivity_rules(monday)
    chosen, _ = _adopted(adoptions, member, monday)
    minutes = _measured(in_week, monday, chosen.get("PSC-3", rules.measures[0].id))
    days = workdays(member, days_between(monday, monday + timedelta(days=6)), adoptions)
    if not set(member.programs) & set(rules.target.programs):
        return Week(
            week_of=monday,
            billable_minutes=minutes,
            days_worked=float(sum(day.worked for day in days if member.employed_on(day.day))),
            target_minutes=0.0,
            difference_minutes=0.0,
            units=sum(line.row.units for line in in_week if line.row.counted),
            steps=(*_before(member, days), _not_for(member, rules)),
        )
    figure = week_figure(
        monday,
        minutes,
        days,
        hired_on=_hired(member),
        left_on=_left(member),
        ramp_reading=chosen.get("PSC-2"),
    )
    return Week(
        week_of=monday,
        billable_minutes=minutes,
        days_worked=float(figure.days_worked),
        target_minutes=float(figure.target_minutes),
        difference_minutes=float(figure.difference_minutes),
        units=sum(line.row.units for line in in_week if line.row.counted),
        steps=(*_before(member, days), *figure.steps),
    )


def _measured(services: Services, day: date, measure: str) -> int:
    counted = ((line.row.direct_minutes, line.row.billed_minutes) for line in services if line.row.counted)
    return billable_minutes(counted, day, measure)


def _hired(member: StaffMember) -> date:
    return date.fromisoformat(member.hired_on)


def _left(member: StaffMember) -> date | None:
    return date.fromisoformat(member.last_day) if member.last_day else None


def within(services: Services, first: date, last: date) -> list[Line[UtilisedService]]:
    return [line for line in services if first.isoformat() <= line.row.service_day <= last.isoformat()]
