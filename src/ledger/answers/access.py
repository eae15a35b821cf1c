"""Why somebody may open a chart or not; and the glass that was broken in emergencies, with its review."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from ledger.aggregates.vocabulary import Id
from ledger.answers.ask import Answer, Ask, ClientId
from ledger.answers.asking import Asking
from ledger.answers.chart import open_chart
from ledger.answers.names import Names, names_of
from ledger.answers.page import at
from ledger.answers.query import Query
from ledger.application.access import Explained, explained, look_at, may_open
from ledger.clock import from_text
from ledger.policies.access import relationships, resource_of, table
from ledger.policies.purposes import PURPOSES
from ledger.projections import broken_glass as view


class AskExplain(Ask, frozen=True, kw_only=True):
    """Explain whether somebody may open a chart today: each rule that was considered, and what it lacked.

    This is a reading of the chart's access audit, and is recorded as one.
    """

    NAME = "access explain"
    PLACED = ("user_id", "client_id")
    user_id: Annotated[Id, msgspec.Meta(description="Who would open it: a staff member, or a client.")]
    client_id: ClientId
    opens: Annotated[str, msgspec.Meta(description="What would be opened, as an access event names it.")] = "chart"
    because: Annotated[str, msgspec.Meta(description="The purpose it would be opened for.")] = "treatment"


class AskGlass(Ask, frozen=True, kw_only=True):
    """The glass that was broken and waits for review: who, which chart, why, until when (45 CFR 164.312(a)(2)(ii))."""

    NAME = "access glass"
    reviewed: Annotated[bool, msgspec.Meta(description="Those that were reviewed as well.")] = False


class ExplainedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json access explain`` prints."""

    access_id: str
    explained: Explained


class GlassShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json access glass`` prints."""

    access_id: str
    names: dict[str, str]
    glasses: tuple[view.Broken, ...]


def _explain(asking: Asking, ask: AskExplain) -> Answer:
    if ask.because not in PURPOSES:
        raise asking.refused("because", f"{ask.because!r} is not a purpose; use one of {', '.join(PURPOSES)}")
    if resource_of(ask.opens) is None:
        known = sorted(words for row in table().resource for words in row.said)
        raise asking.refused("opens", f"{ask.opens!r} is nothing that opens; use one of {', '.join(known)}")
    grant = open_chart(asking, ask.client_id, "access explanation")
    unit, now, zone = asking.ledger.unit(), asking.now, asking.ledger.zone
    actor, day = asking.ledger.actor(unit, ask.user_id, now.astimezone(zone)), now.astimezone(zone).date()
    look_at(unit, actor, [ask.client_id])
    reading = may_open(unit, actor, ask.client_id, purpose=ask.because, resource=ask.opens, now=now, day=day)
    found = explained(reading, actor, purpose=ask.because, resource=ask.opens, day=day)
    data = ExplainedShown(access_id=grant.access_id, explained=found)
    return Answer(data=data, text=lambda: _explained(found), position=grant.position, access_id=grant.access_id)


def _explained(found: Explained) -> str:
    means = relationships()
    verdict = f"MAY, under {found.decision.rule}," if found.decision.allowed else "MAY NOT"
    stands = "; ".join(f"{name} ({means[name]})" if name in means else name for name in found.relationships)
    lines = [
        f"{found.reader} ({', '.join(found.roles)}) {verdict} open {found.resource} of {found.chart_id}",
        f"on {found.on}, for {found.purpose}",
        "",
        f"Stands to the chart: {stands}",
    ]
    if found.basis:
        lines.append(f"Rests on: {found.basis}")
    if found.sensitive:
        lines.append("The chart is marked as sensitive.")
    lines += ["", "Rules considered, in their order:"]
    for one in found.decision.considered:
        lines.append(f"  {one.rule}: {'allows' if not one.lacks else 'needs ' + '; '.join(one.lacks)}")
        lines.append(f"      {one.reason} [{one.source}]")
    return "\n".join(lines)


def _glass(asking: Asking, ask: AskGlass) -> Answer:
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    asking.catch_up()
    with asking.one_moment(view.broken_glass) as shown:
        charts = view.charts_of(shown.connection, all_of_them=ask.reviewed)
        grant = asking.grant(charts, "broken glass", shown=shown)
        found = tuple(view.glasses(shown.connection, grant, all_of_them=ask.reviewed))
    names = names_of(asking, found)
    data = GlassShown(access_id=grant.access_id, names=names.known, glasses=found)
    zone = asking.ledger.zone
    return Answer(
        data=data, text=lambda: _glasses(found, names, zone), position=grant.position, access_id=grant.access_id
    )


def _glasses(found: tuple[view.Broken, ...], names: Names, zone: ZoneInfo) -> str:
    if not found:
        return "No broken glass waits for review."
    lines = []
    for one in found:
        verdict = "WAITS FOR REVIEW" if one.justified is None else "justified" if one.justified else "NOT JUSTIFIED"
        sensitive = ", marked as sensitive" if one.sensitive else ""
        lines += [
            f"{_when(one.broken_at, zone)}  {names.whole(one.reader_id)}, {one.role}: {verdict}",
            f"    chart {one.chart_id}{sensitive}, open until {_when(one.until, zone)}",
            f"    reason: {one.reason}",
        ]
        if one.comment is not None:
            lines.append(f"    reviewed by {names(one.reviewed_by or '')}: {one.comment}")
        lines.append(f"    glass {one.glass_id}")
    return "\n".join(lines)


def _when(text: str, zone: ZoneInfo) -> str:
    return at(from_text(text).astimezone(zone))


ACCESS_EXPLAIN = Query(AskExplain, _explain, "access explanation", ExplainedShown)
ACCESS_GLASS = Query(AskGlass, _glass, "broken glass", GlassShown)
