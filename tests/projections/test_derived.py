"""What the views work out from a row's facts: the same rows however the log is cut, by the same rules as the trace."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.application.commands import Ledger
from ledger.consumers.log import LocalLog
from ledger.consumers.parking import parked
from ledger.consumers.rebuild import rows_of
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.projections.base import Projection
from ledger.projections.every import PROJECTIONS
from ledger.projections.folding import fold_all
from ledger.projections.service_notes import ServiceNote, rate_note, to_rated
from ledger.projections.timeliness import timeliness
from ledger.simulation import Options, simulate, starting_clock
from ledger.store.codec import read
from ledger.store.database import open_store
from ledger.store.envelope import Recorded
from ledger.store.recorder import Recorder

ZONE = "America/Los_Angeles"
DERIVING = [projection for projection in PROJECTIONS if projection.derived]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """A store with a simulated month, its views not yet made."""
    options = Options(clients=10, months=1, seed=11)
    clock = starting_clock(options, ZONE)
    recorder = open_store(f"sqlite:///{tmp_path_factory.mktemp('month') / 'ledger.db'}", clock)
    simulate(Ledger(recorder, clock=clock, zone=ZONE), clock, options)
    yield recorder
    recorder.engine.dispose()


@pytest.fixture(scope="module")
def events(month: Recorder) -> list[Recorded]:
    return [read(row) for row in month.read_log(0, 1_000_000)]


def test_any_cutting_gives_every_view_the_rows_of_one_fold(
    month: Recorder, events: list[Recorded], tmp_path: Path
) -> None:
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    copy = open_store(f"sqlite:///{tmp_path / 'copy.db'}")
    copy.restore(month.read_log(0, 1_000_000))
    runner = Runner(copy.engine, LocalLog(copy), PROJECTIONS)
    runner.prepare()
    while True:
        runner.batch = chance.choice([1, 2, 7, 60, 400])
        if runner.step(0) == 0:
            break
    assert parked(copy.engine) == []
    for projection in PROJECTIONS:
        lines = fold_all(projection, events)
        assert rows_of(copy.engine, projection) == [projection.to_columns(lines[key]) for key in sorted(lines)]
    assert verify(copy, PROJECTIONS).sound
    copy.engine.dispose()


@pytest.mark.parametrize("projection", DERIVING, ids=lambda projection: projection.name)
def test_only_what_is_derived_is_worked_out_and_only_from_facts(
    projection: Projection[Any], events: list[Recorded]
) -> None:
    lines = fold_all(projection, events)
    assert lines
    plain = {field.name: field.default for field in msgspec.structs.fields(projection.row)}
    for line in lines.values():
        bare = msgspec.structs.replace(line.row, **{name: plain[name] for name in projection.derived})
        assert projection.finish(bare) == line.row
        assert projection.finish(line.row) == line.row
        for name in plain.keys() - set(projection.derived):
            assert getattr(projection.finish(bare), name) == getattr(bare, name)


@pytest.mark.parametrize("projection", DERIVING, ids=lambda projection: projection.name)
def test_every_derived_field_has_a_default_and_is_worked_out_somewhere(
    projection: Projection[Any], events: list[Recorded]
) -> None:
    plain = {field.name: field.default for field in msgspec.structs.fields(projection.row)}
    assert all(plain[name] is not msgspec.NODEFAULT for name in projection.derived)
    rows = [line.row for line in fold_all(projection, events).values()]
    rare = {"problem", "variant"}  # a program without rules, outreach: this month has none
    for name in set(projection.derived) - rare:
        assert any(getattr(row, name) != plain[name] for row in rows), name


def test_the_rows_verdicts_are_those_of_the_trace(events: list[Recorded]) -> None:
    """The rulings that rows keep, and the verdicts with words that people read, are one."""
    signed = 0
    for line in fold_all(timeliness, events).values():
        row: ServiceNote = line.row
        if row.state != "signed":
            assert row.verdicts == ()
            continue
        signed += 1
        as_at = next(one.row.recorded for one in reversed(events) if one.row.position <= line.last_position)
        told = rate_note(row, row.note(row.note_id), as_at=as_at).verdicts
        assert row.verdicts == tuple(to_rated(verdict) for verdict in told)
        assert all(verdict.reasons for verdict in told)
    assert signed > 50
