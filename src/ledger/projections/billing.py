"""Billing rows: one a contact, with the facts a claim line is made from, the line, and every reason that blocks it.

A row holds what the contact's and its notes' own events say. What depends on the chart's details of today (a payer's id
that came later, the member's age) or on other services of the day (repeats, overlaps, lockouts) is joined by the query
in ``billing_page``; a row's ``status`` speaks of the service by itself. Rules are read when an event is folded: a new
row in a rule table is a new ``version`` here. Sources: PSC-1, PSC-11, PSC-22, PSC-23; domain facts A, E, F.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, cast

import msgspec

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError, ContactRecorded, corrected_fields
from ledger.aggregates.note_events import (
    NoteContent,
    NoteContentWritten,
    NoteCosigned,
    NoteDrafted,
    NoteEnteredInError,
    NoteSigned,
)
from ledger.policies.billing import BillingLine, Block, ServiceFacts, SignerFacts, claim_line
from ledger.policies.billing_programs import code_of, cosign_needed, finding, local_time, program_zone
from ledger.policies.credentials import Credential
from ledger.policies.service_codes import DeliveryMode, Variant
from ledger.projections.base import Happened, Key, Projection

Status = Literal["claimable", "blocked", "void", "not-billable"]


class EventReference(msgspec.Struct, frozen=True, kw_only=True):
    """One event a row came from: its id, its type, its place in the log, and when the server recorded it."""

    event_id: str
    type: str
    position: int
    recorded_at: str | None


def reference(happened: Happened[Any]) -> EventReference:
    """The event as a row names it."""
    return EventReference(
        event_id=happened.event_id,
        type=happened.event.TYPE,
        position=happened.position,
        recorded_at=happened.recorded_at,
    )


class NoteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What billing needs of one note: its service, its relation to the plan, and who signed it, if anybody, and how."""

    note_id: str
    started_at: datetime
    ended_at: datetime
    signer_id: str | None = None
    signer_name: str | None = None
    credential: str | None = None
    taxonomy: str | None = None
    signed_at: str | None = None
    cites_plan: bool = False
    gives_reason: bool = False
    cosigned: bool = False
    in_error: bool = False


class BillingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One contact as billing sees it. Times are ISO 8601 on the agency's clock, minutes and units are whole.

    ``service_code`` is what was recorded; ``code`` is what would be claimed, and ``default_code`` says that nobody
    chose it. ``signed_at`` is the server's time. ``events`` are in the order of the log.
    """

    contact_id: str
    client_id: str
    staff_id: str
    program: str
    contact_kind: str
    service_day: str = ""
    started_at: str
    ended_at: str
    direct_minutes: int
    travel_minutes: int
    documentation_minutes: int
    place: str
    delivery: str
    service_code: str | None
    group_id: str | None
    group_size: int | None
    cin: str | None
    diagnoses: tuple[str, ...]
    in_error: bool = False
    notes: tuple[NoteFacts, ...] = ()
    events: tuple[EventReference, ...] = ()
    status: str = "blocked"
    blocked: bool = True
    code: str | None = None
    default_code: bool = False
    variant: str = "service"
    state: str = ""
    system: str = ""
    units: int = 0
    unit_words: str = ""
    modifiers: tuple[str, ...] = ()
    signer_id: str | None = None
    signer_name: str | None = None
    credential: str | None = None
    taxonomy: str | None = None
    signed_at: str | None = None
    blocks: tuple[Block, ...] = ()
    flags: tuple[Block, ...] = ()
    steps: tuple[str, ...] = ()


billing = Projection(
    "billing",
    3,
    BillingRow,
    key=("contact_id",),
    indexes=(("service_day",), ("staff_id", "service_day"), ("client_id", "service_day")),
    derived=(
        "service_day",
        "status",
        "blocked",
        "code",
        "default_code",
        "variant",
        "state",
        "system",
        "units",
        "unit_words",
        "modifiers",
        "signer_id",
        "signer_name",
        "credential",
        "taxonomy",
        "signed_at",
        "blocks",
        "flags",
        "steps",
    ),
)


def note_of(row: BillingRow) -> NoteFacts | None:
    """The note that stands for a service: the first signed one not in error, else the last draft not in error."""
    valid = [note for note in row.notes if not note.in_error]
    signed = [note for note in valid if note.signed_at is not None]
    return signed[0] if signed else (valid[-1] if valid else None)


def facts_of(
    row: BillingRow, *, cin: str | None = None, diagnoses: tuple[str, ...] = (), age: int | None = None
) -> ServiceFacts:
    """The facts of a claim line. ``cin`` and ``diagnoses`` (of the chart as it stands) fill in what the contact lacked.

    The credential is known for the day that was signed for (PSC-23). Codes of digits only are SNOMED CT, which no
    claim carries: they are left out.
    """
    note = note_of(row)
    started, ended = datetime.fromisoformat(row.started_at), datetime.fromisoformat(row.ended_at)
    day = date.fromisoformat(row.service_day)
    signed = note is not None and note.signed_at is not None
    held: tuple[Credential, ...] = ()
    if note is not None and note.credential is not None:
        held = (Credential(kind=note.credential, issued_on=day, expires_on=day),)
    own = tuple(code for code in row.diagnoses if not code.isdigit())
    return ServiceFacts(
        contact_id=row.contact_id,
        client_id=row.client_id,
        provider_id=row.staff_id,
        program=row.program,
        state=row.state,
        system=row.system,
        service_date=day,
        direct_minutes=row.direct_minutes,
        code=row.code,
        variant=cast(Variant, row.variant),
        place_of_service=row.place,
        delivery_mode=cast(DeliveryMode, row.delivery),
        signer=SignerFacts(
            credential_kind=note.credential if note else None,
            taxonomy=(note.taxonomy or None) if note else None,
            credentials=held,
        ),
        signed=signed,
        payer_id_present=bool(row.cin or cin),
        started_at=started,
        ended_at=ended,
        travel_minutes=row.travel_minutes,
        documentation_minutes=row.documentation_minutes,
        group_size=row.group_size,
        session_id=row.group_id,
        diagnoses=own or tuple(code for code in diagnoses if not code.isdigit()),
        plan_linked=note is not None and note.cites_plan,
        plan_reason_given=note is not None and note.gives_reason,
        cosign_needed=cosign_needed(row.state, row.system, note.credential if note else None, day),
        cosign_present=note is not None and note.cosigned,
        entered_in_error=row.in_error,
        member_age=age,
    )


def line_of(row: BillingRow, facts: ServiceFacts) -> BillingLine:
    """The claim line of one service, with what its signed note says against it."""
    line = claim_line(facts)
    found = [finding(code, words, "", facts.service_date) for code, words in _against_the_note(row, facts)]
    return msgspec.structs.replace(
        line,
        blocks=(*line.blocks, *(block for block, _ in found if block is not None)),
        flags=(*line.flags, *(flag for _, flag in found if flag is not None)),
    )


def _against_the_note(row: BillingRow, facts: ServiceFacts) -> list[tuple[str, str]]:
    note = note_of(row)
    if note is None or note.signed_at is None:
        return []
    same = note.started_at == facts.started_at and note.ended_at == facts.ended_at and note.started_at <= note.ended_at
    if same and program_zone(row.program) is not None:
        return []
    first, last = (local_time(row.program, moment) for moment in (note.started_at, note.ended_at))
    if not first.date() <= facts.service_date <= last.date():
        words = f"the note was signed for a service on {first.date()}; the contact is now on {facts.service_date}"
        return [("signed-for-another-day", words)]
    # As instants: in the hour that an autumn night repeats, times of two zones are never equal, whatever they mean.
    if [first.timestamp(), last.timestamp()] != [at.timestamp() for at in (facts.started_at, facts.ended_at) if at]:
        words = f"the note was signed for {first:%H:%M} to {last:%H:%M}; the contact says otherwise now"
        return [("times-changed-after-note", words)]
    return []


@billing.derive
def settled(row: BillingRow) -> BillingRow:
    """The claim line that follows from a service's facts, and every reason that blocks it."""
    note = note_of(row)
    credential = note.credential if note else None
    started = datetime.fromisoformat(row.started_at)
    answer = code_of(row.program, row.contact_kind, row.service_code, credential, row.direct_minutes, started)
    row = msgspec.structs.replace(
        row,
        service_day=started.date().isoformat(),
        state=answer.state,
        system=answer.system,
        code=answer.code,
        default_code=answer.default,
        variant=answer.variant,
        signer_id=note.signer_id if note else None,
        signer_name=note.signer_name if note else None,
        credential=credential,
        taxonomy=note.taxonomy if note else None,
        signed_at=note.signed_at if note else None,
    )
    if not answer.billable:
        nothing: dict[str, Any] = {"units": 0, "unit_words": "", "modifiers": (), "blocks": (), "flags": ()}
        return msgspec.structs.replace(row, status="not-billable", blocked=False, steps=(answer.words,), **nothing)
    line = line_of(row, facts_of(row))
    status: Status = "blocked" if line.blocks else "claimable"
    if row.in_error:
        status = "void"
    return msgspec.structs.replace(
        row,
        status=status,
        blocked=status == "blocked",
        units=line.units,
        unit_words=line.unit_words,
        modifiers=line.modifiers,
        blocks=line.blocks,
        flags=line.flags,
        steps=(answer.words, *line.steps),
    )


