"""Parked keys: which charts a projection could not go on with, and the retry that resumes them in order.

A parked chart keeps its rows as they were before the event that could not be applied. Its later events wait behind it.
A retry reads them again from the store, through the upcasters, in the order of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, select, update

from ledger.consumers import outcomes
from ledger.consumers.runner import Runner, Stand, Work, describe, fold_one, look_up, write_lines
from ledger.consumers.tables import PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.projections.base import keys_of
from ledger.store.codec import read
from ledger.store.envelope import StoredRow
from ledger.store.recorder import Recorder


@dataclass(frozen=True)
class Parked:
    """One key that a projection could not go on with."""

    projection: str
    key: str
    position: int
    event_type: str
    error: str
    waiting: int


def parked(engine: Engine) -> list[Parked]:
    """Every parked key of every projection, with how many events wait."""
    counts = (
        select(PARKED_EVENTS.c.projection, PARKED_EVENTS.c.key, func.count().label("waiting"))
        .group_by(PARKED_EVENTS.c.projection, PARKED_EVENTS.c.key)
        .subquery()
    )
    statement = (
        select(PARKED_KEYS, counts.c.waiting)
        .join(counts, (counts.c.projection == PARKED_KEYS.c.projection) & (counts.c.key == PARKED_KEYS.c.key))
        .order_by(PARKED_KEYS.c.projection, PARKED_KEYS.c.position)
    )
    with engine.connect() as connection:
        return [Parked(*row) for row in connection.execute(statement)]


def retry(runner: Runner, recorder: Recorder, *, projection: str | None = None, key: str | None = None) -> list[Parked]:
    """Apply the waiting events of parked keys, in order, each key in a transaction; returns those still parked."""
    with runner.engine.connect() as connection:
        stands = {stand.id: stand for stand in runner.stands(connection)}
    for one in parked(runner.engine):
        stand = stands.get(one.projection)
        if stand is None or projection not in (None, stand.projection.name) or key not in (None, one.key):
            continue
        _retry_key(runner.engine, recorder, stand, one)
    return [one for one in parked(runner.engine) if one.projection in stands]


def _retry_key(engine: Engine, recorder: Recorder, stand: Stand, one: Parked) -> None:
    rows = {row.position: row for row in recorder.read_key(one.key, after=one.position - 1)}
    with engine.begin() as connection:
        mine = (PARKED_EVENTS.c.projection == stand.id, PARKED_EVENTS.c.key == one.key)
        positions = list(connection.scalars(select(PARKED_EVENTS.c.position).where(*mine).order_by("position")))
        work = Work()
        failed: tuple[StoredRow, str] | None = None
        done: list[int] = []
        for position in positions:
            try:
                recorded = read(rows[position])
                keys = keys_of(stand.projection, recorded)
                look_up(connection, stand, work, [k for k in keys if k not in work.lines])
                fold_one(stand.projection, work, recorded, keys)
            except Exception as fault:  # noqa: BLE001 - it stays parked, with today's reason
                failed = (rows[position], describe(fault))
                break
            done.append(position)
        write_lines(connection, stand, work)
        outcomes.record(connection, stand.id, work.marks)
        _unpark(connection, stand, one, done)
        if failed is not None:
            row, error = failed
            connection.execute(
                update(PARKED_KEYS)
                .where(PARKED_KEYS.c.projection == stand.id, PARKED_KEYS.c.key == one.key)
                .values(position=row.position, event_type=row.topic, error=error)
            )


def _unpark(connection: Any, stand: Stand, one: Parked, done: Sequence[int]) -> None:
    """Take the applied events off the list, and the key when none is left."""
    if done:
        connection.execute(
            delete(PARKED_EVENTS).where(
                PARKED_EVENTS.c.projection == stand.id,
                PARKED_EVENTS.c.key == one.key,
                PARKED_EVENTS.c.position <= done[-1],
            )
        )
        connection.execute(
            update(PLACES)
            .where(PLACES.c.projection == stand.id, PLACES.c.partition == 0)
            .values(applied=PLACES.c.applied + len(done), parked=PLACES.c.parked - len(done))
        )
    if len(done) == one.waiting:
        connection.execute(
            delete(PARKED_KEYS).where(PARKED_KEYS.c.projection == stand.id, PARKED_KEYS.c.key == one.key)
        )
