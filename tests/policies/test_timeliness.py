"""Verdicts on notes: PSC-14's rating, on time or late, pending or overdue, and what a request for more time does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.policies import oracle
from tests.policies.deadline_cases import RatingCase, rating_cases

from ledger.policies.deadline_rules import RuleError, rule_book
from ledger.policies.timeliness import Extension, Verdict, Verdicts, rate

FRIDAY = datetime.fromisoformat("2026-11-20T15:00-08:00")
LATER = datetime.fromisoformat("2026-12-31T00:00-08:00")
RATINGS = rating_cases()


class ExtensionCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One request for more time and its outcome; see the head of the file."""

    why: str
    as_at: datetime
    policy: str
    state: str
    rating: str
    requested: datetime | None = None
    decided: datetime | None = None
    granted: bool | None = None
    signed: datetime | None = None
    extension: str | None = None
    requested_late: bool = False


class ExtensionCases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them."""

    cases: tuple[ExtensionCase, ...]


EXTENSIONS = msgspec.toml.decode(
    (Path(__file__).parent / "cases" / "extensions.toml").read_bytes(), type=ExtensionCases
).cases


def chosen(verdicts: Verdicts, rule_id: str) -> Verdict:
    """The verdict under the adopted or default reading."""
    verdict = verdicts.adopted(rule_id)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize("case", RATINGS.cases, ids=[case.why for case in RATINGS.cases])
def test_psc_14_under_every_reading(case: RatingCase) -> None:
    verdicts = rate("progress_note", "psc", case.started, case.signed, as_at=case.signed)
    found = {v.reading: v.outcome for v in verdicts.verdicts if v.rule_id == "PSC-14"}
    assert found == dict(zip(RATINGS.readings, case.outcomes, strict=True))


def test_psc_14_has_at_least_25_cases_of_all_kinds() -> None:
    assert len({(case.started, case.signed) for case in RATINGS.cases}) >= 25
    assert len({case.started for case in RATINGS.cases}) >= 25
    for at, reading in enumerate(RATINGS.readings):
        assert {case.outcomes[at] for case in RATINGS.cases} == {"full", "partial", "non"}, reading
    assert set(RATINGS.readings) == {reading.id for reading in rule_book().rating("PSC-14").readings}
    assert any(len(set(case.outcomes)) == 3 for case in RATINGS.cases)  # one note, three different ratings


def test_the_oracle_says_what_the_rating_cases_say() -> None:
    for case in RATINGS.cases[::6]:
        for reading, outcome in zip(RATINGS.readings, case.outcomes, strict=True):
            full, partial = (
                oracle.last_instant(oracle.LIMITS[limit], case.started, "America/Los_Angeles", "us-ca-agency")
                for limit in zip(("PSC-14-full", "PSC-14-partial"), reading.split("+"), strict=True)
            )
            assert oracle.psc_14(full, partial, case.signed.astimezone(UTC)) == outcome, (case.why, reading)


@pytest.mark.parametrize("case", EXTENSIONS, ids=[case.why for case in EXTENSIONS])
def test_more_time(case: ExtensionCase) -> None:
    asked = None
    if case.requested is not None:
        asked = Extension(requested_at=case.requested, decided_at=case.decided, granted=case.granted)
    verdicts = rate("progress_note", "psc", FRIDAY, case.signed, extension=asked, as_at=case.as_at)
    policy = chosen(verdicts, "PSC-13")
    assert (policy.outcome, policy.extension, policy.requested_late) == (
        case.policy,
        case.extension,
        case.requested_late,
    )
    assert chosen(verdicts, "BHIN-23-068-routine").outcome == case.state
    assert chosen(verdicts, "PSC-14").outcome == case.rating
    assert ("marked late" in " ".join(policy.reasons)) == case.requested_late
    # With more time there is a verdict for each pair of readings, and still exactly one that counts.
    pairs = [(v.reading, v.extension_reading) for v in verdicts.verdicts if v.rule_id == "PSC-13"]
    assert len(pairs) == len(set(pairs)) == (6 if case.extension == "granted" else 3)
    assert sum(v.adopted for v in verdicts.verdicts if v.rule_id == "PSC-13") == 1


def test_an_extension_is_judged_under_each_reading() -> None:
    """Asked Tuesday morning: late after 72 hours and three calendar days, not after three business days."""
    tuesday = datetime.fromisoformat("2026-11-24T09:00-08:00")
    asked = Extension(requested_at=tuesday, decided_at=tuesday, granted=True)
    signed = datetime.fromisoformat("2026-11-30T12:00-08:00")
    found = rate("progress_note", "psc", FRIDAY, signed, extension=asked, as_at=LATER)
    assert {
        (v.reading, v.extension_reading): (v.outcome, v.requested_late) for v in found.verdicts if v.role == "policy"
    } == {
        ("72-elapsed-hours", "5-business-days"): ("on_time", True),
        ("72-elapsed-hours", "5-calendar-days"): ("late", True),
        ("3-calendar-days", "5-business-days"): ("on_time", True),
        ("3-calendar-days", "5-calendar-days"): ("late", True),
        ("3-business-days", "5-business-days"): ("on_time", False),
        ("3-business-days", "5-calendar-days"): ("late", False),
    }
    verdict = found.under("PSC-13", "3-business-days", "5-business-days")
    assert [d.rule_id for d in verdict.deadlines] == ["PSC-13", "PSC-13-extension"]
    assert verdict.due.rule_id == "PSC-13-extension"


def test_more_time_never_means_less() -> None:
    """From the day before Thanksgiving, five calendar days end before three business days do."""
    wednesday = datetime.fromisoformat("2026-11-25T10:30-08:00")
    asked = Extension(requested_at=wednesday, decided_at=wednesday, granted=True)
    signed = datetime.fromisoformat("2026-12-02T09:00-08:00")
    found = rate("progress_note", "psc", wednesday, signed, extension=asked, as_at=LATER)
    verdict = found.under("PSC-13", "3-business-days", "5-calendar-days")
    assert verdict.outcome == "on_time"
    assert verdict.due.rule_id == "PSC-13"
    assert any("more time never means less" in reason for reason in verdict.reasons)


def test_a_partial_limit_that_ends_first_is_said_and_full_still_counts() -> None:
    wednesday = datetime.fromisoformat("2026-11-25T10:30-08:00")
    signed = datetime.fromisoformat("2026-12-01T09:00-08:00")
    verdict = rate("progress_note", "psc", wednesday, signed, as_at=LATER).under(
        "PSC-14", "3-business-days+5-calendar-days"
    )
    assert verdict.outcome == "full"
    assert any("no note of this service is Partial" in reason for reason in verdict.reasons)


def test_the_crisis_note_of_the_state_is_not_satisfied_by_72_hours() -> None:
    signed = datetime.fromisoformat("2026-11-22T08:00-08:00")
    asked = Extension(requested_at=FRIDAY, decided_at=FRIDAY, granted=True)
    found = rate("crisis_note", "psc", FRIDAY, signed, extension=asked, as_at=LATER)
    assert chosen(found, "PSC-13").outcome == "on_time"
    state = chosen(found, "BHIN-23-068-crisis")
    assert state.outcome == "late"
    assert state.reasons[-2:] == (
        "An extension given by the employer does not move the state's deadline.",
        "A late note is still billable, with the reason recorded.",
    )


@pytest.mark.parametrize(
    ("signed", "as_at", "outcome"),
    [
        ("2026-11-23T23:59:59.999999-06:00", "2026-12-31T00:00-06:00", "on_time"),
        ("2026-11-24T00:00-06:00", "2026-12-31T00:00-06:00", "late"),
        (None, "2026-11-23T23:59:59.999999-06:00", "pending"),
        (None, "2026-11-24T00:00-06:00", "overdue"),
        ("2026-11-24T00:00-06:00", "2026-11-23T12:00-06:00", "pending"),  # not known to be signed yet
    ],
)
@pytest.mark.parametrize("document", ["progress_note", "collateral_note", "team_note"])
def test_css_7_next_business_day(document: str, signed: str | None, as_at: str, outcome: str) -> None:
    at = None if signed is None else datetime.fromisoformat(signed)
    asked = Extension(requested_at=FRIDAY, decided_at=FRIDAY, granted=True)  # Missouri's source knows no extension
    found = rate(document, "css", FRIDAY, at, extension=asked, as_at=datetime.fromisoformat(as_at))
    assert [(v.rule_id, v.outcome, v.extension) for v in found.verdicts] == [("CSS-7", outcome, None)]


def test_at_best_says_what_an_unsigned_note_can_still_get() -> None:
    last = {
        "2026-11-23T15:00": "full",
        "2026-11-23T15:01": "partial",
        "2026-12-01T23:59": "partial",
        "2026-12-02T00:00": "non",
    }
    for as_at, grade in last.items():
        found = chosen(
            rate("group_note", "psc", FRIDAY, None, as_at=datetime.fromisoformat(f"{as_at}-08:00")), "PSC-14"
        )
        assert found.at_best == grade
        assert found.outcome == ("pending" if grade == "full" else "overdue")


def test_adopted_and_default_are_marked() -> None:
    found = rate("progress_note", "psc", FRIDAY, FRIDAY, adopted={"PSC-13": "3-business-days@1"}, as_at=LATER)
    marks = {(v.rule_id, v.reading): (v.adopted, v.is_default) for v in found.verdicts}
    assert marks["PSC-13", "3-business-days"] == (True, False)
    assert marks["PSC-13", "72-elapsed-hours"] == (False, False)
    assert marks["PSC-14", "72-elapsed-hours+5-business-days"] == (True, True)
    assert marks["BHIN-23-068-routine", "3-business-days"] == (True, True)
    with pytest.raises(RuleError, match="no reading '9-business-days'"):
        rate("progress_note", "psc", FRIDAY, FRIDAY, adopted={"PSC-13": "9-business-days"}, as_at=LATER)
    with pytest.raises(RuleError, match="no reading 'lenient'"):
        rate("progress_note", "psc", FRIDAY, FRIDAY, adopted={"PSC-14": "lenient"}, as_at=LATER)


def test_with_more_time_both_readings_decide_what_is_adopted() -> None:
    asked = Extension(requested_at=FRIDAY, decided_at=FRIDAY, granted=True)
    adopted = {"PSC-13-extension": "5-calendar-days"}
    found = rate(
        "progress_note", "psc", FRIDAY, FRIDAY + timedelta(hours=1), extension=asked, adopted=adopted, as_at=LATER
    )
    assert [
        (v.reading, v.extension_reading, v.is_default) for v in found.verdicts if v.role == "policy" and v.adopted
    ] == [("72-elapsed-hours", "5-calendar-days", False)]
    usual = chosen(
        rate("progress_note", "psc", FRIDAY, FRIDAY + timedelta(hours=1), extension=asked, as_at=LATER), "PSC-13"
    )
    assert (usual.extension_reading, usual.is_default) == ("5-business-days", True)


def test_a_document_without_a_limit_has_no_verdict() -> None:
    assert rate("discharge_plan", "psc", FRIDAY, None, as_at=LATER).verdicts == ()
    assert rate("discharge_plan", "psc", FRIDAY, None, as_at=LATER).adopted("PSC-13") is None
    with pytest.raises(RuleError, match="no verdict of PSC-13"):
        rate("discharge_plan", "psc", FRIDAY, None, as_at=LATER).under("PSC-13", "72-elapsed-hours")


def test_in_the_repeated_hour_instants_are_compared_and_not_wall_clocks() -> None:
    """Due at the first 01:45 of 1 November; signed half an hour later, at the second 01:15."""
    started = datetime.fromisoformat("2026-10-29T01:45-07:00")
    signed = datetime.fromisoformat("2026-11-01T01:15-08:00")
    assert chosen(rate("progress_note", "psc", started, signed, as_at=LATER), "PSC-13").outcome == "late"
    asked = Extension(requested_at=signed, decided_at=signed + timedelta(minutes=1), granted=False)
    assert chosen(rate("progress_note", "psc", started, None, extension=asked, as_at=LATER), "PSC-13").requested_late


def test_a_signature_before_the_end_of_the_service_is_said() -> None:
    early = FRIDAY - timedelta(minutes=5)
    verdict = chosen(rate("progress_note", "psc", FRIDAY, early, as_at=LATER), "PSC-13")
    assert verdict.outcome == "on_time"
    assert verdict.reasons[-1] == "Signed Fri 20 Nov 2026 14:55 PST, before the service had ended: on time."


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="a time and an answer"):
        Extension(requested_at=FRIDAY, granted=True)
    with pytest.raises(ValueError, match="before it was made"):
        Extension(requested_at=FRIDAY, decided_at=FRIDAY - timedelta(seconds=1), granted=True)
    with pytest.raises(ValueError, match="does not say its offset"):
        rate("progress_note", "psc", FRIDAY, datetime(2026, 11, 21), as_at=LATER)  # noqa: DTZ001 - the fault under test
