"""``examples/consumer.py`` as a process of its own, on a real broker: killed, restarted, given everything again."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer
from tests.kafka.test_outside_client import read_topic
from tests.kafka.test_relay import wait_for

from ledger.aggregates.contact import ContactCorrected, ContactEnteredInError, ContactRecorded
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.move import move
from ledger.kafka.relay import Sender
from ledger.store.codec import read
from ledger.store.recorder import Recorder

CONSUMER = Path(__file__).resolve().parents[2] / "examples" / "consumer.py"
Counts = dict[tuple[str, str], int]
NewTopic = Callable[[int], KafkaSettings]


def from_the_store(recorder: Recorder, counts: Callable[[int], bool] = lambda position: True) -> Counts:
    """Contacts of each client in each month, computed from the store itself; of the events that count."""
    at: dict[str, tuple[str, str]] = {}
    for row in recorder.read_log(0, 1_000_000):
        event = read(row).event
        if not counts(row.position):
            continue
        if isinstance(event, ContactRecorded | ContactCorrected) and event.started_at is not None:
            at[str(row.originator_id)] = (event.client_id, f"{event.started_at:%Y-%m}")
        elif isinstance(event, ContactEnteredInError):
            del at[str(row.originator_id)]
    return dict(Counter(at.values()))


class Table:
    """The consumer's table as another process sees it at one moment: the counts, and the places of the same moment."""

    def __init__(self, database: Path) -> None:
        self.counts: Counts = {}
        self.places: dict[int, int] = {}
        with closing(sqlite3.connect(database)) as table:
            if table.execute("SELECT count(*) FROM sqlite_master WHERE name = 'contacts'").fetchone()[0] == 0:
                return
            table.execute("BEGIN")
            rows = table.execute("SELECT client, month, count FROM contacts WHERE count <> 0").fetchall()
            self.counts = {(client, month): count for client, month, count in rows}
            self.places = dict(table.execute("SELECT part, position FROM place").fetchall())

    @property
    def reached(self) -> int:
        """The last position that the consumer has committed; 0 before it has begun."""
        return max(self.places.values(), default=0)


def partitions(settings: KafkaSettings) -> dict[int, int]:
    """On which partition of the topic each position is."""
    return {int(dict(each.headers())["ce_position"]): each.partition() for each in read_topic(settings)}


def start(settings: KafkaSettings, database: Path, *options: str, script: Path = CONSUMER) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LEDGER_KAFKA": ",".join(settings.brokers), "LEDGER_KAFKA_TOPIC": settings.topic}
    return subprocess.Popen([sys.executable, str(script), str(database), *options], env=environment)


def run_once(settings: KafkaSettings, database: Path, *options: str, script: Path = CONSUMER) -> None:
    assert start(settings, database, "--once", *options, script=script).wait(timeout=120) == 0


def test_the_table_is_right_after_kills_and_redelivery(month: Recorder, new_topic: NewTopic, tmp_path: Path) -> None:
    settings, database, chance = new_topic(4), tmp_path / "contacts.db", random.Random(5)
    expected, head = from_the_store(month), month.sequence()
    assert sum(expected.values()) > 100
    assert len({month for _, month in expected}) > 1, "contacts were moved to another month"
    allowed, sent = threading.Semaphore(0), threading.Event()

    def relay() -> None:
        """Send in small transactions, a part each time that it is allowed to, so that kills fall between and into."""
        sender = Sender(month, settings, batch=10)
        try:
            while True:
                allowed.acquire()
                for _ in range(8):
                    if not sender.send_batch():
                        sent.set()
                        return
        finally:
            sender.close()

    sending = threading.Thread(target=relay)
    sending.start()
    seen: list[Table] = [Table(database)]
    try:
        while not sent.is_set():
            consumer = start(settings, database, *(["--again"] if len(seen) % 3 == 0 else []))
            allowed.release()
            while Table(database).reached <= seen[-1].reached and not sent.is_set():
                assert consumer.poll() is None, "the consumer ended by itself"
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.05))
            consumer.send_signal(signal.SIGKILL)
            assert consumer.wait() == -signal.SIGKILL
            seen.append(Table(database))
    finally:
        for _ in range(head):
            allowed.release()
        sending.join()
    assert len({table.reached for table in seen if 0 < table.reached < head}) >= 5, "killed while there was work to do"

    run_once(settings, database)
    seen.append(Table(database))
    assert (seen[-1].reached, seen[-1].counts) == (head, expected)
    done = database.read_bytes()
    for options in ((), ("--again",)):
        run_once(settings, database, *options)
        assert database.read_bytes() == done, "what is delivered again is not even written"
    # Not only at the end: after each kill the rows were those of exactly the events up to the stored places.
    where = partitions(settings)
    for table in seen:
        assert table.counts == from_the_store(month, lambda at, t=table: at <= t.places.get(where[at], 0))  # type: ignore[misc]


