"""Parking: what cannot be applied holds up its own chart, visibly; once mended, a retry goes on in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.consumers.views import Said, counts, make_views, run, waiting
from tests.store.agency import named, said, said_log, stored

from ledger.aggregates import vocabulary
from ledger.aggregates.note_events import AddendumAdded
from ledger.aggregates.vocabulary import Event, event
from ledger.consumers import work as work_module
from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked, retry
from ledger.consumers.rebuild import build_beside, rows_of, switch
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.projections.base import Happened, Key
from ledger.store.recorder import Recorder

TEXTS = [("a", "1"), ("b", "1"), ("a", "bad"), ("a", "3"), ("b", "2"), ("a", "4"), ("c", "1"), ("a", "bad again")]


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_a_chart_that_cannot_go_on_is_parked_and_resumes_in_order(recorder: Recorder, batch: int) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, words, fault = make_views()
    fault.texts = {"bad", "bad again"}
    runner = run(recorder, view, words, batch=batch)

    (one,) = parked(recorder.engine)
    assert (one.projection, one.key, one.position, one.event_type) == ("said.1", named("a"), 3, "note.addendum_added")
    assert one.waiting == 4
    assert one.error.startswith("ValueError at views.py:")
    assert "cannot apply" not in one.error, "the text of an error may quote a client"
    rows = {row["client_id"]: row["texts"] for row in rows_of(recorder.engine, view)}
    assert rows == {named("a"): '["1"]', named("b"): '["1","2"]', named("c"): '["1"]'}
    assert counts(recorder.engine, "said.1") == (8, 4, 4, 0)
    assert counts(recorder.engine, "words.1") == (8, 8, 0, 0)
    assert verify(recorder, [view, words]).sound

    assert [(p.position, p.waiting) for p in retry(runner, recorder)] == [(3, 4)], "nothing was mended yet"
    recorder.insert_events([stored(said("a", "5"), stream="late", version=1, chart="a")])
    runner.catch_up()
    fault.texts = {"bad again"}
    assert [(p.position, p.waiting) for p in retry(runner, recorder)] == [(8, 2)]
    assert counts(recorder.engine, "said.1") == (9, 7, 2, 0)
    assert verify(recorder, [view, words]).sound
    fault.texts = set()
    assert retry(runner, recorder) == []
    assert counts(recorder.engine, "said.1") == (9, 9, 0, 0)
    with recorder.reading() as connection:
        assert waiting(connection) == (0, 0)
    assert verify(recorder, [view, words]).sound

    never_broken, _, _ = make_views()
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), never_broken)
    assert rows_of(recorder.engine, never_broken, generation) == rows_of(recorder.engine, view)
    assert fresh.building == {"said": 2}


def test_a_retry_may_name_a_view_and_a_key(recorder: Recorder) -> None:
    recorder.insert_events(said_log([("a", "bad"), ("b", "bad")]))
    view, _, fault = make_views()
    fault.texts = {"bad"}
    runner = run(recorder, view)
    fault.texts = set()
    assert len(retry(runner, recorder, projection="words")) == 2
    assert [p.key for p in retry(runner, recorder, key=named("b"))] == [named("a")]
    assert retry(runner, recorder, projection="said") == []


@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_an_unreadable_event_parks_its_chart_in_every_view(recorder: Recorder, batch: int) -> None:
    rows = said_log([("a", "1"), ("b", "1"), ("a", "2"), ("a", "3"), ("b", "2")])
    rows[2] = replace(rows[2], state=b'{"client_id": "\xff"}')
    recorder.insert_events(rows)
    view, words, _ = make_views()
    run(recorder, view, words, batch=batch)
    assert [(p.projection, p.key, p.position, p.waiting) for p in parked(recorder.engine)] == [
        ("said.1", named("a"), 3, 2),
        ("words.1", named("a"), 3, 2),
    ]
    assert {row["last"] for row in rows_of(recorder.engine, view)} == {"1", "2"}
    assert verify(recorder, [view, words]).sound


@pytest.mark.parametrize("concerned", [True, False])
def test_an_event_of_a_later_release_waits_until_it_is_known(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, concerned: bool
) -> None:
    rows = said_log([("a", "1"), ("a", "2"), ("b", "1")])
    rows[1] = replace(rows[1], topic="garden.watered", state=b'{"litres":4}')
    recorder.insert_events(rows)
    view, _, _ = make_views()
    runner = run(recorder, view)
    assert [(p.key, p.event_type, p.waiting) for p in parked(recorder.engine)] == [(named("a"), "garden.watered", 1)]
    assert "upgrade" in parked(recorder.engine)[0].error

    monkeypatch.setattr(vocabulary, "_events", dict(vocabulary._events))
    work_module.known_types.cache_clear()

    @event("garden.watered")
    class Watered(Event, frozen=True, kw_only=True):
        litres: int

    if concerned:
        view.on(Watered, keys=lambda h: [(h.recorded.row.key,)])(lambda row, happened, key: row)
    assert retry(runner, recorder) == []
    assert counts(recorder.engine, "said.1") == ((3, 3, 0, 0) if concerned else (3, 2, 0, 1))
    assert verify(recorder, [view]).sound
    work_module.known_types.cache_clear()


def nul(row: Said) -> Said:
    return msgspec.structs.replace(row, last="nul \x00")


def beyond_64_bits(row: Said) -> Said:
    return msgspec.structs.replace(row, count=2**63)


def wrong_type(row: Said) -> Said:
    return msgspec.structs.replace(row, long=1)


def other_key(row: Said) -> Said:
    return msgspec.structs.replace(row, client_id=named("b"))


@pytest.mark.parametrize("batch", [1, 4, 1000])
@pytest.mark.parametrize("spoil", [nul, beyond_64_bits, wrong_type, other_key])
def test_a_row_that_no_database_holds_parks_its_chart_alone(
    sqlite_recorder: Recorder, batch: int, spoil: Callable[[Said], Said]
) -> None:
    """Whatever one event makes of its row, it may not stop the other charts, nor depend on how the log was cut."""
    recorder = sqlite_recorder
    rows = said_log([(chart, str(n)) for n in range(4) for chart in "abc"])
    recorder.insert_events([*rows[:5], stored(said("a", "spoil"), stream="bad", version=1, chart="a"), *rows[5:]])
    view, words, _ = make_views()
    (route,) = view.routes.values()

    def spoiled(row: Said | None, happened: Happened[Any], key: Key) -> Said | None:
        made = route.fold(row, happened, key)
        return spoil(made) if made is not None and made.last == "spoil" else made

    view.routes[AddendumAdded] = replace(route, fold=spoiled)
    runner = run(recorder, view, words, batch=batch)
    (one,) = parked(recorder.engine)
    assert (one.projection, one.key, one.position, one.waiting) == ("said.1", named("a"), 6, 3)
    found = {row["client_id"]: row["count"] for row in rows_of(recorder.engine, view)}
    assert found == {named("a"): 2, named("b"): 4, named("c"): 4}
    assert counts(recorder.engine, "said.1") == (13, 10, 3, 0)
    assert verify(recorder, [view, words]).sound
    assert [(p.key, p.position) for p in retry(runner, recorder)] == [(named("a"), 6)]
    view.routes[AddendumAdded] = route
    assert retry(runner, recorder) == []
    assert {row["count"] for row in rows_of(recorder.engine, view)} == {4, 5}


def test_a_row_of_two_charts_is_refused(sqlite_recorder: Recorder) -> None:
    """A row depends on one partition key only: otherwise its content would depend on how partitions are read."""
    rows = said_log([("a", "1"), ("b", "2")])
    sqlite_recorder.insert_events(rows)
    view, _, _ = make_views()
    (route,) = view.routes.values()
    view.routes[AddendumAdded] = replace(route, keys=lambda h: [(named("a"),)])
    run(sqlite_recorder, view)
    assert [(p.key, p.position) for p in parked(sqlite_recorder.engine)] == [(named("b"), 2)]


def test_what_an_older_generation_had_parked_is_not_shown(recorder: Recorder) -> None:
    recorder.insert_events(said_log([("a", "bad"), ("b", "1")]))
    view, _, fault = make_views()
    fault.texts = {"bad"}
    runner = run(recorder, view)
    assert len(parked(recorder.engine)) == 1
    fault.texts = set()
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), view)
    switch(recorder.engine, fresh, view, generation)
    assert parked(recorder.engine) == []
    assert retry(runner, recorder) == []
    assert isinstance(runner, Runner)
    assert {row["last"] for row in rows_of(recorder.engine, view)} == {"bad", "1"}
