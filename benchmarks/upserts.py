"""The bare projection: rows that are ready, upserted in bulk by psycopg into plain tables with their keys alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import psycopg
from sqlalchemy import Engine, select

from ledger.projections.base import Happened, Key, Projection
from ledger.projections.every import PROJECTIONS
from ledger.projections.folding import keys_of
from ledger.store.codec import read
from ledger.store.envelope import StoredRow

Row = tuple[Any, ...]
#: What one transaction writes: for each view the rows.
Batch = dict[str, list[Row]]


def rows_of(engine: Engine, projection: Projection[Any]) -> dict[Key, Row]:
    """Every row of a live view as its columns' values, by its key."""
    with engine.connect() as connection:
        found = connection.execute(select(projection.view)).all()
    names = [column.name for column in projection.view.columns]
    places = [names.index(name) for name in projection.key]
    return {tuple(row[place] for place in places): tuple(row) for row in found}


def batches_of(engine: Engine, reads: Iterable[Sequence[StoredRow]]) -> list[Batch]:
    """The rows that the views write for each batch of the log: each changed row once, as it is in the end."""
    finished = {projection.name: rows_of(engine, projection) for projection in PROJECTIONS}
    found = []
    for rows in reads:
        events = [Happened.of(read(row)) for row in rows]
        batch: Batch = {}
        for projection in PROJECTIONS:
            changed = {
                key
                for event in events
                if projection.concerns(event.recorded.row.topic)
                for key in keys_of(projection, event)
            }
            ready = finished[projection.name]
            wanted = [ready[key] for key in sorted(changed) if key in ready]
            if wanted:
                batch[projection.name] = wanted
        found.append(batch)
    return found


def make_tables(connection: psycopg.Connection[Any]) -> None:
    """Plain tables with the columns and the key of each view, empty; the views themselves have to be there."""
    for projection in PROJECTIONS:
        key = ", ".join(projection.key)
        _run(connection, f"DROP TABLE IF EXISTS bare_{projection.name}")
        _run(connection, f"CREATE TABLE bare_{projection.name} AS SELECT * FROM view_{projection.name} WITH NO DATA")
        _run(connection, f"ALTER TABLE bare_{projection.name} ADD PRIMARY KEY ({key})")
        _run(connection, f"DROP TABLE IF EXISTS pg_temp.fresh_{projection.name}")
        _run(connection, f"CREATE TEMPORARY TABLE fresh_{projection.name} (LIKE bare_{projection.name})")
    connection.commit()


def _run(connection: psycopg.Connection[Any], statement: str) -> None:
    connection.execute(statement.encode())


def _names(projection: Projection[Any]) -> list[str]:
    return [column.name for column in projection.view.columns]


def _on_conflict(projection: Projection[Any]) -> str:
    changed = ", ".join(f"{name} = excluded.{name}" for name in _names(projection) if name not in projection.key)
    return f"ON CONFLICT ({', '.join(projection.key)}) DO UPDATE SET {changed}"


def upsert_pipelined(connection: psycopg.Connection[Any], batch: Batch) -> None:
    """Row by row, without waiting for each answer; one transaction."""
    for projection in PROJECTIONS:
        rows = batch.get(projection.name)
        if rows:
            names = _names(projection)
            marks = ", ".join(["%s"] * len(names))
            statement = f"INSERT INTO bare_{projection.name} ({', '.join(names)}) VALUES ({marks}) "
            with connection.cursor() as cursor:
                cursor.executemany((statement + _on_conflict(projection)).encode(), rows)
    connection.commit()


def upsert_copied(connection: psycopg.Connection[Any], batch: Batch) -> None:
    """COPY into a temporary table, then one INSERT from there; one transaction."""
    for projection in PROJECTIONS:
        rows = batch.get(projection.name)
        if rows:
            name = projection.name
            with connection.cursor() as cursor:
                with cursor.copy(f"COPY fresh_{name} FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
                cursor.execute(
                    f"INSERT INTO bare_{name} SELECT * FROM fresh_{name} {_on_conflict(projection)}".encode()
                )
                cursor.execute(f"DELETE FROM fresh_{name}".encode())
    connection.commit()


WAYS: dict[str, Callable[[psycopg.Connection[Any], Batch], None]] = {
    "upserts by executemany": upsert_pipelined,
    "upserts by COPY and one INSERT": upsert_copied,
}


def cut(rows: Iterator[StoredRow], size: int) -> Iterator[list[StoredRow]]:
    """A log in batches."""
    while batch := list(islice(rows, size)):
        yield batch
