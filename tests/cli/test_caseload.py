"""``ledger caseload``: whose clients they are on a day, and who needs a new coordinator."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.cli.agency import Agency

from ledger.aggregates.client_events import AssignCoordinator, ReleaseCoordinator
from ledger.aggregates.staff import EndEmployment

LAST = date(2025, 11, 14)


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    """Ann coordinates the first client; both are Ann's until she leaves on 14 November."""
    made = Agency(f"sqlite:///{tmp_path / 'ledger.db'}")
    for client in made.clients:
        made.do(assignment(made, client, made.worker, date(2025, 11, 3)))
    made.do(EndEmployment(staff_id=made.worker, last_day=LAST, reason="moved"))
    return made


def assignment(agency: Agency, client: str, staff: str, first: date) -> AssignCoordinator:
    return AssignCoordinator(
        client_id=client, assignment_id=f"{client[:-4]}{first:%m%d}", staff_id=staff, program="psc", first_day=first
    )


def test_on_the_last_day_they_are_still_the_coordinators(agency: Agency) -> None:
    board = agency.read("caseload", "--on", "2025-11-14")
    assert [(one["staff_id"], one["clients"]) for one in board["workers"]] == [(agency.worker, 2)]
    assert board["needs_coordinator"] == []


def test_from_the_day_after_their_clients_need_a_new_one_and_count_for_nobody(agency: Agency) -> None:
    board = agency.read("caseload", "--on", "2025-11-15")
    assert board["workers"] == []
    assert {one["assignment"]["client_id"] for one in board["needs_coordinator"]} == set(agency.clients)
    assert {one["employment_ended_on"] for one in board["needs_coordinator"]} == {"2025-11-14"}
    assert len(board["assignments"]) == 2, "none has vanished"
    told = agency.run("caseload", "--on", "2025-11-15").stdout
    assert told.startswith("Caseload on 2025-11-15: 2 assignments\n\nNEED A NEW COORDINATOR: 2 clients\n")
    for client in agency.clients:
        assert (
            f"  {client}  psc  still with Ann Example ({agency.worker[:8]}), whose employment ended on 2025-11-14"
            in told
        )
    assert "under" not in told
    mine = agency.read("caseload", "--on", "2025-11-15", "--staff", agency.worker)
    assert len(mine["needs_coordinator"]) == 2


def test_one_who_was_given_to_somebody_else_needs_nobody(agency: Agency) -> None:
    client = agency.clients[0]
    agency.do(
        ReleaseCoordinator(
            client_id=client, assignment_id=f"{client[:-4]}1103", last_day=LAST, reason="the coordinator left"
        )
    )
    agency.do(assignment(agency, client, agency.supervisor, date(2025, 11, 15)))
    board = agency.read("caseload", "--on", "2025-11-15")
    assert [(one["staff_id"], one["clients"]) for one in board["workers"]] == [(agency.supervisor, 1)]
    assert [one["assignment"]["client_id"] for one in board["needs_coordinator"]] == [agency.clients[1]]
