"""What was recorded after a verdict was settled and turned it: what it was, what it is now, which events, and whose.

A correction of the service's end, a decision on more time, a reading or a calendar adopted with effect from an earlier
day: each may turn a verdict that was settled when the note was signed. The trace never lets what came of it pass for
the verdict that always was (§1.9).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ledger.aggregates.contact import ContactCorrected
from ledger.aggregates.note_events import ExtensionGranted, ExtensionRefused
from ledger.clock import from_text
from ledger.policies.adoption import known_by
from ledger.policies.deadlines import in_zone
from ledger.policies.timeliness import Verdict
from ledger.projections.note_review import reading_name
from ledger.projections.policies import policies
from ledger.projections.restating import as_known, learned, moved_before, settled_at, turned
from ledger.projections.service_notes import NoteFacts
from ledger.tracing.changes import Verdicts, evaluate
from ledger.tracing.findings import Cause, Restated
from ledger.tracing.story import Step, Story, recorded_at
from ledger.tracing.words import in_words

#: What may turn a verdict that was settled, beside policies.
_TURNING = (ContactCorrected, ExtensionGranted, ExtensionRefused)


def restated_verdicts(
    story: Story, note: NoteFacts, verdicts: Verdicts, as_at: datetime, zone: str
) -> Iterator[Restated]:
    """Each verdict in force that would be another, had nothing been recorded since it was settled.

    Then each whose outcome a correction made that was recorded before the signature.
    """
    if not verdicts:
        return
    service, known = story.service, story.steps[-1].adoptions
    settled, before = settled_at(service, note), moved_before(service, note)
    since = [one.recorded_at for one in learned(service, note, known, zone)]

    def judge(at: str, end_at: str | None = None) -> dict[str, Verdict]:
        then = as_known(service, note, at, end_at=end_at)
        found = evaluate(then, note.note_id, known_by(known, at), as_at)
        return {verdict.rule_id: verdict for verdict in found.values() if verdict.adopted}

    def told(earlier: Verdict, now: Verdict, steps: list[Step], *, by_first_end: bool = False) -> Restated:
        return Restated(
            rule_id=now.rule_id,
            known_at=in_zone(from_text(settled), zone),
            reading_then=reading_name(earlier.reading, earlier.extension_reading),
            outcome_then=earlier.outcome,
            due_then=earlier.due.due,
            reading_now=reading_name(now.reading, now.extension_reading),
            outcome_now=now.outcome,
            due_now=now.due.due,
            events=tuple(step.number for step in steps),
            because=tuple(_cause(step, story, zone) for step in steps),
            by_first_end=by_first_end,
        )

    if since:
        for earlier, now, by in turned(judge, settled, since, _counted).values():
            yield told(earlier, now, [step for step in story.steps if _at(step) in by.at and _may_turn(step)])
    if before:
        ends = [one.recorded_at for one in before]
        made = turned(lambda end_at: judge(settled, end_at), "", ends, lambda verdict: verdict.outcome)
        for earlier, now, by in made.values():
            moves = [step for step in story.steps if _at(step) in by.at and _corrects(step)]
            yield told(earlier, now, moves, by_first_end=True)


def _at(step: Step) -> str:
    return step.recorded.row.recorded_at


def _corrects(step: Step) -> bool:
    return isinstance(step.recorded.event, ContactCorrected)


def _may_turn(step: Step) -> bool:
    event = step.recorded.event
    return isinstance(event, _TURNING) or type(event) in policies.routes


def _counted(verdict: Verdict) -> object:
    ends = tuple(deadline.due.timestamp() for deadline in verdict.deadlines)
    return verdict.reading, verdict.extension_reading, verdict.policy_version, verdict.outcome, ends


def _cause(step: Step, story: Story, zone: str) -> Cause:
    row = step.recorded.row
    return Cause(
        event=step.number,
        event_id=row.event_id,
        actor_id=row.actor,
        actor_name=story.name(row.actor),
        recorded_at=in_zone(recorded_at(step), zone),
        words=in_words(step.recorded.event, story.name),
    )
