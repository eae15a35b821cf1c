"""Every deadline rule against its worked cases, the slow oracle against the same cases, and a sample typed by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from tests.policies import oracle
from tests.policies.deadline_cases import Case, deadline_cases

from ledger.policies.calendar import calendar
from ledger.policies.deadline_rules import rule_book
from ledger.policies.deadlines import deadline, readings

FILES = deadline_cases()
CASES = [(rule, case) for rule, file in FILES.items() for case in file.cases]


@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{rule}: {case.why}" for rule, case in CASES])
def test_every_reading_of_a_case(rule: str, case: Case) -> None:
    assert set(case.due) == {reading.id for reading in readings(rule)}
    for reading, due in case.due.items():
        answer = deadline(rule, reading, case.started, calendar=case.calendar)
        assert answer.due.astimezone(UTC) == due.astimezone(UTC), reading
        # The offset counts too: a person reads the wall clock of the agency's zone.
        assert answer.due.isoformat() == due.isoformat(), reading


@pytest.mark.parametrize("rule", [rule.id for rule in rule_book().rules])
def test_every_rule_has_at_least_25_cases(rule: str) -> None:
    starts = {(case.calendar, case.started, case.started.utcoffset()) for case in FILES[rule].cases}
    assert len(starts) >= 25


@pytest.mark.parametrize("rule", FILES)
def test_the_cases_cover_the_hard_days(rule: str) -> None:
    zone = calendar(FILES[rule].cases[0].calendar).zone
    starts = [case.started.astimezone(UTC) for case in FILES[rule].cases]
    days = {oracle.local_date(zone, start) for start in starts}
    assert {date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 27)} <= days  # around Thanksgiving
    assert {date(2026, 3, 8), date(2026, 11, 1)} <= days  # both changes of daylight saving
    assert {date(2028, 2, 29), date(2026, 12, 31), date(2026, 4, 30)} <= days  # leap day, year end, month end
    assert any(day.isoweekday() > 5 for day in days)


@pytest.mark.parametrize("rule", FILES)
def test_the_oracle_says_what_the_cases_say(rule: str) -> None:
    for case in FILES[rule].cases[::3]:
        for reading, due in case.due.items():
            zone = calendar(case.calendar).zone
            said = oracle.last_instant(oracle.LIMITS[rule, reading], case.started, zone, case.calendar)
            assert said == due.astimezone(UTC), (case.why, reading)


# Worked on paper with a wall calendar; neither the code nor the oracle was asked.
BY_HAND = [
    ("PSC-13", "72-elapsed-hours", "us-ca-agency", "2026-11-20T15:00-08:00", "2026-11-23T15:00:00-08:00"),
    ("PSC-13", "3-business-days", "us-ca-agency", "2026-11-20T15:00-08:00", "2026-11-25T23:59:59.999999-08:00"),
    (
        "PSC-13-extension",
        "5-business-days",
        "us-ca-agency",
        "2026-11-20T15:00-08:00",
        "2026-12-01T23:59:59.999999-08:00",
    ),
    (
        "PSC-13-extension",
        "5-business-days",
        "us-ca-agency-open-black-friday",
        "2026-11-20T15:00-08:00",
        "2026-11-30T23:59:59.999999-08:00",
    ),
    (
        "BHIN-23-068-crisis",
        "1-calendar-day",
        "us-ca-agency",
        "2026-11-20T15:00-08:00",
        "2026-11-21T23:59:59.999999-08:00",
    ),
    ("PSC-13", "72-elapsed-hours", "us-ca-agency", "2026-03-06T12:30-08:00", "2026-03-09T13:30:00-07:00"),
    ("PSC-13", "72-elapsed-hours", "us-ca-agency", "2026-03-05T02:30-08:00", "2026-03-08T03:30:00-07:00"),
    ("PSC-13", "72-elapsed-hours", "us-ca-agency", "2026-10-30T09:00-07:00", "2026-11-02T08:00:00-08:00"),
    ("PSC-13", "72-elapsed-hours", "us-ca-agency", "2026-10-29T02:15-07:00", "2026-11-01T01:15:00-08:00"),
    ("PSC-13", "3-calendar-days", "us-ca-agency", "2028-02-26T12:00-08:00", "2028-02-29T23:59:59.999999-08:00"),
    (
        "BHIN-23-068-routine",
        "3-business-days",
        "us-ca-agency",
        "2024-03-29T16:40-07:00",
        "2024-04-04T23:59:59.999999-07:00",
    ),
    ("PSC-13", "3-business-days", "us-ca-agency", "2028-11-09T10:00-08:00", "2028-11-15T23:59:59.999999-08:00"),
    ("CSS-7", "next-business-day", "us-mo-agency", "2027-12-30T20:45-06:00", "2028-01-03T23:59:59.999999-06:00"),
    ("CSS-7", "next-business-day", "us-mo-agency", "2026-11-26T18:00-06:00", "2026-11-27T23:59:59.999999-06:00"),
    ("CSS-10", "10-business-days", "us-mo-agency", "2026-10-30T11:00-05:00", "2026-11-16T23:59:59.999999-06:00"),
    ("CSS-10", "10-calendar-days", "us-mo-agency", "2028-02-28T12:00-06:00", "2028-03-09T23:59:59.999999-06:00"),
    ("CSS-3", "5-business-days", "us-mo-agency", "2026-06-18T10:00-05:00", "2026-06-26T23:59:59.999999-05:00"),
]


@pytest.mark.parametrize(("rule", "reading", "days", "started", "due"), BY_HAND)
def test_the_sample_worked_by_hand(rule: str, reading: str, days: str, started: str, due: str) -> None:
    assert deadline(rule, reading, datetime.fromisoformat(started), calendar=days).due.isoformat() == due
