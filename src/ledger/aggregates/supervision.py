"""A supervision session: who supervised whom, how long, individually or in a group; or why it did not take place.

Sources: PSC-6 (weekly individual supervision), PSC-7 (what a registration requires).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.bounds import check_session_length
from ledger.aggregates.days import day_of, first_moment, today
from ledger.aggregates.staff import Staff
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, Moment, Text, event
from ledger.errors import Reasons


@event("supervision.held")
class SupervisionHeld(Event, frozen=True, kw_only=True):
    """A session took place. ``minutes`` is its length in whole minutes."""

    supervisee_id: str
    supervisor_id: str
    mode: str
    started_at: datetime
    ended_at: datetime
    minutes: int
    topics: str = ""


@event("supervision.missed")
class SupervisionMissed(Event, frozen=True, kw_only=True):
    """A planned session did not take place, and why."""

    supervisee_id: str
    supervisor_id: str
    planned_for: date
    reason: str


@event("supervision.entered_in_error")
class SupervisionEnteredInError(Event, frozen=True, kw_only=True):
    """The session was recorded wrongly and counts for nothing; it stays readable."""

    supervisee_id: str
    reason: str


class RecordSupervision(Command, frozen=True, kw_only=True):
    """Record a supervision session."""

    NAME = "record-supervision"
    OCCURS_AT = "ended_at"
    session_id: Id
    supervisee_id: Id
    supervisor_id: Id
    started_at: Moment
    ended_at: Moment
    mode: Literal["individual", "group"] = "individual"
    topics: Text | None = None


class RecordMissedSupervision(Command, frozen=True, kw_only=True):
    """Record that a planned supervision session did not take place."""

    NAME = "record-missed-supervision"
    session_id: Id
    supervisee_id: Id
    supervisor_id: Id
    planned_for: Date
    reason: Label


class MarkSupervisionInError(Command, frozen=True, kw_only=True):
    """Mark a supervision session as entered in error."""

    NAME = "mark-supervision-in-error"
    session_id: Id
    reason: Label


class SupervisionSession(Aggregate):
    """One session; keyed by the supervised staff member."""

    KIND = "supervision"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.in_error = False
        self.recorded_for: datetime | None = None

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case SupervisionHeld() | SupervisionMissed():
                self.key = event.supervisee_id
                self.recorded_for = occurred_at
            case SupervisionEnteredInError():
                self.in_error = True
            case _:
                raise TypeError(f"a supervision stream cannot hold {event.TYPE}")

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """Whoever is supervised: the rating is theirs."""
        if isinstance(command, RecordSupervision | RecordMissedSupervision):
            return frozenset({command.supervisee_id})
        return frozenset({self.key})

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """A session has happened when it has ended, and is missed on the day for which it was planned."""
        match command:
            case RecordSupervision():
                return command.ended_at, "the session ended"
            case RecordMissedSupervision():
                return first_moment(given, command.planned_for), "the day began for which it was planned"
        return (self.recorded_for, "the session took place, or did not") if self.recorded_for else None

    @staticmethod
    def _check_people(reasons: Reasons, given: Given, supervisee_id: str, supervisor_id: str, day: date) -> None:
        supervisee, supervisor = given.find(Staff, supervisee_id), given.find(Staff, supervisor_id)
        reasons.unless(supervisee is not None, "supervisee_id", "no such staff member", "register them first")
        for field, person in (("supervisee_id", supervisee), ("supervisor_id", supervisor)):
            reasons.unless(
                person is None or person.employed_on(day),
                field,
                f"{person.name if person else ''} was not employed on {day}",
                "check the date and the person",
                "not-employed",
            )
        if supervisor is None:
            reasons.add("supervisor_id", "no such staff member", "register them first")
        else:
            reasons.unless(
                "supervisor" in supervisor.roles,
                "supervisor_id",
                f"{supervisor.name} does not have the role supervisor",
            )
        reasons.unless(supervisee_id != supervisor_id, "supervisor_id", "nobody supervises themselves")

    @decides(RecordSupervision, on="session_id", creates=True)
    def hold(self, command: RecordSupervision, given: Given) -> None:
        reasons = Reasons()
        day = day_of(given, command.started_at)
        self._check_people(reasons, given, command.supervisee_id, command.supervisor_id, day)
        check_session_length(reasons, command.started_at, command.ended_at, day)
        reasons.unless(command.started_at < command.ended_at, "ended_at", "the session ends before it starts")
        reasons.unless(
            command.ended_at <= given.now, "ended_at", "the session is in the future", "record it afterwards"
        )
        reasons.refuse_if_any()
        self.record(
            SupervisionHeld(
                supervisee_id=command.supervisee_id,
                supervisor_id=command.supervisor_id,
                mode=command.mode,
                started_at=command.started_at,
                ended_at=command.ended_at,
                minutes=int((command.ended_at - command.started_at).total_seconds() // 60),
                topics=command.topics or "",
            ),
            given.occurred_at,
        )

    @decides(RecordMissedSupervision, on="session_id", creates=True)
    def miss(self, command: RecordMissedSupervision, given: Given) -> None:
        reasons = Reasons()
        self._check_people(reasons, given, command.supervisee_id, command.supervisor_id, command.planned_for)
        reasons.unless(
            command.planned_for <= today(given),
            "planned_for",
            f"{command.planned_for} is still to come",
            "record it on the day or afterwards",
            "future",
        )
        reasons.refuse_if_any()
        self.record(
            SupervisionMissed(
                supervisee_id=command.supervisee_id,
                supervisor_id=command.supervisor_id,
                planned_for=command.planned_for,
                reason=command.reason,
            ),
            given.occurred_at,
        )

    @decides(MarkSupervisionInError, on="session_id")
    def mark_in_error(self, command: MarkSupervisionInError, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(not self.in_error, "session_id", "this session is marked as entered in error already")
        reasons.refuse_if_any()
        self.record(SupervisionEnteredInError(supervisee_id=self.key, reason=command.reason), given.occurred_at)
