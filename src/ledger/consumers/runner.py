"""The runner: reads the log in batches, folds, and commits rows and place in one transaction.

A batch costs each projection one SELECT of the rows it touches, a fold in memory, and one bulk write. A runner killed
at any instruction leaves each projection as if every event had been applied once, because the place and the rows change
together or not at all. An event that cannot be applied parks its key, visibly, and the other keys go on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, func, insert, select, update

from ledger.aggregates.vocabulary import event_types
from ledger.consumers import outcomes
from ledger.consumers.generations import Stand, lock_generation, lock_views, make_generation, make_live, may_keep
from ledger.consumers.log import Entry, Log
from ledger.consumers.tables import LIVE, PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.consumers.work import Work, describe, fold_one, look_up, write_lines
from ledger.errors import LedgerError
from ledger.projections.base import Key, Projection, keys_of
from ledger.store.codec import read
from ledger.store.envelope import Recorded

log = structlog.get_logger("ledger.consumers")


class StaleRunner(LedgerError):
    """Another runner has moved this projection on; this one's transaction is rolled back."""


class WrongVersion(LedgerError):
    """The rows were made by another version of the projection; they have to be rebuilt."""


class Behind(LedgerError):
    """The views lack what the log has, and it is another process's to bring them up to date."""


#: How long a role that may not change the views waits for the process that keeps them, in seconds; and between looks.
PATIENCE = 5.0
_LOOK = 0.02


