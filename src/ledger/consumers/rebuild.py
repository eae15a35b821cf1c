"""Rebuilding a view beside the live one: build, compare, switch in one transaction, keep the old one.

Nothing is dropped before the new rows are there, and a reader never sees a half. The generation that was live before
stays until the next rebuild, so that a switch can be looked at again. A rebuild has no side effects: folds are pure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Select,
    Table,
    and_,
    collate,
    delete,
    exists,
    func,
    inspect,
    or_,
    select,
    true,
)

from ledger.consumers.generations import (
    Stand,
    at_one_moment,
    index_generation,
    lock_generation,
    lock_views,
    make_generation,
    make_live,
)
from ledger.consumers.log import Log
from ledger.consumers.runner import Runner
from ledger.consumers.tables import LIVE, OUTCOMES, PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.projections.base import Key, Projection

#: Events a transaction of a rebuild: the more, the more of a row's events are folded before it is written.
BATCH = 10_000
#: Past every position there can be.
_END = 2**62
#: How long a comparison waits for a position that the live rows are as at, in seconds; and between looks.
PATIENCE = 5.0
_LOOK = 0.05
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
    #: The position of the log that both sides are as at, and how many of the events up to there the live one lacks
    #: (none, unless partitions of a topic are behind others); see :func:`compare_as_live`.
    position: int | None = None
    lacking: int = 0
    #: The first differing rows: their key, and what each side has (None where a side has no such row).
    examples: list[tuple[Key, dict[str, Any] | None, dict[str, Any] | None]] = field(default_factory=list)

    @property
    def same(self) -> bool:
        return not (self.added or self.removed or self.changed)


def build_beside(
    engine: Engine, log: Log, projection: Projection[Any], progress: Callable[[int], None] | None = None
) -> tuple[Runner, int]:
    """Build the next generation of a view from the whole log; queries go on reading the live one."""
    runner = build_all_beside(engine, log, [projection], progress)
    return runner, runner.building[projection.name]


def build_all_beside(
    engine: Engine,
    log: Log,
    projections: Sequence[Projection[Any]],
    progress: Callable[[int], None] | None = None,
    *,
    as_live: bool = False,
    looks: Mapping[str, Collection[int]] = MappingProxyType({}),
    look: Callable[[Projection[Any], int, int], None] = lambda *_: None,
) -> Runner:
    """As :func:`build_beside` for several views in one reading of the log; the runner's ``building`` has generations.

    With ``as_live`` each view is built only as far as its live rows have come, for :func:`compare_as_live`. At the
    positions that ``looks`` has for a view the build stands still, and ``look`` is told the view, its generation and
    the position. Indexes are made when all rows are there: many rows are sorted sooner than each is put in its place.
    Raises ``IntegrityFault``, and leaves nothing behind, when an event of the log is not what was recorded.
    """
    runner = Runner(engine, log, projections, batch=BATCH)
    ends: dict[str, int] = {}
    with engine.execution_options(ledger_write=True).begin() as connection:
        lock_views(connection)
        for projection in projections:
            live = connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name))
            runner.building[projection.name] = generation = (live or 0) + 1
            forget(connection, projection, generation)
            make_generation(connection, projection, generation, indexed=False)
            newest = _END if live is None or not as_live else _newest(connection, projection, live)
            ends[projection.name] = newest
    try:
        for end in sorted({*ends.values(), *(at for each in looks.values() for at in each)}):
            going = [projection for projection in projections if ends[projection.name] >= end]
            further = runner.only(*going)
            further.until = end
            further.catch_up(progress)
            for projection in going:
                if end in looks.get(projection.name, ()):
                    look(projection, runner.building[projection.name], end)
    except BaseException:
        for projection in projections:
            forget_build(engine, projection, runner.building[projection.name])
        raise
    for projection in projections:
        with engine.execution_options(ledger_write=True).begin() as connection:
            index_generation(connection, projection, runner.building[projection.name])
    return runner


def compare(engine: Engine, projection: Projection[Any], generation: int) -> Difference:
    """Compare a generation with the live one, row by row and column by column, where the rows are: in the database."""
    with at_one_moment(engine) as connection:
        return _compared(connection, projection, generation)


def compare_as_live(engine: Engine, runner: Runner, projection: Projection[Any]) -> Difference:
    """Compare the generation a runner builds with the live one, both as at one position: the live one's.

    So rows that the live view lacks only because it is behind are no difference. Where it goes on meanwhile, the build
    follows it; its writer stands still for that moment. Live rows from the partitions of a topic may have no such
    position, one partition being behind another; after ``PATIENCE`` seconds they are compared as they are, and
    ``lacking`` says how many events the live ones lack.
    """
    generation, until = runner.building[projection.name], time.monotonic() + PATIENCE
    while True:
        with at_one_moment(engine) as connection:
            with _live_stands_still(engine, projection) as live:
                newest = 0
                if live is not None:
                    with engine.connect() as looking:
                        newest = _newest(looking, projection, live)
                    follower = runner.only(projection)
                    follower.until = newest
                    follower.catch_up()
                position = _newest(connection, projection, generation)  # from here on this one moment is seen
            lacking = 0 if live is None else position - Runner.accounted(connection, Stand.of(projection, live))
            if lacking == 0 or time.monotonic() > until:
                difference = _compared(connection, projection, generation)
                difference.position, difference.lacking = position, lacking
                return difference
        time.sleep(_LOOK)


@contextmanager
def _live_stands_still(engine: Engine, projection: Projection[Any]) -> Iterator[int | None]:
    """The live generation, which on PostgreSQL nobody writes to meanwhile; on SQLite the build itself has to write."""
    statement = select(LIVE.c.generation).where(LIVE.c.projection == projection.name)
    with engine.connect() as connection:
        live = connection.scalar(statement)
        if live is not None:
            lock_generation(connection, Stand.of(projection, live))
        if engine.dialect.name != "postgresql":
            connection.rollback()
        yield live


def _compared(connection: Connection, projection: Projection[Any], generation: int) -> Difference:
    difference = Difference(projection.name)
    live = connection.scalar(select(LIVE.c.generation).where(LIVE.c.projection == projection.name))
    fresh = _table_as_made(connection, projection, generation)
    difference.rows = _count(connection, select(func.count()).select_from(fresh))
    stored = None if live is None else _table_as_made(connection, projection, live)
    if stored is None or any(name not in stored.c for name in projection.key):
        # Never made, or made by a version with another key: no row of it has a counterpart.
        difference.added = difference.rows
        found = _first(connection, projection, [select(*_key(projection, fresh))])
    else:
        parts = _parts(projection, stored, fresh)
        difference.added, difference.removed, difference.changed = (
            _count(connection, select(func.count()).select_from(part.subquery())) for part in parts
        )
        found = _first(connection, projection, parts) if not difference.same else []
    for key in found:
        old = None if stored is None else _row(connection, projection, stored, key)
        difference.examples.append((key, old, _row(connection, projection, fresh, key)))
    return difference


def _parts(projection: Projection[Any], stored: Table, fresh: Table) -> list[Select[Any]]:
    """The keys of the rows that a rebuild adds, removes and changes."""
    same_key = and_(*(stored.c[name] == fresh.c[name] for name in projection.key))
    names = [column.name for column in fresh.c]
    differs = or_(*(stored.c[name].is_distinct_from(fresh.c[name]) for name in names if name in stored.c))
    if {column.name for column in stored.c} != set(names):
        differs = or_(differs, true())  # other columns: no row is as it was
    added = select(*_key(projection, fresh)).where(~exists().where(same_key).select_from(stored).correlate(fresh))
    removed = select(*_key(projection, stored)).where(~exists().where(same_key).select_from(fresh).correlate(stored))
    changed = select(*_key(projection, fresh)).select_from(fresh.join(stored, same_key)).where(differs)
    return [added, removed, changed]


def _key(projection: Projection[Any], table: Table) -> list[ColumnElement[Any]]:
    return [table.c[name] for name in projection.key]


def _count(connection: Connection, statement: Select[Any]) -> int:
    return int(connection.scalar(statement) or 0)


def _first(connection: Connection, projection: Projection[Any], parts: Sequence[Select[Any]]) -> list[Key]:
    """The first keys, in their order, of those that some statements give."""
    keys: list[Key] = []
    for part in parts:
        order = [_bytewise(connection, column) for column in part.selected_columns]
        keys += [tuple(map(str, row)) for row in connection.execute(part.order_by(*order).limit(NAMED))]
    return sorted(keys, key=lambda key: [part.encode() for part in key])[:NAMED]


def _row(connection: Connection, projection: Projection[Any], table: Table, key: Key) -> dict[str, Any] | None:
    if any(name not in table.c for name in projection.key):
        return None
    mine = [table.c[name] == value for name, value in zip(projection.key, key, strict=True)]
    found = connection.execute(select(table).where(*mine)).mappings().first()
    return None if found is None else dict(found)


def switch(engine: Engine, runner: Runner, projection: Projection[Any], generation: int) -> None:
    """Make a generation the live one, in one transaction, once it has everything the live one has."""
    runner = runner.only(projection)
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
        statement = in_order_of_keys(connection, projection, generation or 1)
        return [dict(values) for values in connection.execute(statement).mappings()]


def in_order_of_keys(connection: Connection, projection: Projection[Any], generation: int) -> Select[Any]:
    """A SELECT of every row of a generation in the order of its key's bytes: the same on every database."""
    table = _table_as_made(connection, projection, generation)
    return select(table).order_by(*(_bytewise(connection, column) for column in _key(projection, table)))


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
    return _newest(connection, projection, fresh) >= _newest(connection, projection, live)


def _newest(connection: Connection, projection: Projection[Any], generation: int) -> int:
    """The position of the newest event that a generation has dealt with."""
    return Runner.position(connection, Stand.of(projection, generation))


def _bytewise(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A key in the order of its bytes, so that two databases give keys in one order."""
    return collate(column, "C") if connection.dialect.name == "postgresql" else column


def _table_as_made(connection: Connection, projection: Projection[Any], generation: int) -> Table:
    """A generation's table with the columns it has: another version of the projection may have made it."""
    table = projection.table(generation)
    has = {found["name"]: found["type"] for found in inspect(connection).get_columns(table.name)}
    if has.keys() == {column.name for column in table.columns}:
        return table
    types = {column.name: column.type for column in table.columns}
    return Table(table.name, MetaData(), *(Column(name, types.get(name, has[name])) for name in has))


def count_rows(engine: Engine, projection: Projection[Any]) -> int:
    """How many rows the live view has."""
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(projection.view)) or 0)
