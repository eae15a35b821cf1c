"""The grant that every read of a chart needs, and that only an appended access event gives.

Queries over charts take a ``Grant``. Only ``application.reading`` makes one, from the result of having recorded the
access; so "no read without a trace" is a matter of types, not of remembering (design §6.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from ledger.errors import LedgerError


class NotGranted(LedgerError):
    """A chart was about to be read that the access event does not name."""

    exit_code = 6


@dataclass(frozen=True)
class Grant:
    """Leave to read some charts, as known at a log position; its access event is in the log already."""

    access_id: str
    reader_id: str
    purpose: str
    charts: frozenset[str]
    position: int
    as_known_at: datetime | None = None
    as_of: date | None = None

    def check(self, chart_id: str) -> None:
        """Raise ``NotGranted`` unless this chart is among those the access event names."""
        if chart_id not in self.charts:
            raise NotGranted(f"access {self.access_id} does not name chart {chart_id}")
