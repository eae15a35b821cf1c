"""Timeliness of notes: for every service, its note, when that was due and signed, and the verdict of every reading.

One row a contact, so that a service without a note is seen as missing. The server's clock decides when something was
signed or asked for; what the person's clock claimed is kept beside it. Deadlines and the verdict of a signed note
follow from the row's facts; the verdict of an unsigned one is the query's, at the moment it asks about. Which reading
the agency had adopted is joined by the query (:mod:`ledger.projections.note_review`), since a row depends on one chart.
Sources: PSC-13, PSC-14, CSS-7, BHIN 23-068.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
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
from ledger.grants import Grant
from ledger.policies.calendar import CalendarError
from ledger.policies.deadline_rules import RuleError, rule_book
from ledger.policies.deadlines import Limit, in_zone, instant, limits_for, program_calendar
from ledger.policies.documents import contact_kinds
from ledger.policies.rulings import Ruling, questions
from ledger.projections.base import Happened, Key, Projection
from ledger.projections.seen import shows_service
from ledger.projections.service_notes import (
    Correction,
    Due,
    NoteFacts,
    Request,
    ServiceNote,
    Signature,
    ruled,
    rulings_on,
)

timeliness = Projection(
    "timeliness",
    2,
    ServiceNote,
    key=("contact_id",),
    indexes=(("client_id",), ("staff_id", "service_day"), ("service_day",)),
    derived=(
        "service_day",
        "state",
        "note_id",
        "signed_at",
        "policy_due",
        "extension_due",
        "state_due",
        "problem",
        "dues",
        "verdicts",
    ),
)


@timeliness.derive
def settled(row: ServiceNote) -> ServiceNote:
    """Work out the deadlines, which note stands, and the verdicts on it if it is signed."""
    ended = datetime.fromisoformat(row.ended_at).astimezone(UTC)
    day = _day(row.program, ended, row.ended_at)
    valid = [note for note in row.notes if note.in_error is None]
    signed = [note for note in valid if note.signature is not None]
    stands = signed[0] if signed else valid[-1] if valid else None
    signature = stands.signature if stands else None
    limits: tuple[Limit, ...] = ()
    rulings: list[Ruling] = []
    problem: str | None = None
    try:
        limits = limits_for(row.document, row.program, day)
        if stands is not None and signature is not None:
            rulings = rulings_on(stands, questions(row.document, row.program, day), ended)
    except (RuleError, CalendarError) as fault:
        problem = str(fault)
    dues, firsts = _dues(limits, ended)
    return msgspec.structs.replace(
        row,
        service_day=day.isoformat(),
        state="missing" if stands is None else "draft" if signature is None else "signed",
        note_id=stands.note_id if stands else None,
        signed_at=signature.signed_at if signature else None,
        policy_due=firsts.get("policy"),
        extension_due=firsts.get("extension"),
        state_due=firsts.get("state"),
        problem=problem,
        dues=dues,
        verdicts=tuple([ruled(ruling) for ruling in rulings]),
    )


def _dues(limits: tuple[Limit, ...], ended: datetime) -> tuple[tuple[Due, ...], dict[str, str]]:
    """When the note is due under every reading; and by role the first to end of those under a default reading."""
    dues: list[Due] = []
    firsts: dict[str, tuple[datetime, str]] = {}
    for limit in limits:
        rule, due = limit.rule, limit.due(ended)
        told = limit.told(due)
        dues.append(
            Due(
                rule_id=rule.id,
                role=rule.role,
                reading=limit.reading.id,
                policy_version=limit.policy_version,
                due=told,
            )
        )
        first = firsts.get(rule.role)
        if (first is None or due < first[0]) and limit.reading.id == rule.default:
            firsts[rule.role] = (due, told)
    return tuple(dues), {role: told for role, (_, told) in firsts.items()}


def _day(program: str, ended: datetime, told: str) -> date:
    """The agency's date of the end of a service; for a program that is not known, the date in the offset meant."""
    try:
        zone = program_calendar(program, None, book=rule_book()).zone
    except (RuleError, CalendarError):
        return datetime.fromisoformat(told).date()
    return in_zone(ended, zone).date()


