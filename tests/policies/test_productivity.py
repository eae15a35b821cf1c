"""Monthly ratings under every reading: worked cases, and properties against slow counts."""

from __future__ import annotations

import calendar
import tomllib
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.policies.productivity import (
    Workday,
    billable_minutes,
    productivity_rules,
    ramp_percent,
    rate_month,
    rate_month_every_reading,
    week_figure,
)

FOLDER = Path(__file__).parent / "cases"
RAMPS = ("calendar_months", "thirty_day_spans")


def cases(name: str) -> list[Any]:
    return [
        pytest.param(case, id=case["name"])
        for case in tomllib.loads((FOLDER / f"productivity_{name}.toml").read_text(encoding="utf-8"))["case"]
    ]


def workdays(case: dict[str, Any]) -> list[Workday]:
    month: date = case["month"]
    off = {row["day"]: row["minutes"] for row in case.get("pto", [])}
    days = [month.replace(day=n) for n in range(1, calendar.monthrange(month.year, month.month)[1] + 1)]
    return [
        Workday(
            day=day,
            pto_minutes=off.get(day, 0),
            holiday="agency holiday" if day in case.get("holidays", []) else None,
        )
        for day in days
        if day.weekday() in case.get("weekdays", [0, 1, 2, 3, 4])
    ]


def rate(case: dict[str, Any], ramp: str, floor: str) -> Any:
    return rate_month(
        case["month"],
        case["billable"],
        workdays(case),
        hired_on=case.get("hired_on"),
        left_on=case.get("left_on"),
        ramp_reading=ramp,
        floor_reading=floor,
    )


@pytest.mark.parametrize("case", cases("psc1"))
def test_psc1_the_target_follows_the_days_worked(case: dict[str, Any]) -> None:
    rating = rate({**case, "billable": 0}, "calendar_months", "lesser_of_band_and_days")
    assert rating.scheduled_days == case["scheduled_days"]
    assert rating.days_worked * 480 == case["worked_480ths"]
    assert rating.target_minutes == Fraction(case["target"])
    assert any(step.startswith("target:") for step in rating.steps)


@pytest.mark.parametrize("reading", RAMPS)
def test_psc2_the_percentage_of_a_day(reading: str) -> None:
    row = next(r for r in productivity_rules(date(2026, 1, 1)).ramps if r.id == reading)
    for param in cases(f"psc2_{reading}"):
        case: dict[str, Any] = param.values[0]
        assert ramp_percent(row, case["hired_on"], case["day"]) == case["percent"], case["name"]


@pytest.mark.parametrize("case", cases("psc3"))
def test_psc3_the_band(case: dict[str, Any]) -> None:
    rating = rate(case, "calendar_months", "lesser_of_band_and_days")
    assert (rating.value, rating.above_band) == (case["rating"], case["above_band"])
    assert any("above band" in step for step in rating.steps) is case["above_band"]


@pytest.mark.parametrize("ramp", RAMPS)
@pytest.mark.parametrize(
    ("floor", "case"),
    [
        pytest.param(floor, param.values[0], id=f"{file}: {param.id}")
        for floor, file in (
            ("lesser_of_band_and_days", "psc2_months"),
            ("lesser_of_band_and_days", "psc4_lesser_of_band_and_days"),
            ("prorated_band", "psc4_prorated_band"),
        )
        for param in cases(file)
    ],
)
def test_psc4_the_floor_and_the_rating_under_each_reading(case: dict[str, Any], floor: str, ramp: str) -> None:
    rating = rate(case, ramp, floor)
    assert rating.floor_minutes == Fraction(case[f"floor_{ramp}"])
    assert rating.value == case[f"rating_{ramp}"]
    assert (rating.shortfall_minutes > 0) is (rating.value == "non")
    assert (rating.ramp_reading, rating.floor_reading) == (ramp, floor)
    assert len(rating.sources) == 4


MONTHS = st.dates(date(2024, 1, 1), date(2028, 12, 28)).map(lambda day: day.replace(day=1))


@st.composite
def a_month(draw: st.DrawFn) -> tuple[date, list[Workday], date | None]:
    month = draw(MONTHS)
    last = calendar.monthrange(month.year, month.month)[1]
    days = [month.replace(day=n) for n in range(1, last + 1)]
    rows = [
        Workday(
            day=day,
            pto_minutes=draw(st.sampled_from([0, 0, 0, 60, 90, 240, 480, 1])),
            holiday=draw(st.sampled_from([None, None, None, None, "agency holiday"])),
        )
        for day in days
        if day.weekday() < 5
    ]
    hired = draw(st.one_of(st.none(), st.integers(-120, last - 1).map(lambda n: month + timedelta(days=n))))
    return month, rows, hired


