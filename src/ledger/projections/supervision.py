"""Supervision: every session of a worker, held or missed, and the grid of weeks with its ratings (PSC-6, PSC-7).

A week runs Monday to Sunday, by the agency's clock. A week whose every scheduled day was time off or a holiday is
excused. What a registration asks for stands beside the employer's rating, under every reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates.supervision import SupervisionEnteredInError, SupervisionHeld, SupervisionMissed
from ledger.policies.adoption import Adoption, holding_adoption
from ledger.policies.supervision import (
    LicenceAnswer,
    Sitting,
    SupervisionRating,
    WeekFacts,
    counted_once,
    licence_rule,
    licence_week,
    rate_week,
    rate_week_with_licence,
    supervision_readings,
)
from ledger.projections.base import Happened, Key, Line, Projection
from ledger.projections.staffing import StaffMember, days_between, workdays
from ledger.projections.utilisation import UtilisedService

LICENCE_RULE = "PSC-7"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One session: ``started_at`` with its offset and ``minutes`` if it was held, ``planned_for`` if it was missed."""

    session_id: str
    staff_id: str
    supervisor_id: str
    held: bool
    mode: str | None
    started_at: str | None
    minutes: int
    planned_for: str | None
    missed_reason: str | None
    in_error: bool = False

    def day(self, zone: ZoneInfo) -> date:
        """The agency's day of the session, held or planned."""
        if self.started_at is not None:
            return datetime.fromisoformat(self.started_at).astimezone(zone).date()
        return date.fromisoformat(self.planned_for or "")

    def sitting(self) -> Sitting:
        """A session that was held, as the rules take it."""
        started_at = datetime.fromisoformat(self.started_at or "")
        return Sitting(started_at=started_at, minutes=self.minutes, group=self.mode == "group")


supervision = Projection("supervision", 1, Session, key=("session_id",), indexes=(("staff_id",),))


@supervision.on(SupervisionHeld, keys=lambda h: [(h.stream_id,)])
def held(row: Session | None, happened: Happened[SupervisionHeld], key: Key) -> Session:
    event = happened.event
    return Session(
        session_id=happened.stream_id,
        staff_id=event.supervisee_id,
        supervisor_id=event.supervisor_id,
        held=True,
        mode=event.mode,
        started_at=event.started_at.isoformat(),
        minutes=event.minutes,
        planned_for=None,
        missed_reason=None,
    )


@supervision.on(SupervisionMissed, keys=lambda h: [(h.stream_id,)])
def missed(row: Session | None, happened: Happened[SupervisionMissed], key: Key) -> Session:
    event = happened.event
    return Session(
        session_id=happened.stream_id,
        staff_id=event.supervisee_id,
        supervisor_id=event.supervisor_id,
        held=False,
        mode=None,
        started_at=None,
        minutes=0,
        planned_for=event.planned_for.isoformat(),
        missed_reason=event.reason,
    )


@supervision.on(SupervisionEnteredInError, keys=lambda h: [(h.stream_id,)])
def in_error(row: Session | None, happened: Happened[SupervisionEnteredInError], key: Key) -> Session:
    if row is None:
        raise LookupError("a session that was not recorded is entered in error")
    return msgspec.structs.replace(row, in_error=True)


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """A planned session that did not take place, and why."""

    planned_for: date
    supervisor_id: str
    reason: str


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A registered person's week under one reading of how PSC-6 and PSC-7 stand together."""

    reading: str
    adopted: bool
    value: str
    steps: tuple[str, ...]
    sources: tuple[str, ...]


class GridWeek(msgspec.Struct, frozen=True, kw_only=True):
    """One week of the grid. ``rating`` is the employer's (PSC-6); ``adopted`` is what the agency's reading makes of it.

    ``over`` is False while the week lasts: its rating is then only how it stands.
    """

    week_of: date
    individual_minutes: int
    group_minutes: int
    sessions: int
    missed: tuple[Missed, ...]
    scheduled_days: int
    days_off: int
    over: bool
    rating: SupervisionRating
    registration: str | None
    licence: LicenceAnswer | None
    adopted: str
    readings: tuple[Standing, ...]


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's weeks, and how many of them were Full, Non, excused and not rated under the adopted reading."""

    staff_id: str
    name: str
    supervisor_id: str | None
    weeks: tuple[GridWeek, ...]
    counts: dict[str, int]


def live_sessions(connection: Connection, staff_id: str | None = None) -> list[Session]:
    """The sessions of a worker, or of all; they belong to no chart."""
    statement = select(supervision.view)
    if staff_id is not None:
        statement = statement.where(supervision.view.c.staff_id == staff_id)
    found = connection.execute(statement).mappings()
    return [supervision.from_columns(dict(values)).row for values in found]


