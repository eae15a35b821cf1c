"""``ledger utilisation``: the Service Utilization Summary of a week or a month, and its review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click

from ledger.aggregates.utilisation_review import ReviewUtilisation
from ledger.application.commands import Request
from ledger.answers.names import Names
from ledger.answers.known import fold_until, known_at, parked_keys, parked_words, refuse_future
from ledger.answers.named import check_known
from ledger.cli.named import Id
from ledger.answers.period import Span, month_of
from ledger.cli.period import Month
from ledger.cli.session import Day, Moment, Session, pass_session
from ledger.clock import derived_id, from_text
from ledger.errors import BadInput, NotFound
from ledger.policies.adoption import Adoption
from ledger.policies.calendar import CalendarError
from ledger.projections.base import Line
from ledger.projections.policies import adoptions, in_order, policies
from ledger.projections.staffing import StaffMember, live_staff, staffing
from ledger.projections.utilisation import (
    Review,
    UtilisedService,
    live_reviews,
    live_services,
    utilisation_reviews,
)
from ledger.projections.utilisation import utilisation as utilisation_view
from ledger.projections.utilisation_summary import (
    Figures,
    Restated,
    Summary,
    WeekSummary,
    month_figures,
    month_summary,
    week_figures,
    week_summary,
    whole_weeks,
)
from ledger.tracing.words import when

_VIEWS = (utilisation_view, utilisation_reviews, staffing, policies)


@dataclass(frozen=True)
class Figured:
    """What the summaries are made from, live or as known at a log position."""

    staff: dict[str, StaffMember]
    services: Sequence[Line[UtilisedService]]
    reviews: Sequence[Line[Review]]
    adoptions: tuple[Adoption, ...]
    parked: dict[str, str]


@click.command()
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only this staff member.")
@click.option("--month", "span", type=Month(), help="The month of service, for example 2025-11 (default: this month).")
@click.option("--week", type=Day(), help="The week (Monday to Sunday) that holds this day, instead of a month.")
@click.option("--as-known-at", type=Moment(), help="The figures as they were known at this time.")
@click.option("--review", is_flag=True, help="Review the figures: freeze them as an event. Needs --staff.")
@click.option("--command-id", help="With --review: repeating it with the same id reviews only once.")
@click.option("--steps", is_flag=True, help="Print the steps of every reading, not only of the adopted one.")
@pass_session
def utilisation(
    session: Session,
    staff_id: str | None,
    span: Span | None,
    week: date | None,
    as_known_at: datetime | None,
    review: bool,
    command_id: str | None,
    steps: bool,
) -> None:
    """Billable time beside the target, rated under every reading (PSC-1 to PSC-5).

    Counted are the direct minutes of signed billable services. Reviewed figures stay as they were reviewed; what came
    later shows as a restated difference beside them.

    \b
    Examples:
      ledger utilisation --month 2025-11
      ledger --json utilisation --staff STAFF --month 2025-11 --as-known-at 2025-12-01T09:00:00-08:00
      ledger utilisation --staff STAFF --week 2025-11-12
      ledger --as SUPERVISOR utilisation --staff STAFF --month 2025-11 --review
    """
    if span is not None and week is not None:
        raise BadInput("--week: give a month or a week, not both")
    if review and (staff_id is None or as_known_at is not None):
        raise BadInput("--review: name one --staff, and leave out --as-known-at: a review is of the figures of now")
    if command_id is not None and not review:
        raise BadInput("--command-id: it belongs to --review")
    refuse_future(session, "as-known-at", as_known_at)
    check_known(session, staff_id=staff_id)
    if span is None:
        span = month_of(week or session.ledger.clock.now().astimezone(session.ledger.zone).date())
    first, last = whole_weeks(span.first, span.last)
    try:
        if review and staff_id is not None:
            _review(session, staff_id, span, week, command_id)
        figured = _figured(session, first, last, staff_id, as_known_at)
        if staff_id is not None and staff_id not in figured.staff:
            raise NotFound("staff member", staff_id)
        told = _Told(session.ledger.zone, Names({who: one.name for who, one in figured.staff.items()}))
        if week is not None:
            weeks = _weeks(figured, week - timedelta(days=week.weekday()), staff_id)
            data: Any = {"week_of": week - timedelta(days=week.weekday()), "as_known_at": as_known_at, "staff": weeks}
            session.emit(data | {"parked": figured.parked}, lambda: _weeks_text(weeks, figured.parked, told))
            return
        months = _months(figured, span, staff_id)
    except (CalendarError, LookupError) as fault:
        raise BadInput(f"--month: {fault}") from fault
    data = {"month": span.name, "as_known_at": as_known_at, "staff": months}
    session.emit(
        data | {"parked": figured.parked}, lambda: _months_text(span, months, figured.parked, told, all_steps=steps)
    )


def _figured(session: Session, first: date, last: date, staff_id: str | None, as_known_at: datetime | None) -> Figured:
    if as_known_at is not None:
        return _folded(session, known_at(session, as_known_at))
    session.catch_up()
    with session.recorder.reading() as connection:
        return Figured(
            staff=live_staff(connection),
            services=live_services(connection, first, last, staff_id),
            reviews=live_reviews(connection, staff_id),
            adoptions=adoptions(connection),
            parked=parked_keys(session, _VIEWS),
        )


def _folded(session: Session, position: int) -> Figured:
    known = fold_until(session, _VIEWS, position)
    reviews = sorted(known.of(utilisation_reviews), key=lambda line: line.first_position)
    return Figured(
        staff={line.row.staff_id: line.row for line in known.of(staffing)},
        services=list(known.of(utilisation_view)),
        reviews=reviews,
        adoptions=in_order(known.of(policies)),
        parked=known.parked,
    )


def _shown(figured: Figured, first: date, last: date, staff_id: str | None) -> list[StaffMember]:
    """Whom a summary is about: the person asked for, else everybody who gave a service or was there to give one."""
    if staff_id is not None:
        return [figured.staff[staff_id]]
    busy = {
        line.row.staff_id for line in figured.services if first.isoformat() <= line.row.service_day <= last.isoformat()
    }
    here = [
        one
        for one in figured.staff.values()
        if one.hired_on <= last.isoformat() and (one.last_day is None or one.last_day >= first.isoformat())
    ]
    chosen = [one for one in here if "clinician" in one.roles or one.staff_id in busy]
    return sorted(chosen, key=lambda one: (one.name, one.staff_id))


def _months(figured: Figured, span: Span, staff_id: str | None) -> list[Summary]:
    return [
        month_summary(one, figured.services, figured.adoptions, figured.reviews, span.first, span.last)
        for one in _shown(figured, span.first, span.last, staff_id)
    ]


def _weeks(figured: Figured, monday: date, staff_id: str | None) -> list[WeekSummary]:
    return [
        week_summary(one, figured.services, figured.adoptions, figured.reviews, monday)
        for one in _shown(figured, monday, monday + timedelta(days=6), staff_id)
    ]


def _review(session: Session, staff_id: str, span: Span, week: date | None, command_id: str | None) -> None:
    """Freeze the figures of the log's head as an event; the fold up to that position makes them exactly its own."""
    if command_id is not None and session.recorder.find_command(command_id):
        return
    position = session.recorder.sequence()
    figured = _folded(session, position)
    if staff_id not in figured.staff:
        raise NotFound("staff member", staff_id)
    figures: Figures
    if week is not None:
        figures = week_figures(_weeks(figured, week - timedelta(days=week.weekday()), staff_id)[0].week)
    else:
        figures = month_figures(_months(figured, span, staff_id)[0], span.first, span.last)
    command_id = command_id or session.ledger.ids.new()
    session.execute(
        Request(
            command=ReviewUtilisation(
                review_id=derived_id("utilisation-review", command_id),
                staff_id=staff_id,
                first_day=figures.first_day,
                last_day=figures.last_day,
                billable_minutes=figures.billable_minutes,
                target_minutes=figures.target_minutes,
                rating=figures.rating,
                position=position,
            ),
            actor_id=session.actor,
            purpose=session.purpose,
            command_id=command_id,
            correlation_id=session.correlation_id,
        )
    )


