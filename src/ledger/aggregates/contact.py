"""A contact: a service to a client, or an attempt at one, with its times, its place and its minutes.

Sources: PSC-1 (billable time), PSC-17, ECM-3 (place of service), ECM-6 (outreach), ECM-11 (groups), CSS-13 (kinds of
hours), domain facts A (three integers: direct, travel, documentation).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from ledger.aggregates.base import Aggregate, Given, check_something_changes, decides
from ledger.aggregates.client import Client
from ledger.aggregates.days import day_of
from ledger.aggregates.staff import Staff
from ledger.aggregates.vocabulary import Command, Event, Id, Label, Minutes, Moment, Text, event
from ledger.errors import Reasons
from ledger.policies.documents import contact_kinds

Delivery = Literal["in_person", "video", "telephone"]
Place = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2}\Z", description="a place-of-service code, two digits")]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group service: every member's contact names the same group, its size, and who led it with the author."""

    group_id: Id
    size: Annotated[int, msgspec.Meta(ge=2, le=60)]
    co_leaders: tuple[Id, ...] = ()


@event("contact.recorded")
class ContactRecorded(Event, frozen=True, kw_only=True):
    """A contact took place. Minutes are whole; travel and documentation are kept but never claimed on their own."""

    client_id: str
    staff_id: str
    program: str
    contact_kind: str
    started_at: datetime
    ended_at: datetime
    direct_minutes: int
    travel_minutes: int
    documentation_minutes: int
    place: str
    delivery: str
    service_code: str | None = None
    function: str | None = None
    group: Group | None = None
    outcome: str | None = None
    cin: str | None = None
    diagnoses: tuple[str, ...] = ()
    late_entry: bool = False
    source: str | None = None


@event("contact.corrected")
class ContactCorrected(Event, frozen=True, kw_only=True):
    """Facts of a contact were wrong; the fields given replace the earlier ones, which stay readable."""

    client_id: str
    reason: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    direct_minutes: int | None = None
    travel_minutes: int | None = None
    documentation_minutes: int | None = None
    place: str | None = None
    delivery: str | None = None
    service_code: str | None = None


@event("contact.entered_in_error")
class ContactEnteredInError(Event, frozen=True, kw_only=True):
    """The contact did not take place, or belongs to another chart. It stays readable, and counts for nothing."""

    client_id: str
    reason: str


@event("contact.note_begun")
class ContactNoteBegun(Event, frozen=True, kw_only=True):
    """A note of the contact was begun. While it is an open draft, no other note of the contact is begun."""

    client_id: str
    note_id: str


class RecordContact(Command, frozen=True, kw_only=True):
    """Record a contact with a client."""

    NAME = "record-contact"
    OCCURS_AT = "ended_at"
    contact_id: Id
    client_id: Id
    staff_id: Id
    program: Label
    contact_kind: Label
    started_at: Moment
    ended_at: Moment
    direct_minutes: Minutes
    travel_minutes: Minutes = 0
    documentation_minutes: Minutes = 0
    place: Place = "11"
    delivery: Delivery = "in_person"
    service_code: Label | None = None
    function: Label | None = None
    group: Group | None = None
    outcome: Text | None = None
    late_entry: bool = False
    source: Label | None = None


class CorrectContact(Command, frozen=True, kw_only=True):
    """Correct the facts of a contact; give only what changes, and why."""

    NAME = "correct-contact"
    contact_id: Id
    reason: Label
    started_at: Moment | None = None
    ended_at: Moment | None = None
    direct_minutes: Minutes | None = None
    travel_minutes: Minutes | None = None
    documentation_minutes: Minutes | None = None
    place: Place | None = None
    delivery: Delivery | None = None
    service_code: Label | None = None


class MarkContactInError(Command, frozen=True, kw_only=True):
    """Mark a contact as entered in error."""

    NAME = "mark-contact-in-error"
    contact_id: Id
    reason: Label


