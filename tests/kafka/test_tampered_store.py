"""What was changed in the store behind its back never reaches the topic: the relay stops and names the position."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.cli.agency import Agency
from tests.integrity.meddling import meddle, on
from tests.kafka.test_relay import LEDGER, environment

from ledger.errors import IntegrityFault
from ledger.kafka.compare import compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.move import move
from ledger.kafka.place import last_position
from ledger.kafka.relay import Relay, RelayState, Sender

NewTopic = Callable[[int], KafkaSettings]
#: Where in the log something is changed: neither first nor last, nor the end of a batch.
AT = 13


@pytest.fixture
def agency(database_url: str) -> Iterator[Agency]:
    made = Agency(database_url)
    for day in (3, 4, 5):
        made.service(day, "09:00", 53)
    made.recorder.sequence()
    yield made
    made.recorder.engine.dispose()


def change(agency: Agency, column: str) -> None:
    """Change one column of the event at ``AT``, and nothing that belongs to it."""
    row = agency.recorder.read_log(AT - 1, 1)[0]
    value: object = "somebody-else" if column == "actor" else row.state.replace(b"2025", b"2024", 1)
    meddle(
        agency.recorder,
        f"UPDATE events SET {column} = :value WHERE stream_id = :stream AND version = :version",  # noqa: S608 - ours
        value=value,
        stream=str(row.originator_id),
        version=row.originator_version,
    )
    assert agency.recorder.read_log(AT - 1, 1)[0] != row, "nothing was changed: this case shows nothing"


def remove(agency: Agency) -> None:
    row = agency.recorder.read_log(AT - 1, 1)[0]
    statements = ["DELETE FROM events WHERE stream_id = :stream AND version = :version"]
    order = on(agency.recorder, "", "DELETE FROM log_order WHERE position = :position")
    meddle(
        agency.recorder,
        *([order] if order else []),
        *statements,
        stream=str(row.originator_id),
        version=row.originator_version,
        position=AT,
    )


@pytest.mark.parametrize("column", ["payload", "actor"])
@pytest.mark.parametrize("batch", [5, 1000])
def test_a_changed_event_stops_the_relay_and_is_not_sent(
    agency: Agency, new_topic: NewTopic, column: str, batch: int
) -> None:
    settings, head = new_topic(2), agency.recorder.sequence()
    change(agency, column)
    relay, stop = Relay(agency.recorder, settings, batch=batch), threading.Event()

    def sent_all(state: RelayState) -> None:
        if state.active and not state.lag:
            stop.set()

    with pytest.raises(IntegrityFault, match=f"log position {AT}\\) is not what was recorded"):
        relay.run(stop, sent_all)
    assert last_position(settings) == AT - 1 < head, "what stands before it is sent, and nothing else"
    found = compare(agency.recorder, settings)
    assert found.counts == {"missing": head - AT + 1}


def test_a_missing_event_stops_the_relay(agency: Agency, new_topic: NewTopic) -> None:
    settings = new_topic(2)
    remove(agency)
    sender = Sender(agency.recorder, settings)
    try:
        assert sender.send_batch() == AT - 1
        with pytest.raises(IntegrityFault, match=f"log position {AT} is missing from the store"):
            sender.send_batch()
    finally:
        sender.close()
    assert last_position(settings) == AT - 1


def test_a_relay_that_starts_behind_the_changed_event_goes_on(agency: Agency, new_topic: NewTopic) -> None:
    """It is the sender's business what it sends; what was sent before is held against the store by ``verify``."""
    settings, head = new_topic(2), agency.recorder.sequence()
    sender = Sender(agency.recorder, settings, batch=AT)
    sender.send_batch()
    sender.close()
    change(agency, "actor")
    sender = Sender(agency.recorder, settings)
    while sender.send_batch():
        pass
    sender.close()
    assert last_position(settings) == head
    assert not compare(agency.recorder, settings).equal


def test_a_log_with_a_changed_event_is_not_moved(agency: Agency, new_topic: NewTopic) -> None:
    settings = new_topic(2)
    sender = Sender(agency.recorder, settings)
    while sender.send_batch():
        pass
    sender.close()
    change(agency, "payload")
    with pytest.raises(IntegrityFault, match=f"log position {AT}"):
        move(agency.recorder, settings, f"{settings.topic}.moved", partitions=3)
    assert last_position(settings) == agency.recorder.sequence(), "the old topic is the log as before"


def test_the_command_names_the_position_and_ends_with_5(agency: Agency, new_topic: NewTopic) -> None:
    settings = new_topic(2)
    change(agency, "payload")
    done = subprocess.run(
        [str(LEDGER), "relay", "--once"],
        env=environment(settings, agency.url),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 5, done.stderr
    assert f"log position {AT}) is not what was recorded" in done.stderr
    assert last_position(settings) == AT - 1
