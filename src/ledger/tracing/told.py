"""A trace told to a person: the answer first, then everything that supports it."""

from __future__ import annotations

import re
from datetime import timedelta

from ledger.policies.deadline_rules import split_selector
from ledger.tracing.bracket_told import proved_in_short, proved_sections
from ledger.tracing.changes import Change
from ledger.tracing.findings import Limit, Opinion, Restated, Signed, Trace
from ledger.tracing.page import Page, Section, Table
from ledger.tracing.words import OUTCOMES, ended, gap, span, when


def told(trace: Trace) -> Page:
    """The trace as a page."""
    service = f"Service {when(trace.service_started_at)} to {when(trace.service_ended_at)}"
    known = "" if trace.as_known_at is None else f", as known at {when(trace.as_known_at)}"
    return Page(
        title=f"Trace of note {trace.note_id}",
        under=(
            f"{trace.document} of program {trace.program}, written by {trace.author}. {service}.",
            f"Chart {trace.chart_id}, log position {trace.position}, judged at {when(trace.as_at)}{known}.",
            f"Times are in {trace.zone} with their offset; what a person claimed keeps the offset they meant.",
        ),
        lead=(*answer(trace), *proved_in_short(trace)),
        sections=(
            *proved_sections(trace),
            _verdicts(trace),
            limits_section(trace.limits),
            _clocks(trace),
            _policy(trace),
            _more_time(trace),
            *_changes(trace),
            *(() if not trace.disputes else (_disputes(trace),)),
            _events(trace),
            *_known(trace),
            _reads(trace),
        ),
    )


def answer(trace: Trace) -> list[str]:
    """Was it late, under which rule, by which clock: the verdicts in force, in sentences."""
    said = []
    if trace.in_error is not None:
        said.append(
            f"This note is out of account (entered in error: {trace.in_error}). What follows is kept for proof."
        )
    if trace.problem is not None:
        return [*said, f"No rule could be applied: {ended(trace.problem)}"]
    if not trace.opinions:
        return [*said, f"No rule sets a time limit for a {trace.document} in program {trace.program}."]
    for opinion in trace.opinions:
        if opinion.adopted:
            said.append(_verdict_sentence(trace, opinion))
            said += [_restated_sentence(trace, one) for one in trace.restated if one.rule_id == opinion.rule_id]
            others = _other_readings(trace, opinion)
            if others:
                said.append(others)
    differ = [o for o in trace.opinions if o.adopted and o.outcome != o.outcome_by_claimed_clock]
    if differ and trace.signature is not None:
        rules = ", ".join(f"{o.rule_id}: {OUTCOMES[o.outcome_by_claimed_clock]}" for o in differ)
        said.append(
            f"The clocks disagree. By the signer's own clock ({when(trace.signature.claimed_at)}) it would be {rules}. "
            "The server's clock decides."
        )
    told = {one.rule_id for one in trace.restated}
    said += [
        f"When the note was signed, {policy.rule_id} was read as {policy.known_at_signature}; the reading now in force "
        f"for that service date is {policy.reading}."
        for policy in trace.adopted
        if policy.known_at_signature is not None
        and _differ(policy.known_at_signature, policy.reading)
        and policy.rule_id not in told
    ]
    said += [
        f"Beside the verdict stands the decision of a dispute, by {dispute.decided_by}: {dispute.outcome}, under "
        f"{dispute.rule_id} read as {dispute.reading}."
        for dispute in trace.disputes
        if dispute.outcome is not None
    ]
    return said


