"""The deadlines of a document before anything is written: the same arithmetic as a trace, without a chart or a store.

What an agency adopted is in its record, so here the rules' default readings are marked, and called that.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from ledger.errors import BadInput
from ledger.policies.calendar import CalendarError
from ledger.policies.deadline_rules import RuleError, rule_book
from ledger.policies.deadlines import Deadline, deadlines_for, in_zone, program_calendar
from ledger.policies.timeliness import rate
from ledger.tracing.findings import Limit
from ledger.tracing.page import Page, Section, Table
from ledger.tracing.told import limits_section
from ledger.tracing.trace import limits
from ledger.tracing.words import when


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """Every deadline of a document whose clock started at ``started_at`` (in the agency's zone)."""

    document: str
    program: str
    zone: str
    started_at: datetime
    deadlines: tuple[Deadline, ...]
    limits: tuple[Limit, ...]


def look_ahead(document: str, program: str, started_at: datetime) -> Ahead:
    """The deadlines under every reading; ``BadInput`` for a document, program or year that no rule knows.

    For a discharge plan or a contact after release, ``started_at`` is the discharge or the release.
    """
    try:
        zone = program_calendar(program, None, book=rule_book()).zone
        deadlines = deadlines_for(document, program, started_at)
        verdicts = rate(document, program, started_at, None, as_at=started_at).verdicts
    except (RuleError, CalendarError) as fault:
        raise BadInput(str(fault)) from fault
    rated = [deadline for verdict in verdicts for deadline in verdict.deadlines]
    chosen = {(d.rule_id, d.reading) for verdict in verdicts if verdict.adopted for d in verdict.deadlines}
    chosen |= {(d.rule_id, d.reading) for d in deadlines if rule_book().rule(d.rule_id).default == d.reading}
    unique = {(d.rule_id, d.reading): d for d in (*deadlines, *rated)}
    return Ahead(
        document=document,
        program=program,
        zone=zone,
        started_at=in_zone(started_at, zone),
        deadlines=tuple(unique.values()),
        limits=limits(unique.values(), chosen, "default"),
    )


def told_ahead(ahead: Ahead) -> Page:
    """The deadlines as a page."""
    first = min(ahead.limits, key=lambda limit: limit.due.timestamp(), default=None)
    lead = [f"No rule sets a time limit for a {ahead.document} in program {ahead.program}."]
    if first is not None:
        by_default = [limit for limit in ahead.limits if limit.adopted]
        lead = [f"{'; '.join(limit.serves)}: {limit.limit}, due {when(limit.due)}." for limit in by_default]
        lead.append(f"The first of all readings ends {when(first.due)} ({first.limit}).")
    table = Table(
        headings=("Rule", "Whose", "Reading", "Due", "Version"),
        rows=tuple((d.rule_id, d.role, d.reading, when(d.due), d.policy_version) for d in ahead.deadlines),
        marked=frozenset(
            number for number, d in enumerate(ahead.deadlines) if rule_book().rule(d.rule_id).default == d.reading
        ),
    )
    return Page(
        title=f"Deadlines of a {ahead.document} in program {ahead.program}",
        under=(
            f"Clock started {when(ahead.started_at)}. Times are in {ahead.zone} with their offset.",
            "Marked: each rule's default reading. What the agency adopted is in its record: see ledger trace.",
        ),
        lead=tuple(lead),
        sections=(
            () if first is None else (Section(title="Under each reading", table=table), limits_section(ahead.limits))
        ),
    )
