"""Staff: hire and last day, schedules, time off, supervisors and credentials, one row a person.

From it come the days a person was scheduled and worked, through the calendar of their programme. Sources: PSC-2 (hire
date), PSC-4 (schedule, time off, agency holidays), PSC-6 (supervisor), PSC-7 (registration), PSC-23.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates.staff import (
    CredentialRecorded,
    EmploymentEnded,
    ScheduleSet,
    StaffRegistered,
    SupervisorAssigned,
    TimeOffCancelled,
    TimeOffRecorded,
)
from ledger.policies.adoption import Adoption, adopted_calendar
from ledger.policies.calendar import CALENDAR_RULE, Calendar, calendar
from ledger.policies.deadline_rules import rule_book
from ledger.policies.productivity import Workday
from ledger.projections.base import Happened, Key, Projection


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A weekly schedule from a day on: minutes for Monday to Sunday."""

    effective_from: date
    minutes: tuple[int, ...]


class TimeOff(msgspec.Struct, frozen=True, kw_only=True):
    """Days away, whole (``minutes_per_day`` empty) or in part."""

    time_off_id: str
    first_day: date
    last_day: date
    reason: str
    minutes_per_day: int | None = None


class Supervisor(msgspec.Struct, frozen=True, kw_only=True):
    """Who supervises this person, from a day on."""

    staff_id: str
    effective_from: date


class HeldFrom(msgspec.Struct, frozen=True, kw_only=True):
    """A credential with its first and last day."""

    kind: str
    issued_on: date
    expires_on: date | None = None


class StaffMember(msgspec.Struct, frozen=True, kw_only=True):
    """One staff member. ``hired_on`` and ``last_day`` are ISO dates; ``last_day`` is empty while they work here."""

    staff_id: str
    name: str
    programs: tuple[str, ...]
    roles: tuple[str, ...]
    hired_on: str
    last_day: str | None = None
    schedules: tuple[Schedule, ...] = ()
    time_off: tuple[TimeOff, ...] = ()
    supervisors: tuple[Supervisor, ...] = ()
    credentials: tuple[HeldFrom, ...] = ()

    @property
    def program(self) -> str | None:
        """The programme whose calendar and adopted readings go for this person: the first one they were hired for."""
        return self.programs[0] if self.programs else None

    def schedule_on(self, day: date) -> Schedule | None:
        """The schedule in force on a day: the latest that had begun; of two of one day, the later recorded."""
        begun = [one for one in self.schedules if one.effective_from <= day]
        return max(enumerate(begun), key=lambda pair: (pair[1].effective_from, pair[0]))[1] if begun else None

    def scheduled_minutes(self, day: date) -> int:
        """Minutes scheduled on a day, 0 where no schedule is recorded or the person was not employed."""
        schedule = self.schedule_on(day)
        return schedule.minutes[day.weekday()] if schedule is not None and self.employed_on(day) else 0

    def minutes_off(self, day: date) -> int:
        """Minutes of time off among those scheduled on a day; part days add up, never over the day's schedule."""
        scheduled = self.scheduled_minutes(day)
        taken = 0
        for one in self.time_off:
            if one.first_day <= day <= one.last_day:
                taken += scheduled if one.minutes_per_day is None else one.minutes_per_day
        return min(taken, scheduled)

    def employed_on(self, day: date) -> bool:
        return self.hired_on <= day.isoformat() and (self.last_day is None or day.isoformat() <= self.last_day)

    def supervisor_on(self, day: date) -> str | None:
        """Who supervised this person on a day."""
        begun = [one for one in self.supervisors if one.effective_from <= day]
        return max(enumerate(begun), key=lambda pair: (pair[1].effective_from, pair[0]))[1].staff_id if begun else None

    def holds(self, kind: str, first: date, last: date) -> bool:
        """Whether a credential was held on any day of a span."""
        return any(
            one.kind == kind and one.issued_on <= last and (one.expires_on is None or first <= one.expires_on)
            for one in self.credentials
        )


staffing = Projection("staffing", 1, StaffMember, key=("staff_id",))


def _by_staff(happened: Happened[Any]) -> list[Key]:
    return [(happened.stream_id,)]


def _known(row: StaffMember | None) -> StaffMember:
    if row is None:
        raise LookupError("something about a staff member who was not registered")
    return row


@staffing.on(StaffRegistered, keys=_by_staff)
def registered(row: StaffMember | None, happened: Happened[StaffRegistered], key: Key) -> StaffMember:
    event = happened.event
    return StaffMember(
        staff_id=happened.stream_id,
        name=str(event.name),
        programs=event.programs,
        roles=event.roles,
        hired_on=event.hired_on.isoformat(),
    )


