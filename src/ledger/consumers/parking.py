"""Parked keys: which charts a projection could not go on with, and the retry that resumes them in order.

A parked chart keeps its rows as they were before the event that could not be applied. Its later events wait behind it.
A retry reads them again from the store, through the upcasters, in the order of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Text, cast, delete, func, select, update
from sqlalchemy.exc import OperationalError

from ledger.consumers import outcomes
from ledger.consumers.generations import Stand, lock_generation
from ledger.consumers.runner import Runner
from ledger.consumers.tables import LIVE, PARKED_EVENTS, PARKED_KEYS, PLACES
from ledger.consumers.work import apply_one, describe
from ledger.store.recorder import Recorder


@dataclass(frozen=True)
class Parked:
    """One key that a projection could not go on with."""

    projection: str
    key: str
    position: int
    event_type: str
    error: str
    log: str
    partition: int
    waiting: int


def parked(engine: Engine) -> list[Parked]:
    """Every parked key of every live view, with how many events wait."""
    with engine.connect() as connection:
        return parked_in(connection)


def parked_in(connection: Connection) -> list[Parked]:
    """The same, as a connection sees it."""
    counts = (
        select(PARKED_EVENTS.c.projection, PARKED_EVENTS.c.key, func.count().label("waiting"))
        .group_by(PARKED_EVENTS.c.projection, PARKED_EVENTS.c.key)
        .subquery()
    )
    keys = PARKED_KEYS.c
    live = LIVE.c.projection + "." + cast(LIVE.c.generation, Text)
    statement = (
        select(
            keys.projection,
            keys.key,
            keys.position,
            keys.event_type,
            keys.error,
            keys.log,
            keys.partition,
            counts.c.waiting,
        )
        .join(counts, (counts.c.projection == keys.projection) & (counts.c.key == keys.key))
        .join(LIVE, live == keys.projection)
        .order_by(keys.projection, keys.position)
    )
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
    with engine.begin() as connection:
        lock_generation(connection, stand)
        mine = (PARKED_EVENTS.c.projection == stand.id, PARKED_EVENTS.c.key == one.key)
        positions = list(connection.scalars(select(PARKED_EVENTS.c.position).where(*mine).order_by("position")))
        if not positions:
            return  # another retry has been here
        # Read after the list of what waits: everything on it is in the log by now.
        rows = {row.position: row for row in recorder.read_key(one.key, after=positions[0] - 1, until=positions[-1])}
        done: dict[int, bytes] = {}
        for position in positions:
            row = rows.get(position)
            if row is None:
                # It was changed when it was parked and has been put right since: its own key has gone on without it.
                words = f"the event at position {position} has another key by now"
                _keep(connection, stand, one, position, "", f"{words}; run: ledger rebuild {stand.projection.name}")
                break
            try:
                with connection.begin_nested():
                    done[position] = apply_one(connection, stand, row)
            except OperationalError:
                raise
            except Exception as fault:  # noqa: BLE001 - it stays parked, with today's reason
                _keep(connection, stand, one, position, row.topic, describe(fault))
                break
        _unpark(connection, stand, one, done)
        if len(done) == len(positions):
            connection.execute(
                delete(PARKED_KEYS).where(PARKED_KEYS.c.projection == stand.id, PARKED_KEYS.c.key == one.key)
            )


def _keep(connection: Connection, stand: Stand, one: Parked, position: int, event_type: str, error: str) -> None:
    """Say which event the key is held up by now, and why."""
    connection.execute(
        update(PARKED_KEYS)
        .where(PARKED_KEYS.c.projection == stand.id, PARKED_KEYS.c.key == one.key)
        .values(position=position, event_type=event_type or one.event_type, error=error)
    )


def _unpark(connection: Connection, stand: Stand, one: Parked, done: Mapping[int, bytes]) -> None:
    """Take events off the list, and count them where they belong now: in the partition their key is read from."""
    if not done:
        return
    outcomes.record(connection, stand.id, done)
    connection.execute(
        delete(PARKED_EVENTS).where(
            PARKED_EVENTS.c.projection == stand.id,
            PARKED_EVENTS.c.key == one.key,
            PARKED_EVENTS.c.position <= max(done),
        )
    )
    marks = Counter(done.values())
    connection.execute(
        update(PLACES)
        .where(PLACES.c.projection == stand.id, PLACES.c.log == one.log, PLACES.c.partition == one.partition)
        .values(
            applied=PLACES.c.applied + marks[outcomes.APPLIED],
            not_concerned=PLACES.c.not_concerned + marks[outcomes.NOT_CONCERNED],
            parked=PLACES.c.parked - len(done),
        )
    )
