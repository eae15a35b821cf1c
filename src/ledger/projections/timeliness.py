"""Timeliness of notes: for every service, its note, when that was due and signed, and the verdict of every reading.

One row a contact, so that a service without a note is seen as missing. The server's clock decides when something was
signed or asked for; what the person's clock claimed is kept beside it. The verdict of a signed note is worked out when
an event changes it; that of an unsigned one by the query, at the moment it asks about. Which reading the agency had
adopted is joined by the query (:mod:`ledger.projections.note_review`), since a row depends on one chart only.
Sources: PSC-13, PSC-14, CSS-7, BHIN 23-068.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, select

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError, ContactRecorded
from ledger.aggregates.note_events import (
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    NoteContentWritten,
    NoteCosigned,
    NoteDrafted,
    NoteEnteredInError,
    NoteMarkedLateEntry,
    NoteSigned,
)
from ledger.clock import from_text
from ledger.grants import Grant
from ledger.policies.calendar import CalendarError
from ledger.policies.deadline_rules import RuleError, rule_book
from ledger.policies.deadlines import Deadline, deadlines_for, in_zone, instant, program_calendar
from ledger.policies.documents import contact_kinds
from ledger.projections.base import Happened, Key, Projection
from ledger.projections.service_notes import Due, NoteFacts, Rated, Request, ServiceNote, Signature, rate_note, to_rated

timeliness = Projection(
    "timeliness",
    1,
    ServiceNote,
    key=("contact_id",),
    indexes=(("client_id",), ("staff_id", "service_day"), ("service_day",)),
)


def _timed(row: ServiceNote) -> ServiceNote:
    """Work out the deadlines anew, after the service's end was recorded or corrected."""
    ended = datetime.fromisoformat(row.ended_at)
    problem: str | None = None
    dues: list[Deadline] = []
    day = ended.date()
    try:
        day = in_zone(ended, program_calendar(row.program, None, book=rule_book()).zone).date()
        dues = deadlines_for(row.document, row.program, ended)
    except (RuleError, CalendarError) as fault:
        problem = str(fault)
    firsts: dict[str, Deadline] = {}
    for due in dues:
        first = firsts.get(due.role)
        sooner = first is None or instant(due.due) < instant(first.due)
        if sooner and due.reading == rule_book().rule(due.rule_id).default:
            firsts[due.role] = due
    text = day.isoformat()
    return msgspec.structs.replace(
        row,
        service_day=text,
        earliest_day=min(row.earliest_day or text, text),
        latest_day=max(row.latest_day, text),
        policy_due=_iso(firsts.get("policy")),
        extension_due=_iso(firsts.get("extension")),
        state_due=_iso(firsts.get("state")),
        problem=problem,
        dues=tuple(
            Due(
                rule_id=due.rule_id,
                role=due.role,
                reading=due.reading,
                policy_version=due.policy_version,
                due=due.due.isoformat(),
            )
            for due in dues
        ),
    )


def _iso(due: Deadline | None) -> str | None:
    return None if due is None else due.due.isoformat()


def _settled(row: ServiceNote, at: str) -> ServiceNote:
    """Say which note stands, and the verdicts on it if it is signed, as known at the event of ``at``."""
    valid = [note for note in row.notes if note.in_error is None]
    signed = [note for note in valid if note.signature is not None]
    stands = signed[0] if signed else valid[-1] if valid else None
    signature = stands.signature if stands else None
    verdicts: tuple[Rated, ...] = ()
    if signature is not None and row.problem is None:
        verdicts = tuple(to_rated(verdict) for verdict in rate_note(row, stands, as_at=from_text(at)).verdicts)
    return msgspec.structs.replace(
        row,
        state="missing" if stands is None else "draft" if signature is None else "signed",
        note_id=stands.note_id if stands else None,
        signed_at=signature.signed_at if signature else None,
        verdicts=verdicts,
    )


