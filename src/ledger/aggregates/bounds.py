"""Dates and lengths that can only be slips: checked against the bounds of ``policies/data/bounds.toml``, for commands.

Each check notes its reasons with the field and the mend. What is recorded is never measured by them again.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from ledger.aggregates.base import Given
from ledger.aggregates.days import day_of, today
from ledger.errors import Reasons
from ledger.policies.bounds import bound, years_before


def check_not_ancient(reasons: Reasons, given: Given, field: str, day: date) -> None:
    """Nothing of a record like this began before its first year."""
    first = bound("first-year", today(given))
    reasons.unless(
        day.year >= first, field, f"{day} is before {first}, where no record here begins", "check the year", "too-early"
    )


def check_hired_on(reasons: Reasons, given: Given, day: date) -> None:
    """Somebody may be registered before their first day, and not years ahead (PSC-2)."""
    check_not_ancient(reasons, given, "hired_on", day)
    last = today(given) + timedelta(days=bound("hire-days-ahead", today(given)))
    reasons.unless(
        day <= last, "hired_on", f"{day} is too far ahead: {last} at the latest", "check the year", "too-late"
    )


def check_credential_dates(reasons: Reasons, given: Given, issued_on: date, expires_on: date | None) -> None:
    """A renewal may be recorded before its first day; no credential runs for ever (PSC-23)."""
    now = today(given)
    check_not_ancient(reasons, given, "issued_on", issued_on)
    begins = now + timedelta(days=bound("credential-days-ahead", now))
    reasons.unless(
        issued_on <= begins,
        "issued_on",
        f"{issued_on} is too far ahead: {begins} at the latest",
        "check the year, or record it when it has been issued",
        "too-late",
    )
    years = bound("credential-expiry-years", now)
    reasons.unless(
        expires_on is None or years_before(expires_on, years) <= max(now, issued_on),
        "expires_on",
        f"{expires_on} is more than {years} years ahead",
        "check the year, or leave it out if the credential has no end",
        "too-late",
    )


def check_age(reasons: Reasons, given: Given, born_on: date) -> None:
    """Nobody is older than people become on the day that the registration is said to have happened."""
    day = day_of(given, given.occurred_at)
    years = bound("age-years", day)
    reasons.unless(
        born_on >= years_before(day, years),
        "birth_date",
        f"somebody born on {born_on} would be more than {years} years old on {day}",
        "check the year",
        "too-early",
    )


def check_session_length(reasons: Reasons, started_at: datetime, ended_at: datetime, day: date) -> None:
    """A session of supervision is no longer than a working day (PSC-6, PSC-7)."""
    longest = bound("session-minutes", day)
    span = int((ended_at - started_at).total_seconds() // 60)
    reasons.unless(
        span <= longest,
        "ended_at",
        f"a session of {span:,} minutes is longer than {longest} minutes",
        "check both times; record each day's session on its own",
        "too-long",
    )
