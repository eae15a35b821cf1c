"""Which topic it is: Kafka's own id of it, looked at again in passing.

A topic that was deleted and made anew, or that stands on another Kafka at the same address, has the same name and is
another log: what was sent is not on it, and an offset of the old one means something else. Fetching and sending go by
the name and do not notice.
"""

from __future__ import annotations

import time
from typing import Any

from kafka.errors import KafkaError

from ledger.errors import LedgerError
from ledger.kafka.connection import KafkaSettings, KafkaUnreachable
from ledger.kafka.doctor import admin

#: How long an answer is good for, in seconds, for who has fetched or sent nothing since: how soon one that is quiet
#: notices. Who has fetched asks before it gives anything out, and who has sent before it commits.
READING = 1.0
#: How long brokers may take to answer, in milliseconds.
_PATIENCE_MS = 10_000


class NoTopic(LedgerError):
    """There is no topic of that name."""


class TopicRemade(LedgerError):
    """The topic is not the one that was opened, but another under its name."""


class Identity:
    """The topic as it was when this was made; ``look`` tells whether it is still the same."""

    def __init__(self, settings: KafkaSettings, *, patience_ms: int = _PATIENCE_MS) -> None:
        self._settings = settings
        self._patience_ms = patience_ms
        self._client: Any = None
        self._looked = time.monotonic()
        topic = self._described()
        self.id = str(topic["topic_id"])
        self.partitions = sorted(int(each["partition_index"]) for each in topic["partitions"])

    def look(self, good_for: float = READING) -> None:
        """Raise ``TopicRemade`` when it is another topic by now; asks Kafka unless it has answered so short a time ago.

        Raises ``NoTopic`` when it is gone, and ``KafkaUnreachable`` when no broker answers.
        """
        now = time.monotonic()
        if now - self._looked < good_for:
            return
        found = str(self._described()["topic_id"])
        if found != self.id:
            raise TopicRemade(f"topic {self._settings.topic} is another one than before: it was made anew")
        self._looked = now

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _described(self) -> Any:
        """What Kafka says of the topic; a broker that has gone is no reason while another answers."""
        found = None
        if self._client is not None:
            try:
                found = self._client.describe_topics([self._settings.topic])
            except (KafkaError, OSError):
                self.close()
        if found is None:
            self._client = admin(
                self._settings, request_timeout_ms=self._patience_ms, bootstrap_timeout_ms=self._patience_ms
            )
            try:
                found = self._client.describe_topics([self._settings.topic])
            except (KafkaError, OSError) as fault:
                self.close()
                raise KafkaUnreachable(self._settings, fault) from fault
        topic = next(iter(found), None)
        if topic is None or topic["error_code"] != 0:
            self.close()
            name = self._settings.topic
            raise NoTopic(f"LEDGER_KAFKA_TOPIC: there is no topic {name}; run: ledger topic create")
        return topic
