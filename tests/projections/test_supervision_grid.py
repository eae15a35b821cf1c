"""The grid of supervision (PSC-6, PSC-7): minutes a week, ratings, excused weeks, and the registration beside them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.projections.story import PACIFIC, STAFF, Story, pacific

from ledger.aggregates.policy import PolicyAdopted
from ledger.aggregates.staff import CredentialRecorded, EmploymentEnded, SupervisorAssigned, TimeOffRecorded
from ledger.aggregates.supervision import SupervisionEnteredInError, SupervisionHeld, SupervisionMissed
from ledger.projections.policies import in_order, policies
from ledger.projections.staffing import staffing
from ledger.projections.supervision import Grid, GridWeek, grid, supervision
from ledger.projections.utilisation import utilisation

MONDAY = date(2025, 11, 3)
TODAY = date(2025, 12, 1)


def held(story: Story, name: str, minutes: int, started: datetime, mode: str = "individual") -> Story:
    event = SupervisionHeld(
        supervisee_id=STAFF,
        supervisor_id="staff-2",
        mode=mode,
        started_at=started,
        ended_at=started + timedelta(minutes=minutes),
        minutes=minutes,
    )
    return story.happened(name, event, key=STAFF)


def a_grid(story: Story, first: date = MONDAY, last: date = MONDAY, today: date = TODAY) -> Grid:
    return grid(
        story.row(staffing, STAFF),
        story.rows(supervision),
        story.lines(utilisation).values(),
        in_order(story.lines(policies).values()),
        first,
        last,
        zone=PACIFIC,
        today=today,
    )


def week(story: Story, today: date = TODAY) -> GridWeek:
    (one,) = a_grid(story, today=today).weeks
    return one


def registered(story: Story, expires_on: date | None = None) -> Story:
    event = CredentialRecorded(
        credential_id="credential-1",
        credential_kind="asw",
        number="1",
        issued_on=date(2024, 1, 1),
        expires_on=expires_on,
    )
    return story.happened(STAFF, event, key=STAFF)


@pytest.mark.parametrize(
    ("minutes", "value", "above"), [(29, "non", False), (30, "full", False), (60, "full", False), (61, "full", True)]
)
def test_psc_6_thirty_minutes_are_full_and_more_than_an_hour_is_flagged(minutes: int, value: str, above: bool) -> None:
    found = week(held(Story().staff(), "s1", minutes, pacific("2025-11-05")))
    assert (found.adopted, found.rating.above_band, found.individual_minutes) == (value, above, minutes)


def test_psc_6_sessions_of_a_week_add_up_and_group_supervision_does_not_count() -> None:
    story = held(Story().staff(), "s1", 15, pacific("2025-11-03", "08:00"))
    held(story, "s2", 15, pacific("2025-11-09", "23:00"))
    held(story, "s3", 90, pacific("2025-11-06"), "group")
    held(story, "s4", 60, pacific("2025-11-10", "00:00"))
    found = week(story)
    assert (found.individual_minutes, found.group_minutes, found.adopted, found.sessions) == (30, 90, "full", 3)


def test_the_week_of_a_session_is_the_agencys() -> None:
    """Sunday evening in California is Monday in UTC."""
    story = held(Story().staff(), "s1", 30, datetime(2025, 11, 10, 5, 0, tzinfo=UTC))
    assert week(story).individual_minutes == 30


def test_a_session_in_error_counts_for_nothing() -> None:
    story = held(Story().staff(), "s1", 60, pacific("2025-11-05"))
    story.happened("s1", SupervisionEnteredInError(supervisee_id=STAFF, reason="another person"), key=STAFF)
    assert week(story).adopted == "non"


def test_a_missed_session_shows_with_its_reason() -> None:
    event = SupervisionMissed(
        supervisee_id=STAFF, supervisor_id="staff-2", planned_for=date(2025, 11, 5), reason="supervisor ill"
    )
    found = week(Story().staff().happened("s1", event, key=STAFF))
    assert [(one.planned_for, one.reason) for one in found.missed] == [(date(2025, 11, 5), "supervisor ill")]
    assert found.adopted == "non"


@pytest.mark.parametrize(
    ("last_day", "minutes", "value"),
    [
        ("2025-11-07", None, "excused"),
        ("2025-11-06", None, "non"),
        ("2025-11-07", 479, "non"),
        ("2025-11-07", 480, "excused"),
    ],
)
def test_psc_6_only_a_week_wholly_off_is_excused(last_day: str, minutes: int | None, value: str) -> None:
    off = TimeOffRecorded(
        time_off_id="off-1",
        first_day=MONDAY,
        last_day=date.fromisoformat(last_day),
        reason="vacation",
        minutes_per_day=minutes,
    )
    assert week(Story().staff().happened(STAFF, off, key=STAFF)).adopted == value


def test_holidays_and_time_off_together_excuse_the_week() -> None:
    """Thanksgiving week: two agency holidays and three days of PTO."""
    off = TimeOffRecorded(
        time_off_id="off-1", first_day=date(2025, 11, 24), last_day=date(2025, 11, 26), reason="vacation"
    )
    story = Story().staff().happened(STAFF, off, key=STAFF)
    (found,) = a_grid(story, date(2025, 11, 24), date(2025, 11, 28)).weeks
    assert (found.adopted, found.scheduled_days, found.days_off) == ("excused", 5, 5)


def test_without_a_schedule_no_week_is_excused() -> None:
    story = Story().staff()
    story.events = story.events[:1]
    found = week(story)
    assert found.adopted == "non"
    assert "no schedule is recorded" in found.rating.steps[-1]


def test_psc_7_the_registration_stands_beside_and_the_adopted_reading_decides() -> None:
    story = registered(held(Story().staff(), "s1", 45, pacific("2025-11-05")))
    held(story, "s2", 120, pacific("2025-11-06"), "group")
    found = week(story)
    assert found.licence is not None
    assert (found.rating.value, found.licence.met, found.adopted) == ("full", True, "full")
    short = registered(held(Story().staff(), "s1", 45, pacific("2025-11-05")))
    assert (week(short).rating.value, week(short).adopted) == ("full", "non")


def test_psc_7_the_licence_may_stand_in_place_of_the_weekly_standard() -> None:
    story = registered(held(Story().staff(), "s1", 120, pacific("2025-11-06"), "group"))
    before = week(story)
    assert {one.reading: one.value for one in before.readings} == {"both": "non", "licence_instead": "full"}
    assert before.adopted == "non"
    event = PolicyAdopted(
        rule_id="PSC-7",
        reading="licence_instead",
        program=None,
        policy_version="1",
        effective_from=date(2025, 1, 1),
        reason="the licence governs",
    )
    assert week(story.happened("policy-1", event, key="agency")).adopted == "full"


def test_psc_7_ten_hours_of_counselling_ask_for_one_unit_more() -> None:
    story = registered(held(Story().staff(), "s1", 60, pacific("2025-11-05")))
    story.done("c1", "2025-11-03", 600)
    assert week(story).adopted == "full"
    story.done("c2", "2025-11-04", 1)
    assert week(story).adopted == "non"


def test_a_registration_that_ran_out_asks_for_nothing() -> None:
    story = registered(held(Story().staff(), "s1", 45, pacific("2025-11-05")), expires_on=date(2025, 11, 2))
    assert week(story).licence is None
    assert week(story).adopted == "full"


def test_the_week_that_lasts_is_shown_but_not_counted() -> None:
    found = a_grid(Story().staff(), today=date(2025, 11, 9))
    assert not found.weeks[0].over
    assert found.counts == {"full": 0, "non": 0, "excused": 0, "not_rated": 0}
    assert a_grid(Story().staff(), today=date(2025, 11, 10)).counts["non"] == 1


def test_weeks_outside_the_employment_are_left_out_and_the_supervisor_is_named() -> None:
    story = Story().staff(hired_on=date(2025, 11, 5))
    story.happened(STAFF, SupervisorAssigned(supervisor_id="staff-2", effective_from=date(2025, 11, 5)), key=STAFF)
    story.happened(STAFF, EmploymentEnded(last_day=date(2025, 11, 18), reason="moved"), key=STAFF)
    found = a_grid(story, date(2025, 10, 1), date(2025, 12, 31))
    assert [one.week_of.isoformat() for one in found.weeks] == ["2025-11-03", "2025-11-10", "2025-11-17"]
    assert found.supervisor_id == "staff-2"


@pytest.mark.parametrize("program", ["ecm", "css"])
def test_psc_6_rates_nobody_of_another_program(program: str) -> None:
    story = held(Story().staff(program=program), "s1", 20, pacific("2025-11-05", "09:00"))
    found = a_grid(story)
    assert (found.weeks[0].individual_minutes, found.weeks[0].adopted) == (20, "not_rated")
    assert found.counts == {"full": 0, "non": 0, "excused": 0, "not_rated": 1}
    assert f"not rated: PSC-6 is for psc, not for {program}" in found.weeks[0].rating.steps


def test_psc_7_follows_the_registration_in_any_program() -> None:
    story = registered(held(Story().staff(program="ecm"), "s1", 60, pacific("2025-11-05", "09:00")))
    assert week(story).adopted == "not_rated"
    assert week(story).licence is not None


def test_psc_6_overlapping_sessions_count_once() -> None:
    """Two sessions of 20 minutes of which 15 are the same time are 25 minutes, whoever supervised."""
    story = held(Story().staff(), "s1", 20, pacific("2025-11-05", "09:00"))
    held(story, "s2", 20, pacific("2025-11-05", "09:05"))
    found = week(story)
    assert (found.individual_minutes, found.sessions, found.adopted) == (25, 2, "non")
    assert "15 min were recorded in two sessions at a time and count once" in found.rating.steps


def test_psc_6_the_same_session_recorded_three_times_counts_once() -> None:
    story = Story().staff()
    for name in ("s1", "s2", "s3"):
        held(story, name, 15, pacific("2025-11-05", "09:00"))
    assert (week(story).individual_minutes, week(story).adopted) == (15, "non")


def test_psc_7_time_shared_with_a_group_is_group_supervision() -> None:
    story = registered(held(Story().staff(), "s1", 60, pacific("2025-11-05", "09:00")))
    held(story, "s2", 120, pacific("2025-11-05", "09:30"), "group")
    found = week(story)
    assert (found.individual_minutes, found.group_minutes) == (30, 120)
    assert found.licence is not None
    assert found.licence.units_had == 1


def test_sessions_that_touch_do_not_overlap() -> None:
    story = held(Story().staff(), "s1", 15, pacific("2025-11-05", "09:00"))
    held(story, "s2", 15, pacific("2025-11-05", "09:15"))
    assert (week(story).individual_minutes, week(story).adopted) == (30, "full")