@timeliness.on(ContactRecorded, keys=lambda h: [(h.stream_id,)])
def contact_recorded(row: ServiceNote | None, happened: Happened[ContactRecorded], key: Key) -> ServiceNote:
    event = happened.event
    kind = contact_kinds().get(event.contact_kind)
    return _timed(
        ServiceNote(
            contact_id=happened.stream_id,
            client_id=event.client_id,
            staff_id=event.staff_id,
            program=event.program,
            contact_kind=event.contact_kind,
            document=kind.document if kind else event.contact_kind,
            started_at=event.started_at.isoformat(),
            ended_at=event.ended_at.isoformat(),
            service_day="",
            earliest_day="",
            latest_day="",
            state="missing",
            late_entry=event.late_entry,
        )
    )


@timeliness.on(ContactCorrected, keys=lambda h: [(h.stream_id,)])
def contact_corrected(row: ServiceNote | None, happened: Happened[ContactCorrected], key: Key) -> ServiceNote:
    row, event = _known(row, happened), happened.event
    if event.started_at is not None:
        row = msgspec.structs.replace(row, started_at=event.started_at.isoformat())
    if event.ended_at is None:
        return row
    return _settled(_timed(msgspec.structs.replace(row, ended_at=event.ended_at.isoformat())), happened.recorded_at)


@timeliness.on(ContactEnteredInError, keys=lambda h: [(h.stream_id,)])
def contact_in_error(row: ServiceNote | None, happened: Happened[ContactEnteredInError], key: Key) -> ServiceNote:
    return msgspec.structs.replace(_known(row, happened), in_error=happened.event.reason)


@timeliness.on(NoteDrafted, keys=lambda h: [(h.event.contact_id,)])
def drafted(row: ServiceNote | None, happened: Happened[NoteDrafted], key: Key) -> ServiceNote:
    row = _known(row, happened)
    note = NoteFacts(
        note_id=happened.stream_id,
        author_id=happened.event.author_id,
        drafted_at=happened.recorded_at,
        last_written_at=happened.recorded_at,
    )
    return _settled(msgspec.structs.replace(row, notes=(*row.notes, note)), happened.recorded_at)


@timeliness.on(NoteContentWritten, keys=lambda h: [(h.event.contact_id,)])
def written(row: ServiceNote | None, happened: Happened[NoteContentWritten], key: Key) -> ServiceNote:
    return _note_changed(row, happened, last_written_at=happened.recorded_at)


@timeliness.on(NoteSigned, keys=lambda h: [(h.event.contact_id,)])
def signed(row: ServiceNote | None, happened: Happened[NoteSigned], key: Key) -> ServiceNote:
    return _change(row, happened, signature=_signature(happened, happened.event.late_reason))


@timeliness.on(NoteCosigned, keys=lambda h: [(h.event.contact_id,)])
def cosigned(row: ServiceNote | None, happened: Happened[NoteCosigned], key: Key) -> ServiceNote:
    note = _note(row, happened)
    return _note_changed(row, happened, cosignatures=(*note.cosignatures, _signature(happened, None)))


@timeliness.on(NoteMarkedLateEntry, keys=lambda h: [(h.event.contact_id,)])
def marked_late(row: ServiceNote | None, happened: Happened[NoteMarkedLateEntry], key: Key) -> ServiceNote:
    return _note_changed(row, happened, late_entry=happened.event.reason)


@timeliness.on(NoteEnteredInError, keys=lambda h: [(h.event.contact_id,)])
def note_in_error(row: ServiceNote | None, happened: Happened[NoteEnteredInError], key: Key) -> ServiceNote:
    return _change(row, happened, in_error=happened.event.reason)


@timeliness.on(ExtensionRequested, keys=lambda h: [(h.event.contact_id,)])
def extension_requested(row: ServiceNote | None, happened: Happened[ExtensionRequested], key: Key) -> ServiceNote:
    event = happened.event
    request = Request(
        request_id=event.request_id,
        asked_by=event.staff_id,
        requested_at=happened.recorded_at,
        claimed_requested_at=_claimed(happened),
        reason=event.reason,
    )
    return _change(row, happened, requests=(*_note(row, happened).requests, request))


