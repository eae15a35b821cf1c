"""Reading events with each of them checked against its leaf hash: what a reader is shown, or derives, was recorded so.

A reader learns of tampering by reading. A changed payload, time, actor or any other field of the envelope no longer
gives the leaf hash; a removed event leaves a gap in its stream. That the leaves themselves are the ones that were
sealed, and that no last event of a stream is missing, is what the signed checkpoints prove (``ledger verify``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.errors import IntegrityFault
from ledger.store.codec import read
from ledger.store.envelope import Recorded, StoredRow, entry_bytes, leaf_hash


def checked_entry(row: StoredRow) -> bytes:
    """The canonical bytes of a row that is, byte for byte, what its leaf hash was made over; else ``IntegrityFault``.

    The row is one of the log: on PostgreSQL an event has its leaf with its place.
    """
    entry = entry_bytes(row, row.position, row.recorded_at)
    if leaf_hash(entry) != row.leaf:
        raise IntegrityFault(
            f"event {row.event_id} ({row.topic}, log position {row.position}) is not what was recorded: "
            "it no longer gives its leaf hash; compare it with a backup, and run: ledger verify"
        )
    return entry


def check_leaf(row: StoredRow) -> None:
    """Raise ``IntegrityFault`` unless the row is what its leaf hash was made over."""
    checked_entry(row)


def read_checked(row: StoredRow) -> Recorded:
    """An event of the log with its payload read, once its leaf hash holds; raises ``IntegrityFault`` naming it."""
    check_leaf(row)
    return read(row)


def read_next(row: StoredRow, due: int, *, placed_later: bool) -> Recorded:
    """The next event of a stream for an aggregate that stands just before ``due``, checked, with its payload read.

    Where events get their place a moment later (``placed_later``), one that has none yet has no leaf hash either, and
    is read as it is. Raises ``IntegrityFault`` naming the event, also when the one due is missing before it.
    """
    if row.originator_version != due:
        raise IntegrityFault(
            f"event {row.originator_id}@{due} is missing: {row.event_id} follows; compare with a backup, and run: "
            "ledger verify"
        )
    if row.position or not placed_later:
        check_leaf(row)
    return read(row)


def in_turn(rows: Iterable[StoredRow]) -> Iterator[StoredRow]:
    """Each row, once its leaf hash holds and it follows the one before it in its stream.

    The rows are one chart's, from the beginning, in the order of the log. Raises ``IntegrityFault`` naming the event.
    """
    versions: dict[str, int] = {}
    position, recorded_at = 0, ""
    for row in rows:
        check_leaf(row)
        stream = str(row.originator_id)
        due = versions.get(stream, 0) + 1
        if row.originator_version != due:
            raise IntegrityFault(
                f"event {stream}@{due} is missing from the chart: {row.event_id} follows at log position "
                f"{row.position}; compare with a backup, and run: ledger verify"
            )
        if row.position <= position or row.recorded_at < recorded_at:
            raise IntegrityFault(f"event {row.event_id} (log position {row.position}) is out of the order of the log")
        versions[stream] = due
        position, recorded_at = row.position, row.recorded_at
        yield row
