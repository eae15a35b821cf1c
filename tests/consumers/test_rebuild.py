"""Rebuilding: beside the live rows, compared, switched in one transaction, and never half seen."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import inspect, select, text
from tests.consumers.views import Said, make_views, run
from tests.store.agency import named, said_log

from ledger.aggregates.note_events import AddendumAdded
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare, forget_build, rows_of, switch
from ledger.consumers.tables import LIVE, PLACES
from ledger.integrity.verify import verify
from ledger.projections.base import Projection
from ledger.store.recorder import Recorder

TEXTS = [(f"chart {n % 7}", f"text {n}") for n in range(60)]


def tables(recorder: Recorder) -> set[str]:
    return {name for name in inspect(recorder.engine).get_table_names() if name.startswith("rows_")}


def rebuild(recorder: Recorder, projection: Projection[Said]) -> int:
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), projection)
    switch(recorder.engine, fresh, projection, generation)
    return generation


def test_a_rebuild_equals_the_live_rows_byte_for_byte(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, words, _ = make_views()
    run(recorder, view, words, batch=9)
    for projection in (view, words):
        before = msgspec.json.encode(rows_of(recorder.engine, projection))
        _, generation = build_beside(recorder.engine, LocalLog(recorder), projection)
        difference = compare(recorder.engine, projection, generation)
        assert difference.same
        assert difference.rows == len(rows_of(recorder.engine, projection))
        assert msgspec.json.encode(rows_of(recorder.engine, projection, generation)) == before


def test_every_difference_is_counted_and_the_first_are_shown(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    run(recorder, view)
    with recorder.engine.begin() as connection:
        connection.execute(
            text("UPDATE rows_said_g1 SET last = 'meddled' WHERE client_id = :id"), {"id": named("chart 1")}
        )
        connection.execute(text("DELETE FROM rows_said_g1 WHERE client_id = :id"), {"id": named("chart 2")})
        connection.execute(
            text("UPDATE rows_said_g1 SET client_id = 'nobody' WHERE client_id = :id"), {"id": named("chart 3")}
        )
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), view)
    difference = compare(recorder.engine, view, generation)
    assert (difference.rows, difference.added, difference.removed, difference.changed) == (7, 2, 1, 1)
    assert not difference.same
    shown = {key[0]: (old, new) for key, old, new in difference.examples}
    old, new = shown[named("chart 1")]
    assert old is not None
    assert new is not None
    assert (old["last"], new["last"]) == ("meddled", "text 57")
    assert shown["nobody"][1] is None
    assert shown[named("chart 2")][0] is None
    switch(recorder.engine, fresh, view, generation)
    assert len(rows_of(recorder.engine, view)) == 7


def test_a_build_that_is_not_wanted_leaves_nothing(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    run(recorder, view)
    before, had = rows_of(recorder.engine, view), tables(recorder)
    _, generation = build_beside(recorder.engine, LocalLog(recorder), view)
    assert tables(recorder) == had | {"rows_said_g2"}
    forget_build(recorder.engine, view, generation)
    assert (rows_of(recorder.engine, view), tables(recorder)) == (before, had)
    with recorder.reading() as connection:
        assert list(connection.execute(select(PLACES.c.projection))) == [("said.1",)]
    forget_build(recorder.engine, view, 1)
    assert tables(recorder) == had, "the live generation was dropped"


def test_the_generation_before_is_kept_until_the_next_rebuild(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    runner = run(recorder, view)
    assert rebuild(recorder, view) == 2
    assert tables(recorder) == {"rows_said_g1", "rows_said_g2"}
    assert rebuild(recorder, view) == 3
    assert tables(recorder) == {"rows_said_g2", "rows_said_g3"}
    assert rows_of(recorder.engine, view, 2) == rows_of(recorder.engine, view, 3)
    recorder.insert_events(said_log([("chart 9", "after")]))
    assert runner.catch_up() == 1, "the runner goes on with the generation that is live now"
    assert len(rows_of(recorder.engine, view)) == 8
    assert verify(recorder, [view]).sound


class Wider(msgspec.Struct, frozen=True, kw_only=True):
    """The next version of the view: a column more, a column less."""

    client_id: str
    texts: tuple[str, ...]
    last: str
    letters: int


class OtherKey(msgspec.Struct, frozen=True, kw_only=True):
    """Another version: keyed by what the earlier rows do not have."""

    text: str
    client_id: str


def test_a_version_with_other_columns_is_compared_and_switched_to(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    run(recorder, view)
    (route,) = view.routes.values()
    wider = Projection("said", 2, Wider, key=("client_id",))
    wider.on(AddendumAdded, keys=route.keys)(
        lambda row, happened, key: Wider(
            client_id=key[0],
            texts=(*(row.texts if row else ()), happened.event.text),
            last=happened.event.text,
            letters=len(happened.event.text),
        )
    )
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), wider)
    difference = compare(recorder.engine, wider, generation)
    assert (difference.added, difference.removed, difference.changed) == (0, 0, 7)
    switch(recorder.engine, fresh, wider, generation)
    run(recorder, wider)
    assert {row["letters"] for row in rows_of(recorder.engine, wider)} == {7}

    other = Projection("said", 3, OtherKey, key=("text",))
    other.on(AddendumAdded, keys=lambda h: [(h.event.text,)])(
        lambda row, happened, key: OtherKey(text=key[0], client_id=happened.event.client_id)
    )
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), other)
    assert compare(recorder.engine, other, generation).added == 60
    switch(recorder.engine, fresh, other, generation)
    assert len(rows_of(recorder.engine, other)) == 60


def test_a_reader_never_sees_a_half(database_url: str, opened: Callable[[str], Recorder]) -> None:
    """While views are rebuilt over and over and events come in, a reader's count only grows, and no read fails."""
    recorder = opened(database_url)
    rows = said_log([(f"chart {n}", f"text {n}") for n in range(120)])
    recorder.insert_events(rows[:60])
    view, _, _ = make_views()
    runner = run(recorder, view)
    done, failures, seen = threading.Event(), [], []

    def watch() -> None:
        other = opened(database_url)
        while not done.is_set():
            try:
                with other.reading() as connection:
                    found = list(connection.execute(select(view.view)).mappings())
            except Exception as fault:  # noqa: BLE001 - shown by the assertion below
                failures.append(repr(fault))
                return
            seen.append(len(found))

    reader = threading.Thread(target=watch)
    reader.start()
    for number in range(12):
        recorder.insert_events(rows[60 + number * 5 : 65 + number * 5])
        if number % 2:
            runner.catch_up()
        rebuild(recorder, view)
    done.set()
    reader.join()
    assert failures == []
    assert seen[0] >= 60
    assert seen == sorted(seen), "a reader saw fewer rows than before"
    assert len(set(seen)) > 2
    assert len(rows_of(recorder.engine, view)) == 120


def test_a_view_that_was_never_made_is_built(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    assert rebuild(recorder, view) == 1
    with recorder.reading() as connection:
        assert connection.scalar(select(LIVE.c.generation)) == 1
    assert len(rows_of(recorder.engine, view)) == 7


@pytest.mark.parametrize("generation", [1, 7])
def test_rows_are_in_the_order_of_their_key(recorder: Recorder, generation: int) -> None:
    recorder.insert_events(said_log([(f"chart {n % generation}", f"Ä{n} a{n} B") for n in range(20)]))
    _, words, _ = make_views()
    run(recorder, words)
    keys = [(row["client_id"], row["word"]) for row in rows_of(recorder.engine, words)]
    assert keys == sorted(keys)
