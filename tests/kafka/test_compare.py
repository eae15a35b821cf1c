"""Store and topic compared on a real broker: each way in which they can differ is named, and nothing else."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaProducer
from tests.kafka.test_projectors import copy_of
from tests.kafka.test_relay import LEDGER, environment, url_of
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.clock import SeededIds
from ledger.errors import IntegrityFault, LedgerError
from ledger.kafka import whole
from ledger.kafka.compare import NAMED, Comparison, Ranges, compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.relay import Relay, Sender
from ledger.kafka.restore import restore
from ledger.kafka.whole import WholeTopic
from ledger.kafka.wire import Message, to_message
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

NewTopic = Callable[[int], KafkaSettings]
PARTITIONS = 3


def write(settings: KafkaSettings, messages: Iterable[Message]) -> None:
    """Put messages on a topic as they are, in this order: what no relay would do."""
    producer = KafkaProducer(**settings.client(), acks="all", enable_idempotence=True)
    for each in messages:
        producer.send(
            settings.topic, each.value, each.key, each.headers, each.partition, timestamp_ms=each.timestamp_ms
        )
    producer.close()


def messages_of(recorder: Recorder) -> list[Message]:
    return [to_message(row, PARTITIONS) for row in recorder.read_log(0, 100_000)]


def named(found: Comparison) -> list[tuple[str, int]]:
    return [(each.kind, each.position) for each in found.differences]


def header(message: Message, name: str, value: bytes) -> Message:
    return replace(message, headers=[(n, value if n == name else v) for n, v in message.headers])


@pytest.mark.parametrize("partitions", [1, 5])
def test_what_a_relay_brought_is_the_same(
    partitions: int, month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int]
) -> None:
    settings = new_topic(partitions)
    head = relay_all(month, settings)
    passed: list[int] = []
    found = compare(month, settings, passed.append)
    assert (found.equal, found.same, found.until, found.partitions) == (True, head, head, partitions)
    assert found.differences == []
    assert sum(passed) == head


def test_events_that_the_topic_lacks(month: Recorder, new_topic: NewTopic) -> None:
    settings, gone = new_topic(PARTITIONS), {1, 7, 8, 300, *range(500, 600), month.head()}
    write(settings, (m for at, m in enumerate(messages_of(month), start=1) if at not in gone))
    found = compare(month, settings)
    assert found.counts == {"missing": len(gone)}
    assert found.same == month.head() - len(gone)
    assert named(found) == [("missing", at) for at in sorted(gone)[:NAMED]]
    assert found.differences[1].event_id == month.read_log(6, 1)[0].event_id


def test_events_that_only_the_topic_has(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    settings = new_topic(PARTITIONS)
    head = relay_all(month, settings)
    short = open_store(f"sqlite:///{tmp_path / 'short.db'}")
    short.restore(month.read_log(0, head - 3))
    forged = header(messages_of(month)[4], "ce_position", b"%d" % (head + 1_000))
    write(settings, [forged, replace(forged, headers=[("ce_type", b"note.signed")])])
    found = compare(short, settings)
    assert found.counts == {"surplus": 5}
    assert found.same == head - 3
    assert named(found) == [("surplus", 0), *[("surplus", at) for at in (head - 2, head - 1, head, head + 1_000)]]
    assert "the relay did not write it" in found.differences[0].words
    short.engine.dispose()


def test_a_position_that_cannot_be_does_not_hide_the_rest(month: Recorder, new_topic: NewTopic) -> None:
    """A forged message early in a partition, with a position far ahead: it alone is named, not all that follow it."""
    settings, messages = new_topic(PARTITIONS), messages_of(month)
    last = messages.pop()
    write(settings, [messages[0], header(messages[0], "ce_position", b"9" * 15), *messages[1:]])
    write(settings, [last])
    found = compare(month, settings)
    assert named(found) == [("surplus", 999_999_999_999_999)]
    assert found.same == month.head()


def test_events_with_another_content(month: Recorder, new_topic: NewTopic) -> None:
    settings, messages = new_topic(PARTITIONS), messages_of(month)
    rows = month.read_log(0, 100_000)
    later = to_message(replace(rows[20], recorded_at="2020-01-01T00:00:00.000000Z"), PARTITIONS)
    messages[10] = replace(messages[10], value=messages[10].value + b" ")
    messages[20] = later
    messages[30] = header(messages[30], "ce_type", b"note.signed")
    messages[40] = replace(messages[40], key=b"somebody else")
    messages[50] = header(messages[50], "ce_entry", b"{}")
    messages[60] = replace(messages[60], headers=[*messages[60].headers, ("more", b"1")])
    write(settings, messages)
    found = compare(month, settings)
    assert named(found) == [("content", at) for at in (11, 21, 31, 41, 51, 61)]
    assert found.same == month.head() - 6
    words = [each.words for each in found.differences]
    assert "payload differ; the store's agrees with its leaf hash, the topic's does not" in words[0]
    assert "recorded_at differ; the store's agrees with its leaf hash, the topic's does not" in words[1]
    assert ": ce_type differ; the store's agrees with its leaf hash, the topic's agrees" in words[2]
    assert ": the message's key differ" in words[3]
    assert ": ce_entry differ" in words[4]
    assert ": further headers differ" in words[5]
    assert [each.event_id for each in found.differences] == [rows[at].event_id for at in (10, 20, 30, 40, 50, 60)]


def test_a_store_that_was_changed_is_told_from_a_topic_that_was(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    settings = new_topic(PARTITIONS)
    relay_all(month, settings)
    recorder = copy_of(month, tmp_path)
    with recorder.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER events_no_update")
        connection.exec_driver_sql("UPDATE events SET actor = 'system:somebody' WHERE position = 12")
    (difference,) = compare(recorder, settings).differences
    assert (difference.kind, difference.position) == ("content", 12)
    assert "actor differ; the store's does not agree with its leaf hash, the topic's agrees" in difference.words
    recorder.engine.dispose()


def test_events_out_of_order_in_their_partition(month: Recorder, new_topic: NewTopic) -> None:
    settings, messages = new_topic(PARTITIONS), messages_of(month)
    first = next(at for at, each in enumerate(messages) if each.partition == messages[0].partition and at > 50)
    late = messages.pop(first)
    behind = next(at for at, each in enumerate(messages) if each.partition == late.partition and at > first)
    messages.insert(behind + 1, late)
    write(settings, messages)
    found = compare(month, settings)
    assert named(found) == [("order", first + 1)]
    assert found.same == month.head(), "it is there, and as it was"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_events_that_are_there_twice(elsewhere: bool, month: Recorder, new_topic: NewTopic) -> None:
    settings, messages = new_topic(PARTITIONS), messages_of(month)
    again = messages[40]
    if elsewhere:
        again = replace(again, partition=(again.partition + 1) % PARTITIONS)
    write(settings, [*messages[:41], again, *messages[41:], messages[40]])
    found = compare(month, settings)
    assert {at for _, at in named(found)} == {41}
    assert found.counts["twice"] == 2
    # Which of two that stand in different partitions is met first is open; the other is then the second.
    assert found.counts["partition"] == month.head() - found.same <= elsewhere


def test_events_in_a_partition_that_is_not_their_keys(month: Recorder, new_topic: NewTopic) -> None:
    settings, messages = new_topic(PARTITIONS), messages_of(month)
    for at in (70, 80):
        messages[at] = replace(messages[at], partition=(messages[at].partition + 1) % PARTITIONS)
    write(settings, messages)
    assert named(compare(month, settings)) == [("partition", 71), ("partition", 81)]


def test_everything_at_once_at_random(month: Recorder, new_topic: NewTopic) -> None:
    """Many differences of every kind, at places chosen at random: each is found, and nothing else."""
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    settings, messages = new_topic(PARTITIONS), dict(enumerate(messages_of(month), start=1))
    spoilt = chance.sample(range(1, month.head() + 1), 32)
    missing, content, twice, partition = (set(spoilt[at : at + 8]) for at in range(0, 32, 8))
    sent: list[Message] = []
    for at, message in messages.items():
        if at in missing:
            continue
        if at in content:
            message = replace(message, value=message.value + b"\n")
        if at in partition:
            message = replace(message, partition=(message.partition + 1) % PARTITIONS)
        sent += [message] * (2 if at in twice else 1)
    write(settings, sent)
    found = compare(month, settings)
    kinds = {"missing": missing, "content": content, "twice": twice, "partition": partition}
    assert set(named(found)) == {(kind, at) for kind, places in kinds.items() for at in places}
    assert found.same == month.head() - 24


def test_no_false_alarm_while_events_are_recorded_and_relayed(
    month: Recorder, new_topic: NewTopic, tmp_path: Path
) -> None:
    settings, recorder = new_topic(4), copy_of(month, tmp_path)
    stop, relay = threading.Event(), Relay(recorder, settings, batch=40)

    def record() -> None:
        ledger = Ledger(recorder, ids=SeededIds("meanwhile"))
        while not stop.is_set():
            small_agency(ledger, 1, 1)

    threads = [threading.Thread(target=relay.run, args=(stop,)), threading.Thread(target=record)]
    for thread in threads:
        thread.start()
    try:
        heads = []
        for _ in range(6):
            found = compare(recorder, settings)
            assert found.equal, found
            heads.append(found.until)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=60)
    assert heads[-1] > heads[0] >= month.head()
    recorder.engine.dispose()


def test_what_stands_in_a_transaction_that_is_not_committed_is_not_on_the_topic(
    month: Recorder, new_topic: NewTopic
) -> None:
    settings = new_topic(2)
    sender = Sender(month, settings, batch=50)
    sender.send_batch()
    sender.close()
    dying = KafkaProducer(**settings.client(), transactional_id=f"ledger-relay-{settings.topic}", acks="all")
    dying.init_transactions()
    dying.begin_transaction()
    for row in month.read_log(50, 20):
        message = to_message(row, 2)
        dying.send(settings.topic, message.value, message.key, message.headers, message.partition)
    dying.flush()
    dying.abort_transaction()
    dying.close()
    found = compare(month, settings)
    assert found.counts == {"missing": month.head() - 50}
    assert found.same == 50


def test_ranges_hold_what_was_added_and_not_removed() -> None:
    seed = random.randrange(1_000_000)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    added = sorted(chance.sample(range(1, 400), 250))
    ranges, kept = Ranges(), set(added)
    for number in added:
        ranges.add(number)
    for number in chance.sample(added, 120):
        ranges.remove(number)
        kept.discard(number)
    assert {number for number in range(401) if number in ranges} == kept
    assert {number for first, last in ranges for number in range(first, last + 1)} == kept


def test_reading_a_whole_topic_keeps_little_in_memory_however_uneven_it_is(
    month: Recorder, new_topic: NewTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half of the log is in one partition, the second in another: neither is kept while the other is read."""
    monkeypatch.setattr(whole, "_KEPT", 40)
    monkeypatch.setattr(whole, "_FETCHED", 64 * 1024)
    settings, messages = new_topic(2), messages_of(month)
    half = len(messages) // 2
    write(settings, (replace(m, partition=int(at >= half)) for at, m in enumerate(messages)))
    largest = max(len(m.value) + sum(len(v) + len(n) for n, v in m.headers) for m in messages)
    topic = WholeTopic(settings)
    kept, positions = 0, []
    for found in topic:
        positions.append(found.position)
        kept = max(kept, sum(len(each) for each in topic._kept.values()))
    topic.close()
    assert positions == list(range(1, len(messages) + 1))
    assert kept < 200 < half, f"of {len(messages)}, of which the largest has {largest} bytes"