def hours(minutes: float) -> str:
    """Minutes as hours, to the hundredth: 99.75 h; the steps have them exactly."""
    return f"{minutes / 60:.2f} h"


@dataclass(frozen=True)
class _Told:
    """How a review is told: on the agency's clock, and by name."""

    zone: ZoneInfo
    names: Names

    def review(self, review: Review) -> str:
        at = when(from_text(review.reviewed_at).astimezone(self.zone))
        return f"reviewed {at} ({self.zone.key}) by {self.names(review.reviewed_by)} at position {review.position}"


def _months_text(span: Span, months: Sequence[Summary], parked: dict[str, str], told: _Told, *, all_steps: bool) -> str:
    lines = [f"Service utilisation of {span.name}: {len(months)} staff members", *parked_words(parked)]
    for one in months:
        rating = one.adopted
        above = ", above band" if rating.above_band else ""
        lines += [
            f"\n{one.name}  {one.program or 'no program'}  {one.staff_id}",
            f"  {hours(one.billable_minutes)} billable of {hours(rating.target_minutes)} target, "
            f"{rating.days_worked:g} days worked: {rating.value}{above}",
            f"  units: {one.units}" + "".join(f", {code} {units}" for code, units in one.units_by_code.items()),
        ]
        if one.waiting_services:
            lines.append(f"  not counted, no signed note: {one.waiting_services} services, {one.waiting_minutes} min")
        lines.append("  week of      billable     target   days")
        lines += [
            f"  {at.week_of} {hours(at.billable_minutes):>10} {hours(at.target_minutes):>10} {at.days_worked:>6g}"
            for at in one.weeks
        ]
        lines += [f"  {words}" for words in one.adoptions]
        for reading in one.readings:
            mark = "adopted" if reading.adopted else "beside "
            lines.append(
                f"  {mark} {reading.value:9} {reading.measure}, {reading.ramp_reading}, {reading.floor_reading}: "
                f"floor {hours(reading.floor_minutes)}"
            )
            if reading.adopted or all_steps:
                lines += [f"    - {step}" for step in reading.steps]
        lines += _restated_lines(one.restated, told)
    return "\n".join(lines)


