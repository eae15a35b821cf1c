"""Who read a chart: when, why, with what relationship, and which versions they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from ledger.aggregates.vocabulary import Date
from ledger.answers.ask import Answer, Ask, ClientId
from ledger.answers.asking import Asking
from ledger.answers.chart import open_chart, paged
from ledger.answers.names import Names, names_of
from ledger.answers.page import Block, Page, Section, at, count
from ledger.answers.query import Query
from ledger.clock import from_text
from ledger.consumers.parking import parked
from ledger.projections.access_audit import ChartAccess, reads_of
from ledger.projections.access_audit import access_audit as view
from ledger.replay.shown import versions_shown
from ledger.replay.verified import read_verified


class AskAccessAudit(Ask, frozen=True, kw_only=True):
    """Who read a chart: when, on which surface, for what purpose, with what relationship (ECM-10, 45 CFR 164.312(b)).

    Reading the audit of a chart is itself a read of the chart, and is recorded first.
    """

    NAME = "access-audit"
    PLACED = ("client_id",)
    client_id: ClientId
    first: Annotated[Date | None, msgspec.Meta(description="From this day on, in the agency's time zone.")] = None
    last: Annotated[Date | None, msgspec.Meta(description="Up to and including this day.")] = None
    versions: Annotated[bool, msgspec.Meta(description="Name the exact version of every document that was shown.")] = (
        False
    )


class AccessShown(msgspec.Struct, frozen=True, kw_only=True):
    """One access; ``versions`` are the documents it could show, as stream@version, when they were asked for."""

    access: ChartAccess
    versions: tuple[str, ...] | None = None


class AuditShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json access-audit`` prints."""

    access_id: str
    chart_id: str
    position: int
    first: date | None
    last: date | None
    names: dict[str, str]
    #: Accesses, to any chart, that wait behind an event this release could not apply: some may be to this one.
    waiting: int
    accesses: tuple[AccessShown, ...]


def _access_audit(asking: Asking, ask: AskAccessAudit) -> Answer:
    client_id, first, last = ask.client_id, ask.first, ask.last
    if first is not None and last is not None and first > last:
        raise asking.refused("to", f"it is before {asking.called('from')}; swap them")
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    asking.catch_up()
    zone = asking.ledger.zone
    since = None if first is None else datetime.combine(first, time(), zone)
    until = None if last is None or last == date.max else datetime.combine(last + timedelta(days=1), time(), zone)
    with asking.one_moment(view) as stands:
        grant = open_chart(asking, client_id, "access audit", shown=stands)
        accesses = reads_of(stands.connection, grant, client_id, since=since, until=until)
    shown: Sequence[tuple[str, ...] | None] = [None] * len(accesses)
    if ask.versions:
        moments = [(a.position_shown, None if a.as_of is None else date.fromisoformat(a.as_of)) for a in accesses]
        shown = versions_shown(client_id, read_verified(asking.recorder, grant, client_id), moments)
    names = names_of(asking, accesses)
    data = AuditShown(
        access_id=grant.access_id,
        chart_id=client_id,
        position=grant.position,
        first=first,
        last=last,
        names=names.known,
        waiting=sum(p.waiting for p in parked(asking.recorder.engine) if p.projection.startswith(f"{view.name}.")),
        accesses=tuple(AccessShown(access=a, versions=v) for a, v in zip(accesses, shown, strict=True)),
    )
    return paged(data, lambda: _page(data, names, zone), grant.position)


def _page(data: AuditShown, names: Names, zone: ZoneInfo) -> Page:
    reads = [a.access for a in data.accesses if a.access.refused is None]
    period = f"{data.first or 'the beginning'} to {data.last or 'now'}"
    facts = [
        ("Chart", data.chart_id),
        ("Log position", str(data.position)),
        ("Period", period),
        ("Reads", f"{len(reads)} by {count(len({a.reader_id for a in reads}), 'reader')}"),
        *([("Refused", str(len(data.accesses) - len(reads)))] if len(reads) < len(data.accesses) else []),
        ("Access", f"{data.access_id} (this reading is recorded)"),
    ]
    if data.waiting:
        facts.append(("NOT COMPLETE", f"{count(data.waiting, 'event')} could not be applied; see: ledger status"))
    blocks = [_block(shown, names, zone) for shown in data.accesses]
    return Page("Who read the chart", facts, [Section("Reads", blocks, "nobody read it in this period")])


def _block(shown: AccessShown, names: Names, zone: ZoneInfo) -> Block:
    a = shown.access
    when = at(from_text(a.recorded_at).astimezone(zone))
    held = f", {a.credential}" if a.credential else ""
    if a.refused is not None:
        lines = [f"{a.resource} on {a.surface}, purpose {a.purpose}{_from(a)}", f"needed was {a.refused}"]
        return Block(f"{when}  REFUSED: {names(a.reader_id)}, {a.role}{held}", lines)
    lines = [
        f"{a.resource} on {a.surface}, purpose {a.purpose}, relationship {a.relationship}"
        + (f"; one of {a.charts} charts" if a.charts > 1 else "")
        + _from(a),
        f"as it stood at position {a.position_shown}"
        + (f", known at {at(from_text(a.as_known_at).astimezone(zone))}" if a.as_known_at else "")
        + (f", as of {a.as_of}" if a.as_of else ""),
        f"access {a.access_id} (position {a.position})",
    ]
    if a.rule is not None:
        lines.append(f"allowed by {a.rule}" + (f", resting on {a.basis}" if a.basis else ""))
    if shown.versions is not None:
        lines += [f"shown: {version}" for version in shown.versions] or ["nothing was on the chart then"]
    return Block(f"{when}  {names(a.reader_id)}, {a.role}{held}", lines)


def _from(access: ChartAccess) -> str:
    return f", from {access.address}" if access.address else ""


ACCESS_AUDIT = Query(AskAccessAudit, _access_audit, "access audit", AuditShown)