@timeliness.on(ExtensionGranted, keys=lambda h: [(h.event.contact_id,)])
def extension_granted(row: ServiceNote | None, happened: Happened[ExtensionGranted], key: Key) -> ServiceNote:
    return _decide(row, happened, granted=True)


@timeliness.on(ExtensionRefused, keys=lambda h: [(h.event.contact_id,)])
def extension_refused(row: ServiceNote | None, happened: Happened[ExtensionRefused], key: Key) -> ServiceNote:
    return _decide(row, happened, granted=False)


def _decide(
    row: ServiceNote | None, happened: Happened[ExtensionGranted] | Happened[ExtensionRefused], *, granted: bool
) -> ServiceNote:
    event = happened.event
    requests = tuple(
        msgspec.structs.replace(
            request,
            decided_at=happened.recorded_at,
            claimed_decided_at=_claimed(happened),
            decided_by=event.decided_by,
            granted=granted,
            comment=event.comment,
        )
        if request.request_id == event.request_id
        else request
        for request in _note(row, happened).requests
    )
    return _change(row, happened, requests=requests)


def _signature(happened: Happened[NoteSigned] | Happened[NoteCosigned], late_reason: str | None) -> Signature:
    event = happened.event
    return Signature(
        signer_id=event.signer_id,
        printed_name=event.printed_name,
        role=event.role,
        credential=event.credential,
        signed_at=happened.recorded_at,
        claimed_at=_claimed(happened),
        late_reason=late_reason,
    )


def _claimed(happened: Happened[Any]) -> str:
    return happened.recorded.row.occurred.isoformat()


def _known(row: ServiceNote | None, happened: Happened[Any]) -> ServiceNote:
    if row is None:
        raise LookupError(f"{happened.event_id} belongs to a contact that was not recorded")
    return row


def _note(row: ServiceNote | None, happened: Happened[Any]) -> NoteFacts:
    note = _known(row, happened).note(happened.stream_id)
    if note is None:
        raise LookupError(f"{happened.event_id} belongs to a note that was not drafted")
    return note


def _note_changed(row: ServiceNote | None, happened: Happened[Any], **facts: Any) -> ServiceNote:
    """Change the facts of one note that no verdict depends on."""
    row, changed = _known(row, happened), msgspec.structs.replace(_note(row, happened), **facts)
    notes = tuple(changed if note.note_id == changed.note_id else note for note in row.notes)
    return msgspec.structs.replace(row, notes=notes)


def _change(row: ServiceNote | None, happened: Happened[Any], **facts: Any) -> ServiceNote:
    """Change the facts of one note, then say anew which note stands and how it is rated."""
    return _settled(_note_changed(row, happened, **facts), happened.recorded_at)


def charts_between(connection: Connection, first: date, last: date, staff_id: str | None = None) -> list[str]:
    """The chart ids with a service that is, or ever was, dated in these days: ids only, to ask for a grant with."""
    view = timeliness.view
    statement = select(view.c.client_id).where(
        view.c.earliest_day <= last.isoformat(), view.c.latest_day >= first.isoformat()
    )
    if staff_id is not None:
        statement = statement.where(view.c.staff_id == staff_id)
    return sorted(set(connection.scalars(statement)))


def services_between(
    connection: Connection, grant: Grant, first: date, last: date, staff_id: str | None = None
) -> list[ServiceNote]:
    """The services of these days with their notes, in the charts that the grant names."""
    view = timeliness.view
    statement: Select[Any] = select(view).where(
        and_(view.c.service_day >= first.isoformat(), view.c.service_day <= last.isoformat())
    )
    if staff_id is not None:
        statement = statement.where(view.c.staff_id == staff_id)
    statement = statement.order_by(view.c.staff_id, view.c.service_day, view.c.contact_id)
    rows = [timeliness.from_columns(dict(values)).row for values in connection.execute(statement).mappings()]
    for row in rows:
        grant.check(row.client_id)
    return rows
