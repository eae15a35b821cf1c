"""What concerns the agency: adopted policies, supervision, reviewed figures, and who opened which chart."""

from __future__ import annotations

from datetime import date

import msgspec
from tests.notation import given, of
from tests.sample import ANN, BOB, CLIENT, CLINICIAN, EVERYBODY, NOBODY, SUE, SUPERVISOR, ident, moment, person

from ledger.aggregates.access import AccessGranted, ChartShown, GrantAccess
from ledger.aggregates.import_file import FileTaken, TakeFile
from ledger.aggregates.policy import AdoptPolicy, PolicyAdopted, PolicyRetired, RetirePolicy
from ledger.aggregates.supervision import (
    MarkSupervisionInError,
    RecordMissedSupervision,
    RecordSupervision,
    SupervisionEnteredInError,
    SupervisionHeld,
    SupervisionMissed,
)
from ledger.aggregates.utilisation_review import ReviewUtilisation, UtilisationReviewed
from ledger.policies.adoptable import adoptable_readings

POLICY, SESSION, REVIEW, ACCESS = ident("policy"), ident("session"), ident("review"), ident("access")
DAY = date(2026, 1, 1)
RULE = next(iter(adoptable_readings(DAY)))
READING = next(iter(adoptable_readings(DAY)[RULE]))
VERSION = next(iter(adoptable_readings(DAY)[RULE][READING]))
ADOPT = AdoptPolicy(
    policy_id=POLICY, rule_id=RULE, reading=READING, effective_from=DAY, policy_version=VERSION, reason="board"
)
ADOPTED = of(
    POLICY,
    PolicyAdopted(
        rule_id=RULE, reading=READING, program=None, policy_version=VERSION, effective_from=DAY, reason="board"
    ),
)
HELD = SupervisionHeld(
    supervisee_id=ANN,
    supervisor_id=SUE,
    mode="individual",
    started_at=moment("2026-01-02T09:00:00-08:00"),
    ended_at=moment("2026-01-02T09:45:30-08:00"),
    minutes=45,
)


def test_a_reading_of_a_rule_is_adopted_from_a_day_on() -> None:
    given().when(ADOPT, by="system:setup").then(*ADOPTED.events)


def test_only_a_rule_a_reading_and_a_version_that_are_on_file_are_adopted() -> None:
    for field, words in (("rule_id", "there is no rule"), ("reading", "no reading"), ("policy_version", "no version")):
        wrong = msgspec.structs.replace(ADOPT, **{field: "made up"})
        given().when(wrong, by="system:setup").then_refused(field, words)


def test_a_calendar_is_adopted_for_one_program_in_its_zone() -> None:
    open_friday = msgspec.structs.replace(
        ADOPT, rule_id="CALENDAR", reading="us-ca-agency-open-black-friday", policy_version="1", program="psc"
    )
    given().when(open_friday, by="system:setup").then_a(PolicyAdopted, rule_id="CALENDAR", program="psc")
    everywhere = msgspec.structs.replace(open_friday, program=None)
    given().when(everywhere, by="system:setup").then_refused(
        "program", "a calendar is adopted for one program (name one of psc, ecm, css"
    )
    elsewhere = msgspec.structs.replace(open_friday, reading="us-mo-agency")
    given().when(elsewhere, by="system:setup").then_refused(
        "reading", "of another zone than program psc (use one of us-ca-agency, us-ca-agency-open-black-friday)"
    )


