"""A staff member: who may act, under which credentials, on which schedule, and when they were away.

Sources: PSC-2 (hire date), PSC-4 (schedule, time off), PSC-6 (supervisor), PSC-23, ECM-12, CSS-1 (credentials).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec

from ledger.aggregates.base import Actor, Aggregate, Given, HeldCredential, decides
from ledger.aggregates.bounds import check_credential_dates, check_hired_on
from ledger.aggregates.days import day_of
from ledger.aggregates.programs import check_program
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, event
from ledger.errors import Reasons
from ledger.policies.credentials import credential_kinds, kind_named

ROLES = (
    "clinician",
    "supervisor",
    "biller",
    "auditor",
    "compliance",
    "privacy_officer",
    "administrator",
)

WeekMinutes = Annotated[
    tuple[int, ...],
    msgspec.Meta(min_length=7, max_length=7, description="scheduled minutes, Monday to Sunday, for example 480"),
]


class PersonName(msgspec.Struct, frozen=True, kw_only=True):
    """A person's name as it is written on documents."""

    family: Label
    given: Label

    def __str__(self) -> str:
        return f"{self.given} {self.family}"


@event("staff.registered")
class StaffRegistered(Event, frozen=True, kw_only=True):
    """A person began to work for the agency. ``source`` names the system it was imported from."""

    name: PersonName
    roles: tuple[str, ...]
    programs: tuple[str, ...]
    hired_on: date
    npi: str | None = None
    email: str | None = None
    source: str | None = None
    late_entry: bool = False


@event("staff.credential_recorded")
class CredentialRecorded(Event, frozen=True, kw_only=True):
    """A licence, registration, certificate or insurance with its dates (PSC-23). ``expires_on`` is its last day."""

    credential_id: str
    credential_kind: str
    number: str
    issued_on: date
    expires_on: date | None = None
    taxonomy: str = ""


@event("staff.schedule_set")
class ScheduleSet(Event, frozen=True, kw_only=True):
    """The weekly schedule from a day on: minutes for Monday to Sunday (PSC-4)."""

    effective_from: date
    minutes: tuple[int, ...]


@event("staff.time_off_recorded")
class TimeOffRecorded(Event, frozen=True, kw_only=True):
    """Days away, whole (``minutes_per_day`` empty) or in part (PSC-4)."""

    time_off_id: str
    first_day: date
    last_day: date
    reason: str
    minutes_per_day: int | None = None


@event("staff.time_off_cancelled")
class TimeOffCancelled(Event, frozen=True, kw_only=True):
    """Recorded time off that was not taken after all."""

    time_off_id: str
    reason: str


@event("staff.supervisor_assigned")
class SupervisorAssigned(Event, frozen=True, kw_only=True):
    """Who supervises this person, from a day on."""

    supervisor_id: str
    effective_from: date


@event("staff.employment_ended")
class EmploymentEnded(Event, frozen=True, kw_only=True):
    """The person's last day at the agency."""

    last_day: date
    reason: str


class RegisterStaff(Command, frozen=True, kw_only=True):
    """Register a staff member."""

    NAME = "register-staff"
    staff_id: Id
    name: PersonName
    roles: tuple[Label, ...]
    programs: tuple[Label, ...]
    hired_on: Date
    npi: Label | None = None
    email: Label | None = None
    source: Label | None = None
    late_entry: bool = False


class RecordCredential(Command, frozen=True, kw_only=True):
    """Record a credential of a staff member, with its dates."""

    NAME = "record-credential"
    staff_id: Id
    credential_id: Id
    credential_kind: Label
    number: Label
    issued_on: Date
    expires_on: Date | None = None
    taxonomy: Annotated[str, msgspec.Meta(max_length=10, pattern=r"^[0-9A-Z]*\Z")] = ""


class SetSchedule(Command, frozen=True, kw_only=True):
    """Set a staff member's weekly schedule from a day on."""

    NAME = "set-schedule"
    staff_id: Id
    effective_from: Date
    minutes: WeekMinutes


class RecordTimeOff(Command, frozen=True, kw_only=True):
    """Record days off, whole or in part."""

    NAME = "record-time-off"
    staff_id: Id
    time_off_id: Id
    first_day: Date
    last_day: Date
    reason: Label
    minutes_per_day: Annotated[int, msgspec.Meta(ge=1, le=1440, description="minutes away each day")] | None = None


