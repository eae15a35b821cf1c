"""May somebody open this chart? Finds out how they stand to it, and lets the rules decide (``policies.access``).

What is found out is of this moment: who coordinates the client's care, whom the reader supervises, which audits they
are assigned to, which glass they have broken. It is read from the streams themselves, never from a view that may lag.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from ledger.aggregates.access import Decided
from ledger.aggregates.base import Actor
from ledger.aggregates.client import Client
from ledger.aggregates.engagement import Engagements, engagements_id
from ledger.aggregates.privacy import Privacy, privacy_id
from ledger.aggregates.staff import Staff
from ledger.application.unit import Unit
from ledger.grants import NO_LIMITS, Limits
from ledger.policies import access as rules
from ledger.policies.access import Asked, Decision
from ledger.policies.segments import segments_on

#: What an access event calls the relationship of a program of ours.
SYSTEM = "system"


@dataclass(frozen=True)
class Stands:
    """How a reader stands to a chart at a moment."""

    relationships: frozenset[str]
    sensitive: bool
    glass_id: str | None
    engagement_id: str | None
    #: The relationship that an access event names: the closest one.
    closest: str


@dataclass(frozen=True)
class Reading:
    """One chart that somebody asks to open: how they stand to it, and the decision."""

    chart_id: str
    exists: bool
    stands: Stands
    decision: Decision
    #: What of the chart stays shut, and the consents by which segments of it do not.
    limits: Limits = NO_LIMITS
    consents: tuple[str, ...] = ()

    @property
    def basis(self) -> str | None:
        """What the decision rests on beside role and relationship, by its id."""
        if self.stands.glass_id is not None and (self.stands.sensitive or self.stands.closest == rules.BROKE_GLASS):
            return self.stands.glass_id
        return self.stands.engagement_id if self.stands.closest == rules.AUDITS else None


def look_at(unit: Unit, actor: Actor, charts: Iterable[str]) -> None:
    """Load, in one go, the streams that decisions about these charts look at."""
    wanted = [stream for chart_id in charts for stream in (chart_id, privacy_id(chart_id))]
    unit.fetch(wanted if actor.system else [*wanted, engagements_id(actor.id)])


def stands_to(unit: Unit, actor: Actor, chart_id: str, now: datetime, day: date) -> Stands:
    """How a reader stands to a chart now; ``day`` is today in the agency's zone."""
    client, privacy = unit.find(Client, chart_id), unit.find(Privacy, privacy_id(chart_id))
    sensitive = privacy is not None and privacy.sensitive
    if actor.system:
        return Stands(frozenset(), sensitive, None, None, SYSTEM)
    found: list[str] = []
    if client is not None:
        team = client.coordinators_on(day)
        if actor.id in team:
            found.append(rules.CARE_TEAM)
        if any(_supervises(unit, actor.id, staff_id, day) for staff_id in team):
            found.append(rules.SUPERVISES)
        if actor.id == chart_id:
            found.append(rules.THE_CLIENT)
    engagements = unit.find(Engagements, engagements_id(actor.id))
    engagement = None if engagements is None else engagements.of_chart(chart_id, day)
    if engagement is not None:
        found.append(rules.AUDITS)
    glass = None if privacy is None else privacy.glass_of(actor.id, now)
    if glass is not None:
        found.append(rules.BROKE_GLASS)
    return Stands(
        frozenset(found),
        sensitive,
        None if glass is None else glass.glass_id,
        None if engagement is None else engagement.engagement_id,
        found[0] if found else rules.NONE,
    )


def may_open(
    unit: Unit, actor: Actor, chart_id: str, *, purpose: str, resource: str, now: datetime, day: date
) -> Reading:
    """Decide one chart. For one that is not there it is decided as for a stranger's."""
    stands = stands_to(unit, actor, chart_id, now, day)
    asked = Asked(
        roles=actor.roles,
        relationships=stands.relationships,
        purpose=purpose,
        resource=resource,
        sensitive=stands.sensitive,
    )
    decision = rules.decide(asked, day)
    limits, consents = NO_LIMITS, tuple[str, ...]()
    if decision.rule is not None:
        limits, consents = _limits(unit, actor, chart_id, rules.rule_of(decision.rule), purpose, day)
    return Reading(chart_id, unit.find(Client, chart_id) is not None, stands, decision, limits, consents)


def _limits(
    unit: Unit, actor: Actor, chart_id: str, rule: rules.AccessRule, purpose: str, day: date
) -> tuple[Limits, tuple[str, ...]]:
    """What stays shut of a chart that a rule opens, and the consents by which segments of it do not."""
    privacy = unit.find(Privacy, privacy_id(chart_id))
    shut: set[str] = set()
    programs: set[str] = set()
    consents: set[str] = set()
    for segment in segments_on(day) if rule.segments == "consent" else ():
        consent = None if privacy is None else privacy.consent_to(segment.name, purpose, day)
        if consent is None:
            shut.add(segment.name)
            programs.update(segment.programs)
        else:
            consents.add(consent.consent_id)
    marked = () if privacy is None else (document for document, one in privacy.marked.items() if one in shut)
    days = {}
    if rules.AUDITS in rule.relationships:
        engagements = unit.find(Engagements, engagements_id(actor.id))
        assigned = None if engagements is None else engagements.of_chart(chart_id, day)
        if assigned is not None:
            days = {"first": assigned.services_from, "last": assigned.services_to}
    limits = Limits(segments=frozenset(shut), marked=frozenset(marked), programs=frozenset(programs), **days)
    return limits, tuple(sorted(consents))


def decided(readings: Iterable[Reading]) -> tuple[Decided, ...]:
    """The rules that opened the charts of one access, as its event names them."""
    groups: dict[Decided, list[str]] = {}
    for reading in readings:
        groups.setdefault(_told(reading), []).append(reading.chart_id)
    if len(groups) == 1:
        return tuple(groups)
    return tuple(msgspec.structs.replace(one, charts=tuple(charts)) for one, charts in groups.items())


def _told(reading: Reading) -> Decided:
    limits = reading.limits
    return Decided(
        rule=reading.decision.rule or "",
        basis=reading.basis,
        consents=reading.consents,
        shut=tuple(sorted(limits.segments)),
        first=None if limits.first == date.min else limits.first,
        last=None if limits.last == date.max else limits.last,
    )


def _supervises(unit: Unit, actor_id: str, staff_id: str, day: date) -> bool:
    staff = unit.find(Staff, staff_id)
    return staff is not None and staff.supervisor_on(day) == actor_id


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody may, or may not, open a chart: what ``ledger access explain`` answers."""

    reader_id: str
    reader: str
    roles: tuple[str, ...]
    chart_id: str
    on: date
    purpose: str
    resource: str
    relationships: tuple[str, ...]
    sensitive: bool
    #: The broken glass, or the assignment to an audit, that it rests on.
    basis: str | None
    decision: Decision


def explained(reading: Reading, actor: Actor, *, purpose: str, resource: str, day: date) -> Explained:
    """A decision as it is told to somebody who asks for it."""
    return Explained(
        reader_id=actor.id,
        reader=actor.name,
        roles=actor.roles,
        chart_id=reading.chart_id,
        on=day,
        purpose=purpose,
        resource=resource,
        relationships=tuple(sorted(reading.stands.relationships)) or (reading.stands.closest,),
        sensitive=reading.stands.sensitive,
        basis=reading.basis,
        decision=reading.decision,
    )