def _restated_sentence(trace: Trace, one: Restated) -> str:
    """What the verdict was by what was known then, what it is now, and which events turned it, whose and when."""
    moment = "the service ended" if trace.signature is None else "the note was signed"
    same = "the same outcome" if one.outcome_then == one.outcome_now else OUTCOMES[one.outcome_now]
    as_then, as_now = f"read as {one.reading_then}: ", f"read as {one.reading_now}: "
    if one.reading_then == one.reading_now:
        as_then = as_now = ""
    because = "; ".join(
        f"event {cause.event}, recorded {when(cause.recorded_at)} by {cause.actor_name}: {cause.words}"
        for cause in one.because
    )
    if one.by_first_end:
        return (
            f"Made by a correction before the signature: by the service's end first recorded, {one.rule_id} would be "
            f"{OUTCOMES[one.outcome_then]}, due {when(one.due_then)}; as corrected it is {OUTCOMES[one.outcome_now]}, "
            f"due {when(one.due_now)}. Because of {ended(because)}"
        )
    return (
        f"Restated: by what was known when {moment} ({when(one.known_at)}), {one.rule_id} was "
        f"{as_then}{OUTCOMES[one.outcome_then]}, due {when(one.due_then)}. Now it is {as_now}{same}, due "
        f"{when(one.due_now)}. Because of {ended(because)}"
    )


def _differ(one: str, other: str) -> bool:
    """Whether two selectors name two readings; without a version (the default) one means the version of the day."""
    (reading, version), (other_reading, other_version) = split_selector(one), split_selector(other)
    return reading != other_reading or (version != other_version and None not in (version, other_version))


def _verdict_sentence(trace: Trace, opinion: Opinion) -> str:
    whose = {"policy": "the employer's rule", "state": "the state's rule", "rating": "the rating"}[opinion.role]
    why = "by default, nobody having adopted a reading" if opinion.is_default else "as adopted for that service date"
    rule = f"{opinion.rule_id} ({whose}), read as {opinion.reading} {why}"
    if trace.signature is None:
        at_best = "" if opinion.at_best is None else f"; at best {OUTCOMES[opinion.at_best]}"
        signed = f"not signed at {when(trace.as_at)}{at_best}"
    else:
        by = opinion.by_seconds or 0.0
        limit = "it" if opinion.partial_due is None else "the end of Full"
        side = f"{span(timedelta(seconds=by))} {'after' if by > 0 else 'before'} {limit}"
        signed = f"recorded as signed {when(trace.signature.recorded_at)}, {side}"
    outcome = OUTCOMES[opinion.outcome]
    if (one := trace.turned(opinion)) is not None:
        same = one.outcome_then == one.outcome_now
        was = f"{OUTCOMES[one.outcome_then]} by the end first recorded" if one.by_first_end else ""
        was = was or f"restated: it was {OUTCOMES[one.outcome_then]}"
        outcome += " (restated)" if same else f" ({was})"
    return f"{outcome[0].upper()}{outcome[1:]} under {rule}. {_due(opinion)}; {signed}."


def _due(opinion: Opinion) -> str:
    if opinion.partial_due is None:
        return f"Due {when(opinion.due)}"
    return f"Full until {when(opinion.due)}, Partial until {when(opinion.partial_due)}"


def _other_readings(trace: Trace, opinion: Opinion) -> str:
    others = [o for o in trace.opinions if o.rule_id == opinion.rule_id and not o.adopted]
    differ = [f"{o.said} under {o.reading}" for o in others if o.said != opinion.said]
    if not others:
        return ""
    if not differ:
        return f"Every other reading of {opinion.rule_id} says the same."
    return f"The readings of {opinion.rule_id} disagree: {'; '.join(differ)}."


def _verdicts(trace: Trace) -> Section:
    return Section(
        title="Verdict under each reading",
        sentences=(
            "Marked: the reading in force for the date of the service. The server's clock decides; the signer's own "
            "stands beside it. Asked late: more time was asked for after that deadline. Restated: something recorded "
            "after it was settled turned it.",
        ),
        table=Table(
            headings=("Rule", "Reading", "Due", "By the server", "By their clock"),
            rows=tuple(
                (
                    f"{o.rule_id} ({o.role})",
                    o.reading,
                    when(o.due) + ("" if o.partial_due is None else f", Partial {when(o.partial_due)}"),
                    o.said + _marks(trace, o),
                    OUTCOMES[o.outcome_by_claimed_clock],
                )
                for o in trace.opinions
            ),
            marked=frozenset(number for number, o in enumerate(trace.opinions) if o.adopted),
        ),
    )


