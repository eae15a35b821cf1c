"""The access audit: who read which chart, when, why, with what relationship, and at which position of the log.

The position names the exact version of every document that could be shown: the log only grows. One row a chart, also
where one page showed many. Who was refused is here too. Sources: ECM-10; 45 CFR 164.312(b), 164.308(a)(1)(ii)(D)
(reading the audit is a read too).
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates.access import AccessGranted, AccessRefused, ChartShown, Decided
from ledger.clock import to_text
from ledger.grants import Grant
from ledger.projections.base import Happened, Key, Projection


class ChartAccess(msgspec.Struct, frozen=True, kw_only=True):
    """One chart shown to one reader once. Times are in the stored form (UTC), ``as_of`` is an ISO date."""

    access_id: str
    chart_id: str
    #: Where the access itself stands in the log.
    position: int
    recorded_at: str
    reader_id: str
    role: str
    credential: str | None
    #: Where it was shown (cli, http, web, …), and what was (chart, caseload, …).
    surface: str
    resource: str
    purpose: str
    #: How the reader stood to the chart at that time.
    relationship: str
    #: The chart was shown as it stood at this position.
    position_shown: int
    as_known_at: str | None
    as_of: str | None
    #: How many charts this one access named.
    charts: int
    #: The access rule that opened the chart, and the broken glass or audit it rested on; none before there were any.
    rule: str | None = None
    basis: str | None = None
    #: Where the request came from.
    address: str | None = None
    #: What was lacking, where the reader was refused and nothing was shown.
    refused: str | None = None


access_audit = Projection(
    "access_audit",
    2,
    ChartAccess,
    key=("access_id", "chart_id"),
    indexes=(("chart_id", "position"), ("reader_id", "position")),
)


@access_audit.on(AccessGranted, keys=lambda h: [(h.stream_id, chart_id) for chart_id in _charts(h.event)])
def shown(row: ChartAccess | None, happened: Happened[AccessGranted], key: Key) -> ChartAccess:
    event, envelope = happened.event, happened.recorded.row
    charts = _charts(event)
    chart = charts[key[1]]
    under = _decided(event, chart.chart_id)
    return ChartAccess(
        access_id=happened.stream_id,
        chart_id=chart.chart_id,
        position=happened.position,
        recorded_at=happened.recorded_at,
        reader_id=event.reader_id,
        role=envelope.role,
        credential=envelope.credential,
        surface=event.surface,
        resource=event.resource,
        purpose=event.purpose,
        relationship=chart.relationship,
        position_shown=chart.position,
        as_known_at=None if event.as_known_at is None else to_text(event.as_known_at),
        as_of=None if event.as_of is None else event.as_of.isoformat(),
        charts=len(charts),
        rule=None if under is None else under.rule,
        basis=None if under is None else under.basis,
        address=event.address or None,
    )


@access_audit.on(AccessRefused, keys=lambda h: [(h.stream_id, chart_id) for chart_id in dict.fromkeys(h.event.charts)])
def refused(row: ChartAccess | None, happened: Happened[AccessRefused], key: Key) -> ChartAccess:
    event, envelope = happened.event, happened.recorded.row
    return ChartAccess(
        access_id=happened.stream_id,
        chart_id=key[1],
        position=happened.position,
        recorded_at=happened.recorded_at,
        reader_id=event.reader_id,
        role=envelope.role,
        credential=envelope.credential,
        surface=event.surface,
        resource=event.resource,
        purpose=event.purpose,
        relationship="none",
        position_shown=0,
        as_known_at=None,
        as_of=None,
        charts=len(event.charts),
        address=event.address or None,
        refused=event.why,
    )


def _decided(event: AccessGranted, chart_id: str) -> Decided | None:
    """The rule that opened a chart; none in accesses recorded before there were rules."""
    for one in event.decided or ():
        if not one.charts or chart_id in one.charts:
            return one
    return None


_last: tuple[AccessGranted, dict[str, ChartShown]] | None = None


def _charts(event: AccessGranted) -> dict[str, ChartShown]:
    """The charts of an access by their ids, each once as it is first named; kept from one row of it to the next."""
    global _last
    if _last is None or _last[0] is not event:
        charts: dict[str, ChartShown] = {}
        for chart in event.charts:
            charts.setdefault(chart.chart_id, chart)
        _last = (event, charts)
    return _last[1]


def reads_of(
    connection: Connection,
    grant: Grant,
    chart_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ChartAccess]:
    """The accesses to a chart recorded from ``since`` (inclusive) until ``until`` (exclusive), in the log's order.

    Up to the grant's position: this reading of the audit is the next one. Raises ``NotGranted``.
    """
    grant.check(chart_id)
    view = access_audit.view
    statement = select(view).where(view.c.chart_id == chart_id, view.c.position <= grant.position)
    if since is not None:
        statement = statement.where(view.c.recorded_at >= to_text(since))
    if until is not None:
        statement = statement.where(view.c.recorded_at < to_text(until))
    rows = connection.execute(statement.order_by(view.c.position)).mappings()
    return [access_audit.from_columns(dict(values)).row for values in rows]
