"""Projectors: whatever the partitions, the interleaving and the deaths, the same rows as a rebuild from the store."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare, forget_build
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.source import KafkaLog
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder


def copy_of(month: Recorder, tmp_path: Path) -> Recorder:
    """A store of its own, since views are written into it."""
    target = tmp_path / "copy.db"
    with month.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(str(month.engine.url.database), target)
    return open_store(f"sqlite:///{target}")


def assert_as_rebuilt(recorder: Recorder) -> None:
    """Every live view equals one built from the store's log, and accounts for every event."""
    for projection in PROJECTIONS:
        _, generation = build_beside(recorder.engine, LocalLog(recorder), projection)
        difference = compare(recorder.engine, projection, generation)
        forget_build(recorder.engine, projection, generation)
        assert difference.same, difference
    assert verify(recorder, PROJECTIONS).faults == []


@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_any_number_of_partitions_in_any_order_gives_the_same_rows(
    month: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    tmp_path: Path,
    partitions: int,
) -> None:
    settings = new_topic(partitions)
    head = relay_all(month, settings)
    recorder = copy_of(month, tmp_path)
    log = KafkaLog(settings)
    runner = Runner(recorder.engine, log, PROJECTIONS, batch=97)
    runner.prepare()
    chance = random.Random(partitions)
    waiting = list(log.partitions)
    while waiting:
        partition = chance.choice(waiting)
        if runner.step(partition) == 0:
            waiting.remove(partition)
    assert runner.dealt_with() == head
    assert_as_rebuilt(recorder)
    log.close()
    recorder.engine.dispose()


def test_a_new_topic_gives_everything_again_and_nothing_is_applied_twice(
    month: Recorder, new_topic: Callable[[int], KafkaSettings], relay_all: Callable[..., int], tmp_path: Path
) -> None:
    recorder = copy_of(month, tmp_path)
    for partitions in (2, 5):
        settings = new_topic(partitions)
        head = relay_all(month, settings)
        log = KafkaLog(settings)
        runner = Runner(recorder.engine, log, PROJECTIONS)
        runner.prepare()
        runner.catch_up()
        assert runner.dealt_with() == head
        log.close()
    assert_as_rebuilt(recorder)
    recorder.engine.dispose()
