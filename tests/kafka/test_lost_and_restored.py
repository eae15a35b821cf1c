"""Everything but Kafka is lost, or Kafka is: what is left makes the other anew, equal byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deploy.stack.brokers import Cluster
from sqlalchemy import text
from tests.conftest import PostgresServer
from tests.deploy.commands import ledger
from tests.kafka.conftest import jars
from tests.kafka.test_outside_client import read_topic
from tests.store.agency import small_agency

from ledger.application.commands import Ledger
from ledger.clock import SeededIds
from ledger.consumers.log import LocalLog
from ledger.consumers.rebuild import rows_of
from ledger.consumers.runner import Runner
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import LOG_COLUMNS, Recorder


@pytest.fixture
def filled(database_url: str) -> Recorder:
    """A store that was recorded into, with its views."""
    recorder = open_store(database_url)
    small_agency(Ledger(recorder, ids=SeededIds("lost")), 5, 4)
    recorder.sequence()
    runner = Runner(recorder.engine, LocalLog(recorder), PROJECTIONS)
    runner.prepare()
    runner.catch_up()
    return recorder


def everything(recorder: Recorder) -> list[tuple[Any, ...]]:
    """Every column of every event as it is stored, in the log's order."""
    with recorder.reading() as connection:
        found = connection.execute(text(f"SELECT {', '.join(LOG_COLUMNS)} FROM log ORDER BY position"))  # noqa: S608
        return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in found]


def lose(recorder: Recorder, postgres: Callable[[], PostgresServer]) -> str:
    """Drop the database; answers the URL of a new, empty one in its place."""
    recorder.engine.dispose()
    url = recorder.engine.url
    if url.get_backend_name() == "sqlite":
        for file in Path(str(url.database)).parent.glob(f"{Path(str(url.database)).name}*"):
            file.unlink()
        return url.render_as_string()
    postgres().drop(str(url.database))
    return postgres().create()


def test_all_is_lost_but_kafka(
    filled: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
    request: pytest.FixtureRequest,
) -> None:
    settings = new_topic(4)
    head = relay_all(filled, settings)
    stored, views = everything(filled), {p.name: rows_of(filled.engine, p) for p in PROJECTIONS}
    assert len(stored) == head > 50
    assert sum(map(len, views.values())) > 20
    url = lose(filled, lambda: request.getfixturevalue("postgres"))
    variables = {
        "LEDGER_DATABASE": url,
        "LEDGER_KAFKA": ",".join(settings.brokers),
        "LEDGER_KAFKA_TOPIC": settings.topic,
    }
    for command in (("restore", "--from-kafka"), ("verify", "--against-kafka"), ("rebuild",), ("verify",)):
        done = ledger(variables, *command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    restored = open_store(url)
    assert everything(restored) == stored
    assert {p.name: rows_of(restored.engine, p) for p in PROJECTIONS} == views
    small_agency(Ledger(restored, ids=SeededIds("afterwards")), 1, 1)
    assert restored.sequence() > head, "and it goes on"
    restored.engine.dispose()


def test_kafka_is_lost(filled: Recorder, tmp_path: Path) -> None:
    """A new, empty broker in the place of the old one: the relay makes a topic that is equal in every message."""
    before = relayed_to_a_new_broker(filled, tmp_path / "first")
    shutil.rmtree(tmp_path / "first")
    assert sum(map(len, before.values())) == filled.head()
    assert len(before) == 3
    assert relayed_to_a_new_broker(filled, tmp_path / "second") == before
    filled.engine.dispose()


def relayed_to_a_new_broker(recorder: Recorder, folder: Path) -> dict[int, list[tuple[Any, ...]]]:
    """Every message of each partition, in order, as another library's client reads it."""
    cluster = Cluster(folder, jars(), heap="320m", java=("-XX:TieredStopAtLevel=1",))
    try:
        cluster.start()
        settings = KafkaSettings(brokers=(cluster.bootstrap,))
        assert create_topic(settings, 3)
        url = recorder.engine.url.render_as_string(hide_password=False)
        done = ledger({"LEDGER_DATABASE": url, "LEDGER_KAFKA": cluster.bootstrap}, "relay", "--once")
        assert done.returncode == 0, done.stderr
        found: dict[int, list[tuple[Any, ...]]] = {}
        for each in read_topic(settings):
            message = (each.key(), each.headers(), each.value(), each.timestamp())
            found.setdefault(each.partition(), []).append(message)
        return found
    finally:
        cluster.stop()
