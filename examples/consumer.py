"""A consumer of the log's topic, for another team to begin from: how many contacts each client had in each month.

The table stays right whatever happens: the place that was reached is stored in the transaction that changes the rows,
so a consumer killed at any moment goes on where its rows are; and an event that comes again is known by its position.
A topic may end, with a message in each partition that says on which topic the whole log goes on: it is followed there.
Run it with ``LEDGER_KAFKA=localhost:9092 python examples/consumer.py contacts.db``. ``--once`` ends when everything is
read, ``--again`` has the whole topic delivered anew. ``docs/asyncapi.json`` says what else there is to read.
"""

import hashlib
import json
import os
import sqlite3
import sys
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

TABLES = """
CREATE TABLE IF NOT EXISTS place (topic TEXT, part INTEGER, next INTEGER, position INTEGER, PRIMARY KEY (topic, part));
CREATE TABLE IF NOT EXISTS contact (id TEXT PRIMARY KEY, client TEXT NOT NULL, month TEXT NOT NULL);
CREATE VIEW IF NOT EXISTS contacts AS SELECT client, month, count(*) AS count FROM contact GROUP BY client, month;
"""
MOVE = (
    "INSERT INTO place VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET next = ?3, position = ?4 WHERE position < ?4"
)


def handle(table: sqlite3.Connection, message: Any) -> None:
    """Apply one event, once: positions rise in a partition, so one that is not past the stored place was applied."""
    header, event = dict(message.headers()), json.loads(message.value())
    place = (message.topic(), message.partition(), message.offset() + 1, int(header["ce_position"]))
    if table.execute(MOVE, place).rowcount == 0:
        return
    if hashlib.sha256(b"\0" + header["ce_entry"]).hexdigest().encode() != header["ce_leaf"]:
        raise ValueError(f"{header['ce_id']!r} is not what was recorded")
    kind, contact = header["ce_type"].decode(), header["ce_subject"].decode()
    if kind == "contact.recorded" or (kind == "contact.corrected" and event.get("started_at")):
        row = (contact, event["client_id"], event["started_at"][:7])
        table.execute("INSERT OR REPLACE INTO contact VALUES (?, ?, ?)", row)
    elif kind == "contact.entered_in_error":
        table.execute("DELETE FROM contact WHERE id = ?", (contact,))


def begin(consumer: Consumer, topic: str, places: dict[int, int]) -> set[int]:
    """Read a topic from some places, and from the beginning where there is none; answers its partitions."""
    parts = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, part, places.get(part, 0)) for part in parts])
    return set(parts)


def main(database: str, *options: str) -> None:
    """Read for ever, or once to the end."""
    table = sqlite3.connect(database)
    table.executescript(TABLES)
    reading = {"isolation.level": "read_committed", "auto.offset.reset": "error", "enable.partition.eof": True}
    own_place = {"group.id": "none", "enable.auto.commit": False}  # the place is kept here, not at the broker
    consumer = Consumer({"bootstrap.servers": os.environ["LEDGER_KAFKA"], **reading, **own_place})
    last = table.execute("SELECT topic FROM place LIMIT 1").fetchone()  # as far as the log was followed
    topic = last[0] if last else os.environ.get("LEDGER_KAFKA_TOPIC", "ledger.events")
    places = {} if "--again" in options else dict(table.execute("SELECT part, next FROM place").fetchall())
    parts = begin(consumer, topic, places)
    ended, moved = set[int | None](), dict[int, Any]()
    while not ("--once" in options and ended == parts):
        with table:  # one transaction: the rows and the place, or neither
            for message in consumer.consume(500, timeout=0.5):
                fault = message.error()
                if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(fault)
                if fault is not None:
                    ended.add(message.partition())
                elif ("ce_type", b"log.moved") in message.headers():
                    moved[message.partition()] = json.loads(message.value())
                else:
                    handle(table, message)
            if moved.keys() == parts:  # every event of this topic is applied, and the other one has them all
                (to, *_) = moved.values()
                parts, ended, moved = begin(consumer, to["topic"], {}), set(), {}
                table.execute("DELETE FROM place")
                table.executemany(
                    "INSERT INTO place VALUES (?, ?, 0, ?)", [(to["topic"], part, to["position"]) for part in parts]
                )
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
