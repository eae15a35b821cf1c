"""The deadline rules against the slow oracle, for arbitrary times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.policies import oracle

from ledger.policies.calendar import calendar
from ledger.policies.deadline_rules import rule_book
from ledger.policies.deadlines import deadline, in_zone, limit_of
from ledger.policies.timeliness import rate

INSTANTS = st.datetimes(datetime(2024, 1, 2), datetime(2028, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
LIMITS = st.sampled_from(sorted(oracle.LIMITS))
CALENDARS = st.sampled_from(sorted(oracle.CLOSED))
SPRING = datetime(2026, 3, 8, 9, 59, tzinfo=UTC)
AUTUMN = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)


@settings(deadline=None, max_examples=150)
@given(limit=LIMITS, days=CALENDARS, started=INSTANTS, told_in=st.integers(-12, 12))
@example(limit=("PSC-13", "72-elapsed-hours"), days="us-ca-agency", started=SPRING, told_in=-8)
@example(limit=("PSC-13", "72-elapsed-hours"), days="us-ca-agency", started=AUTUMN, told_in=-7)
@example(limit=("CSS-7", "next-business-day"), days="us-mo-agency", started=AUTUMN, told_in=0)
def test_any_deadline_is_the_oracles(limit: tuple[str, str], days: str, started: datetime, told_in: int) -> None:
    zone = calendar(days).zone
    answer = deadline(*limit, started.astimezone(timezone(timedelta(hours=told_in))), calendar=days)
    expected = oracle.last_instant(oracle.LIMITS[limit], started, zone, days)
    assert answer.due.astimezone(UTC) == expected
    assert answer.due.utcoffset() == oracle.offset(zone, expected)
    assert answer.met_by(expected)
    assert not answer.met_by(expected + oracle.MICROSECOND)

    what, amount = oracle.LIMITS[limit]
    counted = [step for step in answer.steps if step.counted]
    if what == "hours":
        assert sum((step.elapsed or timedelta() for step in counted), timedelta()) == timedelta(hours=amount)
    else:
        assert len(counted) == amount
        assert answer.steps[-1].day == answer.last_day == oracle.local_date(zone, expected)
        for step in answer.steps:
            assert step.counted == (what == "days" or oracle.is_open(days, step.day))


@settings(deadline=None, max_examples=60)
@given(started=INSTANTS, after=st.timedeltas(timedelta(), timedelta(days=9)))
def test_any_note_is_rated_as_the_oracle_rates_it(started: datetime, after: timedelta) -> None:
    signed = started + after
    verdicts = rate("progress_note", "psc", started, signed, as_at=signed)
    last = {
        (rule, reading): oracle.last_instant(limit, started, "America/Los_Angeles", "us-ca-agency")
        for (rule, reading), limit in oracle.LIMITS.items()
        if rule in ("PSC-13", "PSC-14-full", "PSC-14-partial", "BHIN-23-068-routine")
    }
    assert len(verdicts.verdicts) == 3 + 1 + 6
    for verdict in verdicts.verdicts:
        if verdict.rule_id == "PSC-14":
            full, partial = verdict.reading.split("+")
            expected = oracle.psc_14(last["PSC-14-full", full], last["PSC-14-partial", partial], signed)
        else:
            expected = "on_time" if signed <= last[verdict.rule_id, verdict.reading] else "late"
        assert verdict.outcome == expected, verdict.reading


@settings(deadline=None, max_examples=150)
@given(limit=LIMITS, days=CALENDARS, started=INSTANTS)
@example(limit=("PSC-13", "72-elapsed-hours"), days="us-ca-agency", started=SPRING)
@example(limit=("PSC-13", "72-elapsed-hours"), days="us-ca-agency", started=AUTUMN)
def test_a_limit_of_the_day_ends_when_the_deadline_does(limit: tuple[str, str], days: str, started: datetime) -> None:
    """What rows are worked out with, once for all services of a day, is the oracle's too."""
    at = calendar(days)
    day = in_zone(started, at.zone).date()
    found = limit_of(*limit, day, at, rule_book())
    assert found.due(started) == oracle.last_instant(oracle.LIMITS[limit], started, at.zone, days)
    told = deadline(*limit, started, calendar=days)
    assert (found.told(found.due(started)), found.policy_version) == (told.due.isoformat(), told.policy_version)
