"""What has to hold after any fault: store, topic, views and what the clients were told agree, entry for entry."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.deploy.commands import ledger
from tests.kafka.test_outside_client import assert_same, read_topic
from tests.system.client import SHARED, read_journal, shared_chart

from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import build_beside, compare, forget_build
from ledger.kafka.connection import KafkaSettings
from ledger.projections.every import PROJECTIONS
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder


def assert_on_the_topic_once_and_in_order(settings: KafkaSettings, partitions: int, rows: list[StoredRow]) -> None:
    """Another library's reader of committed messages finds each event of the store once, each chart's in order."""
    found: dict[int, Any] = {}
    order: dict[int, list[int]] = defaultdict(list)
    homes: dict[bytes, set[int]] = defaultdict(set)
    for message in read_topic(settings):
        position = int(dict(message.headers())["ce_position"])
        assert position not in found, f"position {position} is on the topic twice"
        found[position] = message
        order[message.partition()].append(position)
        homes[message.key()].add(message.partition())
    assert sorted(found) == [row.position for row in rows], "the topic has other events than the store"
    for row in rows:
        assert_same(found[row.position], row, partitions)
    assert all(each == sorted(each) for each in order.values()), "positions go back within a partition"
    assert all(len(each) == 1 for each in homes.values()), "one key is in two partitions"


def assert_everything_answered_is_stored(journals: list[Path], rows: list[StoredRow]) -> None:
    """What a client was told is in the store, every question was answered, and nothing is there that nobody asked."""
    stored: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.command_id, row.command_index)):
        stored[row.command_id].append(row.event_id)
    asked = {shared_chart().command_id}
    for journal in journals:
        mine, answered = read_journal(journal)
        assert mine == list(answered), "a client ended with a question open"
        asked.update(mine)
        for command_id, line in answered.items():
            assert stored.get(command_id) == list(line.events or ()), f"{command_id} was answered with {line}"
    assert stored.keys() == asked
    changes = [row.originator_version for row in rows if row.originator_id == SHARED]
    assert changes == list(range(1, len(changes) + 1))


def assert_views_as_rebuilt(recorder: Recorder) -> None:
    """Every live view has the rows of one that is built anew from the store."""
    for projection in PROJECTIONS:
        _, generation = build_beside(recorder.engine, LocalLog(recorder), projection)
        difference = compare(recorder.engine, projection, generation)
        forget_build(recorder.engine, projection, generation)
        assert difference.same, difference


def assert_verified(database: str, settings: KafkaSettings) -> None:
    """``ledger verify`` finds nothing: every hash, the gapless order, each view's account of every event, the topic."""
    variables = {"LEDGER_DATABASE": database, "LEDGER_KAFKA": ",".join(settings.brokers)}
    done = ledger(variables | {"LEDGER_KAFKA_TOPIC": settings.topic}, "verify", "--against-kafka")
    assert done.returncode == 0, done.stdout + done.stderr
