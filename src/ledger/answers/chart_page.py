"""A chart, and the difference between two moments of it, as a page a person reads: who and when beside everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ledger.answers.names import Names
from ledger.answers.page import Block, Page, Section, at, by_the_server, count
from ledger.clock import from_text
from ledger.policies.documents import documents, in_order
from ledger.projections.timeline import TimelineEvent
from ledger.projections.timeline_words import words
from ledger.replay.diff import ChartDiff, FieldChange, ItemChange
from ledger.replay.state import Chart, Contact, Dispute, Extension, Item, Note, Other, Plan, PlanVersion, Trace

#: What reading a chart alone cannot show, and where it is shown.
UNCHECKED = (
    "Not checked here: that these leaf hashes are the ones that were sealed, that no last event of a document and no "
    "whole document was removed, and any other chart (for these: ledger verify). A signature on a treatment plan names "
    "a version and no hash of it. No signature is a key of its signer's: it says who signed in to sign."
)


def _checked(events: int, position: int, signatures: int) -> list[str]:
    """What was checked to show a page, and what was not."""
    return [
        f"Checked while this was read: {count(events, 'event')} of this chart up to log position {position}, each "
        "against its own leaf hash and in the unbroken order of its document's versions; and "
        f"{count(signatures, 'signature')} on notes, each against the SHA-256 of the content as it was then.",
        UNCHECKED,
    ]


@dataclass
class Told(Names):
    """How a page is told: by name, and on the agency's clock."""

    zone: ZoneInfo = field(kw_only=True)


def trace_line(verb: str, trace: Trace, names: Told) -> str:
    """Who did what when, at both times, by which event; what a person said keeps the offset they meant."""
    held = f", {trace.credential}" if trace.credential else ""
    return (
        f"{verb} by {names(trace.actor)}, {trace.role}{held}, {at(trace.occurred_at)}; recorded "
        f"{by_the_server(trace.recorded_at, names.zone)} as {trace.event_id} (position {trace.position})"
    )


def _traced(item: Item, names: Told) -> list[str]:
    lines = [trace_line("recorded", item.first, names)]
    if item.last is not item.first:
        lines.append(trace_line(f"last changed ({item.last.type})", item.last, names))
    return lines


def _moment_facts(chart_id: str, position: int, as_of: Any) -> list[tuple[str, str]]:
    facts = [("Log position", str(position))]
    if as_of is not None:
        facts.append(("As of", f"{as_of}: what had begun by that day, as it was in force on it"))
    return [("Chart", chart_id), *facts]


def chart_page(
    chart: Chart, known_names: Names, lines: Sequence[TimelineEvent] | None, access_id: str, zone: ZoneInfo
) -> Page:
    """The chart as a page: services most recent first, everything else in the order it was recorded."""
    known, names = chart.as_known_at, Told(known_names.known, zone=zone)
    facts = [
        *_moment_facts(chart.chart_id, chart.position, chart.as_of),
        ("As known at", "now" if known is None else f"{at(known)} ({at(known.astimezone(zone))} in the agency)"),
        (
            "Verified",
            f"{count(chart.verified.events, 'event')} by their leaf hashes, "
            f"{count(chart.verified.signatures, 'signature')} on notes by their content",
        ),
        ("Last leaf", chart.verified.last_leaf or "none: nothing was recorded then"),
        ("Access", f"{access_id} (this reading is recorded)"),
    ]
    sections = [
        Section("Client", list(_client(chart, names)), "the chart did not exist yet"),
        Section("Episodes", [_episode(e, names) for e in chart.episodes]),
        Section("Coordinators", [_coordinator(a, names) for a in chart.coordinators]),
        Section("Diagnoses", [_diagnosis(d, names) for d in chart.diagnoses]),
        Section("Treatment plans", [block for plan in chart.plans for block in _plan(plan, names)]),
        Section("Contacts and notes", _services(chart, names)),
        Section("Disputes", [_dispute(d, names) for d in chart.disputes]),
    ]
    if chart.others:
        sections.append(Section("Other documents", [_other(o, names) for o in chart.others]))
    if lines is not None:
        sections.append(Section("Timeline", [_timeline_line(line, names) for line in lines]))
    title = "Chart" if chart.client is None else f"Chart of {chart.client.details.name}"
    checked = chart.verified
    return Page(title, facts, sections, _checked(checked.events, chart.position, checked.signatures))


