"""The Service Utilization Summary (PSC-1 to PSC-5): what counts, the target, every reading, and restated reviews."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.projections.story import STAFF, Story

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError
from ledger.aggregates.note_events import NoteEnteredInError
from ledger.aggregates.policy import PolicyAdopted
from ledger.aggregates.staff import EmploymentEnded, ScheduleSet, TimeOffCancelled, TimeOffRecorded
from ledger.aggregates.utilisation_review import UtilisationReviewed
from ledger.projections.policies import in_order, policies
from ledger.projections.staffing import StaffMember, staffing
from ledger.projections.utilisation import UtilisedService, utilisation, utilisation_reviews
from ledger.projections.utilisation_summary import Summary, month_summary, week_summary
from ledger.projections.utilisation_target import Verdict

FIRST, LAST = date(2025, 11, 1), date(2025, 11, 30)
DAY = "2025-11-03"


def counted(story: Story, contact: str = "c1") -> UtilisedService:
    row: UtilisedService = story.row(utilisation, contact)
    return row


def summary(story: Story, first: date = FIRST, last: date = LAST) -> Summary:
    member: StaffMember = story.row(staffing, STAFF)
    return month_summary(
        member,
        list(story.lines(utilisation).values()),
        in_order(story.lines(policies).values()),
        story.lines(utilisation_reviews).values(),
        first,
        last,
    )


def under(found: Summary, measure: str, ramp: str, floor: str) -> Verdict:
    (one,) = [v for v in found.readings if (v.measure, v.ramp_reading, v.floor_reading) == (measure, ramp, floor)]
    return one


def adopt(story: Story, rule: str, reading: str, program: str | None = None) -> Story:
    event = PolicyAdopted(
        rule_id=rule,
        reading=reading,
        program=program,
        policy_version="1",
        effective_from=date(2025, 1, 1),
        reason="the board decided",
    )
    return story.happened(f"policy-{rule}", event, key="agency")


def away(first: str, last: str, minutes: int | None = None, name: str = "off-1") -> TimeOffRecorded:
    return TimeOffRecorded(
        time_off_id=name,
        first_day=date.fromisoformat(first),
        last_day=date.fromisoformat(last),
        reason="vacation",
        minutes_per_day=minutes,
    )


def days_of_work(story: Story, days: int, minutes: int) -> Story:
    """The same minutes on each of the month's first days, weekends included, each with its signed note."""
    for n in range(days):
        story.done(f"w{n}", (FIRST + timedelta(days=n)).isoformat(), minutes)
    return story


def test_psc_1_what_counts_is_signed_billable_and_not_in_error() -> None:
    assert counted(Story().done("c1", DAY, 60)).counted
    assert not counted(Story().service("c1", DAY, 60).drafted("c1")).counted
    assert not counted(Story().done("c1", DAY, 60, contact_kind="team", service_code=None)).counted
    wrong = Story().done("c1", DAY, 60).happened("c1", ContactEnteredInError(client_id="client-1", reason="twice"))
    assert not counted(wrong).counted
    retracted = Story().done("c1", DAY, 60)
    retracted.happened("note-of-c1", NoteEnteredInError(client_id="client-1", contact_id="c1", reason="wrong"))
    assert not counted(retracted).counted
    assert counted(retracted.drafted("c1", "n2").signed("c1", "n2")).counted


def test_a_correction_moves_the_minutes_and_the_day() -> None:
    story = Story().done("c1", DAY, 60)
    row = counted(story.happened("c1", ContactCorrected(client_id="client-1", reason="less", direct_minutes=40)))
    assert (row.direct_minutes, row.units, row.service_day) == (40, 3, DAY)


def test_no_row_names_a_client() -> None:
    row = counted(Story().done("c1", DAY, 60))
    assert not [name for name in row.__struct_fields__ if "client" in name]
    assert "client-1" not in str(row)


def test_psc_1_minutes_by_day_week_and_month_beside_the_target() -> None:
    story = Story().staff().done("c1", DAY, 60).done("c2", DAY, 30, "13:00").done("c3", "2025-11-10", 50)
    story.done("c4", "2025-10-31", 45).done("c5", "2025-12-01", 45)
    found = summary(story)
    assert found.billable_minutes == 140
    assert found.by_day == {DAY: 90, "2025-11-10": 50}
    weeks = {week.week_of.isoformat(): week for week in found.weeks}
    assert list(weeks) == ["2025-10-27", "2025-11-03", "2025-11-10", "2025-11-17", "2025-11-24"]
    assert [weeks[day].billable_minutes for day in weeks] == [45, 90, 50, 0, 0]
    # Veterans Day, Thanksgiving and the day after are closed: 17 of 20 workdays.
    assert found.adopted.days_worked == 17
    assert found.adopted.target_minutes == 17 * 315
    assert weeks["2025-11-10"].target_minutes == 4 * 315


