"""A place that the topic does not have any more is a named error: never a jump to where the topic begins or ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition
from sqlalchemy import update
from tests.kafka.test_projectors import copy_of
from tests.kafka.test_relay import LEDGER, environment, url_of

from ledger.consumers.runner import Runner
from ledger.consumers.tables import PLACES
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.source import KafkaLog, PlaceLost
from ledger.projections.every import PROJECTIONS
from ledger.store.recorder import Recorder

NewTopic = Callable[[int], KafkaSettings]


def lose_the_beginning(settings: KafkaSettings, partition: int, before: int) -> None:
    """As retention would: the first offsets of a partition are deleted."""
    admin = KafkaAdminClient(**settings.client())
    try:
        admin.delete_records({TopicPartition(settings.topic, partition): before})
    finally:
        admin.close()


@pytest.mark.parametrize("place", [0, 4])
def test_a_place_before_the_beginning_of_the_topic(
    place: int, month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int]
) -> None:
    settings = new_topic(2)
    relay_all(month, settings)
    lose_the_beginning(settings, 1, 10)
    log = KafkaLog(settings)
    assert log.read(0, 0, 5), "the other partition is whole"
    with pytest.raises(PlaceLost, match=rf"partition 1: the place {place} .* begins at 10.*ledger relay --to"):
        log.read(1, place, 5)
    assert log.read(1, 10, 5), "from where it begins it can be read"
    log.close()


@pytest.mark.parametrize("beyond", [1, 10_000])
def test_a_place_beyond_the_end_of_the_topic(
    beyond: int, month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int]
) -> None:
    settings = new_topic(2)
    relay_all(month, settings)
    log = KafkaLog(settings)
    end = log.head(1)
    assert log.read(1, end, 5) == []
    with pytest.raises(PlaceLost, match=rf"partition 1: the place {end + beyond} .* ends at {end}.*ledger verify"):
        log.read(1, end + beyond, 5)
    log.close()


@pytest.mark.parametrize("once", [True, False])
def test_a_projector_whose_place_is_lost_ends_and_says_so(
    once: bool, month: Recorder, new_topic: NewTopic, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    settings = new_topic(1)
    relay_all(month, settings)
    recorder = copy_of(month, tmp_path)
    log = KafkaLog(settings)
    runner = Runner(recorder.engine, log, PROJECTIONS)
    runner.prepare()
    runner.catch_up()
    log.close()
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        connection.execute(update(PLACES).values(place=PLACES.c.place + 500))
    done = subprocess.run(
        [LEDGER, "run", *(["--once"] if once else [])],
        env=environment(settings, url_of(recorder)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 5
    assert "a place is lost" in done.stderr
    recorder.engine.dispose()
