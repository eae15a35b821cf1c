"""The Service Utilization Summary: a worker's billable time beside the target, by day, week and month (PSC-1 to PSC-5).

The rating under every reading stands beside the one the agency adopted, each with the steps that were counted. A
summary that was reviewed keeps its reviewed figures; what came later shows as a restated difference beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction

import msgspec

from ledger.policies.adoption import Adoption
from ledger.policies.productivity import nearest_minute
from ledger.projections.base import Line
from ledger.projections.staffing import StaffMember
from ledger.projections.utilisation import Review, UtilisedService
from ledger.projections.utilisation_target import Services, Verdict, Week, every_verdict, one_week, within


class LateEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A service that was recorded, signed or changed after a review; a day and minutes, no client."""

    service_day: str
    direct_minutes: int
    counted: bool
    last_position: int


class Restated(msgspec.Struct, frozen=True, kw_only=True):
    """A review's figures as they were frozen, the same figures now, and what came in between."""

    review: Review
    billable_minutes_now: int
    target_minutes_now: int
    rating_now: str
    difference_minutes: int
    changed: bool
    late_entries: tuple[LateEntry, ...]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's month. ``waiting`` are billable services that do not count because no note is signed."""

    staff_id: str
    name: str
    program: str | None
    month: str
    billable_minutes: int
    units: int
    units_by_code: dict[str, int]
    waiting_services: int
    waiting_minutes: int
    by_day: dict[str, int]
    adopted: Verdict
    readings: tuple[Verdict, ...]
    adoptions: tuple[str, ...]
    weeks: tuple[Week, ...]
    restated: tuple[Restated, ...]


class WeekSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's week, for weekly supervision (PSC-5)."""

    staff_id: str
    name: str
    program: str | None
    week: Week
    waiting_services: int
    waiting_minutes: int
    restated: tuple[Restated, ...]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a period that a review freezes; a part minute of the target is rounded to the nearest minute."""

    first_day: date
    last_day: date
    billable_minutes: int
    target_minutes: int
    rating: str


def whole_weeks(first: date, last: date) -> tuple[date, date]:
    """The Monday on or before a day and the Sunday on or after another: what the weeks of a month need."""
    return first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())


def month_summary(
    member: StaffMember,
    services: Services,
    adoptions: Sequence[Adoption],
    reviews: Iterable[Line[Review]],
    first: date,
    last: date,
) -> Summary:
    """A worker's month from the services of its whole weeks (see ``whole_weeks``).

    Raises ``LookupError`` for a month without a rule and ``CalendarError`` for one that the calendar does not cover.
    """
    mine = [line for line in services if line.row.staff_id == member.staff_id]
    in_month = within(mine, first, last)
    readings, words = every_verdict(member, in_month, adoptions, first, last)
    adopted = next(one for one in readings if one.adopted)
    counted = [line.row for line in in_month if line.row.counted]
    waiting = _waiting(in_month)
    by_day: dict[str, int] = {}
    by_code: dict[str, int] = {}
    for row in counted:
        by_day[row.service_day] = by_day.get(row.service_day, 0) + row.direct_minutes
        by_code[row.code or "no code"] = by_code.get(row.code or "no code", 0) + row.units
    monday, _ = whole_weeks(first, last)
    mondays = [monday + timedelta(days=7 * n) for n in range((last - monday).days // 7 + 1)]
    figures = _figures(adopted, first, last)
    return Summary(
        staff_id=member.staff_id,
        name=member.name,
        program=member.program,
        month=f"{first:%Y-%m}",
        billable_minutes=adopted.billable_minutes,
        units=sum(row.units for row in counted),
        units_by_code=dict(sorted(by_code.items())),
        waiting_services=len(waiting),
        waiting_minutes=sum(row.direct_minutes for row in waiting),
        by_day=dict(sorted(by_day.items())),
        adopted=adopted,
        readings=readings,
        adoptions=words,
        weeks=tuple(one_week(member, mine, adoptions, one) for one in mondays),
        restated=_restated(member, reviews, figures, in_month),
    )


def week_summary(
    member: StaffMember,
    services: Services,
    adoptions: Sequence[Adoption],
    reviews: Iterable[Line[Review]],
    monday: date,
) -> WeekSummary:
    """A worker's week, Monday to Sunday."""
    sunday = monday + timedelta(days=6)
    mine = [line for line in services if line.row.staff_id == member.staff_id]
    in_week = within(mine, monday, sunday)
    waiting = _waiting(in_week)
    week = one_week(member, mine, adoptions, monday)
    return WeekSummary(
        staff_id=member.staff_id,
        name=member.name,
        program=member.program,
        week=week,
        waiting_services=len(waiting),
        waiting_minutes=sum(row.direct_minutes for row in waiting),
        restated=_restated(member, reviews, week_figures(week), in_week),
    )


def month_figures(summary: Summary, first: date, last: date) -> Figures:
    """What a review of a month freezes."""
    return _figures(summary.adopted, first, last)


def _figures(adopted: Verdict, first: date, last: date) -> Figures:
    return Figures(
        first_day=first,
        last_day=last,
        billable_minutes=adopted.billable_minutes,
        target_minutes=nearest_minute(Fraction(adopted.target_minutes)),
        rating=adopted.value,
    )


def week_figures(week: Week) -> Figures:
    """What a review of a week freezes; a week is not rated."""
    return Figures(
        first_day=week.week_of,
        last_day=week.week_of + timedelta(days=6),
        billable_minutes=week.billable_minutes,
        target_minutes=nearest_minute(Fraction(week.target_minutes)),
        rating="not_rated",
    )


def _restated(
    member: StaffMember, reviews: Iterable[Line[Review]], now: Figures, services: Services
) -> tuple[Restated, ...]:
    """Every review of this period, beside the figures of now; what changed since is named by day and minutes."""
    period = (member.staff_id, now.first_day.isoformat(), now.last_day.isoformat())
    found: list[Restated] = []
    for line in reviews:
        review = line.row
        if (review.staff_id, review.first_day, review.last_day) != period:
            continue
        late = tuple(
            LateEntry(
                service_day=one.row.service_day,
                direct_minutes=one.row.direct_minutes,
                counted=one.row.counted,
                last_position=one.last_position,
            )
            for one in sorted(services, key=lambda one: one.last_position)
            if one.last_position > review.position
        )
        frozen = (review.billable_minutes, review.target_minutes, review.rating)
        found.append(
            Restated(
                review=review,
                billable_minutes_now=now.billable_minutes,
                target_minutes_now=now.target_minutes,
                rating_now=now.rating,
                difference_minutes=now.billable_minutes - review.billable_minutes,
                changed=frozen != (now.billable_minutes, now.target_minutes, now.rating),
                late_entries=late,
            )
        )
    return tuple(found)


def _waiting(services: Services) -> list[UtilisedService]:
    return [line.row for line in services if line.row.billable and not line.row.counted and not line.row.in_error]
