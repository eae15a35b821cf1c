"""A consumer of the log's topic, for another team to begin from: how many contacts each client had in each month.

The table stays right whatever happens: the place that was reached is stored in the transaction that changes the rows,
so a consumer killed at any moment goes on where its rows are; and an event that comes again is known by its place.
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
CREATE TABLE IF NOT EXISTS place (part INTEGER PRIMARY KEY, next INTEGER NOT NULL, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS contact (id TEXT PRIMARY KEY, client TEXT NOT NULL, month TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS contacts (client TEXT, month TEXT, count INTEGER NOT NULL, PRIMARY KEY (client, month));
"""


def handle(table: sqlite3.Connection, message: Any) -> None:
    """Apply one event, once: positions rise in a partition, so one that is not past the stored place was applied."""
    header, event = dict(message.headers()), json.loads(message.value())
    place = (message.partition(), message.offset() + 1, int(header["ce_position"]))
    move = (
        "INSERT INTO place VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET next = ?2, position = ?3 WHERE position < ?3"
    )
    if table.execute(move, place).rowcount == 0:
        return
    if hashlib.sha256(b"\0" + header["ce_entry"]).hexdigest().encode() != header["ce_leaf"]:
        raise ValueError(f"{header['ce_id']!r} is not what was recorded")
    kind, contact = header["ce_type"].decode(), header["ce_subject"].decode()
    if kind == "contact.recorded" or (kind == "contact.corrected" and event.get("started_at")):
        count(table, contact, event["client_id"], event["started_at"][:7])
    elif kind == "contact.entered_in_error":
        count(table, contact, event["client_id"], None)


def count(table: sqlite3.Connection, contact: str, client: str, month: str | None) -> None:
    """Count a contact in its month, and no longer in the month it had before."""
    add = "INSERT INTO contacts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
    for before in table.execute("DELETE FROM contact WHERE id = ? RETURNING client, month", (contact,)).fetchall():
        table.execute(add, (*before, -1))
    if month is not None:
        table.execute("INSERT INTO contact VALUES (?, ?, ?)", (contact, client, month))
        table.execute(add, (client, month, 1))


def main(database: str, *options: str) -> None:
    """Read for ever, or once to the end."""
    table, topic = sqlite3.connect(database), os.environ.get("LEDGER_KAFKA_TOPIC", "ledger.events")
    table.executescript(TABLES)
    reading = {"isolation.level": "read_committed", "auto.offset.reset": "error", "enable.partition.eof": True}
    own_place = {"group.id": "none", "enable.auto.commit": False}  # the place is kept here, not at the broker
    consumer = Consumer({"bootstrap.servers": os.environ["LEDGER_KAFKA"], **reading, **own_place})
    parts = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    places = {} if "--again" in options else dict(table.execute("SELECT part, next FROM place").fetchall())
    consumer.assign([TopicPartition(topic, part, places.get(part, 0)) for part in parts])
    ended: set[int | None] = set()
    while not ("--once" in options and len(ended) == len(parts)):
        with table:  # one transaction: the rows and the place, or neither
            for message in consumer.consume(500, timeout=0.5):
                fault = message.error()
                if fault is None:
                    handle(table, message)
                elif fault.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise KafkaException(fault)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
