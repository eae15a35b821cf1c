"""``ledger supervision``: the grid of weeks of supervision, with its ratings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import click

from ledger.answers.known import fold_until, known_at, parked_keys, parked_words, refuse_future
from ledger.answers.named import check_known
from ledger.cli.named import Id
from ledger.cli.session import Day, Moment, Session, pass_session
from ledger.errors import BadInput, NotFound
from ledger.policies.calendar import CalendarError
from ledger.projections.policies import adoptions, in_order, policies
from ledger.projections.staffing import StaffMember, live_staff, staffing
from ledger.projections.supervision import Grid, GridWeek, grid, live_sessions
from ledger.projections.supervision import supervision as supervision_view
from ledger.projections.utilisation import live_services, utilisation

_VIEWS = (supervision_view, staffing, utilisation, policies)
#: Weeks shown when no day is named.
_WEEKS = 8


@click.command()
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only this staff member.")
@click.option("--from", "first", type=Day(), help="From the week that holds this day (default: eight weeks back).")
@click.option("--to", "last", type=Day(), help="To the week that holds this day (default: today).")
@click.option("--as-known-at", type=Moment(), help="The grid as it was known at this time.")
@click.option("--steps", is_flag=True, help="Print the steps of every week.")
@pass_session
def supervision(
    session: Session,
    staff_id: str | None,
    first: date | None,
    last: date | None,
    as_known_at: datetime | None,
    steps: bool,
) -> None:
    """Minutes of supervision a week, rated (PSC-6), with what a registration asks for beside it (PSC-7).

    Weeks that were wholly time off or holidays are excused. Group supervision counts only for a registration.

    \b
    Examples:
      ledger supervision --staff STAFF --from 2025-10-01 --to 2025-12-31
      ledger --json supervision --from 2025-11-01 --as-known-at 2025-12-01T09:00:00-08:00
    """
    refuse_future(session, "as-known-at", as_known_at)
    check_known(session, staff_id=staff_id)
    zone = session.ledger.zone
    moment = as_known_at or session.ledger.clock.now()
    today = moment.astimezone(zone).date()
    if last is None and first is not None and first > today:
        raise BadInput(f"--from: it lies after {today}, where the weeks end without --to; name an earlier day, or --to")
    last = last or today
    first = first or last - timedelta(days=7 * _WEEKS)
    if first > last:
        raise BadInput("--to: it lies before --from; swap the two days")
    if as_known_at is None:
        session.catch_up()
        with session.recorder.reading() as connection:
            staff = live_staff(connection)
            sessions = live_sessions(connection, staff_id)
            services = live_services(connection, first - timedelta(days=7), last + timedelta(days=7), staff_id)
            adopted = adoptions(connection)
        parked = parked_keys(session, _VIEWS)
    else:
        known = fold_until(session, _VIEWS, known_at(session, as_known_at))
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
        raise BadInput(f"--from: {fault}") from fault
    session.emit(
        {"from": first, "to": last, "as_known_at": as_known_at, "staff": grids, "parked": parked},
        lambda: _text(first, last, grids, staff, parked, all_steps=steps),
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
