"""Sharing work among processes: a consumer group that reads nothing, and only says who has which partitions.

Reading goes by places that are kept elsewhere (with the projection, or on the topic itself), so the group commits no
offsets. A member that falls silent for its session loses its partitions to the others within seconds.
"""

from __future__ import annotations

from typing import Any

from kafka import KafkaConsumer

from ledger.kafka.connection import KafkaSettings

#: How long a member may be silent before its partitions go to another, in milliseconds.
SESSION_MS = 6000


class Membership:
    """One process's membership of a group on the log's topic."""

    def __init__(self, settings: KafkaSettings, group: str) -> None:
        self._topic = settings.topic
        self._consumer: Any = KafkaConsumer(
            settings.topic,
            **settings.client(),
            group_id=group,
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 6,
            max_poll_interval_ms=60_000,
            auto_offset_reset="latest",
        )

    def partitions(self, wait_ms: int) -> frozenset[int]:
        """The partitions that are this member's now; waits a little for the group to settle."""
        self._consumer.poll(timeout_ms=wait_ms)
        assigned = self._consumer.assignment()
        if assigned:
            self._consumer.pause(*assigned)
        return frozenset(each.partition for each in assigned)

    def leave(self) -> None:
        """Give the partitions up at once, so that the others need not wait for the session to end."""
        self._consumer.close()
