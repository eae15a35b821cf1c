"""What changed the verdict: it is evaluated before and after every event of the story, and the differences are listed.

Between two events time passes too: a deadline that ran out changes the verdict with no event at all, at the deadline
itself. So the verdict is also taken just before each event, and what differs then is put down to the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal

import msgspec

from ledger.policies.adoption import Adoption, adopted_calendar, adopted_readings
from ledger.policies.deadlines import in_zone
from ledger.policies.timeliness import Verdict
from ledger.projections.note_review import reading_name
from ledger.projections.service_notes import Clock, ServiceNote, rate_note
from ledger.tracing.story import Step, Story, recorded_at
from ledger.tracing.words import OUTCOMES, local

#: ``verdict`` the outcome changed; ``deadline`` only when it was due; ``adopted`` another reading came to be in force.
ChangeKind = Literal["verdict", "deadline", "adopted"]
Verdicts = dict[tuple[str, str, str | None], Verdict]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one verdict. ``event`` is the number of the event that made it; None is the passing of time.

    ``at`` is ISO text; ``adopted`` says that the reading was the one in force after the change.
    """

    kind: ChangeKind
    at: datetime
    event: int | None
    rule_id: str
    reading: str
    adopted: bool
    before: str
    after: str


def evaluate(
    service: ServiceNote, note_id: str, adoptions: tuple[Adoption, ...], as_at: datetime, clock: Clock = "server"
) -> Verdicts:
    """Every verdict on one note as known at ``as_at``; empty where no rule could be applied."""
    if service.problem is not None:
        return {}
    day = date.fromisoformat(service.service_day)
    adopted = adopted_readings(adoptions, service.program, day)
    calendar = adopted_calendar(adoptions, service.program, day)
    note = service.note(note_id)
    found = rate_note(service, note, as_at=as_at, adopted=adopted, calendar=calendar, clock=clock)
    return {(v.rule_id, v.reading, v.extension_reading): v for v in found.verdicts}


def changes(story: Story, as_at: datetime) -> list[Change]:
    """Every change of a verdict on the note, from the recording of its service until ``as_at``, in order."""
    found: list[Change] = []
    before: Verdicts | None = None
    last: Step | None = None
    for step in story.steps:
        at = recorded_at(step)
        if before is not None and last is not None and last.service is not None:
            passed = evaluate(last.service, story.note_id, last.adoptions, at)
            found += _by_time(before, passed, at)
            before = passed
        if step.service is not None:
            after = evaluate(step.service, story.note_id, step.adoptions, at)
            if before is not None:
                found += _by_event(before, after, step.number, at)
            before = after
        last = step
    if before is not None and last is not None and last.service is not None:
        found += _by_time(before, evaluate(last.service, story.note_id, last.adoptions, as_at), as_at)
    return found


def _by_time(before: Verdicts, after: Verdicts, at: datetime) -> Iterator[Change]:
    ran_out = []
    for key, verdict in after.items():
        earlier = before.get(key)
        if earlier is not None and earlier.outcome != verdict.outcome:
            # Nothing but the end of its time turns "not due yet" into "overdue"; that is when it changed.
            ran_out.append(_change("verdict", earlier, verdict, None, verdict.due.due))
    yield from sorted(ran_out, key=lambda change: change.at.timestamp())


def _by_event(before: Verdicts, after: Verdicts, number: int, at: datetime) -> Iterator[Change]:
    for verdict in after.values():
        earlier = _same_reading(before, verdict)
        if earlier is None:
            continue
        if earlier.outcome != verdict.outcome:
            yield _change("verdict", earlier, verdict, number, at)
        elif earlier.due.due.timestamp() != verdict.due.due.timestamp():
            yield _change("deadline", earlier, verdict, number, at)
    for rule_id in dict.fromkeys(verdict.rule_id for verdict in after.values()):
        was, now = _adopted(before, rule_id), _adopted(after, rule_id)
        if was is not None and now is not None and was.reading != now.reading:
            yield _change("adopted", was, now, number, at)


def _same_reading(verdicts: Verdicts, like: Verdict) -> Verdict | None:
    """The verdict under the same reading before, whether or not an extension split it since (or joined it)."""
    exact = verdicts.get((like.rule_id, like.reading, like.extension_reading))
    if exact is not None:
        return exact
    return next((v for v in verdicts.values() if (v.rule_id, v.reading) == (like.rule_id, like.reading)), None)


def _adopted(verdicts: Verdicts, rule_id: str) -> Verdict | None:
    return next((v for v in verdicts.values() if v.rule_id == rule_id and v.adopted), None)


def _change(kind: ChangeKind, before: Verdict, after: Verdict, event: int | None, at: datetime) -> Change:
    return Change(
        kind=kind,
        at=in_zone(at, after.due.zone),
        event=event,
        rule_id=after.rule_id,
        reading=reading_name(after.reading, after.extension_reading),
        adopted=after.adopted,
        before=_said(before, kind),
        after=_said(after, kind),
    )


def _said(verdict: Verdict, kind: ChangeKind) -> str:
    reading = f"{verdict.reading}: " if kind == "adopted" else ""
    return f"{reading}{OUTCOMES[verdict.outcome]}, due {local(verdict.due.due, verdict.due.zone)}"
