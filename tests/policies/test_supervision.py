"""Weekly supervision: PSC-6 at its boundaries, PSC-7 by registration, and the readings that join them."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.policies.supervision import (
    WeekFacts,
    licence_week,
    rate_week,
    rate_week_with_licence,
    supervision_readings,
)

FOLDER = Path(__file__).parent / "cases"
PSC6 = tomllib.loads((FOLDER / "supervision_psc6.toml").read_text(encoding="utf-8"))["case"]
PSC7 = tomllib.loads((FOLDER / "supervision_psc7.toml").read_text(encoding="utf-8"))["case"]
DAY = date(2026, 6, 3)


@pytest.mark.parametrize("case", PSC6, ids=[case["name"] for case in PSC6])
def test_psc6_of_a_week(case: dict[str, Any]) -> None:
    rating = rate_week(
        WeekFacts(
            programs=("psc",),
            week_of=DAY,
            individual_minutes=tuple(case["individual"]),
            scheduled_days=case["scheduled_days"],
            days_off=case["days_off"],
        )
    )
    assert (rating.value, rating.above_band) == (case["rating"], case["above_band"])
    assert rating.week_of == date(2026, 6, 1)
    assert rating.steps
    assert "PSC-6" in rating.sources[0]


@pytest.mark.parametrize("case", PSC7, ids=[case["name"] for case in PSC7])
def test_psc7_of_a_week(case: dict[str, Any]) -> None:
    answer = licence_week(case["kind"], case["individual"], case["group"], case["direct"], DAY)
    assert answer.met is case["met"]
    assert answer.confidence == "M"
    facts = WeekFacts(
        programs=("psc",),
        week_of=DAY,
        individual_minutes=(case["individual"],),
        group_minutes=(case["group"],),
        scheduled_days=5,
        direct_counselling_minutes=case["direct"],
        registration=case["kind"],
    )
    for reading in ("both", "licence_instead"):
        assert rate_week_with_licence(facts, reading).value == case[reading]


def test_the_default_reading_is_both_and_an_unknown_one_is_refused() -> None:
    facts = WeekFacts(
        programs=("psc",),
        week_of=DAY,
        individual_minutes=(30,),
        scheduled_days=5,
        registration="asw",
    )
    assert supervision_readings(DAY)[0].id == "both"
    assert rate_week_with_licence(facts) == rate_week_with_licence(facts, "both")
    assert rate_week(facts).value == "full"
    assert rate_week_with_licence(facts).value == "non"
    with pytest.raises(ValueError, match="no supervision reading"):
        rate_week_with_licence(facts, "neither")


def test_a_person_without_a_registration_is_rated_by_the_weekly_standard_alone() -> None:
    facts = WeekFacts(programs=("psc",), week_of=DAY, individual_minutes=(30,), scheduled_days=5)
    assert [rate_week_with_licence(facts, r).value for r in ("both", "licence_instead")] == ["full", "full"]
    with pytest.raises(LookupError):
        licence_week("lcsw", 60, 0, 0, DAY)


def test_an_excused_week_stays_excused_for_a_registered_person() -> None:
    facts = WeekFacts(
        programs=("psc",),
        week_of=DAY,
        individual_minutes=(),
        scheduled_days=5,
        days_off=5,
        registration="amft",
    )
    assert rate_week_with_licence(facts).value == "excused"


@given(st.lists(st.integers(0, 90), max_size=4), st.integers(0, 5), st.integers(0, 200))
def test_group_minutes_never_change_psc6_and_each_minute_counts(parts: list[int], off: int, group: int) -> None:
    def value(individual: tuple[int, ...], groups: tuple[int, ...]) -> str:
        return rate_week(
            WeekFacts(
                programs=("psc",),
                week_of=DAY,
                individual_minutes=individual,
                group_minutes=groups,
                scheduled_days=5,
                days_off=off,
            )
        ).value

    minutes = 0
    for part in parts:
        for _ in range(part):
            minutes += 1
    expected = "excused" if off == 5 else "full" if minutes > 29 else "non"
    assert value(tuple(parts), (group,)) == value(tuple(parts), ()) == expected


@pytest.mark.parametrize(
    "facts",
    [
        WeekFacts(programs=("psc",), week_of=DAY, individual_minutes=(-1,), scheduled_days=5),
        WeekFacts(programs=("psc",), week_of=DAY, individual_minutes=(), scheduled_days=4, days_off=5),
        WeekFacts(
            programs=("psc",),
            week_of=DAY,
            individual_minutes=(),
            scheduled_days=4,
            direct_counselling_minutes=-1,
        ),
    ],
)
def test_impossible_facts_are_refused(facts: WeekFacts) -> None:
    with pytest.raises(ValueError, match="negative"):
        rate_week(facts)
