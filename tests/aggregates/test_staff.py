"""A staff member: registered, credentialed, scheduled, away, supervised, gone (PSC-2, PSC-4, PSC-6, PSC-23)."""

from __future__ import annotations

from datetime import date

import msgspec
from tests.notation import given
from tests.sample import ANN, BOB, CLINICIAN, COLLEAGUE, ENDED, NOBODY, SUE, SUPERVISOR, ident

from ledger.aggregates.staff import (
    AssignSupervisor,
    CancelTimeOff,
    CredentialRecorded,
    EmploymentEnded,
    EndEmployment,
    PersonName,
    RecordCredential,
    RecordTimeOff,
    RegisterStaff,
    ScheduleSet,
    SetSchedule,
    Staff,
    StaffRegistered,
    SupervisorAssigned,
    TimeOffCancelled,
    TimeOffRecorded,
)

BY = "system:setup"
NAME = PersonName(family="Sample", given="Ann")
AWAY, LICENCE = ident("away"), ident("licence")
ON_LEAVE = CLINICIAN.and_then(
    TimeOffRecorded(time_off_id=AWAY, first_day=date(2026, 1, 5), last_day=date(2026, 1, 7), reason="pto")
)


def test_a_staff_member_is_registered_with_roles() -> None:
    command = RegisterStaff(staff_id=ANN, name=NAME, roles=("clinician",), programs=("psc",), hired_on=date(2024, 1, 1))
    given().when(command, by=BY).then(
        StaffRegistered(name=NAME, roles=("clinician",), programs=("psc",), hired_on=date(2024, 1, 1))
    )
    wrong = msgspec.structs.replace(command, roles=("boss", "king"))
    given().when(wrong, by=BY).then_refused("roles", "'boss' is not a role", ("roles", "'king' is not a role"))
    given().when(msgspec.structs.replace(command, roles=()), by=BY).then_refused("roles", "at least one role")


def test_psc_23_a_credential_is_recorded_with_its_dates() -> None:
    command = RecordCredential(
        staff_id=ANN, credential_id=LICENCE, credential_kind="asw", number="2", issued_on=date(2025, 1, 1)
    )
    recorded = CredentialRecorded(credential_id=LICENCE, credential_kind="asw", number="2", issued_on=date(2025, 1, 1))
    given(CLINICIAN).when(command, by=BY).then(recorded)
    wrong = msgspec.structs.replace(command, credential_kind="wizard", expires_on=date(2024, 12, 31))
    given(CLINICIAN.and_then(recorded)).when(wrong, by=BY).then_refused(
        "credential_kind",
        "'wizard' is not a credential kind",
        ("expires_on", "expires before it was issued"),
        ("credential_id", "recorded already"),
    )


def test_psc_4_the_weekly_schedule_is_set_from_a_day_on() -> None:
    week = (480, 480, 480, 480, 480, 0, 0)
    given(CLINICIAN).when(SetSchedule(staff_id=ANN, effective_from=date(2026, 1, 5), minutes=week), by=BY).then(
        ScheduleSet(effective_from=date(2026, 1, 5), minutes=week)
    )
    too_much = SetSchedule(staff_id=ANN, effective_from=date(2026, 1, 5), minutes=(1441, -1, 0, 0, 0, 0, 0))
    given(CLINICIAN).when(too_much, by=BY).then_refused("minutes", "a day has 0 to 1440 minutes")


def test_psc_4_days_away_are_recorded_whole_or_in_part() -> None:
    command = RecordTimeOff(
        staff_id=ANN, time_off_id=AWAY, first_day=date(2026, 1, 5), last_day=date(2026, 1, 7), reason="pto"
    )
    given(CLINICIAN).when(command, by=BY).then(*ON_LEAVE.events[2:])
    backwards = msgspec.structs.replace(command, first_day=date(2026, 1, 9), last_day=date(2026, 1, 8))
    given(ON_LEAVE).when(backwards, by=BY).then_refused(
        "last_day", "the last day is before the first", ("time_off_id", "recorded already")
    )


def test_psc_4_no_day_is_away_twice() -> None:
    whole = RecordTimeOff(
        staff_id=ANN, time_off_id=ident("b"), first_day=date(2026, 1, 7), last_day=date(2026, 1, 9), reason="pto"
    )
    part = msgspec.structs.replace(whole, minutes_per_day=120)
    given(ON_LEAVE).when(whole, by=BY).then_refused("first_day", "overlap time off already recorded")
    given(ON_LEAVE).when(part, by=BY).then_refused("first_day", "overlap time off already recorded")
    morning = CLINICIAN.and_then(
        TimeOffRecorded(
            time_off_id=AWAY,
            first_day=date(2026, 1, 7),
            last_day=date(2026, 1, 7),
            reason="dentist",
            minutes_per_day=120,
        )
    )
    given(morning).when(part, by=BY).then_a(TimeOffRecorded, minutes_per_day=120)
    given(morning).when(whole, by=BY).then_refused("first_day", "overlap time off already recorded")


def test_time_off_that_was_not_taken_is_cancelled() -> None:
    command = CancelTimeOff(staff_id=ANN, time_off_id=AWAY, reason="ill wind")
    given(ON_LEAVE).when(command, by=BY).then(TimeOffCancelled(time_off_id=AWAY, reason="ill wind"))
    given(CLINICIAN).when(command, by=BY).then_refused("time_off_id", "no such time off")


def test_psc_6_a_supervisor_is_named_from_a_day_on() -> None:
    command = AssignSupervisor(staff_id=ANN, supervisor_id=SUE, effective_from=date(2026, 1, 5))
    given(CLINICIAN, SUPERVISOR).when(command, by=BY).then(
        SupervisorAssigned(supervisor_id=SUE, effective_from=date(2026, 1, 5))
    )
    given(CLINICIAN).when(msgspec.structs.replace(command, supervisor_id=ANN), by=BY).then_refused(
        "supervisor_id", "nobody supervises themselves", ("supervisor_id", "does not have the role supervisor")
    )
    given(CLINICIAN, COLLEAGUE).when(msgspec.structs.replace(command, supervisor_id=BOB), by=BY).then_refused(
        "supervisor_id", "Bob Sample does not have the role supervisor"
    )
    given(CLINICIAN).when(msgspec.structs.replace(command, supervisor_id=NOBODY), by=BY).then_refused(
        "supervisor_id", "no such staff member"
    )


def test_the_supervisor_of_a_day_is_the_one_whose_assignment_had_begun() -> None:
    ann = Staff(ANN)
    assert ann.supervisor_on(date(2026, 1, 1)) is None
    for supervisor, since in ((SUE, date(2026, 1, 1)), (BOB, date(2026, 3, 1)), (NOBODY, date(2025, 12, 1))):
        ann.replay(SupervisorAssigned(supervisor_id=supervisor, effective_from=since), ENDED)
    assert [ann.supervisor_on(day) for day in (date(2025, 12, 31), date(2026, 2, 28), date(2026, 3, 1))] == [
        NOBODY,
        SUE,
        BOB,
    ]


def test_employment_ends_once_and_not_before_it_began() -> None:
    command = EndEmployment(staff_id=ANN, last_day=date(2026, 1, 31), reason="moved")
    ended = EmploymentEnded(last_day=date(2026, 1, 31), reason="moved")
    given(CLINICIAN).when(command, by=BY).then(ended)
    given(CLINICIAN.and_then(ended)).when(
        EndEmployment(staff_id=ANN, last_day=date(2023, 1, 1), reason="moved"), by=BY
    ).then_refused("last_day", "recorded already: 2026-01-31", ("last_day", "it is before the hire date 2024-01-01"))
