"""What a batch does to one projection: look its rows up, fold in memory, write the changed ones back.

Rows that several events of a batch change are finished and written once. A row that cannot be finished is an error of
the projection; the batch is then folded again, finishing after each event, so that the event in whose wake it cannot
be is the one that parks.

An event that is not what was recorded (its leaf hash does not hold) parks its key in every view, also in one that its
type does not concern: the type may be what was changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ledger.aggregates.vocabulary import event_types
from ledger.consumers import outcomes
from ledger.consumers.generations import Stand
from ledger.consumers.log import Entry
from ledger.consumers.rows import read_rows, read_together, write_rows, write_together
from ledger.errors import IntegrityFault, LedgerError
from ledger.projections.base import Happened, Key
from ledger.projections.folding import L, finish_line, fold_event, keys_of
from ledger.store.checked import check_leaf, read_checked
from ledger.store.codec import read
from ledger.store.envelope import StoredRow

Concerned = list[tuple[Happened[Any], list[Key]]]


class Batch:
    """Some entries of the log, each event checked against its leaf hash and read once for all projections.

    ``faults`` are the events that are not what was recorded, by their positions, in the order of the log.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.faults = _faults(entries)
        self._read: dict[int, Happened[Any] | Exception] = dict(self.faults)

    def happened(self, row: StoredRow) -> Happened[Any] | Exception:
        """What an entry's event says, or why it cannot be read."""
        found = self._read.get(row.position)
        if found is None:
            try:
                found = Happened.of(read(row))
            except LedgerError as fault:
                found = fault
            self._read[row.position] = found
        return found


def _faults(entries: Sequence[Entry]) -> dict[int, IntegrityFault]:
    found = {}
    for entry in entries:
        try:
            check_leaf(entry.row)
        except IntegrityFault as fault:
            found[entry.row.position] = fault
    return found


@dataclass
class Work:
    """What a batch does to one projection before it is written."""

    lines: L = field(default_factory=dict)
    changed: set[Key] = field(default_factory=set)
    #: Keys of rows that were there before and are changed or removed.
    gone: list[Key] = field(default_factory=list)
    #: The values of the changed rows, as they are written.
    rows: list[Sequence[Any]] = field(default_factory=list)
    #: The outcome of each position, in the order of the log.
    marks: dict[int, bytes] = field(default_factory=dict)
    parked_keys: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    parked_events: dict[int, str] = field(default_factory=dict)

    def park(self, row: StoredRow) -> None:
        """An event waits behind a parked one of its key."""
        self.marks[row.position] = outcomes.PARKED
        self.parked_events[row.position] = row.key

    def park_key(self, row: StoredRow, fault: Exception) -> None:
        """A key cannot go on with an event, and why."""
        self.parked_keys[row.key] = (row.position, row.topic, describe(fault))
        self.park(row)


def work_on(
    connection: Connection,
    stand: Stand,
    batch: Batch,
    entries: Sequence[Entry],
    waiting: Collection[str],
    before: L | None = None,
) -> Work:
    """Fold some entries of a batch into the rows they touch; events of keys that wait are set aside.

    ``before`` are the rows as they are stored, where they were looked up already.
    """
    work, concerned = _sort(stand, batch, entries, waiting)
    if before is None:
        before = _look_up(connection, stand, [key for _, keys in concerned for key in keys])
    try:
        _fold(stand, work, concerned, before, finishing=False)
        _finish(stand, work, before)
    except Exception:  # noqa: BLE001 - a row that cannot be finished: find the event that made it so, and park that
        work, concerned = _sort(stand, batch, entries, waiting)
        _fold(stand, work, concerned, before, finishing=True)
        _finish(stand, work, before)
    return work


def look_up_together(
    connection: Connection, batch: Batch, wanted: Sequence[tuple[Stand, Sequence[Entry], Collection[str]]]
) -> list[L]:
    """The rows that some entries touch in each of several views, as they are stored; for few entries, on PostgreSQL."""
    asked = []
    for stand, entries, waiting in wanted:
        _, concerned = _sort(stand, batch, entries, waiting)
        keys = list(dict.fromkeys(key for _, keys in concerned for key in keys))
        asked.append((stand, stand.projection.stored_columns, keys))
    found = read_together(connection, asked)
    return [_lines(stand, rows) for (stand, _, _), rows in zip(wanted, found, strict=True)]


