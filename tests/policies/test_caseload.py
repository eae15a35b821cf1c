"""Caseload bands at both ends, and the acuity weights as a second reading."""

from __future__ import annotations

import tomllib
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.policies.caseload import acuity_weights, band

FOLDER = Path(__file__).parent / "cases"
DAY = date(2026, 6, 3)
CASES = [
    case
    for name in ("psc16", "ecm2", "css12")
    for case in tomllib.loads((FOLDER / f"caseload_{name}.toml").read_text(encoding="utf-8"))["case"]
]


@pytest.mark.parametrize("case", CASES, ids=[f"{case['program']}: {case['name']}" for case in CASES])
def test_the_band_of_a_case(case: dict[str, Any]) -> None:
    answer = band(case["program"], case["count"], case.get("acuity"), day=DAY)
    assert answer.value == answer.by_head_count == case["value"]
    assert f"{case['count']} people" in answer.steps[0]
    if "weighted" in case:
        assert answer.weighted_count == Fraction(case["weighted"])
        assert answer.by_weight == case["weighted_value"]
        chosen = band(case["program"], case["count"], case["acuity"], day=DAY, reading="acuity_weighted")
        assert chosen.value == case["weighted_value"]


@given(st.dictionaries(st.sampled_from(["low", "standard", "high", "intensive"]), st.integers(0, 20)))
def test_the_weighted_count_equals_a_sum_person_by_person(acuity: dict[str, int]) -> None:
    weights = {"low": 75, "standard": 100, "high": 150, "intensive": 200}
    people = [level for level, number in acuity.items() for _ in range(number)]
    answer = band("css", len(people) + 2, acuity, day=DAY)
    assert answer.weighted_count is not None
    assert answer.weighted_count * 100 == sum(weights[level] for level in people) + 200
    assert (answer.by_weight == "over") is (answer.weighted_count > 30)


def test_weights_of_low_confidence_never_decide_by_default() -> None:
    assert acuity_weights("psc", DAY) == {}
    assert band("css", 30, {"intensive": 30}, day=DAY).value == "within"


def test_facts_that_do_not_fit_are_refused() -> None:
    for acuity in ({"severe": 1}, {"high": 11}, {"high": -1}):
        with pytest.raises(ValueError, match="acuity levels do not fit"):
            band("css", 10, acuity, day=DAY)
    with pytest.raises(ValueError, match="negative"):
        band("css", -1, day=DAY)
    with pytest.raises(ValueError, match="needs acuity"):
        band("css", 1, day=DAY, reading="acuity_weighted")
    with pytest.raises(LookupError):
        band("ecm", 50, day=date(2021, 12, 31))
    with pytest.raises(LookupError):
        band("dental", 50, day=DAY)
