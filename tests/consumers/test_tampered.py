"""An event that is not what was recorded: it parks its chart in every view, and no view is made anew from it."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect
from tests.consumers.views import counts, make_views, run
from tests.integrity.meddling import meddle
from tests.store.agency import named, said_log

from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked, retry
from ledger.consumers.rebuild import build_beside, rows_of, switch
from ledger.errors import IntegrityFault
from ledger.store.recorder import Recorder

TEXTS = [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", "3")]
#: The event at position 3 is the second of chart a.
TAMPERED = f"{named('note of a')}@2"


def change(recorder: Recorder, column: str, value: object) -> object:
    """Change a column of the event at position 3 behind the store's back; returns what stood there."""
    was = getattr(recorder.read_log(2, 1)[0], {"payload": "state", "type": "topic"}.get(column, column))
    meddle(
        recorder,
        f"UPDATE events SET {column} = :value WHERE stream_id = :stream AND version = 2",  # noqa: S608 - our columns
        value=value,
        stream=named("note of a"),
    )
    return was


@pytest.mark.parametrize(
    ("column", "value"),
    [("payload", None), ("type", "client.registered"), ("type", "never.heard_of"), ("actor", "somebody-else")],
)
def test_a_changed_event_parks_its_chart_and_the_others_go_on(recorder: Recorder, column: str, value: object) -> None:
    recorder.insert_events(said_log(TEXTS))
    recorder.sequence()
    if value is None:
        value = recorder.read_log(2, 1)[0].state.replace(b'"text":"2"', b'"text":"9"')
    was = change(recorder, column, value)
    view, words, _ = make_views()
    runner = run(recorder, view, words)
    found = {one.projection: one for one in parked(recorder.engine)}
    assert set(found) == {"said.1", "words.1"}, "it parks in every view, whatever its type says now"
    for one in found.values():
        assert (one.key, one.position, one.waiting) == (named("a"), 3, 2)
        assert f"event {TAMPERED}" in one.error
        assert "is not what was recorded" in one.error
    rows = {row["client_id"]: row["texts"] for row in rows_of(recorder.engine, view)}
    assert rows == {named("a"): '["1"]', named("b"): '["1","2"]'}

    assert len(retry(runner, recorder)) == 2, "nothing was put right yet"
    change(recorder, column, was)
    assert retry(runner, recorder) == []
    assert counts(recorder.engine, "said.1") == (5, 5, 0, 0)
    assert {row["client_id"]: row["texts"] for row in rows_of(recorder.engine, view)}[named("a")] == '["1","2","3"]'


def test_an_event_that_was_given_another_chart_stays_parked_until_the_view_is_rebuilt(recorder: Recorder) -> None:
    recorder.insert_events(said_log(TEXTS))
    recorder.sequence()
    was = change(recorder, "key", named("c"))
    view, _, _ = make_views()
    runner = run(recorder, view)
    assert [(one.key, one.position) for one in parked(recorder.engine)] == [(named("c"), 3)]
    change(recorder, "key", was)
    (one,) = retry(runner, recorder)
    assert one.error == "the event at position 3 has another key by now; run: ledger rebuild said"
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), view)
    switch(recorder.engine, fresh, view, generation)
    assert parked(recorder.engine) == []


@pytest.mark.parametrize("column", ["payload", "type"])
def test_a_rebuild_stops_at_a_changed_event_and_leaves_the_live_rows(recorder: Recorder, column: str) -> None:
    recorder.insert_events(said_log(TEXTS))
    view, _, _ = make_views()
    run(recorder, view)
    before = rows_of(recorder.engine, view)
    state = recorder.read_log(2, 1)[0].state
    changed = {"payload": state.replace(b'"text":"2"', b'"text":"9"'), "type": "client.registered"}
    change(recorder, column, changed[column])
    with pytest.raises(IntegrityFault, match=f"event {TAMPERED}"):
        build_beside(recorder.engine, LocalLog(recorder), view)
    assert rows_of(recorder.engine, view) == before
    assert [name for name in inspect(recorder.engine).get_table_names() if name.startswith("rows_said")] == [
        "rows_said_g1"
    ], "a build that was stopped leaves nothing behind"


def test_a_change_between_the_build_and_the_switch_stops_the_switch(recorder: Recorder) -> None:
    rows = said_log(TEXTS)
    recorder.insert_events(rows[:2])
    view, _, _ = make_views()
    run(recorder, view)
    fresh, generation = build_beside(recorder.engine, LocalLog(recorder), view)
    recorder.insert_events(rows[2:])
    recorder.sequence()
    change(recorder, "actor", "somebody-else")
    with pytest.raises(IntegrityFault, match=f"event {TAMPERED}"):
        switch(recorder.engine, fresh, view, generation)
    assert len(rows_of(recorder.engine, view)) == 2
