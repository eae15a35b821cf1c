"""The runner: reads the log in batches, folds, and commits rows and place in one transaction.

A batch costs each projection one SELECT of the rows it touches, a fold in memory, and one bulk write (a *turn*). A
runner killed at any instruction leaves each projection as if every event had been applied once, because the place and
the rows change together or not at all. An event that cannot be applied parks its key, visibly, and the other keys go
on.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from ledger.consumers import outcomes
from ledger.consumers.generations import Stand, keeper_of, lock_views, make_generation, make_live, may_keep
from ledger.consumers.log import Entry, Log
from ledger.consumers.tables import LIVE, PLACES
from ledger.consumers.turn import Part, StaleRunner, Turn, places_of
from ledger.consumers.work import Batch
from ledger.errors import LedgerError
from ledger.projections.base import Projection

__all__ = ["BATCH", "Behind", "Runner", "StaleRunner", "WrongVersion"]


class WrongVersion(LedgerError):
    """The rows were made by another version of the projection; they have to be rebuilt."""


class Behind(LedgerError):
    """The views lack what the log has, and it is another process's to bring them up to date."""


#: The most events of a turn. A quiet log gives fewer, which are seen at once; after a pause the more there are, the
#: more of a row's events are folded before it is written.
BATCH = 5000
#: How long a role that may not change the views waits for the process that keeps them, in seconds; and between looks.
PATIENCE = 5.0
_LOOK = 0.02


class Runner:
    """Keeps the live generation of some projections, or the one that is being built, up to date with a log."""

    def __init__(self, engine: Engine, log: Log, projections: Sequence[Projection[Any]], *, batch: int = BATCH) -> None:
        self.engine = engine.execution_options(ledger_write=True)
        self._reading = engine.execution_options(ledger_write=False)
        self.log = log
        self.projections = tuple(projections)
        self.batch = batch
        self.building: dict[str, int] = {}
        #: The last position to read: for rows that are compared with those of that position.
        self.until: int | None = None
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
                    keeper = keeper_of(connection)
                    raise WrongVersion(
                        "the views have not been made, and this database role may not; start: ledger run"
                        + (f" (as {keeper})" if keeper else "")
                    )
                return
        with self.engine.begin() as connection:
            lock_views(connection)
            live = {row[0] for row in connection.execute(select(LIVE.c.projection))}
            for projection in self.projections:
                if projection.name not in live and projection.name not in self.building:
                    make_generation(connection, projection, 1)
                    make_live(connection, projection, 1)

    def only(self, *projections: Projection[Any]) -> Runner:
        """A runner of some of these projections, in the generations that this one feeds."""
        runner = Runner(self.engine, self.log, projections, batch=self.batch)
        names = {projection.name for projection in projections}
        runner.building = {name: number for name, number in self.building.items() if name in names}
        return runner

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
        """Apply one batch to every projection that is behind; returns how many events were read.

        Projections that stand at one place, as they commonly all do, are moved on in one transaction. Of two runners at
        once one applies a batch; the other raises ``StaleRunner``. An event that is not what was recorded parks its
        chart in a live view; a build it stops with ``IntegrityFault``.
        """
        return self._step([partition], until)

    def step_all(self, partitions: Sequence[int]) -> int:
        """As ``step``, with what some partitions have in one batch: a transaction costs the same for one as for all."""
        return self._step(partitions, None)

    def _step(self, partitions: Sequence[int], until: int | None) -> int:
        with self._reading.connect() as connection:
            stands = self.stands(connection)
            places = places_of(connection, self.log, stands, partitions)
        first = {partition: min(each[partition] for each in places.values()) for partition in partitions}
        if until is not None and min(first.values()) >= until:
            return 0
        limit = max(1, self.batch // len(partitions))
        with _uncollected():
            read = {partition: self._read(partition, first[partition], limit) for partition in partitions}
            batch = Batch([entry for entries in read.values() for entry in entries])
            if self.building and batch.faults:
                raise next(iter(batch.faults.values()))  # nothing is made anew from events that were not recorded so
            for at in sorted({tuple(each.values()) for each in places.values()}):
                parts = [
                    Part(partition, place, behind)
                    for (partition, entries), place in zip(read.items(), at, strict=True)
                    if (behind := [entry for entry in entries if entry.offset > place])
                ]
                if parts:
                    at_place = [stand for stand in stands if tuple(places[stand.id].values()) == at]
                    self._take(Turn(self.log, at_place, parts, batch))
        return len(batch.entries)

    def _read(self, partition: int, after: int, limit: int) -> Sequence[Entry]:
        entries = self.log.read(partition, after, limit)
        return entries if self.until is None else [entry for entry in entries if entry.row.position <= self.until]

    def _take(self, turn: Turn) -> None:
        with self._reading.connect() as connection:
            turn.fold(connection)
        with self.engine.begin() as connection:
            turn.write(connection)

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

    def place(self, connection: Connection) -> int:
        """The position up to which every one of these views has dealt with all events: what their rows are as at.

        Partitions of a topic may be read further in one than in another; then the first event that is missing counts.
        """
        found = []
        for stand in self.stands(connection):
            newest = self.position(connection, stand)
            level = self.accounted(connection, stand) == newest
            found.append(newest if level else outcomes.without_a_gap(connection, stand.id))
        return min(found)

    def dealt_with(self) -> int:
        """How many events the view that is furthest behind has dealt with."""
        with self._reading.connect() as connection:
            return min(self.accounted(connection, stand) for stand in self.stands(connection))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave the cycle collector off for one batch, whose objects it would walk again and again; none is in a cycle.

    They are freed as the batch ends, like any object that nothing refers to.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
