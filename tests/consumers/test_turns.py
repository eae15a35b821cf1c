"""Turns: folded without a lock, written under one, and only upon what they were folded upon."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.consumers.views import counts, make_views, run
from tests.store.agency import named, said_log

from ledger.consumers.log import LocalLog
from ledger.consumers.outcomes import SEGMENT, Outcomes, read, record
from ledger.consumers.parking import parked, retry
from ledger.consumers.rebuild import rows_of
from ledger.consumers.runner import Runner
from ledger.consumers.tables import PLACES
from ledger.consumers.turn import Part, StaleRunner, Turn
from ledger.consumers.work import Batch
from ledger.integrity.verify import verify
from ledger.store.recorder import Recorder


def folded(recorder: Recorder, runner: Runner, place: int) -> Turn:
    with recorder.engine.connect() as connection:
        entries = runner.log.read(0, place, 100)
        turn = Turn(runner.log, runner.stands(connection), [Part(0, place, entries)], Batch(entries))
        turn.fold(connection)
    return turn


def write(runner: Runner, turn: Turn) -> None:
    with runner.engine.begin() as connection:
        turn.write(connection)


def test_of_two_that_folded_at_once_the_second_writes_nothing(recorder: Recorder) -> None:
    recorder.insert_events(said_log([("a", "1"), ("b", "1"), ("a", "2")]))
    recorder.sequence()
    said, words, _ = make_views()
    runner = Runner(recorder.engine, LocalLog(recorder), [said, words])
    runner.prepare()
    first, second = folded(recorder, runner, 0), folded(recorder, runner, 0)
    write(runner, first)
    with pytest.raises(StaleRunner):
        write(runner, second)
    assert counts(recorder.engine, "said.1") == (3, 3, 0, 0)
    assert {row["texts"] for row in rows_of(recorder.engine, said)} == {'["1","2"]', '["1"]'}
    assert verify(recorder, [said, words]).sound


def test_a_retry_between_folding_and_writing_is_seen(recorder: Recorder) -> None:
    """The key that was parked when a batch was folded goes on in the meantime: the batch has to be folded again."""
    recorder.insert_events(said_log([("a", "bad"), ("b", "1")]))
    said, _, fault = make_views()
    fault.texts = {"bad"}
    runner = run(recorder, said)
    recorder.insert_events(said_log([("a", "bad"), ("b", "1"), ("a", "2"), ("b", "2")])[2:])
    recorder.sequence()
    turn = folded(recorder, runner, 2)
    fault.texts = set()
    assert retry(runner, recorder) == []
    with pytest.raises(StaleRunner):
        write(runner, turn)
    runner.catch_up()
    assert parked(recorder.engine) == []
    assert {row["client_id"]: row["texts"] for row in rows_of(recorder.engine, said)} == {
        named("a"): '["bad","2"]',
        named("b"): '["1","2"]',
    }
    assert verify(recorder, [said]).sound


def test_views_that_stand_at_different_places_are_brought_on_together(recorder: Recorder) -> None:
    recorder.insert_events(said_log([("a", str(n)) for n in range(5)]))
    recorder.sequence()
    said, words, _ = make_views()
    ahead = Runner(recorder.engine, LocalLog(recorder), [said, words], batch=2)
    ahead.prepare()
    ahead.only(said).step(0)
    assert ahead.step(0) == 2
    with recorder.engine.connect() as connection:
        places = {row[0]: row[1] for row in connection.execute(select(PLACES.c.projection, PLACES.c.place))}
    assert places == {"said.1": 2, "words.1": 2}
    assert ahead.catch_up() == 3
    assert verify(recorder, [said, words]).sound


@pytest.mark.parametrize(
    "positions",
    [
        range(1, 20),
        range(SEGMENT - 3, SEGMENT + 4),
        range(SEGMENT - 5, 3 * SEGMENT + 2),
        [1, 3, 7, SEGMENT - 1, SEGMENT, 2 * SEGMENT + 5],
        [5],
        [],
    ],
)
def test_outcomes_come_back_as_they_were_noted(recorder: Recorder, positions: list[int]) -> None:
    """In a row or with gaps (other partitions' events), within a segment or over several, beside what was there."""
    marks = {position: b"A-P"[position % 3 : position % 3 + 1] for position in positions}
    before = {position: b"A" for position in (2, SEGMENT + 10) if position not in marks}
    run(recorder, make_views()[0])
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        record(connection, "said.9", before)
        record(connection, "said.9", marks)
        assert dict(read(connection, "said.9")) == before | marks
        found = Outcomes(connection, ["said.9", "words.9"], [*marks, 2, 4])
        assert found.known("said.9", [*marks, 4]) == set(marks) | ({4} & set(marks))
        assert found.known("words.9", [*marks, 2]) == set()