def _client(chart: Chart, names: Told) -> Iterable[Block]:
    client = chart.client
    if client is None:
        return
    d = client.details
    lines = [f"born {d.birth_date}, {d.sex}" + (f", CIN {d.cin}" if d.cin else "")]
    if d.address:
        parts = (d.address.line, d.address.city, f"{d.address.state} {d.address.postal_code}".strip())
        lines.append("address: " + ", ".join(part for part in parts if part))
    lines += [f"{label}: {value}" for label, value in (("phone", d.phone), ("language", d.language)) if value]
    lines += [f"{identifier.system}: {identifier.value}" for identifier in d.identifiers]
    lines += [f"corrected: {reason}" for reason in client.reasons]
    yield Block(str(d.name), [*lines, *_traced(client, names)])


def _episode(item: Any, names: Told) -> Block:
    ended = f" to {item.closed.closed_on} ({item.closed.reason})" if item.closed else ", open"
    return Block(f"{item.opened.program}, from {item.opened.opened_on}{ended}", _traced(item, names))


def _coordinator(item: Any, names: Told) -> Block:
    ended = f" to {item.released.last_day} ({item.released.reason})" if item.released else ", current"
    lead = "lead" if item.assigned.lead else "second"
    who = names(item.assigned.staff_id)
    heading = f"{who}, {lead}, {item.assigned.program}, from {item.assigned.first_day}{ended}"
    return Block(heading, _traced(item, names))


def _diagnosis(item: Any, names: Told) -> Block:
    ended = f", resolved {item.resolved.resolved_on}" if item.resolved else ""
    heading = f"{item.recorded.code} {item.recorded.display}, onset {item.recorded.onset}{ended}"
    return Block(heading, [f"code system: {item.recorded.system}", *_traced(item, names)])


def _plan(plan: Plan, names: Told) -> Iterable[Block]:
    state = f"version {plan.in_force} in force" if plan.in_force else "no version in force"
    if plan.ended:
        state = f"ended, last day {plan.ended.event.last_day} ({plan.ended.event.reason})"
    yield Block(f"Plan {plan.plan_id} in {plan.program}: {state}", _traced(plan, names))
    for version in plan.versions:
        yield _plan_version(version, names)


def _plan_version(version: PlanVersion, names: Told) -> Block:
    force = version.put_in_force
    since = f"in force from {force.event.effective_from}" if force else "not signed"
    lines = [trace_line("written", version.written, names)]
    if version.reason:
        lines.append(f"revised because: {version.reason}")
    if force:
        lines.append(
            trace_line(f"signed: {force.event.printed_name}, {force.event.credential or 'none'};", force.by, names)
        )
    if version.client_signature:
        said = version.client_signature.event
        lines.append(
            trace_line(
                f"client's signature: {said.signed_by} ({said.relationship});", version.client_signature.by, names
            )
        )
    lines += [
        trace_line(f"client's signature missing, {missing.event.why}: {missing.event.reason};", missing.by, names)
        for missing in version.missing_signatures
    ]
    for goal in version.goals:
        barriers = f" (barriers: {', '.join(goal.barriers)})" if goal.barriers else ""
        lines.append(f"goal {goal.number}: {goal.text}{barriers}")
        lines += [f"objective {o.number}: {o.text}; {o.measure}, target {o.target} by {o.due}" for o in goal.objectives]
        lines += [f"intervention: {i.text}, {i.frequency}, {i.responsible}" for i in goal.interventions]
    for review in version.reviews:
        outcomes = ", ".join(f"{o.number} {o.outcome.replace('_', ' ')}" for o in review.event.outcomes)
        lines.append(trace_line(f"reviewed: {outcomes}; {review.event.summary};", review.by, names))
    return Block(f"Version {version.number}, {since}", lines)


