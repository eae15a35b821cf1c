"""The relay: brings every event of the store to the topic, once and in order, whatever dies.

One relay is active. Which one is Kafka's to say: relays join a consumer group on the topic, and the one that is given
partition 0 is active; when it falls silent, the group gives the partition to one that stands by. Becoming active takes
over the transactional id, which fences the one before: if it still believes itself active, its transaction fails.

Events go in the order of their positions, a batch a transaction; so what is committed on the topic is always a prefix
of the log, and the place is found again from the topic itself. When the log has moved to another topic, the relay finds
that where it would have found its place, and goes on there. Where the topic was made anew, it begins anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, ProducerFencedError

from ledger.errors import IntegrityFault, LedgerError
from ledger.kafka.connection import KafkaSettings, KafkaUnreachable
from ledger.kafka.doctor import TRANSACTION
from ledger.kafka.identity import READING, Identity, NoTopic, TopicRemade
from ledger.kafka.membership import Membership
from ledger.kafka.outage import Outage
from ledger.kafka.place import End, end_of, lacks
from ledger.kafka.wire import Message, TopicMoved, moved_message, sound_message
from ledger.store.database import check_store
from ledger.store.recorder import Recorder

log = structlog.get_logger("ledger.kafka")

#: Relays of one topic share this transactional id and this group, so that Kafka can fence and choose among them.
RELAY = "ledger-relay"


#: For how long a relay that was fenced and is still chosen lets the other be, in seconds: a move takes the topic over
#: only to end it. Often enough to look meanwhile whether it has ended.
GIVES_WAY = 5.0
_LOOK = 0.5
#: How long brokers may take to say which topic it is, in seconds, until another of them is asked for as long again.
_SAYS_WHICH = 5.0
#: How long a relay may be stuck before it gives its place up, in seconds: in a database that does not answer, say. What
#: a transaction may rightly wait for: ``_ANSWERS``, and two brokers that do not say which topic it is.
STUCK = 25.0
#: How often a relay with nothing to do looks whether it is chosen and whether there is something, in seconds.
IDLE = 0.05
#: What is left to a takeover for its work, in milliseconds, beside what it waits for by the settings of the group: two
#: rounds with the group, the fencing, the end of the transaction that was open, and where the topic ends.
TAKES_OVER_MS = 3000
#: How often a relay that stands by asks Kafka whether it is there, and how long it waits for the answer, in seconds.
STANDS_BY, _PATIENT = 2.0, 3.0
#: How long after it has sent something a relay looks at the store more often, and how often then, in seconds.
_BUSY, _LULL = 2.0, 0.005
#: How long brokers may take to say that they have a transaction's messages, in seconds; it is given up then.
_ANSWERS = 15.0


class Fenced(LedgerError):
    """Another relay has taken over; this one must not send any more."""


@dataclass
class RelayState:
    """What a relay knows of itself, for metrics and status."""

    active: bool = False
    position: int = 0
    head: int = 0
    sent: int = 0
    takeovers: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def lag(self) -> int:
        return max(0, self.head - self.position)


class Sender:
    """The active relay's producer: owns the transactional id until somebody else takes it.

    Making one raises ``TopicMoved`` when the topic has ended, and ``IntegrityFault`` when it holds another log, or
    lacks the beginning of this one and is not to be ended. ``TopicRemade`` says later that it was made anew.
    """

    def __init__(
        self, recorder: Recorder, settings: KafkaSettings, *, batch: int = 1000, to_end_it: bool = False
    ) -> None:
        self._recorder = recorder
        self._settings = settings
        self._batch = batch
        self._producer: Any = KafkaProducer(
            **settings.client(),
            transactional_id=f"{RELAY}-{settings.topic}",
            enable_idempotence=True,
            acks="all",
            # A commit sends what is waiting; until then a moment's waiting fills no batch that is worth it.
            linger_ms=1,
            # The broker ends a transaction a moment after it has said so, and refuses the next one until then.
            retry_backoff_ms=10,
            batch_size=256 * 1024,
            max_request_size=4 * 1024 * 1024,
            transaction_timeout_ms=int(TRANSACTION * 1000),
            max_block_ms=30_000,
        )
        self._topic: Identity | None = None
        try:
            self._producer.init_transactions()
            self._topic = Identity(settings, patience_ms=int(_SAYS_WHICH * 1000))
            # Only now is nobody else able to commit; what is on the topic now is what will stay.
            end = end_of(settings)
            if end.moved is not None:
                raise end.moved
            check_same_log(recorder, settings, end)
            if not to_end_it:
                check_beginning(settings, end)
            self.position = end.position
            #: The count that says where a key's events are: of the topic as it was made, not as it may be by now.
            self.partitions = end.made_with or end.partitions
        except BaseException:
            self.close()
            raise

    def send_batch(self) -> int:
        """Send the next events in one transaction; returns how many. Raises ``Fenced`` when another has taken over.

        Raises ``IntegrityFault`` at an event that is not what was recorded, or is missing; those before it are sent.
        """
        messages = self._sound_messages()
        if not messages:
            return 0
        with self._transaction():
            sent = [
                self._producer.send(
                    self._settings.topic,
                    value=message.value,
                    key=message.key,
                    headers=message.headers,
                    partition=message.partition,
                    timestamp_ms=message.timestamp_ms,
                )
                for message in messages
            ]
        for future in sent:
            future.get(timeout=0)  # the commit has flushed them; a failed one would raise here
        self.position += len(messages)
        return len(messages)

    def _sound_messages(self) -> list[Message]:
        """The next events, each held against its leaf hash and its place, as far as the first that does not hold.

        They are all made before the transaction begins, so that none stays open over a fault.
        """
        messages: list[Message] = []
        due = self.position
        try:
            for row in self._recorder.read_log(self.position, self._batch):
                due += 1
                if row.position != due:
                    raise IntegrityFault(
                        f"log position {due} is missing from the store: {row.event_id} follows at {row.position}; "
                        "compare with a backup, and run: ledger verify"
                    )
                messages.append(sound_message(row, self.partitions))
        except IntegrityFault:
            if not messages:
                raise
        return messages

    def send_until(self, position: int, progress: Callable[[int], None] | None = None) -> None:
        """Send until the topic has everything up to a position of the store."""
        while self.position < position:
            sent = self.send_batch()
            if progress is not None:
                progress(sent)

    def end_topic(self, to: str) -> None:
        """End the topic: say in every partition, in one transaction, on which topic the log goes on.

        Raises ``Fenced`` when another has taken over; nothing is said then.
        """
        value, headers = moved_message(to, self.position)
        with self._transaction():
            for partition in sorted(self._producer.partitions_for(self._settings.topic)):
                self._producer.send(self._settings.topic, value=value, headers=headers, partition=partition)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._producer.begin_transaction()
            yield
            self._producer.flush(timeout=_ANSWERS)  # a commit would wait for a broker that is away without an end
            self.look(good_for=0.0)  # what was sent went to the topic that was taken over
            self._producer.commit_transaction()
        except KafkaError as fault:
            # Which call is the first to hear of it, and whether as the error or in the words of another, is a matter of
            # time.
            if ProducerFencedError.__name__ in f"{type(fault).__name__} {fault} {fault.args}":
                raise Fenced("another relay has taken over this topic") from fault
            raise

    def look(self, good_for: float = READING) -> None:
        """Raise ``TopicRemade`` when the topic is another one by now, as far as Kafka's last answer is good for."""
        if self._topic is not None:
            self._topic.look(good_for)

    def close(self) -> None:
        self._producer.close(timeout=2)
        if self._topic is not None:
            self._topic.close()


