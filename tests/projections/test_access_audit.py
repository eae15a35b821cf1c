"""The access audit: who read which chart, when, why, with what relationship, at which position of the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from tests.projections.test_timeline import up_to_date
from tests.replay.world import FIRST_DAY, START, World, a_world

from ledger.aggregates.client_events import AssignCoordinator
from ledger.application.reading import open_charts
from ledger.clock import to_text
from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.grants import NotGranted
from ledger.projections.access_audit import ChartAccess, access_audit, reads_of


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as made:
        yield made


def reads(world: World, chart: int = 0, **options: object) -> list[ChartAccess]:
    up_to_date(world)
    chart_id = world.charts[chart]
    with world.recorder.reading() as connection:
        return reads_of(
            connection,
            world.at(chart_id, world.recorder.sequence()),
            chart_id,
            **options,  # type: ignore[arg-type]  # since, until
        )


def test_a_read_is_there_with_everything_the_auditor_asks(world: World) -> None:
    world.give(
        AssignCoordinator(
            client_id=world.charts[0],
            assignment_id=world.new(),
            staff_id=world.staff,
            program="psc",
            first_day=FIRST_DAY,
        )
    )
    head = world.recorder.sequence()
    world.clock.advance(timedelta(hours=1))
    grant = open_charts(
        world.ledger,
        [world.charts[0]],
        reader=world.staff,
        purpose="treatment",
        surface="web",
        resource="chart",
        as_known_at=START,
        as_of=date(2025, 2, 1),
    )
    assert reads(world) == [
        ChartAccess(
            access_id=grant.access_id,
            chart_id=world.charts[0],
            position=head + 1,
            recorded_at=to_text(START + timedelta(hours=1)),
            reader_id=world.staff,
            role="clinician",
            credential="lcsw",
            surface="web",
            resource="chart",
            purpose="treatment",
            relationship="care team",
            position_shown=head,
            as_known_at=to_text(START),
            as_of="2025-02-01",
            charts=1,
            rule="ACC-1",
        )
    ]
    assert reads(world, chart=1) == []


def test_one_page_of_many_charts_is_a_read_of_each(world: World) -> None:
    world.read(world.charts)
    world.read([world.charts[1]])
    assert [row.charts for row in reads(world, chart=0)] == [2]
    assert [row.charts for row in reads(world, chart=1)] == [2, 1]
    assert reads(world, chart=0)[0].access_id == reads(world, chart=1)[0].access_id


def test_the_period_takes_its_first_instant_and_not_its_last(world: World) -> None:
    for _ in range(3):
        world.clock.advance(timedelta(days=1))
        world.read([world.charts[0]])
    day = timedelta(days=1)
    assert len(reads(world)) == 3
    assert [r.recorded_at for r in reads(world, since=START + day, until=START + 3 * day)] == [
        to_text(START + day),
        to_text(START + 2 * day),
    ]
    assert len(reads(world, since=START + 3 * day)) == 1
    assert reads(world, until=START + day) == []


def test_the_audit_shows_what_was_there_before_it_was_asked_for(world: World) -> None:
    world.read([world.charts[0]])
    grant = world.read([world.charts[0]])
    up_to_date(world)
    with world.recorder.reading() as connection:
        found = reads_of(connection, grant, world.charts[0])
    assert len(found) == 1
    assert found[0].access_id != grant.access_id


def test_the_audit_of_a_chart_is_not_shown_without_a_grant_for_it(world: World) -> None:
    up_to_date(world)
    grant = world.read([world.charts[1]])
    with world.recorder.reading() as connection, pytest.raises(NotGranted):
        reads_of(connection, grant, world.charts[0])


def test_an_access_alone_is_enough_for_its_rows(world: World) -> None:
    """No row waits for a chart's events: the audit is complete when the accesses are."""
    world.read(world.charts)
    runner = Runner(world.recorder.engine, LocalLog(world.recorder), [access_audit], batch=1)
    runner.prepare()
    runner.catch_up()
    assert access_audit.event_types == {"access.granted", "access.refused"}
    assert len(reads(world)) == 1
