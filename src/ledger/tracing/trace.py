"""The trace of one note: everything an auditor needs to say whether it was late, and why, without asking anybody.

:func:`trace_note` is the one door. The result is plain data: the same struct is printed as text, HTML and JSON.
Sources: PSC-13 to PSC-15, CSS-7, BHIN 23-068; design §1.9 (which rule applied is an answer that the trace can give).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import msgspec

from ledger.aggregates.dispute import DisputeDecided, DisputeOpened, EvidenceAdded
from ledger.grants import Grant
from ledger.policies.adoption import Adoption, InForce, adopted_calendar, calendar_in_force, in_force
from ledger.policies.calendar import CALENDAR_RULE
from ledger.policies.deadline_rules import rule_book
from ledger.policies.deadlines import Deadline, deadlines_for, in_zone, program_calendar
from ledger.policies.timeliness import Verdict
from ledger.projections.note_review import reading_name
from ledger.projections.service_notes import NoteFacts, ServiceNote, Signature
from ledger.proof.between import Trusted
from ledger.store.recorder import Recorder
from ledger.tracing.bracket import brackets
from ledger.tracing.changes import Verdicts, changes, evaluate
from ledger.tracing.findings import Adopted, Asked, Contested, Limit, Opinion, Signed, Trace, TracedEvent
from ledger.tracing.knowledge import knowledge, readings
from ledger.tracing.restated import restated_verdicts
from ledger.tracing.story import Story, gather, recorded_at
from ledger.tracing.words import in_words


def trace_note(
    recorder: Recorder, grant: Grant, note_id: str, *, as_at: datetime, zone: str, trusted: Trusted | None = None
) -> Trace:
    """The trace of a note, from the log up to the grant's position, with unsigned notes judged at ``as_at``.

    ``zone`` is the agency's, for a program whose calendar is not known; ``trusted`` is what the words of witnesses and
    time-stamping authorities are checked with. Raises ``NotGranted`` unless the grant names
    the note's chart, and ``NotFound`` when there is no such note (or was none at the grant's position).
    """
    story = gather(recorder, grant, note_id)
    # What is in the record is known, also when the machine's clock has been set back since it was recorded.
    as_at = grant.as_known_at or max(as_at, recorded_at(story.steps[-1]))
    service = story.service
    note = service.note(note_id)
    if note is None:
        raise LookupError(f"the story of note {note_id} does not hold it")
    if service.problem is None:
        zone = program_calendar(service.program, None, book=rule_book()).zone
    known = story.steps[-1].adoptions
    verdicts = evaluate(service, note_id, known, as_at)
    by_claimed = evaluate(service, note_id, known, as_at, clock="claimed")
    opinions = tuple(_opinion(verdict, _claimed(by_claimed, verdict), note) for verdict in verdicts.values())
    return Trace(
        note_id=note_id,
        chart_id=story.chart_id,
        contact_id=service.contact_id,
        document=service.document,
        program=service.program,
        zone=zone,
        position=grant.position,
        as_at=in_zone(as_at, zone),
        as_known_at=grant.as_known_at,
        author_id=note.author_id,
        author=story.name(note.author_id),
        service_started_at=datetime.fromisoformat(service.started_at),
        service_ended_at=datetime.fromisoformat(service.ended_at),
        service_ended_at_when_drafted=story.drafted.service_ended_at,
        in_error=note.in_error or service.in_error,
        late_entry=note.late_entry,
        problem=service.problem,
        signature=_signed(note.signature, zone) if note.signature else None,
        cosignatures=tuple(_signed(signature, zone) for signature in note.cosignatures),
        brackets=brackets(recorder, story, opinions, trusted or Trusted(), zone, grant.as_known_at),
        opinions=opinions,
        limits=_limits(service, verdicts, known),
        adopted=_adopted(story, service, note),
        restated=tuple(restated_verdicts(story, note, verdicts, as_at, zone)),
        requests=tuple(_asked(story, note, verdicts, zone)),
        changes=tuple(changes(story, as_at)),
        disputes=tuple(_disputes(story, zone)),
        events=tuple(_event(story, number, zone) for number in range(len(story.steps))),
        knowledge=knowledge(story, zone),
        reads=readings(story, zone),
    )


def _event(story: Story, index: int, zone: str) -> TracedEvent:
    step = story.steps[index]
    row = step.recorded.row
    return TracedEvent(
        number=step.number,
        event_id=row.event_id,
        position=row.position,
        type=row.topic,
        words=in_words(step.recorded.event, story.name),
        occurred_at=row.occurred,
        recorded_at=in_zone(row.recorded, zone),
        gap_seconds=(row.recorded - row.occurred).total_seconds(),
        actor_id=row.actor,
        actor_name=story.name(row.actor),
        role=row.role,
        credential=row.credential,
        purpose=row.purpose,
    )


def _signed(signature: Signature, zone: str) -> Signed:
    claimed = datetime.fromisoformat(signature.claimed_at)
    recorded = in_zone(datetime.fromisoformat(signature.signed_at), zone)
    return Signed(
        signer_id=signature.signer_id,
        name=signature.printed_name,
        role=signature.role,
        credential=signature.credential,
        claimed_at=claimed,
        recorded_at=recorded,
        gap_seconds=(recorded - claimed).total_seconds(),
        late_reason=signature.late_reason,
    )


def _claimed(by_claimed: Verdicts, like: Verdict) -> Verdict:
    """The verdict under the same reading by the person's own clock; an extension may not have split it there."""
    exact = by_claimed.get((like.rule_id, like.reading, like.extension_reading))
    if exact is not None:
        return exact
    return next(v for v in by_claimed.values() if (v.rule_id, v.reading) == (like.rule_id, like.reading))


