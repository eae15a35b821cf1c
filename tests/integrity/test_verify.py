"""``verify`` recomputes everything and names the first event that differs, once the database's own guard is gone."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from sqlalchemy import text, update
from tests.consumers.views import make_views, run
from tests.store.agency import said_log

from ledger.consumers import outcomes
from ledger.consumers.tables import OUTCOMES, PLACES
from ledger.integrity.verify import NAMED, Report, verify
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder

TEXTS = [("a", "one"), ("b", "two"), ("a", "three"), ("c", "four"), ("b", "five"), ("a", "six")]


@pytest.fixture
def log(recorder: Recorder) -> list[StoredRow]:
    recorder.insert_events(said_log(TEXTS))
    recorder.sequence()
    return list(recorder.read_log(0, 100))


def meddle(recorder: Recorder, *statements: str) -> None:
    """What somebody can do who owns the database: take the guard away, then change what they like."""
    with recorder.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = replica")
        else:
            for name in ("events_no_update", "events_no_delete", "events_in_order"):
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(text(statement))


def on(recorder: Recorder, sqlite: str, postgresql: str) -> str:
    return postgresql if recorder.engine.dialect.name == "postgresql" else sqlite


def first(report: Report) -> tuple[str, int, str]:
    assert not report.sound
    return report.faults[0].kind, report.faults[0].position, report.faults[0].event_id


AT_3 = (
    "WHERE type = 'note.addendum_added' AND version = 2 AND stream_id = (SELECT stream_id FROM log WHERE position = 3)"
)


@pytest.mark.parametrize(
    "change",
    [
        "payload = CAST('{}' AS {blob})",
        "occurred_at = '2020-01-01T00:00:00.000000Z'",
        "occurred_offset = 0",
        "actor = 'somebody else'",
        "role = 'supervisor'",
        "credential = 'lcsw'",
        "purpose = 'treatment'",
        "type = 'note.signed'",
        "schema_version = 2",
        "chart_id = NULL",
        "key = 'agency'",
        "command_digest = ''",
        "correlation_id = ''",
        "causation_id = 'x'",
        "command_index = 7",
    ],
)
def test_a_change_to_any_column_is_named(recorder: Recorder, log: list[StoredRow], change: str) -> None:
    blob = on(recorder, "BLOB", "bytea")
    meddle(recorder, f"UPDATE events SET {change.replace('{blob}', blob)} {AT_3}".replace(":", "\\:"))  # noqa: S608
    assert first(verify(recorder, [])) == ("content", 3, log[2].event_id)


def test_another_time_of_recording_is_named(recorder: Recorder, log: list[StoredRow]) -> None:
    table = on(recorder, "events", "log_order")
    meddle(recorder, f"UPDATE {table} SET recorded_at = '2020-01-01T00\\:00\\:00.000000Z' WHERE position = 3")  # noqa: S608
    report = verify(recorder, [])
    assert first(report) == ("time", 3, log[2].event_id)
    assert [f.kind for f in report.faults] == ["time", "content"]


def test_an_event_that_was_removed_is_named(recorder: Recorder, log: list[StoredRow]) -> None:
    removed = on(
        recorder,
        "DELETE FROM events WHERE position = 3",
        "WITH gone AS (DELETE FROM log_order WHERE position = 3 RETURNING ticket) "
        "DELETE FROM events WHERE ticket IN (SELECT ticket FROM gone)",
    )
    meddle(recorder, removed)
    report = verify(recorder, [])
    assert first(report)[:2] == ("missing", 3)
    assert log[3].event_id in report.faults[0].words, "the event after the gap is named"


def test_a_removed_tail_shows_in_the_views_that_had_applied_it(recorder: Recorder, log: list[StoredRow]) -> None:
    view, _, _ = make_views()
    run(recorder, view)
    meddle(
        recorder,
        on(
            recorder,
            "DELETE FROM events WHERE position = 6",
            "WITH gone AS (DELETE FROM log_order WHERE position = 6 RETURNING ticket) "
            "DELETE FROM events WHERE ticket IN (SELECT ticket FROM gone)",
        ),
    )
    report = verify(recorder, [view])
    assert first(report)[:2] == ("outcome", 6)
    assert "ahead of the log" in report.faults[0].words


def test_two_events_that_changed_places_are_named(recorder: Recorder, log: list[StoredRow]) -> None:
    table = on(recorder, "events", "log_order")
    swap = [f"UPDATE {table} SET position = {new} WHERE position = {old}" for old, new in ((2, 99), (3, 2), (99, 3))]  # noqa: S608
    meddle(recorder, *swap)
    report = verify(recorder, [])
    assert first(report)[1:] == (2, log[2].event_id)
    assert {(f.kind, f.position) for f in report.faults} >= {("content", 2), ("content", 3)}


def test_a_place_that_was_taken_away_is_named(recorder: Recorder, log: list[StoredRow]) -> None:
    """On PostgreSQL place and event are two rows; on SQLite one, so there is nothing to take."""
    if recorder.engine.dialect.name == "postgresql":
        meddle(recorder, "DELETE FROM log_order WHERE position = 3")
        report = verify(recorder, [])
        assert first(report)[:2] == ("missing", 3)
        assert log[2].event_id in [f.event_id for f in report.faults]
        assert report.unplaced == 0, "it does not wait: it was passed over"
    else:
        assert verify(recorder, []).sound


def test_a_sound_record_is_sound(recorder: Recorder, log: list[StoredRow]) -> None:
    view, words, _ = make_views()
    run(recorder, view, words)
    told: list[int] = []
    report = verify(recorder, [view, words], told.append)
    assert report.sound
    assert (report.events, report.head, sum(told), report.unplaced) == (6, 6, 6, 0)
    assert report.last_leaf == log[-1].leaf.hex()
    for account in report.projections:
        assert (account.applied, account.parked, account.not_concerned, account.place) == (6, 0, 0, 6)


def marks_of(recorder: Recorder, change: Callable[[bytearray], None]) -> None:
    """Rewrite the outcomes of the view ``said``."""
    with recorder.engine.begin() as connection:
        stored = connection.scalar(
            OUTCOMES.select().where(OUTCOMES.c.projection == "said.1").with_only_columns(OUTCOMES.c.outcomes)
        )
        marks = bytearray(zlib.decompress(stored or b""))
        change(marks)
        connection.execute(
            update(OUTCOMES).where(OUTCOMES.c.projection == "said.1").values(outcomes=zlib.compress(bytes(marks)))
        )


@pytest.mark.parametrize("position", [1, 4, 6])
@pytest.mark.parametrize(("mark", "words"), [(outcomes.NOTHING, "skipped"), (outcomes.NOT_CONCERNED, "passed over")])
def test_an_event_that_a_view_skipped_is_named(
    recorder: Recorder, log: list[StoredRow], position: int, mark: bytes, words: str
) -> None:
    view, words_view, _ = make_views()
    run(recorder, view, words_view)

    def skip(marks: bytearray) -> None:
        marks[position : position + 1] = mark

    marks_of(recorder, skip)
    report = verify(recorder, [view, words_view])
    assert first(report) == ("skipped", position, log[position - 1].event_id)
    assert words in report.faults[0].words


def test_outcomes_the_log_does_not_have_and_counts_that_do_not_add_up(recorder: Recorder, log: list[StoredRow]) -> None:
    view, _, _ = make_views()
    run(recorder, view)
    with recorder.engine.begin() as connection:
        connection.execute(update(PLACES).values(applied=5, parked=1))
    report = verify(recorder, [view])
    assert [f.kind for f in report.faults] == ["outcome"]
    assert "(5, 1, 0)" in report.faults[0].words

    def invent(marks: bytearray) -> None:
        marks[0:1] = outcomes.APPLIED
        marks[40:41] = outcomes.APPLIED

    marks_of(recorder, invent)
    assert [f.position for f in verify(recorder, [view]).faults] == [0, 40, 6]


def test_views_that_are_behind_or_not_made_are_no_fault(recorder: Recorder, log: list[StoredRow]) -> None:
    view, words, _ = make_views()
    assert verify(recorder, [view, words]).projections == []
    runner = run(recorder, view)
    recorder.insert_events(said_log([("d", "seven")]))
    report = verify(recorder, [view, words])
    assert report.sound
    assert [(a.projection, a.place, a.applied) for a in report.projections] == [("said", 6, 6)]
    assert runner.catch_up() == 1


def test_many_faults_are_counted_and_the_first_named(sqlite_recorder: Recorder) -> None:
    rows = said_log([("a", str(n)) for n in range(NAMED + 20)])
    sqlite_recorder.insert_events(rows)
    meddle(sqlite_recorder, "UPDATE events SET actor = 'somebody else'")
    report = verify(sqlite_recorder, [])
    assert report.fault_count == NAMED + 20
    assert len(report.faults) == NAMED
    assert first(report) == ("content", 1, rows[0].event_id)