def write_all_together(connection: Connection, works: Sequence[tuple[Stand, Work]]) -> None:
    """As ``write`` for several views, with few rows, on PostgreSQL."""
    changes = [(stand, stand.projection.columns, work.rows, work.gone) for stand, work in works]
    write_together(connection, [change for change in changes if change[2] or change[3]])
    for _, work in works:
        work.rows = []


def write(connection: Connection, stand: Stand, work: Work) -> None:
    """Write the rows that a batch changed: the old ones out, the new ones in."""
    write_rows(connection, stand, stand.projection.columns, work.rows, work.gone)
    work.rows = []


def apply_one(connection: Connection, stand: Stand, row: StoredRow) -> bytes:
    """Apply a single stored event, reading it as today's release does; returns its outcome, or raises."""
    recorded, work = read_checked(row), Work()
    if not stand.projection.concerns(row.topic):
        return outcomes.NOT_CONCERNED  # parked by a release that did not know its type; this one does
    happened = Happened.of(recorded)
    keys = keys_of(stand.projection, happened)
    before = _look_up(connection, stand, keys)
    work.lines = dict(before)
    fold_event(stand.projection, work.lines, happened, keys, finishing=True)
    work.changed.update(keys)
    _finish(stand, work, before)
    write(connection, stand, work)
    return outcomes.APPLIED


def _sort(stand: Stand, batch: Batch, entries: Sequence[Entry], waiting: Collection[str]) -> tuple[Work, Concerned]:
    """Sort entries into events to fold, with the keys of their rows; events of parked keys are set aside."""
    work, concerned = Work(), Concerned()
    projection, known = stand.projection, known_types()
    types = projection.event_types | ({entry.row.topic for entry in entries} - known)
    work.marks = dict.fromkeys([entry.row.position for entry in entries], outcomes.NOT_CONCERNED)
    for entry in entries:
        row = entry.row
        if row.topic not in types and row.position not in batch.faults:
            continue
        if row.key in waiting or row.key in work.parked_keys:
            work.park(row)
            continue
        found = batch.happened(row)
        if isinstance(found, Exception):
            work.park_key(row, found)
            continue
        try:
            keys = keys_of(projection, found)
        except Exception as fault:  # noqa: BLE001 - as for a fold: it parks its key
            work.park_key(row, fault)
            continue
        concerned.append((found, keys))
    return work, concerned


def _fold(stand: Stand, work: Work, concerned: Concerned, before: L, *, finishing: bool) -> None:
    work.lines = lines = dict(before)
    projection, parked_keys, marks = stand.projection, work.parked_keys, work.marks
    for happened, keys in concerned:
        if parked_keys and (parked := parked_keys.get(happened.key)) is not None and happened.position > parked[0]:
            work.park(happened.recorded.row)
            continue
        try:
            fold_event(projection, lines, happened, keys, finishing=finishing)
        except Exception as fault:  # noqa: BLE001 - whatever a fold raises parks its key, never the whole view
            work.park_key(happened.recorded.row, fault)
            continue
        work.changed.update(keys)
        marks[happened.position] = outcomes.APPLIED


def _finish(stand: Stand, work: Work, before: L) -> None:
    """Finish every row that changed, once, in the order of the keys."""
    projection, lines = stand.projection, work.lines
    for key in sorted(work.changed):
        if key in before:
            work.gone.append(key)
        line = lines.get(key)
        if line is not None:
            work.rows.append(projection.to_values(finish_line(projection, line, key)))


def _look_up(connection: Connection, stand: Stand, keys: Iterable[Key]) -> L:
    """The rows that a batch touches, as they are stored."""
    return _lines(stand, read_rows(connection, stand, stand.projection.stored_columns, list(dict.fromkeys(keys))))


def _lines(stand: Stand, rows: Iterable[Sequence[Any]]) -> L:
    found: L = {}
    for values in rows:
        line = stand.projection.to_fold(values)
        found[stand.projection.key_of(line.row)] = line
    return found


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


@cache
def known_types() -> frozenset[str]:
    """The event types that this release knows."""
    return frozenset(event_types())