def _marks(trace: Trace, opinion: Opinion) -> str:
    one = trace.turned(opinion)
    restated = []
    if one is not None:
        restated = ["restated" if one.outcome_then == one.outcome_now else f"was {OUTCOMES[one.outcome_then]}"]
    marks = [*restated, *(["asked late"] if opinion.requested_late else [])]
    return f" ({', '.join(marks)})" if marks else ""


def limits_section(limits: tuple[Limit, ...]) -> Section:
    """Each deadline with its arithmetic, once, and which rules come to it."""
    sentences = [f"{limit.words} For {', '.join(limit.serves)}." for limit in limits]
    versions = sorted({limit.calendar_version for limit in limits})
    if versions:
        sentences.append(f"Business days by calendar {', '.join(versions)}.")
    return Section(title="The deadlines, counted", sentences=tuple(sentences))


def _clocks(trace: Trace) -> Section:
    if trace.signature is None:
        return Section(title="The two clocks", sentences=("The note is not signed.",))
    signed = [("Signed", trace.signature), *(("Co-signed", other) for other in trace.cosignatures)]
    sentences = [_clock_sentence(what, signature) for what, signature in signed]
    if trace.service_ended_at_when_drafted != trace.service_ended_at:
        sentences.append(
            f"The draft took the service's end from the record as it then was: "
            f"{when(trace.service_ended_at_when_drafted)}. It was corrected to {when(trace.service_ended_at)}, "
            "from which the deadlines count."
        )
    if trace.late_entry is not None:
        sentences.append(f"Marked as a late entry: {ended(trace.late_entry)}")
    return Section(title="The two clocks", sentences=tuple(sentences))


def _clock_sentence(what: str, signature: Signed) -> str:
    credential = f", {signature.credential}" if signature.credential else ""
    late = f" Reason given for lateness: {ended(signature.late_reason)}" if signature.late_reason else ""
    apart = gap(signature.claimed_at, signature.recorded_at)
    return (
        f"{what} by {signature.name} ({signature.role}{credential}): {when(signature.claimed_at)} by their own clock, "
        f"{when(signature.recorded_at)} by the server's ({apart})." + late
    )


def _policy(trace: Trace) -> Section:
    sentences = [f"{policy.rule_id}: {ended('; '.join(policy.reasons))}" for policy in trace.adopted]
    sentences += [
        f"{o.rule_id}, {o.title}: {o.source} (confidence {o.confidence}); reading {o.reading}, "
        f"version {o.policy_version}."
        for o in trace.opinions
        if o.adopted
    ]
    return Section(title="The policy of that day", sentences=tuple(sentences))


def _more_time(trace: Trace) -> Section:
    if not trace.requests:
        return Section(title="More time", sentences=("Nobody asked for more time.",))
    sentences = []
    for asked in trace.requests:
        late = ", after the deadline (accepted, and marked late)" if asked.requested_late else ""
        text = (
            f"{asked.asked_by} asked {when(asked.requested_at)}{late}; by their own clock "
            f"{when(asked.claimed_requested_at)}. Reason: {ended(asked.reason)}"
        )
        if asked.decided_at is None or asked.claimed_decided_at is None:
            text += " Not decided."
        else:
            text += (
                f" {asked.decision.capitalize()} by {asked.decided_by} {when(asked.decided_at)}; by their own clock "
                f"{when(asked.claimed_decided_at)}." + (f" Comment: {ended(asked.comment)}" if asked.comment else "")
            )
        sentences.append(text)
    return Section(title="More time", sentences=tuple(sentences))


