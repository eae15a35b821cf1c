"""What an event says in a short line, in the field's words, from its own data; and the date and document it speaks of.

An event of a kind that has no line of its own here is told by the first sentence of its definition, so that none is
ever left out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from typing import Any

from ledger.aggregates import client_events as c
from ledger.aggregates import contact as k
from ledger.aggregates import dispute as d
from ledger.aggregates import note_events as n
from ledger.aggregates import plan_events as p
from ledger.aggregates import privacy_events as v
from ledger.aggregates.vocabulary import Event

#: A reason or claim longer than this is cut in a line; the chart shows all of it.
LONGEST = 120


def words(event: Event) -> str:
    """The line of an event."""
    line = WORDS.get(type(event))
    return line(event) if line is not None else first_sentence(type(event))


def first_sentence(kind: type[Event]) -> str:
    """The first sentence of an event's definition, on one line."""
    text = " ".join((kind.__doc__ or kind.TYPE).split())
    return text.partition(". ")[0].rstrip(".")


def date_of(event: Event) -> date | None:
    """The calendar date that an event speaks of, if it does; a service's date is the one in the offset meant."""
    for name in _DATES.get(type(event), ()):
        value = getattr(event, name)
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
    return None


def about_of(event: Event) -> str | None:
    """The document an event's own document is about: a note's contact, a dispute's note."""
    name = _about(type(event))
    return None if name is None else getattr(event, name, None)


@cache
def _about(kind: type[Event]) -> str | None:
    return {"dispute": "note_id", "note": "contact_id"}.get(kind.TYPE.partition(".")[0])


def brief(text: str) -> str:
    """A text on one line, cut at a word when it is long."""
    line = " ".join(text.split())
    if len(line) <= LONGEST:
        return line
    return line[:LONGEST].rpartition(" ")[0] + " …"


def _said(name: str) -> str:
    return name.replace("_", " ")


def _details(event: c.ClientDetailsCorrected) -> str:
    given = [_said(f) for f in event.__struct_fields__ if f != "reason" and getattr(event, f) is not None]
    return f"details corrected ({', '.join(given)}): {brief(event.reason)}"


def _contact(event: k.ContactRecorded) -> str:
    late = ", late entry" if event.late_entry else ""
    group = f", group of {event.group.size}" if event.group else ""
    return (
        f"{_said(event.contact_kind)} contact recorded: {event.direct_minutes} direct minutes, "
        f"{_said(event.delivery)}, place {event.place}{group}{late}"
    )


def _correction(event: k.ContactCorrected) -> str:
    given = [_said(name) for name in k.corrected_fields(event)]
    return f"contact corrected ({', '.join(given)}): {brief(event.reason)}"


def _signed_as(printed_name: str, credential: str | None) -> str:
    return f"{printed_name}, {credential}" if credential else printed_name


def _signed(event: n.NoteSigned) -> str:
    late = f"; late: {brief(event.late_reason)}" if event.late_reason else ""
    return f"note signed by {_signed_as(event.printed_name, event.credential)}{late}"


def _missing(event: p.PlanClientSignatureMissing) -> str:
    how = "refused to sign" if event.why == "refused" else "was unable to sign"
    again = f"; next attempt {event.next_attempt}" if event.next_attempt else ""
    return f"the client {how} version {event.plan_version} of the plan: {brief(event.reason)}{again}"


def _reviewed(event: p.PlanReviewed) -> str:
    counts: dict[str, int] = {}
    for outcome in event.outcomes:
        counts[outcome.outcome] = counts.get(outcome.outcome, 0) + 1
    said = ", ".join(f"{count} {_said(name)}" for name, count in sorted(counts.items())) or "no outcomes"
    return f"plan reviewed, version {event.plan_version}: {said}"


def _comment(comment: str) -> str:
    return f": {brief(comment)}" if comment else ""


