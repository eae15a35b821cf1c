"""The recorder on SQLite: one file, one writer at a time, the place in the log given in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from ledger.clock import Clock, to_text
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.recorder import EVENTS, LOG_COLUMNS, Recorder, as_librarys, written_of

_LAST = "SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1"
_INSERT = f"INSERT INTO events ({', '.join(LOG_COLUMNS)}) VALUES ({', '.join('?' * len(LOG_COLUMNS))})"  # noqa: S608
#: For writing a whole log: 64 MiB of pages in memory and as much in the write-ahead log, where the indexes' pages would
#: else go to the disk again and again. Commits are as durable as ever.
_BULK = ("PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 16384")


class SQLiteRecorder(Recorder):
    """Append under SQLite's write lock: ``max + 1`` is taken in the transaction that inserts, so positions are gapless.

    Who appended last knows what the next place is, and a single event is then one statement. Where somebody else has
    appended meanwhile the database refuses that place, and it is read under the lock, as for several events.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine)
        self._clock = clock
        self._last: tuple[int, str] | None = None

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        rows = self._insert(stored_events)
        if not rows:
            return
        try:
            with self._direct.cursor() as cursor:
                if len(rows) > 1 or not self._goes_next(cursor, rows):
                    cursor.execute("BEGIN IMMEDIATE")
                    last = self._place(cursor, rows, cursor.execute(_LAST).fetchone() or (0, ""))
                    cursor.execute("COMMIT")
                    self._last = last
        except DBAPIError as fault:
            raise as_librarys(fault) from fault

    def _goes_next(self, cursor: sqlite3.Cursor, rows: Sequence[StoredRow]) -> bool:
        """Insert at the place after the last one we know of; False when that is not the log's next one any more."""
        if self._last is None:
            return False
        try:
            self._last = self._place(cursor, rows, self._last)
        except sqlite3.IntegrityError as fault:
            if not str(fault).startswith("positions are gapless"):
                raise
            return False
        return True

    def _place(self, cursor: sqlite3.Cursor, rows: Sequence[StoredRow], last: tuple[int, str]) -> tuple[int, str]:
        """Insert rows after the last place and its time; returns the last of theirs.

        The clock is read when ``last`` is known, so a later place never has an earlier time.
        """
        position, previous = last
        recorded_at = max(previous, to_text(self._clock.now()))
        for row in rows:
            position += 1
            leaf = leaf_of(row, position, recorded_at)
            cursor.execute(_INSERT, (*written_of(row), position, recorded_at, leaf))
        return position, recorded_at

    def restore(self, rows: Sequence[StoredRow]) -> None:
        batch = [(*written_of(row), row.position, row.recorded_at, row.leaf) for row in rows]
        try:
            with self._direct.cursor() as cursor:
                for pragma in _BULK:
                    cursor.execute(pragma)
                cursor.execute("BEGIN IMMEDIATE")
                cursor.executemany(_INSERT, batch)
                cursor.execute("COMMIT")
        except DBAPIError as fault:
            raise as_librarys(fault) from fault

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

    def _placed_statement(self) -> tuple[Any, Any]:
        return select(*EVENTS.c), EVENTS.c.position
