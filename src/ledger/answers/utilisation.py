"""The Service Utilization Summary of a month or a week; and the figures that a review of it freezes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec

from ledger.aggregates.utilisation_review import ReviewUtilisation
from ledger.aggregates.vocabulary import Date
from ledger.answers.ask import Answer, Ask, AsKnownAt, MonthName, OfStaff
from ledger.answers.asking import Asking
from ledger.answers.known import fold_until, known_at, parked_keys, refuse_future
from ledger.answers.named import check_known
from ledger.answers.names import Names
from ledger.answers.period import Span, month_of, span_asked
from ledger.answers.query import Query
from ledger.answers.utilisation_told import Told, months_text, weeks_text
from ledger.clock import derived_id
from ledger.errors import NotFound
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
    Summary,
    WeekSummary,
    month_figures,
    month_summary,
    week_figures,
    week_summary,
    whole_weeks,
)

_VIEWS = (utilisation_view, utilisation_reviews, staffing, policies)


class AskUtilisation(Ask, frozen=True, kw_only=True):
    """Billable time of a month beside the target, rated under every reading (PSC-1 to PSC-5).

    Counted are the direct minutes of signed billable services. Reviewed figures stay as they were reviewed; what came
    later shows as a restated difference beside them.
    """

    NAME = "utilisation"
    staff_id: OfStaff = None
    month: Annotated[MonthName | None, msgspec.Meta(description="The month of service (default: this month).")] = None
    as_known_at: AsKnownAt = None
    steps: Annotated[bool, msgspec.Meta(description="Tell the steps of every reading; the data has them always.")] = (
        False
    )


class AskUtilisationWeek(Ask, frozen=True, kw_only=True):
    """Billable time of a week beside the target, as of a month."""

    NAME = "utilisation week"
    COMMAND = "utilisation"
    staff_id: OfStaff = None
    week: Annotated[Date, msgspec.Meta(description="The week (Monday to Sunday) that holds this day.")]
    as_known_at: AsKnownAt = None


class UtilisationShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json utilisation`` prints."""

    as_known_at: datetime | None
    month: str
    parked: dict[str, str]
    staff: tuple[Summary, ...]


class UtilisationWeekShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json utilisation --week`` prints."""

    as_known_at: datetime | None
    parked: dict[str, str]
    staff: tuple[WeekSummary, ...]
    week_of: date


@dataclass(frozen=True)
class Figured:
    """What the summaries are made from, live or as known at a log position."""

    staff: dict[str, StaffMember]
    services: Sequence[Line[UtilisedService]]
    reviews: Sequence[Line[Review]]
    adoptions: tuple[Adoption, ...]
    parked: dict[str, str]
    position: int


def _utilisation(asking: Asking, ask: AskUtilisation) -> Answer:
    refuse_future(asking, "as-known-at", ask.as_known_at)
    check_known(asking, staff_id=ask.staff_id)
    span = _span(asking, ask)
    with _covered(asking):
        figured = _figured(asking, span, ask.staff_id, ask.as_known_at)
        months = _months(figured, span, ask.staff_id)
    parked, told = figured.parked, _told(asking, figured)
    return Answer(
        data=UtilisationShown(as_known_at=ask.as_known_at, month=span.name, parked=parked, staff=tuple(months)),
        text=lambda: months_text(span, months, parked, told, all_steps=ask.steps),
        position=figured.position,
    )


def _utilisation_week(asking: Asking, ask: AskUtilisationWeek) -> Answer:
    refuse_future(asking, "as-known-at", ask.as_known_at)
    check_known(asking, staff_id=ask.staff_id)
    monday = _monday(ask.week)
    with _covered(asking):
        figured = _figured(asking, month_of(ask.week), ask.staff_id, ask.as_known_at)
        weeks = _weeks(figured, monday, ask.staff_id)
    parked, told = figured.parked, _told(asking, figured)
    return Answer(
        data=UtilisationWeekShown(as_known_at=ask.as_known_at, parked=parked, staff=tuple(weeks), week_of=monday),
        text=lambda: weeks_text(weeks, parked, told),
        position=figured.position,
    )


def review_of(asking: Asking, ask: AskUtilisation | AskUtilisationWeek, command_id: str) -> ReviewUtilisation:
    """The command that freezes one staff member's figures at the log's head; who gives it is the surface's to say.

    The fold up to that position makes exactly these figures again. Raises ``BadInput`` without a staff member, and
    ``NotFound`` for one that is not there.
    """
    if ask.staff_id is None or ask.as_known_at is not None:
        staff, known = asking.called("staff"), asking.called("as-known-at")
        raise asking.refused("review", f"name one {staff}, and leave out {known}: a review is of the figures of now")
    check_known(asking, staff_id=ask.staff_id)
    position = asking.recorder.sequence()
    with _covered(asking):
        figured = _folded(asking, position)
        _check_staff(figured, ask.staff_id)
        figures: Figures
        if isinstance(ask, AskUtilisationWeek):
            figures = week_figures(_weeks(figured, _monday(ask.week), ask.staff_id)[0].week)
        else:
            span = _span(asking, ask)
            figures = month_figures(_months(figured, span, ask.staff_id)[0], span.first, span.last)
    return ReviewUtilisation(
        review_id=derived_id("utilisation-review", command_id),
        staff_id=ask.staff_id,
        first_day=figures.first_day,
        last_day=figures.last_day,
        billable_minutes=figures.billable_minutes,
        target_minutes=figures.target_minutes,
        rating=figures.rating,
        position=position,
    )


@contextmanager
def _covered(asking: Asking) -> Iterator[None]:
    """Days that no calendar or table covers are a fault of the month that was asked for."""
    try:
        yield
    except (CalendarError, LookupError) as fault:
        raise asking.refused("month", str(fault)) from fault


def _span(asking: Asking, ask: AskUtilisation) -> Span:
    if ask.month is not None:
        return span_asked(asking, ask.month)
    return month_of(asking.ledger.clock.now().astimezone(asking.ledger.zone).date())


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _told(asking: Asking, figured: Figured) -> Told:
    return Told(asking.ledger.zone, Names({who: one.name for who, one in figured.staff.items()}))


def _check_staff(figured: Figured, staff_id: str | None) -> None:
    if staff_id is not None and staff_id not in figured.staff:
        raise NotFound("staff member", staff_id)


def _figured(asking: Asking, span: Span, staff_id: str | None, as_known_at: datetime | None) -> Figured:
    if as_known_at is not None:
        figured = _folded(asking, known_at(asking, as_known_at))
    else:
        first, last = whole_weeks(span.first, span.last)
        asking.catch_up()
        with asking.one_moment(*_VIEWS) as shown:
            figured = Figured(
                staff=live_staff(shown.connection),
                services=live_services(shown.connection, first, last, staff_id),
                reviews=live_reviews(shown.connection, staff_id),
                adoptions=adoptions(shown.connection),
                parked=parked_keys(asking, _VIEWS),
                position=shown.position,
            )
    _check_staff(figured, staff_id)
    return figured


def _folded(asking: Asking, position: int) -> Figured:
    known = fold_until(asking, _VIEWS, position)
    reviews = sorted(known.of(utilisation_reviews), key=lambda line: line.first_position)
    return Figured(
        staff={line.row.staff_id: line.row for line in known.of(staffing)},
        services=list(known.of(utilisation_view)),
        reviews=reviews,
        adoptions=in_order(known.of(policies)),
        parked=known.parked,
        position=position,
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


UTILISATION = Query(AskUtilisation, _utilisation, None, UtilisationShown)
UTILISATION_WEEK = Query(AskUtilisationWeek, _utilisation_week, None, UtilisationWeekShown)
