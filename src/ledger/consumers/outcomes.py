"""What a projection did with each event: one byte a position, so that a skip that nobody recorded cannot exist.

``A`` applied, ``P`` parked, ``-`` not concerned, a space: nothing recorded yet. Kept in segments of 4,096 positions,
compressed, so that a live projection rewrites one small row a batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select

from ledger.consumers.tables import OUTCOMES

APPLIED, PARKED, NOT_CONCERNED, NOTHING = b"A", b"P", b"-", b" "
SEGMENT = 4096


def record(connection: Connection, projection: str, outcomes: Mapping[int, bytes]) -> None:
    """Note the outcome of some positions, in the transaction that made them so."""
    by_segment: dict[int, dict[int, bytes]] = {}
    for position, outcome in outcomes.items():
        by_segment.setdefault(position // SEGMENT, {})[position % SEGMENT] = outcome
    for segment, changed in by_segment.items():
        where = (OUTCOMES.c.projection == projection, OUTCOMES.c.segment == segment)
        stored = connection.scalar(select(OUTCOMES.c.outcomes).where(*where))
        marks = bytearray(zlib.decompress(stored)) if stored else bytearray(NOTHING * SEGMENT)
        for place, outcome in changed.items():
            marks[place : place + 1] = outcome
        if stored:
            connection.execute(delete(OUTCOMES).where(*where))
        connection.execute(
            insert(OUTCOMES), [{"projection": projection, "segment": segment, "outcomes": zlib.compress(marks, 1)}]
        )


def known(connection: Connection, projection: str, positions: Sequence[int]) -> set[int]:
    """Which of some positions have an outcome already: what a log gives again is told by its position."""
    wanted = {position // SEGMENT for position in positions}
    statement = select(OUTCOMES.c.segment, OUTCOMES.c.outcomes).where(
        OUTCOMES.c.projection == projection, OUTCOMES.c.segment.in_(sorted(wanted))
    )
    marks = {row[0]: zlib.decompress(row[1]) for row in connection.execute(statement)}
    return {
        position
        for position in positions
        if (stored := marks.get(position // SEGMENT)) is not None
        and stored[position % SEGMENT : position % SEGMENT + 1] != NOTHING
    }


def read(connection: Connection, projection: str) -> Iterator[tuple[int, bytes]]:
    """Every recorded outcome of a projection as (position, outcome), in the order of positions, as it is now."""
    statement = (
        select(OUTCOMES.c.segment, OUTCOMES.c.outcomes)
        .where(OUTCOMES.c.projection == projection)
        .order_by(OUTCOMES.c.segment)
    )
    return _walk([(row[0], row[1]) for row in connection.execute(statement)])


def _walk(segments: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for segment, stored in segments:
        marks = zlib.decompress(stored)
        for place in range(SEGMENT):
            outcome = marks[place : place + 1]
            if outcome != NOTHING:
                yield segment * SEGMENT + place, outcome
