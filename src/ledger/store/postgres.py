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
from sqlalchemy import Connection, Engine, column, func, literal_column, select, table, text, true
from sqlalchemy.exc import DBAPIError

from ledger.clock import Clock, SystemClock, to_text
from ledger.errors import IntegrityFault, LedgerError
from ledger.store.envelope import StoredRow, leaf_of, row_of
from ledger.store.recorder import EVENT_COLUMNS, EVENTS, LOG_COLUMNS, Recorder, as_librarys, written_of

_WRITTEN = ", ".join(EVENT_COLUMNS)
#: The server's clock, as ``clock.to_text`` writes an instant.
_SERVER_TIME = """to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_VALUES = ", ".join(["%s"] * len(EVENT_COLUMNS))
#: One event in one statement, several in one COPY: each is a transaction of its own, with one answer of the server.
_INSERT = f"INSERT INTO events ({_WRITTEN}, written_at) VALUES ({_VALUES}, {_SERVER_TIME})"  # noqa: S608
_INSERT_AT = f"INSERT INTO events ({_WRITTEN}, written_at) VALUES ({_VALUES}, %s)"  # noqa: S608
_COPY = f"COPY events ({_WRITTEN}, written_at) FROM STDIN"
_COPY_PLACES = "COPY log_order (position, ticket, recorded_at, leaf) FROM STDIN"

#: One sequencer at a time: the key of the advisory lock it holds for a transaction.
SEQUENCER_LOCK = 0x6C656467
_BATCH = 1000
#: How long a role that may not give places waits for the sequencer to give them, in seconds, and how often it looks.
PATIENCE = 2.0
_LOOK = 0.01

log = structlog.get_logger("ledger.store")

_LAST_PLACED = (
    "SELECT o.position, o.recorded_at, e.era, CAST(e.xid AS text), e.ticket "
    "FROM log_order o JOIN events e USING (ticket) ORDER BY o.position DESC LIMIT 1"
)
_LAST = text(_LAST_PLACED)
#: Rows of earlier eras came out of a dump, so their transactions have all ended.
_ENDED = (
    f"SELECT {', '.join('e.' + name for name in EVENT_COLUMNS)}, 0, e.written_at, ''::bytea, e.ticket "  # noqa: S608
    "FROM events e WHERE (e.era, e.xid, e.ticket) > (%s, CAST(%s AS xid8), %s) "
    "AND (e.era < %s OR e.xid < pg_snapshot_xmin(pg_current_snapshot())) "
    "ORDER BY e.era, e.xid, e.ticket LIMIT %s"
)
#: The era, and whether it holds a transaction id that this server has not given out.
_ERA = (
    "SELECT d.era, coalesce((SELECT e.xid >= pg_snapshot_xmax(pg_current_snapshot()) FROM events e "
    "WHERE e.era = d.era ORDER BY e.xid DESC LIMIT 1), false) AS foreign_ids FROM "
    "(SELECT CAST(pg_get_expr(adbin, adrelid) AS integer) AS era FROM pg_attrdef JOIN pg_attribute "
    "ON attrelid = adrelid AND attnum = adnum WHERE adrelid = 'events'::regclass AND attname = 'era') d"
)
_STANDING = (
    f"SELECT {_SERVER_TIME}, * FROM ({_ERA}) AS era "  # noqa: S608 - our own words
    f"LEFT JOIN ({_LAST_PLACED}) AS last (position, at, era_of, xid, ticket) ON true"
)
_WAITING = text("SELECT count(*) FROM events WHERE (era, xid, ticket) > (:era, CAST(:xid AS xid8), :ticket)")
_PASSED_OVER = (
    "SELECT {columns}, 0, '', ''::bytea FROM events e LEFT JOIN log_order o USING (ticket), "
    "(SELECT e.era, e.xid, e.ticket FROM log_order o JOIN events e USING (ticket) "
    "ORDER BY o.position DESC LIMIT 1) last "
    "WHERE o.ticket IS NULL AND (e.era, e.xid, e.ticket) < (last.era, last.xid, last.ticket) "
    "ORDER BY e.era, e.xid, e.ticket LIMIT :limit"
)

_ORDER = table("log_order", *map(column, ("ticket", "position", "recorded_at", "leaf")))
#: An event's place in the log. As a subquery with an OFFSET it is not taken apart: without fresh statistics the planner
#: would read the whole order to join it with a handful of events.
_PLACE = (
    select(_ORDER.c.position, _ORDER.c.recorded_at, _ORDER.c.leaf)
    .where(_ORDER.c.ticket == literal_column("events.ticket"))
    .offset(literal_column("0"))
    .lateral("placed")
)

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

    PLACED_LATER = True

    def __init__(self, engine: Any, clock: Clock) -> None:
        super().__init__(engine)
        #: A clock that was set by hand (a simulation's), which then says when; None is the database server's own.
        self._clock = None if isinstance(clock, SystemClock) else clock

    def _set_time(self) -> str | None:
        return None if self._clock is None else to_text(self._clock.now())

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        rows = self._insert(stored_events)
        if not rows:
            return
        written_at = self._set_time()
        try:
            with self._direct.cursor() as cursor:
                if len(rows) == 1:
                    if written_at is None:
                        cursor.execute(_INSERT, written_of(rows[0]))
                    else:
                        cursor.execute(_INSERT_AT, (*written_of(rows[0]), written_at))
                    return
                if written_at is None:
                    (written_at,) = cursor.execute(f"SELECT {_SERVER_TIME}").fetchone()
                with cursor.copy(_COPY) as copy:
                    for row in rows:
                        copy.write_row((*written_of(row), written_at))
        except DBAPIError as fault:
            raise as_librarys(fault) from fault

    def sequence(self) -> int:
        """Give places to every event whose transaction has ended; one sequencer works, others wait their turn.

        A role without the right to give places (``deploy/roles.sql``) waits until the sequencer has placed what is
        committed now. When none does so in time the log's head is the answer all the same: it is right, only older.
        """
        if not self._may_place:
            return self._await_places()
        while True:
            with self._direct.cursor() as cursor:
                # Said aloud: each statement after the lock has to see what was committed before it.
                cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                # The lock is a statement of its own: a snapshot taken with it would be older than the lock.
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SEQUENCER_LOCK,))
                head, placed = _place_batch(cursor, self._set_time())
                cursor.execute("COMMIT")
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

    def restore(self, rows: Sequence[StoredRow]) -> None:
        try:
            with self._direct.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SEQUENCER_LOCK,))
                cursor.execute(_RESTORED)
                with cursor.copy(f"COPY restored ({', '.join(LOG_COLUMNS)}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row((*written_of(row), row.position, row.recorded_at, row.leaf))
                cursor.execute(_RESTORE)
                cursor.execute("COMMIT")
        except DBAPIError as fault:
            raise as_librarys(fault) from fault

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

    def _placed_statement(self) -> tuple[Any, Any]:
        selected = select(*(EVENTS.c[name] for name in EVENT_COLUMNS), *_PLACE.c).select_from(
            EVENTS.join(_PLACE, true())
        )
        return selected, _PLACE.c.position

    def _checkable_statement(self) -> Any:
        return select(
            *(EVENTS.c[name] for name in EVENT_COLUMNS),
            func.coalesce(_PLACE.c.position, 0).label("position"),
            func.coalesce(_PLACE.c.recorded_at, "").label("recorded_at"),
            func.coalesce(_PLACE.c.leaf, text("''::bytea")).label("leaf"),
        ).select_from(EVENTS.outerjoin(_PLACE, true()))


def _place_batch(cursor: Any, set_time: str | None) -> tuple[int, int]:
    """Give the next places, under the sequencer's lock; returns the log's head and how many were given.

    No event is recorded later than now: by the server's clock, or by one that was set by hand if that is ahead of it.
    """
    server_time, number, foreign, position, *rest = cursor.execute(_STANDING).fetchone()
    latest = max(server_time, set_time or "")
    current = _checked(number, foreign)
    previous, *after = rest if position is not None else ("", 0, "0", 0)
    position = position or 0
    found = cursor.execute(_ENDED, (*after, current, _BATCH)).fetchall()
    if not found:
        return position, 0
    places = []
    for values in found:
        row = row_of(values[:-1])
        position += 1
        previous = max(previous, min(row.recorded_at, latest))  # here still the time its writer wrote it at
        places.append((position, values[-1], previous, leaf_of(row, position, previous)))
    with cursor.copy(_COPY_PLACES) as copy:
        for place in places:
            copy.write_row(place)
    return position, len(places)


def era(connection: Connection) -> int:
    """The era that rows are written in; a store restored from another server's dump is refused until its new one."""
    return _checked(*connection.execute(text(_ERA)).one())


def _checked(number: int, foreign: bool) -> int:
    if foreign:
        raise LedgerError(
            "LEDGER_DATABASE: these events were restored from another server, whose transaction ids go on; "
            "stop everything that writes, then run: ledger migrate"
        )
    return int(number)


def begin_era(engine: Engine) -> bool:
    """Begin a new era where the events came from another server's dump; True when one had to begin.

    It looks first: where nothing has to begin, a reader in a long transaction (``pg_dump``) is not waited for, and no
    writer behind it. The lock is for the change, and under it the question is asked again: another may have been first.
    """
    with engine.connect() as connection:
        if not connection.execute(text(_ERA)).one().foreign_ids:
            return False
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        number, foreign = connection.execute(text(_ERA)).one()
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
