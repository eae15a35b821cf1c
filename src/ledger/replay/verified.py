"""Reading a chart with every event checked (``ledger.store.checked``): leaf hash, and the order of its stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.grants import Grant
from ledger.projections.seen import seen
from ledger.store.checked import check_leaf, in_turn
from ledger.store.codec import read
from ledger.store.envelope import Recorded, StoredRow
from ledger.store.recorder import Recorder


def verified(rows: Iterable[StoredRow]) -> Iterator[Recorded]:
    """Each row of a chart with its payload read, once it is checked; raises ``IntegrityFault`` naming the event."""
    return (read(row) for row in in_turn(rows))


def read_verified(recorder: Recorder, grant: Grant, chart_id: str) -> list[Recorded]:
    """The events of a chart up to the grant's position, each of them checked, without what stays shut to the reader.

    The store reads them by the chart's own index: other charts' events cost nothing. Raises ``NotGranted`` for a chart
    that the grant does not name, and ``IntegrityFault`` naming the first event that does not hold.
    """
    limits = grant.limits_of(chart_id)
    return seen(verified(recorder.read_chart(chart_id, until=grant.position)), limits)


def check_chart(recorder: Recorder, chart_id: str) -> None:
    """Check every leaf of a chart and show nothing: for telling damage from an event this release cannot read."""
    for row in recorder.read_chart(chart_id):
        check_leaf(row)