@staffing.on(ScheduleSet, keys=_by_staff)
def scheduled(row: StaffMember | None, happened: Happened[ScheduleSet], key: Key) -> StaffMember:
    row, event = _known(row), happened.event
    added = Schedule(effective_from=event.effective_from, minutes=event.minutes)
    return msgspec.structs.replace(row, schedules=(*row.schedules, added))


@staffing.on(TimeOffRecorded, keys=_by_staff)
def away(row: StaffMember | None, happened: Happened[TimeOffRecorded], key: Key) -> StaffMember:
    row, event = _known(row), happened.event
    added = TimeOff(
        time_off_id=event.time_off_id,
        first_day=event.first_day,
        last_day=event.last_day,
        reason=event.reason,
        minutes_per_day=event.minutes_per_day,
    )
    return msgspec.structs.replace(row, time_off=(*row.time_off, added))


@staffing.on(TimeOffCancelled, keys=_by_staff)
def not_away(row: StaffMember | None, happened: Happened[TimeOffCancelled], key: Key) -> StaffMember:
    row = _known(row)
    kept = tuple(one for one in row.time_off if one.time_off_id != happened.event.time_off_id)
    return msgspec.structs.replace(row, time_off=kept)


@staffing.on(SupervisorAssigned, keys=_by_staff)
def supervised(row: StaffMember | None, happened: Happened[SupervisorAssigned], key: Key) -> StaffMember:
    row, event = _known(row), happened.event
    added = Supervisor(staff_id=event.supervisor_id, effective_from=event.effective_from)
    return msgspec.structs.replace(row, supervisors=(*row.supervisors, added))


@staffing.on(CredentialRecorded, keys=_by_staff)
def credentialed(row: StaffMember | None, happened: Happened[CredentialRecorded], key: Key) -> StaffMember:
    row, event = _known(row), happened.event
    added = HeldFrom(kind=event.credential_kind, issued_on=event.issued_on, expires_on=event.expires_on)
    return msgspec.structs.replace(row, credentials=(*row.credentials, added))


@staffing.on(EmploymentEnded, keys=_by_staff)
def left(row: StaffMember | None, happened: Happened[EmploymentEnded], key: Key) -> StaffMember:
    return msgspec.structs.replace(_known(row), last_day=happened.event.last_day.isoformat())


def live_staff(connection: Connection, staff_id: str | None = None) -> dict[str, StaffMember]:
    """Staff members by id; they belong to no chart."""
    statement = select(staffing.view)
    if staff_id is not None:
        statement = statement.where(staffing.view.c.staff_id == staff_id)
    rows = (staffing.from_columns(dict(values)).row for values in connection.execute(statement).mappings())
    return {row.staff_id: row for row in rows}


def calendar_of(member: StaffMember, day: date, adoptions: Iterable[Adoption] = ()) -> Calendar | None:
    """The business-day calendar of a person's programme on a day, as adopted for it or its own.

    None where the rule book knows none of their programmes.
    """
    for program in member.programs:
        found = next((row for row in rule_book().programs if row.id == program), None)
        if found is not None:
            return calendar(adopted_calendar(adoptions, program, day) or found.calendar)
    return None


def workdays(member: StaffMember, days: Iterable[date], adoptions: Iterable[Adoption] = ()) -> tuple[Workday, ...]:
    """The scheduled workdays among some days, with time off and agency holidays (PSC-4).

    Days before the hire date or after the last day count as scheduled too, by the schedule nearest to them; ratings
    leave them out of the days worked. Raises ``CalendarError`` for a day that the calendar does not cover.
    """
    found: list[Workday] = []
    calendars = tuple(one for one in adoptions if one.rule_id == CALENDAR_RULE)
    for day in days:
        schedule = member.schedule_on(day) or (member.schedules[0] if member.schedules else None)
        minutes = schedule.minutes[day.weekday()] if schedule else 0
        if not minutes:
            continue
        # A weekend is no holiday: somebody scheduled to work on it works.
        book = calendar_of(member, day, calendars)
        holiday = book.closed.get(day) if book is not None and book.why_not(day) is not None else None
        found.append(Workday(day=day, scheduled_minutes=minutes, pto_minutes=member.minutes_off(day), holiday=holiday))
    return tuple(found)


def days_between(first: date, last: date) -> list[date]:
    """Every day of a span, both ends included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
