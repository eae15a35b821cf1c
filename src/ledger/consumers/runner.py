"""The runner: reads the log in batches, folds, and commits rows and place in one transaction.

A batch costs each projection one SELECT of the rows it touches, a fold in memory, and one bulk write. A runner killed
at any instruction leaves each projection as if every event had been applied once, because the place and the rows change
together or not at all. An event that cannot be applied parks its key, visibly, and the other keys go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Table, delete, insert, select, tuple_, update

from ledger.aggregates.vocabulary import event_types
from ledger.consumers import outcomes
from ledger.consumers.log import Entry, Log
from ledger.consumers.tables import LIVE, METADATA, PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.errors import LedgerError
from ledger.projections.base import Key, L, Projection, fold_event, keys_of
from ledger.store.codec import read
from ledger.store.envelope import Recorded

log = structlog.get_logger("ledger.consumers")
#: Rows looked up or removed by one statement; well under every database's limit of parameters.
_CHUNK = 200


class StaleRunner(LedgerError):
    """Another runner has moved this projection on; this one's transaction is rolled back."""


class WrongVersion(LedgerError):
    """The rows were made by another version of the projection; they have to be rebuilt."""


@dataclass
class Work:
    """What a batch does to one projection before it is written."""

    lines: L = field(default_factory=dict)
    looked_up: set[Key] = field(default_factory=set)
    changed: set[Key] = field(default_factory=set)
    marks: dict[int, bytes] = field(default_factory=dict)
    parked_keys: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    parked_events: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stand:
    """One generation of one projection: the id its place is kept under, and its table."""

    projection: Projection[Any]
    generation: int
    table: Table

    @property
    def id(self) -> str:
        return f"{self.projection.name}.{self.generation}"

    @classmethod
    def of(cls, projection: Projection[Any], generation: int) -> Stand:
        return cls(projection, generation, projection.table(generation))


