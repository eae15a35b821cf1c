"""One suite for both logs: what a consumer may rely on, whether the log is the store's own or a topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event
from tests.conftest import PostgresServer
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.consumers.log import Entry, LocalLog, Log
from ledger.consumers.rebuild import build_beside, compare
from ledger.consumers.runner import Runner
from ledger.integrity.verify import verify
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.source import KafkaLog
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder


@pytest.fixture(params=["local", "local on PostgreSQL", "one partition", "four partitions"])
def log(
    request: pytest.FixtureRequest,
    month: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    postgres: PostgresServer,
) -> Iterator[Log]:
    if request.param == "local":
        yield LocalLog(month)
        return
    if request.param == "local on PostgreSQL":
        store = open_store(postgres.create())
        store.restore(month.read_log(0, 100_000))
        yield LocalLog(store)
        store.engine.dispose()
        return
    settings = new_topic(1 if request.param == "one partition" else 4)
    relay_all(month, settings)
    topic = KafkaLog(settings)
    yield topic
    topic.close()


def whole(log: Log, partition: int, limit: int) -> list[Entry]:
    entries: list[Entry] = []
    after = 0
    while some := log.read(partition, after, limit):
        assert len(some) <= limit
        entries += some
        after = some[-1].offset
    return entries


def test_every_event_is_there_once_and_as_it_was_stored(log: Log, month: Recorder) -> None:
    rows = [entry.row for partition in log.partitions for entry in whole(log, partition, 300)]
    assert sorted(rows, key=lambda row: row.position) == list(month.read_log(0, 100_000))


def test_offsets_and_positions_rise_within_a_partition(log: Log) -> None:
    for partition in log.partitions:
        entries = whole(log, partition, 300)
        offsets, positions = [e.offset for e in entries], [e.row.position for e in entries]
        assert offsets == sorted(set(offsets))
        assert positions == sorted(set(positions))
        assert all(entry.offset > 0 for entry in entries)
        assert not entries or entries[-1].offset <= log.head(partition)


def test_a_key_is_in_one_partition(log: Log) -> None:
    where: dict[str, int] = {}
    for partition in log.partitions:
        for entry in whole(log, partition, 1000):
            assert where.setdefault(entry.row.key, partition) == partition


@pytest.mark.parametrize("limit", [1, 7])
def test_reading_goes_on_after_any_place(log: Log, limit: int) -> None:
    partition = max(log.partitions, key=lambda each: len(whole(log, each, 1000)))
    entries = whole(log, partition, 1000)[:40]
    for number, entry in enumerate(entries[:-1]):
        (following, *_) = log.read(partition, entry.offset, limit)
        assert following == entries[number + 1]


def test_behind_the_last_entry_there_is_nothing(log: Log) -> None:
    for partition in log.partitions:
        assert list(log.read(partition, log.head(partition), 10)) == []


def test_partitions_that_have_something_are_read_in_one_turn_beside_quiet_ones(
    sqlite_ledger: Ledger,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    postgres: PostgresServer,
) -> None:
    """Sixteen partitions, most of them quiet: those that have something are named, and applied in one transaction."""
    settings, recorder = new_topic(16), open_store(postgres.create())
    small_agency(sqlite_ledger, 2, 3)
    head = relay_all(sqlite_ledger.recorder, settings)
    recorder.restore(sqlite_ledger.recorder.read_log(0, head))
    topic = KafkaLog(settings)
    filled = [partition for partition in topic.partitions if topic.head(partition)]
    assert 1 < len(filled) < 16
    assert topic.arrived(topic.partitions, 0) == list(topic.partitions), "none was looked at yet"
    for partition in topic.partitions:
        topic.read(partition, 0, 1)
    runner = Runner(recorder.engine, topic, PROJECTIONS)
    runner.prepare()
    commits: list[object] = []
    event.listen(runner.engine, "commit", commits.append)
    done = 0
    while found := topic.arrived(topic.partitions, 2000):
        assert set(found) <= set(filled)
        commits.clear()
        done += runner.step_all(found)
        assert len(commits) <= 1
    assert done == head == runner.dealt_with()
    for projection in PROJECTIONS:
        _, generation = build_beside(recorder.engine, LocalLog(recorder), projection)
        assert compare(recorder.engine, projection, generation).same
    assert verify(recorder, PROJECTIONS).sound
    topic.close()
    recorder.engine.dispose()