def test_psc_4_the_days_worked_go_by_the_calendar_that_was_adopted() -> None:
    story = adopt(Story().staff().client(), "CALENDAR", "us-ca-agency-open-black-friday", "psc")
    assert summary(story).adopted.days_worked == summary(Story().staff().client()).adopted.days_worked + 1


@pytest.mark.parametrize("program", ["ecm", "css"])
def test_psc_1_to_5_rate_nobody_of_another_program(program: str) -> None:
    story = Story().staff(program=program).done("c1", DAY, 60)
    found = summary(story)
    assert (found.billable_minutes, found.adopted.value, found.adopted.target_minutes) == (60, "not_rated", 0)
    assert found.readings == (found.adopted,)
    words = f"not rated: PSC-1 to PSC-5 are for psc, not for {program}"
    assert words in found.adopted.steps
    assert all(week.target_minutes == 0 and words in week.steps for week in found.weeks)


def test_psc_3_a_billed_unit_is_the_minutes_that_its_code_counts_by() -> None:
    """A session of 90837 is one unit of 60 minutes, one of 90834 of 45; a unit of T1017 is 15."""
    for code, minutes, units, billed in (("90837", 55, 1, 60), ("90834", 45, 1, 45), ("T1017", 55, 4, 60)):
        story = Story().staff().done("c1", DAY, minutes, service_code=code)
        found = summary(story)
        assert (found.units, found.billable_minutes) == (units, minutes)
        assert under(found, "billed_units", "calendar_months", "lesser_of_band_and_days").billable_minutes == billed


def test_psc_2_a_new_hire_is_asked_for_half_and_the_readings_differ() -> None:
    story = Story().staff(hired_on=date(2025, 10, 20))
    found = summary(story)
    calendar = under(found, "direct_minutes", "calendar_months", "lesser_of_band_and_days")
    spans = under(found, "direct_minutes", "thirty_day_spans", "lesser_of_band_and_days")
    assert calendar.target_minutes == 0.75 * 17 * 315
    # Days 1 to 30 end on 18 November: 11 workdays of the month at 50 %, then 6 at 75 %.
    assert spans.target_minutes == pytest.approx((0.50 * 11 + 0.75 * 6) * 315)
    assert calendar.adopted
    assert not spans.adopted


def test_psc_3_the_floor_of_the_band_is_full_and_a_minute_less_is_not() -> None:
    july = (date(2025, 7, 1), date(2025, 7, 31))
    for minutes, value in ((5985, "full"), (5984, "non")):
        story = Story().staff()
        for n in range(20):
            last = minutes - 19 * 299 if n == 19 else 299
            story.done(f"c{n}", (july[0] + timedelta(days=n)).isoformat(), last)
        found = summary(story, *july)
        assert found.billable_minutes == minutes
        assert found.adopted.days_worked == 22
        assert found.adopted.value == value


def test_psc_3_above_the_band_is_full_and_flagged() -> None:
    found = summary(days_of_work(Story().staff(), 22, 316))
    assert (found.adopted.value, found.adopted.above_band) == ("full", True)
    assert not summary(days_of_work(Story().staff(), 22, 315)).adopted.above_band


def test_psc_4_time_off_whole_and_in_part_and_holidays_are_not_worked() -> None:
    story = Story().staff().happened(STAFF, away("2025-11-03", "2025-11-04"), key=STAFF)
    story.happened(STAFF, away("2025-11-05", "2025-11-05", 120, "off-2"), key=STAFF)
    assert summary(story).adopted.days_worked == 17 - 2.25
    story.happened(STAFF, TimeOffCancelled(time_off_id="off-1", reason="worked"), key=STAFF)
    assert summary(story).adopted.days_worked == 17 - 0.25


def test_psc_4_a_part_day_inside_a_whole_one_is_not_counted_twice() -> None:
    story = Story().staff().happened(STAFF, away("2025-11-03", "2025-11-04"), key=STAFF)
    story.happened(STAFF, away("2025-11-04", "2025-11-05", 240, "off-2"), key=STAFF)
    assert summary(story).adopted.days_worked == 17 - 2.5


def test_psc_4_the_two_readings_of_the_floor_stand_beside_each_other() -> None:
    story = Story().staff().happened(STAFF, away("2025-11-03", "2025-11-09"), key=STAFF)
    found = summary(story)
    lesser = under(found, "direct_minutes", "calendar_months", "lesser_of_band_and_days")
    prorated = under(found, "direct_minutes", "calendar_months", "prorated_band")
    assert lesser.floor_minutes == 12 * 315
    assert prorated.floor_minutes == pytest.approx(5985 * 12 / 20)