def test_the_command_says_what_differs_and_ends_with_5(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    settings, recorder = new_topic(PARTITIONS), copy_of(month, tmp_path)
    head = relay_all(month, settings)
    variables = environment(settings, url_of(recorder))

    def verify(*options: str) -> subprocess.CompletedProcess[str]:
        command = [str(LEDGER), *options, "verify", "--against-kafka"]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)

    done = verify()
    assert done.returncode == 0, done.stderr
    assert f"topic {settings.topic}, 3 partitions: {head:,} of {head:,} events are the same" in done.stdout
    assert "sound: nothing differs" in done.stdout
    write(settings, messages_of(month)[-1:])
    done = verify()
    assert done.returncode == 5
    assert "  1 on the topic more than once" in done.stdout
    assert f"  DIFFERS at {head} {month.read_log(head - 1, 1)[0].event_id}: on the topic more than once" in done.stdout
    assert done.stdout.rstrip().endswith("NOT SOUND")
    assert f"topic {settings.topic}: position {head}" in done.stderr
    done = verify("--json")
    assert done.returncode == 5
    told = json.loads(done.stdout)
    assert told["sound"] is False
    assert told["faults"] == []
    assert told["topic"]["counts"]["twice"] == 1
    assert told["topic"]["differences"][0]["position"] == head
    del variables["LEDGER_KAFKA"]
    done = verify()
    assert done.returncode == 2
    assert "LEDGER_KAFKA is not set" in done.stderr
    recorder.engine.dispose()