def test_a_reading_adopted_for_one_program_is_of_a_rule_that_it_goes_by() -> None:
    def of_(rule_id: str, reading: str, program: str | None) -> AdoptPolicy:
        version = adoptable_readings(DAY)[rule_id][reading][-1]
        return msgspec.structs.replace(ADOPT, rule_id=rule_id, reading=reading, policy_version=version, program=program)

    for rule, reading, other in (
        ("PSC-13", "3-business-days", "css"),
        ("PSC-14", "72-elapsed-hours+5-business-days", "ecm"),
        ("PSC-2", "calendar_months", "ecm"),
        ("CSS-7", "next-business-day", "psc"),
    ):
        given().when(of_(rule, reading, other), by="system:setup").then_refused(
            "rule_id", f"{rule} is no rule of program {other} (adopt it for {'css' if rule == 'CSS-7' else 'psc'}, or"
        )
        own = "css" if rule == "CSS-7" else "psc"
        given().when(of_(rule, reading, own), by="system:setup").then_a(PolicyAdopted, program=own)
        given().when(of_(rule, reading, None), by="system:setup").then_a(PolicyAdopted, program=None)
    # A registration is held in any program.
    given().when(of_("PSC-7", "both", "ecm"), by="system:setup").then_a(PolicyAdopted, program="ecm")
    bounded = msgspec.structs.replace(ADOPT, rule_id="PSC-14-full", reading="3-business-days", program="css")
    given().when(bounded, by="system:setup").then_refused("rule_id", "only bounds the rating PSC-14")


def test_an_adopted_reading_is_retired_once() -> None:
    command = RetirePolicy(policy_id=POLICY, last_day=date(2026, 3, 31), reason="new contract")
    retired = PolicyRetired(
        rule_id=RULE,
        reading=READING,
        program=None,
        policy_version=VERSION,
        last_day=date(2026, 3, 31),
        reason="new contract",
    )
    given(ADOPTED).when(command, by="system:setup").then(retired)
    early = RetirePolicy(policy_id=POLICY, last_day=date(2025, 12, 31), reason="x")
    given(ADOPTED.and_then(retired)).when(early, by="system:setup").then_refused(
        "policy_id", "was retired as of 2026-03-31", ("last_day", "it took effect on 2026-01-01")
    )


RECORD = RecordSupervision(
    session_id=SESSION, supervisee_id=ANN, supervisor_id=SUE, started_at=HELD.started_at, ended_at=HELD.ended_at
)


def test_psc_6_a_supervision_session_is_recorded_in_whole_minutes() -> None:
    given(*EVERYBODY).when(RECORD, by=SUE).then(HELD)


def test_psc_6_a_session_needs_a_supervisor_and_a_length_in_the_past() -> None:
    wrong = msgspec.structs.replace(
        RECORD, supervisee_id=NOBODY, supervisor_id=BOB, started_at=HELD.ended_at, ended_at=HELD.started_at
    )
    given(*EVERYBODY).when(wrong, by=SUE, at="2026-01-02T08:00:00-08:00").then_refused(
        "supervisee_id",
        "no such staff member",
        ("supervisor_id", "does not have the role supervisor"),
        ("ended_at", "ends before it starts"),
        ("ended_at", "in the future"),
    )


def test_psc_6_a_session_that_did_not_take_place_is_recorded_with_its_reason() -> None:
    command = RecordMissedSupervision(
        session_id=SESSION, supervisee_id=ANN, supervisor_id=SUE, planned_for=date(2026, 1, 2), reason="pto"
    )
    given(*EVERYBODY).when(command, by=SUE).then(
        SupervisionMissed(supervisee_id=ANN, supervisor_id=SUE, planned_for=date(2026, 1, 2), reason="pto")
    )
    alone = msgspec.structs.replace(command, supervisor_id=ANN)
    given(CLINICIAN, SUPERVISOR).when(alone, by=SUE).then_refused(
        "supervisor_id", "does not have the role supervisor", ("supervisor_id", "nobody supervises themselves")
    )


def test_a_session_is_marked_as_entered_in_error_once() -> None:
    command = MarkSupervisionInError(session_id=SESSION, reason="wrong week")
    error = SupervisionEnteredInError(supervisee_id=ANN, reason="wrong week")
    given(*EVERYBODY, of(SESSION, HELD)).when(command, by=SUE).then(error)
    given(*EVERYBODY, of(SESSION, HELD, error)).when(command, by=SUE).then_refused(
        "session_id", "entered in error already"
    )


