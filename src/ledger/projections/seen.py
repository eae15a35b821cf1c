"""What a reader sees of a chart's events: all that stays shut to them is left out, whole documents at a time.

Left out are the documents of a segment that needs a consent which is not there (by program, by mark), its diagnoses,
and services outside the days of an audit, with their notes and the disputes about those. Sources: 42 CFR 2.12, 2.13(a);
45 CFR 164.514(d)(3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Protocol

from ledger.aggregates.client_events import (
    CoordinatorAssigned,
    CoordinatorReleased,
    DiagnosisRecorded,
    DiagnosisResolved,
    EpisodeClosed,
    EpisodeOpened,
)
from ledger.aggregates.contact import ContactCorrected, ContactRecorded
from ledger.aggregates.dispute import DisputeOpened
from ledger.aggregates.note_events import NoteDrafted
from ledger.aggregates.plan_events import PlanDrafted
from ledger.aggregates.privacy_events import SegmentMarked
from ledger.grants import NO_LIMITS, Grant, Limits
from ledger.policies.segments import diagnoses_of
from ledger.store.envelope import Recorded


def seen(events: Iterable[Recorded], limits: Limits) -> list[Recorded]:
    """The events of one chart, in the order of the log, without what stays shut."""
    found = list(events)
    if limits == NO_LIMITS:
        return found
    left_out = _documents(found, limits)
    diagnoses = {e.event.diagnosis_id for e in found if isinstance(e.event, DiagnosisRecorded) and _of(e.event, limits)}
    return [one for one in found if not _shut(one, limits, left_out, diagnoses)]


class OfService(Protocol):
    """A row of a view about one service and its notes."""

    @property
    def client_id(self) -> str: ...
    @property
    def contact_id(self) -> str: ...
    @property
    def program(self) -> str: ...
    @property
    def service_day(self) -> str: ...
    @property
    def notes(self) -> Sequence[OfNote]: ...


class OfNote(Protocol):
    """What a row says of a note."""

    @property
    def note_id(self) -> str: ...


def shows_service(grant: Grant, row: OfService) -> bool:
    """Whether a page shows the row of a service; raises ``NotGranted`` for a chart that the access does not name."""
    documents = (row.contact_id, *(note.note_id for note in row.notes))
    day = date.fromisoformat(row.service_day)
    return grant.shows(row.client_id, program=row.program, day=day, documents=documents)


def without_shut(codes: tuple[str, ...], limits: Limits) -> tuple[str, ...]:
    """Codes of diagnoses without those that stay shut."""
    shut = diagnoses_of(limits.segments)
    return tuple(code for code in codes if not code.upper().startswith(shut)) if shut else codes


def _documents(events: Iterable[Recorded], limits: Limits) -> set[str]:
    """The documents that are left out: contacts, and with each its note and the disputes about that; plans."""
    about: dict[str, str] = {}
    programs: dict[str, str] = {}
    days: dict[str, date] = {}
    for one in events:
        stream, event = str(one.row.originator_id), one.event
        if isinstance(event, ContactRecorded):
            programs[stream], days[stream] = event.program, event.started_at.date()
        elif isinstance(event, ContactCorrected):
            if event.started_at is not None:
                days[stream] = event.started_at.date()
        elif isinstance(event, PlanDrafted):
            programs[stream] = event.program
        elif isinstance(event, NoteDrafted):
            about[stream] = event.contact_id
        elif isinstance(event, DisputeOpened):
            about[stream] = event.note_id
    left_out = {
        stream
        for stream in {*programs, *about, *limits.marked}
        if limits.leaves_out(program=programs.get(stream), day=days.get(stream), documents=(stream,))
    }
    # A contact whose note is marked, and a note whose contact is: one says what the other was about.
    left_out |= {about[stream] for stream in left_out if stream in about}
    for _ in range(2):  # the note of a contact, then the dispute about the note
        left_out |= {stream for stream, what in about.items() if what in left_out}
    return left_out


def _of(event: DiagnosisRecorded, limits: Limits) -> bool:
    return not without_shut((event.code,), limits)


def _shut(one: Recorded, limits: Limits, left_out: set[str], diagnoses: set[str]) -> bool:
    event: Any = one.event
    match event:
        case DiagnosisRecorded() | DiagnosisResolved():
            return event.diagnosis_id in diagnoses
        case EpisodeOpened() | EpisodeClosed() | CoordinatorAssigned() | CoordinatorReleased():
            return event.program in limits.programs
        case SegmentMarked():
            return event.segment in limits.segments
    return str(one.row.originator_id) in left_out