def _changes(trace: Trace) -> list[Section]:
    """What moved the verdict in force, change by change; then the readings not in force, like moves together."""
    mine = [change for change in trace.changes if change.adopted]
    rows = [
        (
            when(c.at),
            _cause(trace, c),
            f"{c.rule_id} {'(reading in force)' if c.kind == 'adopted' else c.reading}",
            c.before,
            c.after,
        )
        for c in mine
    ]
    headings = ("When", "Cause", "Verdict", "Before", "After")
    said = () if rows else ("Nothing has changed it.",)
    sections = [
        Section(title="What changed the verdict", sentences=said, table=Table(headings=headings, rows=tuple(rows)))
    ]
    others = [change for change in trace.changes if not change.adopted and change.kind == "verdict"]
    alike: dict[tuple[str, str, str], list[str]] = {}
    for c in others:
        key = (when(c.at), _cause(trace, c), f"{c.before.split(', due')[0]} → {c.after.split(', due')[0]}")
        alike.setdefault(key, []).append(f"{c.rule_id} {c.reading}")
    if alike:
        table = Table(
            headings=("When", "Cause", "Change", "Readings"),
            rows=tuple((*key, "; ".join(readings)) for key, readings in alike.items()),
        )
        sections.append(Section(title="What changed under the readings not in force", table=table))
    return sections


def _cause(trace: Trace, change: Change) -> str:
    if change.event is None:
        return "time ran out"
    return f"event {change.event}, by {trace.events[change.event - 1].actor_name}"


def _disputes(trace: Trace) -> Section:
    sentences = []
    for dispute in trace.disputes:
        decided = "Not decided."
        if dispute.decided_at is not None:
            decided = (
                f"Decided {when(dispute.decided_at)} by {dispute.decided_by}: {dispute.outcome}, "
                f"under {dispute.rule_id} read as {dispute.reading}."
            )
        sentences.append(
            f"Opened {when(dispute.opened_at)} by {dispute.opened_by}: {dispute.claim} (evidence: "
            f"{dispute.evidence}). {decided}"
        )
    sentences.append("A decision stands beside the verdict; it does not rewrite what the rule says.")
    return Section(title="Disputes", sentences=tuple(sentences))


def _events(trace: Trace) -> Section:
    return Section(
        title="Every event, on both clocks",
        table=Table(
            headings=("No.", "Happened (own clock)", "Recorded (server)", "Who", "What"),
            rows=tuple(
                (
                    str(e.number),
                    when(e.occurred_at),
                    when(e.recorded_at),
                    f"{e.actor_name} ({e.role}{', ' + e.credential if e.credential else ''})",
                    e.words,
                )
                for e in trace.events
            ),
        ),
    )


def _known(trace: Trace) -> list[Section]:
    words = {event.number: event.words for event in trace.events}
    return [
        Section(
            title=f"Who could have known what when: {person.name}",
            sentences=(f"In this story: {', '.join(person.parts)}.",),
            table=Table(
                headings=("Event", "In the record from", "Known to them from", "How"),
                rows=tuple(
                    (
                        f"{fact.event}: {_short(words[fact.event])}",
                        when(fact.since),
                        "no trace of it" if fact.at is None else when(fact.at),
                        fact.how,
                    )
                    for fact in person.facts
                ),
            ),
        )
        for person in trace.knowledge
    ]


def _short(words: str) -> str:
    """An event in a few words: as far as its first stop."""
    return re.split(r"[.:;,(]", words, maxsplit=1)[0].strip()


def _reads(trace: Trace) -> Section:
    return Section(
        title="Reads of the chart",
        sentences=() if trace.reads else ("No read of the chart is recorded since the service was.",),
        table=Table(
            headings=("When", "Who", "Page", "Purpose", "Relationship", "Showed events up to"),
            rows=tuple(
                (
                    when(read.at),
                    read.name,
                    f"{read.surface}: {read.resource}",
                    read.purpose,
                    read.relationship,
                    f"{read.facts_shown}" + (f" (as known at {when(read.as_known_at)})" if read.as_known_at else ""),
                )
                for read in trace.reads
            ),
        ),
    )
