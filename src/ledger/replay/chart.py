"""The chart as a state: a pure fold of a chart's recorded events, in the order of the log.

Folding the first events of a chart gives the chart as it was known then. Whatever was signed is checked against the
SHA-256 its signature is bound to while it is folded (PSC-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from ledger.aggregates.access import AccessGranted
from ledger.aggregates.client_events import (
    ClientDetailsCorrected,
    ClientRegistered,
    CoordinatorAssigned,
    CoordinatorReleased,
    DiagnosisRecorded,
    DiagnosisResolved,
    EpisodeClosed,
    EpisodeOpened,
)
from ledger.aggregates.contact import (
    ContactCorrected,
    ContactEnteredInError,
    ContactNoteBegun,
    ContactRecorded,
    corrected_fields,
)
from ledger.aggregates.dispute import DisputeDecided, DisputeOpened, EvidenceAdded
from ledger.aggregates.vocabulary import Event
from ledger.errors import IntegrityFault
from ledger.grants import Grant
from ledger.replay.effective import effective
from ledger.replay.notes import NOTE_EVENTS, note_after
from ledger.replay.plans import PLAN_EVENTS, plan_after
from ledger.replay.state import (
    SECTIONS,
    Chart,
    ClientDetails,
    Contact,
    Coordinator,
    Diagnosis,
    Dispute,
    Entry,
    Episode,
    Item,
    ItemKey,
    Note,
    Other,
    Plan,
    Trace,
    Verified,
)
from ledger.replay.verified import read_verified
from ledger.store.envelope import Recorded
from ledger.store.recorder import Recorder

#: Events that are checked against the content of the note they sign.
SIGNATURES = ("note.signed", "note.cosigned")
I = TypeVar("I", bound=Item)  # noqa: E741 - an item


def trace_of(recorded: Recorded) -> Trace:
    """Who did what when, from an event's envelope."""
    row = recorded.row
    return Trace(
        event_id=row.event_id,
        position=row.position,
        type=row.topic,
        actor=row.actor,
        role=row.role,
        credential=row.credential,
        purpose=row.purpose,
        occurred_at=row.occurred,
        recorded_at=row.recorded,
        leaf=row.leaf.hex(),
    )


class ChartFold:
    """A chart while it is being folded: give it the chart's events in order, and ask for the chart at any of them."""

    def __init__(self, chart_id: str) -> None:
        self.chart_id = chart_id
        self.items: dict[ItemKey, Item] = {}
        self.verified = Verified()

    def add(self, recorded: Recorded) -> ItemKey | None:
        """Fold one event; answers which item it changed, None when it changed none (an access).

        Raises ``IntegrityFault`` when the event cannot follow what is there, or its signature is not the content's.
        """
        if recorded.row.chart_id != self.chart_id:
            raise ValueError(f"event {recorded.row.event_id} is not of chart {self.chart_id}")
        trace, key = trace_of(recorded), self.touches(recorded)
        if key is not None:
            self.items[key] = _after(self.items.get(key), recorded.event, trace)
        self.verified = Verified(
            events=self.verified.events + 1,
            signatures=self.verified.signatures + (trace.type in SIGNATURES),
            last_position=trace.position,
            last_leaf=trace.leaf,
        )
        return key

    def touches(self, recorded: Recorded) -> ItemKey | None:
        """Which item an event is about; None for an access, which changes nothing."""
        event = recorded.event
        if isinstance(event, AccessGranted):
            return None
        section, id_field = _PLACES.get(type(event), ("others", ""))
        return section, getattr(event, id_field) if id_field else recorded.originator_id

    def chart(self, position: int, *, as_known_at: datetime | None = None, as_of: date | None = None) -> Chart:
        """The chart as it stands after the events so far; ``position`` is where in the log that is."""
        found: dict[str, list[Any]] = {section: [] for section in SECTIONS}
        for (section, _), item in self.items.items():
            seen = effective(item, as_of, self.items)
            if seen is not None:
                found[section].append(seen)
        client = found.pop("client")
        return Chart(
            chart_id=self.chart_id,
            position=position,
            as_known_at=as_known_at,
            as_of=as_of,
            client=client[0] if client else None,
            verified=self.verified,
            **{section: tuple(items) for section, items in found.items()},
        )


def fold_chart(chart_id: str, events: Iterable[Recorded]) -> ChartFold:
    """Fold a chart's events from the beginning."""
    folding = ChartFold(chart_id)
    for recorded in events:
        folding.add(recorded)
    return folding


def chart_as_known(recorder: Recorder, grant: Grant, chart_id: str) -> Chart:
    """The chart as known at the grant's position, as of the grant's service date if it has one.

    Every event is checked against its leaf hash and every signature against the content it is bound to. Its cost grows
    with this chart's events only. Raises ``NotGranted`` and ``IntegrityFault`` (naming the event).
    """
    folding = fold_chart(chart_id, read_verified(recorder, grant, chart_id))
    return folding.chart(grant.position, as_known_at=grant.as_known_at, as_of=grant.as_of)