def check_times(reasons: Reasons, given: Given, started_at: datetime, ended_at: datetime, direct_minutes: int) -> None:
    """The rules every service keeps: it ends after it starts, is not in the future, and holds its direct minutes."""
    reasons.unless(
        started_at <= ended_at, "ended_at", "the service ends before it starts", "check both times and their offsets"
    )
    reasons.unless(ended_at <= given.now, "ended_at", "the service is in the future", "record it when it has ended")
    if started_at <= ended_at:
        span = int((ended_at - started_at).total_seconds() // 60)
        reasons.unless(
            direct_minutes <= span,
            "direct_minutes",
            f"{direct_minutes} direct minutes do not fit into a service of {span} minutes",
            "direct minutes are time with the client; travel and documentation are fields of their own",
        )


def _check_day(
    reasons: Reasons, given: Given, facts: RecordContact | ContactRecorded, staff_field: str, program_field: str
) -> Client | None:
    """The person was employed and the client had an episode in the program on the day of the service; the client."""
    day = day_of(given, facts.started_at, facts.program)
    staff = given.find(Staff, facts.staff_id)
    if staff is None:
        reasons.add("staff_id", "no such staff member", "register them first")
    else:
        reasons.unless(staff.employed_on(day), staff_field, f"{staff.name} was not employed on {day}", "check the date")
    client = given.find(Client, facts.client_id)
    if client is None:
        reasons.add("client_id", "no such client", "register the client first")
        return None
    reasons.unless(
        client.episode_on(facts.program, day) is not None,
        program_field,
        f"the client has no episode in {facts.program} on {day}",
        "open the episode, or check the program and the date",
    )
    return client


def _check_leaders(reasons: Reasons, given: Given, command: RecordContact, day: date) -> None:
    """Whoever led a group with the author is a colleague, at work that day (ECM-11)."""
    leaders = command.group.co_leaders if command.group else ()
    for number, leader in enumerate(leaders):
        field = f"group.co_leaders[{number}]"
        staff = given.find(Staff, leader)
        if staff is None:
            reasons.add(field, "no such staff member", "register them first", "unknown")
            continue
        reasons.unless(staff.employed_on(day), field, f"{staff.name} was not employed on {day}", "check who led it")
        reasons.unless(leader != command.staff_id, field, f"{staff.name} gave the service", "name the others here")
        reasons.unless(leader not in leaders[:number], field, f"{staff.name} is named twice", "name each once")


class Contact(Aggregate):
    """One contact of one client; keyed by the chart."""

    KIND = "contact"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.facts: ContactRecorded | None = None
        self.in_error = False
        #: The notes begun for it, by id.
        self.notes: tuple[str, ...] = ()

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case ContactRecorded():
                self.facts = event
                self.key = self.chart_id = event.client_id
            case ContactCorrected():
                if self.facts is not None:
                    self.facts = msgspec.structs.replace(self.facts, **corrected_fields(event))
            case ContactEnteredInError():
                self.in_error = True
            case ContactNoteBegun():
                self.notes = (*self.notes, event.note_id)
            case _:
                raise TypeError(f"a contact's stream cannot hold {event.TYPE}")

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """Whoever gave the service."""
        if isinstance(command, RecordContact):
            return frozenset({command.staff_id})
        return frozenset({self.facts.staff_id} if self.facts else ())

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """A contact has happened when it has ended."""
        if isinstance(command, RecordContact):
            return command.ended_at, "the service ended"
        return (self.facts.ended_at, "the service ended") if self.facts else None

    @decides(RecordContact, on="contact_id", creates=True)
    def record_contact(self, command: RecordContact, given: Given) -> None:
        reasons = Reasons()
        check_times(reasons, given, command.started_at, command.ended_at, command.direct_minutes)
        reasons.unless(
            command.contact_kind in contact_kinds(),
            "contact_kind",
            f"{command.contact_kind!r} is not a kind of contact",
            f"use one of {', '.join(sorted(contact_kinds()))}",
        )
        day = day_of(given, command.started_at, command.program)
        _check_leaders(reasons, given, command, day)
        client = _check_day(reasons, given, command, "staff_id", "program")
        reasons.refuse_if_any()
        self.record(
            ContactRecorded(
                client_id=command.client_id,
                staff_id=command.staff_id,
                program=command.program,
                contact_kind=command.contact_kind,
                started_at=command.started_at,
                ended_at=command.ended_at,
                direct_minutes=command.direct_minutes,
                travel_minutes=command.travel_minutes,
                documentation_minutes=command.documentation_minutes,
                place=command.place,
                delivery=command.delivery,
                service_code=command.service_code,
                function=command.function,
                group=command.group,
                outcome=command.outcome,
                cin=client.cin if client else None,
                diagnoses=tuple(d.code for d in client.diagnoses_on(day)) if client else (),
                late_entry=command.late_entry,
                source=command.source,
            ),
            given.occurred_at,
        )

    @decides(CorrectContact, on="contact_id")
    def correct(self, command: CorrectContact, given: Given) -> None:
        reasons = Reasons()
        facts = self.facts
        reasons.unless(not self.in_error, "contact_id", "this contact is entered in error", "record it anew")
        told = {name: value for name in _CORRECTABLE if (value := getattr(command, name)) is not None}
        changed = {name: value for name, value in told.items() if value != getattr(facts, name, None)}
        correction = ContactCorrected(client_id=self.key, reason=command.reason, **changed)
        reasons.unless(bool(told), "reason", "nothing to correct was given", "give at least one changed field")
        check_something_changes(reasons, told, changed)
        if facts is not None and changed:
            after = msgspec.structs.replace(facts, **changed)
            check_times(reasons, given, after.started_at, after.ended_at, after.direct_minutes)
            if after.started_at != facts.started_at:
                _check_day(reasons, given, after, "started_at", "started_at")
        reasons.refuse_if_any()
        self.record(correction, given.occurred_at)

    @decides(MarkContactInError, on="contact_id")
    def mark_in_error(self, command: MarkContactInError, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(not self.in_error, "contact_id", "this contact is marked as entered in error already")
        reasons.refuse_if_any()
        self.record(ContactEnteredInError(client_id=self.key, reason=command.reason), given.occurred_at)


_CORRECTABLE = (
    "started_at",
    "ended_at",
    "direct_minutes",
    "travel_minutes",
    "documentation_minutes",
    "place",
    "delivery",
    "service_code",
)


def corrected_fields(correction: ContactCorrected) -> dict[str, object]:
    """The fields that a correction gives, by name."""
    return {name: value for name in _CORRECTABLE if (value := getattr(correction, name)) is not None}
