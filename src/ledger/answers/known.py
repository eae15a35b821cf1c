"""Views as they were known at an earlier moment: the same folds over the log up to a position, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger.answers.asking import Asking
from ledger.clock import to_text
from ledger.consumers.parking import parked
from ledger.errors import LedgerError
from ledger.projections.base import Line, Projection
from ledger.projections.folding import Folding
from ledger.store.checked import check_leaf
from ledger.store.codec import read

_BATCH = 2000


@dataclass
class Known:
    """The lines of some views as of one log position, and the keys that could not be folded further, with why."""

    position: int
    views: dict[str, Folding[Any]]
    parked: dict[str, str] = field(default_factory=dict)

    def of(self, projection: Projection[Any]) -> Iterable[Line[Any]]:
        """The lines of one view."""
        return self.views[projection.name].lines().values()


def refuse_future(asking: Asking, option: str, moment: datetime | None) -> None:
    """Refuse a moment still to come: what will be known then is not known, and the answer would not stay true.

    Raises ``BadInput`` naming the option. Where the log's own last time is ahead of this clock, that time counts.
    """
    if moment is None or moment <= asking.ledger.clock.now():
        return
    head = asking.recorder.sequence()
    last = asking.recorder.read_log(head - 1, 1) if head else ()
    if not last or moment > last[0].recorded:
        raise asking.refused(option, f"{moment.isoformat()} lies in the future; leave it out to see what is known now")


def known_at(asking: Asking, moment: datetime) -> int:
    """The last log position recorded at or before a moment."""
    head = asking.recorder.sequence()
    return min(head, asking.recorder.position_at(to_text(moment)))


def fold_until(asking: Asking, projections: Iterable[Projection[Any]], position: int) -> Known:
    """Fold some views over the log up to a position (included).

    A key that a fold cannot go on with is set aside in every view, as the runner does, and named in ``parked``. Raises
    ``IntegrityFault`` naming the first event that is not what was recorded.
    """
    views = tuple(projections)
    asking.views |= {view.name: view.version for view in views}
    concerned = frozenset(event_type for view in views for event_type in view.event_types)
    known = Known(position, {view.name: Folding(view) for view in views})
    after = 0
    with asking.progress("Reading the log", position) as advance:
        while after < position:
            rows = asking.recorder.read_log(after, _BATCH, until=position)
            if not rows:
                break
            for row in rows:
                check_leaf(row)
                if row.topic not in concerned or row.key in known.parked:
                    continue
                try:
                    recorded = read(row)
                    for folding in known.views.values():
                        folding.add(recorded)
                except LedgerError as fault:
                    known.parked[row.key] = str(fault)
                except Exception as fault:  # noqa: BLE001 - as for the runner: it parks its key, never the whole view
                    known.parked[row.key] = type(fault).__name__
            advance(rows[-1].position - after)
            after = rows[-1].position
    return known


def parked_keys(asking: Asking, projections: Iterable[Projection[Any]]) -> dict[str, str]:
    """The keys whose rows in these live views stand still, with the reason."""
    names = {view.name for view in projections}
    return {one.key: one.error for one in parked(asking.recorder.engine) if one.projection.split(".")[0] in names}


def parked_words(keys: Iterable[str]) -> list[str]:
    """A warning, where some keys stand still; nothing where none does."""
    count = len(set(keys))
    if not count:
        return []
    which = "1 chart or staff member is" if count == 1 else f"{count} charts or staff members are"
    return [
        f"! {which} parked: their rows stand still at an event that cannot be applied (ledger status, ledger retry)"
    ]