@pytest.mark.parametrize("in_one_transaction", [True, False])
def test_a_kill_inside_an_event(
    in_one_transaction: bool, month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    """The consumer dies between two changes of one event. It is the transaction that keeps the table right: the same
    consumer without it comes to a wrong table."""
    settings, database, dying = new_topic(2), tmp_path / "contacts.db", tmp_path / "dying.py"
    relay_all(month, settings)
    source = CONSUMER.read_text(encoding="utf-8")
    last = '        table.execute("INSERT OR REPLACE INTO contact VALUES (?, ?, ?)", row)\n'
    deadly = "        if table.execute('SELECT count(*) FROM contact').fetchone()[0] == 60:\n"
    deadly += "            os.kill(os.getpid(), 9)\n"
    connect = "sqlite3.connect(database)"
    assert source.count(last) == source.count(connect) == 1
    source = source.replace(last, deadly + last)
    if not in_one_transaction:
        source = source.replace(connect, "sqlite3.connect(database, isolation_level=None)")
    dying.write_text(source, encoding="utf-8")
    assert start(settings, database, "--once", script=dying).wait(timeout=120) == -signal.SIGKILL
    run_once(settings, database)
    assert Table(database).reached == month.sequence()
    assert (Table(database).counts == from_the_store(month)) is in_one_transaction


def test_an_event_that_was_changed_on_its_way_stops_the_consumer(new_topic: NewTopic, tmp_path: Path) -> None:
    settings, database = new_topic(1), tmp_path / "contacts.db"
    producer = KafkaProducer(**settings.client())
    headers = [("ce_id", b"x@1"), ("ce_position", b"1"), ("ce_entry", b"{}"), ("ce_leaf", b"00" * 32)]
    producer.send(settings.topic, value=b"{}", key=b"x", headers=headers)
    producer.close()
    consumer = start(settings, database, "--once")
    assert consumer.wait(timeout=120) == 1
    assert Table(database).reached == 0, "the place did not move past it"


def test_the_example_stays_short_enough_to_be_read() -> None:
    source = CONSUMER.read_text(encoding="utf-8")
    code = [line for line in source.split('"""', 2)[2].splitlines() if line.strip() and '"""' not in line]
    assert len(code) <= 65


def test_a_move_is_followed_through_restarts(month: Recorder, new_topic: NewTopic, tmp_path: Path) -> None:
    """Two moves, the consumer killed and started again before, between and behind them, always with the first name."""
    first, database, chance = new_topic(3), tmp_path / "contacts.db", random.Random(7)
    topics = [first, *(msgspec.structs.replace(first, topic=f"{first.topic}.{number}") for number in (2, 3))]
    head, sender = month.sequence(), Sender(month, first, batch=100)
    sender.send_until(300)
    consumer = start(first, database)
    try:
        wait_for(lambda: Table(database).reached >= 300)
        consumer.send_signal(signal.SIGKILL)
        consumer.wait()
        sender.send_until(500)
        sender.close()
        move(month, topics[0], topics[1].topic, partitions=5)
        for _ in range(3):
            consumer = start(first, database)
            time.sleep(chance.uniform(0, 0.6))
            consumer.send_signal(signal.SIGKILL)
            consumer.wait()
        consumer = start(first, database)
        move(month, topics[1], topics[2].topic, partitions=2)
        wait_for(lambda: topic_of(database) == topics[2].topic)
        assert consumer.poll() is None
    finally:
        consumer.send_signal(signal.SIGKILL)
        consumer.wait()
    assert Table(database).counts == from_the_store(month)
    for options in ((), ("--again",)):
        run_once(first, database, *options)
        assert (Table(database).reached, Table(database).counts) == (head, from_the_store(month))
    fresh = tmp_path / "fresh.db"
    run_once(first, fresh)
    assert (topic_of(fresh), Table(fresh).counts) == (topics[2].topic, from_the_store(month))


def topic_of(database: Path) -> str | None:
    """The topic that the consumer is on."""
    with closing(sqlite3.connect(database)) as table:
        found = table.execute("SELECT topic FROM place LIMIT 1").fetchone()
    return None if found is None else str(found[0])
