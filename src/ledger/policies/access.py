"""Who may open what: role × relationship × purpose × resource, as dated rules; what none of them allows is refused.

The one place that decides. It answers with the rule that allowed, or with what each rule lacked, so that every decision
can be explained. Sources: 45 CFR 164.502(b), 164.514(d) (the minimum necessary); ECM-10; each row names its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Literal

import msgspec

from ledger.policies.provenance import Provenance, load_data

#: The relationships that a decision looks at, as the rules name them.
CARE_TEAM = "care team"
SUPERVISES = "supervises the care team"
AUDITS = "assigned to the audit"
BROKE_GLASS = "broke the glass"
THE_CLIENT = "the client"
NONE = "none"


class Resource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of thing that is opened, and the words by which an access event names it."""

    name: str
    said: tuple[str, ...]
    shows: str


class Relationship(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way in which somebody may stand to a chart."""

    name: str
    means: str


class AccessRule(Provenance, frozen=True, kw_only=True):
    """One rule: whoever holds a role and stands in a relationship may open these resources for these purposes."""

    id: str
    roles: tuple[str, ...]
    relationships: tuple[str, ...]
    purposes: tuple[str, ...]
    resources: tuple[str, ...]
    reason: str
    #: Whether a chart marked as sensitive needs the glass broken all the same.
    sensitive: Literal["glass", "open"] = "glass"
    #: Whether content of a segment (``segments.toml``) needs the client's consent to the purpose.
    segments: Literal["consent", "open"] = "consent"


class GlassRule(Provenance, frozen=True, kw_only=True):
    """How long a broken glass stays open, in minutes, and within how many days it is to be reviewed."""

    minutes: int
    review_days: int


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    resource: tuple[Resource, ...]
    relationship: tuple[Relationship, ...]
    glass: tuple[GlassRule, ...]
    rule: tuple[AccessRule, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision is about. ``relationships`` are all that hold today; empty is the same as none."""

    roles: tuple[str, ...]
    relationships: frozenset[str]
    purpose: str
    #: The words of what is opened, as an access event has them.
    resource: str
    #: Whether the chart is marked as sensitive.
    sensitive: bool = False


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that was looked at, and what it lacked; nothing lacks in the one that allowed."""

    rule: str
    lacks: tuple[str, ...]
    reason: str
    source: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a reading is allowed, under which rule, and every rule that was considered on the way."""

    allowed: bool
    #: The rule that allowed; none when it is refused.
    rule: str | None
    #: The resource that the words stand for; none when they stand for nothing.
    resource: str | None
    considered: tuple[Considered, ...]

    def why_not(self) -> str:
        """What the rules that came nearest lacked, in words; for somebody who is refused."""
        if not self.considered:
            return "no rule opens this to anybody"
        nearest = min(len(one.lacks) for one in self.considered)
        said = ("; ".join(one.lacks) for one in self.considered if len(one.lacks) == nearest)
        return ", or ".join(dict.fromkeys(said))


@cache
def table() -> _Table:
    """The whole table, as the data file has it."""
    return load_data("access", _Table)


@cache
def relationships() -> Mapping[str, str]:
    """Every relationship with what it means."""
    return {row.name: row.means for row in table().relationship}


@cache
def resource_of(said: str) -> str | None:
    """The resource that an access event's words stand for; None for words that are in no row."""
    for row in table().resource:
        for words in row.said:
            if said == words or (words.endswith("*") and said.startswith(words[:-1])):
                return row.name
    return None


def rules_on(day: date) -> tuple[AccessRule, ...]:
    """The rules in force on a day, in the order in which they are considered."""
    return tuple(rule for rule in table().rule if rule.in_force(day))


def rule_of(identifier: str) -> AccessRule:
    """A rule by its id."""
    return next(rule for rule in table().rule if rule.id == identifier)


def glass_on(day: date) -> GlassRule:
    """How long a glass broken on a day stays open."""
    return next(row for row in table().glass if row.in_force(day))


@cache
def decide(asked: Asked, day: date) -> Decision:
    """Decide a reading by the rules of a day; the first rule that lacks nothing allows it. Denied by default."""
    resource = resource_of(asked.resource)
    considered: list[Considered] = []
    for rule in rules_on(day):
        lacks = tuple(_lacks(rule, asked, resource))
        considered.append(Considered(rule=rule.id, lacks=lacks, reason=rule.reason, source=rule.source))
        if not lacks:
            return Decision(allowed=True, rule=rule.id, resource=resource, considered=tuple(considered))
    # Of those that are refused, only the rules for a role that is held say something to the person.
    own = [one for one, rule in zip(considered, rules_on(day), strict=True) if set(rule.roles) & set(asked.roles)]
    return Decision(allowed=False, rule=None, resource=resource, considered=tuple(own or considered))


def _lacks(rule: AccessRule, asked: Asked, resource: str | None) -> list[str]:
    """What a rule does not find, each in words; empty when it allows."""
    lacks = []
    held = asked.relationships or frozenset((NONE,))
    if not set(rule.roles) & set(asked.roles):
        lacks.append(f"the role {' or '.join(rule.roles)}")
    if "*" not in rule.relationships and not set(rule.relationships) & held:
        lacks.append(f"a relationship to the client: {' or '.join(rule.relationships)}")
    if "*" not in rule.purposes and asked.purpose not in rule.purposes:
        lacks.append(f"another purpose than {asked.purpose}: {' or '.join(rule.purposes)}")
    if resource not in rule.resources:
        lacks.append(f"{asked.resource} is not among what it opens: {', '.join(rule.resources)}")
    if asked.sensitive and rule.sensitive == "glass" and BROKE_GLASS not in held:
        lacks.append("the chart is marked as sensitive: the glass has to be broken first")
    return lacks