def check_beginning(settings: KafkaSettings, end: End) -> None:
    """Refuse a topic that lacks earlier events than its last: nothing that is sent behind it makes it whole."""
    if lacking := lacks(settings, end):
        raise IntegrityFault(
            f"topic {settings.topic} lacks events of the log: {lacking}; make a whole topic from the store: "
            f"ledger relay --to ANOTHER_TOPIC --partitions {end.partitions}"
        )


def check_same_log(recorder: Recorder, settings: KafkaSettings, end: End) -> None:
    """Refuse a topic whose last event is not the store's at that position: whatever was sent would make two logs of it.

    So a store that was restored from a backup older than the topic is not relayed: it lacks what the topic has.
    """
    if end.position == 0:
        return
    head = recorder.sequence()
    if head < end.position:
        raise IntegrityFault(
            f"topic {settings.topic} is at position {end.position}, the store only at {head}: it lacks what the topic "
            "has; run: ledger restore --from-kafka"
        )
    (row,) = recorder.read_log(end.position - 1, 1)
    if row.leaf.hex() != end.leaf:
        raise IntegrityFault(
            f"topic {settings.topic}: its event at position {end.position} is not the store's; it is the topic of "
            "another store, or the store was restored from an older backup and written to; "
            "see: ledger verify --against-kafka"
        )


