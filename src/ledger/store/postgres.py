"""The recorder on PostgreSQL: writers only INSERT and share the fsync; a sequencer gives the places afterwards.

Each row carries the id of the transaction that wrote it. The sequencer reads the rows of transactions that every
present and future snapshot sees as ended (``xid < pg_snapshot_xmin``), in the order (xid, ticket), and writes their
places into a second insert-only table. A transaction that commits late is waited for by construction: while it runs,
nothing at or after its xid is given a place (``docs/decisions/0002-order.md``).

Transaction ids belong to one server. A dump restored into another brings rows whose ids the new server has not reached;
``begin_era`` then makes the order (era, xid, ticket) go on, and until it has, nothing is written or given a place.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import structlog
from eventsourcing.persistence import StoredEvent
from sqlalchemy import Connection, Engine, column, insert, select, table, text

from ledger.clock import Clock, to_text
from ledger.errors import IntegrityFault, LedgerError
from ledger.store.envelope import StoredRow, leaf_of
from ledger.store.prepared import Prepared
from ledger.store.recorder import EVENT_COLUMNS, EVENTS, LOG_COLUMNS, Recorder, library_errors, row_of, values_of

_EVENTS = table("events", *(column(name) for name in (*EVENT_COLUMNS, "written_at", "ticket", "xid")))
_LOG_ORDER = table("log_order", *(column(name) for name in ("position", "ticket", "recorded_at", "leaf")))

_INSERT = Prepared(insert(_EVENTS), (*EVENT_COLUMNS, "written_at"))

#: One sequencer at a time: the key of the advisory lock it holds for a transaction.
SEQUENCER_LOCK = 0x6C656467
_BATCH = 1000
#: How long a role that may not give places waits for the sequencer to give them, in seconds, and how often it looks.
PATIENCE = 2.0
_LOOK = 0.01

log = structlog.get_logger("ledger.store")

_LAST = text(
    "SELECT o.position, o.recorded_at, e.era, CAST(e.xid AS text), e.ticket "
    "FROM log_order o JOIN events e USING (ticket) ORDER BY o.position DESC LIMIT 1"
)
#: Rows of earlier eras came out of a dump, so their transactions have all ended.
_ENDED = text(
    f"SELECT {', '.join('e.' + name for name in EVENT_COLUMNS)}, 0, e.written_at, ''::bytea, e.ticket "  # noqa: S608
    "FROM events e WHERE (e.era, e.xid, e.ticket) > (:era, CAST(:xid AS xid8), :ticket) "
    "AND (e.era < :current OR e.xid < pg_snapshot_xmin(pg_current_snapshot())) "
    "ORDER BY e.era, e.xid, e.ticket LIMIT :limit"
)
#: The era, and whether it holds a transaction id that this server has not given out.
_ERA = text(
    "SELECT d.era, coalesce((SELECT e.xid >= pg_snapshot_xmax(pg_current_snapshot()) FROM events e "
    "WHERE e.era = d.era ORDER BY e.xid DESC LIMIT 1), false) FROM "
    "(SELECT CAST(pg_get_expr(adbin, adrelid) AS integer) AS era FROM pg_attrdef JOIN pg_attribute "
    "ON attrelid = adrelid AND attnum = adnum WHERE adrelid = 'events'::regclass AND attname = 'era') d"
)
_WAITING = text("SELECT count(*) FROM events WHERE (era, xid, ticket) > (:era, CAST(:xid AS xid8), :ticket)")
_PASSED_OVER = (
    "SELECT {columns}, 0, '', ''::bytea FROM events e LEFT JOIN log_order o USING (ticket), "
    "(SELECT e.era, e.xid, e.ticket FROM log_order o JOIN events e USING (ticket) "
    "ORDER BY o.position DESC LIMIT 1) last "
    "WHERE o.ticket IS NULL AND (e.era, e.xid, e.ticket) < (last.era, last.xid, last.ticket) "
    "ORDER BY e.era, e.xid, e.ticket LIMIT :limit"
)

_WRITTEN = ", ".join(EVENT_COLUMNS)
_RESTORED = "CREATE TEMPORARY TABLE restored (LIKE log) ON COMMIT DROP"
#: The tickets come from the rows that are written, not from a look into all there are: a batch costs the same anywhere.
_RESTORE = (
    f"WITH written AS (INSERT INTO events ({_WRITTEN}, written_at) "  # noqa: S608 - names of columns, our own
    f"SELECT {_WRITTEN}, recorded_at FROM restored ORDER BY position RETURNING ticket, stream_id, version) "
    "INSERT INTO log_order (position, ticket, recorded_at, leaf) "
    "SELECT r.position, w.ticket, r.recorded_at, r.leaf FROM restored r "
    "JOIN written w USING (stream_id, version) ORDER BY r.position"
)


class PostgresRecorder(Recorder):
    """Append with a single INSERT; the places in the log come from ``sequence``."""

    def __init__(self, engine: Any, clock: Clock) -> None:
        super().__init__(engine)
        self._clock = clock

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        rows = self._insert(stored_events)
        if not rows:
            return
        written_at = to_text(self._clock.now())
        batch = [{**values_of(row), "written_at": written_at} for row in rows]
        with library_errors(), self.engine.begin() as connection:
            _INSERT.run_many(connection, batch)

    def sequence(self) -> int:
        """Give places to every event whose transaction has ended; one sequencer works, others wait their turn.

        A role without the right to give places (``deploy/roles.sql``) waits until the sequencer has placed what is
        committed now. When none does so in time the log's head is the answer all the same: it is right, only older.
        """
        if not self._may_place:
            return self._await_places()
        while True:
            with self.engine.begin() as connection:
                # The lock is a statement of its own: a snapshot taken with it would be older than the lock.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEQUENCER_LOCK})
                head, placed = self._place_batch(connection)
            if placed < _BATCH:
                return head

    @cached_property
    def _may_place(self) -> bool:
        with self.reading() as connection:
            return bool(connection.scalar(text("SELECT has_table_privilege('log_order', 'INSERT')")))

    def _await_places(self) -> int:
        until = time.monotonic() + PATIENCE
        with self.reading() as connection:
            # Places go by this order, so once the last row that we see has its own, all before it have theirs.
            last = connection.scalar(
                text("SELECT ticket FROM events ORDER BY era DESC, xid DESC, ticket DESC LIMIT 1"),
            )
        while last is not None:
            with self.reading() as connection:
                if connection.scalar(text("SELECT 1 FROM log_order WHERE ticket = :ticket"), {"ticket": last}):
                    break
            if time.monotonic() > until:
                log.warning("the sequencer is behind or not running", seconds=PATIENCE)
                break
            time.sleep(_LOOK)
        return self.head()

    def _place_batch(self, connection: Connection) -> tuple[int, int]:
        current = era(connection)
        last = connection.execute(_LAST).first()
        position, previous, *after = last or (0, "", 0, "0", 0)
        found = connection.execute(
            _ENDED, dict(zip(("era", "xid", "ticket"), after, strict=True)) | {"current": current, "limit": _BATCH}
        ).all()
        if not found:
            return position, 0
        batch = []
        for values in found:
            row = row_of(values[: len(LOG_COLUMNS)])
            position += 1
            previous = max(previous, row.recorded_at)  # here still the time its writer wrote it at
            batch.append(
                {
                    "position": position,
                    "ticket": values[-1],
                    "recorded_at": previous,
                    "leaf": leaf_of(row, position, previous),
                }
            )
        connection.execute(insert(_LOG_ORDER), batch)
        return position, len(batch)

    def restore(self, rows: Sequence[StoredRow]) -> None:
        with library_errors(), self.engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEQUENCER_LOCK})
            connection.exec_driver_sql(_RESTORED)
            driver: Any = connection.connection.dbapi_connection
            columns = ", ".join(LOG_COLUMNS)
            with driver.cursor() as cursor, cursor.copy(f"COPY restored ({columns}) FROM STDIN") as copy:
                for row in rows:
                    values = {**values_of(row), "position": row.position, "recorded_at": row.recorded_at}
                    values["leaf"] = row.leaf
                    copy.write_row([values[name] for name in LOG_COLUMNS])
            connection.exec_driver_sql(_RESTORE)

    def waiting(self) -> int:
        """How many committed events have no place yet (a long-running writer delays them, never breaks the order)."""
        with self.reading() as connection:
            last = connection.execute(_LAST).first()
            after = dict(zip(("era", "xid", "ticket"), last[2:] if last else (0, "0", 0), strict=True))
            return int(connection.scalar(_WAITING, after) or 0)

    def passed_over(self, limit: int = 50) -> Sequence[StoredRow]:
        """Events before the last placed one that have no place: there are none, unless somebody meddled."""
        columns = ", ".join(f"e.{name}" for name in EVENT_COLUMNS)
        with self.reading() as connection:
            found = connection.execute(text(_PASSED_OVER.format(columns=columns)), {"limit": limit})
            return [row_of(values) for values in found]

    def _stream_statement(self) -> Any:
        return select(
            *(EVENTS.c[name] for name in EVENT_COLUMNS),
            text("0 AS position"),
            text("'' AS recorded_at"),
            text("''::bytea AS leaf"),
        ).select_from(EVENTS)


def era(connection: Connection) -> int:
    """The era that rows are written in; a store restored from another server's dump is refused until its new one."""
    number, foreign = connection.execute(_ERA).one()
    if foreign:
        raise LedgerError(
            "LEDGER_DATABASE: these events were restored from another server, whose transaction ids go on; "
            "stop everything that writes, then run: ledger migrate"
        )
    return int(number)


def begin_era(engine: Engine) -> bool:
    """Begin a new era where the events came from another server's dump; True when one had to begin."""
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        number, foreign = connection.execute(_ERA).one()
        if foreign:
            connection.exec_driver_sql(f"ALTER TABLE events ALTER COLUMN era SET DEFAULT {int(number) + 1}")
        return bool(foreign)


def check_database(connection: Connection) -> None:
    """Refuse a server whose settings can lose a committed event, and a restored store that has not begun its era."""
    settings = {
        name: connection.scalar(text(f"SHOW {name}")) for name in ("fsync", "synchronous_commit", "full_page_writes")
    }
    wrong = [f"{name} is {value}" for name, value in settings.items() if value == "off"]
    if wrong:
        raise IntegrityFault(f"the database can lose committed events: {', '.join(wrong)}; set them to on")
    era(connection)