def test_somebody_answers_for_each_file_that_is_taken_in() -> None:
    command = TakeFile(
        import_id=ident("file"), format="fhir-r4", file="a.json", sha256="0" * 64, program="psc", source="fhir:clinic"
    )
    ada = person(ident("ada"), "Ada", "administrator", credential=None)
    given(ada).when(command, by=ada.identifier).then(
        FileTaken(format="fhir-r4", file="a.json", sha256="0" * 64, program="psc", source="fhir:clinic")
    )
    elsewhere = msgspec.structs.replace(command, program="pcs")
    given(ada).when(elsewhere, by=ada.identifier).then_refused("program", "there is no program 'pcs'")
    given(CLINICIAN).when(command, by=ANN).then_refused("actor", "no standing to take file (")
    given().when(command, by="system:import").then_refused("actor", "the program import has no standing to take file")


def test_psc_5_reviewed_figures_are_frozen() -> None:
    command = ReviewUtilisation(
        review_id=REVIEW,
        staff_id=ANN,
        first_day=date(2025, 12, 1),
        last_day=date(2025, 12, 31),
        billable_minutes=6000,
        target_minutes=5985,
        rating="full",
        position=41,
    )
    given(*EVERYBODY).when(command, by=SUE).then(
        UtilisationReviewed(
            staff_id=ANN,
            first_day=date(2025, 12, 1),
            last_day=date(2025, 12, 31),
            billable_minutes=6000,
            target_minutes=5985,
            rating="full",
            position=41,
            reviewed_by=SUE,
        )
    )
    wrong = msgspec.structs.replace(command, staff_id=NOBODY, last_day=date(2025, 11, 30))
    given(*EVERYBODY).when(wrong, by="system:x").then_refused(
        "staff_id", "no such staff member", ("last_day", "ends before it starts"), ("actor", "not a staff member")
    )


def test_ecm_10_an_access_names_who_saw_which_chart_as_it_stood_where() -> None:
    shown = (ChartShown(chart_id=CLIENT, position=12, relationship="care team"),)
    command = GrantAccess(access_id=ACCESS, surface="cli", resource="chart", purpose="treatment", charts=shown)
    outcome = given(*EVERYBODY).when(command, by=ANN)
    outcome.then(AccessGranted(reader_id=ANN, surface="cli", resource="chart", purpose="treatment", charts=shown))
    assert [(change.key, change.chart_id) for change in outcome.changes] == [(CLIENT, CLIENT)]


def test_an_access_to_several_charts_belongs_to_its_reader() -> None:
    shown = tuple(ChartShown(chart_id=one, position=12, relationship="none") for one in (CLIENT, ident("second")))
    command = GrantAccess(access_id=ACCESS, surface="cli", resource="board", purpose="operations", charts=shown)
    (change,) = given(*EVERYBODY).when(command, by=ANN).changes
    assert (change.key, change.chart_id) == (ANN, None)


def test_a_reading_of_a_rule_that_only_bounds_a_rating_is_not_adopted() -> None:
    for rule in ("PSC-14-full", "PSC-14-partial"):
        wrong = msgspec.structs.replace(ADOPT, rule_id=rule)
        given().when(wrong, by="system:setup").then_refused(
            "rule_id", f"{rule} only bounds the rating PSC-14; a reading of it alone would change nothing (adopt a"
        )


def test_a_policy_is_adopted_for_a_program_that_there_is() -> None:
    wrong = msgspec.structs.replace(ADOPT, program="pcs")
    given().when(wrong, by="system:setup").then_refused(
        "program", "there is no program 'pcs' (use one of psc, ecm, css"
    )


def test_a_session_that_is_still_to_come_was_not_missed() -> None:
    command = RecordMissedSupervision(
        session_id=SESSION, supervisee_id=ANN, supervisor_id=SUE, planned_for=date(2026, 1, 5), reason="pto"
    )
    given(*EVERYBODY).when(command, by=SUE).then_a(SupervisionMissed, planned_for=date(2026, 1, 5))
    for day in (date(2026, 1, 6), date(2030, 1, 1)):
        later = msgspec.structs.replace(command, planned_for=day)
        given(*EVERYBODY).when(later, by=SUE).then_refused(
            "planned_for", f"{day} is still to come (record it on the day"
        )
