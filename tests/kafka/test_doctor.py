"""The doctor on real brokers: each setting that can lose events or stop the relay is named, with what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from deploy.stack.brokers import Cluster
from kafka.admin import ConfigResource, ConfigResourceType
from tests.kafka.conftest import jars
from tests.kafka.test_relay import wait_for

from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import Finding, admin, create_topic, examine


def alter(settings: KafkaSettings, name: str, value: str) -> None:
    client = admin(settings)
    try:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic, configs={name: value})])
    finally:
        client.close()


def wrong(settings: KafkaSettings) -> list[Finding]:
    return [finding for finding in examine(settings) if not finding.ok]


@pytest.mark.parametrize(
    ("name", "value", "mended"),
    [
        ("retention.ms", "604800000", "-1"),
        ("retention.bytes", "1000000", "-1"),
        ("cleanup.policy", "compact", "delete"),
        ("cleanup.policy", "compact,delete", "delete"),
        ("unclean.leader.election.enable", "true", "false"),
        ("max.message.bytes", "2000", "1048588"),
        ("message.timestamp.before.max.ms", "1000", "9223372036854775807"),
        ("message.timestamp.after.max.ms", "1000", "3600000"),
    ],
)
def test_a_wrong_setting_of_the_topic_is_named_and_what_is_told_mends_it(
    name: str, value: str, mended: str, new_topic: Callable[[int], KafkaSettings]
) -> None:
    settings = new_topic(2)
    assert wrong(settings) == []
    alter(settings, name, value)
    wait_for(lambda: wrong(settings) != [])
    (finding,) = wrong(settings)
    assert (finding.what, finding.found) == (f"topic {settings.topic}: {name}", value)
    assert finding.mend == (
        f"kafka-configs.sh --bootstrap-server {settings.brokers[0]} --alter --entity-type topics "
        f"--entity-name {settings.topic} --add-config {name}={mended}"
    )
    assert finding.risk
    alter(settings, name, mended)
    wait_for(lambda: wrong(settings) == [])


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    java = ("-XX:TieredStopAtLevel=1",)
    cluster = Cluster(tmp_path_factory.mktemp("three"), jars(), 3, heap="256m", java=java)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_too_few_copies_and_an_event_that_only_one_broker_has_are_named(three: Cluster) -> None:
    settings = KafkaSettings(brokers=tuple(three.bootstrap.split(",")), topic="ledger.copies")
    whole = KafkaSettings(brokers=settings.brokers, topic="ledger.whole")
    assert create_topic(settings, 3, 2)
    assert create_topic(whole, 1)
    wait_for(lambda: wrong(whole) == [])

    def named() -> dict[str, Finding]:
        return {finding.what.partition(": ")[2]: finding for finding in wrong(settings)}

    wait_for(lambda: set(named()) == {"replicas"})
    alter(settings, "min.insync.replicas", "1")
    wait_for(lambda: "min.insync.replicas" in named())
    assert named()["min.insync.replicas"].mend.endswith(" min.insync.replicas=2"), "an event may be on one broker only"