def grid(
    member: StaffMember,
    sessions: Iterable[Session],
    services: Iterable[Line[UtilisedService]],
    adoptions: Sequence[Adoption],
    first: date,
    last: date,
    *,
    zone: ZoneInfo,
    today: date,
) -> Grid:
    """A worker's weeks from the one that holds ``first`` to the one that holds ``last``, while they were employed.

    ``services`` give the direct minutes that a licence rule asks for. Raises ``LookupError`` for a week without a rule
    and ``CalendarError`` for one that the calendar does not cover.
    """
    mine = [one for one in sessions if one.staff_id == member.staff_id and not one.in_error]
    counted = [one.row for one in services if one.row.staff_id == member.staff_id and one.row.counted]
    weeks: list[GridWeek] = []
    monday = first - timedelta(days=first.weekday())
    while monday <= last:
        days = days_between(monday, monday + timedelta(days=6))
        if any(member.employed_on(day) for day in days):
            weeks.append(_week(member, mine, counted, adoptions, days, zone, today))
        monday += timedelta(days=7)
    counts = {"full": 0, "non": 0, "excused": 0, "not_rated": 0}
    for week in weeks:
        if week.over:
            counts[week.adopted] += 1
    return Grid(
        staff_id=member.staff_id,
        name=member.name,
        supervisor_id=member.supervisor_on(min(last, today)),
        weeks=tuple(weeks),
        counts=counts,
    )


def _week(
    member: StaffMember,
    sessions: list[Session],
    services: list[UtilisedService],
    adoptions: Sequence[Adoption],
    days: list[date],
    zone: ZoneInfo,
    today: date,
) -> GridWeek:
    monday, sunday = days[0], days[-1]
    own = sorted((one for one in sessions if monday <= one.day(zone) <= sunday), key=lambda one: one.day(zone))
    scheduled = workdays(member, [day for day in days if member.employed_on(day)], adoptions)
    off = sum(1 for day in scheduled if day.worked == 0)
    known = any(member.schedule_on(day) is not None for day in days)
    registration = _registration(member, monday, sunday)
    direct = sum(one.direct_minutes for one in services if monday.isoformat() <= one.service_day <= sunday.isoformat())
    individual, group, twice = counted_once(one.sitting() for one in own if one.held)
    facts = WeekFacts(
        week_of=monday,
        programs=member.programs,
        individual_minutes=individual,
        group_minutes=group,
        overlapping_minutes=twice,
        # Without a schedule nobody can say that all of a week was off, so it is rated like a week of work.
        scheduled_days=len(scheduled) if known else len(days),
        days_off=off if known else 0,
        direct_counselling_minutes=direct,
        registration=registration,
    )
    rating = rate_week(facts)
    if not known:
        words = "no schedule is recorded, so the week is rated as worked (set-schedule)"
        rating = msgspec.structs.replace(rating, steps=(*rating.steps, words))
    holding = holding_adoption(adoptions, LICENCE_RULE, member.program or "", monday)
    readings = supervision_readings(monday)
    chosen = holding.reading if holding is not None else readings[0].id
    licence = None
    if registration is not None:
        licence = licence_week(registration, sum(individual), sum(group), direct, monday)
    standings = tuple(_standing(facts, row.id, adopted=row.id == chosen) for row in readings) if licence else ()
    return GridWeek(
        week_of=monday,
        individual_minutes=rating.individual_minutes,
        group_minutes=rating.group_minutes,
        sessions=sum(1 for one in own if one.held),
        missed=tuple(
            Missed(planned_for=one.day(zone), supervisor_id=one.supervisor_id, reason=one.missed_reason or "")
            for one in own
            if not one.held
        ),
        scheduled_days=facts.scheduled_days,
        days_off=facts.days_off,
        over=sunday < today,
        rating=rating,
        registration=registration,
        licence=licence,
        adopted=next((one.value for one in standings if one.adopted), rating.value),
        readings=tuple(sorted(standings, key=lambda one: not one.adopted)),
    )


def _standing(facts: WeekFacts, reading: str, *, adopted: bool) -> Standing:
    answer = rate_week_with_licence(facts, reading)
    return Standing(reading=reading, adopted=adopted, value=answer.value, steps=answer.steps, sources=answer.sources)


def _registration(member: StaffMember, first: date, last: date) -> str | None:
    """The registration with a supervision rule that was held in a week, the first by name if there are several."""
    kinds = sorted({one.kind for one in member.credentials})
    return next((kind for kind in kinds if licence_rule(kind, first) and member.holds(kind, first, last)), None)