def _weeks_text(weeks: Sequence[WeekSummary], parked: dict[str, str], told: _Told) -> str:
    lines = [f"Service utilisation of a week: {len(weeks)} staff members", *parked_words(parked)]
    for one in weeks:
        week = one.week
        lines += [
            f"\n{one.name}  {one.program or 'no program'}  {one.staff_id}",
            f"  week of {week.week_of}: {hours(week.billable_minutes)} billable of {hours(week.target_minutes)} "
            f"target, {week.days_worked:g} days worked, {week.units} units",
        ]
        if one.waiting_services:
            lines.append(f"  not counted, no signed note: {one.waiting_services} services, {one.waiting_minutes} min")
        lines += [f"    - {step}" for step in week.steps]
        lines += _restated_lines(one.restated, told)
    return "\n".join(lines)


def _restated_lines(restated: Sequence[Restated], told: _Told) -> list[str]:
    lines: list[str] = []
    for one in restated:
        review = one.review
        lines.append(
            f"  {told.review(review)}: {review.billable_minutes} min of {review.target_minutes}, {review.rating}"
        )
        if one.changed:
            lines.append(
                f"    restated: {one.billable_minutes_now} min of {one.target_minutes_now}, {one.rating_now} "
                f"(difference {one.difference_minutes:+d} min)"
            )
        lines += [
            f"    after the review: a service of {late.service_day}, {late.direct_minutes} min, "
            f"{'counted' if late.counted else 'not counted'} (position {late.last_position})"
            for late in one.late_entries
        ]
    return lines
