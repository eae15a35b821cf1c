"""What a batch does to one projection: look its rows up, fold in memory, write the changed ones back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_

from ledger.consumers import outcomes
from ledger.consumers.generations import Stand
from ledger.errors import LedgerError
from ledger.projections.base import Key, L, Projection, fold_event, keys_of
from ledger.store.codec import read
from ledger.store.envelope import Recorded, StoredRow

#: Rows looked up or removed by one statement; well under every database's limit of parameters.
_CHUNK = 200


@dataclass
class Work:
    """What a batch does to one projection before it is written."""

    lines: L = field(default_factory=dict)
    looked_up: set[Key] = field(default_factory=set)
    changed: set[Key] = field(default_factory=set)
    marks: dict[int, bytes] = field(default_factory=dict)
    parked_keys: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    parked_events: dict[int, str] = field(default_factory=dict)


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


def apply_one(connection: Connection, stand: Stand, row: StoredRow) -> bytes:
    """Apply a single stored event, reading it as today's release does; returns its outcome, or raises."""
    recorded, work = read(row), Work()
    if not stand.projection.concerns(row.topic):
        return outcomes.NOT_CONCERNED  # parked by a release that did not know its type; this one does
    keys = keys_of(stand.projection, recorded)
    look_up(connection, stand, work, keys)
    fold_one(stand.projection, work, recorded, keys)
    write_lines(connection, stand, work)
    return outcomes.APPLIED


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
