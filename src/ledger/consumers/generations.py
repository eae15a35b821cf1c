"""The generations of a view: their tables, which one is live, and the locks that keep two processes apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, insert
from sqlalchemy.schema import CreateTable

from ledger.consumers.tables import LIVE
from ledger.errors import LedgerError
from ledger.projections.base import Projection


@dataclass(frozen=True)
class Stand:
    """One generation of one projection: the id its place is kept under, and its table."""

    projection: Projection[Any]
    generation: int
    table: Table

    @property
    def id(self) -> str:
        return f"{self.projection.name}.{self.generation}"

    @classmethod
    def of(cls, projection: Projection[Any], generation: int) -> Stand:
        return cls(projection, generation, projection.table(generation))


@contextmanager
def at_one_moment(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is when it first looks, whatever is written meanwhile."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":  # on SQLite every transaction sees one moment
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


class NotTheKeeper(LedgerError):
    """This database role may only read the views: they are another role's to make."""


def keeper_of(connection: Connection) -> str | None:
    """The only role that makes views here: the owner of the schema `views` (``deploy/roles.sql``); None without it.

    A member of that role has its rights, and would make tables of its own all the same, in another schema, which
    neither the keeper nor a reader could use.
    """
    if connection.dialect.name != "postgresql":
        return None
    statement = "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = 'views'"
    found = connection.exec_driver_sql(statement).scalar()
    return None if found is None else str(found)


def may_keep(connection: Connection) -> bool:
    """Whether this database role may make and change views; a role that only reads them leaves that to another."""
    if connection.dialect.name != "postgresql":
        return True
    keeper = keeper_of(connection)
    if keeper is not None:
        return bool(connection.exec_driver_sql("SELECT current_user = %s", (keeper,)).scalar())
    may = "has_table_privilege(to_regclass('projection_places'), 'UPDATE')"
    could = "has_schema_privilege(current_schema(), 'CREATE')"
    return bool(connection.exec_driver_sql(f"SELECT coalesce({may}, {could})").scalar())


def check_keeper(connection: Connection) -> None:
    """Refuse a role that is not the one that makes the views, and name that one."""
    keeper = keeper_of(connection)
    if keeper is not None and not may_keep(connection):
        raise NotTheKeeper(f"LEDGER_DATABASE: its user may only read the views; run this as {keeper}, who keeps them")


def lock_views(connection: Connection) -> None:
    """One process at a time makes or switches tables of views (SQLite's write lock does the same).

    It is the keeper's; another role is refused (:func:`check_keeper`). All locks of the views have two keys, so that it
    needs no right to those with one, of which the sequencer's is one (``deploy/roles.sql``).
    """
    check_keeper(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1818583912, 0)")


def lock_generation(connection: Connection, stand: Stand) -> None:
    """One process at a time changes the rows of a generation, whichever partitions it reads (as above for SQLite)."""
    lock_generations(connection, [stand])


def lock_generations(connection: Connection, stands: Sequence[Stand]) -> None:
    """As :func:`lock_generation`, for several; always in the order of their ids, so that no two wait for each other."""
    if connection.dialect.name == "postgresql":
        ids = sorted(stand.id for stand in stands)
        connection.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(1818583913, hashtext(id)) FROM unnest(%s::text[]) AS locked (id)", (ids,)
        )


def make_generation(
    connection: Connection, projection: Projection[Any], generation: int, *, indexed: bool = True
) -> None:
    """Make the table of a generation, empty; its indexes with it, or later."""
    table = projection.table(generation)
    table.drop(connection, checkfirst=True)
    connection.execute(CreateTable(table))
    if indexed:
        index_generation(connection, projection, generation)


def index_generation(connection: Connection, projection: Projection[Any], generation: int) -> None:
    """Make the indexes of a generation's table."""
    for index in sorted(projection.table(generation).indexes, key=lambda index: str(index.name)):
        index.create(connection)


def make_live(connection: Connection, projection: Projection[Any], generation: int) -> None:
    """Let queries read this generation from now on, in the caller's transaction: a reader never sees a half."""
    names = ", ".join(column.name for column in projection.table(generation).columns)
    connection.exec_driver_sql(f"DROP VIEW IF EXISTS view_{projection.name}")
    connection.exec_driver_sql(
        f"CREATE VIEW view_{projection.name} AS SELECT {names} FROM rows_{projection.name}_g{generation}"  # noqa: S608
    )
    connection.execute(delete(LIVE).where(LIVE.c.projection == projection.name))
    connection.execute(
        insert(LIVE),
        [{"projection": projection.name, "generation": generation, "projection_version": projection.version}],
    )
