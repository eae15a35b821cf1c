"""Which exact document versions an access could show: derived from the log, never stored a second time.

An access event names the position it was shown at. The log only grows, so the version each document had there is its
last one at or before that position.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ledger.replay.chart import ChartFold
from ledger.replay.effective import effective
from ledger.store.envelope import Recorded


def versions_shown(
    chart_id: str, events: Sequence[Recorded], moments: Sequence[tuple[int, date | None]]
) -> list[tuple[str, ...]]:
    """For each (position, service date or None): the documents of the chart as ``stream@version``, oldest first.

    ``events`` are the chart's, in the order of the log, at least up to the greatest of the positions. With a service
    date only documents that had begun by it are named, as on the chart that was shown.
    """
    answers: dict[tuple[int, date | None], tuple[str, ...]] = {}
    folding = ChartFold(chart_id)
    versions: dict[str, int] = {}
    done = 0
    for position, day in sorted(set(moments), key=lambda moment: (moment[0], moment[1] or date.min)):
        while done < len(events) and events[done].row.position <= position:
            recorded = events[done]
            if folding.touches(recorded) is not None:
                versions[recorded.originator_id] = recorded.originator_version
            folding.add(recorded)
            done += 1
        seen = set(versions) if day is None else _begun(folding, day)
        answers[position, day] = tuple(f"{stream}@{version}" for stream, version in versions.items() if stream in seen)
    return [answers[moment] for moment in moments]


def _begun(folding: ChartFold, day: date) -> set[str]:
    """The streams of the items that had begun by a day."""
    return {
        trace.event_id.rpartition("@")[0]
        for item in folding.items.values()
        if (seen := effective(item, day, folding.items)) is not None
        for trace in seen.changes
    }
