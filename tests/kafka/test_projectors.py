"""Projectors: whatever the partitions, the interleaving and the deaths, the same rows as a rebuild from the store."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PostgresServer
from tests.kafka.test_relay import LEDGER, environment, url_of, wait_for

from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare, forget_build, rows_of
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.place import last_position
from ledger.kafka.relay import Sender
from ledger.kafka.source import KafkaLog
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

#: Every row of every view.
Rows = dict[str, list[dict[str, Any]]]


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


@pytest.fixture(scope="module")
def weeks(month: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recorder, Rows]]:
    """The month's first part in a store of its own, and every row of every view after a clean run in one process."""
    recorder = open_store(f"sqlite:///{tmp_path_factory.mktemp('weeks') / 'ledger.db'}")
    recorder.restore(month.read_log(0, 300))
    runner = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
    runner.prepare()
    runner.catch_up()
    yield recorder, {projection.name: rows_of(recorder.engine, projection) for projection in PROJECTIONS}
    recorder.engine.dispose()


@pytest.mark.parametrize("projectors", [1, 2, 3])
@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_any_number_of_projector_processes_gives_the_same_rows(
    weeks: tuple[Recorder, Rows],
    new_topic: Callable[[int], KafkaSettings],
    postgres: PostgresServer,
    partitions: int,
    projectors: int,
) -> None:
    """Real processes that share the partitions, while the relay goes on in small transactions of a random size."""
    recorder, expected = weeks
    settings, url = new_topic(partitions), postgres.create()
    store = open_store(url)
    store.restore(recorder.read_log(0, 1000))
    runner = Runner(store.engine, LocalLog(store), PROJECTIONS)
    runner.prepare()
    chance = random.Random(10 * partitions + projectors)
    running = [
        subprocess.Popen([LEDGER, "run", "--batch", str(chance.randint(5, 60))], env=environment(settings, url))
        for _ in range(projectors)
    ]
    try:
        while last_position(settings) < store.head():
            sender = Sender(store, settings, batch=chance.randint(5, 60))
            for _ in range(chance.randint(1, 4)):
                sender.send_batch()
            sender.close()
        wait_for(lambda: runner.dealt_with() == store.head())
        assert all(process.poll() is None for process in running)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=60)
    assert {projection.name: rows_of(store.engine, projection) for projection in PROJECTIONS} == expected
    assert verify(store, PROJECTIONS).faults == []
    store.engine.dispose()


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


def test_three_projectors_killed_at_random(
    month: Recorder, new_topic: Callable[[int], KafkaSettings], relay_all: Callable[..., int], tmp_path: Path
) -> None:
    """Real processes, shared partitions, ``kill -9``: nothing lost, doubled or half written."""
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    settings = new_topic(4)
    relay_all(month, settings)
    recorder = copy_of(month, tmp_path)
    Runner(recorder.engine, LocalLog(recorder), PROJECTIONS).prepare()
    variables = environment(settings, url_of(recorder))

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [LEDGER, "run", "--batch", "10"], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    running = [start() for _ in range(3)]
    try:
        for _ in range(6):
            time.sleep(chance.uniform(0.5, 2.5))
            victim = running.pop(chance.randrange(len(running)))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            running.append(start())
    finally:
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.wait()
    subprocess.run([LEDGER, "run", "--once"], env=variables, check=True, capture_output=True, timeout=120)
    assert_as_rebuilt(recorder)
    recorder.engine.dispose()
