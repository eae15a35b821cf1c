"""The runner: rows and place in one transaction, the same rows however the log is cut, and two runners at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.consumers.views import counts, make_views, run
from tests.store.agency import said_log, small_agency

from ledger.application.commands import Ledger
from ledger.consumers.generations import Stand
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import rows_of
from ledger.consumers.runner import Runner, StaleRunner, WrongVersion
from ledger.consumers.turn import Part, Turn
from ledger.consumers.work import Batch, Work
from ledger.integrity.verify import verify
from ledger.projections.every import PROJECTIONS
from ledger.projections.folding import fold_all
from ledger.store.codec import read
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

SOME = [("a", "one two"), ("b", "two"), ("a", "two three"), ("c", "four"), ("b", "two two"), ("a", "one")]
LOGS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "x y", "y z", "long text", ""])), max_size=25)


def expected(recorder: Recorder) -> list[list[dict[str, Any]]]:
    """The rows of both views folded in memory, without a runner."""
    said, words, _ = make_views()
    events = [read(row) for row in recorder.read_log(0, 10_000)]
    folded = []
    for projection in (said, words):
        lines = fold_all(projection, events)
        folded.append([projection.to_columns(lines[key]) for key in sorted(lines)])
    return folded


def live(recorder: Recorder) -> list[list[dict[str, Any]]]:
    said, words, _ = make_views()
    return [rows_of(recorder.engine, said), rows_of(recorder.engine, words)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=LOGS, cuts=st.lists(st.integers(1, 7), min_size=1, max_size=10), appended=st.integers(0, 25))
def test_any_cutting_of_the_log_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]], cuts: list[int], appended: int
) -> None:
    recorder = open_store(f"sqlite:///{tmp_path_factory.mktemp('cut') / 'ledger.db'}")
    rows = said_log(texts)
    recorder.insert_events(rows[:appended])
    said, words, _ = make_views()
    runner = run(recorder, said, words, batch=cuts[0])
    recorder.insert_events(rows[appended:])
    turn = 0
    while True:
        runner.batch = cuts[turn % len(cuts)]
        turn += 1
        if runner.step(0) == 0:
            break
    assert live(recorder) == expected(recorder)
    assert verify(recorder, [said, words]).sound
    recorder.engine.dispose()


def test_both_databases_give_the_same_rows(recorder: Recorder) -> None:
    recorder.insert_events(said_log(SOME))
    said, words, _ = make_views()
    run(recorder, said, words, batch=4)
    assert live(recorder) == expected(recorder)
    assert counts(recorder.engine, "said.1") == (6, 6, 0, 0)


def test_the_views_of_this_release_over_an_agency(ledger: Ledger) -> None:
    small_agency(ledger, clients=3, contacts=2)
    run(ledger.recorder, *PROJECTIONS, batch=7)
    events = [read(row) for row in ledger.recorder.read_log(0, 10_000)]
    for projection in PROJECTIONS:
        lines = fold_all(projection, events)
        folded = [projection.to_columns(lines[key]) for key in sorted(lines)]
        assert rows_of(ledger.recorder.engine, projection) == folded, projection.name
    report = verify(ledger.recorder, PROJECTIONS)
    assert report.sound, report.faults
    for account in report.projections:
        assert account.applied + account.parked + account.not_concerned == report.events
        assert account.parked == 0


def test_rows_and_place_are_one_transaction(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder.insert_events(said_log(SOME))
    said, words, _ = make_views()
    runner = Runner(recorder.engine, LocalLog(recorder), [said, words])
    runner.prepare()

    def cut_off(*_: object) -> None:
        raise SystemExit("the power went")

    monkeypatch.setattr(Turn, "_move", cut_off)
    with pytest.raises(SystemExit):
        runner.catch_up()
    assert live(recorder) == [[], []]
    monkeypatch.undo()
    runner.catch_up()
    assert live(recorder) == expected(recorder)


def test_a_stale_runner_is_rolled_back(recorder: Recorder) -> None:
    recorder.insert_events(said_log(SOME))
    said, _, _ = make_views()
    runner = run(recorder, said)
    with recorder.engine.connect() as connection:
        (stand,) = runner.stands(connection)
    for place in (0, 3, 7):
        entries = runner.log.read(0, 0, 100)
        turn = Turn(runner.log, [stand], [Part(0, place, entries[place:])], Batch(entries))
        with recorder.engine.connect() as connection:
            turn.fold(connection)
        with pytest.raises(StaleRunner, match=r"said\.1"), runner.engine.begin() as connection:
            turn.write(connection)
    assert rows_of(recorder.engine, said) == expected(recorder)[0]


def test_several_runners_at_once(database_url: str, opened: Callable[[str], Recorder]) -> None:
    """Whoever comes second finds the place moved and goes on from there; nothing is doubled and nobody fails."""
    recorder = opened(database_url)
    rows = said_log([(f"chart {n % 17}", f"text {n} {n % 5}") for n in range(240)])
    recorder.insert_events(rows[:40])
    said, words, _ = make_views()
    run(recorder, said, words, batch=1)
    errors: list[BaseException] = []
    meet = threading.Barrier(4)

    def catch_up(number: int) -> None:
        try:
            mine, also_mine, _ = make_views()
            other = opened(database_url)
            runner = Runner(other.engine, LocalLog(other), [mine, also_mine], batch=3 + number)
            meet.wait(timeout=60)
            runner.catch_up()
        except BaseException as fault:  # noqa: BLE001 - shown by the assertion below
            errors.append(fault)

    threads = [threading.Thread(target=catch_up, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    recorder.insert_events(rows[40:])
    meet.wait(timeout=60)
    for thread in threads:
        thread.join()
    assert errors == []
    assert live(recorder) == expected(recorder)
    assert counts(recorder.engine, "words.1") == (240, 240, 0, 0)
    assert verify(recorder, [said, words]).sound


def test_reading_where_a_view_stands_waits_for_no_writer(sqlite_recorder: Recorder) -> None:
    """A runner that polls a quiet log does not take SQLite's write lock."""
    sqlite_recorder.insert_events(said_log(SOME))
    said, _, _ = make_views()
    runner = run(sqlite_recorder, said)
    writer = sqlite_recorder.engine.execution_options(ledger_write=True)
    with writer.begin():
        assert runner.catch_up() == 0