@given(a_month(), st.integers(0, 9000))
def test_every_reading_equals_a_count_in_whole_numbers(
    given_month: tuple[date, list[Workday], date | None], billable: int
) -> None:
    month, rows, hired = given_month
    ratings = rate_month_every_reading(month, billable, rows, hired_on=hired)
    assert len(ratings) == 4
    for rating in ratings:
        # Everything in 480ths of a day and hundredths of the ramp, so that only whole numbers are compared.
        worked = weighted = 0
        for row in rows:
            if hired is not None and row.day < hired:
                continue
            share = 0 if row.holiday else 480 - row.pto_minutes
            worked += share
            if hired is None:
                percent = 100
            elif rating.ramp_reading == "thirty_day_spans":
                age = len(range(hired.toordinal(), row.day.toordinal()))
                percent = 50 if age < 30 else 75 if age < 60 else 100
            else:
                since = (row.day.year * 12 + row.day.month) - (hired.year * 12 + hired.month)
                percent = {0: 50, 1: 75}.get(since, 100)
            weighted += share * percent
        if worked == 0:
            assert rating.value == "not_rated"
            continue
        # billable >= floor, multiplied through by everything the floor divides by.
        if rating.floor_reading == "prorated_band":
            full = billable * 48000 * len(rows) >= 5985 * weighted
        elif 315 * worked <= 5985 * 480:
            full = billable * 48000 >= 315 * weighted
        else:
            full = billable * 100 * worked >= 5985 * weighted
        assert rating.value == ("full" if full else "non")
        assert rating.above_band is (billable > 6930)


@given(a_month(), st.integers(0, 9000))
def test_the_default_floor_never_exceeds_the_band_and_more_time_never_hurts(
    given_month: tuple[date, list[Workday], date | None], billable: int
) -> None:
    month, rows, hired = given_month
    rating = rate_month(month, billable, rows, hired_on=hired)
    assert (rating.ramp_reading, rating.floor_reading) == ("calendar_months", "lesser_of_band_and_days")
    assert 0 <= rating.floor_minutes <= min(Fraction(5985), rating.target_minutes)
    if rating.value == "full":
        assert rate_month(month, billable + 1, rows, hired_on=hired).value == "full"


@given(a_month())
def test_time_off_never_raises_a_floor(given_month: tuple[date, list[Workday], date | None]) -> None:
    month, rows, _ = given_month
    rested = [Workday(day=rows[0].day, pto_minutes=480), *rows[1:]]
    before, after = rate_month_every_reading(month, 0, rows), rate_month_every_reading(month, 0, rested)
    assert all(b.floor_minutes <= a.floor_minutes for a, b in zip(before, after, strict=True))


def test_months_of_seventeen_to_twenty_three_days_are_computed_not_clamped() -> None:
    month = date(2026, 7, 1)
    full = [Workday(day=month + timedelta(days=n)) for n in range(31) if (month + timedelta(days=n)).weekday() < 5]
    assert len(full) == 23
    targets = {n: rate_month(month, 0, full[:n]).target_minutes for n in range(17, 24)}
    assert targets == {17: 5355, 18: 5670, 19: 5985, 20: 6300, 21: 6615, 22: 6930, 23: 7245}


def test_the_two_floor_readings_differ_where_time_was_taken_off() -> None:
    month = date(2026, 6, 1)
    days = [month + timedelta(days=n) for n in range(30) if (month + timedelta(days=n)).weekday() < 5]
    rows = [Workday(day=day, pto_minutes=480 if day.day in (1, 2) else 0) for day in days]
    lesser = rate_month(month, 5700, rows, floor_reading="lesser_of_band_and_days")
    prorated = rate_month(month, 5700, rows, floor_reading="prorated_band")
    assert (lesser.floor_minutes, lesser.value) == (Fraction(5985), "non")
    assert (prorated.floor_minutes, prorated.value) == (Fraction(5985 * 20, 22), "full")
    assert "22 scheduled workdays − 2 days of PTO − 0 agency holidays = 20" in prorated.steps[0]


def test_hours_or_units_are_a_reading() -> None:
    services = [(22, 15), (53, 60), (7, 0)]
    assert billable_minutes(services, date(2026, 6, 1)) == 82
    assert billable_minutes(services, date(2026, 6, 1), "billed_units") == 75
    with pytest.raises(ValueError, match="no measure"):
        billable_minutes(services, date(2026, 6, 1), "visits")


def test_a_week_stands_beside_its_target_without_a_rating() -> None:
    rows = [Workday(day=date(2026, 6, n), pto_minutes=240 if n == 5 else 0) for n in range(1, 6)]
    week = week_figure(date(2026, 6, 3), 1400, rows)
    assert (week.week_of, week.target_minutes, week.days_worked) == (
        date(2026, 6, 1),
        Fraction(2835, 2),
        Fraction(9, 2),
    )
    assert week.difference_minutes == Fraction(-35, 2)
    assert not hasattr(week, "value")
    assert "17 1/2 min below the target" in week.steps[-1]
    new = week_figure(date(2026, 6, 3), 1400, rows, hired_on=date(2026, 6, 1))
    assert new.target_minutes == Fraction(2835, 4)


def test_impossible_facts_are_refused() -> None:
    day = date(2026, 6, 1)
    with pytest.raises(ValueError, match="outside"):
        rate_month(day, 0, [Workday(day=date(2026, 7, 1))])
    with pytest.raises(ValueError, match="twice"):
        rate_month(day, 0, [Workday(day=day), Workday(day=day)])
    with pytest.raises(ValueError, match="time off"):
        rate_month(day, 0, [Workday(day=day, pto_minutes=481)])
    with pytest.raises(ValueError, match="negative"):
        rate_month(day, -1, [Workday(day=day)])
    with pytest.raises(ValueError, match="no floor reading"):
        rate_month(day, 0, [Workday(day=day)], floor_reading="none")
    with pytest.raises(ValueError, match="outside the week"):
        week_figure(day, 0, [Workday(day=date(2026, 6, 8))])
    with pytest.raises(LookupError):
        rate_month(date(1990, 1, 1), 0, [])