#: The line of each event type; a lambda takes the event.
WORDS: dict[type[Event], Callable[[Any], str]] = {
    c.ClientRegistered: lambda e: f"registered: {e.name}, born {e.birth_date}",
    c.ClientDetailsCorrected: _details,
    c.EpisodeOpened: lambda e: f"episode opened in {e.program} on {e.opened_on}",
    c.EpisodeClosed: lambda e: f"episode in {e.program} closed, last day {e.closed_on}: {brief(e.reason)}",
    c.CoordinatorAssigned: lambda e: (
        f"{'lead' if e.lead else 'second'} coordinator assigned in {e.program} from {e.first_day}"
    ),
    c.CoordinatorReleased: lambda e: f"coordinator released in {e.program}, last day {e.last_day}: {brief(e.reason)}",
    c.DiagnosisRecorded: lambda e: f"diagnosis recorded: {e.code} {e.display}, onset {e.onset}",
    c.DiagnosisResolved: lambda e: f"diagnosis resolved on {e.resolved_on}",
    k.ContactRecorded: _contact,
    k.ContactCorrected: _correction,
    k.ContactNoteBegun: lambda e: f"a note was begun: {e.note_id}",
    k.ContactEnteredInError: lambda e: f"contact entered in error: {brief(e.reason)}",
    n.NoteDrafted: lambda e: f"{_said(e.document)} drafted for the service of {e.service_started_at.date()}",
    n.NoteContentWritten: lambda e: f"draft rewritten ({len(e.content.sections)} sections)",
    n.NoteSigned: _signed,
    n.NoteCosigned: lambda e: f"note co-signed by {_signed_as(e.printed_name, e.credential)}",
    n.AddendumAdded: lambda e: f"addendum added by {_signed_as(e.printed_name, e.credential)}",
    n.NoteAmended: lambda e: f"{e.kind} of the section {_said(e.section)}: {brief(e.reason)}",
    n.NoteMarkedLateEntry: lambda e: f"marked as a late entry: {brief(e.reason)}",
    n.NoteEnteredInError: lambda e: f"note entered in error: {brief(e.reason)}",
    n.ExtensionRequested: lambda e: f"more time asked for: {brief(e.reason)}",
    n.ExtensionGranted: lambda e: f"more time granted{_comment(e.comment)}",
    n.ExtensionRefused: lambda e: f"more time refused{_comment(e.comment)}",
    p.PlanDrafted: lambda e: (
        f"treatment plan drafted in {e.program}: {len(e.goals)} goal{'' if len(e.goals) == 1 else 's'}"
    ),
    p.PlanPutInForce: lambda e: (
        f"plan version {e.plan_version} signed by {_signed_as(e.printed_name, e.credential)}, "
        f"in force from {e.effective_from}"
    ),
    p.PlanClientSigned: lambda e: f"plan version {e.plan_version} signed by {e.signed_by} ({e.relationship})",
    p.PlanClientSignatureMissing: _missing,
    p.PlanRevised: lambda e: f"plan revised to version {e.plan_version}: {brief(e.reason)}",
    p.PlanReviewed: _reviewed,
    p.PlanEnded: lambda e: f"plan ended, last day {e.last_day}: {brief(e.reason)}",
    d.DisputeOpened: lambda e: f"dispute opened about a note's timeliness: {brief(e.claim)}",
    d.EvidenceAdded: lambda e: f"evidence added ({e.kind}): {brief(e.text)}",
    d.DisputeDecided: lambda e: f"dispute decided, {e.outcome}, under {e.rule_id} ({e.reading})",
    v.MarkedSensitive: lambda e: f"chart marked as sensitive ({_said(e.why)}): {brief(e.reason)}",
    v.SensitiveEnded: lambda e: f"chart no longer sensitive: {brief(e.reason)}",
    v.SegmentMarked: lambda e: f"document {e.document_id} marked as {_said(e.segment)}: {brief(e.reason)}",
    v.ConsentGiven: lambda e: (
        f"consent given ({_said(e.kind)}, {', '.join(e.segments)}) to {e.recipient} for {', '.join(e.purposes)}"
    ),
    v.ConsentRevoked: lambda e: f"consent revoked on {e.revoked_on}: {brief(e.reason)}",
    v.GlassBroken: lambda e: f"glass broken: {brief(e.reason)}",
    v.GlassReviewed: lambda e: (
        f"broken glass judged {'justified' if e.justified else 'NOT justified'}: {brief(e.comment)}"
    ),
}

#: The fields that hold the date an event speaks of.
_DATES: dict[type[Event], tuple[str, ...]] = {
    c.EpisodeOpened: ("opened_on",),
    c.EpisodeClosed: ("closed_on",),
    c.CoordinatorAssigned: ("first_day",),
    c.CoordinatorReleased: ("last_day",),
    c.DiagnosisRecorded: ("onset",),
    c.DiagnosisResolved: ("resolved_on",),
    k.ContactRecorded: ("started_at",),
    k.ContactCorrected: ("started_at",),
    n.NoteDrafted: ("service_started_at",),
    p.PlanPutInForce: ("effective_from",),
    p.PlanEnded: ("last_day",),
}
