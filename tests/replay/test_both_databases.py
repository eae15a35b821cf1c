"""The same story on SQLite and on a real PostgreSQL server: the same replay at every position, the same views."""

from __future__ import annotations

from datetime import date

from tests.projections.test_timeline import VIEWS, up_to_date
from tests.replay.world import World, full_story

from ledger.clock import ManualClock
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare
from ledger.projections.access_audit import reads_of
from ledger.projections.timeline import events_of
from ledger.replay.chart import ChartFold, chart_as_known
from ledger.store.codec import read
from ledger.store.recorder import Recorder


def test_a_chart_replays_and_its_views_answer(recorder: Recorder, clock: ManualClock) -> None:
    world = World(recorder, clock)
    full_story(world)
    head = recorder.sequence()
    chart_id = world.charts[0]
    folding = ChartFold(chart_id)
    for row in recorder.read_log(0, head):
        if row.chart_id == chart_id:
            folding.add(read(row))
        seen = chart_as_known(recorder, world.at(chart_id, row.position), chart_id)
        assert seen == folding.chart(row.position)
    assert seen.verified.signatures == 2
    up_to_date(world, batch=11)
    with recorder.reading() as connection:
        events = events_of(connection, world.at(chart_id, head), chart_id)
        begun = events_of(connection, world.at(chart_id, head, date(2025, 1, 17)), chart_id)
        reads = reads_of(connection, world.at(chart_id, head), chart_id)
    assert {event.event_id for event in events} == {t.event_id for item in seen.items for t in item.changes}
    assert 0 < len(begun) < len(events)
    assert [(r.reader_id, r.charts, r.position_shown) for r in reads] == [(world.supervisor, 2, reads[0].position - 1)]
    for view in VIEWS:
        _, generation = build_beside(recorder.engine, LocalLog(recorder), view)
        assert compare(recorder.engine, view, generation).same
