"""A read of charts: who saw which chart, as it stood where in the log, on which surface, for what purpose.

It is appended before anything is shown (design §1.8); when it cannot be, nothing is shown. One event a page or report:
compact, naming for every chart the log position it was shown at. The log only grows, so that position names the exact
version of every document of the chart. Sources: ECM-10; 45 CFR 164.312(b).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, Moment, event


class ChartShown(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One chart that was shown, as known at a log position, and the reader's relationship to it at that time."""

    chart_id: Id
    position: Annotated[int, msgspec.Meta(ge=0)]
    relationship: Label


@event("access.granted")
class AccessGranted(Event, frozen=True, kw_only=True):
    """Charts were opened to a reader. ``resource`` is what was shown (chart, note trace, billing rows, …)."""

    reader_id: str
    surface: str
    resource: str
    purpose: str
    charts: tuple[ChartShown, ...]
    as_known_at: datetime | None = None
    as_of: date | None = None


class GrantAccess(Command, frozen=True, kw_only=True):
    """Record that charts are about to be shown. Appended by every read; not for people to call."""

    NAME = "grant-access"
    INTERNAL = True
    access_id: Id
    surface: Label
    resource: Label
    purpose: Label
    charts: tuple[ChartShown, ...]
    as_known_at: Moment | None = None
    as_of: Date | None = None


class Access(Aggregate):
    """One read; a stream of its own, so that readers never wait for each other. Keyed by the chart, or the reader."""

    KIND = "access"

    def apply(self, event: Event, occurred_at: datetime) -> None:
        if not isinstance(event, AccessGranted):
            raise TypeError(f"an access stream cannot hold {event.TYPE}")
        if len(event.charts) == 1:
            self.key = self.chart_id = event.charts[0].chart_id
        else:
            self.key = event.reader_id

    @decides(GrantAccess, on="access_id", creates=True)
    def grant(self, command: GrantAccess, given: Given) -> None:
        self.record(
            AccessGranted(
                reader_id=given.actor.id,
                surface=command.surface,
                resource=command.resource,
                purpose=command.purpose,
                charts=command.charts,
                as_known_at=command.as_known_at,
                as_of=command.as_of,
            ),
            given.occurred_at,
        )
