"""A whole Kafka is replaced by another at the same address, under a running projector and relay."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from deploy.stack.brokers import Cluster
from tests.kafka.conftest import jars
from tests.kafka.test_projectors import assert_as_rebuilt
from tests.kafka.test_relay import LEDGER, environment, url_of, wait_for

from ledger.consumers.log import LocalLog
from ledger.consumers.runner import Runner
from ledger.kafka.compare import compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.projections.every import PROJECTIONS
from ledger.store.database import open_store
from ledger.store.recorder import Recorder


@pytest.mark.parametrize("filled", ["before they come back", "by the running relay"])
def test_another_kafka_at_the_same_address_is_read_from_its_beginning(
    filled: str, month: Recorder, relay_all: Callable[..., int], tmp_path: Path
) -> None:
    """The other topic has the same name and, filled by another relay, has outgrown the projector's old place."""
    java = ("-XX:TieredStopAtLevel=1",)
    first = Cluster(tmp_path / "first", jars(), heap="256m", java=java)
    second = Cluster(tmp_path / "second", jars(), heap="256m", java=java)
    second.brokers[0].port = first.brokers[0].port
    settings = KafkaSettings(brokers=(first.bootstrap,), topic="ledger.events")
    store = open_store(f"sqlite:///{tmp_path / 'part.db'}")
    store.restore(month.read_log(0, 100))
    runner = Runner(store.engine, LocalLog(store), PROJECTIONS)
    runner.prepare()
    processes: list[subprocess.Popen[bytes]] = []
    logs = [tmp_path / "projector.log", tmp_path / "relay.log"]
    try:
        first.start()
        assert create_topic(settings, 2)
        for command, log in zip(("run", "relay"), logs, strict=True):
            with log.open("wb") as file:
                processes.append(
                    subprocess.Popen(
                        [LEDGER, command], env=environment(settings, url_of(store)), stdout=file, stderr=file
                    )
                )
        wait_for(lambda: runner.dealt_with() == 100)
        if filled == "before they come back":
            for process in processes:
                process.send_signal(signal.SIGSTOP)
        first.stop()
        second.start()
        assert create_topic(settings, 2)
        store.restore(month.read_log(100, 150))
        if filled == "before they come back":
            relay_all(store, settings, batch=20)
            for process in processes:
                process.send_signal(signal.SIGCONT)
        wait_for(lambda: runner.dealt_with() == 250, seconds=120)
        wait_for(lambda: compare(store, settings).equal)
        store.restore(month.read_log(250, 50))
        wait_for(lambda: runner.dealt_with() == 300, seconds=120)
        assert [process.poll() for process in processes] == [None, None], [log.read_text() for log in logs]
        assert compare(store, settings).equal
    except AssertionError:
        for log in logs:
            print(log.read_text()[-3000:])  # noqa: T201 - shown when the test fails
        raise
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        first.stop()
        second.stop()
    assert_as_rebuilt(store)
    store.engine.dispose()
