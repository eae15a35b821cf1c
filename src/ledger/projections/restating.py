"""What was learned of a service after its verdict was settled, and which of it turned the verdict.

A verdict is settled by what was known when the note was signed (without a signature: when the service ended). What is
recorded afterwards may turn it: a correction of the service's end, a decision on more time, a reading or a calendar
adopted or retired with effect from an earlier day. A correction from before the signature was known at it; where it is
what makes the outcome, that is told all the same. The monthly review and the trace ask here, so that they agree.
Sources: design §1.2 (two times) and §1.9 (a changed rule never rewrites silently what was decided before).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeVar

import msgspec

from ledger.clock import from_text, to_text
from ledger.policies.adoption import Adoption, learned_since
from ledger.policies.calendar import CALENDAR_RULE
from ledger.policies.deadline_rules import rule_book
from ledger.policies.deadlines import in_zone, moment
from ledger.projections.service_notes import Correction, NoteFacts, Request, ServiceNote
from ledger.projections.timeliness import settled

V = TypeVar("V")
Names = Callable[[str], str]


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """Something recorded since: when (stored form), and what, in words that name who did it where a row knows."""

    recorded_at: str
    words: str


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """Of one rule, the times (stored form) at which something recorded turned its verdict in force; never empty."""

    rule_id: str
    at: tuple[str, ...]


def settled_at(row: ServiceNote, note: NoteFacts | None) -> str:
    """Since when a verdict could be known, in the stored form: the signature, or the end of a service without one.

    The end is the one first recorded: what moved it afterwards is a correction.
    """
    if note is not None and note.signature is not None:
        return note.signature.signed_at
    first = row.corrections[0].ended_before if row.corrections else row.ended_at
    return to_text(datetime.fromisoformat(first))


def as_known(row: ServiceNote, note: NoteFacts | None, at: str, *, end_at: str | None = None) -> ServiceNote:
    """The service as it was known at a time (stored form), with this note's requests as they then stood.

    With ``end_at`` its end is the one that was recorded by that time instead.
    An unsigned note keeps its requests: more time given before the signature is the ordinary course, and turns nothing
    that was settled.
    """
    until = at if end_at is None else end_at
    ended = next((one.ended_before for one in row.corrections if one.recorded_at > until), row.ended_at)
    notes = row.notes
    if note is not None and note.signature is not None:
        requests = tuple(_then(request, at) for request in note.requests if request.requested_at <= at)
        then = msgspec.structs.replace(note, requests=requests)
        notes = tuple(then if one.note_id == note.note_id else one for one in notes)
    if ended == row.ended_at and notes == row.notes:
        return row
    return settled(msgspec.structs.replace(row, ended_at=ended, notes=notes))


def moved_before(row: ServiceNote, note: NoteFacts | None) -> tuple[Correction, ...]:
    """The corrections that moved the service's end before the note was signed; none without a signature."""
    if note is None or note.signature is None:
        return ()
    signed_at = note.signature.signed_at
    return tuple(one for one in row.corrections if one.recorded_at <= signed_at)


def _then(request: Request, at: str) -> Request:
    if request.decided_at is None or request.decided_at <= at:
        return request
    return msgspec.structs.replace(
        request, decided_at=None, claimed_decided_at=None, decided_by=None, granted=None, comment=""
    )


def learned(
    row: ServiceNote, note: NoteFacts | None, adoptions: Iterable[Adoption], zone: str, name: Names = str
) -> tuple[Learned, ...]:
    """Everything recorded since the verdict was settled that may turn it, in order. Times in words are in ``zone``."""
    since = settled_at(row, note)
    found = [told_correction(one, zone, name) for one in row.corrections if one.recorded_at > since]
    if note is not None and note.signature is not None:
        found += [
            Learned(recorded_at=request.decided_at, words=_decided(request, name))
            for request in note.requests
            if request.decided_at is not None and request.decided_at > since
        ]
    # An adoption bears on the services of its days: on the day that this one has, and on those it had.
    days = {row.service_day} | {_day(one.ended_before, zone) for one in row.corrections}
    for day in sorted(days):
        service_date = date.fromisoformat(day)
        rules, ratings = rule_book().governing(row.document, row.program, service_date)
        concerned = {CALENDAR_RULE, *(rule.id for rule in rules), *(rating.id for rating in ratings)}
        found += [
            Learned(recorded_at=recorded_at, words=words)
            for recorded_at, words in learned_since(adoptions, since, concerned, row.program, service_date)
        ]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: one.recorded_at))


def turned(
    judge: Callable[[str], Mapping[str, V]], settled_since: str, since: Sequence[str], counted: Callable[[V], object]
) -> dict[str, tuple[V, V, Turned]]:
    """Of each rule whose verdict is another now than when it was settled: what it was, what it is, and what turned it.

    ``judge`` gives the verdict in force of each rule by what was known at a time, ``counted`` what of it matters.
    ``since`` are the times at which something was learned.
    """
    first = before = judge(settled_since)
    moved: dict[str, list[str]] = {}
    for at in sorted(set(since)):
        after = judge(at)
        for rule_id, verdict in after.items():
            if rule_id in before and counted(before[rule_id]) != counted(verdict):
                moved.setdefault(rule_id, []).append(at)
        before = after
    return {
        rule_id: (first[rule_id], before[rule_id], Turned(rule_id=rule_id, at=tuple(at)))
        for rule_id, at in moved.items()
        if rule_id in first and counted(first[rule_id]) != counted(before[rule_id])
    }


def told_at(recorded_at: str, zone: str) -> str:
    """A stored time as the words of a cause give it: in the agency's zone, by its name."""
    return moment(in_zone(from_text(recorded_at), zone))


def told_correction(one: Correction, zone: str, name: Names = str) -> Learned:
    """A correction of the service's end in words."""
    before, after = (moment(in_zone(datetime.fromisoformat(end), zone)) for end in (one.ended_before, one.ended_after))
    words = f"{name(one.corrected_by)} corrected the service's end from {before} to {after} ({one.reason})"
    return Learned(recorded_at=one.recorded_at, words=words)


def _decided(request: Request, name: Names) -> str:
    what = "granted" if request.granted else "refused"
    return f"{name(request.decided_by or '')} {what} more time"


def _day(ended_at: str, zone: str) -> str:
    return in_zone(datetime.fromisoformat(ended_at), zone).date().isoformat()
