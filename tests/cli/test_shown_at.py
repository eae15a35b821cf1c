"""The access event says as at which position a page's rows were shown: the views' own, not the log's head."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.cli.agency import Agency
from tests.integrity.meddling import meddle

from ledger.aggregates.access import AccessGranted
from ledger.aggregates.client_events import AssignCoordinator
from ledger.cli.session import Session

PAGES = [
    ("billing", "rows", "--month", "2025-11"),
    ("billing", "rows", "--month", "2025-11", "--changed-since", "2025-12-01T16:00:00+00:00"),
    ("timeliness", "--month", "2025-11"),
    ("caseload", "--on", "2025-11-20"),
    ("access-audit", "CLIENT"),
]


@pytest.fixture
def agency(database_url: str) -> Any:
    made = Agency(database_url)
    day = made.clock.now().date().replace(month=11)
    for client in made.clients:
        made.do(
            AssignCoordinator(
                client_id=client, assignment_id=made.new(), staff_id=made.worker, program="psc", first_day=day
            )
        )
    made.service(3, "09:00", 60)
    yield made
    made.recorder.engine.dispose()


def last_access(agency: Agency) -> AccessGranted:
    agency.recorder.sequence()
    rows = [row for row in agency.recorder.read_log(0, 10_000) if row.topic == "access.granted"]
    return msgspec.json.decode(rows[-1].state, type=AccessGranted)


def words(agency: Agency, page: tuple[str, ...]) -> list[str]:
    return [agency.clients[0] if word == "CLIENT" else word for word in page]


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_what_is_recorded_while_a_page_is_made_is_not_said_to_have_been_shown(
    agency: Agency, page: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    caught_up = Session.catch_up
    places: list[int] = []

    def catch_up(session: Session) -> None:
        caught_up(session)
        places.append(session.recorder.head())
        agency.service(4, "09:00", 60)  # somebody else records, just before the rows are read

    monkeypatch.setattr(Session, "catch_up", catch_up)
    agency.read(*words(agency, page))
    access = last_access(agency)
    assert access.charts
    assert {chart.position for chart in access.charts} == set(places)


@pytest.mark.parametrize("page", [PAGES[0], PAGES[2], PAGES[3], PAGES[4]], ids=" ".join)
def test_a_parked_chart_was_shown_as_at_the_event_before(agency: Agency, page: tuple[str, ...]) -> None:
    agency.service(4, "09:00", 60)
    agency.recorder.sequence()
    signed = [row for row in agency.recorder.read_log(0, 1000) if row.topic == "note.signed"][-1]
    meddle(
        agency.recorder,
        "UPDATE events SET actor = 'somebody' WHERE stream_id = :stream AND version = :version",
        stream=str(signed.originator_id),
        version=signed.originator_version,
    )
    agency.run("run", "--once")
    agency.read(*words(agency, page))
    shown = {chart.chart_id: chart.position for chart in last_access(agency).charts}
    assert shown[agency.clients[0]] == signed.position - 1
    if agency.clients[1] in shown:  # the views themselves have come as far as the log
        assert shown[agency.clients[1]] >= signed.position


def test_the_caseload_names_its_staff(agency: Agency) -> None:
    text = agency.run("caseload", "--on", "2025-11-20").stdout
    assert f"\nAnn Example ({agency.worker})  psc  " in text
    (worker,) = agency.read("caseload", "--on", "2025-11-20")["workers"]
    assert (worker["staff_id"], worker["name"]) == (agency.worker, "Ann Example")
