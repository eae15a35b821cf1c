"""Dates and lengths that can only be slips are refused, with the bound and the mend; bounds are data."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from tests.notation import given, of
from tests.sample import (
    A_CLIENT,
    ANN,
    CLIENT,
    CLINICIAN,
    EPISODE,
    SUE,
    SUPERVISOR,
    ident,
    moment,
    person,
)

from ledger.aggregates.client_events import (
    ClientDetailsCorrected,
    ClientRegistered,
    CloseEpisode,
    CorrectClientDetails,
    DiagnosisRecorded,
    OpenEpisode,
    RecordDiagnosis,
    RegisterClient,
)
from ledger.aggregates.staff import CredentialRecorded, PersonName, RecordCredential, RegisterStaff, StaffRegistered
from ledger.aggregates.supervision import (
    RecordMissedSupervision,
    RecordSupervision,
    SupervisionHeld,
    SupervisionMissed,
)
from ledger.policies.bounds import bound, years_before

BY = "system:setup"
NAME = PersonName(family="Doe", given="Jo")
SESSION = RecordSupervision(
    session_id=ident("session"),
    supervisee_id=ANN,
    supervisor_id=SUE,
    started_at=moment("2026-01-02T09:00:00-08:00"),
    ended_at=moment("2026-01-02T10:00:00-08:00"),
)


def test_psc_6_a_session_is_no_longer_than_a_working_day() -> None:
    def until(text: str) -> RecordSupervision:
        return msgspec.structs.replace(SESSION, ended_at=moment(text))

    people = (CLINICIAN, SUPERVISOR)
    given(*people).when(until("2026-01-02T17:00:00-08:00"), by=SUE).then_a(SupervisionHeld, minutes=480)
    given(*people).when(until("2026-01-02T17:01:00-08:00"), by=SUE).then_refused(
        "ended_at", "a session of 481 minutes is longer than 480 minutes (check both times"
    )
    given(*people).when(
        msgspec.structs.replace(SESSION, ended_at=moment("2026-01-07T09:00:00-08:00")),
        by=SUE,
        at="2026-01-08T09:00:00-08:00",
    ).then_refused("ended_at", "a session of 7,200 minutes is longer than 480 minutes")


def test_psc_6_both_were_employed_on_the_day_of_the_session() -> None:
    new = (
        person(ANN, "Ann", "clinician", hired_on=date(2026, 1, 3)),
        person(SUE, "Sue", "supervisor", hired_on=date(2026, 1, 5)),
    )
    given(*new).when(SESSION, by=SUE).then_refused(
        "supervisee_id",
        "Ann Sample was not employed on 2026-01-02",
        ("supervisor_id", "Sue Sample was not employed on 2026-01-02"),
    )
    missed = RecordMissedSupervision(
        session_id=ident("session"), supervisee_id=ANN, supervisor_id=SUE, planned_for=date(2026, 1, 2), reason="ill"
    )
    given(*new).when(missed, by=SUE).then_refused(
        "supervisee_id", "not employed on 2026-01-02", ("supervisor_id", "not employed on 2026-01-02")
    )
    given(*new).when(msgspec.structs.replace(missed, planned_for=date(2026, 1, 5)), by=SUE).then_a(
        SupervisionMissed, planned_for=date(2026, 1, 5)
    )


def test_psc_2_somebody_is_registered_half_a_year_before_the_first_day_at_most_and_in_programs_there_are() -> None:
    def hired(day: date) -> RegisterStaff:
        return RegisterStaff(staff_id=ident("new"), name=NAME, roles=("clinician",), programs=("psc",), hired_on=day)

    given().when(hired(date(2026, 7, 4)), by=BY).then_a(StaffRegistered, hired_on=date(2026, 7, 4))
    given().when(hired(date(2026, 7, 5)), by=BY).then_refused(
        "hired_on", "2026-07-05 is too far ahead: 2026-07-04 at the latest (check the year)"
    )
    given().when(hired(date(1900, 1, 1)), by=BY).then_a(StaffRegistered, hired_on=date(1900, 1, 1))
    given().when(hired(date(1899, 12, 31)), by=BY).then_refused("hired_on", "is before 1900")
    wrong = msgspec.structs.replace(hired(date(2026, 1, 5)), programs=("psc", "pcs", "x"))
    given().when(wrong, by=BY).then_refused(
        "programs[1]", "there is no program 'pcs' (use one of psc", ("programs[2]", "there is no program 'x'")
    )


def test_psc_23_a_credential_begins_a_quarter_ahead_at_most_and_runs_no_longer_than_any_does() -> None:
    def credential(issued_on: date, expires_on: date | None = None) -> RecordCredential:
        return RecordCredential(
            staff_id=ANN,
            credential_id=ident("renewed"),
            credential_kind="lcsw",
            number="2",
            issued_on=issued_on,
            expires_on=expires_on,
        )

    given(CLINICIAN).when(credential(date(2026, 4, 5)), by=BY).then_a(CredentialRecorded, issued_on=date(2026, 4, 5))
    given(CLINICIAN).when(credential(date(2026, 4, 6)), by=BY).then_refused(
        "issued_on", "2026-04-06 is too far ahead: 2026-04-05 at the latest"
    )
    given(CLINICIAN).when(credential(date(2026, 1, 1), date(2046, 1, 5)), by=BY).then_a(
        CredentialRecorded, expires_on=date(2046, 1, 5)
    )
    given(CLINICIAN).when(credential(date(1850, 1, 1), date(2099, 1, 1)), by=BY).then_refused(
        "issued_on", "is before 1900", ("expires_on", "2099-01-01 is more than 20 years ahead")
    )


def test_a_credential_that_has_not_begun_is_not_held_yet() -> None:
    ahead = person(ANN, "Ann", "clinician", credential=None).and_then(
        CredentialRecorded(
            credential_id=ident("renewed"), credential_kind="lcsw", number="2", issued_on=date(2026, 2, 1)
        )
    )
    assert given(ahead)._actor(ANN, moment("2026-01-31T12:00:00-08:00")).credential is None
    assert given(ahead)._actor(ANN, moment("2026-02-01T12:00:00-08:00")).credential == "lcsw"


@pytest.mark.parametrize("born_on", [date(1700, 1, 1), date(1901, 1, 4)])
def test_nobody_is_older_than_people_become(born_on: date) -> None:
    born = RegisterClient(client_id=ident("old"), name=NAME, birth_date=born_on)
    words = f"somebody born on {born_on} would be more than 125 years old on 2026-01-05 (check the year)"
    given().when(born, by=BY).then_refused("birth_date", words)
    corrected = CorrectClientDetails(client_id=CLIENT, reason="misread", birth_date=born_on)
    given(A_CLIENT).when(corrected, by=BY).then_refused("birth_date", words)


def test_the_age_is_that_on_the_day_of_the_registration() -> None:
    """Somebody who died long ago comes in with the record of another system."""
    born = RegisterClient(client_id=ident("old"), name=NAME, birth_date=date(1890, 1, 1), source="fhir")
    given().when(born, by="system:import", at="1970-01-01T00:00:00-05:00", now="2026-01-05T09:00:00-08:00").then_a(
        ClientRegistered, birth_date=date(1890, 1, 1)
    )


def test_an_episode_opens_and_closes_on_days_that_have_come() -> None:
    def opened(day: date) -> OpenEpisode:
        return OpenEpisode(client_id=CLIENT, episode_id=ident("next"), program="ecm", opened_on=day)

    assert given(A_CLIENT).when(opened(date(2026, 1, 5)), by=BY).changes
    given(A_CLIENT).when(opened(date(2026, 1, 6)), by=BY).then_refused(
        "opened_on", "2026-01-06 is in the future (open it on its first day)"
    )
    # At +14:00 it is the sixth already, but not where the agency is.
    given(A_CLIENT).when(opened(date(2026, 1, 6)), by=BY, at="2026-01-06T07:00:00+14:00").then_refused(
        "opened_on", "2026-01-06 is in the future"
    )
    closed = CloseEpisode(client_id=CLIENT, episode_id=EPISODE, closed_on=date(2026, 1, 6), reason="moved")
    given(A_CLIENT).when(closed, by=BY).then_refused("closed_on", "2026-01-06 is in the future (close it")


def test_a_diagnosis_is_in_a_code_system_there_is_and_an_import_keeps_its_sources() -> None:
    def diagnosis(system: str, source: str | None = None) -> RecordDiagnosis:
        return RecordDiagnosis(
            client_id=CLIENT,
            diagnosis_id=ident("diagnosis"),
            system=system,
            code="F20.9",
            display="d",
            onset=date(2025, 11, 1),
            source=source,
        )

    for system in ("icd-10-cm", "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"):
        given(A_CLIENT).when(diagnosis(system), by=BY).then_a(DiagnosisRecorded, system=system)
    for by in (BY, "system:import"):
        given(A_CLIENT).when(diagnosis("foo"), by=by).then_refused(
            "system", "there is no code system 'foo' (use one of icd-10-cm"
        )
    local = "https://clinic.example/codes"
    given(A_CLIENT).when(diagnosis(local, "fhir:clinic"), by="system:import").then_a(DiagnosisRecorded, system=local)
    given(A_CLIENT).when(diagnosis(local, "fhir:clinic"), by=BY).then_refused("system", "there is no code system")


def test_a_correction_of_details_changes_something_and_keeps_what_does() -> None:
    as_it_is = CorrectClientDetails(client_id=CLIENT, reason="typing", sex="female", birth_date=date(1980, 5, 1))
    given(A_CLIENT).when(as_it_is, by=BY).then_refused(
        "sex", "nothing would change: the record says so already", ("birth_date", "nothing would change")
    )
    half = CorrectClientDetails(client_id=CLIENT, reason="typing", sex="female", phone="555-0100")
    given(A_CLIENT).when(half, by=BY).then(ClientDetailsCorrected(reason="typing", phone="555-0100"))
    again = A_CLIENT.and_then(ClientDetailsCorrected(reason="typing", phone="555-0100"))
    given(of(CLIENT, *again.events)).when(half, by=BY).then_refused(
        "sex", "nothing would change", ("phone", "nothing would change")
    )


def test_a_bound_that_is_not_there_is_an_error_and_a_leap_day_has_its_years_before() -> None:
    with pytest.raises(LookupError, match="no bound 'age'"):
        bound("age", date(2026, 1, 5))
    assert years_before(date(2024, 2, 29), 1) == date(2023, 2, 28)
    assert years_before(date(2026, 1, 5), 125) == date(1901, 1, 5)
