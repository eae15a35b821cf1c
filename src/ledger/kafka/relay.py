"""The relay: brings every event of the store to the topic, once and in order, whatever dies.

One relay is active. Which one is Kafka's to say: relays join a consumer group on the topic, and the one that is given
partition 0 is active; when it falls silent, the group gives the partition to one that stands by. Becoming active takes
over the transactional id, which fences the one before: if it still believes itself active, its transaction fails.

Events go in the order of their positions, a batch a transaction; so what is committed on the topic is always a prefix
of the log, and the place is found again from the topic itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, ProducerFencedError

from ledger.errors import LedgerError
from ledger.kafka.connection import KafkaSettings
from ledger.kafka.membership import Membership
from ledger.kafka.place import last_position
from ledger.kafka.wire import to_message
from ledger.store.recorder import Recorder

log = structlog.get_logger("ledger.kafka")

#: Relays of one topic share this transactional id and this group, so that Kafka can fence and choose among them.
RELAY = "ledger-relay"


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
    """The active relay's producer: owns the transactional id until somebody else takes it."""

    def __init__(self, recorder: Recorder, settings: KafkaSettings, *, batch: int = 1000) -> None:
        self._recorder = recorder
        self._settings = settings
        self._batch = batch
        self._producer: Any = KafkaProducer(
            **settings.client(),
            transactional_id=f"{RELAY}-{settings.topic}",
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
            batch_size=256 * 1024,
            max_request_size=4 * 1024 * 1024,
            transaction_timeout_ms=60_000,
        )
        try:
            self._producer.init_transactions()
            # Only now is nobody else able to commit; what is on the topic now is what will stay.
            self.position = last_position(settings)
        except BaseException:
            self.close()
            raise

    def send_batch(self) -> int:
        """Send the next events in one transaction; returns how many. Raises ``Fenced`` when another has taken over."""
        rows = self._recorder.read_log(self.position, self._batch)
        if not rows:
            return 0
        try:
            self._producer.begin_transaction()
            sent = []
            for row in rows:
                message = to_message(row)
                sent.append(
                    self._producer.send(
                        self._settings.topic,
                        value=message.value,
                        key=message.key,
                        headers=message.headers,
                        timestamp_ms=message.timestamp_ms,
                    )
                )
            self._producer.commit_transaction()
        except KafkaError as fault:
            # Which call is the first to hear of it, and whether as the error or inside another, is a matter of time.
            if isinstance(fault, ProducerFencedError) or any(isinstance(a, ProducerFencedError) for a in fault.args):
                raise Fenced("another relay has taken over this topic") from fault
            raise
        for future in sent:
            future.get(timeout=0)  # the commit has flushed them; a failed one would raise here
        self.position = rows[-1].position
        return len(rows)

    def close(self) -> None:
        self._producer.close(timeout=2)


class Relay:
    """Stands by until it is chosen, then sends until it is stopped or fenced."""

    def __init__(self, recorder: Recorder, settings: KafkaSettings, *, batch: int = 1000, idle: float = 0.05) -> None:
        self._recorder = recorder
        self._settings = settings
        self._batch = batch
        self._idle = idle
        self.state = RelayState()

    def current(self) -> RelayState:
        """What this relay knows of itself now."""
        return self.state

    def run(self, stop: threading.Event, on_change: Callable[[RelayState], None] | None = None) -> None:
        """Relay until ``stop`` is set."""
        election = Membership(self._settings, f"{RELAY}-{self._settings.topic}")
        sender: Sender | None = None
        sent = 0
        try:
            while not stop.is_set():
                # Quiet relays give the group time to settle; one that sends looks in passing.
                chosen = 0 in election.partitions(wait_ms=1 if sent else 200)
                if chosen and sender is None:
                    try:
                        sender = self._take_over()
                    except KafkaError as fault:  # the one before may still be ending its transaction: try again
                        log.warning("relay-waits", error=type(fault).__name__)
                elif not chosen and sender is not None:
                    sender.close()
                    sender = None
                self.state.active = sender is not None
                sent = 0
                if sender is not None:
                    try:
                        sent = self._send(sender)
                    except (Fenced, KafkaError) as fault:
                        log.warning("relay-lost", error=type(fault).__name__, position=sender.position)
                        sender.close()
                        sender = None
                        self.state.active = False
                if on_change is not None:
                    on_change(self.state)
                if sent == 0:
                    stop.wait(self._idle)
        finally:
            if sender is not None:
                sender.close()
            election.leave()

    def _take_over(self) -> Sender:
        sender = Sender(self._recorder, self._settings, batch=self._batch)
        self.state.takeovers += 1
        self.state.position = sender.position
        log.info("relay-active", position=sender.position)
        return sender

    def _send(self, sender: Sender) -> int:
        self.state.head = self._recorder.sequence()
        sent = sender.send_batch() if self.state.head > sender.position else 0
        self.state.position = sender.position
        self.state.sent += sent
        return sent
