"""A client, their episodes, who coordinates their care, their diagnoses (PSC-16, ECM-1)."""

from __future__ import annotations

from datetime import date

from tests.notation import given
from tests.sample import A_CLIENT, ANN, ASSIGNMENT, CLIENT, CLINICIAN, COORDINATED, EPISODE, NOBODY, ident

from ledger.aggregates.client_events import (
    AssignCoordinator,
    ClientDetailsCorrected,
    ClientRegistered,
    CloseEpisode,
    CoordinatorAssigned,
    CoordinatorReleased,
    CorrectClientDetails,
    DiagnosisRecorded,
    DiagnosisResolved,
    EpisodeClosed,
    EpisodeOpened,
    OpenEpisode,
    RecordDiagnosis,
    RegisterClient,
    ReleaseCoordinator,
    ResolveDiagnosis,
)
from ledger.aggregates.staff import PersonName
from ledger.projections.caseload import caseload

BY = "system:setup"
NAME = PersonName(family="Doe", given="Jo")
OTHER, DIAGNOSIS = ident("other"), ident("diagnosis")
ILL = A_CLIENT.and_then(
    DiagnosisRecorded(diagnosis_id=DIAGNOSIS, system="icd-10-cm", code="F20.9", display="d", onset=date(2025, 11, 1))
)


def test_a_client_is_registered() -> None:
    given().when(RegisterClient(client_id=CLIENT, name=NAME, birth_date=date(1980, 5, 1)), by=BY).then(
        ClientRegistered(name=NAME, birth_date=date(1980, 5, 1), sex="unknown")
    )


def test_nobody_is_born_in_the_future_of_the_agency_whatever_offset_is_written() -> None:
    newborn = RegisterClient(client_id=CLIENT, name=NAME, birth_date=date(2026, 1, 6))
    # It is the sixth in UTC and beyond already, but not where the agency is.
    given().when(newborn, by=BY, at="2026-01-05T17:00:00-08:00").then_refused("birth_date", "in the future")
    given().when(newborn, by=BY, at="2026-01-06T15:00:00+14:00").then_refused("birth_date", "in the future")
    given().when(newborn, by=BY, at="2026-01-06T08:00:00+00:00").then_a(ClientRegistered, birth_date=date(2026, 1, 6))


def test_details_are_corrected_with_a_reason_and_only_what_changed() -> None:
    given(A_CLIENT).when(CorrectClientDetails(client_id=CLIENT, reason="typing", sex="male"), by=BY).then(
        ClientDetailsCorrected(reason="typing", sex="male")
    )
    given(A_CLIENT).when(CorrectClientDetails(client_id=CLIENT, reason="typing"), by=BY).then_refused(
        "name", "nothing to correct"
    )
    later = CorrectClientDetails(client_id=CLIENT, reason="typing", birth_date=date(2030, 1, 1))
    given(A_CLIENT).when(later, by=BY).then_refused("birth_date", "in the future")


def test_an_episode_opens_in_a_program() -> None:
    command = OpenEpisode(client_id=CLIENT, episode_id=OTHER, program="ecm", opened_on=date(2026, 1, 2))
    given(A_CLIENT).when(command, by=BY).then(
        EpisodeOpened(episode_id=OTHER, program="ecm", opened_on=date(2026, 1, 2))
    )


def test_an_episode_does_not_open_twice_nor_while_one_is_open() -> None:
    command = OpenEpisode(client_id=CLIENT, episode_id=EPISODE, program="psc", opened_on=date(2026, 1, 2))
    given(A_CLIENT).when(command, by=BY).then_refused(
        "episode_id", "was opened before", ("program", "an episode in psc is open on 2026-01-02 already")
    )
    early = OpenEpisode(client_id=CLIENT, episode_id=OTHER, program="psc", opened_on=date(1979, 1, 2))
    given(A_CLIENT).when(early, by=BY).then_refused("opened_on", "before the client's birth date")


def test_an_episode_closes_once_and_not_before_it_opened() -> None:
    closed = EpisodeClosed(episode_id=EPISODE, program="psc", closed_on=date(2026, 1, 2), reason="moved")
    command = CloseEpisode(client_id=CLIENT, episode_id=EPISODE, closed_on=date(2026, 1, 2), reason="moved")
    given(A_CLIENT).when(command, by=BY).then(closed)
    given(A_CLIENT.and_then(closed)).when(command, by=BY).then_refused("episode_id", "closed already")
    early = CloseEpisode(client_id=CLIENT, episode_id=EPISODE, closed_on=date(2025, 9, 30), reason="moved")
    given(A_CLIENT).when(early, by=BY).then_refused("closed_on", "it opened on 2025-10-01")
    other = CloseEpisode(client_id=CLIENT, episode_id=OTHER, closed_on=date(2025, 9, 30), reason="moved")
    given(A_CLIENT).when(other, by=BY).then_refused("episode_id", "no such episode")


def test_ecm_1_psc_16_a_coordinator_is_assigned_and_the_caseload_shows_it() -> None:
    command = AssignCoordinator(
        client_id=CLIENT, assignment_id=ASSIGNMENT, staff_id=ANN, program="psc", first_day=date(2025, 10, 1)
    )
    given(CLINICIAN, A_CLIENT).when(command, by=BY).then(
        CoordinatorAssigned(assignment_id=ASSIGNMENT, staff_id=ANN, program="psc", first_day=date(2025, 10, 1))
    ).then_row(caseload, (ASSIGNMENT,), staff_id=ANN, client_id=CLIENT, first_day="2025-10-01", last_day=None)


