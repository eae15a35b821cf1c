"""Moving the log to another topic, with more partitions: a copy from the store, then one transaction that switches.

Each step may be the last before a crash; typed again, the move goes on where it was:

1. The new topic is made, and gets the whole log from the store, in the order of positions, as a relay would send it.
   The relay of the old topic goes on meanwhile, and so do those who read it.
2. The mover takes the old topic over, which fences its relay: nothing more can be sent there. It brings the new topic
   to at least the place where the old one has ended.
3. One transaction on the old topic says in each of its partitions that the log goes on on the new one. Until it is
   committed the old topic is the log, and its relay takes it back; from then on the new one is.

Relays and projectors find the message where they read, and go on there (``docs/decisions/0012-moving-the-log.md``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog
from kafka.errors import KafkaError

from ledger.errors import BadInput, LedgerError
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.doctor import create_topic
from ledger.kafka.place import end_of, live
from ledger.kafka.relay import Fenced, Sender
from ledger.kafka.wire import TopicMoved
from ledger.store.recorder import Recorder

log = structlog.get_logger("ledger.kafka")

#: How often a mover that loses the old topic to its relay again tries, before it says so.
_TRIES = 5
#: How long a topic that was made may take to appear, in seconds.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Moved:
    """What a move came to."""

    source: str
    target: str
    partitions: int
    #: The last position of the topic that has ended.
    position: int
    #: False when it had been moved there before.
    now: bool


def move(
    recorder: Recorder,
    settings: KafkaSettings,
    to: str,
    *,
    partitions: int | None = None,
    replicas: int | None = None,
    batch: int = 1000,
    progress: Callable[[int], None] | None = None,
) -> Moved:
    """Move the log from the topic it is on to ``to``, which is made if it is not there; returns when it has moved."""
    try:
        return _move(recorder, settings, to, partitions, replicas, batch, progress)
    except KafkaError as fault:
        raise LedgerError(
            f"Kafka: {type(fault).__name__}; the log is on one of the two topics, whole; type the move again when the "
            "brokers are well"
        ) from fault


def _move(
    recorder: Recorder,
    settings: KafkaSettings,
    to: str,
    partitions: int | None,
    replicas: int | None,
    batch: int,
    progress: Callable[[int], None] | None,
) -> Moved:
    target = msgspec.structs.replace(settings, topic=to)
    first = end_of(settings).moved
    source = live(settings)
    if source.topic == to:
        if first is None:
            raise BadInput(f"--to: the log is on {to}; name another topic")
        return Moved(settings.topic, to, end_of(target).partitions, first.position, now=False)
    count = _make(target, partitions, replicas)
    for _ in range(_TRIES):
        try:
            return Moved(source.topic, to, count, _switch(recorder, source, target, batch, progress), now=True)
        except Fenced:
            log.warning("move-lost", topic=source.topic)
    raise LedgerError(
        f"the topic {source.topic} was taken back {_TRIES} times while it was to be ended; it is the log as before, "
        f"and {to} has a copy; see that no other move runs, and type it again"
    )


def _make(target: KafkaSettings, partitions: int | None, replicas: int | None) -> int:
    """Make the new topic, or take the one that is there; returns its number of partitions."""
    end = end_of(target)
    if end.moved is not None:
        raise BadInput(f"--to: the topic {target.topic} has ended; choose a name that was not used before")
    if end.partitions == 0:
        if partitions is None:
            raise BadInput(f"--partitions: there is no topic {target.topic} yet; say how many partitions it shall have")
        create_topic(target, partitions, replicas)
        _await(target)
        return partitions
    if partitions not in (None, end.partitions):
        raise BadInput(f"--partitions: the topic {target.topic} has {end.partitions}; choose another name for another")
    return end.partitions


def _await(target: KafkaSettings) -> None:
    """Wait until the brokers have told each other of a topic that was made."""
    until = time.monotonic() + _PATIENCE
    while end_of(target).partitions == 0:
        if time.monotonic() > until:
            raise LedgerError(f"the topic {target.topic} was made and does not appear; see: ledger doctor")
        time.sleep(0.1)


def _switch(
    recorder: Recorder,
    source: KafkaSettings,
    target: KafkaSettings,
    batch: int,
    progress: Callable[[int], None] | None,
) -> int:
    """Copy, take the old topic over, end it; returns its last position. Raises ``Fenced`` when a relay was faster."""
    copying = Sender(recorder, target, batch=batch)
    try:
        copying.send_until(recorder.sequence(), progress)
        ending = Sender(recorder, source, to_end_it=True)
        try:
            copying.send_until(ending.position, progress)
            ending.end_topic(target.topic)
        finally:
            ending.close()
    except TopicMoved as moved:  # by another move
        if moved.to != target.topic:
            raise LedgerError(f"the log has been moved to the topic {moved.to} meanwhile, and stays there") from moved
        return moved.position
    finally:
        copying.close()
    log.info("log-moved", topic=target.topic, position=ending.position)
    return ending.position