class CancelTimeOff(Command, frozen=True, kw_only=True):
    """Cancel time off that was not taken."""

    NAME = "cancel-time-off"
    staff_id: Id
    time_off_id: Id
    reason: Label


class AssignSupervisor(Command, frozen=True, kw_only=True):
    """Name the supervisor of a staff member from a day on."""

    NAME = "assign-supervisor"
    staff_id: Id
    supervisor_id: Id
    effective_from: Date


class EndEmployment(Command, frozen=True, kw_only=True):
    """Record a staff member's last day."""

    NAME = "end-employment"
    staff_id: Id
    last_day: Date
    reason: Label


class Staff(Aggregate):
    """One staff member, by staff id; events are keyed by that id."""

    KIND = "staff"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.name = ""
        self.roles: tuple[str, ...] = ()
        self.programs: tuple[str, ...] = ()
        self.hired_on = date.min
        self.last_day: date | None = None
        self.supervisors: list[SupervisorAssigned] = []
        self.credentials: dict[str, CredentialRecorded] = {}
        self.time_off: dict[str, TimeOffRecorded] = {}

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case StaffRegistered():
                self.name = str(event.name)
                self.roles, self.programs, self.hired_on = event.roles, event.programs, event.hired_on
            case CredentialRecorded():
                self.credentials[event.credential_id] = event
            case TimeOffRecorded():
                self.time_off[event.time_off_id] = event
            case TimeOffCancelled():
                self.time_off.pop(event.time_off_id, None)
            case SupervisorAssigned():
                self.supervisors.append(event)
            case EmploymentEnded():
                self.last_day = event.last_day
            case _:
                pass  # the schedule decides nothing here; projections read it

    def held_on(self, day: date) -> tuple[HeldCredential, ...]:
        """The signing credentials held on a day (PSC-23), the most recently issued first."""
        held = [
            c
            for c in self.credentials.values()
            if c.issued_on <= day and (c.expires_on is None or day <= c.expires_on)
            if (kind := kind_named(c.credential_kind, day)) is not None and kind.signing
        ]
        held.sort(key=lambda c: (c.issued_on, c.credential_id), reverse=True)
        return tuple(HeldCredential(c.credential_kind, c.number, c.taxonomy) for c in held)

    def supervisor_on(self, day: date) -> str | None:
        """Who supervises this person on a day: of the assignments that had begun, the last to begin."""
        begun = [a for a in self.supervisors if a.effective_from <= day]
        return max(begun, key=lambda a: a.effective_from).supervisor_id if begun else None

    def employed_on(self, day: date) -> bool:
        return self.exists and self.hired_on <= day and (self.last_day is None or day <= self.last_day)

    def as_actor(self, day: date) -> Actor:
        """This person as one who acts on ``day``: the role and the credentials held then."""
        return Actor(self.id, self.name, self.roles, self.held_on(day))

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """The person."""
        return frozenset({self.id})

    @decides(RegisterStaff, on="staff_id", creates=True)
    def register(self, command: RegisterStaff, given: Given) -> None:
        reasons = Reasons()
        for role in command.roles:
            reasons.unless(role in ROLES, "roles", f"{role!r} is not a role", f"use one of {', '.join(ROLES)}")
        reasons.unless(bool(command.roles), "roles", "a staff member needs at least one role", "add a role")
        for number, program in enumerate(command.programs):
            check_program(reasons, program, f"programs[{number}]")
        check_hired_on(reasons, given, command.hired_on)
        reasons.refuse_if_any()
        self.record(
            StaffRegistered(
                name=command.name,
                roles=command.roles,
                programs=command.programs,
                hired_on=command.hired_on,
                npi=command.npi,
                email=command.email,
                source=command.source,
                late_entry=command.late_entry,
            ),
            given.occurred_at,
        )

    @decides(RecordCredential, on="staff_id", parts=("credential_id",))
    def record_credential(self, command: RecordCredential, given: Given) -> None:
        kinds = {kind.id for kind in credential_kinds(given.now.date())}
        reasons = Reasons()
        reasons.unless(
            command.credential_kind in kinds,
            "credential_kind",
            f"{command.credential_kind!r} is not a credential kind",
            f"use one of {', '.join(sorted(kinds))}",
        )
        reasons.unless(
            command.expires_on is None or command.expires_on >= command.issued_on,
            "expires_on",
            "the credential expires before it was issued",
            "check both dates",
        )
        check_credential_dates(reasons, given, command.issued_on, command.expires_on)
        reasons.unless(
            command.credential_id not in self.credentials,
            "credential_id",
            "this credential is recorded already",
            "record a renewal under a new id",
        )
        reasons.refuse_if_any()
        self.record(
            CredentialRecorded(
                credential_id=command.credential_id,
                credential_kind=command.credential_kind,
                number=command.number,
                issued_on=command.issued_on,
                expires_on=command.expires_on,
                taxonomy=command.taxonomy,
            ),
            given.occurred_at,
        )

    @decides(SetSchedule, on="staff_id")
    def set_schedule(self, command: SetSchedule, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(
            all(0 <= minutes <= 1440 for minutes in command.minutes),
            "minutes",
            "a day has 0 to 1440 minutes",
            "write seven numbers, Monday to Sunday, for example 480 480 480 480 480 0 0",
        )
        reasons.refuse_if_any()
        self.record(ScheduleSet(effective_from=command.effective_from, minutes=command.minutes), given.occurred_at)

    @decides(RecordTimeOff, on="staff_id", parts=("time_off_id",))
    def record_time_off(self, command: RecordTimeOff, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(
            command.first_day <= command.last_day, "last_day", "the last day is before the first", "swap the dates"
        )
        reasons.unless(command.time_off_id not in self.time_off, "time_off_id", "this time off is recorded already")
        overlapping = [
            t
            for t in self.time_off.values()
            if t.first_day <= command.last_day
            and command.first_day <= t.last_day
            and (command.minutes_per_day is None or t.minutes_per_day is None)
        ]
        reasons.unless(
            not overlapping,
            "first_day",
            "these days overlap time off already recorded",
            "cancel the earlier entry, or record part days with minutes_per_day",
        )
        reasons.refuse_if_any()
        self.record(
            TimeOffRecorded(
                time_off_id=command.time_off_id,
                first_day=command.first_day,
                last_day=command.last_day,
                reason=command.reason,
                minutes_per_day=command.minutes_per_day,
            ),
            given.occurred_at,
        )

    @decides(CancelTimeOff, on="staff_id")
    def cancel_time_off(self, command: CancelTimeOff, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(command.time_off_id in self.time_off, "time_off_id", "no such time off is recorded")
        reasons.refuse_if_any()
        self.record(TimeOffCancelled(time_off_id=command.time_off_id, reason=command.reason), given.occurred_at)

    @decides(AssignSupervisor, on="staff_id")
    def assign_supervisor(self, command: AssignSupervisor, given: Given) -> None:
        supervisor = given.find(Staff, command.supervisor_id)
        reasons = Reasons()
        reasons.unless(command.supervisor_id != self.id, "supervisor_id", "nobody supervises themselves")
        if supervisor is None:
            reasons.add("supervisor_id", "no such staff member", "register them first")
        elif "supervisor" not in supervisor.roles:
            reasons.add("supervisor_id", f"{supervisor.name} does not have the role supervisor")
        reasons.refuse_if_any()
        self.record(
            SupervisorAssigned(supervisor_id=command.supervisor_id, effective_from=command.effective_from),
            given.occurred_at,
        )

    @decides(EndEmployment, on="staff_id")
    def end_employment(self, command: EndEmployment, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(self.last_day is None, "last_day", f"the last day is recorded already: {self.last_day}")
        reasons.unless(command.last_day >= self.hired_on, "last_day", f"it is before the hire date {self.hired_on}")
        reasons.refuse_if_any()
        self.record(EmploymentEnded(last_day=command.last_day, reason=command.reason), given.occurred_at)


def acting_staff(given: Given, reasons: Reasons, field: str = "actor") -> Staff | None:
    """The actor as an employed staff member, or a reason why a system or a former colleague cannot do this."""
    staff = None if given.actor.system else given.find(Staff, given.actor.id)
    if staff is None:
        reasons.add(field, f"{given.actor.name} is not a staff member", "act as a registered staff member", "actor")
        return None
    day = day_of(given, given.occurred_at)
    reasons.unless(staff.employed_on(day), field, f"{staff.name} was not employed on {day}", code="actor")
    return staff
