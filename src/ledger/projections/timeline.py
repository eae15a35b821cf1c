"""The timeline of a chart: one row for every event of it, in words, with who, when and which version of which document.

It says what happened, not what the chart says: the texts of notes stay where they are. An access to the chart is not on
it; ``access_audit`` holds those. Sources: Civil Code 56.101(b)(1) (who changed what, when); CSS-14.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates import everything  # noqa: F401 - importing it is what registers every event
from ledger.aggregates.access import AccessGranted
from ledger.aggregates.vocabulary import Event, event_types
from ledger.grants import Grant
from ledger.projections.base import Happened, Key, Projection
from ledger.projections.timeline_words import about_of, date_of, words


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a chart. Times are in the stored form (UTC), ``occurred_offset`` in minutes, days as ISO dates."""

    event_id: str
    chart_id: str
    position: int
    occurred_at: str
    occurred_offset: int
    recorded_at: str
    actor: str
    role: str
    credential: str | None
    purpose: str
    type: str
    #: What happened, in a short line.
    said: str
    #: The document (stream) the event belongs to, of which kind, and the version it made.
    document: str
    kind: str
    version: int
    #: The document that this one is about: a note's contact, a dispute's note.
    about: str | None
    #: The calendar date the event speaks of: the service's, a first or last day; empty when it speaks of none.
    service_date: str | None


timeline = Projection(
    "timeline", 1, TimelineEvent, key=("event_id",), indexes=(("chart_id", "position"), ("document", "version"))
)


def _keys(happened: Happened[Event]) -> list[Key]:
    """Only events of a chart; those of staff and the agency have none."""
    return [] if happened.recorded.row.chart_id is None else [(happened.event_id,)]


def on_chart(row: TimelineEvent | None, happened: Happened[Event], key: Key) -> TimelineEvent:
    """The row of an event: there is exactly one, and nothing changes it afterwards."""
    envelope = happened.recorded.row
    day = date_of(happened.event)
    return TimelineEvent(
        event_id=happened.event_id,
        chart_id=envelope.chart_id or envelope.key,
        position=happened.position,
        occurred_at=happened.occurred_at,
        occurred_offset=envelope.occurred_offset,
        recorded_at=happened.recorded_at,
        actor=happened.actor,
        role=envelope.role,
        credential=envelope.credential,
        purpose=envelope.purpose,
        type=envelope.topic,
        said=words(happened.event),
        document=happened.stream_id,
        kind=envelope.topic.partition(".")[0],
        version=happened.version,
        about=about_of(happened.event),
        service_date=None if day is None else day.isoformat(),
    )


# Every event there is, so that one of a new document kind is on the timeline without another line here.
for _event in event_types().values():
    if _event is not AccessGranted:
        timeline.on(_event, keys=_keys)(on_chart)


def events_of(
    connection: Connection,
    grant: Grant,
    chart_id: str,
    *,
    first: date | None = None,
    last: date | None = None,
) -> list[TimelineEvent]:
    """A chart's events in the order of the log, as known at the grant's position.

    When the grant names a service date, only what had begun by it: by the event's own date, else the date of its
    document, else the one that document is about, else the day it happened. ``first`` and ``last`` narrow the day it
    happened (as the person meant it). Raises ``NotGranted``.
    """
    grant.check(chart_id)
    view = timeline.view
    statement: Any = (
        select(view).where(view.c.chart_id == chart_id, view.c.position <= grant.position).order_by(view.c.position)
    )
    rows = [timeline.from_columns(dict(values)).row for values in connection.execute(statement).mappings()]
    if grant.as_of is not None:
        rows = begun_by(rows, grant.as_of)
    if first is not None:
        rows = [row for row in rows if happened_on(row) >= first]
    if last is not None:
        rows = [row for row in rows if happened_on(row) <= last]
    return rows


def happened_on(row: TimelineEvent) -> date:
    """The day an event happened, in the offset the person meant."""
    return (datetime.fromisoformat(row.occurred_at) + timedelta(minutes=row.occurred_offset)).date()


def begun_by(rows: list[TimelineEvent], day: date) -> list[TimelineEvent]:
    """The events that had begun by a service date; see ``events_of``."""
    dates: dict[str, date] = {}
    kept = []
    for row in rows:
        if row.service_date is not None and row.kind != "client":
            dates[row.document] = date.fromisoformat(row.service_date)
        own = date.fromisoformat(row.service_date) if row.service_date else None
        inherited = dates.get(row.document) or dates.get(row.about or "")
        if (own or inherited or happened_on(row)) <= day:
            kept.append(row)
    return kept
