"""Clients that nobody here wrote read the topic and agree with the store, event for event.

They are confluent-kafka (librdkafka) and the command kcat; nothing of ours reads the messages. The leaves are computed
with ``hashlib`` alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition
from kafka import KafkaProducer

from ledger.aggregates.client_events import RegisterClient
from ledger.aggregates.staff import PersonName
from ledger.application.commands import Ledger, Request
from ledger.clock import RandomIds
from ledger.kafka.connection import KafkaSettings
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder

RelayAll = Callable[..., int]
NewTopic = Callable[[int], KafkaSettings]


def read_topic(settings: KafkaSettings, isolation: str = "read_committed") -> list[Any]:
    """Every message on the topic, each partition to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": ",".join(settings.brokers),
            "group.id": "outside",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    try:
        partitions = consumer.list_topics(settings.topic, timeout=30).topics[settings.topic].partitions
        consumer.assign([TopicPartition(settings.topic, number, 0) for number in partitions])
        found: list[Any] = []
        ended: set[int | None] = set()
        while len(ended) < len(partitions):
            for message in consumer.consume(1000, timeout=1):
                fault = message.error()
                if fault is None:
                    found.append(message)
                else:
                    assert fault.code() == KafkaError._PARTITION_EOF, fault
                    ended.add(message.partition())
        return found
    finally:
        consumer.close()


def assert_same(message: Any, row: StoredRow, partitions: int) -> None:
    """A message is exactly the event of the store: its key, its value, its headers, its leaf and its time."""
    headers = dict(message.headers())
    assert len(headers) == len(message.headers())
    assert message.value() == row.state
    assert message.key() == row.key.encode()
    entry = headers.pop("ce_entry")
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": f"{row.originator_id}@{row.originator_version}".encode(),
        "ce_source": b"/ledger",
        "ce_type": row.topic.encode(),
        "ce_subject": str(row.originator_id).encode(),
        "ce_time": row.occurred_at.encode(),
        "content-type": b"application/json",
        "ce_position": str(row.position).encode(),
        "ce_streamversion": str(row.originator_version).encode(),
        "ce_schemaversion": str(row.schema_version).encode(),
        "ce_partitions": str(partitions).encode(),
        "ce_leaf": row.leaf.hex().encode(),
    }
    assert hashlib.sha256(b"\x00" + entry).digest() == row.leaf
    assert json.loads(entry) == {
        "actor": row.actor,
        "causation": row.causation_id,
        "chart": row.chart_id,
        "command": row.command_id,
        "command_digest": row.command_digest,
        "command_index": row.command_index,
        "correlation": row.correlation_id,
        "credential": row.credential,
        "key": row.key,
        "occurred_at": row.occurred_at,
        "occurred_offset": row.occurred_offset,
        "payload_sha256": hashlib.sha256(message.value()).hexdigest(),
        "position": row.position,
        "purpose": row.purpose,
        "recorded_at": row.recorded_at,
        "role": row.role,
        "schema": row.schema_version,
        "stream": row.originator_id,
        "type": row.topic,
        "version": row.originator_version,
    }
    kind, milliseconds = message.timestamp()
    assert (kind, milliseconds) == (1, int(row.recorded.timestamp() * 1000))  # 1: the time the relay gave it


@pytest.mark.parametrize("partitions", [1, 5])
def test_the_topic_is_the_store_event_for_event(
    partitions: int, month: Recorder, new_topic: NewTopic, relay_all: RelayAll
) -> None:
    settings = new_topic(partitions)
    count = relay_all(month, settings)
    rows, messages = month.read_log(0, 1_000_000), read_topic(settings)
    assert count == len(rows) == len(messages) > 700
    position = {id(message): int(dict(message.headers())["ce_position"]) for message in messages}
    for message, row in zip(sorted(messages, key=lambda each: position[id(each)]), rows, strict=True):
        assert_same(message, row, partitions)
    order: dict[int, list[int]] = defaultdict(list)
    home: dict[bytes, set[int]] = defaultdict(set)
    for message in messages:
        order[message.partition()].append(position[id(message)])
        home[message.key()].add(message.partition())
    assert len(order) == partitions
    assert all(found == sorted(found) for found in order.values()), "positions rise within a partition"
    assert all(len(parts) == 1 for parts in home.values()), "what has one key is in one partition"


