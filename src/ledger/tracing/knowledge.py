"""Who could have known what when: for everybody in a note's story, each fact and the first trace of knowing it.

A fact can be known by writing it, by acting on it (a decision on a request, a signature beside a signature), or by
reading the chart after it was recorded: every read is an event that names the position of the log it showed. What
left no trace (a word in the corridor) is not in the record, and the trace does not guess at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError, ContactRecorded
from ledger.aggregates.dispute import DisputeDecided, DisputeOpened, EvidenceAdded
from ledger.aggregates.note_events import (
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    NoteContentWritten,
    NoteCosigned,
    NoteDrafted,
    NoteSigned,
)
from ledger.aggregates.policy import PolicyAdopted, PolicyRetired
from ledger.policies.deadlines import in_zone
from ledger.tracing.story import Step, Story, recorded_at

#: Events that are no fact about the note: a rewritten draft shows no content here, and policies are known to all.
_UNTOLD = (NoteContentWritten, PolicyAdopted, PolicyRetired)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One fact, for one person: in the record from ``since``, known to them from ``at``, and how (None: no trace)."""

    event: int
    since: datetime
    at: datetime | None
    how: str


class Knowledge(msgspec.Struct, frozen=True, kw_only=True):
    """What one person could have known, and their part in the story."""

    person_id: str
    name: str
    parts: tuple[str, ...]
    facts: tuple[Known, ...]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One read of the chart: who, when, on which page, for what purpose, and as it stood at which event before it."""

    reader_id: str
    name: str
    at: datetime
    surface: str
    resource: str
    purpose: str
    relationship: str
    position: int
    as_known_at: datetime | None
    facts_shown: int


def knowledge(story: Story, zone: str) -> tuple[Knowledge, ...]:
    """For everybody who took part, and the author's supervisors: each fact of the story and since when they knew it."""
    facts = [step for step in story.steps if not isinstance(step.recorded.event, _UNTOLD)]
    parts = _parts(story)
    return tuple(
        Knowledge(
            person_id=who,
            name=story.name(who),
            parts=tuple(parts[who]),
            facts=tuple(_known(story, who, fact, zone) for fact in facts),
        )
        for who in parts
    )


def readings(story: Story, zone: str) -> tuple[Reading, ...]:
    """Every recorded read of the chart since the service was recorded, with how many events of the story it showed."""
    return tuple(
        Reading(
            reader_id=found.event.reader_id,
            name=story.name(found.event.reader_id),
            at=in_zone(found.recorded.row.recorded, zone),
            surface=found.event.surface,
            resource=found.event.resource,
            purpose=found.event.purpose,
            relationship=found.shown.relationship,
            position=found.shown.position,
            as_known_at=found.event.as_known_at,
            facts_shown=sum(step.recorded.row.position <= found.shown.position for step in story.steps),
        )
        for found in story.reads
    )


def _parts(story: Story) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {story.drafted.author_id: ["wrote the note"]}
    author = story.people.get(story.drafted.author_id)
    if author is not None:
        first = min(story.drafted.service_started_at, recorded_at(story.steps[0])).date()
        for supervisor in author.supervisors_between(first, recorded_at(story.steps[-1]).date()):
            parts.setdefault(supervisor, []).append("supervises the author")
    for step in story.steps:
        actor, part = step.recorded.row.actor, _part(step)
        if part and step.recorded.event.TYPE != NoteDrafted.TYPE and part not in parts.setdefault(actor, []):
            parts[actor].append(part)
    return parts


def _part(step: Step) -> str | None:
    match step.recorded.event:
        case ContactRecorded():
            return "recorded the service"
        case ContactCorrected() | ContactEnteredInError():
            return "corrected the service"
        case ExtensionRequested():
            return "asked for more time"
        case ExtensionGranted() | ExtensionRefused():
            return "decided on more time"
        case NoteSigned():
            return "signed"
        case NoteCosigned():
            return "co-signed"
        case DisputeOpened() | EvidenceAdded():
            return "disputed"
        case DisputeDecided():
            return "decided the dispute"
        case event if isinstance(event, _UNTOLD):
            return None
        case _:
            return "added to the note"


def _known(story: Story, who: str, fact: Step, zone: str) -> Known:
    since = in_zone(recorded_at(fact), zone)
    if fact.recorded.row.actor == who:
        return Known(event=fact.number, since=since, at=since, how="recorded it")
    traces = [*_acted(story, who, fact), *_read(story, who, fact)]
    if not traces:
        return Known(event=fact.number, since=since, at=None, how="")
    at, how = min(traces, key=lambda trace: trace[0])
    return Known(event=fact.number, since=since, at=in_zone(at, zone), how=how)


def _acted(story: Story, who: str, fact: Step) -> Iterable[tuple[datetime, str]]:
    """Acts of a person that could not be without knowing the fact."""
    about = fact.recorded
    for step in story.steps:
        later, row = step.recorded.event, step.recorded.row
        if row.actor != who or step.number <= fact.number:
            continue
        match about.event, later:
            case ExtensionRequested(request_id=asked), (
                ExtensionGranted(request_id=decided) | ExtensionRefused(request_id=decided)
            ) if asked == decided:
                yield row.recorded, f"decided on it (event {step.number})"
            case NoteSigned(), NoteCosigned():
                yield row.recorded, f"co-signed it (event {step.number})"
            case ((DisputeOpened() | EvidenceAdded()), DisputeDecided()) if (
                about.originator_id == step.recorded.originator_id
            ):
                yield row.recorded, f"decided on it (event {step.number})"


def _read(story: Story, who: str, fact: Step) -> Iterable[tuple[datetime, str]]:
    for found in story.reads:
        if found.event.reader_id == who and found.shown.position >= fact.recorded.row.position:
            yield found.recorded.row.recorded, f"read the chart ({found.event.surface}: {found.event.resource})"
