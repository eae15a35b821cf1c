"""The relay: every event on the topic once and in order per chart, whatever happens to it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.kafka.compare import compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.place import last_position
from ledger.kafka.relay import Fenced, Relay, Sender
from ledger.kafka.restore import restore
from ledger.store.database import open_store
from ledger.store.recorder import Recorder

LEDGER = Path(sys.executable).parent / "ledger"


def environment(settings: KafkaSettings, database: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return {
        **kept,
        "LEDGER_KAFKA": ",".join(settings.brokers),
        "LEDGER_KAFKA_TOPIC": settings.topic,
        "LEDGER_DATABASE": database,
    }


def url_of(recorder: Recorder) -> str:
    return f"sqlite:///{recorder.engine.url.database}"


def test_a_relay_finds_its_place_on_the_topic_again(month: Recorder, new_topic: Callable[[int], KafkaSettings]) -> None:
    settings = new_topic(3)
    assert last_position(settings) == 0
    first = Sender(month, settings, batch=100)
    first.send_batch()
    first.send_batch()
    first.close()
    assert last_position(settings) == 200
    second = Sender(month, settings, batch=1000)
    assert second.position == 200
    while second.send_batch():
        pass
    second.close()
    assert compare(month, settings).equal


def test_the_second_relay_fences_the_first(month: Recorder, new_topic: Callable[[int], KafkaSettings]) -> None:
    """Both believe they are active; only one can commit, and nothing is there twice."""
    settings = new_topic(2)
    zombie = Sender(month, settings, batch=50)
    zombie.send_batch()
    active = Sender(month, settings, batch=50)
    with pytest.raises(Fenced):
        zombie.send_batch()
    zombie.close()
    while active.send_batch():
        pass
    active.close()
    assert compare(month, settings).equal


def test_a_relay_that_stands_by_takes_over(month: Recorder, new_topic: Callable[[int], KafkaSettings]) -> None:
    settings = new_topic(2)
    stops = [threading.Event(), threading.Event()]
    relays = [Relay(month, settings, batch=20), Relay(month, settings, batch=20)]
    threads = [threading.Thread(target=relay.run, args=(stop,)) for relay, stop in zip(relays, stops, strict=True)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: any(relay.state.sent for relay in relays))
        active = next(number for number, relay in enumerate(relays) if relay.state.active)
        stops[active].set()
        threads[active].join(timeout=30)
        other = relays[1 - active]
        wait_for(lambda: other.state.active and other.state.lag == 0 and other.state.position == month.head())
    finally:
        for stop in stops:
            stop.set()
        for thread in threads:
            thread.join(timeout=30)
    assert compare(month, settings).equal


def test_a_store_is_restored_from_the_topic_byte_for_byte(
    month: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    database_url: str,
) -> None:
    settings = new_topic(4)
    count = relay_all(month, settings)
    empty = open_store(database_url)
    assert restore(empty, settings) == count
    assert list(empty.read_log(0, 100_000)) == list(month.read_log(0, 100_000))
    assert empty.sequence() == count
    assert compare(empty, settings).equal
    empty.engine.dispose()


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)
