"""The multiplied log is a log like any other: sound, in order, each signature bound to the content it signs."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.agencies import APART, Agencies, fill, own_id

from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.projections.every import PROJECTIONS
from ledger.replay.chart import fold_chart
from ledger.replay.verified import verified
from ledger.store.database import open_store
from ledger.store.recorder import Recorder


@pytest.fixture(scope="module")
def agencies(tmp_path_factory: pytest.TempPathFactory) -> Agencies:
    return Agencies(f"sqlite:///{tmp_path_factory.mktemp('agency') / 'ledger.db'}", 8, 1)


@pytest.fixture
def filled(recorder: Recorder, agencies: Agencies) -> Recorder:
    """Two whole copies and a half of a third, on each database."""
    fill(recorder, agencies.log(agencies.events * 5 // 2))
    return recorder


def test_a_multiplied_log_is_sound_and_no_view_parks_any_of_it(filled: Recorder, agencies: Agencies) -> None:
    Runner(filled.engine, LocalLog(filled), PROJECTIONS).prepare()
    Runner(filled.engine, LocalLog(filled), PROJECTIONS).catch_up()
    report = verify(filled, PROJECTIONS)
    assert report.sound, report.faults
    assert report.events == agencies.events * 5 // 2 + agencies.chart_events
    assert not parked(filled.engine)


def test_every_chart_of_every_copy_replays_with_its_signatures(filled: Recorder) -> None:
    charts = {row.chart_id for row in filled.read_log(0, 1_000_000) if row.chart_id is not None}
    signatures = 0
    for chart in charts:
        signatures += fold_chart(chart, verified(filled.read_chart(chart))).verified.signatures
    assert signatures > 100  # a signature that is not its content's raises


def test_no_two_copies_share_an_id(filled: Recorder) -> None:
    rows = filled.read_log(0, 1_000_000)
    assert len({str(row.originator_id).partition("-")[0] for row in rows}) == 4  # three, and one apart
    commands = {(row.command_id, row.command_index) for row in rows}
    assert len(commands) == len(rows)


def test_the_chart_apart_is_whole_however_few_others_there_are(recorder: Recorder, agencies: Agencies) -> None:
    fill(recorder, agencies.log(10))
    rows = recorder.read_chart(own_id(agencies.chart, APART))
    assert len(rows) == agencies.chart_events
    assert recorder.head() == agencies.chart_events + 10


def test_more_events_follow_a_log_that_is_there(filled: Recorder, agencies: Agencies) -> None:
    head = filled.head()
    last = filled.read_log(head - 1, 1)[0]
    assert fill(filled, agencies.more(50, last)) == 50
    assert verify(filled, ()).sound
    assert filled.sequence() == head + 50


def test_the_same_agency_gives_the_same_log(agencies: Agencies, tmp_path: Path) -> None:
    again = list(agencies.log(300))
    assert again == list(agencies.log(300))
    other = open_store(f"sqlite:///{tmp_path}/other.db")
    fill(other, iter(again))
    assert list(other.read_log(0, 10_000)) == again
    other.engine.dispose()
