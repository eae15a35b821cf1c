"""An event of a note's story in words, and times and spans as a trace prints them. None of a note's content is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError, ContactRecorded, corrected_fields
from ledger.aggregates.dispute import DisputeDecided, DisputeOpened, EvidenceAdded
from ledger.aggregates.note_events import (
    AddendumAdded,
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    NoteAmended,
    NoteContentWritten,
    NoteCosigned,
    NoteDrafted,
    NoteEnteredInError,
    NoteMarkedLateEntry,
    NoteSigned,
)
from ledger.aggregates.policy import PolicyAdopted, PolicyRetired
from ledger.aggregates.vocabulary import Event
from ledger.policies.deadlines import in_zone

#: What an outcome is called.
OUTCOMES = {
    "on_time": "on time",
    "late": "LATE",
    "full": "Full",
    "partial": "Partial",
    "non": "NON",
    "pending": "not due yet",
    "overdue": "OVERDUE",
}
Names = Callable[[str], str]


def when(at: datetime) -> str:
    """A time with its offset: ``Fri 2026-11-20 15:00 -08:00``; seconds only where there are any."""
    offset = f"{at:%z}"
    clock = f"{at:%H:%M:%S}" if at.second or at.microsecond else f"{at:%H:%M}"
    return f"{at:%a} {at:%Y-%m-%d} {clock} {offset[:3]}:{offset[3:5]}"


def span(length: timedelta) -> str:
    """A length of time: ``2 d 3 h 5 min``, to the second."""
    seconds = abs(round(length.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def gap(claimed: datetime, recorded: datetime) -> str:
    """How far the person's clock lies from the server's."""
    apart = recorded - claimed
    if abs(apart) < timedelta(seconds=1):
        return "same"
    return f"recorded {span(apart)} {'after' if apart > timedelta() else 'before'} it is said to have happened"


def ended(words: str) -> str:
    """The end of a sentence that somebody else's words make: with a full stop, unless they bring their own.

    >>> ended("the client was in hospital"), ended("Why was I late?"), ended("computer down. ")
    ('the client was in hospital.', 'Why was I late?', 'computer down.')
    """
    said = words.rstrip()
    return said if said.endswith((".", "!", "?", "…", "。", "！", "？")) else f"{said}."


def in_words(event: Event, names: Names) -> str:
    """What an event says, in a sentence; times that it carries keep the offset they were meant with."""
    match event:
        case ContactRecorded():
            return (
                f"Service recorded: {event.contact_kind}, program {event.program}, "
                f"{when(event.started_at)} to {when(event.ended_at)}, by {names(event.staff_id)}"
            )
        case ContactCorrected():
            changed = ", ".join(
                f"{name} = {when(value) if isinstance(value, datetime) else value}"
                for name, value in corrected_fields(event).items()
            )
            return f"Service corrected: {changed}. Reason: {event.reason}"
        case ContactEnteredInError():
            return f"Service marked as entered in error. Reason: {event.reason}"
        case NoteDrafted():
            return f"Note drafted ({event.document}), service ended {when(event.service_ended_at)} as then recorded"
        case NoteContentWritten():
            return "Draft rewritten"
        case NoteSigned():
            late = f"; reason given for lateness: {event.late_reason}" if event.late_reason else ""
            return f"Note signed by {event.printed_name} as {event.meaning}{late}"
        case NoteCosigned():
            return f"Note co-signed by {event.printed_name}"
        case AddendumAdded():
            return f"Addendum added by {event.printed_name}"
        case NoteAmended():
            return f"Section {event.section} amended ({event.kind}) by {event.printed_name}. Reason: {event.reason}"
        case NoteMarkedLateEntry():
            return f"Note marked as a late entry. Reason: {event.reason}"
        case NoteEnteredInError():
            return f"Note marked as entered in error. Reason: {event.reason}"
        case ExtensionRequested():
            return f"More time asked for by {names(event.staff_id)}. Reason: {event.reason}"
        case ExtensionGranted():
            return f"More time granted by {names(event.decided_by)}" + _comment(event.comment)
        case ExtensionRefused():
            return f"More time refused by {names(event.decided_by)}" + _comment(event.comment)
        case PolicyAdopted():
            return (
                f"Policy adopted: {event.rule_id} read as {event.reading}@{event.policy_version} for "
                f"{_whom(event.program)}, services from {event.effective_from}. Reason: {event.reason}"
            )
        case PolicyRetired():
            return (
                f"Policy retired: {event.rule_id} read as {event.reading}@{event.policy_version} for "
                f"{_whom(event.program)}, services up to {event.last_day}. Reason: {event.reason}"
            )
        case DisputeOpened():
            return f"Dispute opened by {names(event.opened_by)}: {event.claim}"
        case EvidenceAdded():
            cited = f" (points to {', '.join(event.events)})" if event.events else ""
            return f"Evidence added to the dispute, {event.kind}: {event.text}{cited}"
        case DisputeDecided():
            return (
                f"Dispute decided by {names(event.decided_by)}: {event.outcome}, under {event.rule_id} read as "
                f"{event.reading}. {event.reasoning}"
            )
        case _:
            return event.TYPE


def _comment(comment: str) -> str:
    return f". Comment: {comment}" if comment else ""


def _whom(program: str | None) -> str:
    return "the whole agency" if program is None else f"program {program}"


def local(at: datetime, zone: str) -> str:
    """A time in the agency's zone, with its offset."""
    return when(in_zone(at, zone))
