"""Service utilisation: the minutes of every service by worker and day, and the reviews that froze a summary.

No row names a client: these are a worker's figures. What counts is signed, billable and not in error; the summary of a
week or a month, with its target and rating, is worked out by :mod:`ledger.projections.utilisation_summary`.
Sources: PSC-1, PSC-3, PSC-5, PSC-22.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError, ContactRecorded, corrected_fields
from ledger.aggregates.note_events import NoteDrafted, NoteEnteredInError, NoteSigned
from ledger.aggregates.utilisation_review import UtilisationReviewed
from ledger.policies.billing_programs import code_of, local_time
from ledger.projections.base import Happened, Key, Line, Projection


class SignedNote(msgspec.Struct, frozen=True, kw_only=True):
    """A note of a service, as far as counting needs it."""

    note_id: str
    credential: str | None = None
    signed_at: str | None = None
    in_error: bool = False


class UtilisedService(msgspec.Struct, frozen=True, kw_only=True):
    """One service of a worker. ``counted``: signed, billable and not in error (PSC-1). Minutes and units are whole.

    ``billed_minutes`` are what its units stand for, by the unit of its code. ``service_day`` is the agency's date of
    its start, ``signed_at`` the server's time of the signature that counts.
    """

    contact_id: str
    staff_id: str
    program: str
    contact_kind: str
    started_at: str
    service_day: str = ""
    direct_minutes: int
    travel_minutes: int
    documentation_minutes: int
    service_code: str | None
    in_error: bool = False
    notes: tuple[SignedNote, ...] = ()
    billable: bool = False
    code: str | None = None
    units: int = 0
    billed_minutes: int = 0
    counted: bool = False
    signed_at: str | None = None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A reviewed summary: its figures as known at log position ``position``, for ever."""

    review_id: str
    staff_id: str
    first_day: str
    last_day: str
    billable_minutes: int
    target_minutes: int
    rating: str
    position: int
    reviewed_by: str
    reviewed_at: str


utilisation = Projection(
    "utilisation",
    2,
    UtilisedService,
    key=("contact_id",),
    indexes=(("staff_id", "service_day"), ("service_day",)),
    derived=("service_day", "billable", "code", "units", "billed_minutes", "counted", "signed_at"),
)
utilisation_reviews = Projection("utilisation_reviews", 1, Review, key=("review_id",), indexes=(("staff_id",),))


def _by_stream(happened: Happened[Any]) -> list[Key]:
    return [(happened.stream_id,)]


def _by_contact(happened: Happened[Any]) -> list[Key]:
    return [(happened.event.contact_id,)]


def _known(row: UtilisedService | None) -> UtilisedService:
    if row is None:
        raise LookupError("a note or a correction of a contact that was not recorded")
    return row


@utilisation.derive
def settled(row: UtilisedService) -> UtilisedService:
    """Which code a service has, its units, and whether it counts."""
    signed = next((note for note in row.notes if note.signed_at is not None and not note.in_error), None)
    started = datetime.fromisoformat(row.started_at)
    credential = signed.credential if signed else None
    answer = code_of(row.program, row.contact_kind, row.service_code, credential, row.direct_minutes, started)
    return msgspec.structs.replace(
        row,
        service_day=started.date().isoformat(),
        billable=answer.billable,
        code=answer.code,
        units=answer.units,
        billed_minutes=answer.billed_minutes,
        counted=signed is not None and answer.billable and not row.in_error,
        signed_at=signed.signed_at if signed else None,
    )


@utilisation.on(ContactRecorded, keys=_by_stream)
def recorded(row: UtilisedService | None, happened: Happened[ContactRecorded], key: Key) -> UtilisedService:
    event = happened.event
    return UtilisedService(
        contact_id=happened.stream_id,
        staff_id=event.staff_id,
        program=event.program,
        contact_kind=event.contact_kind,
        started_at=local_time(event.program, event.started_at).isoformat(),
        direct_minutes=event.direct_minutes,
        travel_minutes=event.travel_minutes,
        documentation_minutes=event.documentation_minutes,
        service_code=event.service_code,
    )


