"""Sharing work among processes: a consumer group that reads nothing, and only says who has which partitions.

Reading goes by places that are kept elsewhere (with the projection, or on the topic itself), so the group commits no
offsets. A member that falls silent for its session loses its partitions to the others within seconds.

A thread of its own answers the group, whatever the process is doing meanwhile, and in long polls. With short ones the
client throws a join away that ends between two polls, and joins again: the whole group is then rearranged once more,
and with busy members it never comes to rest. Members killed while they join are waited for through one or two sessions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.errors import KafkaError

from ledger.kafka.connection import KafkaSettings

log = structlog.get_logger()

#: How long a member may be silent before its partitions go to another, in milliseconds. Brokers refuse a session under
#: 6,000 unless they are told otherwise.
SESSION_MS = 6000
#: How long the group waits for a living member to join again, in milliseconds.
REJOIN_MS = 10_000
#: How long a process may work without asking for its partitions before it gives them up, in seconds.
STALL = 60.0

#: A poll outlasts a rearrangement of the group, so that no join ends between two polls but by rare chance.
_POLL_MS = 10_000
_AGAIN = 0.5


class Membership:
    """One process's membership of a group on the log's topic."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._consumer: Any = KafkaConsumer(
            **settings.client(),
            group_id=group,
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 6,
            max_poll_interval_ms=REJOIN_MS,
            auto_offset_reset="latest",
        )
        self._topic = settings.topic
        self._known = threading.Condition()
        self._assigned: frozenset[int] = frozenset()
        self._fault: Exception | None = None
        self._asked = time.monotonic()
        self._leaving = False
        self._thread = threading.Thread(target=self._answer, name=f"membership {group}", daemon=True)
        self._thread.start()

    def partitions(self, wait_ms: int) -> frozenset[int]:
        """The partitions that are this member's now; where it has none, it waits a little for the group to settle.

        While the group is being rearranged they are those of before: who reads or sends is checked where it matters, at
        the place and by the transactional id. Raises what the group's coordinator refused the membership with.
        """
        with self._known:
            self._asked = time.monotonic()
            self._known.notify_all()
            self._known.wait_for(lambda: self._assigned or self._fault is not None, wait_ms / 1000)
            if self._fault is not None:
                raise self._fault
            return self._assigned

    def leave(self) -> None:
        """Give the partitions up at once, so that the others need not wait for the session to end."""
        with self._known:
            self._leaving = True
            self._known.notify_all()
        self._consumer.close()
        self._thread.join()

    def assigned(self, partitions: Iterable[int]) -> None:
        """The group has given this member these partitions, and no others."""
        with self._known:
            self._assigned = frozenset(partitions)
            self._known.notify_all()

    def _answer(self) -> None:
        """Poll the group until it is left; but for leaving, the consumer is this thread's alone."""
        subscribed = False
        while not self._leaving:
            try:
                if self._stuck():
                    log.warning("membership-stalled", seconds=STALL)
                    self._consumer.unsubscribe()  # leaves the group
                    subscribed = False
                    self.assigned(())
                    self._wait_until_asked()
                    continue
                if not subscribed:
                    self._consumer.subscribe([self._topic], listener=_Listener(self, self._consumer))
                    subscribed = True
                self._consumer.poll(timeout_ms=min(_POLL_MS, int(STALL * 1000)))
            except KafkaError as fault:
                if self._leaving:
                    return
                if not getattr(fault, "retriable", False):
                    self._fail(fault)
                    return
                log.warning("membership-waits", error=type(fault).__name__)
                time.sleep(_AGAIN)
            except Exception as fault:  # noqa: BLE001 - whatever it is, it is the asking process's to hear
                if not self._leaving:
                    self._fail(fault)
                return

    def _stuck(self) -> bool:
        return time.monotonic() - self._asked > STALL

    def _wait_until_asked(self) -> None:
        with self._known:
            self._known.wait_for(lambda: self._leaving or not self._stuck())

    def _fail(self, fault: Exception) -> None:
        with self._known:
            self._fault = fault
            self._known.notify_all()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Hears what the group gives and takes, in the middle of a poll."""

    def __init__(self, membership: Membership, consumer: Any) -> None:
        self._membership = membership
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """The group is being rearranged: they stay this member's until others are assigned."""

    def on_partitions_assigned(self, assigned: set[Any]) -> None:
        """The group has come to rest."""
        if assigned:
            self._consumer.pause(*assigned)  # nothing is read here
        self._membership.assigned(each.partition for each in assigned)

    def on_partitions_lost(self, lost: set[Any]) -> None:
        """The group has gone on without this member."""
        self._membership.assigned(())
