"""What both recorders share: the columns, reading a stream, reading the log, and finding a command again.

They implement the ``ApplicationRecorder`` interface of the ``eventsourcing`` library. Statements are SQLAlchemy Core;
those that every command or every read of the log needs are compiled once and go straight to the driver.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID

from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    StoredEvent,
    Subscription,
)
from sqlalchemy import Connection, Engine, and_, bindparam, column, exists, func, or_, select, table
from sqlalchemy import exc as sqla

from ledger.store.direct import Direct
from ledger.store.envelope import StoredRow, row_of
from ledger.store.prepared import Prepared
from ledger.store.subscription import PollingSubscription

#: The columns a writer fills, in the order of ``StoredRow``; names as the auditor's SQL sees them.
EVENT_COLUMNS = (
    "stream_id",
    "version",
    "type",
    "payload",
    "schema_version",
    "key",
    "chart_id",
    "occurred_at",
    "occurred_offset",
    "actor",
    "role",
    "credential",
    "purpose",
    "command_id",
    "command_index",
    "command_digest",
    "correlation_id",
    "causation_id",
)
LOG_COLUMNS = (*EVENT_COLUMNS, "position", "recorded_at", "leaf")

EVENTS = table("events", *(column(name) for name in LOG_COLUMNS))
#: A view on both databases: every event that has its place in the log.
LOG = table("log", *(column(name) for name in LOG_COLUMNS))

#: Streams that one statement reads.
_STREAMS = 8


#: The fields of a row, in the order of ``EVENT_COLUMNS``.
_FIELDS = ("originator_id", "originator_version", "topic", "state", *EVENT_COLUMNS[4:])

#: A row's values for the columns a writer fills, in their order.
written_of: Callable[[StoredRow], tuple[Any, ...]] = attrgetter(*_FIELDS)

#: Up to a number of rows after a position, in the log's order.
_READ_LOG = Prepared(
    select(*LOG.c)
    .where(LOG.c.position > bindparam("after"), LOG.c.position <= bindparam("until"))
    .order_by(LOG.c.position)
    .limit(bindparam("limit"))
)
#: Past every position there can be.
_NO_END = 2**62
#: More rows than any stream has.
_ALL = 2**31 - 1


def values_of(row: StoredRow) -> dict[str, Any]:
    """A row as the columns a writer fills."""
    return dict(zip(EVENT_COLUMNS, written_of(row), strict=True))


class Recorder(ApplicationRecorder):
    """One store of events. Its two ends: ``insert_events`` for writers, ``read_log`` for those who read in order."""

    #: Whether an event gets its place in the log, and with it its leaf hash, a moment after it was committed.
    PLACED_LATER: ClassVar[bool] = False

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._direct = Direct(engine)
        self._stream_statements: dict[int, Prepared] = {}
        self._of_command = Prepared(
            self._stream_statement()
            .where(EVENTS.c.command_id == bindparam("command_id"))
            .order_by(EVENTS.c.command_index)
        )
        placed, position = self._placed_statement()
        self._of_key = Prepared(
            placed.where(
                EVENTS.c.key == bindparam("key"), position > bindparam("after"), position <= bindparam("until")
            ).order_by(position)
        )
        self._of_stream = Prepared(
            placed.where(EVENTS.c.stream_id == bindparam("stream_id"))
            .order_by(EVENTS.c.version)
            .limit(bindparam("limit"))
        )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with."""
        with self.engine.connect() as connection:
            yield connection

    @abstractmethod
    def sequence(self) -> int:
        """Give every committed event its place in the log; returns the log's head (the last position, 0 if empty)."""

    @abstractmethod
    def waiting(self) -> int:
        """How many committed events have no place in the log yet."""

    @abstractmethod
    def passed_over(self, limit: int = 50) -> Sequence[StoredRow]:
        """Events that the order went past without giving them a place: there are none, unless somebody meddled."""

    @abstractmethod
    def restore(self, rows: Sequence[StoredRow]) -> None:
        """Write events that have their places already, in order, as they were: for restoring a lost store."""

    def _insert(self, stored_events: Sequence[StoredEvent]) -> Sequence[StoredRow]:
        rows = [event for event in stored_events if isinstance(event, StoredRow)]
        if len(rows) != len(stored_events):
            raise TypeError("only rows of this store can be inserted")
        return rows

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredRow]:
        """One stream's events in the order of their versions, whether or not they have their place in the log yet."""
        statement = self._stream_statement().where(EVENTS.c.stream_id == str(originator_id))
        if gt is not None:
            statement = statement.where(EVENTS.c.version > gt)
        if lte is not None:
            statement = statement.where(EVENTS.c.version <= lte)
        statement = statement.order_by(EVENTS.c.version.desc() if desc else EVENTS.c.version)
        if limit is not None:
            statement = statement.limit(limit)
        with self.reading() as connection:
            return [row_of(values) for values in connection.execute(statement)]

    def _checkable_statement(self) -> Any:
        """As ``_stream_statement``, with the place and the leaf hash of each event that has them."""
        return self._stream_statement()

    @abstractmethod
    def _stream_statement(self) -> Any:
        """A SELECT of ``LOG_COLUMNS`` from the events, those without a place included."""

    @abstractmethod
    def _placed_statement(self) -> tuple[Any, Any]:
        """A SELECT of ``LOG_COLUMNS`` from the events that have their place, and its position.

        For a few of the events: one that looks at these alone and never at the whole order.
        """

    def read_log(self, after: int, limit: int, *, until: int | None = None) -> Sequence[StoredRow]:
        """The log in its order: up to ``limit`` events whose position is greater than ``after``."""
        wanted = {"after": after, "until": _NO_END if until is None else until, "limit": limit}
        return self._fetch(_READ_LOG, wanted)

    def read_chart(self, chart_id: str, *, until: int | None = None, after: int = 0) -> Sequence[StoredRow]:
        """One chart's events in the order of the log, from just after a position up to one (inclusive)."""
        return self.read_key(chart_id, until=until, after=after)  # its id is the key of every event of a chart

    def read_key(self, key: str, *, until: int | None = None, after: int = 0) -> Sequence[StoredRow]:
        """The events of one partition key in the order of the log, from just after a position."""
        wanted = {"key": key, "after": after, "until": _NO_END if until is None else until}
        return self._fetch(self._of_key, wanted)

    def charts_between(self, first: int, last: int) -> list[str]:
        """The charts that have events from one position to another (both inclusive): ids only, to ask for a grant with.

        A chart is its client's stream; an id that has none is no chart that anybody could open.
        """
        within = (LOG.c.position >= first, LOG.c.position <= last, LOG.c.chart_id.is_not(None))
        named, begun = select(LOG.c.chart_id).where(*within).distinct().subquery(), LOG.alias()
        statement = select(named.c.chart_id).where(exists().where(begun.c.stream_id == named.c.chart_id))
        with self.reading() as connection:
            return sorted(connection.scalars(statement))

    def read_stream(self, stream_id: str, *, limit: int | None = None) -> Sequence[StoredRow]:
        """One stream's events that have their place in the log, in the order of their versions."""
        return self._fetch(self._of_stream, {"stream_id": stream_id, "limit": limit or _ALL})

    def find_command(self, command_id: str) -> Sequence[StoredRow]:
        """The events that a command led to, in their order; empty when it led to none or was never seen."""
        return self._fetch(self._of_command, {"command_id": command_id})

    def find_commands(self, command_ids: Sequence[str]) -> dict[str, str]:
        """Which of these commands have been recorded: their ids with their digests."""
        known: dict[str, str] = {}
        with self.reading() as connection:
            for start in range(0, len(command_ids), 500):
                some = command_ids[start : start + 500]
                statement = select(EVENTS.c.command_id, EVENTS.c.command_digest).where(
                    EVENTS.c.command_id.in_(some), EVENTS.c.command_index == 0
                )
                known.update((row[0], row[1]) for row in connection.execute(statement))
        return known

    def read_streams(self, since: Mapping[str, int]) -> Sequence[StoredRow]:
        """What is new in some streams: their events after the versions given, in the order of the versions."""
        found: list[StoredRow] = []
        wanted = list(since.items())
        for start in range(0, len(wanted), _STREAMS):
            some = wanted[start : start + _STREAMS]
            parameters: dict[str, Any] = {}
            for number, (stream_id, version) in enumerate(some):
                parameters[f"s{number}"], parameters[f"v{number}"] = stream_id, version
            found += self._fetch(self._streams_statement(len(some)), parameters)
        return found

    def values(self, statement: Prepared, parameters: Mapping[str, Any] | None = None) -> list[Sequence[Any]]:
        """What a prepared statement gives, as the driver gives it."""
        with self._direct.cursor() as cursor:
            return statement.run(cursor, self._direct.dialect, parameters)

    def _fetch(self, statement: Prepared, parameters: Mapping[str, Any]) -> list[StoredRow]:
        with self._direct.cursor() as cursor:
            return list(map(row_of, statement.run(cursor, self._direct.dialect, parameters)))

    def _streams_statement(self, count: int) -> Prepared:
        statement = self._stream_statements.get(count)
        if statement is None:
            each = [
                and_(EVENTS.c.stream_id == bindparam(f"s{n}"), EVENTS.c.version > bindparam(f"v{n}"))
                for n in range(count)
            ]
            selected = self._checkable_statement().where(or_(*each)).order_by(EVENTS.c.stream_id, EVENTS.c.version)
            statement = self._stream_statements[count] = Prepared(selected)
        return statement

    def versions_at(self, streams: Iterable[str], position: int) -> dict[str, int]:
        """How far some streams had come by a position of the log; without those that had not begun."""
        found: dict[str, int] = {}
        wanted = list(streams)
        placed, place = self._placed_statement()
        stream, version = EVENTS.c.stream_id, func.max(EVENTS.c.version)
        statement = placed.with_only_columns(stream, version, maintain_column_froms=True).group_by(stream)
        with self.reading() as connection:
            for start in range(0, len(wanted), 500):
                some = statement.where(stream.in_(wanted[start : start + 500]), place <= position)
                found |= {row[0]: int(row[1]) for row in connection.execute(some)}
        return found

    def stream_version(self, stream_id: str) -> int:
        """The version of a stream as it stands; 0 when there is none."""
        with self.reading() as connection:
            found = connection.scalar(select(func.max(EVENTS.c.version)).where(EVENTS.c.stream_id == stream_id))
        return int(found or 0)

    def head(self) -> int:
        """The last position of the log, 0 when it is empty."""
        with self.reading() as connection:
            return int(connection.scalar(select(func.max(LOG.c.position))) or 0)

    def position_at(self, recorded_at: str) -> int:
        """The last position recorded at or before a time (in the stored form), 0 when there is none."""
        at = select(LOG.c.recorded_at).where(LOG.c.position >= bindparam("position")).order_by(LOG.c.position).limit(1)
        with self.reading() as connection:
            head = int(connection.scalar(select(func.max(LOG.c.position))) or 0)
            # The database refuses a time that goes back, so halving finds it without an index to keep.
            return bisect_right(
                range(1, head + 1), recorded_at, key=lambda position: str(connection.scalar(at, {"position": position}))
            )

    # The rest of the library's interface: the same log under the library's names. Its callers know of no sequencer, so
    # what was committed is given its place first.

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The log as notifications whose ids are positions, from ``start`` up to ``stop``, both inclusive."""
        self.sequence()
        statement = select(*LOG.c).order_by(LOG.c.position).limit(limit)
        if start is not None:
            statement = statement.where(LOG.c.position >= start if inclusive_of_start else LOG.c.position > start)
        if stop is not None:
            statement = statement.where(LOG.c.position <= stop)
        if topics:
            statement = statement.where(LOG.c.type.in_(list(topics)))
        with self.reading() as connection:
            rows = [row_of(values) for values in connection.execute(statement)]
        return [
            Notification(row.originator_id, row.originator_version, row.topic, row.state, row.position) for row in rows
        ]

    def max_notification_id(self) -> int | None:
        """The log's head; None when nothing was recorded."""
        return self.sequence() or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Every notification after ``gt``, then those to come. Our own readers keep their place in the database."""
        return PollingSubscription(self, gt, topics)


def as_librarys(fault: sqla.DBAPIError) -> Exception:
    """A fault of the database as the library's interface promises it, where it has an error for it."""
    if isinstance(fault, sqla.IntegrityError):
        return IntegrityError(str(fault.orig))
    return OperationalError(str(fault.orig)) if isinstance(fault, sqla.OperationalError) else fault


def streams_of(rows: Iterable[StoredRow]) -> set[str]:
    """The streams that some rows belong to."""
    return {str(row.originator_id) for row in rows}
