"""Certificates of views: a root over the rows of a view as at a position, which a rebuild anywhere must give again.

The rows are the leaves of an RFC 6962 tree in the order of their keys; a first leaf says which view, version, position
and columns they are of, so that no root can be taken for that of another (``docs/proof.md``). What is on record of a
view are ``view.certified`` and ``view.rebuild_approved`` (:mod:`ledger.aggregates.view`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine

from ledger.aggregates.view import RebuildApproved, ViewCertified, view_key
from ledger.consumers.generations import at_one_moment
from ledger.consumers.parking import parked_in
from ledger.consumers.rebuild import PATIENCE, in_order_of_keys
from ledger.consumers.runner import Behind, Runner
from ledger.errors import LedgerError
from ledger.projections.base import Projection
from ledger.proof.edge import Edge
from ledger.store.checked import read_checked
from ledger.store.recorder import Recorder

#: Rows fetched at a time.
_BATCH = 5000
#: Seconds between looks at a view whose partitions are not level.
_LOOK = 0.05
#: What rows are made by: these rooms, and the versions of nothing else.
_ROOMS = ("aggregates", "policies", "projections", "consumers")

_encode = msgspec.json.Encoder().encode


class NotLevel(LedgerError):
    """The rows of a view are as at no position: some of its events are parked."""


@dataclass(frozen=True)
class Rooted:
    """The rows of a view as at a position: how many, and the root over them in hexadecimal."""

    projection: str
    projection_version: int
    position: int
    rows: int
    root: str


def rooted(connection: Connection, projection: Projection[Any], generation: int, position: int) -> Rooted:
    """The root over the rows of one generation, which are as at a position."""
    statement = in_order_of_keys(connection, projection, generation)
    columns = [str(column.name) for column in statement.selected_columns]
    tree = Edge()
    tree.append(_leaf([projection.name, projection.version, position, columns]))
    found = connection.execution_options(yield_per=_BATCH).execute(statement)
    for row in found:
        tree.append(_leaf(list(row)))
    return Rooted(projection.name, projection.version, position, tree.size - 1, tree.root().hex())


def _leaf(values: Sequence[Any]) -> bytes:
    return hashlib.sha256(b"\x00" + _encode(values)).digest()


def root_of_live(engine: Engine, runner: Runner, projection: Projection[Any]) -> Rooted:
    """The root over the live rows of a view, at a moment when they are as at one position.

    Raises ``NotLevel`` while a chart is parked in the view, and ``Behind`` when its partitions do not come level in
    time.
    """
    until = time.monotonic() + PATIENCE
    while True:
        with at_one_moment(engine) as connection:
            (stand,) = runner.only(projection).stands(connection)
            waiting = [one for one in parked_in(connection) if one.projection == stand.id]
            if waiting:
                raise NotLevel(
                    f"{projection.name} has {len(waiting)} parked charts, so that its rows are as at no position; mend "
                    "what parked them, then: ledger retry"
                )
            position = Runner.position(connection, stand)
            if Runner.accounted(connection, stand) == position:
                return rooted(connection, projection, stand.generation, position)
        if time.monotonic() > until:
            raise Behind(
                f"the partitions of the view {projection.name} are not level: some of its rows are further on than "
                "others; see: ledger status, and try again"
            )
        time.sleep(_LOOK)


def on_record(recorder: Recorder, projection: Projection[Any]) -> list[ViewCertified | RebuildApproved]:
    """Every certificate and approval of a view, in the order of the log; each checked against its leaf hash."""
    rows = recorder.read_key(view_key(projection.name))
    events = [read_checked(row).event for row in rows]
    return [event for event in events if isinstance(event, ViewCertified | RebuildApproved)]


def newest_certificate(
    projection: Projection[Any], record: Sequence[ViewCertified | RebuildApproved]
) -> ViewCertified | None:
    """The newest certificate that today's version of a projection must give again."""
    mine = [one for one in record if isinstance(one, ViewCertified) and one.projection_version == projection.version]
    return mine[-1] if mine else None


@cache
def code_version() -> str:
    """The release, and a digest over all code and rules that rows follow from: any change of one changes it."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for name, content in sorted(_files(files("ledger") / room, room)):
            digest.update(f"{name}\x00{hashlib.sha256(content).hexdigest()}\n".encode())
    return f"{version('ledger')}+{digest.hexdigest()[:16]}"


def _files(folder: Any, name: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{name}/{each.name}")
        elif each.name.endswith((".py", ".toml")):
            yield f"{name}/{each.name}", each.read_bytes()
