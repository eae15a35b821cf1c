"""Sharing work among processes: a consumer group that reads nothing, and only says who has which partitions.

Reading goes by places that are kept elsewhere (with the projection, or on the topic itself), so the group commits no
offsets. A member that falls silent for its session loses its partitions to the others within seconds.

A thread of its own answers the group, whatever the process is doing meanwhile. So the group need not wait long for a
member to join again, which matters: when it is rearranged it waits for every member it knows, and one that was killed
while it was joining is known and never comes. With a minute's patience, work stood still for minutes.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from kafka import KafkaConsumer

from ledger.kafka.connection import KafkaSettings

#: How long a member may be silent before its partitions go to another, and how long the group waits for one to join
#: again, in milliseconds. Brokers refuse a session under 6,000 unless they are told otherwise.
SESSION_MS = 6000
#: How long a process may work without asking for its partitions before it gives them up, in seconds.
STALL = 60.0

_TURN_MS = 50


class Membership:
    """One process's membership of a group on the log's topic."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._consumer: Any = KafkaConsumer(
            settings.topic,
            **settings.client(),
            group_id=group,
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 6,
            max_poll_interval_ms=SESSION_MS,
            auto_offset_reset="latest",
        )
        self._known = threading.Condition()
        self._assigned: frozenset[int] = frozenset()
        self._fault: Exception | None = None
        self._asked = time.monotonic()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._answer, name=f"membership {group}", daemon=True)
        self._thread.start()

    def partitions(self, wait_ms: int) -> frozenset[int]:
        """The partitions that are this member's now; where it has none, it waits a little for the group to settle.

        Raises what the group's coordinator refused the membership with.
        """
        with self._known:
            self._asked = time.monotonic()
            if not self._assigned and self._fault is None:
                self._known.wait(wait_ms / 1000)
            if self._fault is not None:
                raise self._fault
            return self._assigned

    def leave(self) -> None:
        """Give the partitions up at once, so that the others need not wait for the session to end."""
        self._leaving.set()
        self._thread.join()

    def _answer(self) -> None:
        """Poll the group until it is left; the consumer is this thread's alone."""
        try:
            while not self._leaving.is_set():
                if time.monotonic() - self._asked > STALL:
                    # The process is stuck. Without a poll the client leaves the group, until the process asks again.
                    self._tell(frozenset())
                    self._leaving.wait(_TURN_MS / 1000)
                    continue
                self._consumer.poll(timeout_ms=_TURN_MS)
                assigned = self._consumer.assignment()
                if assigned:
                    self._consumer.pause(*assigned)
                self._tell(frozenset(each.partition for each in assigned))
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is the asking process's to hear
            with self._known:
                self._fault = fault
                self._known.notify_all()
        finally:
            self._consumer.close()

    def _tell(self, assigned: frozenset[int]) -> None:
        with self._known:
            if assigned != self._assigned:
                self._assigned = assigned
                self._known.notify_all()