def test_the_adopted_readings_come_first_and_say_who_adopted_them() -> None:
    story = adopt(
        adopt(adopt(Story().staff(), "PSC-4", "prorated_band"), "PSC-3", "billed_units"), "PSC-2", "thirty_day_spans"
    )
    found = summary(story.done("c1", DAY, 50))
    first = found.readings[0]
    assert (first.measure, first.ramp_reading, first.floor_reading) == (
        "billed_units",
        "thirty_day_spans",
        "prorated_band",
    )
    assert [one.adopted for one in found.readings] == [True, *[False] * 7]
    # 50 minutes are 3 units of a quarter of an hour.
    assert found.billable_minutes == 45
    assert all("adopted PSC-" in words for words in found.adoptions)
    elsewhere = adopt(Story().staff(), "PSC-4", "prorated_band", program="ecm")
    assert summary(elsewhere).adopted.floor_reading == "lesser_of_band_and_days"


def test_a_month_without_a_day_worked_is_not_rated_and_says_why() -> None:
    story = Story().staff().happened(STAFF, away("2025-11-01", "2025-11-30"), key=STAFF)
    assert summary(story).adopted.value == "not_rated"
    unscheduled = Story().staff()
    unscheduled.events = unscheduled.events[:1]
    found = summary(unscheduled).adopted
    assert found.value == "not_rated"
    assert "no schedule is recorded" in found.steps[0]


def test_a_changed_schedule_and_a_last_day_are_kept_to() -> None:
    story = Story().staff()
    half = ScheduleSet(effective_from=date(2025, 11, 17), minutes=(480, 480, 0, 0, 0, 0, 0))
    assert summary(story.happened(STAFF, half, key=STAFF)).adopted.days_worked == 9 + 4
    left = EmploymentEnded(last_day=date(2025, 11, 7), reason="moved")
    assert summary(story.happened(STAFF, left, key=STAFF)).adopted.days_worked == 5


def test_unsigned_services_wait_beside_what_counts() -> None:
    found = summary(Story().staff().done("c1", DAY, 60).service("c2", DAY, 30, "13:00").drafted("c2"))
    assert (found.billable_minutes, found.waiting_services, found.waiting_minutes) == (60, 1, 30)


def reviewed(story: Story, minutes: int, target: int, first: date = FIRST, last: date = LAST) -> Story:
    event = UtilisationReviewed(
        staff_id=STAFF,
        first_day=first,
        last_day=last,
        billable_minutes=minutes,
        target_minutes=target,
        rating="non",
        position=len(story.events),
        reviewed_by="staff-2",
    )
    return story.happened("review-1", event, key=STAFF)


def test_psc_5_a_late_entry_after_the_review_is_a_restated_difference() -> None:
    story = reviewed(Story().staff().done("c1", DAY, 60).service("c2", DAY, 30, "13:00").drafted("c2"), 60, 5355)
    (same,) = summary(story).restated
    assert (same.changed, same.difference_minutes, same.late_entries) == (False, 0, ())
    (late,) = summary(story.signed("c2")).restated
    assert late.review.billable_minutes == 60
    assert (late.billable_minutes_now, late.difference_minutes, late.changed) == (90, 30, True)
    assert [(one.service_day, one.direct_minutes, one.counted) for one in late.late_entries] == [(DAY, 30, True)]


def test_psc_5_time_off_after_the_review_restates_the_target() -> None:
    story = reviewed(Story().staff().done("c1", DAY, 60), 60, 5355)
    story.happened(STAFF, away("2025-11-03", "2025-11-03"), key=STAFF)
    (restated,) = summary(story).restated
    assert (restated.review.target_minutes, restated.target_minutes_now) == (5355, 5040)
    assert restated.changed


def test_psc_5_a_week_has_its_own_review() -> None:
    story = reviewed(Story().staff().done("c1", DAY, 60), 60, 1575, date(2025, 11, 3), date(2025, 11, 9))
    story.done("c2", DAY, 30, "13:00")
    assert summary(story).restated == ()
    member: StaffMember = story.row(staffing, STAFF)
    lines = list(story.lines(utilisation).values())
    found = week_summary(member, lines, (), story.lines(utilisation_reviews).values(), date(2025, 11, 3))
    assert found.week.billable_minutes == 90
    assert found.week.target_minutes == 1575
    assert found.restated[0].difference_minutes == 30
