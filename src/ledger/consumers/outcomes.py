"""What a projection did with each event: one byte a position, so that a skip that nobody recorded cannot exist.

``A`` applied, ``P`` parked, ``-`` not concerned, a space: nothing recorded yet. Kept in segments of 4,096 positions,
compressed, so that a live projection rewrites one small row a batch.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.consumers.tables import OUTCOMES

APPLIED, PARKED, NOT_CONCERNED, NOTHING = b"A", b"P", b"-", b" "
SEGMENT = 4096
_NOTHING = NOTHING[0]


class Outcomes:
    """The outcomes around some positions in some projections: read at once, added to, and written back at once."""

    def __init__(self, connection: Connection, projections: Sequence[str], positions: Iterable[int]) -> None:
        wanted = {position // SEGMENT for position in positions}
        statement = select(OUTCOMES).where(
            OUTCOMES.c.projection.in_(projections), OUTCOMES.c.segment.in_(sorted(wanted))
        )
        self._connection = connection
        self._segments = {
            (row.projection, row.segment): bytearray(zlib.decompress(row.outcomes))
            for row in connection.execute(statement)
        }
        self._changed: set[tuple[str, int]] = set()

    def known(self, projection: str, positions: Iterable[int]) -> set[int]:
        """Which of some positions have an outcome already: what a log gives again is told by its position."""
        segments = self._segments
        return {
            position
            for position in positions
            if (marks := segments.get((projection, position // SEGMENT))) is not None
            and marks[position % SEGMENT] != _NOTHING
        }

    def note(self, projection: str, outcomes: Mapping[int, bytes]) -> None:
        """Note the outcomes of some positions, which are in the order of the log."""
        if not outcomes:
            return
        positions, marks = list(outcomes), b"".join(outcomes.values())
        done = 0
        while done < len(positions):
            first = positions[done]
            segment = first // SEGMENT
            end = bisect_left(positions, (segment + 1) * SEGMENT, done)
            stored = self._marks(projection, segment)
            if positions[end - 1] - first + 1 == end - done:  # nothing between them belongs to another partition
                stored[first % SEGMENT : first % SEGMENT + end - done] = marks[done:end]
            else:
                for position, mark in zip(positions[done:end], marks[done:end], strict=True):
                    stored[position % SEGMENT] = mark
            done = end

    def _marks(self, projection: str, segment: int) -> bytearray:
        place = (projection, segment)
        self._changed.add(place)
        found = self._segments.get(place)
        if found is None:
            found = self._segments[place] = bytearray(NOTHING * SEGMENT)
        return found

    def write(self) -> None:
        """Write back what was changed, in the transaction that made it so."""
        if not self._changed:
            return
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(OUTCOMES)
        statement = statement.on_conflict_do_update(
            index_elements=[OUTCOMES.c.projection, OUTCOMES.c.segment],
            set_={"outcomes": statement.excluded.outcomes},
        )
        rows = [
            {"projection": name, "segment": segment, "outcomes": zlib.compress(self._segments[name, segment], 1)}
            for name, segment in sorted(self._changed)
        ]
        self._connection.execute(statement, rows)
        self._changed.clear()


def record(connection: Connection, projection: str, outcomes: Mapping[int, bytes]) -> None:
    """Note the outcome of some positions, in the transaction that made them so."""
    found = Outcomes(connection, [projection], outcomes)
    found.note(projection, outcomes)
    found.write()


def without_a_gap(connection: Connection, projection: str) -> int:
    """The last position up to which every one has an outcome; 0 when the first has none."""
    last = 0
    for position, _ in read(connection, projection):
        if position != last + 1:
            break
        last = position
    return last


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
