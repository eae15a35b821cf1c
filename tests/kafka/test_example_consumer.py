"""``examples/consumer.py`` as a process of its own, on a real broker: killed, restarted, given everything again."""

from __future__ import annotations

import ast
import io
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tokenize
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
            if table.execute("SELECT count(*) FROM sqlite_master WHERE name = 'contact'").fetchone()[0] == 0:
                return
            table.execute("BEGIN")
            rows = table.execute("SELECT client, month, count(*) FROM contact GROUP BY client, month").fetchall()
            self.counts = {(client, month): count for client, month, count in rows}
            self.places = dict(table.execute("SELECT part, position FROM place").fetchall())

    @property
    def reached(self) -> int:
        """The last position that the consumer has committed; 0 before it has begun."""
        return max(self.places.values(), default=0)


def partitions(settings: KafkaSettings) -> dict[int, int]:
    """On which partition of the topic each position is."""
    return {int(dict(each.headers())["ce_position"]): each.partition() for each in read_topic(settings)}


def start(settings: KafkaSettings, database: Path, *, script: Path = CONSUMER) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "LEDGER_KAFKA": ",".join(settings.brokers),
        "LEDGER_KAFKA_TOPIC": settings.topic,
        "CONTACTS": str(database),
    }
    return subprocess.Popen([sys.executable, str(script)], env=environment)


def run_until(holds: Callable[[], bool], settings: KafkaSettings, database: Path, *, script: Path = CONSUMER) -> None:
    """Run the consumer until something holds, then kill it."""
    consumer = start(settings, database, script=script)
    try:

        def look() -> bool:
            assert consumer.poll() is None, "the consumer ended by itself"
            return holds()

        wait_for(look)
    finally:
        consumer.kill()
        consumer.wait()


def give_everything_again(database: Path) -> None:
    """Put the place back to the topic's beginning, as if Kafka gave all of it again; what was applied stays known."""
    with closing(sqlite3.connect(database)) as table, table:
        if table.execute("SELECT count(*) FROM sqlite_master WHERE name = 'place'").fetchone()[0]:
            table.execute("UPDATE place SET next = 0")


def last_positions(settings: KafkaSettings) -> dict[int, int]:
    """The last position in each partition of the topic."""
    found: dict[int, int] = {}
    for position, partition in partitions(settings).items():
        found[partition] = max(position, found.get(partition, 0))
    return found


def test_the_table_is_right_after_kills_and_redelivery(month: Recorder, new_topic: NewTopic, tmp_path: Path) -> None:
    settings, database, chance = new_topic(4), tmp_path / "contacts.db", random.Random(5)
    expected, head = from_the_store(month), month.sequence()
    held_back = head - 100
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
                    if sender.position >= held_back:
                        sent.set()
                        return
                    sender.send_batch()
        finally:
            sender.close()

    sending = threading.Thread(target=relay)
    sending.start()
    seen: list[Table] = [Table(database)]
    try:
        while not sent.is_set():
            if len(seen) % 3 == 0:
                give_everything_again(database)
            consumer = start(settings, database)
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

    give_everything_again(database)
    sender = Sender(month, settings)
    sender.send_until(head)  # behind what is given again, so that it is seen when all of it was
    sender.close()
    last = last_positions(settings)
    run_until(lambda: Table(database).places == last, settings, database)
    seen.append(Table(database))
    assert (seen[-1].reached, seen[-1].counts) == (head, expected)
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
    (last,) = (line for line in source.splitlines(keepends=True) if "REPLACE INTO contact" in line)
    deadly = "        if table.execute('SELECT count(*) FROM contact').fetchone()[0] == 60:\n"
    deadly += "            os.kill(os.getpid(), 9)\n"
    connect = 'os.environ.get("CONTACTS", "contacts.db")'
    assert source.count(last) == source.count(connect) == 1
    source = source.replace(last, deadly + last)
    if not in_one_transaction:
        source = source.replace(connect, f"{connect}, isolation_level=None")
    dying.write_text(source, encoding="utf-8")
    assert start(settings, database, script=dying).wait(timeout=120) == -signal.SIGKILL
    last_ones = last_positions(settings)
    run_until(lambda: Table(database).places == last_ones, settings, database)
    assert (Table(database).counts == from_the_store(month)) is in_one_transaction


def test_an_event_that_was_changed_on_its_way_stops_the_consumer(new_topic: NewTopic, tmp_path: Path) -> None:
    settings, database = new_topic(1), tmp_path / "contacts.db"
    producer = KafkaProducer(**settings.client())
    headers = [("ce_id", b"x@1"), ("ce_position", b"1"), ("ce_entry", b"{}"), ("ce_leaf", b"00" * 32)]
    producer.send(settings.topic, value=b"{}", key=b"x", headers=headers)
    producer.close()
    assert start(settings, database).wait(timeout=120) == 1
    assert Table(database).reached == 0, "the place did not move past it"


def test_the_example_has_forty_lines_of_code() -> None:
    """Comments, blank lines and docstrings are not counted; a line that holds a part of a longer one is."""
    source = CONSUMER.read_text(encoding="utf-8")
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    code = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type in (tokenize.NAME, tokenize.OP, tokenize.STRING, tokenize.NUMBER)
        for line in range(token.start[0], token.end[0] + 1)
    }
    assert len(code - docstrings) <= 40
    assert max(map(len, source.splitlines())) <= 120


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
    give_everything_again(database)
    again, fresh = start(first, database), tmp_path / "fresh.db"
    try:
        run_until(lambda: topic_of(fresh) == topics[2].topic, first, fresh)  # meanwhile the other reads all of it again
        assert again.poll() is None
    finally:
        again.kill()
        again.wait()
    assert (Table(database).reached, Table(database).counts) == (head, from_the_store(month))
    assert (topic_of(fresh), Table(fresh).counts) == (topics[2].topic, from_the_store(month))


def topic_of(database: Path) -> str | None:
    """The topic that the consumer is on."""
    with closing(sqlite3.connect(database)) as table:
        if table.execute("SELECT count(*) FROM sqlite_master WHERE name = 'place'").fetchone()[0] == 0:
            return None
        found = table.execute("SELECT topic FROM place LIMIT 1").fetchone()
    return None if found is None else str(found[0])
