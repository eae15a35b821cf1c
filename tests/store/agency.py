"""Data for the tests of the store and its readers: a small agency through commands, and stored rows made by hand."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone

from ledger.aggregates.client_events import AssignCoordinator, OpenEpisode, RegisterClient, ReleaseCoordinator
from ledger.aggregates.contact import RecordContact
from ledger.aggregates.note_events import AddAddendum, AddendumAdded, DraftNote, NoteContent, SignNote
from ledger.aggregates.staff import PersonName, RecordCredential, RegisterStaff
from ledger.aggregates.vocabulary import Command, Event
from ledger.application.commands import Ledger, Request
from ledger.store.codec import encode_payload
from ledger.store.envelope import StoredRow

PACIFIC = timezone(timedelta(hours=-8))
CONTENT = NoteContent(
    sections={"problem": "could not sleep", "intervention": "sleep hygiene", "response": "will try", "plan": "weekly"},
    no_plan_reason="intake",
)


def give(ledger: Ledger, command: Command, actor: str = "system:setup") -> None:
    """Carry out one command under a new command id."""
    ledger.execute(Request(command=command, actor_id=actor, purpose="operations", command_id=ledger.ids.new()))


def small_agency(ledger: Ledger, clients: int = 3, contacts: int = 2) -> list[str]:
    """A clinician with some clients, each with an assignment and some signed notes; returns the chart ids.

    The ledger's clock must stand in 2026 or later.
    """
    ids = ledger.ids
    staff = ids.new()
    name = PersonName(family="Example", given="Robin")
    roles, programs = ("clinician",), ("psc",)
    give(ledger, RegisterStaff(staff_id=staff, name=name, roles=roles, programs=programs, hired_on=date(2024, 1, 1)))
    give(
        ledger,
        RecordCredential(
            staff_id=staff,
            credential_id=ids.new(),
            credential_kind="lcsw",
            number="1",
            issued_on=date(2024, 1, 1),
            taxonomy="1041C0700X",
        ),
    )
    charts = []
    for number in range(clients):
        chart, assignment = ids.new(), ids.new()
        charts.append(chart)
        person = PersonName(family="Client", given=f"Number {number}")
        give(ledger, RegisterClient(client_id=chart, name=person, birth_date=date(1980, 1, 1)))
        opened = date(2025, 12, 1)
        give(ledger, OpenEpisode(client_id=chart, episode_id=ids.new(), program="psc", opened_on=opened))
        give(
            ledger,
            AssignCoordinator(
                client_id=chart, assignment_id=assignment, staff_id=staff, program="psc", first_day=opened
            ),
        )
        for contact in range(contacts):
            _contact(ledger, chart, staff, datetime(2026, 1, 2, 9, 0, tzinfo=PACIFIC) + timedelta(hours=contact))
        if number % 2:
            last = date(2025, 12, 31)
            give(
                ledger,
                ReleaseCoordinator(client_id=chart, assignment_id=assignment, last_day=last, reason="moved away"),
            )
    return charts


def _contact(ledger: Ledger, chart: str, staff: str, started: datetime) -> None:
    contact, note = ledger.ids.new(), ledger.ids.new()
    give(
        ledger,
        RecordContact(
            contact_id=contact,
            client_id=chart,
            staff_id=staff,
            program="psc",
            contact_kind="individual",
            started_at=started,
            ended_at=started + timedelta(minutes=45),
            direct_minutes=40,
        ),
        staff,
    )
    give(ledger, DraftNote(note_id=note, contact_id=contact, content=CONTENT), staff)
    give(ledger, SignNote(note_id=note), staff)
    give(ledger, AddAddendum(note_id=note, addendum_id=ledger.ids.new(), text="the client called back"), staff)


def named(label: str) -> str:
    """The id that a test calls by a short name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, label))


def said(chart: str, text: str) -> AddendumAdded:
    """A small event of one chart that carries a text: what tests fold."""
    return AddendumAdded(
        client_id=named(chart),
        contact_id=named("contact"),
        addendum_id=named("addendum"),
        author_id=named("author"),
        printed_name="Robin Example",
        credential=None,
        text=text,
    )


def stored(
    event: Event,
    *,
    stream: str,
    version: int,
    chart: str | None = None,
    payload: bytes | None = None,
    type_name: str | None = None,
    schema: int | None = None,
    command: str | None = None,
) -> StoredRow:
    """A row as a writer hands it to the recorder, with an envelope made up around an event or around raw bytes."""
    chart_id = named(chart) if chart is not None else None
    command = command or f"{stream}/{version}"
    return StoredRow(
        originator_id=named(stream),
        originator_version=version,
        topic=type_name or event.TYPE,
        state=encode_payload(event) if payload is None else payload,
        schema_version=schema or event.SCHEMA,
        key=chart_id or "agency",
        chart_id=chart_id,
        occurred_at="2026-01-02T17:00:00.000000Z",
        occurred_offset=-480,
        actor="system:tests",
        role="system",
        credential=None,
        purpose="operations",
        command_id=named(command),
        command_index=0,
        command_digest=hashlib.sha256(command.encode()).hexdigest(),
        correlation_id=named(command),
        causation_id=None,
    )


def said_log(texts: Iterable[tuple[str, str]]) -> list[StoredRow]:
    """Rows that carry texts, one stream a chart, from pairs of (chart, text) in the order of the log."""
    versions: dict[str, int] = {}
    rows = []
    for chart, text in texts:
        versions[chart] = versions.get(chart, 0) + 1
        rows.append(stored(said(chart, text), stream=f"note of {chart}", version=versions[chart], chart=chart))
    return rows
