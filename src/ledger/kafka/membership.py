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
from kafka.errors import InvalidSessionTimeoutError, KafkaError

from ledger.kafka.connection import KafkaSettings

log = structlog.get_logger()

#: How long a member may be silent before its partitions go to another, in milliseconds: what is asked for, and
#: what where the broker refuses that: less than 6,000 unless its ``group.min.session.timeout.ms`` says otherwise.
SESSION_MS, LONGER_SESSION_MS = 4000, 6000
#: How often a member says that it is there, and is told that the group is being rearranged, in milliseconds.
HEARTBEAT_MS = 500
#: How long a poll sleeps at most before it does what a heartbeat has told it, in milliseconds.
RETRY_MS = 100
#: How long the group waits for a living member to join again, in milliseconds.
REJOIN_MS = 10_000
#: How long a process may work without asking for its partitions before it gives them up, in seconds. A projector's turn
#: is a transaction of its database, which may be long; nothing is wrong with the one that takes over meanwhile.
STALL = 60.0

#: A poll outlasts a rearrangement of the group, so that no join ends between two polls but by rare chance. A process
#: that is stuck is found out at the end of one.
POLL_MS = 5_000
_AGAIN = 0.5


class Membership:
    """One process's membership of a group on the log's topic. ``stall`` is how long it may work without asking."""

    def __init__(self, settings: KafkaSettings, group: str, *, stall: float | None = None) -> None:
        self._settings, self._group = settings, group
        self._stall = STALL if stall is None else stall
        self.session_ms = SESSION_MS
        self._consumer = self._join(SESSION_MS)
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
            consumer = self._consumer
            self._known.notify_all()
        consumer.close()
        self._thread.join()

    def assigned(self, partitions: Iterable[int]) -> None:
        """The group has given this member these partitions, and no others."""
        with self._known:
            self._assigned = frozenset(partitions)
            self._known.notify_all()

    def _join(self, session_ms: int) -> Any:
        self.session_ms = session_ms
        return KafkaConsumer(
            **self._settings.client(),
            group_id=self._group,
            enable_auto_commit=False,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=min(HEARTBEAT_MS, session_ms // 6),
            max_poll_interval_ms=REJOIN_MS,
            retry_backoff_ms=RETRY_MS,
            auto_offset_reset="latest",
        )

    def _answer(self) -> None:
        """Poll the group until it is left; but for leaving, the consumer is this thread's alone."""
        subscribed = False
        while not self._leaving:
            try:
                if self._stuck():
                    log.warning("membership-stalled", seconds=self._stall)
                    self._consumer.unsubscribe()  # leaves the group
                    subscribed = False
                    self.assigned(())
                    self._wait_until_asked()
                    continue
                if not subscribed:
                    self._consumer.subscribe([self._topic], listener=_Listener(self, self._consumer))
                    subscribed = True
                self._consumer.poll(timeout_ms=min(POLL_MS, int(self._stall * 1000)))
            except InvalidSessionTimeoutError as fault:
                if self._leaving or self.session_ms >= LONGER_SESSION_MS:
                    self._fail(fault)
                    return
                log.info("membership-longer-session", milliseconds=LONGER_SESSION_MS)
                self._replace(self._join(LONGER_SESSION_MS))
                subscribed = False
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

    def _replace(self, consumer: Any) -> None:
        """Go on with another consumer; of the two, ``leave`` closes the one that it finds."""
        with self._known:
            before, self._consumer = self._consumer, consumer
            leaving = self._leaving
        (consumer if leaving else before).close()

    def _stuck(self) -> bool:
        return time.monotonic() - self._asked > self._stall

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
