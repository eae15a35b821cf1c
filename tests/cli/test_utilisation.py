"""``ledger utilisation`` and ``ledger supervision``: the reports of PSC-1 to PSC-7 on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from tests.cli.agency import PACIFIC, Agency, pacific

from ledger.aggregates.note_events import SignNote
from ledger.aggregates.policy import AdoptPolicy
from ledger.aggregates.staff import RecordCredential, RecordTimeOff
from ledger.aggregates.supervision import RecordMissedSupervision, RecordSupervision
from ledger.aggregates.utilisation_review import UtilisationReviewed
from ledger.clock import from_text
from ledger.errors import BadInput, NotFound, Refused
from ledger.store.codec import read

NOBODY = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def agency(sqlite_url: str) -> Iterator[Agency]:
    made = Agency(sqlite_url)
    yield made
    made.recorder.engine.dispose()


def reviews(agency: Agency) -> list[UtilisationReviewed]:
    events = (read(row).event for row in agency.recorder.read_log(0, 1000))
    return [event for event in events if isinstance(event, UtilisationReviewed)]


def test_the_month_stands_beside_its_target_under_every_reading(agency: Agency) -> None:
    agency.service(3, "09:00", 60)
    agency.service(4, "09:00", 30, sign=False)
    agency.do(
        AdoptPolicy(
            policy_id=agency.new(),
            rule_id="PSC-4",
            reading="prorated_band",
            effective_from=date(2025, 1, 1),
            policy_version="1",
            reason="the board decided",
        )
    )
    (one,) = agency.read("utilisation", "--month", "2025-11")["staff"]
    assert (one["staff_id"], one["billable_minutes"], one["waiting_minutes"]) == (agency.worker, 60, 30)
    assert one["adopted"]["floor_reading"] == "prorated_band"
    assert one["adopted"]["target_minutes"] == 17 * 315
    assert len(one["readings"]) == 8
    printed = agency.run("utilisation", "--month", "2025-11").stdout
    assert "1.00 h billable of 89.25 h target, 17 days worked: non" in printed
    assert "program psc adopted" not in printed
    assert "the agency adopted PSC-4 read as prorated_band@1" in printed
    assert "Veterans Day" in printed
    assert not [client for client in agency.clients if client in printed]


def test_no_chart_is_opened_by_a_report_of_staff_figures(agency: Agency) -> None:
    agency.service(3, "09:00", 60)
    before = agency.recorder.sequence()
    agency.read("utilisation", "--month", "2025-11")
    agency.read("supervision", "--staff", agency.worker)
    assert agency.recorder.sequence() == before


def test_psc_5_a_review_freezes_and_a_late_entry_is_restated(agency: Agency) -> None:
    agency.service(3, "09:00", 60)
    late = agency.service(4, "09:00", 30, sign=False)
    words = ("utilisation", "--staff", agency.worker, "--month", "2025-11")
    head = agency.recorder.sequence()
    (one,) = agency.read(*words, "--review")["staff"]
    assert one["restated"][0]["changed"] is False
    assert one["restated"][0]["late_entries"] == []
    (frozen,) = reviews(agency)
    assert frozen.position == head
    assert (frozen.billable_minutes, frozen.target_minutes, frozen.rating) == (60, 5355, "non")
    assert frozen.reviewed_by == agency.supervisor
    # The CLI's own clock recorded the review: the ledger's goes on from there, like any server's.
    recorded = agency.recorder.read_log(0, 1000)[-1].recorded
    agency.clock.set(max(recorded, agency.clock.now()) + timedelta(seconds=1))
    agency.do(SignNote(note_id=agency.note_of(late)), agency.worker)
    (one,) = agency.read(*words)["staff"]
    (restated,) = one["restated"]
    assert restated["review"]["billable_minutes"] == 60
    assert (restated["billable_minutes_now"], restated["difference_minutes"]) == (90, 30)
    assert [entry["service_day"] for entry in restated["late_entries"]] == ["2025-11-04"]
    assert "restated: 90 min of 5355, non (difference +30 min)" in agency.run(*words).stdout
    before = agency.read(*words, "--as-known-at", recorded.isoformat())["staff"][0]
    assert before["billable_minutes"] == 60
    assert before["restated"][0]["changed"] is False


def test_a_review_repeated_with_its_command_id_reviews_once(agency: Agency) -> None:
    agency.service(3, "09:00", 60)
    words = ("utilisation", "--staff", agency.worker, "--month", "2025-11", "--review", "--command-id", "review-of-nov")
    assert agency.read(*words)["staff"] == agency.read(*words)["staff"]
    assert len(reviews(agency)) == 1


def test_a_week_is_shown_and_reviewed_by_itself(agency: Agency) -> None:
    agency.service(5, "09:00", 60)
    words = ("utilisation", "--staff", agency.worker, "--week", "2025-11-09")
    (one,) = agency.read(*words, "--review")["staff"]
    assert (one["week"]["week_of"], one["week"]["billable_minutes"]) == ("2025-11-03", 60)
    assert one["restated"][0]["review"]["rating"] == "not_rated"
    assert (reviews(agency)[0].first_day, reviews(agency)[0].last_day) == (date(2025, 11, 3), date(2025, 11, 9))
    assert "week of 2025-11-03: 1.00 h billable of 26.25 h target" in agency.run(*words).stdout


def test_psc_5_nobody_reviews_their_own_figures(agency: Agency) -> None:
    for actor in (agency.worker, agency.supervisor):
        words = ("utilisation", "--staff", actor, "--month", "2025-11", "--review")
        done = agency.run(*words, actor=actor)
        assert done.exit_code != 0
        assert "actor: nobody reviews their own figures (the supervisor reviews them)" in str(done.exception)
    assert reviews(agency) == []


def test_a_system_does_not_review(agency: Agency) -> None:
    done = agency.run("utilisation", "--staff", agency.worker, "--month", "2025-11", "--review", actor="system:cron")
    assert isinstance(done.exception, Refused)
    assert reviews(agency) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("utilisation", "--month", "2025-11", "--review"), BadInput),
        (("utilisation", "--month", "2025-11", "--week", "2025-11-03"), BadInput),
        (("utilisation", "--month", "2025-11", "--staff", NOBODY), NotFound),
        (("supervision", "--from", "2025-11-10", "--to", "2025-11-03"), BadInput),
        (("supervision", "--staff", NOBODY), NotFound),
    ],
)
def test_what_cannot_be_answered_is_refused(agency: Agency, words: tuple[str, ...], fault: type[Exception]) -> None:
    assert isinstance(agency.run(*words).exception, fault)


def test_a_month_before_every_rule_is_refused_by_name(agency: Agency) -> None:
    done = agency.run("utilisation", "--staff", agency.worker, "--month", "1999-11")
    assert isinstance(done.exception, BadInput)
    assert "no productivity rule on 1999-11-01" in str(done.exception)


def test_psc_6_the_grid_of_weeks(agency: Agency) -> None:
    started = pacific(5, "09:00")
    agency.do(
        RecordSupervision(
            session_id=agency.new(),
            supervisee_id=agency.worker,
            supervisor_id=agency.supervisor,
            started_at=started,
            ended_at=started + timedelta(minutes=45),
        ),
        agency.supervisor,
    )
    known = agency.clock.now()
    agency.clock.advance(timedelta(minutes=1))
    agency.do(
        RecordMissedSupervision(
            session_id=agency.new(),
            supervisee_id=agency.worker,
            supervisor_id=agency.supervisor,
            planned_for=date(2025, 11, 12),
            reason="supervisor ill",
        ),
        agency.supervisor,
    )
    agency.do(
        RecordTimeOff(
            staff_id=agency.worker,
            time_off_id=agency.new(),
            first_day=date(2025, 11, 24),
            last_day=date(2025, 11, 26),
            reason="vacation",
        )
    )
    agency.do(
        RecordCredential(
            staff_id=agency.worker,
            credential_id=agency.new(),
            credential_kind="asw",
            number="2",
            issued_on=date(2025, 11, 10),
        )
    )
    words = ("supervision", "--staff", agency.worker, "--from", "2025-11-03", "--to", "2025-11-30")
    (one,) = agency.read(*words)["staff"]
    assert [week["adopted"] for week in one["weeks"]] == ["full", "non", "non", "excused"]
    assert one["counts"] == {"full": 1, "non": 2, "excused": 1, "not_rated": 0}
    assert [week["registration"] for week in one["weeks"]] == [None, "asw", "asw", "asw"]
    printed = agency.run(*words, "--steps").stdout
    assert "missed 2025-11-12: supervisor ill" in printed
    assert "asw not met (confidence M)" in printed
    (earlier,) = agency.read(*words, "--as-known-at", known.isoformat())["staff"]
    assert [week["adopted"] for week in earlier["weeks"]] == ["full", "non", "non", "non"]


def test_a_review_is_told_on_the_agencys_clock_and_by_name(agency: Agency) -> None:
    words = ("utilisation", "--staff", agency.worker, "--month", "2025-11")
    agency.read(*words, "--review")
    (review,) = [line for line in agency.run(*words).stdout.splitlines() if "reviewed" in line]
    (found,) = agency.read(*words)["staff"][0]["restated"]
    local = from_text(found["review"]["reviewed_at"]).astimezone(PACIFIC)
    assert f"reviewed {local:%a %Y-%m-%d %H:%M}" in review
    assert "(America/Los_Angeles) by Bea Example (" in review
    assert "Z" not in review.split(" by ")[0].split("(")[0]
