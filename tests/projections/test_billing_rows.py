"""Billing rows: a claim line's facts, its arithmetic and every block, folded from the service's own events (PSC-1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.projections.story import Story, a_group, pacific

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError
from ledger.aggregates.note_events import NoteContent, NoteCosigned, NoteEnteredInError, ObjectiveReference
from ledger.projections.billing import BillingRow, billing
from ledger.projections.coverage import Coverage, coverage

DAY = "2025-11-03"


def row_of(story: Story, contact: str = "c1") -> BillingRow:
    row: BillingRow = story.row(billing, contact)
    return row


def codes(row: BillingRow) -> list[str]:
    return [block.code for block in row.blocks]


def test_a_signed_sound_service_is_claimable_with_its_units_in_words() -> None:
    row = row_of(Story().done("c1", DAY, 53))
    assert (row.status, row.blocked, row.blocks) == ("claimable", False, ())
    assert row.units == 4
    assert row.unit_words == "(53 + 7) = 60 min; 60 ÷ 15 = 4 remainder 0: 4 units"
    assert (row.code, row.default_code, row.state, row.system) == ("T1017", False, "CA", "smhs")
    assert (row.signer_name, row.credential, row.taxonomy) == ("Ann Example", "mhrs", "171M00000X")
    assert row.service_day == DAY


def test_the_row_names_every_event_it_came_from_in_the_order_of_the_log() -> None:
    story = Story().service("c1", DAY, 60).service("c2", DAY, 30, "15:00").drafted("c1").signed("c1")
    story.happened("c1", ContactCorrected(client_id="client-1", reason="wrong place", place="12"))
    row = row_of(story)
    assert [event.event_id for event in row.events] == ["c1@1", "note-of-c1@1", "note-of-c1@2", "c1@2"]
    assert [event.position for event in row.events] == [1, 3, 4, 5]
    assert row.place == "12"


def test_an_unsigned_service_is_blocked_and_says_what_mends_it() -> None:
    row = row_of(Story().service("c1", DAY, 60).drafted("c1"))
    assert (row.status, row.blocked) == ("blocked", True)
    assert "not-signed" in codes(row)
    assert all(block.words and block.mend and block.source for block in row.blocks)


@pytest.mark.parametrize(
    ("facts", "block"),
    [
        ({"cin": None}, "payer-id-missing"),
        ({"diagnoses": ()}, "diagnosis-missing"),
        ({"place": "09"}, "place-no-federal-share"),
        ({"service_code": "H0036"}, "code-unknown"),
        ({"service_code": "90834", "minutes": 45}, "provider-class"),
        ({"minutes": 7}, "zero-units"),
        ({"group": a_group(6)}, "group-not-allowed"),
    ],
)
def test_every_fact_that_is_wrong_blocks_the_row(facts: dict[str, Any], block: str) -> None:
    minutes = facts.pop("minutes", 60)
    assert codes(row_of(Story().done("c1", DAY, minutes, **facts))) == [block]


def test_all_reasons_are_given_at_once() -> None:
    row = row_of(Story().service("c1", DAY, 5, cin=None, diagnoses=()))
    assert {"not-signed", "zero-units", "payer-id-missing", "diagnosis-missing"} <= set(codes(row))


def test_an_unsigned_service_is_blocked_for_want_of_the_signature_and_not_for_want_of_a_signer() -> None:
    """Who will sign, and under which credential and taxonomy, is not known before: nothing of it is missing yet."""
    for story in (Story().service("c1", DAY, 60), Story().service("c1", DAY, 60).drafted("c1")):
        signers = [
            code for code in codes(row_of(story)) if code.startswith(("provider", "taxonomy", "class", "credential"))
        ]
        assert signers == []
        assert "not-signed" in codes(row_of(story))
        assert "diagnosis-class" not in codes(row_of(story))


@pytest.mark.parametrize(
    ("program", "kind", "credential", "code", "variant"),
    [
        ("psc", "individual", "mhrs", "H2017", "service"),
        ("psc", "case_management", "mhrs", "T1017", "service"),
        ("psc", "crisis", "mhrs", "H2011", "service"),
        ("psc", "plan_development", "mhrs", "H0032", "service"),
        ("psc", "assessment", "mhrs", "H0031", "service"),
        ("ecm", "case_management", "lcsw", "G9008", "service"),
        ("ecm", "case_management", "mhrs", "G9012", "service"),
        ("ecm", "outreach", "mhrs", "G9012", "outreach"),
        ("css", "case_management", "css", "H0036", "service"),
    ],
)
def test_without_a_code_the_table_proposes_one_and_the_row_says_so(
    program: str, kind: str, credential: str, code: str, variant: str
) -> None:
    story = Story().service("c1", DAY, 60, program=program, contact_kind=kind, service_code=None)
    row = row_of(story.drafted("c1").signed("c1", credential=credential, taxonomy=""))
    assert (row.code, row.default_code, row.variant) == (code, True, variant)
    assert row.steps[0].startswith(f"{code} is the default for {kind}")


def test_a_code_of_a_date_before_the_table_is_not_proposed() -> None:
    """The codes of payment reform begin in July 2023: the day before, nothing is proposed for a service."""
    early = row_of(Story().done("c1", "2023-06-30", 60, service_code=None))
    assert early.code is None
    assert "code-missing" in codes(early)
    assert row_of(Story().done("c1", "2023-07-01", 60, service_code=None)).code == "T1017"


def test_a_contact_that_nobody_bills_has_a_row_that_is_not_billable_until_it_is_given_a_code() -> None:
    story = Story().done("c1", DAY, 60, contact_kind="outreach", service_code=None)
    assert (row_of(story).status, row_of(story).blocked) == ("not-billable", False)
    story.happened("c1", ContactCorrected(client_id="client-1", reason="it was linkage", service_code="T1017"))
    assert row_of(story).status == "claimable"


def test_a_contact_entered_in_error_is_void() -> None:
    story = (
        Story().done("c1", DAY, 60).happened("c1", ContactEnteredInError(client_id="client-1", reason="wrong chart"))
    )
    assert row_of(story).status == "void"
    assert not row_of(story).blocked


def test_a_note_entered_in_error_takes_its_signature_with_it_and_a_new_one_restores_the_claim() -> None:
    story = Story().done("c1", DAY, 60)
    story.happened("note-of-c1", NoteEnteredInError(client_id="client-1", contact_id="c1", reason="wrong service"))
    assert "not-signed" in codes(row_of(story))
    assert row_of(story).signer_id is None
    story.drafted("c1", "note-2").signed("c1", "note-2", printed_name="Ann Other")
    assert row_of(story).status == "claimable"
    assert row_of(story).signer_name == "Ann Other"


def test_the_first_signed_note_stands_however_many_follow() -> None:
    story = Story().done("c1", DAY, 60).drafted("c1", "note-2").signed("c1", "note-2", printed_name="Ann Other")
    assert row_of(story).signer_name == "Ann Example"


def test_a_trainees_note_waits_for_the_cosignature() -> None:
    story = Story().service("c1", DAY, 60).drafted("c1").signed("c1", credential="trainee", taxonomy="390200000X")
    assert codes(row_of(story)) == ["cosign-missing"]
    cosigned = NoteCosigned(
        client_id="client-1",
        contact_id="c1",
        signer_id="staff-2",
        printed_name="Bea Example",
        role="supervisor",
        credential="lcsw",
        meaning="co-signed",
        content_sha256="0" * 64,
    )
    assert row_of(story.happened("note-of-c1", cosigned)).status == "claimable"


def test_the_signature_holds_for_the_day_that_was_signed_and_no_other() -> None:
    """PSC-11, PSC-23: a service moved to another day has no signature and no credential for it."""
    story = Story().done("c1", DAY, 60)
    moved = pacific("2025-11-05")
    correction = ContactCorrected(
        client_id="client-1", reason="wrong day", started_at=moved, ended_at=moved + timedelta(minutes=60)
    )
    row = row_of(story.happened("c1", correction))
    assert row.service_day == "2025-11-05"
    assert codes(row) == ["signed-for-another-day"]
    assert "2025-11-03" in row.blocks[0].words


def test_times_corrected_within_the_day_are_flagged_beside_the_note() -> None:
    story = Story().done("c1", DAY, 60)
    correction = ContactCorrected(client_id="client-1", reason="ran late", ended_at=pacific(DAY, "10:30"))
    row = row_of(story.happened("c1", correction))
    assert row.status == "claimable"
    assert "times-changed-after-note" in [flag.code for flag in row.flags]


def test_the_service_day_is_the_agencys_whatever_offset_was_recorded() -> None:
    evening = Story().done("c1", DAY, 60, started_at=datetime(2025, 11, 4, 1, 30, tzinfo=UTC))
    assert row_of(evening).service_day == DAY
    assert row_of(evening).started_at.startswith("2025-11-03T17:30")
    assert row_of(evening).status == "claimable"


def test_snomed_codes_do_not_stand_on_a_claim() -> None:
    row = row_of(Story().done("c1", DAY, 60, diagnoses=("44054006", "F20.9")))
    assert row.status == "claimable"
    assert codes(row_of(Story().done("c1", DAY, 60, diagnoses=("44054006",)))) == ["diagnosis-missing"]


def test_a_programme_that_bills_nowhere_is_blocked_in_words() -> None:
    row = row_of(Story().done("c1", DAY, 60, program="pilot"))
    assert {"system-unknown", "code-unknown"} <= set(codes(row))
    assert any("pilot" in block.words for block in row.blocks)


def test_a_note_of_an_unknown_contact_parks_the_chart() -> None:
    story = Story().done("c1", DAY, 60)
    story.events = story.events[1:]
    with pytest.raises(LookupError):
        story.lines(billing)


def test_the_charts_details_are_kept_with_their_days() -> None:
    found: Coverage = Story().client().row(coverage, "client-1")
    assert found.cin == "91234567A"
    assert [found.age_on(pacific(day).date()) for day in ("2025-04-30", "2025-05-01")] == [44, 45]
    assert found.diagnoses_on(pacific("2019-12-31").date()) == ()
    assert found.diagnoses_on(pacific("2020-01-01").date()) == ("F20.9",)


def test_a_note_of_the_night_the_clocks_go_back_is_not_taken_for_a_changed_one() -> None:
    """From 01:20 PDT to 01:32 PST, 72 minutes: two times of that hour are compared as instants, not by their zones."""
    begun, ended = (
        datetime.fromisoformat("2025-11-02T01:20:00-07:00"),
        datetime.fromisoformat("2025-11-02T01:32:00-08:00"),
    )
    story = Story().done("c1", "2025-11-02", 60, started_at=begun, ended_at=ended)
    row = row_of(story)
    assert "times-changed-after-note" not in [flag.code for flag in row.flags]
    later = ContactCorrected(client_id="client-1", reason="ran late", ended_at=ended + timedelta(minutes=5))
    assert "times-changed-after-note" in [flag.code for flag in row_of(story.happened("c1", later)).flags]


REASON = NoteContent(no_plan_reason="intake")
OBJECTIVE = NoteContent(objectives=(ObjectiveReference(plan_id="plan-1", objective="o1", progress="more"),))


@pytest.mark.parametrize(
    ("first", "then", "flagged"),
    [
        (NoteContent(), None, True),
        (REASON, None, False),
        (NoteContent(), REASON, False),
        (REASON, NoteContent(no_plan_reason=" "), True),
        (OBJECTIVE, NoteContent(), True),
    ],
)
def test_a_plan_is_expected_unless_the_note_says_why_it_names_none(
    first: NoteContent, then: NoteContent | None, flagged: bool
) -> None:
    story = Story().service("c1", "2025-11-04", 60).drafted("c1", content=first)
    if then is not None:
        story.written("c1", then)
    row = row_of(story.signed("c1", cited_plans=()))
    assert ("plan-expected" in [flag.code for flag in row.flags]) == flagged
    assert row.status == "claimable"


def test_a_draft_that_names_an_objective_is_not_told_to_name_one() -> None:
    row = row_of(Story().service("c1", "2025-11-04", 60).drafted("c1", content=OBJECTIVE))
    assert [flag.code for flag in row.flags] == []


def test_a_row_names_a_rewriting_only_where_it_changed_the_row() -> None:
    story = Story().service("c1", "2025-11-04", 60).drafted("c1")
    story.written("c1", NoteContent(sections={"plan": "p"})).written("c1", REASON)
    assert [event.type for event in row_of(story).events] == [
        "contact.recorded",
        "note.drafted",
        "note.content_written",
    ]
