"""The recorder on SQLite: one file, one writer at a time, the place in the log given in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import StoredEvent
from sqlalchemy import insert, select

from ledger.clock import Clock, to_text
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.prepared import Prepared
from ledger.store.recorder import EVENTS, LOG_COLUMNS, Recorder, library_errors, values_of

_LAST = Prepared(select(EVENTS.c.position, EVENTS.c.recorded_at).order_by(EVENTS.c.position.desc()).limit(1))
_INSERT = Prepared(insert(EVENTS), LOG_COLUMNS)
#: For writing a whole log: 64 MiB of pages in memory and as much in the write-ahead log, where the indexes' pages would
#: else go to the disk again and again. Commits are as durable as ever.
_BULK = ("PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 16384")


class SQLiteRecorder(Recorder):
    """Append under SQLite's write lock: ``max + 1`` is read and taken in one transaction, so positions are gapless."""

    def __init__(self, engine: Any, clock: Clock) -> None:
        super().__init__(engine)
        self._clock = clock
        self._writing = engine.execution_options(ledger_write=True)

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        rows = self._insert(stored_events)
        if not rows:
            return []
        with library_errors(), self._writing.begin() as connection:
            last: Sequence[Any] | None = _LAST.run(connection).first()
            position, previous = (int(last[0]), str(last[1])) if last is not None else (0, "")
            # The clock is read under the lock, so a later place never has an earlier time.
            recorded_at = max(previous, to_text(self._clock.now()))
            batch = []
            for offset, row in enumerate(rows, start=1):
                values = values_of(row)
                values["position"] = position + offset
                values["recorded_at"] = recorded_at
                values["leaf"] = leaf_of(row, position + offset, recorded_at)
                batch.append(values)
            _INSERT.run_many(connection, batch)
        return range(position + 1, position + len(rows) + 1)

    def restore(self, rows: Sequence[StoredRow]) -> None:
        batch = [
            {**values_of(row), "position": row.position, "recorded_at": row.recorded_at, "leaf": row.leaf}
            for row in rows
        ]
        with library_errors(), self._writing.begin() as connection:
            for pragma in _BULK:
                connection.exec_driver_sql(pragma)
            _INSERT.run_many(connection, batch)

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
