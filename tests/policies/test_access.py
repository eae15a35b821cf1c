"""Who may open what: every role × relationship × purpose × resource, against a table by hand (45 CFR 164.502(b)).

The table here says again, in another form, what ``access.toml`` says.
"""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest

from ledger.aggregates.staff import ROLES
from ledger.policies.access import Asked, decide, relationships, resource_of, rules_on, table
from ledger.policies.purposes import PURPOSES

DAY = date(2026, 1, 12)
ALL_ROLES = (*ROLES, "client", "system")
#: One letter a resource.
LETTERS = {"c": "chart", "r": "trace", "b": "billing", "t": "timeliness", "l": "caseload", "a": "audit"}
CARE = dict.fromkeys(("treatment", "operations", "payment", "patient-request", "emergency"), "crbtl")
SUPERVISING = dict.fromkeys(("treatment", "operations", "compliance", "patient-request", "emergency"), "crbtl")
GLASS = {"emergency": "cr", "treatment": "cr"}
COMPLIANCE = dict.fromkeys(("compliance", "audit", "operations", "legal", "oversight"), "crbtla")
PRIVACY = dict.fromkeys(("compliance", "patient-request", "legal"), "acr") | dict.fromkeys(("audit", "operations"), "a")
#: (role, relationship) → purpose → the resources that open. Whatever is not here stays shut.
OPENS: dict[tuple[str, str], dict[str, str]] = {
    ("clinician", "care team"): CARE,
    ("supervisor", "care team"): CARE,
    ("supervisor", "supervises the care team"): SUPERVISING,
    ("clinician", "broke the glass"): GLASS,
    ("supervisor", "broke the glass"): GLASS,
    ("auditor", "assigned to the audit"): dict.fromkeys(("audit", "oversight", "operations"), "crbtla"),
    ("client", "the client"): {"patient-request": "ca"},
}
ANYBODY: dict[str, dict[str, str]] = {
    "biller": {"payment": "b", "operations": "b"},
    "compliance": COMPLIANCE,
    "privacy_officer": PRIVACY,
    "administrator": {"operations": "l"},
    "system": dict.fromkeys(PURPOSES, "crbtla"),
}


def words_of(resource: str) -> str:
    return next(
        row.said[0].rstrip("*") + "x" * row.said[0].endswith("*") for row in table().resource if row.name == resource
    )


@pytest.mark.parametrize("role", ALL_ROLES)
def test_every_role_opens_exactly_what_the_table_says(role: str) -> None:
    wrong = []
    for relationship, purpose, (letter, resource) in product(relationships(), PURPOSES, LETTERS.items()):
        expected = letter in (OPENS.get((role, relationship), {}) | ANYBODY.get(role, {})).get(purpose, "")
        held = frozenset() if relationship == "none" else frozenset((relationship,))
        asked = Asked(roles=(role,), relationships=held, purpose=purpose, resource=words_of(resource))
        decision = decide(asked, DAY)
        if decision.allowed != expected:
            wrong.append((relationship, purpose, resource, decision.rule))
        assert decision.allowed == (decision.rule is not None)
        assert decision.allowed or all(one.lacks for one in decision.considered)
        assert decision.allowed or decision.why_not()
    assert wrong == []


@pytest.mark.parametrize("role", ALL_ROLES)
def test_a_sensitive_chart_opens_only_through_broken_glass(role: str) -> None:
    open_anyway = {("client", "the client", "chart"), ("client", "the client", "audit")}
    for relationship, purpose, resource in product(relationships(), PURPOSES, LETTERS.values()):
        held = frozenset() if relationship == "none" else frozenset((relationship,))
        asked = Asked(roles=(role,), relationships=held, purpose=purpose, resource=words_of(resource), sensitive=True)
        plain = Asked(roles=(role,), relationships=held, purpose=purpose, resource=words_of(resource))
        expected = decide(plain, DAY).allowed and (
            relationship == "broke the glass"
            or role == "system"
            or (role == "privacy_officer" and resource == "audit")
            or (role, relationship, resource) in open_anyway
        )
        assert decide(asked, DAY).allowed == expected, (role, relationship, purpose, resource)


def test_glass_that_is_broken_opens_a_sensitive_chart_to_its_care_team_for_their_purposes() -> None:
    held = frozenset(("care team", "broke the glass"))
    asked = Asked(roles=("clinician",), relationships=held, purpose="operations", resource="chart", sensitive=True)
    assert decide(asked, DAY).rule == "ACC-1"


def test_words_that_stand_for_nothing_open_to_nobody() -> None:
    assert resource_of("chart diff") == "chart"
    assert resource_of("billing rows 2026-01 file") == "billing"
    assert resource_of("a chart") is None
    for role in ALL_ROLES:
        asked = Asked(roles=(role,), relationships=frozenset(relationships()), purpose="treatment", resource="a chart")
        assert not decide(asked, DAY).allowed


def test_somebody_with_two_roles_may_what_either_may() -> None:
    both = ("clinician", "biller")
    opens_billing = Asked(roles=both, relationships=frozenset(), purpose="payment", resource="billing rows")
    opens_chart = Asked(roles=both, relationships=frozenset(), purpose="payment", resource="chart")
    assert decide(opens_billing, DAY).rule == "ACC-3"
    assert not decide(opens_chart, DAY).allowed


def test_every_rule_names_what_there_is() -> None:
    names = {row.name for row in table().resource}
    ids = [rule.id for rule in rules_on(DAY)]
    assert len(ids) == len(set(ids))
    for rule in table().rule:
        assert set(rule.roles) <= set(ALL_ROLES)
        assert set(rule.relationships) <= {*relationships(), "*"}
        assert set(rule.purposes) <= {*PURPOSES, "*"}
        assert set(rule.resources) <= names
        assert rule.source
        assert rule.reason


def test_somebody_who_is_refused_is_told_what_is_lacking() -> None:
    asked = Asked(roles=("clinician",), relationships=frozenset(), purpose="treatment", resource="chart")
    assert decide(asked, DAY).why_not() == (
        "a relationship to the client: care team, or a relationship to the client: broke the glass"
    )
