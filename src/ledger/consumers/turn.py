"""One turn of the runner: a batch of one partition, folded into the projections that stand at one place, then written.

Folding takes no lock, so several processes fold at once, each its own partitions. Writing does: under the lock a turn
first looks whether anything that it was folded upon has changed since; if so, another process has come first, and
nothing is written. Rows, outcomes and places change in one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.consumers.generations import Stand, lock_generations
from ledger.consumers.log import Entry, Log
from ledger.consumers.outcomes import APPLIED, NOT_CONCERNED, PARKED, Outcomes
from ledger.consumers.tables import PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.consumers.work import Batch, Work, work_on, write
from ledger.errors import LedgerError

log = structlog.get_logger("ledger.consumers")

#: What a turn is folded upon, for each projection: the keys that wait, and the positions that have an outcome already.
_Upon = tuple[dict[str, set[str]], dict[str, set[int]]]


class StaleRunner(LedgerError):
    """Another runner has moved this projection on; this one's transaction is rolled back."""


class Turn:
    """A batch of one partition, for projections that all stand at the place just before it."""

    def __init__(self, source: Log, stands: Sequence[Stand], partition: int, place: int, batch: Batch) -> None:
        self._log = source
        self._stands = stands
        self._partition = partition
        self._place = place
        self._batch = batch
        self._entries = [entry for entry in batch.entries if entry.offset > place]
        self._positions = [entry.row.position for entry in self._entries]
        self._upon: _Upon | None = None
        self._works: list[tuple[Stand, Work]] = []

    def fold(self, connection: Connection) -> None:
        """Read the rows that the batch touches, and fold it into them in memory."""
        outcomes = Outcomes(connection, self._names, self._positions) if self._log.repeats else None
        self._upon = self._look(connection, outcomes)
        waiting, known = self._upon
        for stand in self._stands:
            fresh: Sequence[Entry] = self._entries
            if had := known.get(stand.id):
                fresh = [entry for entry in fresh if entry.row.position not in had]
            self._works.append((stand, work_on(connection, stand, self._batch, fresh, waiting.get(stand.id, ()))))

    def write(self, connection: Connection) -> None:
        """Write what was folded and move the place, in the caller's transaction.

        Of two runners at once one writes a batch; the other finds the place moved and raises ``StaleRunner``.
        """
        lock_generations(connection, self._stands)
        places = places_of(connection, self._log, self._stands, self._partition)
        outcomes = Outcomes(connection, self._names, self._positions)
        now = self._look(connection, outcomes if self._log.repeats else None)
        if now != self._upon or any(place != self._place for place in places.values()):
            raise StaleRunner(f"another process moves the views {', '.join(self._names)}")
        for stand, work in self._works:
            self._write(connection, stand, work)
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

    def _write(self, connection: Connection, stand: Stand, work: Work) -> None:
        """Write the rows, and what was parked."""
        write(connection, stand, work)
        if work.parked_keys:
            parked = [
                {
                    "projection": stand.id,
                    "key": key,
                    "log": self._log.name,
                    "partition": self._partition,
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
        last = self._entries[-1]
        connection.execute(statement, [self._moved(last, stand, work) for stand, work in self._works])

    def _moved(self, last: Entry, stand: Stand, work: Work) -> Mapping[str, Any]:
        marks = Counter(work.marks.values())
        return {
            "projection": stand.id,
            "log": self._log.name,
            "partition": self._partition,
            "place": last.offset,
            "position": last.row.position,
            "applied": marks[APPLIED],
            "parked": marks[PARKED],
            "not_concerned": marks[NOT_CONCERNED],
        }


def places_of(connection: Connection, source: Log, stands: Sequence[Stand], partition: int) -> dict[str, int]:
    """The offset in a log that each generation has applied everything up to; 0 where it has not begun."""
    names = [stand.id for stand in stands]
    found = connection.execute(
        select(PLACES.c.projection, PLACES.c.place).where(
            PLACES.c.projection.in_(names), PLACES.c.log == source.name, PLACES.c.partition == partition
        )
    )
    return dict.fromkeys(names, 0) | {row[0]: int(row[1]) for row in found}
