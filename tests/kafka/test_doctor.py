"""The doctor on real brokers: each setting that can lose events or stop the relay is named, with what mends it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner
from deploy.stack.brokers import Cluster
from kafka.admin import ConfigResource, ConfigResourceType
from tests.kafka.conftest import jars
from tests.kafka.test_relay import wait_for

from ledger.cli.main import cli
from ledger.errors import BadInput
from ledger.kafka.connection import KafkaSettings, KafkaUnreachable
from ledger.kafka.doctor import Finding, _broker, admin, create_topic, examine
from ledger.kafka.identity import NoTopic
from ledger.kafka.relay import Relay
from ledger.store.recorder import Recorder


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


def test_a_broker_that_is_away_is_counted_and_named(three: Cluster) -> None:
    """Of three brokers two answer; a topic with two copies still has too few, and one with three still enough."""
    brokers = tuple(three.bootstrap.split(","))
    few = KafkaSettings(brokers=brokers, topic="ledger.away.two")
    whole = KafkaSettings(brokers=brokers, topic="ledger.away.three")
    assert create_topic(few, 6, 2)
    assert create_topic(whole, 6)

    def found(settings: KafkaSettings) -> dict[str, Finding]:
        return {finding.what.partition(": ")[2] or finding.what: finding for finding in examine(settings)}

    def says(words: str) -> bool:
        try:
            return found(whole)["brokers"].found == words
        except KafkaUnreachable:  # until another broker leads the partitions of the one that has gone
            return False

    wait_for(lambda: wrong(whole) == [])
    assert found(whole)["brokers"].found == "3"
    three.kill(three.brokers[2])
    try:
        wait_for(lambda: says("3, of which 3 is away"))
        assert found(few)["replicas"].found == "2"
        assert found(few)["replicas"].mend == "reassign the partitions to 3 brokers"
        wait_for(lambda: not found(few)["replicas in sync"].ok)  # the third broker had a copy of some partition
        assert found(few)["replicas in sync"].mend == "start the missing brokers"
        assert wrong(whole) == [], (
            "two of three copies are enough, and with two brokers alive it is not asked for fewer"
        )
    finally:
        three.start_broker(three.brokers[2])
    wait_for(lambda: says("3"))
    wait_for(lambda: found(few)["replicas in sync"].ok)


def test_brokers_that_keep_relays_from_their_groups_are_named() -> None:
    """Above six seconds no session of ours is taken; between four and six another takes over later, and it says so."""
    least = "group.min.session.timeout.ms"
    for value, ok, words in (("4000", True, "4000"), ("6000", True, "6000, so another"), ("6001", False, "6001")):
        values = {"auto.create.topics.enable": "false", least: value}
        (finding,) = (each for each in _broker("1", values) if each.what.endswith(least))
        assert finding.ok is ok
        assert finding.found.startswith(words)
        assert finding.mend == f"set {least}=4000 in the broker's configuration"


def test_a_broker_that_lets_no_transaction_run_long_enough_is_named() -> None:
    found = {each.what: each for each in _broker("1", {"transaction.max.timeout.ms": "20000"})}
    named = found["broker 1: transaction.max.timeout.ms"]
    assert not named.ok
    assert "transaction.max.timeout.ms=30000" in named.mend
    found = {each.what: each for each in _broker("1", {"transaction.max.timeout.ms": "30000"})}
    assert found["broker 1: transaction.max.timeout.ms"].ok


@pytest.mark.parametrize(("words", "named"), [(("--replicas", "5"), "--replicas: 5 copies need 5 brokers"),
                                              (("--partitions", "0"), "--partitions")])  # fmt: skip
def test_a_topic_that_cannot_be_made_so_is_refused_by_the_option(
    words: tuple[str, str], named: str, broker: Cluster
) -> None:
    settings = {
        "LEDGER_KAFKA": broker.bootstrap,
        "LEDGER_KAFKA_TOPIC": "never.made",
        "LEDGER_DATABASE": "sqlite:///x.db",
    }
    done = CliRunner().invoke(cli, ["topic", "create", *words], env=settings)
    said = done.output + str(done.exception)
    assert named in said
    assert done.exit_code == 2 or isinstance(done.exception, BadInput)


def test_a_relay_says_that_there_is_no_such_topic(month: Recorder, broker: Cluster) -> None:
    settings = KafkaSettings(brokers=tuple(broker.bootstrap.split(",")), topic="mistyped")
    with pytest.raises(NoTopic, match="LEDGER_KAFKA_TOPIC: there is no topic mistyped; run: ledger topic create"):
        Relay(month, settings).run(threading.Event())
