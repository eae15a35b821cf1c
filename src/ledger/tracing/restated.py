"""What a policy recorded afterwards made of a verdict: what it was by what was known then, what it is now, and why.

An adoption may take effect on an earlier day than the one on which it is recorded. It then changes the reading in
force for services that were judged before; the trace never lets that pass for the verdict that always was (§1.9).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ledger.clock import to_text
from ledger.policies.adoption import known_by
from ledger.policies.deadlines import in_zone
from ledger.policies.timeliness import Verdict
from ledger.projections.note_review import reading_name
from ledger.projections.policies import policies
from ledger.projections.service_notes import NoteFacts
from ledger.tracing.changes import Verdicts, evaluate
from ledger.tracing.findings import Restated
from ledger.tracing.story import Step, Story, recorded_at
from ledger.tracing.words import in_words, when


def restated_verdicts(
    story: Story, note: NoteFacts, verdicts: Verdicts, as_at: datetime, zone: str
) -> Iterator[Restated]:
    """Each verdict in force that would be another if the policies recorded since the signature had not been."""
    settled = story.service.ended_at if note.signature is None else note.signature.signed_at
    known_at = datetime.fromisoformat(settled)
    since = [step for step in story.steps if _is_policy(step) and recorded_at(step) > known_at]
    if not since:
        return
    then = evaluate(story.service, story.note_id, known_by(story.steps[-1].adoptions, to_text(known_at)), as_at)
    before = {verdict.rule_id: verdict for verdict in then.values() if verdict.adopted}
    for verdict in verdicts.values():
        earlier = before.get(verdict.rule_id)
        if verdict.adopted and earlier is not None and _counted(earlier) != _counted(verdict):
            yield Restated(
                rule_id=verdict.rule_id,
                known_at=in_zone(known_at, zone),
                reading_then=reading_name(earlier.reading, earlier.extension_reading),
                outcome_then=earlier.outcome,
                due_then=earlier.due.due,
                reading_now=reading_name(verdict.reading, verdict.extension_reading),
                outcome_now=verdict.outcome,
                due_now=verdict.due.due,
                events=tuple(step.number for step in since),
                because=tuple(_said(step, story, zone) for step in since),
            )


def _is_policy(step: Step) -> bool:
    return type(step.recorded.event) in policies.routes


def _counted(verdict: Verdict) -> tuple[object, ...]:
    ends = tuple(deadline.due.timestamp() for deadline in verdict.deadlines)
    return verdict.reading, verdict.extension_reading, verdict.policy_version, verdict.outcome, ends


def _said(step: Step, story: Story, zone: str) -> str:
    by = story.name(step.recorded.row.actor)
    at = when(in_zone(recorded_at(step), zone))
    return f"event {step.number}, recorded {at} by {by}: {in_words(step.recorded.event, story.name)}"
