"""A chart: what it says, or said at another moment; and what changed on it between two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

from ledger.aggregates.vocabulary import Moment
from ledger.answers.ask import Answer, Ask, AsKnownAt, AsOf, ClientId
from ledger.answers.asking import Asking, Shown
from ledger.answers.chart_page import chart_page, diff_page
from ledger.answers.known import refuse_future
from ledger.answers.names import names_of
from ledger.answers.page import Page, as_text
from ledger.answers.query import Query
from ledger.clock import to_text
from ledger.grants import Grant
from ledger.projections.folding import fold_all
from ledger.projections.timeline import TimelineEvent, timeline
from ledger.projections.timeline_words import words
from ledger.replay.chart import fold_chart
from ledger.replay.diff import ChartDiff, diff_of
from ledger.replay.state import Chart
from ledger.replay.verified import check_chart, read_verified
from ledger.store.codec import UnreadableEvent


class AskChart(Ask, frozen=True, kw_only=True):
    """A chart: as known now or at a time, as of a service date.

    Every event is checked against its leaf hash, every signature against the content it is bound to; a chart that does
    not agree with its own record is not shown, and the event is named.
    """

    NAME = "chart"
    PLACED = ("client_id",)
    client_id: ClientId
    as_known_at: AsKnownAt = None
    as_of: AsOf = None
    timeline: Annotated[bool, msgspec.Meta(description="Add every event of what is shown, one line each.")] = False


class AskChartDiff(Ask, frozen=True, kw_only=True):
    """What changed on a chart between two times: before and after, who, when, by which event."""

    NAME = "chart diff"
    COMMAND = "chart"
    PLACED = ("client_id",)
    TOGETHER = ("since", "until")
    BEHIND = "diff"
    client_id: ClientId
    as_of: AsOf = None
    since: Annotated[Moment, msgspec.Meta(description="The chart as it was known at this time is compared")]
    until: Annotated[Moment, msgspec.Meta(description="with the chart as it was known at this one.")]


class ChartShownNow(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json chart`` prints."""

    access_id: str
    #: The names of the staff whose ids stand in the chart.
    names: dict[str, str]
    chart: Chart
    timeline: tuple[TimelineEvent, ...] | None = None


class DiffShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json chart --diff`` prints; ``said`` has the words of each event it names."""

    access_id: str
    names: dict[str, str]
    said: dict[str, str]
    diff: ChartDiff


def _chart(asking: Asking, ask: AskChart) -> Answer:
    client_id = ask.client_id
    refuse_future(asking, "as-known-at", ask.as_known_at)
    grant = open_chart(asking, client_id, "chart", ask.as_known_at, ask.as_of)
    events = read_verified(asking.recorder, grant, client_id)
    seen = fold_chart(client_id, events).chart(grant.position, as_known_at=grant.as_known_at, as_of=grant.as_of)
    shown = {trace.event_id for item in seen.items for trace in item.changes}
    lines: tuple[TimelineEvent, ...] | None = None
    if ask.timeline:
        rows = (line.row for line in fold_all(timeline, events).values())
        lines = tuple(row for row in rows if row.event_id in shown)
    names = names_of(asking, seen)
    data = ChartShownNow(access_id=grant.access_id, names=names.known, chart=seen, timeline=lines)
    zone = asking.ledger.zone
    return paged(data, lambda: chart_page(seen, names, lines, grant.access_id, zone), grant.position)


def _diff(asking: Asking, ask: AskChartDiff) -> Answer:
    if ask.since > ask.until:
        raise asking.refused("since", "the first time is after the second; swap them")
    refuse_future(asking, "until", ask.until)
    grant = open_chart(asking, ask.client_id, "chart diff", ask.until, ask.as_of)
    events = read_verified(asking.recorder, grant, ask.client_id)
    found = diff_of(ask.client_id, events, grant, ask.since, asking.recorder.position_at(to_text(ask.since)))
    named = {trace.event_id for item in found.items for trace in item.events}
    said = {e.row.event_id: words(e.event) for e in events if e.row.event_id in named}
    names = names_of(asking, found)
    data = DiffShown(access_id=grant.access_id, names=names.known, said=said, diff=found)
    zone = asking.ledger.zone
    return paged(data, lambda: diff_page(found, names, said, grant.access_id, zone), grant.position)


def paged(data: Any, page: Callable[[], Page], position: int) -> Answer:
    """An answer whose text is its page; its data names the access."""
    return Answer(data=data, text=lambda: as_text(page()), page=page, access_id=data.access_id, position=position)


def open_chart(
    asking: Asking,
    client_id: str,
    resource: str,
    as_known_at: datetime | None = None,
    as_of: date | None = None,
    shown: Shown | None = None,
) -> Grant:
    """Record the access and hand out the grant. An event of the chart that does not even read is checked at once."""
    try:
        return asking.grant([client_id], resource, as_known_at=as_known_at, as_of=as_of, shown=shown)
    except UnreadableEvent:
        check_chart(asking.recorder, client_id)
        raise


CHART = Query(AskChart, _chart, "chart", ChartShownNow)
CHART_DIFF = Query(AskChartDiff, _diff, "chart diff", DiffShown)
