"""``ledger access``: why somebody may open a chart or not; broken glass from its breaking to its review."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from tests.cli.agency import Agency

from ledger.aggregates.access import AccessGranted, AccessRefused
from ledger.aggregates.client_events import AssignCoordinator
from ledger.aggregates.staff import PersonName, RegisterStaff
from ledger.errors import BadInput
from ledger.grants import NotAllowed
from ledger.store.codec import read


@pytest.fixture
def agency(database_url: str) -> Iterator[Agency]:
    made = Agency(database_url)
    made.do(
        AssignCoordinator(
            client_id=made.clients[0], assignment_id=made.new(), staff_id=made.worker, program="psc",
            first_day=date(2025, 11, 1),
        )
    )  # fmt: skip
    yield made
    made.recorder.engine.dispose()


def somebody(agency: Agency, role: str) -> str:
    who = agency.new()
    name = PersonName(family="Example", given=role.title())
    agency.do(RegisterStaff(staff_id=who, name=name, roles=(role,), programs=("psc",), hired_on=date(2024, 1, 1)))
    return who


def last(agency: Agency) -> Any:
    agency.recorder.sequence()
    return read(agency.recorder.read_log(agency.recorder.head() - 1, 1)[0]).event


def test_the_care_team_may_and_everybody_else_is_told_what_is_lacking(agency: Agency) -> None:
    chart, other = agency.clients
    officer = somebody(agency, "privacy_officer")
    compliance = ("--as", officer, "--purpose", "compliance")
    told = agency.read(*compliance, "access", "explain", agency.worker, chart)["explained"]
    assert told["decision"]["allowed"]
    assert (told["decision"]["rule"], told["relationships"]) == ("ACC-1", ["care team"])
    told = agency.read(*compliance, "access", "explain", agency.worker, other)["explained"]
    assert not told["decision"]["allowed"]
    assert told["relationships"] == ["none"]
    assert [one["rule"] for one in told["decision"]["considered"]] == ["ACC-1", "ACC-10"]
    assert "a relationship to the client: care team" in told["decision"]["considered"][0]["lacks"]
    page = agency.run(*compliance, "access", "explain", agency.worker, other)
    assert "Ann Example (clinician) MAY NOT open chart" in page.stdout
    assert "ACC-10: needs a relationship to the client: broke the glass" in page.stdout
    event = last(agency)
    assert isinstance(event, AccessGranted)
    assert (event.resource, event.reader_id) == ("access explanation", officer)


@pytest.mark.parametrize(("option", "value"), [("--opens", "a drawer"), ("--because", "curiosity")])
def test_what_is_nothing_to_open_or_no_purpose_is_named(agency: Agency, option: str, value: str) -> None:
    done = agency.run("access", "explain", agency.worker, agency.clients[0], option, value)
    assert isinstance(done.exception, BadInput)
    assert str(done.exception).startswith(f"{option}: '{value}'")


def test_who_may_not_open_a_chart_sees_nothing_and_is_on_its_audit(agency: Agency) -> None:
    chart = agency.clients[0]
    curious = somebody(agency, "clinician")
    done = agency.run("--as", curious, "--purpose", "treatment", "chart", chart)
    assert isinstance(done.exception, NotAllowed)
    assert done.exception.exit_code == 6
    assert done.stdout == ""
    assert isinstance(last(agency), AccessRefused)
    page = agency.run("--purpose", "audit", "access-audit", chart).stdout
    assert "REFUSED: Clinician Example" in page
    assert "needed was a relationship to the client: care team" in page
    assert "Refused       1" in page


def test_glass_from_its_breaking_to_its_review(agency: Agency) -> None:
    chart = agency.clients[0]
    stranger, officer = somebody(agency, "clinician"), somebody(agency, "privacy_officer")
    mine, hers = ("--as", stranger, "--purpose", "emergency"), ("--as", officer, "--purpose", "compliance")
    broken = agency.run(*mine, "record", "break-glass", "--client-id", chart, "--reason", "found unconscious")
    assert broken.exit_code == 0, broken.output
    agency.read(*mine, "chart", chart)
    (glass,) = agency.read(*hers, "access", "glass")["glasses"]
    assert (glass["reader_id"], glass["chart_id"], glass["justified"]) == (stranger, chart, None)
    page = agency.run(*hers, "access", "glass").stdout
    assert "Clinician Example" in page
    assert "WAITS FOR REVIEW" in page
    assert "found unconscious" in page
    audit = agency.run(*hers, "access-audit", chart).stdout
    assert f"allowed by ACC-10, resting on {glass['glass_id']}" in audit
    judged = ("--client-id", chart, "--glass-id", glass["glass_id"], "--no-justified", "--comment", "no emergency")
    assert agency.run(*hers, "record", "review-glass", *judged).exit_code == 0
    assert agency.read(*hers, "access", "glass")["glasses"] == []
    assert "No broken glass" in agency.run(*hers, "access", "glass").stdout
    (glass,) = agency.read(*hers, "access", "glass", "--reviewed")["glasses"]
    assert (glass["justified"], glass["reviewed_by"], glass["comment"]) == (False, officer, "no emergency")
    assert "NOT JUSTIFIED" in agency.run(*hers, "access", "glass", "--reviewed").stdout


def test_the_caseload_of_a_clinician_shows_their_own_clients_only(agency: Agency) -> None:
    other = somebody(agency, "clinician")
    agency.do(
        AssignCoordinator(
            client_id=agency.clients[1], assignment_id=agency.new(), staff_id=other, program="psc",
            first_day=date(2025, 11, 1),
        )
    )  # fmt: skip
    board = agency.read("--as", agency.worker, "--purpose", "treatment", "caseload")["assignments"]
    assert [one["client_id"] for one in board] == [agency.clients[0]]
    assert last(agency).withheld == 1
    whole = agency.read("--as", somebody(agency, "administrator"), "caseload")["assignments"]
    assert {one["client_id"] for one in whole} == set(agency.clients)
