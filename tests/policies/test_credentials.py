"""Credentials held on a day, what signs, the classes they give, and who qualifies for a position."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.policies.credentials import (
    Credential,
    QualificationFacts,
    credential_kinds,
    expiry_warnings,
    held_on,
    provider_class,
    qualifies,
)
from ledger.policies.taxonomy import check_taxonomy, class_named, expand_classes

FOLDER = Path(__file__).parent / "cases"
PSC23 = tomllib.loads((FOLDER / "credentials_psc23.toml").read_text(encoding="utf-8"))["case"]
DAY = date(2026, 6, 15)


@pytest.mark.parametrize("case", PSC23, ids=[case["name"] for case in PSC23])
def test_psc23_of_a_case(case: dict[str, Any]) -> None:
    facts = msgspec.convert({k: v for k, v in case.items() if k not in ("name", "qualified")}, QualificationFacts)
    answer = qualifies("psc", facts, DAY)
    assert answer.qualified is case["qualified"]
    assert bool(answer.by) is case["qualified"]
    assert all(path.missing or path.path in answer.by for path in answer.paths)


def test_conditions_of_work_are_named_beside_the_qualification() -> None:
    facts = QualificationFacts(
        credentials=(
            Credential(kind="cadc", issued_on=date(2025, 1, 1)),
            Credential(kind="drivers_licence", issued_on=date(2025, 1, 1), expires_on=date(2026, 6, 14)),
        )
    )
    answer = qualifies("psc", facts, DAY)
    assert (answer.qualified, answer.conditions_missing) == (True, ("drivers_licence", "auto_insurance"))


@pytest.mark.parametrize(
    ("position", "facts", "by"),
    [
        ("ecm", QualificationFacts(mental_health_months=30, physical_health_months=18), ("mha_4y",)),
        ("ecm", QualificationFacts(mental_health_months=30, physical_health_months=17), ()),
        ("ecm", QualificationFacts(mental_health_months=24, semester_units=60, related_units=12), ("mha_units",)),
        ("ecm", QualificationFacts(mental_health_months=24, semester_units=60, related_units=11), ()),
        (
            "ecm",
            QualificationFacts(
                mental_health_months=24, credentials=(Credential(kind="core_skills", issued_on=date(2025, 1, 1)),)
            ),
            ("mha_core",),
        ),
        ("mhrs", QualificationFacts(degree="associate", mental_health_months=72, post_degree_months=24), ("aa",)),
        ("mhrs", QualificationFacts(degree="associate", mental_health_months=72, post_degree_months=23), ()),
        ("css", QualificationFacts(degree="bachelor", degree_field="Social Work", supervisor_kind="lcsw"), ("ba",)),
        ("css", QualificationFacts(degree="bachelor", degree_field="Social Work"), ()),
        ("css", QualificationFacts(degree="bachelor", degree_field="geology", supervisor_kind="lcsw"), ()),
        ("css", QualificationFacts(grandfathered=True), ("grandfathered",)),
    ],
)
def test_other_positions(position: str, facts: QualificationFacts, by: tuple[str, ...]) -> None:
    assert qualifies(position, facts, DAY).by == by


def test_an_unknown_position_is_refused() -> None:
    with pytest.raises(ValueError, match="no qualification rule"):
        qualifies("pilot", QualificationFacts(), DAY)


@given(st.integers(-400, 400), st.one_of(st.none(), st.integers(0, 800)), st.one_of(st.none(), st.integers(0, 800)))
def test_held_equals_a_walk_over_the_days(offset: int, valid: int | None, revoked: int | None) -> None:
    issued = DAY + timedelta(days=offset)
    credential = Credential(
        kind="asw",
        issued_on=issued,
        expires_on=None if valid is None else issued + timedelta(days=valid),
        revoked_on=None if revoked is None else issued + timedelta(days=revoked),
    )
    good = set()
    for n in range(2000):
        if (valid is None or n <= valid) and (revoked is None or n < revoked):
            good.add(issued + timedelta(days=n))
    (answer,) = held_on([credential], DAY).answers
    assert answer.held is (DAY in good)
    assert answer.words


def test_only_clinical_kinds_sign() -> None:
    never = {"drivers_licence", "auto_insurance", "cpr_first_aid", "lima", "core_skills", "background_clearance"}
    assert {kind.id for kind in credential_kinds(DAY) if not kind.signing} == never
    everything = [Credential(kind=kind.id, issued_on=date(2020, 1, 1)) for kind in credential_kinds(DAY)]
    held = held_on(everything, DAY)
    assert held.held_kinds - held.signing_kinds == never
    assert all(provider_class(kind, DAY).provider_class is None for kind in never)


def test_an_unknown_kind_is_not_held_and_says_so() -> None:
    held = held_on([Credential(kind="wizard", issued_on=date(2020, 1, 1))], DAY)
    assert held.held_kinds == frozenset()
    assert "not a kind" in held.steps[0]
    assert provider_class("wizard", DAY).provider_class is None


@pytest.mark.parametrize(
    ("kind", "expected", "lpha"),
    [
        ("lcsw", "lpha", True),
        ("lmft", "lpha", True),
        ("lpcc", "lpha", True),
        ("psychologist", "lpha", True),
        ("psychiatrist", "physician", True),
        ("amft", "rw", False),
        ("asw", "rw", False),
        ("apcc", "rw", False),
        ("trainee", "ct", False),
        ("rn", "nursing", False),
        ("mhrs", "mhrs", False),
        ("oqp", "oqp", False),
        ("peer_specialist", "peer", False),
        ("catc", "aod", False),
        ("cadc", "aod", False),
        ("caodc", "aod", False),
        ("qmhp", "qmhp", False),
        ("css", "css", False),
    ],
)
def test_the_class_a_kind_gives(kind: str, expected: str, lpha: bool) -> None:
    answer = provider_class(kind, DAY)
    assert (answer.provider_class, answer.lpha) == (expected, lpha)
    assert answer.source


def test_every_class_named_by_a_kind_exists() -> None:
    for kind in credential_kinds(DAY):
        for name in (kind.provider_class, *kind.may_act_as):
            assert name is None or class_named(name, DAY) is not None


def test_groups_of_classes_open_and_unknown_names_are_refused() -> None:
    assert expand_classes(["broad", "aod"], DAY) == {"lpha", "physician", "rw", "ct", "nursing", "mhrs", "aod"}
    with pytest.raises(ValueError, match="neither"):
        expand_classes(["barber"], DAY)


def test_taxonomy_prefixes_by_kind_by_class_and_unknown() -> None:
    assert check_taxonomy("1041C0700X", "lpha", "lcsw", "smhs", DAY).fits is True
    assert check_taxonomy("106H00000X", "lpha", "lcsw", "smhs", DAY).fits is False
    assert check_taxonomy("171M00000X", "mhrs", None, "smhs", DAY).fits is True
    assert check_taxonomy("171M00000X", "css", "css", "cprc", DAY).fits is None


def test_warnings_before_expiry_and_none_once_renewed() -> None:
    insurance = Credential(kind="auto_insurance", issued_on=date(2025, 7, 1), expires_on=DAY + timedelta(days=30))
    (warning,) = expiry_warnings([insurance], DAY)
    assert (warning.kind, warning.days_left) == ("auto_insurance", 30)
    assert expiry_warnings([insurance], DAY - timedelta(days=1)) == ()
    (late,) = expiry_warnings([insurance], DAY + timedelta(days=31))
    assert late.days_left == -1
    renewed = Credential(kind="auto_insurance", issued_on=DAY, expires_on=DAY + timedelta(days=400))
    assert expiry_warnings([insurance, renewed], DAY) == ()