def _opinion(verdict: Verdict, claimed: Verdict, note: NoteFacts) -> Opinion:
    owner = rule_book().rule_or_rating(verdict.rule_id)
    by = None
    if note.signature is not None:
        by = datetime.fromisoformat(note.signature.signed_at).timestamp() - verdict.due.due.timestamp()
    return Opinion(
        rule_id=verdict.rule_id,
        title=owner.title,
        role=verdict.role,
        reading=reading_name(verdict.reading, verdict.extension_reading),
        policy_version=verdict.policy_version,
        adopted=verdict.adopted,
        is_default=verdict.is_default,
        outcome=verdict.outcome,
        outcome_by_claimed_clock=claimed.outcome,
        due=verdict.due.due,
        partial_due=verdict.deadlines[1].due if verdict.role == "rating" else None,
        by_seconds=by,
        reasons=verdict.reasons,
        source=owner.source,
        confidence=owner.confidence,
        requested_late=verdict.requested_late,
        at_best=verdict.at_best,
    )


def _limits(service: ServiceNote, verdicts: Verdicts, known: tuple[Adoption, ...]) -> tuple[Limit, ...]:
    if service.problem is not None:
        return ()
    chosen = {
        (deadline.rule_id, deadline.reading)
        for verdict in verdicts.values()
        if verdict.adopted
        for deadline in verdict.deadlines
    }
    ended, day = datetime.fromisoformat(service.ended_at), date.fromisoformat(service.service_day)
    calendar = adopted_calendar(known, service.program, day)
    possible = deadlines_for(service.document, service.program, ended, calendar=calendar)
    for rule_id in {deadline.rule_id for deadline in possible if deadline.role == "extension"}:
        reading = in_force(known, rule_id, service.program, day).reading
        chosen.add((rule_id, reading))
    return limits([*possible, *(d for v in verdicts.values() for d in v.deadlines)], chosen)


