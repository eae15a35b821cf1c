"""The library's subscription over our log: an iterator that waits for what comes next.

It looks again every so often; nothing has to tell it that an event was recorded, so nothing that was told can be lost.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription

_BATCH = 500


class PollingSubscription(Subscription[ApplicationRecorder]):
    """Yields every notification after ``gt`` in the order of the log, and waits at its end until it is stopped.

    ``every`` is the number of seconds between two looks at a quiet log. Stopping it, from any thread, ends the wait.
    """

    def __init__(
        self, recorder: ApplicationRecorder, gt: int | None = None, topics: Sequence[str] = (), *, every: float = 0.1
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._every = every
        self._stopped = threading.Event()
        self._waiting: list[Notification] = []

    def stop(self) -> None:
        """End the iteration, and the wait of whoever is in it."""
        super().stop()
        self._stopped.set()

    def __next__(self) -> Notification:
        while not self._stopped.is_set():
            if self._waiting:
                return self._waiting.pop(0)
            found = self._recorder.select_notifications(
                self._last_notification_id or 0, _BATCH, topics=self._topics, inclusive_of_start=False
            )
            if found:
                self._last_notification_id = found[-1].id
                self._waiting.extend(found)
            else:
                self._stopped.wait(self._every)
        raise StopIteration
