"""One suite for both recorders: the event-sourcing library's own expectations, then what this store adds to them.

The library's test cases store bare events; ours always have an envelope, so the same expectations are written out here.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.agency import named, said, said_log, small_agency, stored

from ledger.application.commands import Ledger
from ledger.store.envelope import leaf_of
from ledger.store.recorder import Recorder


def rows(stream: str, *versions: int) -> list[StoredEvent]:
    return [stored(said(stream, f"text {v}"), stream=stream, version=v, chart=stream) for v in versions]


def test_nothing_is_there_at_first(recorder: Recorder) -> None:
    assert not recorder.insert_events([])
    assert recorder.select_events(named("a")) == []
    assert recorder.select_notifications(start=None, limit=3) == []
    assert recorder.select_notifications(start=None, limit=3, topics=["dispute.opened"]) == []
    assert recorder.max_notification_id() is None
    assert recorder.sequence() == recorder.head() == recorder.waiting() == 0


def test_a_stream_is_read_by_version(recorder: Recorder) -> None:
    recorder.insert_events(rows("a", 1))
    recorder.insert_events(rows("a", 2, 3))
    recorder.insert_events(rows("b", 1))

    def versions(**selection: int | bool) -> list[int]:
        found = recorder.select_events(named("a"), **selection)  # type: ignore[arg-type]  # checked by name
        return [row.originator_version for row in found]

    assert versions() == [1, 2, 3]
    assert versions(desc=True) == [3, 2, 1]
    assert versions(desc=True, limit=1) == [3]
    assert versions(lte=2, desc=True, limit=1) == [2]
    assert versions(gt=1, lte=2) == [2]
    assert versions(gt=3) == []
    assert versions(limit=2) == [1, 2]
    first = recorder.select_events(named("a"))[0]
    assert (first.originator_id, first.topic, first.state) == (named("a"), "note.addendum_added", rows("a", 1)[0].state)
    assert isinstance(first.state, bytes)
    assert [row.originator_version for row in recorder.select_events(named("b"))] == [1]


@pytest.mark.parametrize("versions", [(1,), (1, 2), (2, 2), (3,), (2, 4)])
def test_a_conflict_is_the_library_s_error_and_writes_nothing(recorder: Recorder, versions: tuple[int, ...]) -> None:
    recorder.insert_events(rows("a", 1))
    with pytest.raises(IntegrityError):
        recorder.insert_events(rows("b", 1) + rows("a", *versions))
    assert recorder.sequence() == 1
    assert recorder.select_events(named("b")) == []
    assert [row.originator_version for row in recorder.select_events(named("a"))] == [1]


def test_a_command_is_recorded_once(recorder: Recorder) -> None:
    recorder.insert_events([stored(said("a", "x"), stream="a", version=1, command="one")])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(said("b", "x"), stream="b", version=1, command="one")])
    assert [row.event_id for row in recorder.find_command(named("one"))] == [f"{named('a')}@1"]
    assert recorder.find_command(named("two")) == []


def test_notifications_are_the_log_in_its_order(recorder: Recorder) -> None:
    recorder.insert_events(rows("a", 1, 2))
    recorder.insert_events([replace(row, topic="dispute.opened") for row in rows("b", 1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events(rows("b", 1))
    recorder.insert_events(rows("c", 1))

    def ids(start: int | None, limit: int = 10, stop: int | None = None, topics: tuple[str, ...] = ()) -> list[int]:
        return [n.id for n in recorder.select_notifications(start, limit, stop, topics)]

    assert ids(None) == [1, 2, 3, 4]
    assert ids(1) == [1, 2, 3, 4]
    assert ids(3) == [3, 4]
    assert ids(None, stop=2) == [1, 2]
    assert ids(2, limit=2) == [2, 3]
    assert ids(None, topics=("dispute.opened",)) == [3]
    after = recorder.select_notifications(1, 10, inclusive_of_start=False)
    assert [n.id for n in after] == [2, 3, 4]
    assert [n.originator_id for n in after] == [named("a"), named("b"), named("c")]
    assert after[0].state == rows("a", 2)[0].state
    assert recorder.max_notification_id() == 4


def test_a_subscription_gives_what_is_there_then_what_comes(recorder: Recorder) -> None:
    recorder.insert_events(rows("a", 1, 2))
    seen: list[int] = []
    with recorder.subscribe(gt=1) as subscription:
        seen.append(next(subscription).id)
        writer = threading.Timer(0.05, lambda: recorder.insert_events(rows("b", 1, 2)))
        writer.start()
        seen += [next(subscription).id, next(subscription).id]
        writer.join()
        stopper = threading.Timer(0.05, subscription.stop)
        stopper.start()
        assert list(subscription) == []
        stopper.join()
    assert seen == [2, 3, 4]


def test_only_rows_with_an_envelope_are_stored(recorder: Recorder) -> None:
    with pytest.raises(TypeError, match="only rows of this store"):
        recorder.insert_events([StoredEvent(named("a"), 1, "dispute.opened", b"{}")])


def test_the_whole_envelope_comes_back(ledger: Ledger) -> None:
    charts = small_agency(ledger, clients=2, contacts=1)
    recorder = ledger.recorder
    head = recorder.sequence()
    log = recorder.read_log(0, 1000)
    assert [row.position for row in log] == list(range(1, head + 1))
    assert all(row.leaf == leaf_of(row, row.position, row.recorded_at) for row in log)
    for row in log:
        again = next(r for r in recorder.select_events(row.originator_id) if r.event_id == row.event_id)
        assert replace(again, position=row.position, recorded_at=row.recorded_at, leaf=row.leaf) == row
    for chart in charts:
        mine = [row for row in log if row.chart_id == chart]
        assert len(mine) >= 7
        assert list(recorder.read_chart(chart)) == mine
        assert list(recorder.read_key(chart)) == mine
        assert list(recorder.read_chart(chart, after=mine[0].position, until=mine[2].position)) == mine[1:3]
        assert list(recorder.read_key(chart, after=mine[0].position, until=mine[2].position)) == mine[1:3]
    assert recorder.read_log(2, 2, until=3) == log[2:3]
    assert recorder.find_commands([row.command_id for row in log] + [named("none")]) == {
        row.command_id: row.command_digest for row in log
    }
    assert recorder.stream_version(charts[0]) == len(recorder.select_events(charts[0]))
    assert recorder.stream_version(named("none")) == 0


def test_the_position_at_a_time_is_the_last_one_known_then(recorder: Recorder) -> None:
    recorder.insert_events(rows("a", 1, 2))
    recorder.sequence()
    at = recorder.read_log(0, 1)[0].recorded_at
    assert recorder.position_at(at) == 2
    assert recorder.position_at("2000-01-01T00:00:00.000000Z") == 0


def test_large_payloads_in_one_append(recorder: Recorder) -> None:
    texts = [("big", "ü" * 60_000)] * 40
    recorder.insert_events(said_log(texts))
    assert recorder.sequence() == 40
    assert sum(len(row.state) for row in recorder.read_log(0, 100)) > 40 * 120_000


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(min_size=1, max_size=50))
def test_any_text_comes_back_as_it_went_in(recorder: Recorder, text: str) -> None:
    stream = f"text {recorder.head()} {text!r}"
    row = stored(said("a", text), stream=stream, version=1)
    recorder.insert_events([row])
    assert recorder.select_events(named(stream))[0].state == row.state
