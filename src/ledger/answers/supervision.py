"""The grid of weeks of supervision, with its ratings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

import msgspec

from ledger.aggregates.vocabulary import Date
from ledger.answers.ask import Answer, Ask, AsKnownAt, OfStaff
from ledger.answers.asking import Asking
from ledger.answers.known import fold_until, known_at, parked_keys, parked_words, refuse_future
from ledger.answers.named import check_known
from ledger.answers.query import Query
from ledger.errors import NotFound
from ledger.policies.calendar import CalendarError
from ledger.projections.policies import adoptions, in_order, policies
from ledger.projections.staffing import StaffMember, live_staff, staffing
from ledger.projections.supervision import Grid, GridWeek, grid, live_sessions
from ledger.projections.supervision import supervision as supervision_view
from ledger.projections.utilisation import live_services, utilisation

_VIEWS = (supervision_view, staffing, utilisation, policies)
#: Weeks shown when no day is named.
_WEEKS = 8


class AskSupervision(Ask, frozen=True, kw_only=True):
    """Minutes of supervision a week, rated (PSC-6), with what a registration asks for beside it (PSC-7).

    Weeks that were wholly time off or holidays are excused. Group supervision counts only for a registration.
    """

    NAME = "supervision"
    staff_id: OfStaff = None
    first: Annotated[
        Date | None, msgspec.Meta(description="From the week that holds this day (default: eight weeks back).")
    ] = None
    last: Annotated[Date | None, msgspec.Meta(description="To the week that holds this day (default: today).")] = None
    as_known_at: AsKnownAt = None
    steps: Annotated[bool, msgspec.Meta(description="Tell the steps of every week; the data has them always.")] = False


class SupervisionShown(msgspec.Struct, frozen=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """What ``ledger --json supervision`` prints."""

    as_known_at: datetime | None
    first: date
    parked: dict[str, str]
    staff: tuple[Grid, ...]
    last: date


def _supervision(asking: Asking, ask: AskSupervision) -> Answer:
    staff_id, as_known_at, first, last = ask.staff_id, ask.as_known_at, ask.first, ask.last
    refuse_future(asking, "as-known-at", as_known_at)
    check_known(asking, staff_id=staff_id)
    zone = asking.ledger.zone
    moment = as_known_at or asking.ledger.clock.now()
    today = moment.astimezone(zone).date()
    if last is None and first is not None and first > today:
        to = asking.called("to")
        raise asking.refused(
            "from", f"it lies after {today}, where the weeks end without {to}; name an earlier day, or {to}"
        )
    last = last or today
    first = first or last - timedelta(days=7 * _WEEKS)
    if first > last:
        raise asking.refused("to", f"it lies before {asking.called('from')}; swap the two days")
    if as_known_at is None:
        asking.catch_up()
        with asking.one_moment(*_VIEWS) as shown:
            position = shown.position
            staff = live_staff(shown.connection)
            sessions = live_sessions(shown.connection, staff_id)
            services = live_services(shown.connection, first - timedelta(days=7), last + timedelta(days=7), staff_id)
            adopted = adoptions(shown.connection)
        parked = parked_keys(asking, _VIEWS)
    else:
        known = fold_until(asking, _VIEWS, known_at(asking, as_known_at))
        position = known.position
        staff = {line.row.staff_id: line.row for line in known.of(staffing)}
        sessions = [line.row for line in known.of(supervision_view)]
        services = list(known.of(utilisation))
        adopted = in_order(known.of(policies))
        parked = known.parked
    if staff_id is not None and staff_id not in staff:
        raise NotFound("staff member", staff_id)
    chosen = [staff[staff_id]] if staff_id is not None else _supervised(staff, {one.staff_id for one in sessions})
    try:
        grids = [grid(one, sessions, services, adopted, first, last, zone=zone, today=today) for one in chosen]
    except (CalendarError, LookupError) as fault:
        raise asking.refused("from", str(fault)) from fault
    data = SupervisionShown(as_known_at=as_known_at, first=first, last=last, parked=parked, staff=tuple(grids))
    return Answer(
        data=data,
        text=lambda: _text(first, last, grids, staff, parked, all_steps=ask.steps),
        position=position,
    )


def _supervised(staff: dict[str, StaffMember], seen: set[str]) -> list[StaffMember]:
    """Everybody who gives services or was ever supervised."""
    chosen = [one for one in staff.values() if "clinician" in one.roles or one.staff_id in seen]
    return sorted(chosen, key=lambda one: (one.name, one.staff_id))


def _text(
    first: date | None,
    last: date | None,
    grids: Sequence[Grid],
    staff: dict[str, StaffMember],
    parked: dict[str, str],
    *,
    all_steps: bool,
) -> str:
    lines = [f"Supervision from {first} to {last}: {len(grids)} staff members", *parked_words(parked)]
    for one in grids:
        supervisor = staff[one.supervisor_id].name if one.supervisor_id in staff else "nobody recorded"
        lines += [
            f"\n{one.name}  {one.staff_id}  supervised by {supervisor}",
            f"  full {one.counts['full']}, non {one.counts['non']}, excused {one.counts['excused']}"
            + (f", not rated {one.counts['not_rated']}" if one.counts["not_rated"] else ""),
            "  week of     individual  group  rating   ",
        ]
        for week in one.weeks:
            lines.append(_week_line(week))
            lines += [f"      missed {gone.planned_for}: {gone.reason}" for gone in week.missed]
            if all_steps:
                lines += [f"      - {step}" for step in week.rating.steps]
                lines += [
                    f"      {'adopted' if reading.adopted else 'beside'} {reading.reading} {reading.value}: {step}"
                    for reading in week.readings
                    for step in reading.steps
                ]
    return "\n".join(lines)


def _week_line(week: GridWeek) -> str:
    words = f"  {week.week_of}  {week.individual_minutes:>6} min {week.group_minutes:>4}  {week.adopted:8}"
    if week.rating.above_band:
        words += " above an hour"
    if not week.over:
        words += " so far"
    if week.licence is not None:
        met = "met" if week.licence.met else "not met"
        words += f" PSC-6 {week.rating.value}; {week.licence.kind} {met} (confidence {week.licence.confidence})"
        words += "".join(f"; under {one.reading} {one.value}" for one in week.readings if not one.adopted)
    return words


SUPERVISION = Query(AskSupervision, _supervision, None, SupervisionShown)