def test_an_assignment_is_refused_with_every_reason() -> None:
    command = AssignCoordinator(
        client_id=CLIENT, assignment_id=ASSIGNMENT, staff_id=NOBODY, program="css", first_day=date(2025, 10, 1)
    )
    given(CLINICIAN, COORDINATED).when(command, by=BY).then_refused(
        "staff_id",
        "no such staff member",
        ("assignment_id", "was made before"),
        ("program", "no episode in css is open on 2025-10-01"),
    )
    before_hire = AssignCoordinator(
        client_id=CLIENT, assignment_id=OTHER, staff_id=ANN, program="psc", first_day=date(2023, 10, 1)
    )
    given(CLINICIAN, A_CLIENT).when(before_hire, by=BY).then_refused(
        "staff_id", "is not employed on 2023-10-01", ("program", "no episode")
    )


def test_psc_16_nobody_is_assigned_twice_at_once_and_counted_twice() -> None:
    again = AssignCoordinator(
        client_id=CLIENT, assignment_id=OTHER, staff_id=ANN, program="psc", first_day=date(2026, 1, 5)
    )
    given(CLINICIAN, COORDINATED).when(again, by=BY).then_refused("staff_id", "coordinate this client's care in psc")


def test_a_coordinator_is_released_once_and_the_caseload_shows_the_end() -> None:
    released = CoordinatorReleased(
        assignment_id=ASSIGNMENT, staff_id=ANN, program="psc", last_day=date(2026, 1, 2), reason="transfer"
    )
    command = ReleaseCoordinator(
        client_id=CLIENT, assignment_id=ASSIGNMENT, last_day=date(2026, 1, 2), reason="transfer"
    )
    given(CLINICIAN, COORDINATED).when(command, by=BY).then(released).then_row(
        caseload, (ASSIGNMENT,), last_day="2026-01-02", end_reason="transfer"
    )
    given(COORDINATED.and_then(released)).when(command, by=BY).then_refused("assignment_id", "it has ended already")
    early = ReleaseCoordinator(client_id=CLIENT, assignment_id=ASSIGNMENT, last_day=date(2025, 9, 1), reason="x")
    given(COORDINATED).when(early, by=BY).then_refused("last_day", "it began on 2025-10-01")
    given(A_CLIENT).when(command, by=BY).then_refused("assignment_id", "no such assignment")
    given(A_CLIENT).then_no_row(caseload, (ASSIGNMENT,))
    given(COORDINATED).then_row(caseload, (ASSIGNMENT,), program="psc", lead=True)


def test_a_diagnosis_is_put_on_the_list_once_and_not_ahead_of_its_onset() -> None:
    command = RecordDiagnosis(
        client_id=CLIENT,
        diagnosis_id=DIAGNOSIS,
        system="icd-10-cm",
        code="F20.9",
        display="d",
        onset=date(2025, 11, 1),
    )
    given(A_CLIENT).when(command, by=BY).then(*ILL.events[2:])
    tomorrow = RecordDiagnosis(
        client_id=CLIENT, diagnosis_id=DIAGNOSIS, system="foo", code="c", display="d", onset=date(2026, 1, 6)
    )
    given(ILL).when(tomorrow, by=BY).then_refused(
        "diagnosis_id",
        "recorded already",
        ("onset", "the onset is in the future"),
        ("system", "there is no code system 'foo' (use one of icd-10-cm"),
    )


def test_a_diagnosis_is_taken_off_the_list_once() -> None:
    resolved = DiagnosisResolved(diagnosis_id=DIAGNOSIS, resolved_on=date(2025, 12, 1))
    command = ResolveDiagnosis(client_id=CLIENT, diagnosis_id=DIAGNOSIS, resolved_on=date(2025, 12, 1))
    given(ILL).when(command, by=BY).then(resolved)
    given(ILL.and_then(resolved)).when(command, by=BY).then_refused("diagnosis_id", "resolved already")
    given(A_CLIENT).when(command, by=BY).then_refused("diagnosis_id", "no such diagnosis")
    early = ResolveDiagnosis(client_id=CLIENT, diagnosis_id=DIAGNOSIS, resolved_on=date(2025, 10, 31))
    given(ILL).when(early, by=BY).then_refused("resolved_on", "its onset was 2025-11-01")


def test_an_episode_is_opened_in_a_program_that_there_is() -> None:
    command = OpenEpisode(client_id=CLIENT, episode_id=ident("typo"), program="pcs", opened_on=date(2026, 1, 1))
    given(A_CLIENT).when(command, by=BY).then_refused("program", "there is no program 'pcs' (use one of psc, ecm, css")


def test_a_birth_date_is_not_corrected_past_the_first_episode() -> None:
    command = CorrectClientDetails(client_id=CLIENT, reason="misread", birth_date=date(2025, 10, 2))
    given(A_CLIENT).when(command, by=BY).then_refused(
        "birth_date", "an episode was opened on 2025-10-01 (check the year, or correct the episode first)"
    )
    allowed = CorrectClientDetails(client_id=CLIENT, reason="misread", birth_date=date(2025, 10, 1))
    given(A_CLIENT).when(allowed, by=BY).then_a(ClientDetailsCorrected, birth_date=date(2025, 10, 1))


def test_nobody_is_registered_before_they_were_born() -> None:
    command = RegisterClient(
        client_id=CLIENT, name=PersonName(family="Doe", given="Jo"), birth_date=date(2026, 1, 4), sex="female"
    )
    given().when(command, by=BY, at="2026-01-03T09:00:00-08:00", now="2026-01-05T09:00:00-08:00").then_refused(
        "birth_date", "the registration is said to have happened on 2026-01-03, before it"
    )