class Runner:
    """Keeps the live generation of some projections, or the one that is being built, up to date with a log."""

    def __init__(self, engine: Engine, log: Log, projections: Sequence[Projection[Any]], *, batch: int = 1000) -> None:
        self.engine = engine.execution_options(ledger_write=True)
        self._reading = engine.execution_options(ledger_write=False)
        self.log = log
        self.projections = tuple(projections)
        self.batch = batch
        self.building: dict[str, int] = {}
        #: Whether this process may change the views; ``prepare`` finds out from the database role's rights.
        self.keeps = True
        self._stands: dict[str, Stand] = {}

    def prepare(self) -> None:
        """Make the views that are not there yet: they are derived, and may be dropped and made at any time.

        Their bookkeeping comes from the store's migrations, so that any number of projectors may start at once.

        A database role that may only read the views makes nothing: they are another process's to keep.
        """
        with self._reading.connect() as connection:
            self.keeps = may_keep(connection)
            if not self.keeps:
                if connection.scalar(select(LIVE.c.projection).limit(1)) is None:
                    raise WrongVersion(
                        "the views have not been made, and this database role may not; start: ledger run"
                    )
                return
        with self.engine.begin() as connection:
            lock_views(connection)
            live = {row[0] for row in connection.execute(select(LIVE.c.projection))}
            for projection in self.projections:
                if projection.name not in live and projection.name not in self.building:
                    make_generation(connection, projection, 1)
                    make_live(connection, projection, 1)

    def catch_up(self, progress: Callable[[int], None] | None = None) -> int:
        """Apply everything that is in the log now; returns how many events were read for it.

        A role that may only read the views waits for the process that keeps them, and raises ``Behind`` when that does
        not come up to the log in time: rows that lack events are not shown as if they had them.
        """
        if not self.keeps:
            self.await_events(max(self.log.head(partition) for partition in self.log.partitions))
            return 0
        done = 0
        for partition in self.log.partitions:
            head = self.log.head(partition)
            while True:
                try:
                    count = self.step(partition, until=head)
                except StaleRunner:
                    continue  # what this batch held is applied; go on from where the other runner has come to
                if count == 0:
                    break
                done += count
                if progress is not None:
                    progress(count)
        return done

    def await_events(self, head: int) -> None:
        """Wait until the process that keeps the views has dealt with every event up to ``head``; or raise ``Behind``.

        Each event has one outcome in each view, so the outcomes are counted: the partitions of a topic are read in no
        common order, and the newest position says nothing of the others.
        """
        until = time.monotonic() + PATIENCE
        while True:
            with self._reading.connect() as connection:
                behind = [
                    (stand.projection.name, count)
                    for stand in self.stands(connection)
                    if (count := self.accounted(connection, stand)) < head
                ]
            if not behind:
                return
            if time.monotonic() > until:
                name, count = behind[0]
                raise Behind(
                    f"the view {name} has dealt with {count} of {head} events: the process that keeps the views is "
                    "behind or not running; see: ledger status, and start: ledger run"
                )
            time.sleep(_LOOK)

    def step(self, partition: int, until: int | None = None) -> int:
        """Apply one batch to every projection that is behind; returns how many events were read."""
        with self._reading.connect() as connection:
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
    def position(connection: Connection, stand: Stand) -> int:
        """The position of the newest event that a generation has applied, from whichever log."""
        found = connection.scalar(select(func.max(PLACES.c.position)).where(PLACES.c.projection == stand.id))
        return int(found or 0)

    @staticmethod
    def accounted(connection: Connection, stand: Stand) -> int:
        """How many events a generation has dealt with: applied, parked, or found not to concern it."""
        every = PLACES.c.applied + PLACES.c.parked + PLACES.c.not_concerned
        return int(connection.scalar(select(func.sum(every)).where(PLACES.c.projection == stand.id)) or 0)

    def dealt_with(self) -> int:
        """How many events the view that is furthest behind has dealt with."""
        with self._reading.connect() as connection:
            return min(self.accounted(connection, stand) for stand in self.stands(connection))

    def place(self, connection: Connection, stand: Stand, partition: int) -> int:
        """The offset in this log that a generation has applied everything up to."""
        found = connection.scalar(
            select(PLACES.c.place).where(
                PLACES.c.projection == stand.id, PLACES.c.log == self.log.name, PLACES.c.partition == partition
            )
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
        """Apply entries to one projection and move its place, in the caller's transaction.

        Of two runners at once one applies a batch; the other finds the place moved and raises ``StaleRunner``.
        """
        lock_generation(connection, stand)
        if self.place(connection, stand, partition) != place:
            raise StaleRunner(f"another process moves the view {stand.id}")
        fresh = entries
        if self.log.repeats:
            known = outcomes.known(connection, stand.id, [entry.row.position for entry in entries])
            fresh = [entry for entry in entries if entry.row.position not in known]
        work = self._fold(connection, stand, fresh, {} if decoded is None else decoded)
        self._write(connection, stand, partition, work)
        self._move(connection, stand, partition, entries[-1], Counter(work.marks.values()))
        for key, (at, kind, reason) in work.parked_keys.items():
            log.warning("parked", projection=stand.id, key=key, position=at, event_type=kind, error=reason)

    def _fold(
        self,
        connection: Connection,
        stand: Stand,
        entries: Sequence[Entry],
        decoded: dict[int, Recorded | Exception],
    ) -> Work:
        work = Work()
        parked_before = select(PARKED_KEYS.c.key).where(PARKED_KEYS.c.projection == stand.id)
        waiting = set(connection.scalars(parked_before))
        concerned = self._concerned(stand.projection, entries, decoded, work, waiting)
        look_up(connection, stand, work, [key for _, keys in concerned for key in keys])
        for recorded, keys in concerned:
            parked = work.parked_keys.get(recorded.row.key)
            if parked is not None and recorded.row.position > parked[0]:
                self._park(work, recorded.row.position, recorded.row.key)
                continue
            try:
                fold_one(stand.projection, work, recorded, keys)
            except Exception as fault:  # noqa: BLE001 - whatever a fold raises parks its key, never the whole view
                self._park_key(work, recorded.row.position, recorded.row.key, recorded.row.topic, fault)
        return work

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

    def _write(self, connection: Connection, stand: Stand, partition: int, work: Work) -> None:
        name = stand.id
        write_lines(connection, stand, work)
        if work.parked_keys:
            connection.execute(
                insert(PARKED_KEYS),
                [
                    {
                        "projection": name,
                        "key": key,
                        "log": self.log.name,
                        "partition": partition,
                        "position": at,
                        "event_type": kind,
                        "error": reason,
                    }
                    for key, (at, kind, reason) in work.parked_keys.items()
                ],
            )
        if work.parked_events:
            connection.execute(
                insert(PARKED_EVENTS),
                [{"projection": name, "position": at, "key": key} for at, key in work.parked_events.items()],
            )
        outcomes.record(connection, name, work.marks)

    def _move(self, connection: Connection, stand: Stand, partition: int, last: Entry, marks: Counter[bytes]) -> None:
        """Move the place and its counts, in the transaction that has written the rows."""
        moved = connection.execute(
            update(PLACES)
            .where(PLACES.c.projection == stand.id, PLACES.c.log == self.log.name, PLACES.c.partition == partition)
            .values(
                place=last.offset,
                position=last.row.position,
                applied=PLACES.c.applied + marks[outcomes.APPLIED],
                parked=PLACES.c.parked + marks[outcomes.PARKED],
                not_concerned=PLACES.c.not_concerned + marks[outcomes.NOT_CONCERNED],
            )
        )
        if moved.rowcount == 0:
            first = {
                "projection": stand.id,
                "log": self.log.name,
                "partition": partition,
                "place": last.offset,
                "position": last.row.position,
                "applied": marks[outcomes.APPLIED],
                "parked": marks[outcomes.PARKED],
                "not_concerned": marks[outcomes.NOT_CONCERNED],
            }
            connection.execute(insert(PLACES), [first])


@cache
def _known_types() -> frozenset[str]:
    return frozenset(event_types())
