"""A month of billing rows beside one another: repeats, overlaps, lockouts, the chart's details, and what changed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from tests.projections.story import Story, a_group, pacific

from ledger.aggregates.client_events import ClientDetailsCorrected
from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError
from ledger.aggregates.policy import PolicyAdopted, PolicyRetired
from ledger.grants import Grant, NotGranted
from ledger.projections.billing import billing
from ledger.projections.billing_page import (
    Change,
    Record,
    Sealed,
    Service,
    changes_between,
    month_page,
    record_of,
    services_of,
)
from ledger.projections.coverage import coverage
from ledger.projections.folding import fold_all
from ledger.projections.policies import policies

FIRST, LAST = date(2025, 11, 1), date(2025, 11, 30)
DAY = "2025-11-03"


def record(story: Story, until: int | None = None, also: tuple[str, ...] = ()) -> Record:
    """What the story holds of November and of some contacts besides, or held after its first ``until`` events."""
    events = story.events[:until]
    lines = {view.name: fold_all(view, events).values() for view in (billing, coverage, policies)}
    rows = [line.row for line in lines["billing"]]
    details = [line.row for line in lines["coverage"]]
    return record_of(rows, details, lines["policies"], FIRST, LAST, also=also)


def services(story: Story) -> dict[str, Service]:
    return {service.row.contact_id: service for service in services_of(record(story))}


def codes(service: Service) -> list[str]:
    return [block.code for block in service.blocks]


def grant(*charts: str) -> Grant:
    return Grant(access_id="access-1", reader_id="biller", purpose="payment", charts=frozenset(charts), position=9)


def opened(sealed: Sealed) -> tuple[Service, ...]:
    return sealed.open(grant(*sealed.charts))


def adopt(story: Story, reading: str, *, policy: str = "policy-1", program: str | None = None) -> Story:
    event = PolicyAdopted(
        rule_id="BILL-COMBINE",
        reading=reading,
        program=program,
        policy_version="1",
        effective_from=date(2025, 11, 1),
        reason="the payer's answer",
    )
    return story.happened(policy, event, key="agency")


def repeats() -> Story:
    return Story().done("c1", DAY, 20).done("c2", DAY, 20, "13:00")


def test_repeats_of_a_code_are_one_line_whose_units_count_once() -> None:
    found = services(repeats())
    assert found["c1"].row.units == found["c2"].row.units == 1
    assert found["c1"].claim.contact_ids == found["c2"].claim.contact_ids == ("c1", "c2")
    assert found["c1"].claim.units == 3
    assert found["c1"].claim.unit_words.startswith("20 + 20 = 40 min")
    assert [found[c].leads for c in ("c1", "c2")] == [True, False]


def test_the_adopted_reading_of_repeats_decides_and_is_named() -> None:
    found = services(adopt(repeats(), "round_then_sum"))
    assert found["c1"].claim.units == 2
    assert found["c1"].claim.unit_words == "1 + 1 = 2 units"
    assert found["c1"].claim.reading == "round_then_sum, adopted from 2025-11-01"


def test_a_programmes_own_adoption_and_a_retirement_are_kept_to() -> None:
    assert services(adopt(repeats(), "round_then_sum", program="ecm"))["c1"].claim.units == 3
    ended = adopt(repeats(), "round_then_sum").happened(
        "policy-1",
        PolicyRetired(
            rule_id="BILL-COMBINE",
            reading="round_then_sum",
            program=None,
            policy_version="1",
            last_day=date(2025, 11, 2),
            reason="over",
        ),
        key="agency",
    )
    assert services(ended)["c1"].claim.units == 3


def test_a_service_too_short_by_itself_is_cured_by_the_others_of_its_line() -> None:
    story = Story().done("c1", DAY, 53).done("c2", DAY, 7, "13:00")
    alone = services(Story().done("c2", DAY, 7, "13:00"))
    assert codes(alone["c2"]) == ["zero-units"]
    assert [one.status for one in services(story).values()] == ["claimable", "claimable"]
    assert services(story)["c1"].claim.units == 4


def test_a_provider_is_not_in_two_places_at_once_even_across_charts() -> None:
    story = Story().done("c1", DAY, 60).done("c2", DAY, 30, "09:30", client_id="client-2")
    found = services(story)
    assert codes(found["c1"]) == codes(found["c2"]) == ["overlap"]
    assert found["c1"].blocks[0].mend
    assert "30 min" in found["c1"].blocks[0].words
    assert found["c1"].related == ("c2",)
    other = Story().done("c1", DAY, 60).done("c2", DAY, 30, "09:30", client_id="client-2", staff_id="staff-2")
    assert all(not one.blocks for one in services(other).values())


def test_a_service_that_overlaps_stays_out_of_the_line_of_its_repeats() -> None:
    story = Story().done("c1", DAY, 7).done("c2", DAY, 8, "13:00").done("c3", DAY, 37, "13:05", service_code="T1017")
    assert services(Story().done("c1", DAY, 7).done("c2", DAY, 8, "13:00"))["c1"].claim.units == 1
    found = services(story)
    assert codes(found["c1"]) == ["zero-units"]
    assert codes(found["c2"]) == codes(found["c3"]) == ["overlap"]
    assert found["c1"].claim.contact_ids == ("c1",)
    assert found["c2"].claim.contact_ids == ("c2",)


def test_overlap_is_seen_over_midnight() -> None:
    story = Story().done("c1", "2025-11-30", 60, "23:30").done("c2", "2025-12-01", 60, "00:00", client_id="client-2")
    assert codes(services(story)["c1"]) == ["overlap"]


def test_members_of_one_group_do_not_overlap() -> None:
    facts: dict[str, Any] = {"group": a_group(2), "contact_kind": "group", "service_code": "H2017"}
    story = Story().done("c1", DAY, 60, **facts).done("c2", DAY, 60, client_id="client-2", **facts)
    found = services(story)
    assert [one.status for one in found.values()] == ["claimable", "claimable"]
    assert "HQ" in found["c1"].row.modifiers


def test_a_ceiling_of_the_day_blocks_every_service_it_concerns() -> None:
    """9 CCR 1840: crisis intervention is at most eight hours in a day, by whomever it is given."""
    story = Story()
    for number, staff in enumerate(("staff-1", "staff-2")):
        story.done(f"c{number}", DAY, 245, f"{9 + 5 * number:02}:00", service_code="H2011", staff_id=staff)
    assert {code for one in services(story).values() for code in codes(one)} == {"ceiling"}


def test_a_void_service_neither_combines_nor_overlaps() -> None:
    story = Story().done("c1", DAY, 60).done("c2", DAY, 30, "09:30")
    story.happened("c2", ContactEnteredInError(client_id="client-1", reason="twice"))
    found = services(story)
    assert (found["c1"].status, found["c2"].status) == ("claimable", "void")
    assert found["c1"].claim.contact_ids == ("c1",)


def test_a_payers_id_that_came_later_unblocks_the_services_that_lacked_it() -> None:
    story = Story().client(cin=None).done("c1", DAY, 60, cin=None)
    assert codes(services(story)["c1"]) == ["payer-id-missing"]
    story.happened("client-1", ClientDetailsCorrected(reason="found", cin="91234567A"))
    assert services(story)["c1"].status == "claimable"
    assert services(story)["c1"].payer_id == "91234567A"


def test_a_diagnosis_that_came_later_is_joined_for_its_days() -> None:
    assert services(Story().client().done("c1", DAY, 60, diagnoses=()))["c1"].diagnoses == ("F20.9",)


def test_an_age_limit_is_checked_with_the_charts_birth_date() -> None:
    story = Story().client().done("c1", DAY, 60, service_code="H2019")
    assert codes(services(story)["c1"]) == ["age-limit"]


def test_the_page_is_of_the_month_and_of_what_was_asked_for() -> None:
    story = Story().done("c0", "2025-10-31", 60).done("c1", DAY, 60).done("c2", "2025-12-01", 60)
    story.service("c3", DAY, 30, "13:00", client_id="client-2", staff_id="staff-2")

    def page(**asked: str) -> list[str]:
        return [one.row.contact_id for one in opened(month_page(record(story), FIRST, LAST, **asked))]  # type: ignore[arg-type]

    assert page() == ["c1", "c3"]
    assert page(staff_id="staff-2") == page(client_id="client-2") == page(status="blocked") == ["c3"]
    assert page(status="claimable") == ["c1"]


def test_nothing_is_shown_without_a_grant_for_every_chart_spoken_of() -> None:
    """Design 1.8: also for the chart that an overlap names, though none of its rows is on the page."""
    story = Story().done("c1", DAY, 60).done("c2", DAY, 30, "09:30", client_id="client-2")
    sealed = month_page(record(story), FIRST, LAST, client_id="client-1")
    assert sealed.charts == {"client-1", "client-2"}
    with pytest.raises(NotGranted):
        sealed.open(grant("client-1"))
    assert len(opened(sealed)) == 1


def changes(story: Story, since: int) -> list[Change]:
    then = record(story, since)
    now = record(story, also=tuple(row.contact_id for row in then.rows))
    pages = [opened(month_page(one, FIRST, LAST)) for one in (then, now)]
    return changes_between(pages[0], pages[1], then, now)


def told(change: Change) -> dict[str, tuple[str, str]]:
    return {one.field: (one.before, one.after) for one in change.differences}


def test_nothing_has_changed_where_nothing_happened() -> None:
    story = repeats()
    assert changes(story, len(story.events)) == []


def test_a_late_signature_is_a_change_by_its_own_event() -> None:
    story = Story().service("c1", DAY, 60).drafted("c1").done("c2", DAY, 60, "13:00", client_id="client-2")
    since = len(story.events)
    (change,) = changes(story.signed("c1"), since)
    assert change.contact_id == "c1"
    assert told(change)["status"] == ("blocked", "claimable")
    assert ([event.event_id for event in change.events], change.own) == (["note-of-c1@2"], True)


def test_a_service_of_another_chart_is_named_as_the_cause_of_an_overlap() -> None:
    story = Story().done("c1", DAY, 60)
    since = len(story.events)
    story.done("c2", DAY, 30, "09:30", client_id="client-2")
    first, second = changes(story, since)
    assert (first.contact_id, first.own) == ("c1", False)
    assert told(first)["status"] == ("claimable", "blocked")
    assert [event.event_id for event in first.events] == ["c2@1", "note-of-c2@1", "note-of-c2@2"]
    assert told(second)["row"] == ("not on the page", "on the page")
    assert second.own


def test_a_service_moved_out_of_the_month_is_a_change_with_its_event() -> None:
    story = Story().done("c1", DAY, 60)
    since = len(story.events)
    moved = pacific("2025-12-03")
    story.happened(
        "c1",
        ContactCorrected(
            client_id="client-1", reason="wrong month", started_at=moved, ended_at=moved + timedelta(minutes=60)
        ),
    )
    (change,) = changes(story, since)
    assert told(change) == {"row": ("on the page", "not on the page")}
    assert [event.event_id for event in change.events] == ["c1@2"]


def test_the_charts_details_and_the_agencys_policy_are_named_as_causes() -> None:
    story = Story().client(cin=None).done("c1", DAY, 60, cin=None)
    since = len(story.events)
    (change,) = changes(story.happened("client-1", ClientDetailsCorrected(reason="found", cin="91234567A")), since)
    assert ([event.event_id for event in change.events], change.own) == (["client-1@3"], False)

    story = repeats()
    since = len(story.events)
    both = changes(adopt(story, "round_then_sum"), since)
    assert [told(change)["claim_units"] for change in both] == [("3", "2"), ("3", "2")]
    assert {event.event_id for change in both for event in change.events} == {"policy-1@1"}
