"""What follows from a row's facts: worked out when the row is written, the same however the log was cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.consumers.views import counts, run
from tests.store.agency import named, said_log

from ledger.aggregates.note_events import AddendumAdded
from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked, retry
from ledger.consumers.rebuild import rows_of
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.projections.base import Happened, Key, Projection
from ledger.projections.folding import fold_all
from ledger.store.codec import read
from ledger.store.database import open_store
from ledger.store.recorder import Recorder


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What was said on a chart; how long it all is and its words follow from that."""

    client_id: str
    texts: tuple[str, ...] = ()
    length: int = 0
    words: tuple[str, ...] = ()


def make_view(derive: Callable[[Chart], Chart]) -> Projection[Chart]:
    view = Projection("chart", 1, Chart, key=("client_id",), derived=("length", "words"))
    view.derive(derive)

    @view.on(AddendumAdded, keys=lambda h: [(h.event.client_id,)])
    def add(row: Chart | None, happened: Happened[AddendumAdded], key: Key) -> Chart | None:
        before = row or Chart(client_id=key[0])
        assert (before.length, before.words) == (0, ()), "a fold saw what is derived"
        if happened.event.text == "forget":
            return None
        return msgspec.structs.replace(before, texts=(*before.texts, happened.event.text))

    return view


def worked_out(row: Chart) -> Chart:
    said = " ".join(row.texts)
    return msgspec.structs.replace(row, length=len(said), words=tuple(said.split()))


LOGS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y z", "forget", ""])), max_size=25)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=LOGS, cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_any_cutting_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]], cuts: list[int]
) -> None:
    recorder = open_store(f"sqlite:///{tmp_path_factory.mktemp('cut') / 'ledger.db'}")
    recorder.insert_events(said_log(texts))
    view = make_view(worked_out)
    runner = Runner(recorder.engine, LocalLog(recorder), [view])
    runner.prepare()
    turn = 0
    while True:
        runner.batch = cuts[turn % len(cuts)]
        turn += 1
        if runner.step(0) == 0:
            break
    lines = fold_all(view, [read(row) for row in recorder.read_log(0, 1000)])
    assert rows_of(recorder.engine, view) == [view.to_columns(lines[key]) for key in sorted(lines)]
    assert verify(recorder, [view]).sound
    recorder.engine.dispose()


def test_a_row_is_worked_out_once_a_batch(recorder: Recorder) -> None:
    recorder.insert_events(said_log([("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")]))
    asked: list[tuple[str, ...]] = []

    def counting(row: Chart) -> Chart:
        asked.append(row.texts)
        return worked_out(row)

    run(recorder, make_view(counting))
    assert sorted(asked) == [("1",), ("1", "2", "3")]


@pytest.mark.parametrize("batch", [1, 2, 4, 1000])
def test_the_event_in_whose_wake_a_row_cannot_be_worked_out_is_the_one_that_parks(
    recorder: Recorder, batch: int
) -> None:
    recorder.insert_events(said_log([("a", "1"), ("b", "1"), ("a", "bad"), ("b", "2"), ("a", "3"), ("c", "1")]))
    broken = True

    def failing(row: Chart) -> Chart:
        if broken and "bad" in row.texts:
            raise ValueError("what a client said")
        return worked_out(row)

    view = make_view(failing)
    runner = run(recorder, view, batch=batch)
    (one,) = parked(recorder.engine)
    assert (one.key, one.position, one.waiting) == (named("a"), 3, 2)
    assert one.error.startswith("ValueError at test_derived.py:")
    assert "client" not in one.error
    found = {row["client_id"]: (row["texts"], row["length"]) for row in rows_of(recorder.engine, view)}
    assert found == {named("a"): ('["1"]', 1), named("b"): ('["1","2"]', 3), named("c"): ('["1"]', 1)}
    assert counts(recorder.engine, "chart.1") == (6, 4, 2, 0)
    assert verify(recorder, [view]).sound
    broken = False
    assert retry(runner, recorder) == []
    found = {row["client_id"]: (row["texts"], row["length"]) for row in rows_of(recorder.engine, view)}
    assert found[named("a")] == ('["1","bad","3"]', 7)


@pytest.mark.parametrize("batch", [1, 1000])
@pytest.mark.parametrize("spoil", [{"length": 2**63}, {"length": "many"}, {"client_id": "nobody"}])
def test_what_is_worked_out_is_checked_too(sqlite_recorder: Recorder, batch: int, spoil: dict[str, Any]) -> None:
    sqlite_recorder.insert_events(said_log([("a", "1"), ("b", "bad"), ("a", "2")]))

    def spoiling(row: Chart) -> Chart:
        return msgspec.structs.replace(row, **spoil) if "bad" in row.texts else worked_out(row)

    view = make_view(spoiling)
    run(sqlite_recorder, view, batch=batch)
    assert [(one.key, one.position) for one in parked(sqlite_recorder.engine)] == [(named("b"), 2)]
    assert [row["client_id"] for row in rows_of(sqlite_recorder.engine, view)] == [named("a")]
