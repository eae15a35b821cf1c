"""Timeliness rows: given the events of a chart, the row says when its note was due and how it was rated."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError, ContactRecorded
from ledger.aggregates.note_events import (
    ExtensionGranted,
    ExtensionRefused,
    ExtensionRequested,
    NoteContent,
    NoteDrafted,
    NoteEnteredInError,
    NoteMarkedLateEntry,
    NoteSigned,
)
from ledger.aggregates.policy import PolicyAdopted, PolicyRetired
from ledger.aggregates.vocabulary import Event
from ledger.clock import to_text
from ledger.policies.adoption import Adoption
from ledger.projections.folding import fold_all
from ledger.projections.note_review import AS_ADOPTED, Tally, review, standings
from ledger.projections.policies import in_order, policies
from ledger.projections.service_notes import Rated, ServiceNote
from ledger.projections.timeliness import timeliness
from ledger.store.envelope import Recorded, StoredRow

PACIFIC = ZoneInfo("America/Los_Angeles")
OF = {"client_id": "chart", "contact_id": "contact"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PACIFIC)


@dataclass
class Chart:
    """The events of one chart, each with the time the server recorded it and the time it is said to have happened."""

    events: list[Recorded] = field(default_factory=list)

    def add(self, stream: str, event: Event, when: str, said: str | None = None) -> Chart:
        happened = at(said or when)
        row = StoredRow(
            originator_id=stream,
            originator_version=1 + sum(e.originator_id == stream for e in self.events),
            topic=event.TYPE,
            state=b"",
            schema_version=event.SCHEMA,
            key="chart",
            chart_id="chart",
            occurred_at=to_text(happened),
            occurred_offset=int((happened.utcoffset() or timedelta()).total_seconds() // 60),
            actor="ann",
            role="clinician",
            credential=None,
            purpose="treatment",
            command_id="c",
            command_index=0,
            command_digest="",
            correlation_id="c",
            causation_id=None,
            position=len(self.events) + 1,
            recorded_at=to_text(at(when)),
        )
        self.events.append(Recorded(row, event))
        return self

    def serve(self, ended: str, when: str | None = None, program: str = "psc", kind: str = "individual") -> Chart:
        end = at(ended)
        event = ContactRecorded(
            client_id="chart",
            staff_id="ann",
            program=program,
            contact_kind=kind,
            started_at=end - timedelta(hours=1),
            ended_at=end,
            direct_minutes=60,
            travel_minutes=0,
            documentation_minutes=0,
            place="11",
            delivery="in_person",
        )
        return self.add("contact", event, when or ended)

    def draft(self, when: str, note: str = "note") -> Chart:
        facts = self.row
        event = NoteDrafted(
            **OF,
            author_id="ann",
            program=facts.program,
            document=facts.document,
            service_started_at=datetime.fromisoformat(facts.started_at),
            service_ended_at=datetime.fromisoformat(facts.ended_at),
            content=NoteContent(),
        )
        return self.add(note, event, when)

    def sign(self, when: str, said: str | None = None, note: str = "note") -> Chart:
        event = NoteSigned(
            client_id="chart",
            contact_id="contact",
            signer_id="ann",
            printed_name="Ann Sample",
            role="clinician",
            credential="lcsw",
            taxonomy="",
            meaning="authored",
            content_sha256="0" * 64,
            cited_plans=(),
        )
        return self.add(note, event, when, said)

    def ask(self, when: str, request: str = "r1") -> Chart:
        return self.add("note", ExtensionRequested(**OF, request_id=request, staff_id="ann", reason="busy"), when)

    def grant(self, when: str, request: str = "r1") -> Chart:
        return self.add("note", ExtensionGranted(**OF, request_id=request, decided_by="sam"), when)

    def refuse(self, when: str, request: str = "r1") -> Chart:
        return self.add("note", ExtensionRefused(**OF, request_id=request, decided_by="sam"), when)

    def correct(self, ended: str, when: str) -> Chart:
        event = ContactCorrected(client_id="chart", reason="wrong clock", ended_at=at(ended))
        return self.add("contact", event, when)

    @property
    def row(self) -> ServiceNote:
        found: ServiceNote = fold_all(timeliness, self.events)[("contact",)].row
        return found

    def verdict(self, rule: str, reading: str, extension: str | None = None) -> Rated:
        return next(
            v
            for v in self.row.verdicts
            if (v.rule_id, v.reading) == (rule, reading) and extension in (None, v.extension_reading)
        )


@pytest.fixture
def chart() -> Chart:
    return Chart().serve("2026-11-20 15:00")


def test_a_service_without_a_note_is_seen_as_missing_with_its_deadlines(chart: Chart) -> None:
    row = chart.row
    assert (row.state, row.note_id, row.signed_at, row.verdicts) == ("missing", None, None, ())
    assert row.ended_at == "2026-11-20T15:00:00-08:00"
    assert row.policy_due == "2026-11-23T15:00:00-08:00"
    assert row.extension_due == "2026-12-01T23:59:59.999999-08:00"
    assert row.state_due == "2026-11-25T23:59:59.999999-08:00"
    assert len({(due.rule_id, due.reading) for due in row.dues}) == len(row.dues) == 6


def test_the_servers_clock_decides_and_the_claimed_time_stays_beside_it(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").sign("2026-11-23 15:01", said="2026-11-23 14:00")
    assert chart.verdict("PSC-13", "72-elapsed-hours").outcome == "late"
    signature = chart.row.notes[0].signature
    assert signature is not None
    assert signature.claimed_at == "2026-11-23T14:00:00-08:00"
    assert chart.row.signed_at == "2026-11-23T23:01:00.000000Z"


def test_the_last_microsecond_is_on_time(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").sign("2026-11-23 15:00")
    assert chart.verdict("PSC-13", "72-elapsed-hours").outcome == "on_time"


def test_seventy_two_hours_across_the_end_of_daylight_saving_end_an_hour_earlier_by_the_wall() -> None:
    chart = Chart().serve("2026-10-30 15:00").draft("2026-10-30 16:00")
    assert chart.row.policy_due == "2026-11-02T14:00:00-08:00"
    assert chart.row.ended_at == "2026-10-30T15:00:00-07:00"
    assert chart.sign("2026-11-02 14:30").verdict("PSC-13", "72-elapsed-hours").outcome == "late"
    assert chart.verdict("PSC-13", "3-calendar-days").outcome == "on_time"


def test_an_extension_asked_late_and_granted_is_on_time_by_policy_and_late_by_the_state(chart: Chart) -> None:
    chart.draft("2026-11-23 10:00").ask("2026-11-23 17:00").grant("2026-11-24 09:00").sign("2026-11-30 09:00")
    verdict = chart.verdict("PSC-13", "72-elapsed-hours", "5-business-days")
    assert (verdict.outcome, verdict.extension, verdict.requested_late) == ("on_time", "granted", True)
    assert chart.verdict("PSC-13", "72-elapsed-hours", "5-calendar-days").outcome == "late"
    assert chart.verdict("BHIN-23-068-routine", "3-business-days").outcome == "late"
    assert chart.verdict("PSC-14", "72-elapsed-hours+5-business-days").outcome == "partial"


def test_a_second_request_granted_counts_after_the_first_was_refused(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").ask("2026-11-21 11:00").refuse("2026-11-21 12:00")
    chart.ask("2026-11-22 11:00", "r2").grant("2026-11-23 09:00", "r2").sign("2026-11-30 09:00")
    assert chart.verdict("PSC-13", "72-elapsed-hours", "5-business-days").outcome == "on_time"
    assert [request.granted for request in chart.row.notes[0].requests] == [False, True]


def test_an_extension_granted_after_the_signature_changes_the_verdict(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").ask("2026-11-23 09:00").sign("2026-11-24 09:00")
    assert chart.verdict("PSC-13", "72-elapsed-hours").outcome == "late"
    chart.grant("2026-11-24 10:00")
    assert chart.verdict("PSC-13", "72-elapsed-hours", "5-business-days").outcome == "on_time"


def test_correcting_the_end_of_the_service_moves_deadline_verdict_and_month(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").sign("2026-11-24 14:00")
    assert chart.verdict("PSC-13", "72-elapsed-hours").outcome == "late"
    moved = ContactCorrected(client_id="chart", reason="wrong day", ended_at=at("2026-12-01 09:00"))
    chart.add("contact", moved, "2026-12-02 09:00")
    row = chart.row
    assert chart.verdict("PSC-13", "72-elapsed-hours").outcome == "on_time"
    assert (row.service_day, row.earliest_day, row.latest_day) == ("2026-12-01", "2026-11-20", "2026-12-01")


def test_a_correction_of_minutes_changes_no_deadline(chart: Chart) -> None:
    before = chart.row
    correction = ContactCorrected(client_id="chart", reason="minutes", direct_minutes=30)
    assert chart.add("contact", correction, "2026-11-21 09:00").row == before


def test_after_a_note_in_error_the_next_one_stands(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").sign("2026-11-21 11:00")
    chart.add("note", NoteEnteredInError(**OF, reason="wrong chart"), "2026-11-26 09:00")
    assert chart.row.state == "missing"
    chart.draft("2026-11-26 10:00", "second").sign("2026-11-26 11:00", note="second")
    assert chart.row.note_id == "second"
    assert chart.verdict("PSC-13", "72-elapsed-hours").outcome == "late"


def test_a_late_entry_and_a_service_in_error_say_why(chart: Chart) -> None:
    chart.draft("2026-12-05 10:00").add("note", NoteMarkedLateEntry(**OF, reason="missed"), "2026-12-05 10:01")
    chart.add("contact", ContactEnteredInError(client_id="chart", reason="no show"), "2026-12-06 10:00")
    assert chart.row.notes[0].late_entry == "missed"
    assert chart.row.in_error == "no show"


def test_a_program_the_rules_do_not_know_is_said_and_parks_nothing() -> None:
    chart = Chart().serve("2026-11-20 15:00", program="elsewhere").draft("2026-11-21 10:00").sign("2026-11-21 11:00")
    assert chart.row.problem is not None
    assert "elsewhere" in chart.row.problem
    assert (chart.row.state, chart.row.verdicts, chart.row.dues) == ("signed", (), ())
    assert standings(chart.row, (), at("2026-12-01 09:00")) == ()


def test_a_note_of_a_contact_that_was_never_recorded_is_an_error(chart: Chart) -> None:
    whole = chart.draft("2026-11-21 10:00").events
    with pytest.raises(LookupError, match="was not recorded"):
        fold_all(timeliness, whole[1:])


def test_missouri_counts_the_next_business_day_in_central_time() -> None:
    chart = Chart().serve("2026-11-20 22:30", program="css").draft("2026-11-21 10:00").sign("2026-11-23 21:59")
    assert chart.row.service_day == "2026-11-21", "half past ten at night in California is the next day in Missouri"
    assert chart.verdict("CSS-7", "next-business-day").outcome == "on_time"


# The review: where the adopted readings meet the rows


def adoption(reading: str, first: date, program: str | None = None) -> Adoption:
    return Adoption(rule_id="PSC-13", reading=reading, version="1", effective_from=first, program=program)


def tally(rows: list[ServiceNote], rule: str, reading: str, *adopted: Adoption) -> Tally:
    (staff,) = review(rows, adopted, at("2026-12-15 09:00"))
    return next(t for t in staff.tallies if t.rule_id == rule and t.reading == reading)


def test_the_policy_of_the_service_date_decides_though_it_changed_before_the_signature(chart: Chart) -> None:
    row = chart.draft("2026-11-24 10:00").sign("2026-11-24 11:00").row
    later = (adoption("72-elapsed-hours", date(2026, 1, 1)), adoption("3-business-days", date(2026, 11, 21)))
    assert tally([row], "PSC-13", AS_ADOPTED, *later).counts == {"late": 1}
    before = (adoption("72-elapsed-hours", date(2026, 1, 1)), adoption("3-business-days", date(2026, 11, 20)))
    assert tally([row], "PSC-13", AS_ADOPTED, *before).counts == {"on_time": 1}
    assert tally([row], "PSC-13", "3-calendar-days", *before).counts == {"late": 1}


def test_a_verdict_that_a_policy_recorded_after_the_signature_changed_is_restated(chart: Chart) -> None:
    row = chart.draft("2026-11-24 10:00").sign("2026-11-24 11:00").row
    later = msgspec.structs.replace(
        adoption("3-business-days", date(2026, 1, 1)), recorded_at="2026-12-01T17:00:00.000000Z"
    )
    (staff,) = review([row], (later,), at("2026-12-15 09:00"))
    (one,) = staff.restated
    assert (one.note_id, one.then.reading, one.then.outcome) == (row.note_id, "72-elapsed-hours", "late")
    assert (one.now.reading, one.now.outcome) == ("3-business-days", "on_time")
    assert one.because == (
        "the agency adopted PSC-13 read as 3-business-days@1 from 2026-01-01, recorded Tue 1 Dec 2026 09:00 PST",
    )
    before = msgspec.structs.replace(later, recorded_at="2026-11-24T18:59:00.000000Z")
    (staff,) = review([row], (before,), at("2026-12-15 09:00"))
    assert staff.restated == ()


def test_a_retirement_recorded_after_the_signature_restates_too(chart: Chart) -> None:
    row = chart.draft("2026-11-24 10:00").sign("2026-11-24 11:00").row
    ended = msgspec.structs.replace(
        adoption("3-business-days", date(2026, 1, 1)),
        retired_on=date(2026, 11, 1),
        retired_recorded_at="2026-12-01T17:00:00.000000Z",
    )
    (staff,) = review([row], (ended,), at("2026-12-15 09:00"))
    (one,) = staff.restated
    assert (one.then.outcome, one.now.outcome) == ("on_time", "late")
    assert one.because == (
        "an end given to an adoption: the agency adopted PSC-13 read as 3-business-days@1 from 2026-01-01, until "
        "2026-11-01 (not included), recorded Tue 1 Dec 2026 09:00 PST",
    )


def test_a_correction_after_the_signature_restates_with_whose_it_is(chart: Chart) -> None:
    """Signed 30 minutes too late; the author then moves the service's end by an hour."""
    chart.draft("2026-11-23 10:00").sign("2026-11-23 15:30")
    chart.correct("2026-11-20 16:00", "2026-11-25 09:00")
    (staff,) = review([chart.row], (), at("2026-12-15 09:00"), {"ann": "Ann Sample"}.__getitem__)
    one = next(found for found in staff.restated if found.then.rule_id == "PSC-13")
    assert (one.then.outcome, one.then.due) == ("late", "2026-11-23T15:00:00-08:00")
    assert (one.now.outcome, one.now.due) == ("on_time", "2026-11-23T16:00:00-08:00")
    assert one.because == (
        "Ann Sample corrected the service's end from Fri 20 Nov 2026 15:00 PST to Fri 20 Nov 2026 16:00 PST (wrong "
        "clock), recorded Wed 25 Nov 2026 09:00 PST",
    )


