"""Making the topic, and refusing a topic or broker whose settings can lose events.

Every finding says which setting of what is wrong, what it can cost, and the command that mends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from ledger.errors import BadInput
from ledger.kafka.connection import KafkaSettings, KafkaUnreachable
from ledger.kafka.membership import LONGER_SESSION_MS, SESSION_MS
from ledger.kafka.place import end_of, lacks, live

log = structlog.get_logger("ledger.kafka")

#: How long brokers keep a transaction open whose relay has fallen silent and that nobody has taken over from, in
#: seconds; readers of committed events wait behind it for so long. Longer than a transaction may take.
TRANSACTION = 30.0
#: How long a broker may take to answer the doctor, in milliseconds.
_PATIENCE_MS = 10_000
#: What the topic of the log is made with: kept for ever, never compacted, written only when enough replicas have it.
TOPIC_CONFIG = {
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "cleanup.policy": "delete",
    "unclean.leader.election.enable": "false",
    "message.timestamp.type": "CreateTime",
    "compression.type": "producer",
}

#: What a topic has to take. The relay fills batches of 256 KiB, and an event that is longer is a batch by itself; this
#: is Kafka's own default. Events have the time they were recorded at, however long ago; a clock may be ahead.
_LEAST_MESSAGE = 1_048_588
_BEFORE_MS, _AFTER_MS = 2**63 - 1, 3_600_000


@dataclass(frozen=True)
class Finding:
    """One thing the doctor looked at. ``mend`` is the command or setting that puts it right."""

    ok: bool
    what: str
    found: str
    risk: str = ""
    mend: str = ""


def admin(settings: KafkaSettings, **options: Any) -> Any:
    """An administrative client; raises ``KafkaUnreachable`` naming the setting."""
    try:
        return KafkaAdminClient(**settings.client(), **{"bootstrap_timeout_ms": 10_000, **options})
    except (KafkaError, OSError, ValueError) as fault:
        raise KafkaUnreachable(settings, fault) from fault


def create_topic(settings: KafkaSettings, partitions: int, replicas: int | None = None) -> bool:
    """Make the topic of the log; answers False when it exists already.

    Replicas default to three, or to as many brokers as there are; ``min.insync.replicas`` is one less, but two where
    there are two: no event is acknowledged while only one of several brokers has it.
    """
    client = admin(settings)
    try:
        brokers = len(client.describe_cluster()["brokers"])
        copies = replicas or min(3, brokers)
        if copies > brokers:
            raise BadInput(f"--replicas: {copies} copies need {copies} brokers, and there are {brokers}")
        config = {**TOPIC_CONFIG, "min.insync.replicas": str(_in_sync(copies))}
        topic = NewTopic(
            name=settings.topic, num_partitions=partitions, replication_factor=copies, topic_configs=config
        )
        client.create_topics([topic])
    except TopicAlreadyExistsError:
        return False
    finally:
        client.close()
    return True


def _in_sync(copies: int) -> int:
    return max(copies - 1, min(2, copies))


def examine(settings: KafkaSettings) -> list[Finding]:
    """Look at the brokers and the topic; the findings that are not ok can lose events or break their order.

    A topic that has ended is named, and the one that the log is on is looked at.
    """
    named, settings = settings, live(settings, patience_ms=10_000)
    end = end_of(settings)
    client = admin(settings, request_timeout_ms=_PATIENCE_MS)
    try:
        cluster = client.describe_cluster()
        topics = client.describe_topics()
        topic = next((each for each in topics if each["name"] == settings.topic), None)
        if topic is None or topic["error_code"] != 0:
            missing = Finding(False, f"topic {settings.topic}", "missing", "nothing to relay to", "ledger topic create")
            return [missing]
        values = _values(client, ConfigResourceType.TOPIC, settings.topic)
        brokers = _of_brokers(client, cluster)
    finally:
        client.close()
    findings = []
    if settings.topic != named.topic:
        words = f"the log has moved to {settings.topic}"
        findings.append(Finding(True, f"topic {named.topic}", words))
    known = _known(cluster, topics)
    findings.append(_away(brokers.keys(), known))
    findings += _topic(settings, values, topic, len(known))
    findings += _accepts(settings, values)
    findings.append(_partitions(settings.topic, len(topic["partitions"]), end.made_with))
    findings.append(_beginning(settings, len(topic["partitions"]), lacks(settings, end)))
    for number, its_values in brokers.items():
        findings += _broker(str(number), its_values)
    return findings


def _values(client: Any, kind: Any, name: str) -> dict[str, str]:
    """Every setting of a topic or a broker."""
    resource = ConfigResource(kind, name)
    resource.configs = None  # kafka-python: None asks for every value
    (found,) = client.describe_configs([resource], config_filter="all").values()
    return {setting: entry["value"] for setting, entry in found[name].items()}


def _of_brokers(client: Any, cluster: Any) -> dict[int, dict[str, str]]:
    """The settings of each broker that answers: one that has just gone is named by the others for some seconds more."""
    found = {}
    for number in sorted(each["broker_id"] for each in cluster["brokers"]):
        try:
            found[number] = _values(client, ConfigResourceType.BROKER, str(number))
        except (KafkaError, OSError) as fault:
            log.warning("a broker does not answer", error=type(fault).__name__)
    return found


def _known(cluster: Any, topics: Any) -> set[int]:
    """The brokers that there are, with those that are away but have a part of some topic."""
    named = {each["broker_id"] for each in cluster["brokers"]}
    return named.union(*(part["replica_nodes"] for each in topics for part in each["partitions"]))


def _away(alive: Collection[int], known: set[int]) -> Finding:
    """How many brokers there are. One that is away loses nothing by itself; what it endangers is found for itself."""
    away = ", ".join(str(each) for each in sorted(known.difference(alive)))
    return Finding(True, "brokers", f"{len(known)}, of which {away} is away" if away else str(len(known)))


def _alter(settings: KafkaSettings) -> str:
    """The command that sets a setting of the topic, up to the setting."""
    client = settings.client()
    secure = "" if client["security_protocol"] == "PLAINTEXT" else " --command-config CLIENT.properties"
    return (
        f"kafka-configs.sh --bootstrap-server {','.join(settings.brokers)}{secure} --alter --entity-type topics "
        f"--entity-name {settings.topic} --add-config"
    )


def _topic(settings: KafkaSettings, values: Mapping[str, str], topic: Any, brokers: int) -> Iterator[Finding]:
    name, alter = settings.topic, _alter(settings)
    for setting, wanted, risk in (
        ("retention.ms", "-1", "events are deleted after that time"),
        ("retention.bytes", "-1", "the oldest events are deleted beyond that size"),
        ("cleanup.policy", "delete", "compaction keeps only the last event of a chart"),
        ("unclean.leader.election.enable", "false", "a replica that is behind may become leader and forget events"),
    ):
        found = values.get(setting, "?")
        yield Finding(found == wanted, f"topic {name}: {setting}", found, risk, f"{alter} {setting}={wanted}")
    partitions = topic["partitions"]
    copies = min(len(p["replica_nodes"]) for p in partitions)
    in_sync = int(values.get("min.insync.replicas", "1"))
    yield Finding(
        copies >= min(3, brokers),
        f"topic {name}: replicas",
        str(copies),
        "a broker's loss loses events",
        f"reassign the partitions to {min(3, brokers)} brokers",
    )
    wanted_sync = _in_sync(copies)
    yield Finding(
        in_sync >= wanted_sync,
        f"topic {name}: min.insync.replicas",
        str(in_sync),
        "an event is acknowledged while only one broker has it",
        f"{alter} min.insync.replicas={wanted_sync}",
    )
    behind = [p["partition_index"] for p in partitions if len(p["isr_nodes"]) < in_sync]
    yield Finding(
        not behind,
        f"topic {name}: replicas in sync",
        "enough" if not behind else f"too few in partitions {behind}",
        "the relay cannot write there",
        "start the missing brokers" if in_sync <= copies else f"{alter} min.insync.replicas={wanted_sync}",
    )


def _accepts(settings: KafkaSettings, values: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the topic takes events of any size and time that the relay brings."""
    size, time = "an event or a batch that is larger is refused", "an event with an earlier or later time is refused"
    for setting, least, risk in (
        ("max.message.bytes", _LEAST_MESSAGE, size),
        ("message.timestamp.before.max.ms", _BEFORE_MS, time),
        ("message.timestamp.after.max.ms", _AFTER_MS, time),
    ):
        found = values.get(setting)
        if found is None:  # brokers before Kafka 3.6 refuse by no time of these names
            continue
        yield Finding(
            int(found) >= least,
            f"topic {settings.topic}: {setting}",
            found,
            f"{risk}, and the relay does not get past it",
            f"{_alter(settings)} {setting}={least}",
        )


