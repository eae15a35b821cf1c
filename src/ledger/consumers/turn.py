"""One turn of the runner: a batch of one or several partitions, folded into projections that stand at one place in
each, then written.

Folding takes no lock, so several processes fold at once, each its own partitions. Writing does: under the lock a turn
first looks whether anything that it was folded upon has changed since; if so, another process has come first, and
nothing is written. Rows, outcomes and places change in one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import structlog
from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.consumers.generations import Stand, lock_generations
from ledger.consumers.log import Entry, Log
from ledger.consumers.outcomes import APPLIED, NOT_CONCERNED, PARKED, Outcomes
from ledger.consumers.tables import PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.consumers.work import Batch, Work, look_up_together, work_on, write, write_all_together
from ledger.errors import LedgerError

log = structlog.get_logger("ledger.consumers")

#: Up to so many events the rows of all views are read at once, and written at once.
_FEW = 200

#: What a turn is folded upon, for each projection: the keys that wait, and the positions that have an outcome already.
_Upon = tuple[dict[str, set[str]], dict[str, set[int]]]


class StaleRunner(LedgerError):
    """Another runner has moved this projection on; this one's transaction is rolled back."""


@dataclass(frozen=True)
class Part:
    """Entries of one partition, in its order, behind the place that some projections stand at."""

    partition: int
    place: int
    entries: Sequence[Entry]


class Turn:
    """A batch of some partitions, for projections that all stand at the places just before it.

    A key's events are in one partition, so entries of several are folded together, in the order of positions.
    """

    def __init__(self, source: Log, stands: Sequence[Stand], parts: Sequence[Part], batch: Batch) -> None:
        self._log = source
        self._stands = stands
        self._parts = parts
        self._batch = batch
        self._entries = sorted((e for part in parts for e in part.entries), key=attrgetter("row.position"))
        self._positions = [entry.row.position for entry in self._entries]
        self._homes = {entry.row.position: part.partition for part in parts for entry in part.entries}
        self._upon: _Upon | None = None
        self._works: list[tuple[Stand, Work]] = []

    def fold(self, connection: Connection) -> None:
        """Read the rows that the batch touches, and fold it into them in memory."""
        outcomes = Outcomes(connection, self._names, self._positions) if self._log.repeats else None
        self._upon = self._look(connection, outcomes)
        waiting, known = self._upon
        wanted: list[tuple[Stand, Sequence[Entry], Collection[str]]] = []
        for stand in self._stands:
            fresh: Sequence[Entry] = self._entries
            if had := known.get(stand.id):
                fresh = [entry for entry in fresh if entry.row.position not in had]
            wanted.append((stand, fresh, waiting.get(stand.id, ())))
        together = self._few(connection)
        before = look_up_together(connection, self._batch, wanted) if together else [None] * len(wanted)
        for each, rows in zip(wanted, before, strict=True):
            stand, fresh, keys = each
            self._works.append((stand, work_on(connection, stand, self._batch, fresh, keys, rows)))

    def _few(self, connection: Connection) -> bool:
        """Whether it is the number of statements that takes time, and not what they say."""
        return connection.dialect.name == "postgresql" and len(self._entries) <= _FEW

    def write(self, connection: Connection) -> None:
        """Write what was folded and move the place, in the caller's transaction.

        Of two runners at once one writes a batch; the other finds the place moved and raises ``StaleRunner``.
        """
        lock_generations(connection, self._stands)
        expected = {part.partition: part.place for part in self._parts}
        places = places_of(connection, self._log, self._stands, expected)
        outcomes = Outcomes(connection, self._names, self._positions)
        now = self._look(connection, outcomes if self._log.repeats else None)
        if now != self._upon or any(found != expected for found in places.values()):
            raise StaleRunner(f"another process moves the views {', '.join(self._names)}")
        if self._few(connection):
            write_all_together(connection, self._works)
        else:
            for stand, work in self._works:
                write(connection, stand, work)
        for stand, work in self._works:
            self._park(connection, stand, work)
            outcomes.note(stand.id, work.marks)
        outcomes.write()
        self._move(connection)

    @property
    def _names(self) -> list[str]:
        return [stand.id for stand in self._stands]

    def _look(self, connection: Connection, outcomes: Outcomes | None) -> _Upon:
        waiting: dict[str, set[str]] = {}
        statement = select(PARKED_KEYS.c.projection, PARKED_KEYS.c.key)
        for row in connection.execute(statement.where(PARKED_KEYS.c.projection.in_(self._names))):
            waiting.setdefault(row[0], set()).add(row[1])
        known = {} if outcomes is None else {name: outcomes.known(name, self._positions) for name in self._names}
        return waiting, known

    def _park(self, connection: Connection, stand: Stand, work: Work) -> None:
        """Write what was parked."""
        if work.parked_keys:
            parked = [
                {
                    "projection": stand.id,
                    "key": key,
                    "log": self._log.name,
                    "partition": self._homes[at],
                    "position": at,
                    "event_type": kind,
                    "error": reason,
                }
                for key, (at, kind, reason) in work.parked_keys.items()
            ]
            connection.execute(insert(PARKED_KEYS), parked)
        if work.parked_events:
            events = [{"projection": stand.id, "position": at, "key": key} for at, key in work.parked_events.items()]
            connection.execute(insert(PARKED_EVENTS), events)
        for key, (at, kind, reason) in work.parked_keys.items():
            log.warning("parked", projection=stand.id, key=key, position=at, event_type=kind, error=reason)

    def _move(self, connection: Connection) -> None:
        """Move the places and their counts, in the transaction that has written the rows."""
        statement = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(PLACES)
        new, counted = statement.excluded, ("applied", "parked", "not_concerned")
        statement = statement.on_conflict_do_update(
            index_elements=[PLACES.c.projection, PLACES.c.log, PLACES.c.partition],
            set_={"place": new.place, "position": new.position} | {n: PLACES.c[n] + new[n] for n in counted},
        )
        connection.execute(
            statement, [self._moved(part, stand, work) for stand, work in self._works for part in self._parts]
        )

    def _moved(self, part: Part, stand: Stand, work: Work) -> Mapping[str, Any]:
        last = part.entries[-1]
        if len(self._parts) == 1:
            marks = Counter(work.marks.values())
        else:
            mine = (entry.row.position for entry in part.entries)
            marks = Counter(work.marks[position] for position in mine if position in work.marks)
        return {
            "projection": stand.id,
            "log": self._log.name,
            "partition": part.partition,
            "place": last.offset,
            "position": last.row.position,
            "applied": marks[APPLIED],
            "parked": marks[PARKED],
            "not_concerned": marks[NOT_CONCERNED],
        }


def places_of(
    connection: Connection, source: Log, stands: Sequence[Stand], partitions: Collection[int]
) -> dict[str, dict[int, int]]:
    """For each generation, the offset in each of some partitions that it has applied everything up to; 0 where it has
    not begun."""
    places = {stand.id: dict.fromkeys(partitions, 0) for stand in stands}
    found = connection.execute(
        select(PLACES.c.projection, PLACES.c.partition, PLACES.c.place).where(
            PLACES.c.projection.in_(places), PLACES.c.log == source.name, PLACES.c.partition.in_(partitions)
        )
    )
    for name, partition, place in found:
        places[name][partition] = int(place)
    return places
