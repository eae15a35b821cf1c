"""Applied + parked + not concerned = events in the log: what a view leaves out unrecorded is named by ``verify``."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, delete, select, update
from tests.consumers.views import make_views, run
from tests.store.agency import said_log

from ledger.consumers.tables import OUTCOMES, PARKED_EVENTS, PARKED_KEYS
from ledger.integrity.verify import verify
from ledger.projections.base import Projection
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

COUNT = 12


def parked_view(recorder: Recorder) -> Projection[Any]:
    """A log of twelve events on three charts, and a view that could not go on with one of the charts."""
    recorder.insert_events(said_log([("abc"[n % 3], f"text {n}") for n in range(COUNT)]))
    recorder.sequence()
    view, _, fault = make_views()
    fault.texts.add("text 4")
    run(recorder, view)
    return view


def test_every_event_has_its_outcome_and_they_add_up(recorder: Recorder) -> None:
    report = verify(recorder, [parked_view(recorder)])
    assert report.sound
    (account,) = report.projections
    assert (account.applied, account.parked, account.not_concerned) == (9, 3, 0)
    assert account.applied + account.parked + account.not_concerned == account.place == report.events


@pytest.mark.parametrize("table", [PARKED_EVENTS, PARKED_KEYS], ids=lambda table: str(table.name))
def test_what_is_marked_as_parked_and_waits_nowhere_is_a_skip(recorder: Recorder, table: Table) -> None:
    """Nobody would ever retry it: it is not on the list of what waits."""
    view = parked_view(recorder)
    with recorder.engine.begin() as connection:
        connection.execute(delete(table))
    faults = verify(recorder, [view]).faults
    assert [(f.kind, f.position) for f in faults] == [("skipped", 5), ("skipped", 8), ("skipped", 11)]
    assert "is marked as parked, and waits nowhere" in faults[0].words


def test_what_waits_and_is_not_marked_as_parked_is_named(recorder: Recorder) -> None:
    view = parked_view(recorder)
    with recorder.engine.begin() as connection:
        connection.execute(update(PARKED_EVENTS).where(PARKED_EVENTS.c.position == 8).values(position=7))
    faults = verify(recorder, [view]).faults
    assert [(f.kind, f.position) for f in faults] == [("outcome", 7), ("skipped", 8)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.integers(1, COUNT), st.sampled_from([b"A", b"P", b"-", b" "]), max_size=4))
def test_any_outcome_that_is_not_the_true_one_is_found(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[int, bytes]
) -> None:
    """Whatever marks are changed, together with the counts or without: a mark that was not made is a fault."""
    recorder = open_store(f"sqlite:///{Path(tmp_path_factory.mktemp('complete')) / 'ledger.db'}")
    try:
        view = parked_view(recorder)
        mine = OUTCOMES.c.projection == "said.1"
        with recorder.engine.begin() as connection:
            before = bytearray(zlib.decompress(connection.scalar(select(OUTCOMES.c.outcomes).where(mine)) or b""))
            marks = bytearray(before)
            for position, mark in changes.items():
                marks[position : position + 1] = mark
            connection.execute(update(OUTCOMES).where(mine).values(outcomes=zlib.compress(bytes(marks))))
        assert verify(recorder, [view]).sound == (marks == before)
    finally:
        recorder.engine.dispose()