def _partitions(name: str, found: int, made_with: int) -> Finding:
    """Whether the count is the one the topic was made with, which each event names; an empty topic may change it."""
    if made_with in (0, found):
        return Finding(True, f"topic {name}: partitions", str(found))
    return Finding(
        False,
        f"topic {name}: partitions",
        f"{found}, made with {made_with}",
        "the relay goes on with those it was made with, and the others stay empty; a consumer that reckons a chart's "
        "partition from their number looks in the wrong one",
        f"ledger relay --to ANOTHER_TOPIC --partitions {found}",
    )


def _beginning(settings: KafkaSettings, partitions: int, lacking: str) -> Finding:
    """Whether the log's beginning is on the topic, as far as that is seen without reading it all."""
    return Finding(
        not lacking,
        f"topic {settings.topic}: beginning",
        lacking or "whole",
        "whoever reads the topic from its beginning, to keep views or to restore, lacks those events",
        f"ledger relay --to ANOTHER_TOPIC --partitions {partitions}",
    )


def _broker(number: str, values: Mapping[str, str]) -> Iterator[Finding]:
    found = values.get("auto.create.topics.enable", "?")
    yield Finding(
        found == "false",
        f"broker {number}: auto.create.topics.enable",
        found,
        "a mistyped topic name makes a topic with settings that lose events",
        "set auto.create.topics.enable=false in the broker's configuration",
    )
    longest = values.get("transaction.max.timeout.ms")
    if longest is not None:
        yield Finding(
            int(longest) >= int(TRANSACTION * 1000),
            f"broker {number}: transaction.max.timeout.ms",
            longest,
            "the relay cannot begin a transaction",
            f"set transaction.max.timeout.ms={int(TRANSACTION * 1000)} or more in the broker's configuration",
        )
    least = values.get("group.min.session.timeout.ms")
    if least is not None:
        yield Finding(
            int(least) <= LONGER_SESSION_MS,
            f"broker {number}: group.min.session.timeout.ms",
            least if int(least) <= SESSION_MS else f"{least}, so another relay takes over some seconds later",
            "relays and projectors cannot join their groups",
            f"set group.min.session.timeout.ms={SESSION_MS} in the broker's configuration",
        )
