"""A rebuild is compared with the live rows as at one position: a view that is merely behind differs in nothing."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import delete, text, update
from tests.consumers.views import counts, make_views, run
from tests.store.agency import said_log

from ledger.consumers import rebuild as rebuild_module
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_all_beside, compare_as_live, rows_of, switch
from ledger.consumers.tables import OUTCOMES, PLACES
from ledger.store.recorder import Recorder

ROWS = said_log([(f"chart {n}", f"text {n}") for n in range(12)])


def test_views_that_are_behind_are_compared_where_they_stand_and_switched_with_everything(recorder: Recorder) -> None:
    view, words, _ = make_views()
    recorder.insert_events(ROWS[:5])
    run(recorder, view)
    recorder.insert_events(ROWS[5:8])
    run(recorder, words)
    recorder.insert_events(ROWS[8:])
    runner = build_all_beside(recorder.engine, LocalLog(recorder), [view, words], as_live=True)
    found = [compare_as_live(recorder.engine, runner, projection) for projection in (view, words)]
    assert [(one.same, one.position, one.lacking) for one in found] == [(True, 5, 0), (True, 8, 0)]
    assert counts(recorder.engine, "said.1")[0] == 5, "a look changes nothing"
    for projection in (view, words):
        switch(recorder.engine, runner, projection, runner.building[projection.name])
    assert len(rows_of(recorder.engine, view)) == 12


def test_what_differs_at_that_position_is_found(recorder: Recorder) -> None:
    view, _, _ = make_views()
    recorder.insert_events(ROWS[:5])
    run(recorder, view)
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        connection.execute(text("DELETE FROM rows_said_g1 WHERE last = 'text 2'"))
    recorder.insert_events(ROWS[5:])
    runner = build_all_beside(recorder.engine, LocalLog(recorder), [view], as_live=True)
    found = compare_as_live(recorder.engine, runner, view)
    assert (found.added, found.removed, found.changed) == (1, 0, 0)


def test_a_build_follows_live_rows_that_go_on(recorder: Recorder) -> None:
    view, _, _ = make_views()
    recorder.insert_events(ROWS[:5])
    live = run(recorder, view)
    runner = build_all_beside(recorder.engine, LocalLog(recorder), [view], as_live=True)
    recorder.insert_events(ROWS[5:9])
    live.catch_up()
    recorder.insert_events(ROWS[9:])
    found = compare_as_live(recorder.engine, runner, view)
    assert (found.same, found.position) == (True, 9)


def test_it_is_compared_at_one_position_while_the_live_rows_are_being_written(recorder: Recorder) -> None:
    view, _, _ = make_views()
    recorder.insert_events(ROWS[:1])
    live = run(recorder, view)
    ended = threading.Event()

    def go_on() -> None:
        for chart in range(200):
            recorder.insert_events(said_log([(f"later {chart}", "more")]))
            live.catch_up()
        ended.set()

    writer = threading.Thread(target=go_on)
    writer.start()
    found: list[Any] = []
    while not ended.is_set():
        runner = build_all_beside(recorder.engine, LocalLog(recorder), [view], as_live=True)
        found.append(compare_as_live(recorder.engine, runner, view))
    writer.join()
    assert found
    assert [one for one in found if not one.same or one.lacking] == []


def test_partitions_that_are_not_level_are_compared_and_it_is_said(recorder: Recorder, monkeypatch: Any) -> None:
    """As if the live rows came from a topic, of which one partition had been read up to 5 and another to 3 alone."""
    monkeypatch.setattr(rebuild_module, "PATIENCE", 0.0)
    view, _, _ = make_views()
    recorder.insert_events(ROWS[:5])
    run(recorder, view)
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        connection.execute(update(PLACES).values(applied=4))
        connection.execute(delete(OUTCOMES))
        connection.execute(text("DELETE FROM rows_said_g1 WHERE last = 'text 3'"))
    runner = build_all_beside(recorder.engine, LocalLog(recorder), [view], as_live=True)
    found = compare_as_live(recorder.engine, runner, view)
    assert (found.added, found.position, found.lacking) == (1, 5, 1)


def test_a_view_that_was_never_made_is_built_to_the_head(recorder: Recorder) -> None:
    view, _, _ = make_views()
    recorder.insert_events(ROWS)
    runner = build_all_beside(recorder.engine, LocalLog(recorder), [view], as_live=True)
    found = compare_as_live(recorder.engine, runner, view)
    assert (found.rows, found.added, found.position) == (12, 12, 12)
