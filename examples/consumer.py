"""A consumer of the log's topic, for another team to begin from: which contacts each client had in each month.

The table stays right whatever happens: the place that was reached is stored in the transaction that changes the rows,
so a consumer killed at any moment goes on where its rows are; and an event that comes again is known by its position.
A topic may end, with a message in each partition that says on which topic the whole log goes on: it is followed there.
Run it with ``LEDGER_KAFKA=localhost:9092 python examples/consumer.py``; ``CONTACTS`` names another file than
``contacts.db``. ``docs/asyncapi.json`` says what else there is to read.
"""

import hashlib
import json
import os
import sqlite3

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

table = sqlite3.connect(os.environ.get("CONTACTS", "contacts.db"))
table.execute("CREATE TABLE IF NOT EXISTS place (topic TEXT, part INTEGER PRIMARY KEY, next INTEGER, position INTEGER)")
table.execute("CREATE TABLE IF NOT EXISTS contact (id TEXT PRIMARY KEY, client TEXT NOT NULL, month TEXT NOT NULL)")
# The place is kept here and not at the broker; one that the topic does not have is an error, never a jump.
OWN_PLACE = {"group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "error"}
consumer = Consumer({"bootstrap.servers": os.environ["LEDGER_KAFKA"], "isolation.level": "read_committed", **OWN_PLACE})


def handle(message: Message) -> None:
    """Apply one event, once: positions rise in a partition, so one that is not past the stored place was applied."""
    header, event = dict(message.headers()), json.loads(message.value())
    if hashlib.sha256(b"\0" + header["ce_entry"]).hexdigest().encode() != header["ce_leaf"]:
        raise ValueError(f"{header['ce_id']!r} is not what was recorded")
    place = (message.offset() + 1, int(header["ce_position"]), message.partition())
    new = table.execute("UPDATE place SET next = ?1, position = ?2 WHERE part = ?3 AND position < ?2", place).rowcount
    kind, contact = header["ce_type"].decode(), header["ce_subject"].decode()
    if new and kind in ("contact.recorded", "contact.corrected") and event.get("started_at"):
        table.execute("REPLACE INTO contact VALUES (?, ?, ?)", (contact, event["client_id"], event["started_at"][:7]))
    elif new and kind == "contact.entered_in_error":
        table.execute("DELETE FROM contact WHERE id = ?", (contact,))


topic, applied = os.environ.get("LEDGER_KAFKA_TOPIC", "ledger.events"), 0
while True:
    if not table.execute("SELECT * FROM place").fetchall():  # begin a topic; its events up to `applied` are applied
        parts = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        table.executemany("INSERT INTO place VALUES (?, ?, 0, ?)", [(topic, part, applied) for part in parts])
    places = table.execute("SELECT topic, part, next FROM place").fetchall()
    consumer.assign([TopicPartition(*place) for place in places])
    moved = {}
    while len(moved) < len(places):
        with table:  # one transaction: the rows and the place, or neither
            for message in consumer.consume(500, timeout=0.5):
                if message.error():
                    raise KafkaException(message.error())
                if ("ce_type", b"log.moved") in message.headers():
                    moved[message.partition()] = json.loads(message.value())
                else:
                    handle(message)
    # Every event of this topic is applied, and the other one has them all.
    topic, applied = moved[0]["topic"], moved[0]["position"]
    table.execute("DELETE FROM place")
