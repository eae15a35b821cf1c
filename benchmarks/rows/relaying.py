"""Relaying from PostgreSQL to the topic, beside kafka-python's transactional producer with the same settings."""

from __future__ import annotations

import uuid
from itertools import islice

from kafka import KafkaProducer

from benchmarks.bench import Bench
from benchmarks.measure import Stopwatch, Timed, compare
from benchmarks.result import Result, compared
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.relay import Sender
from ledger.kafka.wire import Message, to_message

#: Events in one transaction: what ``ledger relay`` takes unless it is told otherwise.
BATCH = 1000


def relay(bench: Bench) -> Result:
    """The log read from the store, made into messages and sent in transactions; beside the messages sent alone."""
    count = bench.sizes.relay
    url, recorder = bench.fresh(count)
    rows = recorder.read_log(0, 10 * count)
    messages = [to_message(row, bench.sizes.partitions) for row in rows]

    def ours() -> Timed:
        settings = bench.servers.topic(bench.sizes.partitions)
        sender = Sender(recorder, settings, batch=BATCH)
        watch = Stopwatch()
        with watch.running():
            while sender.send_batch():
                pass
        sender.close()
        return watch.timed(len(rows))

    def plain() -> Timed:
        settings = bench.servers.topic(bench.sizes.partitions)
        watch = Stopwatch()
        send_bare(settings, messages, watch)
        return watch.timed(len(messages))

    way = f"kafka-python in transactions of {BATCH:,}, messages ready in memory"
    found = compare(ours, {way: plain}, bench.sizes.repeats)
    shares = bench.profile("relay", ours)
    recorder.engine.dispose()
    bench.servers.drop(url)
    return compared(
        found,
        "relay",
        "relay, PostgreSQL to Kafka",
        0.7,
        events=len(rows),
        shares=shares,
        limit="kafka-python's producer: Python for every message; then reading the log and writing the entries",
    )


def send_bare(settings: KafkaSettings, messages: list[Message], watch: Stopwatch) -> None:
    """Send messages in transactions, with the settings that the relay's own producer has."""
    producer = KafkaProducer(
        **settings.client(),
        transactional_id=f"bare-{uuid.uuid4().hex}",
        enable_idempotence=True,
        acks="all",
        linger_ms=1,
        retry_backoff_ms=10,
        batch_size=256 * 1024,
        max_request_size=4 * 1024 * 1024,
        transaction_timeout_ms=60_000,
    )
    producer.init_transactions()
    waiting = iter(messages)
    with watch.running():
        while batch := list(islice(waiting, BATCH)):
            producer.begin_transaction()
            for message in batch:
                producer.send(
                    settings.topic,
                    value=message.value,
                    key=message.key,
                    headers=message.headers,
                    timestamp_ms=message.timestamp_ms,
                )
            producer.commit_transaction()
    producer.close(timeout=5)