def test_a_late_note_that_was_on_time_is_marked_in_the_list_of_late_ones(chart: Chart) -> None:
    chart.draft("2026-11-23 10:00").sign("2026-11-23 14:30")
    chart.correct("2026-11-20 14:00", "2026-11-25 09:00")
    (staff,) = review([chart.row], (), at("2026-12-15 09:00"))
    (late,) = staff.late
    assert {v.rule_id: v.outcome for v in late.verdicts} == {"PSC-13": "late", "PSC-14": "partial"}
    assert {v.rule_id: v.outcome for v in late.restated_from} == {"PSC-13": "on_time", "PSC-14": "full"}


def test_more_time_granted_after_the_signature_restates(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").ask("2026-11-21 11:00").sign("2026-11-24 09:00").grant("2026-11-30 09:00")
    (staff,) = review([chart.row], (), at("2026-12-15 09:00"))
    (one,) = staff.restated
    assert (one.then.rule_id, one.then.outcome, one.now.outcome) == ("PSC-13", "late", "on_time")
    assert one.because == ("sam granted more time, recorded Mon 30 Nov 2026 09:00 PST",)


def test_what_was_known_at_the_signature_restates_nothing(chart: Chart) -> None:
    chart.correct("2026-11-20 16:00", "2026-11-21 09:00").draft("2026-11-21 10:00")
    chart.ask("2026-11-21 11:00").grant("2026-11-21 12:00").sign("2026-11-23 14:30")
    (staff,) = review([chart.row], (), at("2026-12-15 09:00"))
    assert staff.restated == ()


def test_a_correction_that_is_taken_back_leaves_the_verdict_that_was(chart: Chart) -> None:
    chart.draft("2026-11-23 10:00").sign("2026-11-23 15:30")
    chart.correct("2026-11-20 16:00", "2026-11-25 09:00").correct("2026-11-20 15:00", "2026-11-26 09:00")
    (staff,) = review([chart.row], (), at("2026-12-15 09:00"))
    assert staff.restated == ()


def test_a_correction_that_put_off_what_was_overdue_is_restated_too(chart: Chart) -> None:
    chart.correct("2026-11-24 15:00", "2026-11-24 16:00")
    (staff,) = review([chart.row], (), at("2026-11-25 09:00"))
    one = next(found for found in staff.restated if found.then.rule_id == "PSC-13")
    assert (one.then.outcome, one.now.outcome) == ("overdue", "pending")


def test_of_several_things_recorded_since_only_what_turned_the_verdict_is_named(chart: Chart) -> None:
    """The second correction turns nothing under business days, which the policy recorded before it brought in."""
    chart.draft("2026-11-23 10:00").sign("2026-11-24 09:00")
    chart.correct("2026-11-20 16:00", "2026-12-03 09:00")
    later = msgspec.structs.replace(
        adoption("3-business-days", date(2026, 1, 1)), recorded_at="2026-12-01T17:00:00.000000Z"
    )
    (staff,) = review([chart.row], (later,), at("2026-12-15 09:00"))
    one = next(found for found in staff.restated if found.then.rule_id == "PSC-13")
    assert (one.then.outcome, one.now.outcome) == ("late", "on_time")
    assert [told.partition(" PSC-13")[0] for told in one.because] == ["the agency adopted"]


def test_the_month_counts_by_the_calendar_adopted_for_the_service_date() -> None:
    row = Chart().serve("2026-11-24 15:00").draft("2026-11-24 16:00").sign("2026-12-01 09:00").row
    known = (adoption("3-business-days", date(2026, 1, 1)),)
    open_friday = Adoption(
        rule_id="CALENDAR",
        reading="us-ca-agency-open-black-friday",
        version="1",
        effective_from=date(2026, 11, 1),
        program="psc",
    )
    assert tally([row], "PSC-13", AS_ADOPTED, *known).counts == {"on_time": 1}
    assert tally([row], "PSC-13", AS_ADOPTED, *known, open_friday).counts == {"late": 1}
    later = msgspec.structs.replace(open_friday, effective_from=date(2026, 11, 25))
    assert tally([row], "PSC-13", AS_ADOPTED, *known, later).counts == {"on_time": 1}


def test_nobody_having_adopted_a_reading_the_default_is_marked_as_one(chart: Chart) -> None:
    row = chart.draft("2026-11-21 10:00").sign("2026-11-21 11:00").row
    found = standings(row, (), at("2026-12-01 09:00"))
    mine = [standing for standing in found if standing.adopted]
    assert {standing.rated.rule_id for standing in mine} == {"PSC-13", "BHIN-23-068-routine", "PSC-14"}
    assert all(standing.is_default for standing in mine)
    adopted = standings(row, (adoption("3-business-days", date(2026, 1, 1)),), at("2026-12-01 09:00"))
    assert [(s.rated.reading, s.is_default) for s in adopted if s.adopted and s.rated.rule_id == "PSC-13"] == [
        ("3-business-days", False)
    ]


def test_unsigned_services_are_judged_at_the_moment_asked_about(chart: Chart) -> None:
    (early,) = review([chart.row], (), at("2026-11-23 15:00"))
    (later,) = review([chart.row], (), at("2026-11-23 15:01"))
    assert [t.counts for t in early.tallies if t.rule_id == "PSC-13" and t.reading == AS_ADOPTED] == [{"pending": 1}]
    assert [t.due for t in early.tallies if t.rule_id == "PSC-13" and t.reading == AS_ADOPTED] == [0]
    assert [t.counts for t in later.tallies if t.rule_id == "PSC-13" and t.reading == AS_ADOPTED] == [{"overdue": 1}]
    assert early.late == ()
    assert later.late[0].note_id is None
    assert later.missing == 1


def test_percentages_are_of_what_is_due_and_errors_are_out_of_account() -> None:
    rows = [
        Chart().serve("2026-11-20 15:00").draft("2026-11-20 16:00").sign(signed).row
        for signed in ("2026-11-21 10:00", "2026-11-22 10:00", "2026-11-24 10:00")
    ]
    wrong = Chart().serve("2026-11-20 15:00")
    wrong.add("contact", ContactEnteredInError(client_id="chart", reason="x"), "2026-11-20 17:00")
    rows.append(wrong.row)
    rows.append(Chart().serve("2026-12-15 08:30").row)
    found = tally(rows, "PSC-14", AS_ADOPTED)
    assert (found.due, found.counts) == (3, {"full": 2, "partial": 1, "pending": 1})
    assert found.percent == {"full": 66.7, "partial": 33.3}
    (staff,) = review(rows, (), at("2026-12-15 09:00"))
    assert (staff.services, staff.signed, staff.missing, staff.in_error) == (4, 3, 1, 1)


def test_with_an_extension_a_reading_is_counted_once_with_the_extension_as_adopted(chart: Chart) -> None:
    chart.draft("2026-11-21 10:00").ask("2026-11-21 11:00").grant("2026-11-21 12:00").sign("2026-11-30 09:00")
    rows = [chart.row]
    assert tally(rows, "PSC-13", "72-elapsed-hours").counts == {"on_time": 1}
    calendar_days = Adoption(
        rule_id="PSC-13-extension", reading="5-calendar-days", version="1", effective_from=date(2026, 1, 1)
    )
    assert tally(rows, "PSC-13", "72-elapsed-hours", calendar_days).counts == {"late": 1}
    assert tally(rows, "PSC-13", AS_ADOPTED, calendar_days).in_force == ("72-elapsed-hours, then 5-calendar-days",)


def test_adoptions_are_rows_in_the_order_they_were_recorded_with_the_day_after_the_last_as_their_end() -> None:
    chart = Chart()
    facts: dict[str, Any] = {"rule_id": "PSC-13", "reading": "3-business-days", "program": None, "policy_version": "1"}
    chart.add("z", PolicyAdopted(**facts, effective_from=date(2026, 1, 1), reason="r"), "2026-01-02 09:00")
    chart.add("a", PolicyAdopted(**facts, effective_from=date(2026, 6, 1), reason="r"), "2026-01-03 09:00")
    chart.add("z", PolicyRetired(**facts, last_day=date(2026, 5, 31), reason="replaced"), "2026-01-04 09:00")
    found = in_order(fold_all(policies, chart.events).values())
    assert [a.effective_from for a in found] == [date(2026, 1, 1), date(2026, 6, 1)]
    assert [a.retired_on for a in found] == [date(2026, 6, 1), None]