def test_text_of_any_script_arrives_as_it_is(sqlite_ledger: Ledger, new_topic: NewTopic, relay_all: RelayAll) -> None:
    ids, names = RandomIds(), ("Zażółć", 'Ñandú "el" \\ O\'Brien', "李 😀", "عَرَبِيّ", "e\u0301 \u2028 x")
    for name in names:
        command = RegisterClient(
            client_id=ids.new(),
            name=PersonName(family=name, given="Jo"),
            birth_date=date(1980, 5, 1),
        )
        sqlite_ledger.execute(
            Request(command=command, actor_id="system:setup", purpose="operations", command_id=ids.new())
        )
    settings = new_topic(3)
    relay_all(sqlite_ledger.recorder, settings)
    messages = sorted(read_topic(settings), key=lambda each: int(dict(each.headers())["ce_position"]))
    assert [json.loads(each.value())["name"]["family"] for each in messages] == list(names)
    for message, row in zip(messages, sqlite_ledger.recorder.read_log(0, 100), strict=True):
        assert_same(message, row, 3)


def test_what_was_not_committed_is_not_read(month: Recorder, new_topic: NewTopic, relay_all: RelayAll) -> None:
    """A relay that dies in a transaction leaves messages on the broker that no reader of committed ones is given."""
    settings = new_topic(2)
    dying = KafkaProducer(**settings.client(), transactional_id=f"ledger-relay-{settings.topic}", acks="all")
    dying.init_transactions()
    dying.begin_transaction()
    for number in range(20):
        dying.send(settings.topic, value=b"{}", key=b"%d" % number)
    dying.flush()
    count = relay_all(month, settings)  # takes over, which ends that transaction
    assert len(read_topic(settings, "read_uncommitted")) == count + 20
    messages = read_topic(settings)
    assert sorted(int(dict(each.headers())["ce_position"]) for each in messages) == list(range(1, count + 1))
    dying.close(timeout=2)


class Printed:
    """A message as kcat prints it (``-J``), with the names that confluent-kafka has for its parts."""

    def __init__(self, line: str) -> None:
        self._found = json.loads(line)

    def headers(self) -> list[tuple[str, bytes]]:
        names, values = self._found["headers"][::2], self._found["headers"][1::2]
        return [(name, value.encode()) for name, value in zip(names, values, strict=True)]

    def key(self) -> bytes:
        return str(self._found["key"]).encode()

    def value(self) -> bytes:
        return str(self._found["payload"]).encode()

    def timestamp(self) -> tuple[int, int]:
        return ({"create": 1}[self._found["tstype"]], self._found["ts"])

    def partition(self) -> int:
        return int(self._found["partition"])


def kcat(settings: KafkaSettings) -> list[Printed]:
    """What the command prints of the whole topic."""
    if shutil.which("kcat") is None:
        pytest.fail("kcat is missing; on Debian or Ubuntu: apt-get install kcat; elsewhere see its page", pytrace=False)
    done = subprocess.run(
        [
            *["kcat", "-C", "-o", "beginning", "-e", "-q", "-J", "-X", "isolation.level=read_committed", "-b"],
            *settings.brokers,
            "-t",
            settings.topic,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [Printed(line) for line in done.stdout.splitlines()]


def test_kcat_prints_the_store_event_for_event(month: Recorder, new_topic: NewTopic, relay_all: RelayAll) -> None:
    settings = new_topic(3)
    relay_all(month, settings)
    rows, messages = month.read_log(0, 1_000_000), kcat(settings)
    assert len(messages) == len(rows) > 700
    found = {int(dict(each.headers())["ce_position"]): each for each in messages}
    for row in rows:
        assert_same(found[row.position], row, 3)
    for partition in range(3):
        mine = [int(dict(e.headers())["ce_position"]) for e in messages if e.partition() == partition]
        assert mine == sorted(mine)
