"""A topic that was deleted and made anew under its name is another log: nobody goes on in it from an old place."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from tests.kafka.test_places_lost import lose_the_beginning
from tests.kafka.test_projectors import assert_as_rebuilt
from tests.kafka.test_relay import LEDGER, environment, url_of, wait_for

from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.errors import IntegrityFault
from ledger.kafka.compare import compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic, examine
from ledger.kafka.identity import TopicRemade
from ledger.kafka.move import move
from ledger.kafka.place import last_position
from ledger.kafka.relay import Relay, Sender
from ledger.kafka.source import KafkaLog
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

NewTopic = Callable[[int], KafkaSettings]


def make_anew(settings: KafkaSettings, partitions: int) -> None:
    """Delete a topic, and make it again as soon as the brokers let it be made."""
    admin = KafkaAdminClient(**settings.client())
    try:
        admin.delete_topics([settings.topic])
    finally:
        admin.close()

    def made() -> bool:
        try:
            return create_topic(settings, partitions)
        except KafkaError:
            return False

    wait_for(made)


@pytest.fixture
def part(month: Recorder, tmp_path: Path) -> Recorder:
    """The first events of the month, in a store that more can be recorded into."""
    recorder = open_store(f"sqlite:///{tmp_path / 'part.db'}")
    recorder.restore(month.read_log(0, 100))
    return recorder


@pytest.mark.parametrize("quiet", [True, False], ids=["nothing more is recorded", "the next event comes at once"])
def test_a_running_relay_brings_the_whole_log_to_a_topic_that_was_made_anew(
    quiet: bool, month: Recorder, part: Recorder, new_topic: NewTopic
) -> None:
    settings = new_topic(2)
    relay, stop = Relay(part, settings), threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        wait_for(lambda: last_position(settings) == 100)
        make_anew(settings, 2)
        if not quiet:
            part.restore(month.read_log(100, 5))
        wait_for(lambda: last_position(settings) == part.head())
    finally:
        stop.set()
        thread.join(timeout=60)
    found = compare(part, settings)
    assert found.equal, found.counts
    part.engine.dispose()


@pytest.mark.parametrize("lost", ["the first events", "all but the last", "the offsets of one partition"])
def test_a_topic_that_lacks_the_beginning_is_refused_named_and_mended(
    lost: str, part: Recorder, new_topic: NewTopic, relay_all: Callable[..., int]
) -> None:
    settings, to = new_topic(2), f"{new_topic(1).topic}.whole"
    if lost == "the offsets of one partition":
        relay_all(part, settings)
        lose_the_beginning(settings, 1, 10)
    else:
        sender = Sender(part, settings)
        sender.position = 40 if lost == "the first events" else 99
        sender.send_batch()
        sender.close()
    assert last_position(settings) == 100
    with pytest.raises(IntegrityFault, match=rf"topic {settings.topic} lacks events.*ledger relay --to"):
        Sender(part, settings)
    (named,) = [each for each in examine(settings) if not each.ok and each.what.endswith(": beginning")]
    assert "ledger relay --to" in named.mend
    move(part, settings, to, partitions=2)
    whole = KafkaSettings(brokers=settings.brokers, topic=to)
    assert compare(part, whole).equal
    assert not [each for each in examine(settings) if not each.ok and each.what.endswith(": beginning")]
    part.engine.dispose()


def test_what_was_fetched_behind_an_answer_of_kafka_is_not_taken_on_its_word(
    month: Recorder, part: Recorder, new_topic: NewTopic, relay_all: Callable[..., int]
) -> None:
    """However short a time ago Kafka said which topic it is: the topic may have been made anew and filled since."""
    settings = new_topic(1)
    relay_all(part, settings, batch=1)
    with closing(KafkaLog(settings)) as topic:
        place = 0
        while entries := topic.read(0, place, 1000):
            place = entries[-1].offset
        make_anew(settings, 1)
        part.restore(month.read_log(100, 150))
        relay_all(part, settings, batch=1000)
        topic._topic._looked = time.monotonic()  # an answer from before that has just come
        with pytest.raises(TopicRemade):
            topic.read(0, place, 1000)
    part.engine.dispose()


def test_a_reader_that_was_away_while_the_topic_was_made_anew_leaves_nothing_out(
    month: Recorder, part: Recorder, new_topic: NewTopic, relay_all: Callable[..., int]
) -> None:
    """The new topic has outgrown the reader's old place before it looks again."""
    settings = new_topic(1)
    relay_all(part, settings, batch=1)
    runner = Runner(part.engine, LocalLog(part), PROJECTIONS)
    runner.prepare()
    projector = subprocess.Popen([LEDGER, "run"], env=environment(settings, url_of(part)))
    try:
        wait_for(lambda: runner.dealt_with() == 100)
        os.kill(projector.pid, signal.SIGSTOP)
        make_anew(settings, 1)
        part.restore(month.read_log(100, 150))
        relay_all(part, settings, batch=1000)  # where event 100 was, each with a marker behind it, is event 200 now
        os.kill(projector.pid, signal.SIGCONT)
        wait_for(lambda: runner.dealt_with() == 250)
        assert projector.poll() is None
    finally:
        os.kill(projector.pid, signal.SIGCONT)
        projector.terminate()
        projector.wait(timeout=60)
    assert_as_rebuilt(part)
    part.engine.dispose()