def _services(chart: Chart, names: Told) -> list[Block]:
    """Contacts with their notes, the most recent service first; a note whose contact is not shown stands by itself."""
    of_contact: dict[str, list[Note]] = {}
    for note in chart.notes:
        of_contact.setdefault(note.drafted.contact_id, []).append(note)
    groups: list[tuple[datetime, list[Block]]] = []
    for contact in chart.contacts:
        blocks = [_contact(contact, names)]
        blocks += [_note(note, names) for note in of_contact.pop(contact.contact_id, [])]
        groups.append((contact.facts.started_at, blocks))
    for notes in of_contact.values():
        groups += [(note.drafted.service_started_at, [_note(note, names)]) for note in notes]
    groups.sort(key=lambda group: group[0], reverse=True)
    return [block for _, blocks in groups for block in blocks]


def _contact(contact: Contact, names: Told) -> Block:
    f = contact.facts
    wrong = f" ENTERED IN ERROR: {contact.in_error}" if contact.in_error is not None else ""
    lines = [
        f"by {names(f.staff_id)}, {f.program}, place {f.place}, {f.delivery.replace('_', ' ')}"
        + (f", {f.service_code}" if f.service_code else "")
        + (f", function {f.function}" if f.function else "")
        + (", late entry" if f.late_entry else ""),
        f"minutes: {f.direct_minutes} direct, {f.travel_minutes} travel, {f.documentation_minutes} documentation",
        *([f"group {f.group.group_id} of {f.group.size}"] if f.group else []),
        *([f"diagnoses on the day: {', '.join(f.diagnoses)}"] if f.diagnoses else []),
        *(f"corrected: {reason}" for reason in contact.reasons),
        *_traced(contact, names),
    ]
    heading = f"Contact {at(f.started_at)} to {at(f.ended_at)}, {f.contact_kind.replace('_', ' ')}{wrong}"
    return Block(heading, lines, [("outcome", f.outcome)] if f.outcome else [])


def _note(note: Note, names: Told) -> Block:
    document = documents().get(note.drafted.document)
    title = document.title if document else note.drafted.document
    wrong = f": {note.in_error}" if note.in_error is not None else ""
    lines = [trace_line("begun", note.first, names)]
    if note.signature:
        s = note.signature.event
        lines.append(
            trace_line(
                f"SIGNED ({s.meaning}) {s.printed_name}, {s.credential or 'no credential'};", note.signature.by, names
            )
        )
        lines.append(f"content SHA-256 {s.content_sha256}, verified")
        if s.late_reason:
            lines.append(f"signed late because: {s.late_reason}")
        lines += [f"cites version {cited.plan_version} of plan {cited.plan_id}" for cited in s.cited_plans]
    for entry in note.cosignatures:
        e = entry.event
        lines.append(
            trace_line(f"CO-SIGNED ({e.meaning}) {e.printed_name}, {e.credential or 'no credential'};", entry.by, names)
        )
    if note.late_entry is not None:
        lines.append(f"late entry: {note.late_entry}")
    lines += [line for extension in note.extensions for line in _extension(extension, names)]
    sections = note.content.sections
    texts = [(name.replace("_", " "), sections[name]) for name in in_order(sections, note.drafted.document)]
    texts += [(f"objective {o.objective} of plan {o.plan_id}", o.progress) for o in note.content.objectives]
    if note.content.no_plan_reason:
        texts.append(("names no objective because", note.content.no_plan_reason))
    for addendum in note.addenda:
        texts.append((trace_line("ADDENDUM", addendum.by, names), addendum.event.text))
    for amendment in note.amendments:
        a = amendment.event
        texts.append((trace_line(f"{a.kind.upper()} of {a.section} ({a.reason})", amendment.by, names), a.text))
    return Block(f"{title} {note.note_id}: {note.status.upper()}{wrong}", lines, texts)


def _extension(extension: Extension, names: Told) -> Iterable[str]:
    yield trace_line(f"more time asked for ({extension.requested.event.reason})", extension.requested.by, names)
    if extension.granted:
        yield trace_line("more time granted", extension.granted.by, names)
    if extension.refused:
        yield trace_line("more time refused", extension.refused.by, names)


