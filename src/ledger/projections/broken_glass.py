"""Broken glass: who opened which chart to themselves in an emergency, until when, and whether it was justified.

One row a broken glass, there at once; those that nobody has reviewed stand first. Sources: 45 CFR 164.312(a)(2)(ii),
164.308(a)(1)(ii)(D); ECM-10.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from ledger.aggregates.privacy_events import GlassBroken, GlassReviewed
from ledger.clock import to_text
from ledger.grants import Grant
from ledger.projections.base import Happened, Key, Projection


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One broken glass. Times are in the stored form (UTC)."""

    glass_id: str
    chart_id: str
    reader_id: str
    role: str
    #: Where it stands in the log, and when it was recorded there.
    position: int
    broken_at: str
    until: str
    reason: str
    #: Whether the chart was marked as sensitive then.
    sensitive: bool
    #: The review: none as long as nobody has judged it.
    justified: bool | None = None
    reviewed_by: str | None = None
    reviewed_at: str | None = None
    comment: str | None = None


broken_glass = Projection(
    "broken_glass", 1, Broken, key=("glass_id",), indexes=(("chart_id", "position"), ("reader_id", "position"))
)


@broken_glass.on(GlassBroken, keys=lambda h: [(h.event.glass_id,)])
def broken(row: Broken | None, happened: Happened[GlassBroken], key: Key) -> Broken:
    event = happened.event
    return Broken(
        glass_id=event.glass_id,
        chart_id=event.client_id,
        reader_id=event.reader_id,
        role=happened.recorded.row.role,
        position=happened.position,
        broken_at=happened.recorded_at,
        until=to_text(event.until),
        reason=event.reason,
        sensitive=event.sensitive,
    )


@broken_glass.on(GlassReviewed, keys=lambda h: [(h.event.glass_id,)])
def reviewed(row: Broken | None, happened: Happened[GlassReviewed], key: Key) -> Broken | None:
    if row is None:
        raise ValueError(f"glass {key[0]} was reviewed and never broken")
    event = happened.event
    return msgspec.structs.replace(
        row,
        justified=event.justified,
        reviewed_by=event.reviewed_by,
        reviewed_at=happened.recorded_at,
        comment=event.comment,
    )


def charts_of(connection: Connection, *, all_of_them: bool) -> list[str]:
    """The charts with a broken glass that waits for its review, or with any: ids only, to ask for a grant with."""
    view = broken_glass.view
    statement = select(view.c.chart_id).distinct()
    if not all_of_them:
        statement = statement.where(view.c.justified.is_(None))
    return sorted(connection.scalars(statement))


def glasses(connection: Connection, grant: Grant, *, all_of_them: bool) -> list[Broken]:
    """The glasses broken on the charts that the grant names: those that wait for review, or all; unreviewed first."""
    view = broken_glass.view
    statement = select(view).order_by(view.c.justified.is_not(None), view.c.position)
    if not all_of_them:
        statement = statement.where(view.c.justified.is_(None))
    rows = [broken_glass.from_columns(dict(values)).row for values in connection.execute(statement).mappings()]
    return [row for row in rows if grant.opens(row.chart_id)]