@pytest.mark.parametrize("fault", ["missing", "twice", "content", "foreign"])
def test_a_topic_with_a_fault_is_not_restored_from(
    fault: str, month: Recorder, new_topic: NewTopic, tmp_path: Path
) -> None:
    settings, messages = new_topic(PARTITIONS), messages_of(month)
    spoilt = {
        "missing": messages[:99] + messages[100:],
        "twice": [*messages[:100], messages[99], *messages[100:]],
        "content": [*messages[:99], replace(messages[99], value=b"{}"), *messages[100:]],
        "foreign": [*messages[:100], replace(messages[99], headers=[]), *messages[100:]],
    }
    write(settings, spoilt[fault])
    empty = open_store(f"sqlite:///{tmp_path / 'restored.db'}")
    with pytest.raises(IntegrityFault) as told:
        restore(empty, settings)
    assert {
        "missing": "position 100 is missing",
        "twice": "position 100 is there twice",
        "content": "its payload does not hash to the digest",
        "foreign": "a message without a position",
    }[fault] in str(told.value)
    empty.engine.dispose()


def test_an_interrupted_restore_goes_on_and_a_backup_gets_what_it_lacks(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], database_url: str
) -> None:
    settings = new_topic(4)
    head = relay_all(month, settings)
    recorder = open_store(database_url)
    recorder.restore(month.read_log(0, 123))
    assert restore(recorder, settings) == head - 123
    assert list(recorder.read_log(0, 100_000)) == list(month.read_log(0, 100_000))
    assert restore(recorder, settings) == 0
    small_agency(Ledger(recorder, ids=SeededIds("later")), 1, 1)
    assert restore(recorder, settings) == 0, "a store that has more keeps it"
    assert recorder.sequence() > head
    recorder.engine.dispose()


def test_a_store_with_another_log_is_left_as_it_is(
    month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], database_url: str
) -> None:
    settings = new_topic(2)
    relay_all(month, settings)
    recorder = open_store(database_url)
    small_agency(Ledger(recorder, ids=SeededIds("another")), 1, 1)
    before = list(recorder.read_log(0, 1000)) if recorder.sequence() else []
    with pytest.raises(LedgerError, match="the store has another event at position 1"):
        restore(recorder, settings)
    assert list(recorder.read_log(0, 1000)) == before
    recorder.engine.dispose()
