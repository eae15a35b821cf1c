"""A server that is away: noticed, told, waited for, so that a process that was at work goes on when it is there again.

Only what time mends is waited for: a server that does not answer, or a topic that is gone and may be made again. A
process that never came to work, that was fenced, or that was told of a wrong setting ends with its reason.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import structlog
from kafka.errors import BrokerNotAvailableError, RetriableError

from ledger.kafka.connection import KafkaUnreachable
from ledger.kafka.identity import NoTopic
from ledger.store.database import is_away

log = structlog.get_logger("ledger.kafka")

POSTGRESQL, KAFKA = "PostgreSQL", "Kafka"
#: How long to wait before looking again, in seconds: twice as long each time, up to a bound.
_FIRST, _MOST = 0.1, 5.0


class Outage:
    """What one process knows of servers that are away. ``check`` looks whether the database is there, and as it was."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._pause = _FIRST
        self._since = 0.0
        self._worked = False
        #: The server that is away now; empty when all are there.
        self.away = ""
        #: How often each has been away.
        self.counts: Counter[str] = Counter()
        #: Told again and again which server is away, while it is.
        self.told: Callable[[str], None] = lambda _: None

    def over(self) -> None:
        """The process is at work: every server it needs has answered."""
        self._worked, self._pause = True, _FIRST
        if self.away:
            log.warning(f"{self.away.lower()}-is-back", seconds=round(time.monotonic() - self._since, 1))
            self.away = ""

    def noticed(self, fault: Exception) -> bool:
        """Whether a fault says that a server is away, which is told then."""
        server = _server_of(fault)
        if server is None:
            return False
        if server != self.away:
            self.away, self._since = server, time.monotonic()
            self.counts[server] += 1
            log.warning(f"{server.lower()}-is-away", error=type(fault.__cause__ or fault).__name__)
        self.told(server)
        return True

    def wait(self, fault: Exception, stop: threading.Event) -> None:
        """Wait a while, or until the database answers; raises a fault that no waiting mends."""
        if not (self._worked and self.noticed(fault)):
            raise fault
        while not stop.wait(self._pause):
            self._pause = min(2 * self._pause, _MOST)
            if self.away == KAFKA:
                return  # whoever goes on looks for it
            try:
                self._check()
                return
            except Exception as again:
                if not self.noticed(again):
                    raise


def _server_of(fault: Exception) -> str | None:
    if is_away(fault):
        return POSTGRESQL
    cause = fault.__cause__ if isinstance(fault, KafkaUnreachable) else fault
    away = (RetriableError, BrokerNotAvailableError, ConnectionError, TimeoutError, NoTopic)
    return KAFKA if isinstance(cause, away) else None
