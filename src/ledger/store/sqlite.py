"""The recorder on SQLite: one file, one writer at a time, the place in the log given in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent
from sqlalchemy import Engine, select

from ledger.clock import Clock, to_text
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import EVENTS, LOG_COLUMNS, Recorder, library_errors, written_of

_LAST = "SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1"
_INSERT = f"INSERT INTO events ({', '.join(LOG_COLUMNS)}) VALUES ({', '.join('?' * len(LOG_COLUMNS))})"  # noqa: S608


class SQLiteRecorder(Recorder):
    """Append under SQLite's write lock: ``max + 1`` is read and taken in one transaction, so positions are gapless."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine)
        self._clock = clock

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        rows = self._insert(stored_events)
        if not rows:
            return
        with library_errors(), self._direct.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            last = cursor.execute(_LAST).fetchone()
            position, previous = last or (0, "")
            # The clock is read under the lock, so a later place never has an earlier time.
            recorded_at = max(previous, to_text(self._clock.now()))
            batch = [
                (*written_of(row), place, recorded_at, leaf_of(row, place, recorded_at))
                for place, row in enumerate(rows, start=position + 1)
            ]
            cursor.executemany(_INSERT, batch)
            cursor.execute("COMMIT")

    def restore(self, rows: Sequence[StoredRow]) -> None:
        batch = [(*written_of(row), row.position, row.recorded_at, row.leaf) for row in rows]
        with library_errors(), self._direct.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(_INSERT, batch)
            cursor.execute("COMMIT")

    def sequence(self) -> int:
        """On SQLite an event has its place from the moment it is committed."""
        return self.head()

    def waiting(self) -> int:
        """None ever wait."""
        return 0

    def passed_over(self, limit: int = 50) -> Sequence[StoredRow]:
        """None: the place is part of the event's own row."""
        return ()

    def _stream_statement(self) -> Any:
        return select(*EVENTS.c)
