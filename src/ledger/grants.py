"""The grant that every read of a chart needs, and that only an appended access event gives.

Queries over charts take a ``Grant``. Only ``application.reading`` makes one, from the result of having recorded the
access; so "no read without a trace" is a matter of types, not of remembering (design §6.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from ledger.errors import LedgerError


class NotGranted(LedgerError):
    """A chart was about to be read that the access event does not name."""

    exit_code = 6


class NotAllowed(NotGranted):
    """The reader may not open what was asked for; the attempt is on record. It never says whether a chart is there."""


@dataclass(frozen=True)
class Limits:
    """What of a chart stays shut to a reader who may open it.

    ``segments`` are kinds of content that need a consent which is not there (42 CFR Part 2), ``marked`` the documents
    that stand marked as holding such content. ``first`` and ``last`` are the days of service that an audit is about.
    """

    segments: frozenset[str] = frozenset()
    marked: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    first: date = date.min
    last: date = date.max

    def leaves_out(self, *, program: str | None = None, day: date | None = None, documents: Iterable[str] = ()) -> bool:
        """Whether something is left out: by its program, its day of service, or the documents it is about."""
        return (
            program in self.programs
            or (day is not None and not self.first <= day <= self.last)
            or not self.marked.isdisjoint(documents)
        )


#: Nothing stays shut.
NO_LIMITS = Limits()


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
    #: Charts of the page that the reader may not open: they are left out of it.
    withheld: frozenset[str] = frozenset()
    #: What stays shut of charts that are open otherwise.
    limits: Mapping[str, Limits] = field(default_factory=dict)

    def limits_of(self, chart_id: str) -> Limits:
        """What of a chart stays shut; raises ``NotGranted`` for a chart that the access event does not name."""
        self.check(chart_id)
        return self.limits.get(chart_id, NO_LIMITS)

    def shows(
        self, chart_id: str, *, program: str | None = None, day: date | None = None, documents: Iterable[str] = ()
    ) -> bool:
        """Whether a line of a page is shown: its chart opens, and nothing it is about stays shut."""
        if not self.opens(chart_id):
            return False
        return not self.limits_of(chart_id).leaves_out(program=program, day=day, documents=documents)

    def opens(self, chart_id: str) -> bool:
        """Whether a line about this chart is on the page, or left out of it; raises ``NotGranted`` for others."""
        if chart_id in self.withheld:
            return False
        self.check(chart_id)
        return True

    def check(self, chart_id: str) -> None:
        """Raise ``NotGranted`` unless this chart is among those the access event names."""
        if chart_id not in self.charts:
            raise NotGranted(f"access {self.access_id} does not name chart {chart_id}")
