"""The agencies' calendars, day by day against days typed by hand, and the rows that a load refuses."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest
from tests.policies import oracle

from ledger.policies.calendar import CalendarBook, CalendarError, Correction, calendar, calendars, resolve

ROW = {"reason": "A reason", "source": "A county notice", "confidence": "S", "effective_from": date(2018, 1, 1)}


def with_rows(calendar_id: str, *rows: dict[str, object]) -> CalendarBook:
    """The calendars as released, with rows added to one."""
    added = tuple(msgspec.convert(ROW | row, Correction) for row in rows)
    changed = [
        msgspec.structs.replace(data, rows=data.rows + added) if data.id == calendar_id else data
        for data in calendars().calendars
    ]
    return CalendarBook(calendars=tuple(changed))


@pytest.mark.parametrize("calendar_id", sorted(oracle.CLOSED))
def test_every_day_of_five_years_is_as_typed_by_hand(calendar_id: str) -> None:
    days = calendar(calendar_id)
    day = date(2024, 1, 1)
    while day < date(2029, 1, 1):
        assert days.is_business_day(day) == oracle.is_open(calendar_id, day), day
        day += timedelta(days=1)


def test_every_calendar_has_typed_days() -> None:
    assert {data.id for data in calendars().calendars} == set(oracle.CLOSED)


@pytest.mark.parametrize(
    ("calendar_id", "day", "why"),
    [
        ("us-ca-agency", date(2026, 11, 26), "Thanksgiving Day"),
        ("us-ca-agency", date(2026, 11, 27), "Day After Thanksgiving"),
        ("us-ca-agency-open-black-friday", date(2026, 11, 27), None),
        ("us-mo-agency", date(2026, 11, 27), None),
        ("us-ca-agency", date(2026, 11, 28), "Saturday"),
        ("us-ca-agency", date(2026, 7, 3), None),
        ("us-mo-agency", date(2026, 7, 3), "Independence Day, observed (4 Jul falls on Saturday)"),
        ("us-ca-agency", date(2028, 11, 10), "Veterans Day, observed (11 Nov falls on Saturday)"),
        ("us-ca-agency", date(2024, 4, 1), "Cesar Chavez Day, observed (31 Mar falls on Sunday)"),
        ("us-ca-agency", date(2028, 10, 17), None),  # Diwali
        ("us-ca-agency", date(2028, 2, 15), None),  # Susan B. Anthony Day
        ("us-ca-agency", date(2026, 6, 19), None),  # Juneteenth
        ("us-ca-agency", date(2027, 12, 24), None),
        ("us-mo-agency", date(2027, 12, 31), "New Year's Day, observed (1 Jan falls on Saturday)"),
        ("us-mo-agency", date(2026, 2, 12), "Lincoln Day"),
    ],
)
def test_why_a_day_is_no_business_day(calendar_id: str, day: date, why: str | None) -> None:
    assert calendar(calendar_id).why_not(day) == why


def test_counting_names_every_day_passed() -> None:
    day, steps = calendar("us-ca-agency").add_business_days(date(2026, 11, 25), 2)
    assert day == date(2026, 12, 1)
    assert [(step.day.day, step.counted, step.why) for step in steps] == [
        (26, False, "Thanksgiving Day"),
        (27, False, "Day After Thanksgiving"),
        (28, False, "Saturday"),
        (29, False, "Sunday"),
        (30, True, "business day 1"),
        (1, True, "business day 2"),
    ]
    assert calendar("us-ca-agency").next_business_day(date(2026, 11, 25)) == date(2026, 11, 30)
    assert calendar("us-ca-agency").add_business_days(date(2026, 11, 28), 0) == (date(2026, 11, 28), ())
    with pytest.raises(ValueError, match="-1"):
        calendar("us-ca-agency").add_business_days(date(2026, 11, 28), -1)


def test_the_version_changes_when_an_answer_can_and_only_then() -> None:
    released = calendar("us-ca-agency").version
    name, _, digest = released.partition("@")
    assert name == "us-ca-agency"
    assert len(digest) == 12
    assert resolve(calendars(), "us-ca-agency").version == released
    closed_once = with_rows("us-ca-agency", {"name": "Day of mourning", "do": "observe", "day": date(2026, 8, 3)})
    assert resolve(closed_once, "us-ca-agency").version != released
    assert resolve(closed_once, "us-mo-agency").version == calendar("us-mo-agency").version
    # Said twice, a holiday that nobody works anyway closes nothing more: but the reason shown for the day changes.
    said_twice = with_rows("us-ca-agency", {"name": "Inventory", "do": "observe", "day": date(2026, 12, 25)})
    assert resolve(said_twice, "us-ca-agency").why_not(date(2026, 12, 25)) == "Christmas Day; Inventory"
    assert resolve(said_twice, "us-ca-agency").version != released


def test_a_single_day_is_closed_worked_or_moved() -> None:
    book = with_rows(
        "us-ca-agency",
        {"name": "Day of mourning", "do": "observe", "day": date(2026, 8, 3)},
        {"name": "Worked by agreement", "do": "ignore", "day": date(2026, 3, 31)},
        {"name": "Kept in Christmas week", "do": "move", "day": date(2026, 2, 16), "to": date(2026, 12, 24)},
    )
    days = resolve(book, "us-ca-agency")
    assert days.why_not(date(2026, 8, 3)) == "Day of mourning"
    assert days.is_business_day(date(2026, 3, 31))
    assert days.is_business_day(date(2026, 2, 16))
    assert days.why_not(date(2026, 12, 24)) == "Presidents' Day, kept on this day instead of 2026-02-16"
    assert not days.is_business_day(date(2027, 3, 31))  # one day only


def test_a_dated_row_holds_between_its_dates_only() -> None:
    book = with_rows(
        "us-mo-agency",
        {"name": "Leap day", "do": "observe", "month_day": "02-29", "effective_to": date(2025, 1, 1)},
    )
    days = resolve(book, "us-mo-agency")
    assert days.why_not(date(2024, 2, 29)) == "Leap day"
    assert days.is_business_day(date(2028, 2, 29))


def test_a_holiday_of_the_next_year_closes_the_last_day_of_the_calendar() -> None:
    shorter = msgspec.structs.replace(calendars().get("us-mo-agency"), last_year=2027)
    days = resolve(CalendarBook(calendars=(shorter,)), "us-mo-agency")
    assert days.why_not(date(2027, 12, 31)) == "New Year's Day, observed (1 Jan falls on Saturday)"


def test_a_holiday_without_a_row_stops_the_load() -> None:
    data = calendars().get("us-ca-agency")
    rows = tuple(row for row in data.rows if row.name != "Diwali")
    book = CalendarBook(calendars=(msgspec.structs.replace(data, rows=rows),))
    with pytest.raises(CalendarError, match="no row for Diwali"):
        resolve(book, "us-ca-agency")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"name": "Diwali", "do": "observe"}, "2 rows for Diwali"),
        ({"name": "Dewali", "do": "ignore"}, "names no Dewali"),
        ({"name": "Nothing", "do": "ignore", "day": date(2026, 8, 3)}, "nothing is closed on 2026-08-03"),
    ],
)
def test_contradicting_rows_stop_the_load(row: dict[str, object], said: str) -> None:
    with pytest.raises(CalendarError, match=said):
        resolve(with_rows("us-ca-agency", row), "us-ca-agency")


@pytest.mark.parametrize(
    "row",
    [
        {"name": "A", "do": "move", "day": date(2026, 8, 3)},
        {"name": "A", "do": "observe", "day": date(2026, 8, 3), "to": date(2026, 8, 4)},
        {"name": "A", "do": "observe", "day": date(2026, 8, 3), "month_day": "08-03"},
        {"name": "A", "do": "observe", "month_day": "13-01"},
        {"name": "A", "do": "observe", "source": " "},
        {"name": "A", "do": "observe", "reason": ""},
        {"name": "A", "do": "close"},
    ],
)
def test_a_row_that_makes_no_sense_does_not_load(row: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(ROW | row, Correction)


def test_days_outside_the_calendar_and_unknown_calendars_are_refused() -> None:
    with pytest.raises(CalendarError, match="covers 2018 to 2040"):
        calendar("us-ca-agency").is_business_day(date(2041, 1, 2))
    with pytest.raises(CalendarError, match="no calendar 'us-nv-agency'"):
        calendar("us-nv-agency")
    own = msgspec.structs.replace(calendars().get("us-ca-agency"), extends="us-ca-agency")
    with pytest.raises(CalendarError, match="extends itself"):
        resolve(CalendarBook(calendars=(own,)), "us-ca-agency")