#: Which section an event belongs to, and the field with the item's id where that is not the stream's.
_PLACES: dict[type[Event], tuple[str, str]] = {
    ClientRegistered: ("client", ""),
    ClientDetailsCorrected: ("client", ""),
    EpisodeOpened: ("episodes", "episode_id"),
    EpisodeClosed: ("episodes", "episode_id"),
    CoordinatorAssigned: ("coordinators", "assignment_id"),
    CoordinatorReleased: ("coordinators", "assignment_id"),
    DiagnosisRecorded: ("diagnoses", "diagnosis_id"),
    DiagnosisResolved: ("diagnoses", "diagnosis_id"),
    ContactRecorded: ("contacts", ""),
    ContactCorrected: ("contacts", ""),
    ContactEnteredInError: ("contacts", ""),
    ContactNoteBegun: ("contacts", ""),
    **dict.fromkeys(NOTE_EVENTS, ("notes", "")),
    **dict.fromkeys(PLAN_EVENTS, ("plans", "")),
    DisputeOpened: ("disputes", ""),
    EvidenceAdded: ("disputes", ""),
    DisputeDecided: ("disputes", ""),
}


def _after(item: Item | None, event: Event, trace: Trace) -> Item:
    stream = trace.event_id.rpartition("@")[0]
    kind = type(event)
    if kind in NOTE_EVENTS:
        return note_after(_continued(item, Note, trace, begins=trace.type == "note.drafted"), event, trace)
    if kind in PLAN_EVENTS:
        return plan_after(_continued(item, Plan, trace, begins=trace.type == "plan.drafted"), event, trace)
    if kind in _BEGINNINGS:
        if item is not None:
            raise IntegrityFault(f"event {trace.event_id} ({trace.type}) begins what was begun before")
        return _BEGINNINGS[kind](event, trace, stream)
    if kind in _CONTINUATIONS:
        cls, go_on = _CONTINUATIONS[kind]
        before = _continued(item, cls, trace, begins=False)
        return msgspec.structs.replace(
            go_on(before, event, trace), changes=(*item.changes, trace) if item else (trace,)
        )
    entry = Entry(event=event, by=trace)
    if isinstance(item, Other):
        return msgspec.structs.replace(item, changes=(*item.changes, trace), entries=(*item.entries, entry))
    return Other(changes=(trace,), stream_id=stream, kind=trace.type.partition(".")[0], entries=(entry,))


def _continued(item: Item | None, kind: type[I], trace: Trace, *, begins: bool) -> I | None:
    """The item an event goes on from; an event in the wrong place names itself."""
    if begins:
        if item is not None:
            raise IntegrityFault(f"event {trace.event_id} ({trace.type}) begins what was begun before")
        return None
    if not isinstance(item, kind):
        raise IntegrityFault(f"event {trace.event_id} ({trace.type}) goes on with something whose beginning is missing")
    return item


def _corrected_details(item: Any, event: Any, _: Trace) -> Item:
    given = {
        name: value
        for name in event.__struct_fields__
        if name != "reason" and (value := getattr(event, name)) is not None
    }
    details = msgspec.structs.replace(item.details, **given)
    after: Item = msgspec.structs.replace(item, details=details, reasons=(*item.reasons, event.reason))
    return after


def _corrected_contact(item: Any, event: Any, _: Trace) -> Item:
    facts = msgspec.structs.replace(item.facts, **corrected_fields(event))
    after: Item = msgspec.structs.replace(item, facts=facts, reasons=(*item.reasons, event.reason))
    return after


def _setting(name: str, what: Callable[[Any, Trace], Any]) -> Callable[[Any, Any, Trace], Item]:
    def go_on(item: Any, event: Any, trace: Trace) -> Item:
        after: Item = msgspec.structs.replace(item, **{name: what(event, trace)})
        return after

    return go_on


def _with_evidence(item: Any, event: Any, trace: Trace) -> Item:
    after: Item = msgspec.structs.replace(item, evidence=(*item.evidence, Entry(event=event, by=trace)))
    return after


#: Events that begin an item (from the event, its trace and its stream), and events that go on with one.
_BEGINNINGS: dict[type[Event], Callable[[Any, Trace, str], Item]] = {
    ClientRegistered: lambda event, trace, _: ClientDetails(changes=(trace,), details=event),
    EpisodeOpened: lambda event, trace, _: Episode(changes=(trace,), opened=event),
    CoordinatorAssigned: lambda event, trace, _: Coordinator(changes=(trace,), assigned=event),
    DiagnosisRecorded: lambda event, trace, _: Diagnosis(changes=(trace,), recorded=event),
    ContactRecorded: lambda event, trace, stream: Contact(changes=(trace,), contact_id=stream, facts=event),
    DisputeOpened: lambda event, trace, stream: Dispute(changes=(trace,), dispute_id=stream, opened=event),
}
_CONTINUATIONS: dict[type[Event], tuple[type[Item], Callable[[Any, Any, Trace], Item]]] = {
    ClientDetailsCorrected: (ClientDetails, _corrected_details),
    EpisodeClosed: (Episode, _setting("closed", lambda event, _: event)),
    CoordinatorReleased: (Coordinator, _setting("released", lambda event, _: event)),
    DiagnosisResolved: (Diagnosis, _setting("resolved", lambda event, _: event)),
    ContactCorrected: (Contact, _corrected_contact),
    ContactNoteBegun: (Contact, lambda item, _event, _trace: item),
    ContactEnteredInError: (Contact, _setting("in_error", lambda event, _: event.reason)),
    EvidenceAdded: (Dispute, _with_evidence),
    DisputeDecided: (Dispute, _setting("decided", lambda event, trace: Entry(event=event, by=trace))),
}