def test_another_version_of_a_view_has_to_be_rebuilt(recorder: Recorder) -> None:
    said, _, _ = make_views()
    run(recorder, said)
    newer, _, _ = make_views(version=2)
    with pytest.raises(WrongVersion, match="ledger rebuild said"):
        run(recorder, newer)


def test_a_view_that_was_never_made_is_refused(recorder: Recorder) -> None:
    said, words, _ = make_views()
    run(recorder, said)
    with pytest.raises(WrongVersion, match="has not been made"):
        Runner(recorder.engine, LocalLog(recorder), [words]).catch_up()


def test_progress_is_told(recorder: Recorder) -> None:
    recorder.insert_events(said_log(SOME))
    said, _, _ = make_views()
    runner = Runner(recorder.engine, LocalLog(recorder), [said], batch=4)
    runner.prepare()
    told: list[int] = []
    assert runner.catch_up(told.append) == 6
    assert told == [4, 2]


def test_a_runner_that_skips_is_named_by_verify(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner with a bug: it passes over one position and says nothing."""
    rows = said_log(SOME)
    recorder.insert_events(rows)
    said, _, _ = make_views()
    park = Turn._park

    def forgetful(turn: Turn, connection: Connection, stand: Stand, work: Work) -> None:
        work.marks.pop(4, None)
        park(turn, connection, stand, work)

    monkeypatch.setattr(Turn, "_park", forgetful)
    run(recorder, said)
    report = verify(recorder, [said])
    first: Sequence[object] = (report.faults[0].kind, report.faults[0].position, report.faults[0].event_id)
    assert first == ("skipped", 4, rows[3].event_id)
    assert "said" in report.faults[0].words
