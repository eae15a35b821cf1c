"""A contact: its times, its minutes, its place, its group (PSC-1, PSC-17, ECM-3, ECM-11)."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
from tests.notation import Stream, given, of
from tests.sample import (
    A_CLIENT,
    A_CONTACT,
    ANN,
    BOB,
    CHART,
    CLIENT,
    CLINICIAN,
    COLLEAGUE,
    CONTACT,
    ENDED,
    EPISODE,
    NOBODY,
    STARTED,
    contact_of,
    ident,
    moment,
    person,
)

from ledger.aggregates.client_events import DiagnosisRecorded, EpisodeClosed, EpisodeOpened
from ledger.aggregates.contact import (
    ContactCorrected,
    ContactEnteredInError,
    ContactRecorded,
    CorrectContact,
    Group,
    MarkContactInError,
    RecordContact,
)
from ledger.aggregates.staff import EmploymentEnded

RECORD = RecordContact(
    contact_id=CONTACT,
    client_id=CLIENT,
    staff_id=ANN,
    program="psc",
    contact_kind="individual",
    started_at=STARTED,
    ended_at=ENDED,
    direct_minutes=55,
    travel_minutes=10,
    place="12",
)


def changed(**fields: object) -> RecordContact:
    return msgspec.structs.replace(RECORD, **fields)


def test_a_contact_is_recorded_with_the_diagnoses_of_that_day() -> None:
    ill = A_CLIENT.and_then(
        DiagnosisRecorded(diagnosis_id=ident("d"), system="s", code="F20.9", display="d", onset=date(2026, 1, 2)),
        DiagnosisRecorded(diagnosis_id=ident("e"), system="s", code="F33.1", display="d", onset=date(2026, 1, 3)),
    )
    given(CLINICIAN, A_CLIENT).when(RECORD, by=ANN).then(contact_of("individual"))
    given(CLINICIAN, ill).when(RECORD, by=ANN).then_a(ContactRecorded, diagnoses=("F20.9",))


def test_ecm_11_a_group_contact_names_its_group_and_who_led_it() -> None:
    group = Group(group_id=ident("group"), size=6, co_leaders=(BOB,))
    given(CLINICIAN, COLLEAGUE, A_CLIENT).when(changed(contact_kind="group", group=group), by=ANN).then_a(
        ContactRecorded, contact_kind="group", group=group
    )


def test_ecm_11_a_group_is_led_by_colleagues_at_work_that_day_each_named_once_beside_the_author() -> None:
    gone = COLLEAGUE.and_then(EmploymentEnded(last_day=date(2026, 1, 1), reason="moved"))
    group = Group(group_id=ident("group"), size=6, co_leaders=(NOBODY, BOB, BOB, ANN))
    given(CLINICIAN, gone, A_CLIENT).when(changed(contact_kind="group", group=group), by=ANN).then_refused(
        "group.co_leaders[0]",
        "no such staff member (register them first)",
        ("group.co_leaders[1]", "Bob Sample was not employed on 2026-01-02"),
        ("group.co_leaders[2]", "Bob Sample was not employed on 2026-01-02"),
        ("group.co_leaders[2]", "Bob Sample is named twice"),
        ("group.co_leaders[3]", "Ann Sample gave the service"),
    )


def test_a_service_that_ends_before_it_starts_is_refused() -> None:
    given(CLINICIAN, A_CLIENT).when(changed(ended_at=STARTED - timedelta(minutes=1)), by=ANN).then_refused(
        "ended_at", "the service ends before it starts (check both times and their offsets)"
    )


def test_times_are_compared_as_instants_whatever_their_offsets() -> None:
    in_new_york = moment("2026-01-02T18:00:00-05:00")
    given(CLINICIAN, A_CLIENT).when(changed(ended_at=in_new_york), by=ANN).then_a(ContactRecorded, ended_at=in_new_york)
    earlier = moment("2026-01-02T14:30:00-05:00")
    given(CLINICIAN, A_CLIENT).when(changed(ended_at=earlier), by=ANN).then_refused("ended_at", "before it starts")


def test_every_reason_is_given_at_once() -> None:
    command = changed(
        client_id=ident("unknown"),
        staff_id=NOBODY,
        contact_kind="seance",
        direct_minutes=61,
        ended_at=ENDED,
    )
    given().when(command, by=ANN, at="2026-01-02T14:30:00-08:00").then_refused(
        "ended_at",
        "the service is in the future",
        ("direct_minutes", "61 direct minutes do not fit into a service of 60 minutes"),
        ("contact_kind", "'seance' is not a kind of contact"),
        ("staff_id", "no such staff member"),
        ("client_id", "no such client"),
        ("actor", "no standing to record contact for somebody else"),
    )


def test_the_staff_member_is_employed_and_the_episode_open_on_the_service_date() -> None:
    closed = A_CLIENT.and_then(
        EpisodeClosed(episode_id=EPISODE, program="psc", closed_on=date(2026, 1, 1), reason="moved")
    )
    given(CLINICIAN, closed).when(RECORD, by=ANN).then_refused("program", "no episode in psc on 2026-01-02")
    long_ago = timedelta(days=1000)
    old = changed(started_at=STARTED - long_ago, ended_at=ENDED - long_ago)
    given(CLINICIAN, A_CLIENT).when(old, by=ANN).then_refused(
        "staff_id", "was not employed on 2023-04-08", ("program", "no episode in psc on 2023-04-08")
    )


def test_facts_are_corrected_with_a_reason() -> None:
    command = CorrectContact(contact_id=CONTACT, reason="misread", direct_minutes=45, place="11")
    given(*CHART).when(command, by=ANN).then(
        ContactCorrected(client_id=CLIENT, reason="misread", direct_minutes=45, place="11")
    )


def test_a_correction_changes_something_and_keeps_what_does() -> None:
    as_it_is = CorrectContact(contact_id=CONTACT, reason="misread", direct_minutes=55, place="12")
    given(*CHART).when(as_it_is, by=ANN).then_refused(
        "direct_minutes", "nothing would change", ("place", "nothing would change: the record says so already")
    )
    half = CorrectContact(contact_id=CONTACT, reason="misread", direct_minutes=55, place="11")
    given(*CHART).when(half, by=ANN).then(ContactCorrected(client_id=CLIENT, reason="misread", place="11"))


def _opened_in(program: str) -> Stream:
    opened = EpisodeOpened(episode_id=EPISODE, program=program, opened_on=date(2026, 1, 2))
    return of(CLIENT, A_CLIENT.events[0], opened)


def test_the_day_of_a_service_is_the_programs_whatever_offset_is_written() -> None:
    """At +14:00 it is the day of the hire already; where the program is, it is the day before."""
    hired = person(ANN, "Ann", "clinician", hired_on=date(2026, 1, 2))
    early = changed(started_at=moment("2026-01-02T14:00:00+14:00"), ended_at=moment("2026-01-02T15:00:00+14:00"))
    opened = of(
        CLIENT, A_CLIENT.events[0], EpisodeOpened(episode_id=EPISODE, program="psc", opened_on=date(2026, 1, 2))
    )
    given(hired, opened).when(early, by=ANN).then_refused(
        "staff_id", "Ann Sample was not employed on 2026-01-01", ("program", "no episode in psc on 2026-01-01")
    )
    given(hired, opened).when(early, by="system:import").then_a(ContactRecorded, staff_id=ANN)  # its source's day
    missouri = of(
        CLIENT, A_CLIENT.events[0], EpisodeOpened(episode_id=EPISODE, program="css", opened_on=date(2026, 1, 2))
    )
    midnight = changed(
        program="css", started_at=moment("2026-01-02T00:00:00-06:00"), ended_at=moment("2026-01-02T01:00:00-06:00")
    )
    given(hired, missouri).when(midnight, by=ANN).then_a(ContactRecorded, program="css")


def test_a_correction_keeps_the_rules_of_a_contact() -> None:
    nothing = CorrectContact(contact_id=CONTACT, reason="misread")
    given(*CHART).when(nothing, by=ANN).then_refused("reason", "nothing to correct")
    future = CorrectContact(contact_id=CONTACT, reason="misread", ended_at=moment("2027-01-02T15:00:00-08:00"))
    given(*CHART).when(future, by=ANN).then_refused("ended_at", "in the future")
    shorter = A_CONTACT.and_then(
        ContactCorrected(client_id=CLIENT, reason="misread", ended_at=STARTED + timedelta(minutes=56))
    )
    more = CorrectContact(contact_id=CONTACT, reason="misread", direct_minutes=57)
    given(shorter).when(more, by=ANN).then_refused("direct_minutes", "a service of 56 minutes")


def test_a_contact_is_marked_as_entered_in_error_once_and_then_left_alone() -> None:
    command = MarkContactInError(contact_id=CONTACT, reason="wrong chart")
    dead = A_CONTACT.and_then(ContactEnteredInError(client_id=CLIENT, reason="wrong chart"))
    given(*CHART).when(command, by=ANN).then(*dead.events[1:])
    given(dead).when(command, by=ANN).then_refused("contact_id", "entered in error already")
    given(dead).when(CorrectContact(contact_id=CONTACT, reason="x", place="11"), by=ANN).then_refused(
        "contact_id", "this contact is entered in error"
    )


def test_a_correction_moves_no_service_before_the_hire_or_out_of_the_episode() -> None:
    def moved(day: str) -> CorrectContact:
        return CorrectContact(
            contact_id=CONTACT,
            reason="wrong day",
            started_at=moment(f"{day}T14:00:00-08:00"),
            ended_at=moment(f"{day}T15:00:00-08:00"),
        )

    given(*CHART).when(moved("2025-10-01"), by=ANN).then_a(ContactCorrected, reason="wrong day")
    given(*CHART).when(moved("2025-09-30"), by=ANN).then_refused(
        "started_at", "the client has no episode in psc on 2025-09-30 (open the episode"
    )
    given(*CHART).when(moved("2023-12-31"), by=ANN).then_refused(
        "started_at",
        "Ann Sample was not employed on 2023-12-31 (check the date)",
        ("started_at", "the client has no episode in psc on 2023-12-31"),
    )
    only_minutes = CorrectContact(contact_id=CONTACT, reason="misread", direct_minutes=50)
    given(CLINICIAN, A_CONTACT).when(only_minutes, by=ANN).then_a(ContactCorrected, direct_minutes=50)