def _with(row: BillingRow, happened: Happened[Any], **changes: Any) -> BillingRow:
    """The row with what an event changes, and with the event it now also comes from."""
    return msgspec.structs.replace(row, events=(*row.events, reference(happened)), **changes)


def _by_contact(happened: Happened[Any]) -> list[Key]:
    return [(happened.event.contact_id,)]


def _by_stream(happened: Happened[Any]) -> list[Key]:
    return [(happened.stream_id,)]


def _known(row: BillingRow | None) -> BillingRow:
    if row is None:
        raise LookupError("a note or a correction of a contact that was not recorded")
    return row


def _local(program: str, moment: datetime) -> str:
    return local_time(program, moment).isoformat()


@billing.on(ContactRecorded, keys=_by_stream)
def recorded(row: BillingRow | None, happened: Happened[ContactRecorded], key: Key) -> BillingRow:
    event = happened.event
    fresh = BillingRow(
        contact_id=happened.stream_id,
        client_id=event.client_id,
        staff_id=event.staff_id,
        program=event.program,
        contact_kind=event.contact_kind,
        started_at=_local(event.program, event.started_at),
        ended_at=_local(event.program, event.ended_at),
        direct_minutes=event.direct_minutes,
        travel_minutes=event.travel_minutes,
        documentation_minutes=event.documentation_minutes,
        place=event.place,
        delivery=event.delivery,
        service_code=event.service_code,
        group_id=event.group.group_id if event.group else None,
        group_size=event.group.size if event.group else None,
        cin=event.cin,
        diagnoses=event.diagnoses,
    )
    return _with(fresh, happened)


@billing.on(ContactCorrected, keys=_by_stream)
def corrected(row: BillingRow | None, happened: Happened[ContactCorrected], key: Key) -> BillingRow:
    row = _known(row)
    fields = {
        name: _local(row.program, value) if isinstance(value, datetime) else value
        for name, value in corrected_fields(happened.event).items()
    }
    return _with(row, happened, **fields)


@billing.on(ContactEnteredInError, keys=_by_stream)
def contact_in_error(row: BillingRow | None, happened: Happened[ContactEnteredInError], key: Key) -> BillingRow:
    return _with(_known(row), happened, in_error=True)


@billing.on(NoteDrafted, keys=_by_contact)
def drafted(row: BillingRow | None, happened: Happened[NoteDrafted], key: Key) -> BillingRow:
    row, event = _known(row), happened.event
    note = NoteFacts(
        note_id=happened.stream_id,
        started_at=event.service_started_at,
        ended_at=event.service_ended_at,
        **_relation(event.content),
    )
    return _with(row, happened, notes=(*row.notes, note))


@billing.on(NoteContentWritten, keys=_by_contact)
def written(row: BillingRow | None, happened: Happened[NoteContentWritten], key: Key) -> BillingRow:
    """The draft was rewritten; the row names the event only where it changed the relation to the plan."""
    changed = _noted(row, happened, **_relation(happened.event.content))
    return changed if row is None or changed.notes != row.notes else row


def _relation(content: NoteContent) -> dict[str, Any]:
    """How a note's content stands to the plan: an objective that it names, or why it names none (PSC-10)."""
    return {"cites_plan": bool(content.objectives), "gives_reason": bool((content.no_plan_reason or "").strip())}


@billing.on(NoteSigned, keys=_by_contact)
def signed(row: BillingRow | None, happened: Happened[NoteSigned], key: Key) -> BillingRow:
    event = happened.event
    return _noted(
        row,
        happened,
        signer_id=event.signer_id,
        signer_name=event.printed_name,
        credential=event.credential,
        taxonomy=event.taxonomy or None,
        signed_at=happened.recorded_at,
        cites_plan=bool(event.cited_plans),
    )


@billing.on(NoteCosigned, keys=_by_contact)
def cosigned(row: BillingRow | None, happened: Happened[NoteCosigned], key: Key) -> BillingRow:
    return _noted(row, happened, cosigned=True)


@billing.on(NoteEnteredInError, keys=_by_contact)
def note_in_error(row: BillingRow | None, happened: Happened[NoteEnteredInError], key: Key) -> BillingRow:
    return _noted(row, happened, in_error=True)


def _noted(row: BillingRow | None, happened: Happened[Any], **changes: Any) -> BillingRow:
    """The row with its note changed; a note that was never drafted for this contact is an error."""
    row = _known(row)
    note_id = happened.stream_id
    if not any(note.note_id == note_id for note in row.notes):
        raise LookupError("a note of this contact that was not drafted")
    notes = [msgspec.structs.replace(note, **changes) if note.note_id == note_id else note for note in row.notes]
    return _with(row, happened, notes=tuple(notes))
