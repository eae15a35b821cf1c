"""Traces built from a real store: late or not, under which rule, by which clock, and who could have known what when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from tests.tracing.clinic import Clinic, at, in_force, under

from ledger.aggregates.base import Actor, Change
from ledger.aggregates.client_events import EpisodeOpened, RegisterClient
from ledger.aggregates.staff import PersonName
from ledger.application.reading import open_charts
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare, rows_of
from ledger.consumers.runner import Runner
from ledger.errors import NotFound
from ledger.grants import NotGranted
from ledger.projections.note_review import standings
from ledger.projections.policies import policies
from ledger.projections.timeliness import timeliness
from ledger.store.codec import EnvelopeMapper
from ledger.store.envelope import Context, Stamped
from ledger.tracing.page import as_text
from ledger.tracing.picture import trace_picture
from ledger.tracing.story import chart_of_note, gather
from ledger.tracing.told import answer, told
from ledger.tracing.trace import trace_note

FIRST_DAY = date(2026, 11, 1)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(f"sqlite:///{tmp_path / 'ledger.db'}")


def full_story(clinic: Clinic) -> None:
    """An extension asked late, a policy adopted back to before the service, a signature on two clocks, a dispute."""
    clinic.adopt("PSC-13", "72-elapsed-hours", date(2026, 1, 1), at("2026-10-02 09:00"))
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.read(clinic.supervisor, at("2026-11-23 16:00"))
    request = clinic.ask(at("2026-11-23 17:30"))
    clinic.grant(request, at("2026-11-24 09:00"))
    clinic.adopt("PSC-13", "3-business-days", date(2026, 11, 1), at("2026-11-25 08:00"), "psc")
    clinic.sign(at("2026-11-30 11:12"), at("2026-11-23 14:40"), "office closed")
    clinic.correct_end(at("2026-11-20 16:30"), at("2026-12-02 09:00"))
    clinic.dispute(at("2026-12-10 10:00"))


def test_the_verdict_stands_under_every_reading_and_the_one_in_force_is_marked(clinic: Clinic) -> None:
    full_story(clinic)
    trace = clinic.trace()
    mine = in_force(trace, "PSC-13")
    assert (mine.reading, mine.outcome, mine.is_default) == ("3-business-days, then 5-business-days", "on_time", False)
    assert under(trace, "PSC-13", "3-business-days, then 5-calendar-days").outcome == "late"
    assert in_force(trace, "BHIN-23-068-routine").outcome == "late"
    assert in_force(trace, "PSC-14").outcome == "partial"
    assert in_force(trace, "PSC-14").is_default
    assert sum(opinion.adopted for opinion in trace.opinions) == 3


def test_both_clocks_give_their_verdict_and_the_servers_decides(clinic: Clinic) -> None:
    full_story(clinic)
    trace = clinic.trace()
    assert trace.signature is not None
    assert trace.signature.gap_seconds == timedelta(days=6, hours=20, minutes=32).total_seconds()
    state = in_force(trace, "BHIN-23-068-routine")
    assert (state.outcome, state.outcome_by_claimed_clock) == ("late", "on_time")


def test_what_changed_the_verdict_is_put_down_to_its_event_or_to_the_clock(clinic: Clinic) -> None:
    full_story(clinic)
    trace = clinic.trace()
    types = {event.number: event.type for event in trace.events}
    mine = [
        (c.kind, None if c.event is None else types[c.event], c.before.split(", due")[0], c.after.split(", due")[0])
        for c in trace.changes
        if c.adopted and c.rule_id == "PSC-13"
    ]
    assert mine == [
        ("verdict", None, "not due yet", "OVERDUE"),
        ("verdict", "note.extension_granted", "OVERDUE", "not due yet"),
        ("adopted", "policy.adopted", "72-elapsed-hours: not due yet", "3-business-days: not due yet"),
        ("verdict", "note.signed", "not due yet", "on time"),
    ]
    ran_out = next(c for c in trace.changes if c.event is None and c.rule_id == "PSC-13")
    assert ran_out.at == at("2026-11-23 15:00")
    corrected = [c for c in trace.changes if c.event is not None and types[c.event] == "contact.corrected"]
    assert {c.kind for c in corrected} == {"deadline"}
    assert not [c for c in trace.changes if c.event is not None and types[c.event].startswith("dispute.")]


def test_a_corrected_end_of_service_can_turn_the_verdict(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.sign(at("2026-11-23 15:30"))
    clinic.correct_end(at("2026-11-20 16:00"), at("2026-11-25 09:00"))
    trace = clinic.trace()
    assert in_force(trace, "PSC-13").outcome == "on_time"
    turned = trace.changes[-1] if trace.changes[-1].rule_id == "PSC-13" else None
    turned = turned or next(c for c in reversed(trace.changes) if c.rule_id == "PSC-13" and c.adopted)
    assert (turned.before, turned.after) == (
        "LATE, due Mon 2026-11-23 15:00 -08:00",
        "on time, due Mon 2026-11-23 16:00 -08:00",
    )
    assert trace.service_ended_at_when_drafted == at("2026-11-20 15:00")


def test_a_policy_adopted_after_the_signature_for_an_earlier_day_is_told_apart_from_what_held_then(
    clinic: Clinic,
) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.sign(at("2026-11-24 12:00"))
    clinic.adopt("PSC-13", "3-business-days", date(2026, 11, 1), at("2026-12-01 09:00"))
    policy = next(p for p in clinic.trace().adopted if p.rule_id == "PSC-13")
    assert (policy.reading, policy.known_at_signature) == ("3-business-days@1", "72-elapsed-hours")
    assert in_force(clinic.trace(), "PSC-13").outcome == "on_time"
    known = clinic.trace(known=at("2026-11-30 09:00"))
    assert in_force(known, "PSC-13").outcome == "late"


def test_a_verdict_that_a_later_policy_changed_is_restated_with_what_it_was_and_why(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.sign(at("2026-11-24 12:00"))
    assert clinic.trace().restated == ()
    clinic.adopt("PSC-13", "3-business-days", date(2026, 11, 1), at("2026-12-01 09:00"))
    trace = clinic.trace()
    (one,) = trace.restated
    assert (one.rule_id, one.reading_then, one.outcome_then) == ("PSC-13", "72-elapsed-hours", "late")
    assert (one.reading_now, one.outcome_now) == ("3-business-days", "on_time")
    assert one.known_at == at("2026-11-24 12:00")
    (number,) = one.events
    assert trace.events[number - 1].type == "policy.adopted"
    said = " ".join(answer(trace))
    assert "On time (restated: it was LATE) under PSC-13" in said
    assert (
        "Restated: by what was known when the note was signed (Tue 2026-11-24 12:00 -08:00), PSC-13 was read as "
        "72-elapsed-hours: LATE, due Mon 2026-11-23 15:00 -08:00. Now it is read as 3-business-days: on time, due "
        "Wed 2026-11-25 23:59:59 -08:00. Because of event"
    ) in said
    assert "recorded Tue 2026-12-01 09:00 -08:00 by system:setup" in said
    assert clinic.trace(known=at("2026-11-30 09:00")).restated == ()


def test_a_correction_that_turns_the_verdict_is_told_with_the_headline(clinic: Clinic) -> None:
    """The author signed half an hour too late, then moved the end of her service by an hour."""
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.sign(at("2026-11-23 15:30"))
    assert clinic.trace().restated == ()
    clinic.correct_end(at("2026-11-20 16:00"), at("2026-11-25 09:00"))
    trace = clinic.trace()
    one = next(found for found in trace.restated if found.rule_id == "PSC-13")
    assert (one.outcome_then, one.due_then) == ("late", at("2026-11-23 15:00"))
    assert (one.outcome_now, one.due_now) == ("on_time", at("2026-11-23 16:00"))
    (cause,) = one.because
    assert (cause.actor_id, cause.recorded_at) == (clinic.author, at("2026-11-25 09:00"))
    assert trace.events[cause.event - 1].type == "contact.corrected"
    headline, restated, *_ = answer(trace)
    assert headline.startswith("On time (restated: it was LATE) under PSC-13 (the employer's rule)")
    assert restated == (
        "Restated: by what was known when the note was signed (Mon 2026-11-23 15:30 -08:00), PSC-13 was LATE, due Mon "
        "2026-11-23 15:00 -08:00. Now it is on time, due Mon 2026-11-23 16:00 -08:00. Because of event "
        f"{cause.event}, recorded Wed 2026-11-25 09:00 -08:00 by Ann Sample: Service corrected: ended_at = Fri "
        "2026-11-20 16:00 -08:00. Reason: wrong day."
    )
    drawing = trace_picture(trace)
    assert drawing is not None
    assert "Mon 2026-11-23 16:00 -08:00 on time (was LATE)" in "".join(drawing.itertext())
    assert clinic.trace(known=at("2026-11-24 09:00")).restated == ()


def test_a_correction_just_before_the_signature_that_makes_the_outcome_is_told_with_the_headline(
    clinic: Clinic,
) -> None:
    """The time had run out; the author moves the end of her service, and then signs in time."""
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.correct_end(at("2026-11-20 16:00"), at("2026-11-23 15:20"))
    clinic.sign(at("2026-11-23 15:30"))
    trace = clinic.trace()
    one = next(found for found in trace.restated if found.rule_id == "PSC-13")
    assert (one.by_first_end, one.outcome_then, one.outcome_now) == (True, "late", "on_time")
    headline, told_why, *_ = answer(trace)
    assert headline.startswith("On time (LATE by the end first recorded) under PSC-13")
    assert told_why.startswith(
        "Made by a correction before the signature: by the service's end first recorded, PSC-13 would be LATE, due Mon "
        "2026-11-23 15:00 -08:00; as corrected it is on time, due Mon 2026-11-23 16:00 -08:00. Because of event "
    )
    assert "recorded Mon 2026-11-23 15:20 -08:00 by Ann Sample: Service corrected" in told_why
    story = gather(clinic.recorder, clinic.read(clinic.officer), clinic.note)
    standing = next(s for s in standings(story.service, (), clinic.clock.now()) if s.adopted)
    assert standing.known_then is not None
    assert standing.known_then.outcome == "late"


def test_a_correction_before_the_signature_that_changes_no_outcome_is_not_in_the_headline(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-20 16:00"))
    clinic.correct_end(at("2026-11-20 15:10"), at("2026-11-20 17:00"))
    clinic.sign(at("2026-11-21 09:00"))
    assert clinic.trace().restated == ()


def test_more_time_granted_after_the_signature_is_restated(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    request = clinic.ask(at("2026-11-23 11:00"))
    clinic.sign(at("2026-11-24 12:00"))
    clinic.grant(request, at("2026-11-30 09:00"))
    (one,) = clinic.trace().restated
    assert (one.rule_id, one.outcome_then, one.outcome_now) == ("PSC-13", "late", "on_time")
    (cause,) = one.because
    assert (cause.actor_id, cause.words) == (clinic.supervisor, "More time granted by Sam Sample. Comment: agreed")


def test_the_review_restates_what_the_trace_restates(clinic: Clinic) -> None:
    """Corrections, a decision on more time, a reading and a calendar, all recorded after the signature."""
    clinic.serve(at("2026-11-24 15:00"))
    clinic.draft(at("2026-11-24 16:00"))
    request = clinic.ask(at("2026-11-25 11:00"))
    clinic.sign(at("2026-12-01 12:00"))
    clinic.grant(request, at("2026-12-02 08:00"))
    turns: list[Callable[[], None]] = [
        lambda: clinic.adopt("PSC-13", "3-business-days", date(2026, 1, 1), at("2026-12-02 09:00")),
        lambda: clinic.correct_end(at("2026-11-25 01:00"), at("2026-12-03 09:00")),
        lambda: clinic.adopt(
            "CALENDAR", "us-ca-agency-open-black-friday", date(2026, 11, 1), at("2026-12-04 09:00"), program="psc"
        ),
        lambda: clinic.correct_end(at("2026-11-24 15:00"), at("2026-12-05 09:00")),
    ]
    for turn in turns:
        turn()
        trace = clinic.trace()
        story = gather(clinic.recorder, clinic.read(clinic.officer), clinic.note)
        found = standings(story.service, story.steps[-1].adoptions, clinic.clock.now())
        then = {s.rated.rule_id: s.known_then for s in found if s.known_then is not None}
        assert then, "nothing is restated: this case shows nothing"
        # A rating's second limit moves with the calendar alone: the trace tells that as well.
        told = {one.rule_id: (one.outcome_then, one.due_then) for one in trace.restated}
        for rule_id, was in then.items():
            assert told[rule_id] == (was.outcome, datetime.fromisoformat(was.due))


def test_a_policy_adopted_before_the_signature_restates_nothing(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.adopt("PSC-13", "3-business-days", date(2026, 11, 1), at("2026-11-23 11:00"))
    clinic.sign(at("2026-11-24 12:00"))
    assert clinic.trace().restated == ()


def test_an_unsigned_note_is_restated_against_the_end_of_its_service(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.adopt("PSC-13", "3-business-days", date(2026, 11, 1), at("2026-11-24 11:00"))
    (one,) = clinic.trace().restated
    assert (one.outcome_then, one.outcome_now) == ("overdue", "pending")


def test_an_adopted_calendar_counts_the_days_of_services_from_its_effective_date(clinic: Clinic) -> None:
    """Thu 26 Nov 2026 is Thanksgiving; the agency works on the Friday after it from 2026-11-01 on."""
    clinic.adopt("PSC-13", "3-business-days", date(2026, 1, 1), at("2026-10-02 09:00"))
    clinic.adopt("CALENDAR", "us-ca-agency-open-black-friday", date(2026, 11, 1), at("2026-10-02 09:00"), program="psc")
    clinic.serve(at("2026-11-24 15:00"))
    clinic.draft(at("2026-11-24 16:00"))
    clinic.sign(at("2026-12-01 12:00"))
    trace = clinic.trace()
    mine = in_force(trace, "PSC-13")
    assert (mine.due.date(), mine.outcome) == (date(2026, 11, 30), "late")  # Wed 25, Fri 27, Mon 30
    assert {one.calendar_version.partition("@")[0] for one in trace.limits} == {"us-ca-agency-open-black-friday"}
    assert [p.reading for p in trace.adopted if p.rule_id == "CALENDAR"] == ["us-ca-agency-open-black-friday@1"]
    assert "the agency" not in next(p.reasons[0] for p in trace.adopted if p.rule_id == "CALENDAR")
    text = as_text(told(trace))
    assert "CALENDAR: for a service of 2026-11-24: program psc adopted CALENDAR" in " ".join(text.split())
    clinic.serve(at("2026-10-30 15:00"), when=at("2026-12-02 09:00"))
    clinic.draft(at("2026-12-02 10:00"))
    earlier = clinic.trace()
    assert {one.calendar_version.partition("@")[0] for one in earlier.limits} == {"us-ca-agency"}


def test_a_calendar_adopted_afterwards_restates_the_verdict(clinic: Clinic) -> None:
    clinic.adopt("PSC-13", "3-business-days", date(2026, 1, 1), at("2026-10-02 09:00"))
    clinic.serve(at("2026-11-24 15:00"))
    clinic.draft(at("2026-11-24 16:00"))
    clinic.sign(at("2026-12-01 12:00"))
    clinic.adopt("CALENDAR", "us-ca-agency-open-black-friday", date(2026, 11, 1), at("2026-12-02 09:00"), program="psc")
    one = next(found for found in clinic.trace().restated if found.rule_id == "PSC-13")
    assert (one.outcome_then, one.outcome_now) == ("on_time", "late")
    assert (one.due_then.date(), one.due_now.date()) == (date(2026, 12, 1), date(2026, 11, 30))


def test_a_policy_changed_between_service_and_signature_does_not_rewrite_the_rule_of_the_day(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.adopt("PSC-13", "3-business-days", date(2026, 11, 21), at("2026-11-21 09:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.sign(at("2026-11-24 12:00"))
    mine = in_force(clinic.trace(), "PSC-13")
    assert (mine.reading, mine.is_default, mine.outcome) == ("72-elapsed-hours", True, "late")


def test_who_could_have_known_what_when(clinic: Clinic) -> None:
    full_story(clinic)
    trace = clinic.trace()
    numbers = {event.type: event.number for event in trace.events}
    sam = next(person for person in trace.knowledge if person.person_id == clinic.supervisor)
    known = {fact.event: fact for fact in sam.facts}
    assert known[numbers["contact.recorded"]].at == at("2026-11-23 16:00")
    assert known[numbers["contact.recorded"]].how == "read the chart (cli: chart)"
    asked = known[numbers["note.extension_requested"]]
    assert (asked.since, asked.at) == (at("2026-11-23 17:30"), at("2026-11-24 09:00"))
    assert asked.how == f"decided on it (event {numbers['note.extension_granted']})"
    assert known[numbers["note.signed"]].at is None
    assert "supervises the author" in sam.parts
    assert [(read.name, read.facts_shown) for read in trace.reads] == [("Sam Sample", 4)]


def test_a_read_of_the_chart_as_known_earlier_shows_nothing_later(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.read(clinic.supervisor, at("2026-11-23 12:00"), known=at("2026-11-22 09:00"))
    trace = clinic.trace()
    sam = next(person for person in trace.knowledge if person.person_id == clinic.supervisor)
    assert [(trace.events[fact.event - 1].type, fact.at) for fact in sam.facts] == [
        ("contact.recorded", at("2026-11-23 12:00")),
        ("note.drafted", None),
    ]


def test_the_extension_names_who_decided_it_and_that_it_was_asked_late(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    clinic.refuse(clinic.ask(at("2026-11-23 17:00")), at("2026-11-24 08:00"))
    (asked,) = clinic.trace().requests
    assert (asked.asked_by, asked.decision, asked.decided_by) == ("Ann Sample", "refused", "Sam Sample")
    assert asked.requested_late
    assert in_force(clinic.trace(), "PSC-13").outcome == "overdue"


def test_as_known_earlier_the_note_is_a_draft_and_what_came_later_is_not_told(clinic: Clinic) -> None:
    full_story(clinic)
    trace = clinic.trace(known=at("2026-11-24 12:00"))
    assert trace.signature is None
    assert [event.type for event in trace.events][-1] == "note.extension_granted"
    assert trace.disputes == ()
    assert in_force(trace, "PSC-13").reading == "72-elapsed-hours, then 5-business-days"
    with pytest.raises(NotFound):
        clinic.trace(known=at("2026-11-21 09:00"))


def test_the_dispute_stands_beside_the_verdict(clinic: Clinic) -> None:
    full_story(clinic)
    (dispute,) = clinic.trace().disputes
    assert (dispute.outcome, dispute.decided_by, dispute.evidence) == ("overturned", "Kim Sample", 1)


def test_a_grant_for_another_chart_opens_no_trace(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    clinic.draft(at("2026-11-23 10:00"))
    first = clinic.read(clinic.officer)
    other = type(first)(
        access_id=first.access_id,
        reader_id=first.reader_id,
        purpose="audit",
        charts=frozenset({clinic.new()}),
        position=first.position,
    )
    with pytest.raises(NotGranted):
        trace_note(clinic.recorder, other, clinic.note, as_at=clinic.clock.now(), zone="America/Los_Angeles")


def test_only_a_note_can_be_traced(clinic: Clinic) -> None:
    clinic.serve(at("2026-11-20 15:00"))
    for wrong in (clinic.contact, clinic.client, "nothing"):
        with pytest.raises(NotFound):
            chart_of_note(clinic.recorder, wrong)


def test_a_program_without_rules_is_traced_without_a_verdict_or_a_picture(clinic: Clinic) -> None:
    """No command opens such an episode any more; one that is in the record stays readable."""
    episode = EpisodeOpened(episode_id=clinic.new(), program="respite", opened_on=FIRST_DAY)
    change = Change(clinic.client, 3, clinic.client, clinic.client, episode, at("2026-11-02 09:00"))
    context = Context("earlier", Actor("system:setup", "setup", ("system",)), "treatment", "earlier")
    clinic.clock.set(at("2026-11-02 09:00"))
    clinic.recorder.insert_events([EnvelopeMapper().to_stored_event(Stamped(change, context, 0))])
    clinic.serve(at("2026-11-20 15:00"), program="respite")
    clinic.draft(at("2026-11-23 10:00"))
    trace = clinic.trace()
    assert trace.problem is not None
    assert "no program 'respite'" in trace.problem
    assert (trace.opinions, trace.limits, trace.changes, trace_picture(trace)) == ((), (), (), None)
    assert answer(trace) == [f"No rule could be applied: {trace.problem}."]
    assert [event.type for event in trace.events] == ["contact.recorded", "note.drafted", "note.content_written"]


def test_reads_of_pages_with_many_charts_are_found_too(clinic: Clinic) -> None:
    other = clinic.new()
    name = PersonName(family="Other", given="Olga")
    clinic.do(RegisterClient(client_id=other, name=name, birth_date=date(1990, 1, 1)))
    clinic.serve(at("2026-11-20 15:00"))
    clinic.clock.set(at("2026-11-21 09:00"))
    for charts, page in (([clinic.client, other], "caseload"), ([other], "chart")):
        open_charts(clinic.ledger, charts, reader=clinic.supervisor, purpose="operations", surface="web", resource=page)
    clinic.draft(at("2026-11-23 10:00"))
    assert [(read.resource, read.at) for read in clinic.trace().reads] == [("caseload", at("2026-11-21 09:00"))]


def test_the_trace_says_what_the_view_says(clinic: Clinic) -> None:
    full_story(clinic)
    runner = Runner(clinic.recorder.engine, LocalLog(clinic.recorder), [timeliness, policies])
    runner.prepare()
    runner.catch_up()
    (values,) = rows_of(clinic.recorder.engine, timeliness)
    row = timeliness.from_columns(values).row
    of_row = {(v.rule_id, v.reading, v.extension_reading): (v.outcome, v.due) for v in row.verdicts}
    trace = clinic.trace()
    of_trace = {
        (o.rule_id, *(o.reading.split(", then ") if ", then " in o.reading else (o.reading, None))): (
            o.outcome,
            o.due.isoformat(),
        )
        for o in trace.opinions
    }
    assert of_row == of_trace
    assert len(of_row) == 13


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_rebuilding_gives_the_rows_that_live_work_gave(clinic: Clinic, batch: int) -> None:
    full_story(clinic)
    log = LocalLog(clinic.recorder)
    live = Runner(clinic.recorder.engine, log, [timeliness, policies], batch=batch)
    live.prepare()
    live.catch_up()
    for projection, rows in ((timeliness, 1), (policies, 2)):
        _, generation = build_beside(clinic.recorder.engine, log, projection)
        difference = compare(clinic.recorder.engine, projection, generation)
        assert difference.same, difference.examples
        assert difference.rows == rows
