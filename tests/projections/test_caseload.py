"""Caseload (PSC-16, ECM-1, ECM-2): the board of any day, from assignments and releases."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.aggregates.client_events import AssignCoordinator, OpenEpisode, RegisterClient, ReleaseCoordinator
from ledger.aggregates.staff import PersonName, RegisterStaff
from ledger.aggregates.vocabulary import Command
from ledger.application.commands import Ledger, Request
from ledger.application.reading import open_charts
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare
from ledger.consumers.runner import Runner
from ledger.grants import Grant, NotGranted
from ledger.projections.caseload import board, caseload, charts_on


def give(ledger: Ledger, command: Command) -> None:
    ledger.execute(Request(command=command, actor_id="system:setup", purpose="operations", command_id=ledger.ids.new()))


@pytest.fixture
def two_charts(ledger: Ledger) -> tuple[str, list[str], list[str]]:
    """A coordinator with two clients from January; the second is released at the end of the month."""
    staff = ledger.ids.new()
    name = PersonName(family="Example", given="Coordinator")
    give(
        ledger,
        RegisterStaff(staff_id=staff, name=name, roles=("clinician",), programs=("psc",), hired_on=date(2025, 1, 1)),
    )
    clients, assignments = [], []
    for number in range(2):
        client, assignment = ledger.ids.new(), ledger.ids.new()
        give(
            ledger,
            RegisterClient(
                client_id=client, name=PersonName(family="Client", given=f"N{number}"), birth_date=date(1980, 1, 1)
            ),
        )
        give(
            ledger,
            OpenEpisode(client_id=client, episode_id=ledger.ids.new(), program="psc", opened_on=date(2025, 12, 1)),
        )
        give(
            ledger,
            AssignCoordinator(
                client_id=client, assignment_id=assignment, staff_id=staff, program="psc", first_day=date(2026, 1, 2)
            ),
        )
        clients.append(client)
        assignments.append(assignment)
    give(
        ledger,
        ReleaseCoordinator(
            client_id=clients[1], assignment_id=assignments[1], last_day=date(2026, 1, 31), reason="moved away"
        ),
    )
    return staff, clients, assignments


def ready(ledger: Ledger) -> Runner:
    runner = Runner(ledger.recorder.engine, LocalLog(ledger.recorder), [caseload])
    runner.prepare()
    runner.catch_up()
    return runner


@pytest.mark.parametrize(
    ("day", "count"),
    [
        (date(2026, 1, 1), 0),
        (date(2026, 1, 2), 2),
        (date(2026, 1, 31), 2),
        (date(2026, 2, 1), 1),
        (date(2030, 1, 1), 1),
    ],
)
def test_the_board_of_a_day_shows_who_is_assigned_on_it(
    ledger: Ledger, two_charts: tuple[str, list[str], list[str]], day: date, count: int
) -> None:
    ready(ledger)
    staff, clients, _ = two_charts
    with ledger.recorder.reading() as connection:
        charts = charts_on(connection, day, staff, "psc")
    assert charts == sorted(clients[:count] if count != 1 else clients[:1])
    grant = open_charts(ledger, charts, reader="system:test", purpose="operations", surface="test", resource="caseload")
    with ledger.recorder.reading() as connection:
        rows = board(connection, grant, day, staff_id=staff)
    assert sorted(row.client_id for row in rows) == charts


def test_another_program_or_person_has_none(ledger: Ledger, two_charts: tuple[str, list[str], list[str]]) -> None:
    ready(ledger)
    with ledger.recorder.reading() as connection:
        assert charts_on(connection, date(2026, 1, 15), program="ecm") == []
        assert charts_on(connection, date(2026, 1, 15), staff_id="somebody-else") == []


def test_a_board_without_a_grant_for_its_charts_is_not_shown(
    ledger: Ledger, two_charts: tuple[str, list[str], list[str]]
) -> None:
    ready(ledger)
    nothing = Grant(access_id="x", reader_id="system:test", purpose="none", charts=frozenset(), position=0)
    with ledger.recorder.reading() as connection, pytest.raises(NotGranted):
        board(connection, nothing, date(2026, 1, 15))


def test_a_rebuild_gives_the_same_bytes(ledger: Ledger, two_charts: tuple[str, list[str], list[str]]) -> None:
    ready(ledger)
    _, generation = build_beside(ledger.recorder.engine, LocalLog(ledger.recorder), caseload)
    difference = compare(ledger.recorder.engine, caseload, generation)
    assert difference.same
    assert difference.rows == 2
