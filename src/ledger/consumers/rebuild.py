"""Rebuilding a view beside the live one: build, compare, switch in one transaction, keep the old one.

Nothing is dropped before the new rows are there, and a reader never sees a half. The generation that was live before
stays until the next rebuild, so that a switch can be looked at again. A rebuild has no side effects: folds are pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Engine, MetaData, Table, collate, delete, func, inspect, select

from ledger.consumers.generations import Stand, lock_generation, lock_views, make_generation, make_live
from ledger.consumers.log import Log
from ledger.consumers.runner import Runner
from ledger.consumers.tables import LIVE, OUTCOMES, PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.projections.base import Projection

#: How many differing rows a comparison names one by one; all of them are counted.
NAMED = 20


@dataclass
class Difference:
    """How a rebuilt view differs from the live one."""

    projection: str
    rows: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    #: The first differing rows: their key, and what each side has (None where a side has no such row).
    examples: list[tuple[tuple[str, ...], dict[str, Any] | None, dict[str, Any] | None]] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not (self.added or self.removed or self.changed)


def build_beside(
    engine: Engine, log: Log, projection: Projection[Any], progress: Callable[[int], None] | None = None
) -> tuple[Runner, int]:
    """Build the next generation of a view from the whole log; queries go on reading the live one."""
    with engine.execution_options(ledger_write=True).begin() as connection:
        lock_views(connection)
        live = connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name))
        generation = (live or 0) + 1
        forget(connection, projection, generation)
        make_generation(connection, projection, generation)
    runner = Runner(engine, log, [projection], batch=5000)
    runner.building[projection.name] = generation
    runner.catch_up(progress)
    return runner, generation


def compare(engine: Engine, projection: Projection[Any], generation: int) -> Difference:
    """Compare a generation with the live one, row by row, in the order of their keys."""
    difference = Difference(projection.name)
    with engine.connect() as connection:
        live = connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name))
        fresh = _rows(connection, projection, generation)
        stored = _rows(connection, projection, live) if live is not None else iter(())
        for key, old, new in _merge(stored, fresh):
            difference.rows += new is not None
            if old == new:
                continue
            if old is None:
                difference.added += 1
            elif new is None:
                difference.removed += 1
            else:
                difference.changed += 1
            if len(difference.examples) < NAMED:
                difference.examples.append((key, old, new))
    return difference


def switch(engine: Engine, runner: Runner, projection: Projection[Any], generation: int) -> None:
    """Make a generation the live one, in one transaction, once it has everything the live one has."""
    while True:
        runner.catch_up()
        with engine.execution_options(ledger_write=True).begin() as connection:
            lock_views(connection)
            live = connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name))
            if live is not None:
                lock_generation(connection, Stand.of(projection, live))  # no batch is on its way while we look
                if not _has_caught_up(connection, projection, live, generation):
                    continue
            make_live(connection, projection, generation)
            if live is not None and live > 1:
                forget(connection, projection, live - 1)
            return


def rows_of(engine: Engine, projection: Projection[Any], generation: int | None = None) -> list[dict[str, Any]]:
    """Every row of a generation (the live one unless named), in the order of its key: for comparing bytes."""
    with engine.connect() as connection:
        if generation is None:
            generation = connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name))
        return [values for _, values in _rows(connection, projection, generation or 1)]


def forget(connection: Connection, projection: Projection[Any], generation: int) -> None:
    """Drop one generation: its rows, its places, and what was parked for it. Everything can be made again."""
    stand = Stand.of(projection, generation)
    stand.table.drop(connection, checkfirst=True)
    for table in (PLACES, OUTCOMES, PARKED_KEYS, PARKED_EVENTS):
        connection.execute(delete(table).where(table.c.projection == stand.id))


def forget_build(engine: Engine, projection: Projection[Any], generation: int) -> None:
    """Drop a generation that was built and is not wanted; the live one is never dropped."""
    with engine.execution_options(ledger_write=True).begin() as connection:
        lock_views(connection)
        if connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name)) != generation:
            forget(connection, projection, generation)


def _has_caught_up(connection: Connection, projection: Projection[Any], live: int, fresh: int) -> bool:
    """Whether the fresh generation, which is built from the whole log in its order, has all that the live one has."""

    def newest(generation: int) -> int:
        statement = select(func.max(PLACES.c.position)).where(PLACES.c.projection == f"{projection.name}.{generation}")
        return int(connection.scalar(statement) or 0)

    return newest(fresh) >= newest(live)


def _rows(
    connection: Connection, projection: Projection[Any], generation: int
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    table = _table_as_made(connection, projection, generation)
    if any(name not in table.c for name in projection.key):
        return  # made by a version with another key: no row of it has a counterpart
    # Keys are ordered as bytes, so that two generations, and two databases, give them in one order.
    bytewise = connection.dialect.name == "postgresql"
    order = [collate(table.c[name], "C") if bytewise else table.c[name] for name in projection.key]
    for values in connection.execution_options(yield_per=1000).execute(select(table).order_by(*order)).mappings():
        row = dict(values)
        yield tuple(str(row[name]) for name in projection.key), row


def _table_as_made(connection: Connection, projection: Projection[Any], generation: int) -> Table:
    """A generation's table with the columns it has: another version of the projection may have made it."""
    table = projection.table(generation)
    has = {found["name"]: found["type"] for found in inspect(connection).get_columns(table.name)}
    if has.keys() == {column.name for column in table.columns}:
        return table
    types = {column.name: column.type for column in table.columns}
    return Table(table.name, MetaData(), *(Column(name, types.get(name, has[name])) for name in has))


def _merge(
    stored: Iterator[tuple[tuple[str, ...], dict[str, Any]]], fresh: Iterator[tuple[tuple[str, ...], dict[str, Any]]]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any] | None, dict[str, Any] | None]]:
    """Walk two ordered lists of rows side by side."""
    left, right = next(stored, None), next(fresh, None)
    while left is not None or right is not None:
        if left is not None and (right is None or left[0] < right[0]):
            yield left[0], left[1], None
            left = next(stored, None)
        elif right is not None and (left is None or right[0] < left[0]):
            yield right[0], None, right[1]
            right = next(fresh, None)
        elif left is not None and right is not None:
            yield left[0], left[1], right[1]
            left, right = next(stored, None), next(fresh, None)


def count_rows(engine: Engine, projection: Projection[Any]) -> int:
    """How many rows the live view has."""
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(projection.view)) or 0)
