"""Somebody who owns a broker's disk changes the segment files of a stopped broker: verify --against-kafka names it.

The checksums of the record batches are made right again, so that Kafka itself finds nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crc32c import crc32c
from deploy.stack.brokers import Cluster
from tests.kafka.conftest import jars

from ledger.kafka.compare import Comparison, compare
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.store.recorder import Recorder

#: Where a record batch (magic 2) has its length, its checksum, and what the checksum is over.
_LENGTH, _CHECKSUM, _COVERED = slice(8, 12), slice(17, 21), 21
#: The bytes before the length counts.
_BEFORE = 12


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker of its own, to be stopped and done harm to."""
    cluster = Cluster(tmp_path_factory.mktemp("tampered"), jars(), heap="384m")
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def kept(own: Cluster, month: Recorder, tmp_path_factory: pytest.TempPathFactory) -> tuple[KafkaSettings, Path]:
    """The whole log on a topic of that broker, and its folder as it was when the broker had stopped."""
    from ledger.kafka.relay import Sender

    settings = KafkaSettings(brokers=tuple(own.bootstrap.split(",")), topic="ledger.events")
    create_topic(settings, 1)
    sender = Sender(month, settings, batch=40)
    while sender.send_batch():
        pass
    sender.close()
    assert compare(month, settings).equal
    own.stop()
    copy = tmp_path_factory.mktemp("as-it-was") / "data"
    shutil.copytree(own.brokers[0].folder / "data", copy)
    return settings, copy


def batches(content: bytes) -> list[bytes]:
    """The record batches of a segment file."""
    found, at = [], 0
    while at < len(content):
        end = at + _BEFORE + int.from_bytes(content[at:][_LENGTH], "big")
        found.append(content[at:end])
        at = end
    return found


def with_checksum(batch: bytes) -> bytes:
    return batch[:17] + crc32c(batch[_COVERED:]).to_bytes(4, "big") + batch[21:]


def at_offset(batch: bytes, offset: int) -> bytes:
    return offset.to_bytes(8, "big") + batch[8:]


def offset_of(batch: bytes) -> int:
    return int.from_bytes(batch[:8], "big")


def reworded(found: list[bytes]) -> list[bytes]:
    """Another word in the content of an event, as long as the one before."""
    number = next(n for n, batch in enumerate(found) if b'"reason":"' in batch)
    return [
        *found[:number],
        with_checksum(found[number].replace(b'"reason":"', b'"reaSon":"', 1)),
        *found[number + 1 :],
    ]


def of_another_time(found: list[bytes]) -> list[bytes]:
    """The year that an event claims to have occurred in, in its header."""
    number = next(n for n, batch in enumerate(found) if b"\x0ece_time" in batch or b"ce_time" in batch)
    at = found[number].index(b"ce_time")
    batch = found[number][:at] + found[number][at:].replace(b"20", b"19", 1)
    return [*found[:number], with_checksum(batch), *found[number + 1 :]]


def cut_off(found: list[bytes]) -> list[bytes]:
    return found[: len(found) // 2]


def swapped(found: list[bytes]) -> list[bytes]:
    """Two transactions' events in each other's place: the first and the third batch, where markers lie between."""
    events = [number for number, batch in enumerate(found) if len(batch) > 500]
    one, other = events[0], events[1]
    swap = dict(enumerate(found))
    swap[one], swap[other] = (
        at_offset(found[other], offset_of(found[one])),
        at_offset(found[one], offset_of(found[other])),
    )
    return [swap[number] for number in range(len(found))]


ATTACKS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "another word": (reworded, "content"),
    "another time": (of_another_time, "content"),
    "the tail cut off": (cut_off, "missing"),
    "two transactions in each other's place": (swapped, "order"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_done_to_the_segments_is_named(
    attack: str, own: Cluster, kept: tuple[KafkaSettings, Path], month: Recorder
) -> None:
    change, kind = ATTACKS[attack]
    found = after(own, kept, month, change)
    assert not found.equal
    assert found.counts[kind] > 0, found.counts
    assert all(each.position > 0 for each in found.differences)


def test_the_same_broker_untouched_raises_no_alarm(
    own: Cluster, kept: tuple[KafkaSettings, Path], month: Recorder
) -> None:
    assert after(own, kept, month, lambda found: found).equal


def after(
    own: Cluster, kept: tuple[KafkaSettings, Path], month: Recorder, change: Callable[[list[bytes]], list[bytes]]
) -> Comparison:
    """Change the segments of a stopped broker, start it, and compare."""
    settings, copy = kept
    (broker,) = own.brokers
    own.stop()
    shutil.rmtree(broker.folder / "data")
    shutil.copytree(copy, broker.folder / "data")
    folder = broker.folder / "data" / f"{settings.topic}-0"
    where = [(segment, batch) for segment in sorted(folder.glob("*.log")) for batch in batches(segment.read_bytes())]
    changed = change([batch for _, batch in where])
    for segment in {segment for segment, _ in where}:
        segment.write_bytes(b"")
    for (segment, _), batch in zip(where, changed, strict=False):
        with segment.open("ab") as file:
            file.write(batch)
    if changed != [batch for _, batch in where]:
        for index in (*folder.glob("*.index"), *folder.glob("*.timeindex"), *folder.glob("*.snapshot")):
            index.unlink()
        for clean in (broker.folder / "data").glob(".kafka_cleanshutdown"):
            clean.unlink()  # so that the broker reads the segments again, as after a crash
    own.start_broker(broker)
    return compare(month, settings)