def _dispute(dispute: Dispute, names: Told) -> Block:
    state = dispute.decided.event.outcome if dispute.decided else "open"
    texts = [("claim", dispute.opened.claim)]
    texts += [(trace_line(f"evidence ({e.event.kind})", e.by, names), e.event.text) for e in dispute.evidence]
    if dispute.decided:
        d = dispute.decided
        texts.append(
            (trace_line(f"decided under {d.event.rule_id} ({d.event.reading})", d.by, names), d.event.reasoning)
        )
    return Block(f"Dispute about note {dispute.opened.note_id}: {state}", _traced(dispute, names), texts)


def _other(item: Other, names: Told) -> Block:
    lines = [trace_line(f"{words(entry.event)} ({entry.by.type})", entry.by, names) for entry in item.entries]
    return Block(f"{item.kind} {item.stream_id}", lines)


def _timeline_line(line: TimelineEvent, names: Told) -> Block:
    recorded = by_the_server(from_text(line.recorded_at), names.zone)
    return Block(
        f"{line.position:>6}  {recorded}  {line.said}",
        [
            f"{names(line.actor)}, {line.role}; {line.document}@{line.version}"
            + (f"; service date {line.service_date}" if line.service_date else "")
        ],
    )


_ONE = {
    "client": "Client details",
    "episodes": "Episode",
    "coordinators": "Coordinator",
    "diagnoses": "Diagnosis",
    "contacts": "Contact",
    "notes": "Note",
    "plans": "Treatment plan",
    "disputes": "Dispute",
    "others": "Document",
}


def diff_page(diff: ChartDiff, known_names: Names, said: dict[str, str], access_id: str, zone: ZoneInfo) -> Page:
    """The difference as a story: each item, each event that touched it in turn, and what it changed."""
    names = Told(known_names.known, zone=zone)
    until = "now" if diff.until is None else at(diff.until.astimezone(zone))
    facts = [
        *_moment_facts(diff.chart_id, diff.until_position, diff.as_of),
        ("From", f"{at(diff.since.astimezone(zone))} (position {diff.since_position})"),
        ("To", f"{until} (position {diff.until_position})"),
        ("Verified", f"{count(diff.verified_events, 'event')} by their leaf hashes"),
        ("Last leaf", diff.last_leaf or "none: nothing was recorded then"),
        ("Access", f"{access_id} (this reading is recorded)"),
    ]
    blocks = [_change(change, names, said) for change in diff.items]
    counts = ", ".join(f"{sum(i.change == c for i in diff.items)} {c}" for c in ("added", "changed", "removed"))
    sections = [Section(f"What changed: {counts}", blocks, "nothing changed between these times")]
    checked = _checked(diff.verified_events, diff.until_position, diff.verified_signatures)
    return Page("Changes on a chart", facts, sections, checked)


def _change(change: ItemChange, names: Told, said: dict[str, str]) -> Block:
    lines: list[str] = []
    for trace in change.events:
        lines.append(trace_line(f"{said.get(trace.event_id, trace.type)}:", trace, names))
        lines += [_field(f) for f in _told_in_order(change.fields) if f.by.event_id == trace.event_id]
    if not change.fields:
        lines.append("  what was changed was changed back")
    return Block(f"{_ONE.get(change.section, change.section)} {change.item_id} {change.change.upper()}", lines)


_SECTION = "content.sections."


def _told_in_order(fields: Sequence[FieldChange]) -> list[FieldChange]:
    """The fields as they stand, but a note's sections in the order in which its document has them."""
    sections: dict[str, dict[str, FieldChange]] = {}
    for f in fields:
        where, found, name = f.field.rpartition(_SECTION)
        if found:
            sections.setdefault(where, {})[name] = f
    told = {where: iter([those[name] for name in in_order(those)]) for where, those in sections.items()}
    return [next(told[f.field.rpartition(_SECTION)[0]]) if _SECTION in f.field else f for f in fields]


#: What a path begins with when it only says which event a value stands in.
_WRAPPERS = ("facts.", "details.", "opened.", "assigned.", "recorded.", "drafted.", "content.")


def _field(change: FieldChange) -> str:
    name = change.field
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    name = name.replace("_", " ")
    if change.before is None:
        return f"  + {name}: {_value(change.after)}"
    if change.after is None:
        return f"  − {name}: {_value(change.before)}"
    return f"  {name}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else str(value)