class Runner:
    """Keeps the live generation of some projections, or the one that is being built, up to date with a log."""

    def __init__(self, engine: Engine, log: Log, projections: Sequence[Projection[Any]], *, batch: int = 1000) -> None:
        self.engine = engine.execution_options(ledger_write=True)
        self.log = log
        self.projections = tuple(projections)
        self.batch = batch
        self.building: dict[str, int] = {}
        self._stands: dict[str, Stand] = {}

    def prepare(self) -> None:
        """Make the tables that are not there yet. Views are derived: they may be dropped and made at any time."""
        with self.engine.begin() as connection:
            lock_views(connection)
            METADATA.create_all(connection)
            live = {row[0] for row in connection.execute(select(LIVE.c.projection))}
            for projection in self.projections:
                if projection.name not in live and projection.name not in self.building:
                    make_generation(connection, projection, 1)
                    make_live(connection, projection, 1)

    def catch_up(self, progress: Callable[[int], None] | None = None) -> int:
        """Apply everything that is in the log now; returns how many events were read for it."""
        done = 0
        for partition in self.log.partitions:
            head = self.log.head(partition)
            while (count := self.step(partition, until=head)) > 0:
                done += count
                if progress is not None:
                    progress(count)
        return done

    def step(self, partition: int, until: int | None = None) -> int:
        """Apply one batch to every projection that is behind; returns how many events were read."""
        with self.engine.connect() as connection:
            places = [(stand, self.place(connection, stand, partition)) for stand in self.stands(connection)]
        first = min(place for _, place in places)
        if until is not None and first >= until:
            return 0
        entries = self.log.read(partition, first, self.batch)
        decoded: dict[int, Recorded | Exception] = {}
        for stand, place in places:
            due = [entry for entry in entries if entry.offset > place]
            if due:
                with self.engine.begin() as connection:
                    self.apply(connection, stand, partition, place, due, decoded)
        return len(entries)

    def stands(self, connection: Connection) -> list[Stand]:
        """The generations to feed: the live ones as they are now, or the ones being built."""
        live = {row[0]: (row[1], row[2]) for row in connection.execute(select(LIVE))}
        found = []
        for projection in self.projections:
            generation = self.building.get(projection.name)
            if generation is None:
                if projection.name not in live:
                    raise WrongVersion(f"the view {projection.name} has not been made; run: ledger rebuild")
                generation, version = live[projection.name]
                if version != projection.version:
                    raise WrongVersion(
                        f"the view {projection.name} was made by version {version}, this release has version "
                        f"{projection.version}; run: ledger rebuild {projection.name}"
                    )
            stand = self._stands.get(projection.name)
            if stand is None or stand.generation != generation:
                stand = self._stands[projection.name] = Stand.of(projection, generation)
            found.append(stand)
        return found

    @staticmethod
    def place(connection: Connection, stand: Stand, partition: int) -> int:
        """The offset a generation has applied everything up to."""
        found = connection.scalar(
            select(PLACES.c.place).where(PLACES.c.projection == stand.id, PLACES.c.partition == partition)
        )
        return int(found or 0)

    def apply(
        self,
        connection: Connection,
        stand: Stand,
        partition: int,
        place: int,
        entries: Sequence[Entry],
        decoded: dict[int, Recorded | Exception] | None = None,
    ) -> None:
        """Apply entries to one projection and move its place, in the caller's transaction."""
        decoded = {} if decoded is None else decoded
        name, projection = stand.id, stand.projection
        work = Work()
        waiting = {
            row[0] for row in connection.execute(select(PARKED_KEYS.c.key).where(PARKED_KEYS.c.projection == name))
        }
        concerned = self._concerned(projection, entries, decoded, work, waiting)
        look_up(connection, stand, work, [key for _, keys in concerned for key in keys])
        for recorded, keys in concerned:
            parked = work.parked_keys.get(recorded.row.key)
            if parked is not None and recorded.row.position > parked[0]:
                self._park(work, recorded.row.position, recorded.row.key)
                continue
            try:
                fold_one(projection, work, recorded, keys)
            except Exception as fault:  # noqa: BLE001 - whatever a fold raises parks its key, never the whole view
                self._park_key(work, recorded.row.position, recorded.row.key, recorded.row.topic, fault)
        self._write(connection, stand, partition, place, entries[-1].offset, work)

    def _concerned(
        self,
        projection: Projection[Any],
        entries: Sequence[Entry],
        decoded: dict[int, Recorded | Exception],
        work: Work,
        waiting: set[str],
    ) -> list[tuple[Recorded, list[Key]]]:
        """Sort a batch into events to fold, with the keys of their rows; events of parked keys are set aside."""
        concerned: list[tuple[Recorded, list[Key]]] = []
        types = projection.event_types
        known = _known_types()
        for entry in entries:
            row = entry.row
            if row.topic not in types and row.topic in known:
                work.marks[row.position] = outcomes.NOT_CONCERNED
                continue
            if row.key in waiting or row.key in work.parked_keys:
                self._park(work, row.position, row.key)
                continue
            found = decoded.get(row.position)
            if found is None:
                try:
                    found = read(row)
                except LedgerError as fault:
                    found = fault
                decoded[row.position] = found
            if isinstance(found, Exception):
                self._park_key(work, row.position, row.key, row.topic, found)
                continue
            try:
                keys = keys_of(projection, found)
            except Exception as fault:  # noqa: BLE001 - as for a fold: it parks its key
                self._park_key(work, row.position, row.key, row.topic, fault)
                continue
            concerned.append((found, keys))
        return concerned

    @staticmethod
    def _park(work: Work, position: int, key: str) -> None:
        work.marks[position] = outcomes.PARKED
        work.parked_events[position] = key

    def _park_key(self, work: Work, position: int, key: str, event_type: str, fault: Exception) -> None:
        work.parked_keys[key] = (position, event_type, describe(fault))
        self._park(work, position, key)

    def _write(
        self,
        connection: Connection,
        stand: Stand,
        partition: int,
        place: int,
        offset: int,
        work: Work,
    ) -> None:
        name = stand.id
        write_lines(connection, stand, work)
        if work.parked_keys:
            connection.execute(
                insert(PARKED_KEYS),
                [
                    {"projection": name, "key": key, "position": at, "event_type": kind, "error": reason}
                    for key, (at, kind, reason) in work.parked_keys.items()
                ],
            )
            for key, (at, kind, reason) in work.parked_keys.items():
                log.warning("parked", projection=name, key=key, position=at, event_type=kind, error=reason)
        if work.parked_events:
            connection.execute(
                insert(PARKED_EVENTS),
                [{"projection": name, "position": at, "key": key} for at, key in work.parked_events.items()],
            )
        outcomes.record(connection, name, work.marks)
        self._move(connection, stand, partition, place, offset, work)

    def _move(
        self,
        connection: Connection,
        stand: Stand,
        partition: int,
        place: int,
        offset: int,
        work: Work,
    ) -> None:
        """Move the place, but only from where this batch began: of two runners one commits, the other rolls back."""
        name = stand.id
        counts = {mark: sum(1 for m in work.marks.values() if m == mark) for mark in (b"A", b"P", b"-")}
        if place == 0:
            exists = connection.scalar(
                select(PLACES.c.place).where(PLACES.c.projection == name, PLACES.c.partition == partition)
            )
            if exists is not None:
                raise StaleRunner(f"another process moves the view {name}")
            connection.execute(
                insert(PLACES),
                [
                    {
                        "projection": name,
                        "partition": partition,
                        "place": offset,
                        "applied": counts[b"A"],
                        "parked": counts[b"P"],
                        "not_concerned": counts[b"-"],
                    }
                ],
            )
            return
        moved = connection.execute(
            update(PLACES)
            .where(PLACES.c.projection == name, PLACES.c.partition == partition, PLACES.c.place == place)
            .values(
                place=offset,
                applied=PLACES.c.applied + counts[b"A"],
                parked=PLACES.c.parked + counts[b"P"],
                not_concerned=PLACES.c.not_concerned + counts[b"-"],
            )
        )
        if moved.rowcount != 1:
            raise StaleRunner(f"another process moves the view {name}")


