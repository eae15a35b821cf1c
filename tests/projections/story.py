"""Given, when, then without a database: events with their envelopes, folded in memory, and short words for services."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ledger.aggregates.client_events import ClientRegistered, DiagnosisRecorded
from ledger.aggregates.contact import ContactRecorded, Group
from ledger.aggregates.note_events import CitedPlan, NoteContent, NoteContentWritten, NoteDrafted, NoteSigned
from ledger.aggregates.staff import PersonName, ScheduleSet, StaffRegistered
from ledger.aggregates.vocabulary import Event
from ledger.clock import to_text
from ledger.projections.base import Line, Projection
from ledger.projections.folding import L, fold_all
from ledger.store.envelope import Recorded, StoredRow

PACIFIC = ZoneInfo("America/Los_Angeles")
STAFF = "staff-1"
CLIENT = "client-1"
#: A whole working week of eight-hour days.
OFFICE_WEEK = (480, 480, 480, 480, 480, 0, 0)


def pacific(day: str, time: str = "09:00") -> datetime:
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=PACIFIC)


@dataclass
class Story:
    """What happened, in the order of the log. Each event is recorded a minute after the one before it."""

    events: list[Recorded] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    start: datetime = datetime(2025, 12, 1, 8, 0, tzinfo=UTC)

    def happened(self, stream: str, event: Event, *, key: str = CLIENT) -> Story:
        """Append one event to a stream."""
        position = len(self.events) + 1
        version = self.versions[stream] = self.versions.get(stream, 0) + 1
        recorded_at = to_text(self.start + timedelta(minutes=position))
        row = StoredRow(
            originator_id=stream,
            originator_version=version,
            topic=event.TYPE,
            state=b"",
            schema_version=event.SCHEMA,
            key=key,
            chart_id=None,
            occurred_at=recorded_at,
            occurred_offset=-480,
            actor=STAFF,
            role="clinician",
            credential=None,
            purpose="operations",
            command_id=f"command-{position}",
            command_index=0,
            command_digest="",
            correlation_id="story",
            causation_id=None,
            position=position,
            recorded_at=recorded_at,
        )
        self.events.append(Recorded(row, event))
        return self

    def service(self, contact: str, day: str, minutes: int, time: str = "09:00", **facts: Any) -> Story:
        """A sound service of some direct minutes; ``facts`` replace what it is made of."""
        started = facts.pop("started_at", pacific(day, time))
        values: dict[str, Any] = {
            "client_id": CLIENT,
            "staff_id": STAFF,
            "program": "psc",
            "contact_kind": "case_management",
            "started_at": started,
            "ended_at": started + timedelta(minutes=minutes),
            "direct_minutes": minutes,
            "travel_minutes": 0,
            "documentation_minutes": 0,
            "place": "11",
            "delivery": "in_person",
            "service_code": "T1017",
            "cin": "91234567A",
            "diagnoses": ("F20.9",),
        } | facts
        event = ContactRecorded(**values)
        return self.happened(contact, event, key=event.client_id)

    def drafted(self, contact: str, note: str | None = None, content: NoteContent | None = None) -> Story:
        """A note of a service, as its facts stand in the log."""
        facts = self.facts(contact)
        event = NoteDrafted(
            contact_id=contact,
            client_id=facts.client_id,
            author_id=facts.staff_id,
            program=facts.program,
            document="progress_note",
            service_started_at=facts.started_at,
            service_ended_at=facts.ended_at,
            content=content or NoteContent(),
        )
        return self.happened(note or f"note-of-{contact}", event, key=facts.client_id)

    def written(self, contact: str, content: NoteContent, note: str | None = None) -> Story:
        """The draft of a service is rewritten."""
        client = self.facts(contact).client_id
        event = NoteContentWritten(client_id=client, contact_id=contact, content=content)
        return self.happened(note or f"note-of-{contact}", event, key=client)

    def signed(self, contact: str, note: str | None = None, **facts: Any) -> Story:
        """The note of a service is signed by an MHRS; ``facts`` replace what the signature says."""
        values: dict[str, Any] = {
            "client_id": self.facts(contact).client_id,
            "contact_id": contact,
            "signer_id": STAFF,
            "printed_name": "Ann Example",
            "role": "clinician",
            "credential": "mhrs",
            "taxonomy": "171M00000X",
            "meaning": "authored",
            "content_sha256": "0" * 64,
            "cited_plans": (CitedPlan(plan_id="plan-1", plan_version=1),),
        } | facts
        return self.happened(note or f"note-of-{contact}", NoteSigned(**values), key=values["client_id"])

    def done(self, contact: str, day: str, minutes: int, time: str = "09:00", **facts: Any) -> Story:
        """A service with its signed note."""
        return self.service(contact, day, minutes, time, **facts).drafted(contact).signed(contact)

    def client(self, client: str = CLIENT, cin: str | None = "91234567A") -> Story:
        """A client is registered, with one diagnosis."""
        name = PersonName(family="Client", given="Example")
        self.happened(
            client, ClientRegistered(name=name, birth_date=date(1980, 5, 1), sex="unknown", cin=cin), key=client
        )
        found = DiagnosisRecorded(
            diagnosis_id=f"diagnosis-of-{client}", system="icd-10-cm", code="F20.9", display="x", onset=date(2020, 1, 1)
        )
        return self.happened(client, found, key=client)

    def staff(self, staff: str = STAFF, hired_on: date = date(2024, 1, 1), program: str = "psc") -> Story:
        """A staff member is hired, to work office weeks."""
        event = StaffRegistered(
            name=PersonName(family="Example", given="Ann"), roles=("clinician",), programs=(program,), hired_on=hired_on
        )
        self.happened(staff, event, key=staff)
        return self.happened(staff, ScheduleSet(effective_from=hired_on, minutes=OFFICE_WEEK), key=staff)

    def facts(self, contact: str) -> ContactRecorded:
        """A contact as it was first recorded."""
        return next(
            one.event for one in self.events if one.originator_id == contact and isinstance(one.event, ContactRecorded)
        )

    def lines(self, projection: Projection[Any]) -> L:
        return fold_all(projection, self.events)

    def line(self, projection: Projection[Any], *key: str) -> Line[Any]:
        return self.lines(projection)[key]

    def row(self, projection: Projection[Any], *key: str) -> Any:
        return self.line(projection, *key).row

    def rows(self, projection: Projection[Any]) -> list[Any]:
        return [line.row for line in self.lines(projection).values()]


def a_group(size: int) -> Group:
    return Group(group_id="group-1", size=size)
