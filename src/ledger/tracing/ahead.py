"""The deadlines of a document before anything is written: the same arithmetic as a trace, without a chart or a store.

Where the caller has the agency's adoptions, the readings in force on the day are marked; otherwise the rules' defaults
are, and called that.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from ledger.errors import BadInput
from ledger.policies.adoption import Adoption, InForce, adopted_calendar, adopted_readings, calendar_in_force, in_force
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
    #: The reading in force of each rule and rating that governs the document, with the reasons.
    readings: tuple[InForce, ...]

    @property
    def adopted(self) -> tuple[InForce, ...]:
        """Those that the agency adopted."""
        return tuple(reading for reading in self.readings if not reading.is_default)

    def in_force(self, rule_id: str) -> str:
        """The reading of a rule that holds here: the adopted one, else its default."""
        held = {reading.rule_id: reading.reading for reading in self.readings}
        return held.get(rule_id) or rule_book().rule(rule_id).default


def look_ahead(document: str, program: str, started_at: datetime, adoptions: Iterable[Adoption] = ()) -> Ahead:
    """The deadlines under every reading; ``BadInput`` for a document, program or year that no rule knows.

    ``adoptions`` are the agency's, in the order in which they were recorded. For a discharge plan or a contact after
    release, ``started_at`` is the discharge or the release.
    """
    try:
        zone = program_calendar(program, None, book=rule_book()).zone
        known, day = tuple(adoptions), in_zone(started_at, zone).date()
        calendar = adopted_calendar(known, program, day)
        deadlines = deadlines_for(document, program, started_at, calendar=calendar)
        adopted = adopted_readings(known, program, day)
        verdicts = rate(
            document, program, started_at, None, as_at=started_at, adopted=adopted, calendar=calendar
        ).verdicts
        rules, ratings = rule_book().governing(document, program, day)
        governing = (*(rule.id for rule in rules), *(rating.id for rating in ratings))
        readings = tuple(in_force(known, rule_id, program, day) for rule_id in governing)
        if calendar is not None:
            readings = (*readings, calendar_in_force(known, program, day))
    except (RuleError, CalendarError) as fault:
        raise BadInput(str(fault)) from fault
    # The adopted ones come last: of two versions of one reading, theirs stays.
    rated = [deadline for verdict in sorted(verdicts, key=lambda v: v.adopted) for deadline in verdict.deadlines]
    chosen = {(d.rule_id, d.reading) for verdict in verdicts if verdict.adopted for d in verdict.deadlines}
    held = {one.rule_id: one.reading for one in readings}
    chosen |= {(d.rule_id, d.reading) for d in deadlines if held.get(d.rule_id) == d.reading}
    unique = {(d.rule_id, d.reading): d for d in (*deadlines, *rated)}
    return Ahead(
        document=document,
        program=program,
        zone=zone,
        started_at=in_zone(started_at, zone),
        deadlines=tuple(unique.values()),
        limits=limits(unique.values(), chosen, "in force" if adopted or calendar else "default"),
        readings=readings,
    )


def told_ahead(ahead: Ahead) -> Page:
    """The deadlines as a page."""
    first = min(ahead.limits, key=lambda limit: limit.due.timestamp(), default=None)
    lead = [
        f"No rule sets a time limit for a {ahead.document} in program {ahead.program} on {ahead.started_at.date()}."
    ]
    if first is not None:
        by_default = [limit for limit in ahead.limits if limit.adopted]
        lead = [f"{'; '.join(limit.serves)}: {limit.limit}, due {when(limit.due)}." for limit in by_default]
        lead.append(f"The first of all readings ends {when(first.due)} ({first.limit}).")
    table = Table(
        headings=("Rule", "Whose", "Reading", "Due", "Version"),
        rows=tuple((d.rule_id, d.role, d.reading, when(d.due), d.policy_version) for d in ahead.deadlines),
        marked=frozenset(number for number, d in enumerate(ahead.deadlines) if ahead.in_force(d.rule_id) == d.reading),
    )
    return Page(
        title=f"Deadlines of a {ahead.document} in program {ahead.program}",
        under=(
            f"Clock started {when(ahead.started_at)}. Times are in {ahead.zone} with their offset.",
            *_marked(ahead),
        ),
        lead=tuple(lead),
        sections=(
            () if first is None else (Section(title="Under each reading", table=table), limits_section(ahead.limits))
        ),
    )


def _marked(ahead: Ahead) -> tuple[str, ...]:
    """Which readings are marked, and why."""
    if not ahead.adopted:
        return ("Marked: each rule's default reading. What the agency adopted is in its record: see ledger trace.",)
    reasons = (reason for reading in ahead.adopted for reason in reading.reasons)
    return ("Marked: the reading in force, as the agency adopted it, else the rule's default.", *reasons)