def fold_one(projection: Projection[Any], work: Work, recorded: Recorded, keys: list[Key]) -> None:
    """Fold one event; when it raises half way, its rows are as they were before it."""
    before = {key: work.lines.get(key) for key in keys}
    try:
        work.changed.update(fold_event(projection, work.lines, recorded))
    except Exception:
        for key, line in before.items():
            if line is None:
                work.lines.pop(key, None)
            else:
                work.lines[key] = line
        raise
    work.marks[recorded.row.position] = outcomes.APPLIED


def look_up(connection: Connection, stand: Stand, work: Work, keys: list[Key]) -> None:
    """Read the rows that a batch touches."""
    projection, table = stand.projection, stand.table
    for condition in _keys_in(stand, list(dict.fromkeys(keys))):
        for values in connection.execute(select(table).where(condition)).mappings():
            line = projection.from_columns(dict(values))
            work.lines[projection.key_of(line.row)] = line
            work.looked_up.add(projection.key_of(line.row))


def write_lines(connection: Connection, stand: Stand, work: Work) -> None:
    """Write the rows that a batch changed: the old ones out, the new ones in."""
    for condition in _keys_in(stand, sorted(work.changed & work.looked_up)):
        connection.execute(delete(stand.table).where(condition))
    fresh = [stand.projection.to_columns(work.lines[key]) for key in sorted(work.changed) if key in work.lines]
    if fresh:
        connection.execute(insert(stand.table), fresh)


def _keys_in(stand: Stand, keys: list[Key]) -> Iterator[Any]:
    columns = [stand.table.c[name] for name in stand.projection.key]
    for start in range(0, len(keys), _CHUNK):
        some = keys[start : start + _CHUNK]
        yield columns[0].in_([key[0] for key in some]) if len(columns) == 1 else tuple_(*columns).in_(some)


def lock_views(connection: Connection) -> None:
    """One process at a time makes or switches tables of views (SQLite's write lock does the same)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1818583912)")


def make_generation(connection: Connection, projection: Projection[Any], generation: int) -> None:
    """Make the table of a generation, empty."""
    table = projection.table(generation)
    table.drop(connection, checkfirst=True)
    table.create(connection)


def make_live(connection: Connection, projection: Projection[Any], generation: int) -> None:
    """Let queries read this generation from now on, in the caller's transaction: a reader never sees a half."""
    names = ", ".join(column.name for column in projection.table(generation).columns)
    connection.exec_driver_sql(f"DROP VIEW IF EXISTS view_{projection.name}")
    connection.exec_driver_sql(
        f"CREATE VIEW view_{projection.name} AS SELECT {names} FROM rows_{projection.name}_g{generation}"  # noqa: S608
    )
    connection.execute(delete(LIVE).where(LIVE.c.projection == projection.name))
    connection.execute(
        insert(LIVE),
        [{"projection": projection.name, "generation": generation, "projection_version": projection.version}],
    )


@cache
def _known_types() -> frozenset[str]:
    return frozenset(event_types())


def describe(fault: Exception) -> str:
    """An error as it is kept with what it parked: enough to mend it, and no client's data.

    Our own errors say what is wrong; of any other, its class and the line it came from, since its text could quote
    what a client said.
    """
    if isinstance(fault, LedgerError):
        return f"{type(fault).__name__}: {fault}"
    place = fault.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return type(fault).__name__
    return f"{type(fault).__name__} at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