def limits(deadlines: Iterable[Deadline], chosen: set[tuple[str, str]], mark: str = "in force") -> tuple[Limit, ...]:
    """Deadlines that are counted alike, told once, in the order in which they end; the ``chosen`` ones are marked."""
    alike: dict[tuple[str, datetime], list[Deadline]] = {}
    for deadline in deadlines:
        alike.setdefault((deadline.limit, deadline.due), []).append(deadline)
    answer = []
    for (limit, due), same in sorted(alike.items(), key=lambda item: item[0][1].timestamp()):
        rules = {(deadline.rule_id, deadline.reading): deadline for deadline in same}
        answer.append(
            Limit(
                limit=limit,
                due=due,
                words=same[0].words(),
                serves=tuple(
                    f"{deadline.rule_id} ({deadline.role})" + (f" [{mark}]" if key in chosen else "")
                    for key, deadline in rules.items()
                ),
                adopted=bool(rules.keys() & chosen),
                calendar_version=same[0].calendar_version,
            )
        )
    return tuple(answer)


def _adopted(story: Story, service: ServiceNote, note: NoteFacts) -> tuple[Adopted, ...]:
    if service.problem is not None:
        return ()
    day = date.fromisoformat(service.service_day)
    rules, ratings = rule_book().governing(service.document, service.program, day)
    at_signature: tuple[Adoption, ...] | None = None
    if note.signature is not None:
        signed_at = datetime.fromisoformat(note.signature.signed_at)
        before = [step.adoptions for step in story.steps if recorded_at(step) <= signed_at]
        at_signature = before[-1] if before else ()

    def held(adoptions: tuple[Adoption, ...], rule_id: str) -> InForce:
        if rule_id == CALENDAR_RULE:
            return calendar_in_force(adoptions, service.program, day)
        return in_force(adoptions, rule_id, service.program, day)

    answer = []
    for rule_id in (*(rule.id for rule in rules), *(rating.id for rating in ratings), CALENDAR_RULE):
        now = held(story.steps[-1].adoptions, rule_id)
        then = None if at_signature is None else held(at_signature, rule_id)
        answer.append(
            Adopted(
                rule_id=rule_id,
                reading=now.selector,
                is_default=now.is_default,
                reasons=now.reasons,
                known_at_signature=then.selector if then else None,
            )
        )
    return tuple(answer)


def _asked(story: Story, note: NoteFacts, verdicts: Verdicts, zone: str) -> Iterable[Asked]:
    deadlines = [v.deadlines[0] for v in verdicts.values() if v.role == "policy" and v.adopted]
    for request in note.requests:
        requested = datetime.fromisoformat(request.requested_at)
        decided = None if request.decided_at is None else in_zone(datetime.fromisoformat(request.decided_at), zone)
        claimed = request.claimed_decided_at
        yield Asked(
            request_id=request.request_id,
            asked_by=story.name(request.asked_by),
            requested_at=in_zone(requested, zone),
            claimed_requested_at=datetime.fromisoformat(request.claimed_requested_at),
            reason=request.reason,
            requested_late=any(not deadline.met_by(requested) for deadline in deadlines),
            decision="undecided" if request.granted is None else "granted" if request.granted else "refused",
            decided_by=None if request.decided_by is None else story.name(request.decided_by),
            decided_at=decided,
            claimed_decided_at=None if claimed is None else datetime.fromisoformat(claimed),
            comment=request.comment,
        )


def _disputes(story: Story, zone: str) -> Iterable[Contested]:
    found: dict[str, Contested] = {}
    for step in story.steps:
        event, stream = step.recorded.event, step.recorded.originator_id
        at = in_zone(recorded_at(step), zone)
        match event:
            case DisputeOpened():
                found[stream] = Contested(
                    dispute_id=stream,
                    opened_by=story.name(event.opened_by),
                    opened_at=at,
                    claim=event.claim,
                    evidence=0,
                )
            case EvidenceAdded():
                found[stream] = msgspec.structs.replace(found[stream], evidence=found[stream].evidence + 1)
            case DisputeDecided():
                found[stream] = msgspec.structs.replace(
                    found[stream],
                    outcome=event.outcome,
                    rule_id=event.rule_id,
                    reading=event.reading,
                    decided_by=story.name(event.decided_by),
                    decided_at=at,
                )
            case _:
                continue
    return found.values()
