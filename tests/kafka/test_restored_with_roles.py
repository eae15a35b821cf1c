"""The topic into an empty database that has the roles of ``deploy/roles.sql``, as docs/operator.md has it typed."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import PostgresServer
from tests.deploy.commands import ledger
from tests.deploy.conftest import new_database

from ledger.kafka.connection import KafkaSettings
from ledger.projections.every import PROJECTIONS
from ledger.store.recorder import Recorder


def test_the_owner_restores_and_the_projector_rebuilds_what_the_others_read(
    postgres: PostgresServer,
    month: Recorder,
    new_topic: Callable[[int], KafkaSettings],
    relay_all: Callable[..., int],
) -> None:
    topic = new_topic(3)
    relay_all(month, topic)
    database = new_database(postgres)
    kafka = {"LEDGER_KAFKA": ",".join(topic.brokers), "LEDGER_KAFKA_TOPIC": topic.topic}
    done = ledger(database.settings("ledger_owner") | kafka, "restore", "--from-kafka")
    assert done.returncode == 0, done.stderr
    assert "now, as ledger_projector: ledger rebuild" in done.stdout
    refused = ledger(database.settings("ledger_owner") | kafka, "rebuild")
    assert refused.returncode == 1
    assert "run this as ledger_projector" in refused.stderr
    done = ledger(database.settings("ledger_projector") | kafka, "rebuild")
    assert done.returncode == 0, done.stderr
    assert f"{len(PROJECTIONS)} of {len(PROJECTIONS)} views switched" in done.stdout
    seen = ledger(database.settings("ledger_reader"), "verify")
    assert seen.returncode == 0, seen.stderr
    assert "sound: nothing differs" in seen.stdout