class _Watch:
    """What a relay that stands by knows of its topic: it asks now and then, since it sends nothing."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topic: Identity | None = None

    def look(self) -> None:
        """Raise ``KafkaUnreachable`` when no broker answers, ``NoTopic`` or ``TopicRemade`` when it is not there."""
        if self._topic is None:
            self._topic = Identity(self._settings, patience_ms=int(_PATIENT * 1000))
        self._topic.look(good_for=STANDS_BY)

    def close(self) -> None:
        if self._topic is not None:
            self._topic.close()
            self._topic = None


class Relay:
    """Stands by until it is chosen, then sends until it is stopped or fenced."""

    def __init__(
        self,
        recorder: Recorder,
        settings: KafkaSettings,
        *,
        batch: int = 1000,
        idle: float = IDLE,
        outage: Outage | None = None,
    ) -> None:
        self._recorder = recorder
        self._settings = settings
        self._batch = batch
        self._idle = idle
        self.outage = outage or Outage(lambda: check_store(recorder.engine))
        self.state = RelayState()

    def current(self) -> RelayState:
        """What this relay knows of itself now."""
        return self.state

    def run(self, stop: threading.Event, on_change: Callable[[RelayState], None] | None = None) -> None:
        """Relay until ``stop`` is set, on the topic that the log is on. Raises ``NoTopic`` when there is none yet."""
        Identity(self._settings, patience_ms=int(_SAYS_WHICH * 1000)).close()
        while not stop.is_set():
            try:
                self._run_topic(stop, on_change)
            except TopicMoved as moved:
                log.info("topic-moved", topic=moved.to, position=moved.position)
                self._settings = msgspec.structs.replace(self._settings, topic=moved.to)
            except TopicRemade:
                log.warning("topic-made-anew", topic=self._settings.topic)
            except Exception as fault:  # noqa: BLE001 - what is no outage is raised again
                self.outage.wait(fault, stop)

    def _run_topic(self, stop: threading.Event, on_change: Callable[[RelayState], None] | None) -> None:
        """Relay to one topic; raises ``TopicMoved`` when it has ended."""
        election = Membership(self._settings, f"{RELAY}-{self._settings.topic}", stall=STUCK)
        sender: Sender | None = None
        watch = _Watch(self._settings)
        gives_way_until = busy_until = 0.0
        try:
            while not stop.is_set():
                # One that stands by gives the group time to settle; one that is active looks in passing.
                chosen = 0 in election.partitions(wait_ms=200 if sender is None else 1)
                if time.monotonic() < gives_way_until:
                    self._see_whether_it_ended()
                    stop.wait(_LOOK)
                elif chosen and sender is None:
                    try:
                        sender = self._take_over()
                    except (KafkaError, KafkaUnreachable) as fault:
                        # The one before may still be ending its transaction: try again.
                        log.warning("relay-waits", error=type(fault).__name__)
                        self.outage.noticed(fault)
                elif not chosen and sender is not None:
                    sender.close()
                    sender = None
                self.state.active = sender is not None
                sent = 0
                if sender is not None:
                    try:
                        sent = self._send(sender)
                    except (Fenced, KafkaError, KafkaUnreachable) as fault:
                        log.warning("relay-lost", error=type(fault).__name__, position=sender.position)
                        if isinstance(fault, Fenced):
                            gives_way_until = time.monotonic() + GIVES_WAY
                        else:
                            self.outage.noticed(fault)
                        sender.close()
                        sender = None
                        self.state.active = False
                if sender is not None or (not chosen and self._is_there(watch)):
                    self.outage.over()
                if on_change is not None:
                    on_change(self.state)
                if sent:
                    busy_until = time.monotonic() + _BUSY
                else:
                    stop.wait(self._idle if time.monotonic() > busy_until else _LULL)
        finally:
            self.state.active = False
            watch.close()
            if sender is not None:
                sender.close()
            election.leave()

    def _is_there(self, watch: _Watch) -> bool:
        """Whether Kafka answers one that stands by; when it does not, that is noticed."""
        try:
            watch.look()
        except (KafkaError, KafkaUnreachable, NoTopic) as fault:
            if not self.outage.noticed(fault):
                raise
            return False
        return True

    def _see_whether_it_ended(self) -> None:
        try:
            end = end_of(self._settings)
        except KafkaError as fault:
            log.warning("relay-waits", error=type(fault).__name__)
            return
        if end.moved is not None:
            raise end.moved

    def _take_over(self) -> Sender:
        sender = Sender(self._recorder, self._settings, batch=self._batch)
        self.state.takeovers += 1
        self.state.position = sender.position
        log.info("relay-active", position=sender.position)
        return sender

    def _send(self, sender: Sender) -> int:
        self.state.head = self._recorder.sequence()
        sender.look()
        sent = sender.send_batch() if self.state.head > sender.position else 0
        self.state.position = sender.position
        self.state.sent += sent
        return sent
