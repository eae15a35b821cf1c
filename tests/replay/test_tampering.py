"""Tampering is found by reading: the database file is opened raw, its guard is taken off, and something is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event, make_url
from tests.replay.world import World, a_world, full_story

from ledger.errors import IntegrityFault
from ledger.grants import NotGranted
from ledger.replay.chart import chart_as_known
from ledger.replay.diff import diff_as_known
from ledger.store.envelope import leaf_of
from ledger.store.prepared import Prepared


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as made:
        full_story(made)
        yield made


def behind_the_back(world: World, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change the file as somebody with the disk in hand would."""
    file = make_url(str(world.recorder.engine.url)).database
    assert file is not None
    with closing(sqlite3.connect(file)) as connection:
        for trigger in ("events_no_update", "events_no_delete", "events_in_order"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement, values in statements:
            assert connection.execute(statement, values).rowcount == 1
        connection.commit()


def read_chart(world: World) -> None:
    chart_id = world.charts[0]
    chart_as_known(world.recorder, world.at(chart_id, world.recorder.sequence()), chart_id)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", b'{"client_id":"x"}'),
        ("recorded_at", "2025-03-03T16:00:00.000001Z"),
        ("occurred_at", "2025-03-03T16:00:00.000001Z"),
        ("occurred_offset", 60),
        ("actor", "somebody-else"),
        ("role", "supervisor"),
        ("credential", "md"),
        ("purpose", "marketing"),
        ("type", "note.cosigned"),
        ("schema_version", 7),
        ("command_id", "another"),
        ("command_digest", "another"),
        ("correlation_id", "another"),
        ("causation_id", "another"),
        ("leaf", bytes(32)),
    ],
)
def test_a_changed_column_is_found_and_the_event_is_named(world: World, column: str, value: object) -> None:
    read_chart(world)
    signed = next(row for row in world.recorder.read_chart(world.charts[0]) if row.topic == "note.signed")
    behind_the_back(world, (f"UPDATE events SET {column} = ? WHERE position = ?", (value, signed.position)))  # noqa: S608
    with pytest.raises(IntegrityFault, match=signed.event_id):
        read_chart(world)
    grant = world.at(world.charts[0], world.recorder.sequence())
    with pytest.raises(IntegrityFault, match=signed.event_id):
        diff_as_known(world.recorder, grant, world.charts[0], world.clock.now())


def test_an_event_moved_to_another_chart_is_missed_in_its_own_and_found_in_the_other(world: World) -> None:
    rows = [row for row in world.recorder.read_chart(world.charts[0]) if row.topic == "note.content_written"]
    to = world.charts[1]
    behind_the_back(world, ("UPDATE events SET key = ?, chart_id = ? WHERE position = ?", (to, to, rows[0].position)))
    with pytest.raises(IntegrityFault, match=f"{rows[0].event_id} is missing"):
        read_chart(world)
    grant = world.at(world.charts[1], world.recorder.sequence())
    with pytest.raises(IntegrityFault, match=rows[0].event_id):
        chart_as_known(world.recorder, grant, world.charts[1])


def test_an_event_that_names_another_chart_is_found_in_its_own(world: World) -> None:
    rows = [row for row in world.recorder.read_chart(world.charts[0]) if row.topic == "note.content_written"]
    behind_the_back(world, ("UPDATE events SET chart_id = ? WHERE position = ?", (world.charts[1], rows[0].position)))
    with pytest.raises(IntegrityFault, match=rows[0].event_id):
        read_chart(world)


def test_a_removed_event_leaves_a_gap_that_is_named(world: World) -> None:
    gone = next(row for row in world.recorder.read_chart(world.charts[0]) if row.topic == "note.content_written")
    behind_the_back(world, ("DELETE FROM events WHERE position = ?", (gone.position,)))
    with pytest.raises(IntegrityFault, match=f"{gone.event_id} is missing"):
        read_chart(world)


def test_signed_content_that_was_changed_with_a_fresh_leaf_is_found_by_the_signature(world: World) -> None:
    """Somebody clever computes the leaf anew; the signature still names the content it was made for."""
    rows = [row for row in world.recorder.read_chart(world.charts[0]) if row.topic.startswith("note.")]
    signed = next(row for row in rows if row.topic == "note.signed")
    written = next(row for row in rows if row.topic == "note.content_written")
    payload = written.state.replace(b"intake", b"crisis")
    assert payload != written.state
    changed = type(written)(**{**written.__dict__, "state": payload})
    leaf = leaf_of(changed, written.position, written.recorded_at)
    behind_the_back(
        world, ("UPDATE events SET payload = ?, leaf = ? WHERE position = ?", (payload, leaf, written.position))
    )
    with pytest.raises(IntegrityFault, match=f"{signed.event_id} .note.signed.*signs content"):
        read_chart(world)


def test_two_events_that_changed_places_are_found(world: World) -> None:
    first, second = [row for row in world.recorder.read_chart(world.charts[0]) if row.topic.startswith("note.")][:2]
    behind_the_back(
        world,
        ("UPDATE events SET position = -1 WHERE position = ?", (first.position,)),
        ("UPDATE events SET position = ? WHERE position = ?", (first.position, second.position)),
        ("UPDATE events SET position = ? WHERE position = -1", (second.position,)),
    )
    with pytest.raises(IntegrityFault, match=second.event_id):
        read_chart(world)


def test_nothing_is_read_without_a_grant_for_the_chart(world: World) -> None:
    grant = world.at(world.charts[1], world.recorder.sequence())
    with pytest.raises(NotGranted):
        chart_as_known(world.recorder, grant, world.charts[0])
    with pytest.raises(NotGranted):
        diff_as_known(world.recorder, grant, world.charts[0], world.clock.now())


def test_the_store_finds_a_charts_events_by_its_index_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cost does not grow with other charts' events: every statement of a reading is a search of the chart's index."""
    ran: list[tuple[str, Any]] = []
    run = Prepared.run

    def noted(self: Prepared, cursor: Any, dialect: Any, parameters: Any = None) -> Any:
        sql, names, fixed = self._compile(dialect)
        given = {**fixed, **(parameters or {})}
        ran.append((sql, [given[name] for name in names or ()]))
        return run(self, cursor, dialect, parameters)

    def also(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement != "BEGIN":
            ran.append((statement, parameters))

    read_chart_at = world.at(world.charts[0], world.recorder.head())
    monkeypatch.setattr(Prepared, "run", noted)
    event.listen(world.recorder.engine, "before_cursor_execute", also)
    chart_as_known(world.recorder, read_chart_at, world.charts[0])
    assert len(ran) == 1
    with closing(sqlite3.connect(make_url(str(world.recorder.engine.url)).database or "")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {ran[0][0]}", ran[0][1])]
    assert len(plan) == 1
    assert plan[0].startswith("SEARCH events USING INDEX events_key (key=?")