@utilisation.on(ContactCorrected, keys=_by_stream)
def corrected(row: UtilisedService | None, happened: Happened[ContactCorrected], key: Key) -> UtilisedService:
    row = _known(row)
    fields: dict[str, Any] = corrected_fields(happened.event)
    kept = ("direct_minutes", "travel_minutes", "documentation_minutes", "service_code")
    changes = {name: value for name, value in fields.items() if name in kept}
    if "started_at" in fields:
        changes["started_at"] = local_time(row.program, fields["started_at"]).isoformat()
    return msgspec.structs.replace(row, **changes)


@utilisation.on(ContactEnteredInError, keys=_by_stream)
def in_error(row: UtilisedService | None, happened: Happened[ContactEnteredInError], key: Key) -> UtilisedService:
    return msgspec.structs.replace(_known(row), in_error=True)


@utilisation.on(NoteDrafted, keys=_by_contact)
def drafted(row: UtilisedService | None, happened: Happened[NoteDrafted], key: Key) -> UtilisedService:
    row = _known(row)
    return msgspec.structs.replace(row, notes=(*row.notes, SignedNote(note_id=happened.stream_id)))


@utilisation.on(NoteSigned, keys=_by_contact)
def signed(row: UtilisedService | None, happened: Happened[NoteSigned], key: Key) -> UtilisedService:
    return _noted(row, happened, credential=happened.event.credential, signed_at=happened.recorded_at)


@utilisation.on(NoteEnteredInError, keys=_by_contact)
def note_in_error(row: UtilisedService | None, happened: Happened[NoteEnteredInError], key: Key) -> UtilisedService:
    return _noted(row, happened, in_error=True)


def _noted(row: UtilisedService | None, happened: Happened[Any], **changes: Any) -> UtilisedService:
    row = _known(row)
    note_id = happened.stream_id
    if not any(note.note_id == note_id for note in row.notes):
        raise LookupError("a note was signed that was not drafted")
    notes = [msgspec.structs.replace(note, **changes) if note.note_id == note_id else note for note in row.notes]
    return msgspec.structs.replace(row, notes=tuple(notes))


@utilisation_reviews.on(UtilisationReviewed, keys=_by_stream)
def reviewed(row: Review | None, happened: Happened[UtilisationReviewed], key: Key) -> Review:
    event = happened.event
    return Review(
        review_id=happened.stream_id,
        staff_id=event.staff_id,
        first_day=event.first_day.isoformat(),
        last_day=event.last_day.isoformat(),
        billable_minutes=event.billable_minutes,
        target_minutes=event.target_minutes,
        rating=event.rating,
        position=event.position,
        reviewed_by=event.reviewed_by,
        reviewed_at=happened.recorded_at,
    )


def live_services(
    connection: Connection, first: date, last: date, staff_id: str | None = None
) -> list[Line[UtilisedService]]:
    """The services of some days (both included), with the positions of their events; they name no client."""
    view = utilisation.view
    statement = select(view).where(view.c.service_day.between(first.isoformat(), last.isoformat()))
    if staff_id is not None:
        statement = statement.where(view.c.staff_id == staff_id)
    return [utilisation.from_columns(dict(values)) for values in connection.execute(statement).mappings()]


def live_reviews(connection: Connection, staff_id: str | None = None) -> list[Line[Review]]:
    """The reviews that were made, in the order of the log."""
    statement = select(utilisation_reviews.view)
    if staff_id is not None:
        statement = statement.where(utilisation_reviews.view.c.staff_id == staff_id)
    found = connection.execute(statement).mappings()
    lines = [utilisation_reviews.from_columns(dict(values)) for values in found]
    return sorted(lines, key=lambda line: line.first_position)
