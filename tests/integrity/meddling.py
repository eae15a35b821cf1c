"""What somebody can do to a store who owns the database: the guard taken away, rows changed, leaves recomputed."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from ledger.store.envelope import leaf_of
from ledger.store.recorder import Recorder

_TABLES = ("events", "checkpoints", "tiles", "cosignatures", "timestamps", "deliveries")


def meddle(recorder: Recorder, *statements: str, **values: object) -> None:
    """Take the guard away, then run what one likes."""
    with recorder.engine.begin() as connection:
        take_guard_away(recorder)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(text(statement), values)


def take_guard_away(recorder: Recorder) -> None:
    """On SQLite the triggers are dropped for good; on PostgreSQL a session leaves them out."""
    if recorder.engine.dialect.name != "sqlite":
        return
    with recorder.engine.execution_options(ledger_write=True).begin() as connection:
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
        for name in found:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")


def on(recorder: Recorder, sqlite: str, postgresql: str) -> str:
    return postgresql if recorder.engine.dialect.name == "postgresql" else sqlite


def rewrite_event(recorder: Recorder, position: int, payload: bytes = b'{"text":"another"}') -> None:
    """Give an event another payload, and the leaf that belongs to it: by itself it is sound again."""
    row = recorder.read_log(position - 1, 1)[0]
    assert row.position == position
    changed = replace(row, state=payload)
    leaf = leaf_of(changed, row.position, row.recorded_at)
    at = "stream_id = :stream AND version = :version"
    place = on(
        recorder,
        f"UPDATE events SET leaf = :leaf WHERE {at}",  # noqa: S608 - words of ours
        "UPDATE log_order SET leaf = :leaf WHERE position = :position",
    )
    meddle(
        recorder,
        f"UPDATE events SET payload = :payload WHERE {at}",  # noqa: S608 - words of ours
        place,
        stream=str(row.originator_id),
        version=row.originator_version,
        payload=payload,
        leaf=leaf,
        position=position,
    )


def cut_off(recorder: Recorder, after: int) -> None:
    """Remove the events after a position, and nothing else."""
    if recorder.engine.dialect.name == "sqlite":
        meddle(recorder, "DELETE FROM events WHERE position > :after", after=after)
    else:
        meddle(
            recorder,
            "WITH gone AS (DELETE FROM log_order WHERE position > :after RETURNING ticket) "
            "DELETE FROM events WHERE ticket IN (SELECT ticket FROM gone)",
            after=after,
        )