def _ended(row: ServiceNote, ended_at: datetime) -> ServiceNote:
    """The service ends at another time: its date may be one that it never had before."""
    told = ended_at.isoformat()
    day = _day(row.program, instant(ended_at), told).isoformat()
    earliest, latest = min(row.earliest_day or day, day), max(row.latest_day, day)
    return msgspec.structs.replace(row, ended_at=told, earliest_day=earliest, latest_day=latest)


@timeliness.on(ContactRecorded, keys=lambda h: [(h.stream_id,)])
def contact_recorded(row: ServiceNote | None, happened: Happened[ContactRecorded], key: Key) -> ServiceNote:
    event = happened.event
    kind = contact_kinds().get(event.contact_kind)
    fresh = ServiceNote(
        contact_id=happened.stream_id,
        client_id=event.client_id,
        staff_id=event.staff_id,
        program=event.program,
        contact_kind=event.contact_kind,
        document=kind.document if kind else event.contact_kind,
        started_at=event.started_at.isoformat(),
        ended_at="",
        earliest_day="",
        latest_day="",
        late_entry=event.late_entry,
    )
    return _ended(fresh, event.ended_at)


@timeliness.on(ContactCorrected, keys=lambda h: [(h.stream_id,)])
def contact_corrected(row: ServiceNote | None, happened: Happened[ContactCorrected], key: Key) -> ServiceNote:
    row, event = _known(row, happened), happened.event
    if event.started_at is not None:
        row = msgspec.structs.replace(row, started_at=event.started_at.isoformat())
    if event.ended_at is None:
        return row
    before, row = row, _ended(row, event.ended_at)
    if instant(datetime.fromisoformat(before.ended_at)) == instant(event.ended_at):
        return row
    correction = Correction(
        event_id=happened.event_id,
        recorded_at=happened.recorded_at,
        corrected_by=happened.recorded.row.actor,
        reason=event.reason,
        ended_before=before.ended_at,
        ended_after=row.ended_at,
    )
    return msgspec.structs.replace(row, corrections=(*row.corrections, correction))


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
    return msgspec.structs.replace(row, notes=(*row.notes, note))


@timeliness.on(NoteContentWritten, keys=lambda h: [(h.event.contact_id,)])
def written(row: ServiceNote | None, happened: Happened[NoteContentWritten], key: Key) -> ServiceNote:
    return _change(row, happened, last_written_at=happened.recorded_at)


@timeliness.on(NoteSigned, keys=lambda h: [(h.event.contact_id,)])
def signed(row: ServiceNote | None, happened: Happened[NoteSigned], key: Key) -> ServiceNote:
    return _change(row, happened, signature=_signature(happened, happened.event.late_reason))


@timeliness.on(NoteCosigned, keys=lambda h: [(h.event.contact_id,)])
def cosigned(row: ServiceNote | None, happened: Happened[NoteCosigned], key: Key) -> ServiceNote:
    note = _note(row, happened)
    return _change(row, happened, cosignatures=(*note.cosignatures, _signature(happened, None)))


@timeliness.on(NoteMarkedLateEntry, keys=lambda h: [(h.event.contact_id,)])
def marked_late(row: ServiceNote | None, happened: Happened[NoteMarkedLateEntry], key: Key) -> ServiceNote:
    return _change(row, happened, late_entry=happened.event.reason)


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


def _change(row: ServiceNote | None, happened: Happened[Any], **facts: Any) -> ServiceNote:
    """Change the facts of one note."""
    row, changed = _known(row, happened), msgspec.structs.replace(_note(row, happened), **facts)
    notes = tuple([changed if note.note_id == changed.note_id else note for note in row.notes])
    return msgspec.structs.replace(row, notes=notes)


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
    return [row for row in rows if shows_service(grant, row)]
