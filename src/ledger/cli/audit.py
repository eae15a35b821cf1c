"""``ledger access-audit``: who read a chart, when, why, with what relationship, and which versions they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

import click
import msgspec

from ledger.cli.chart import hand_over, names_of, open_chart
from ledger.cli.chart_page import Names, at, count
from ledger.cli.named import Id
from ledger.cli.page import Block, Page, Section, check_target
from ledger.cli.session import Day, Session, pass_session
from ledger.clock import from_text
from ledger.consumers.parking import parked
from ledger.errors import BadInput
from ledger.projections.access_audit import ChartAccess, reads_of
from ledger.projections.access_audit import access_audit as view
from ledger.replay.shown import versions_shown
from ledger.replay.verified import read_verified


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


@click.command("access-audit")
@click.argument("client_id", metavar="CLIENT", type=Id())
@click.option("--from", "first", type=Day(), help="From this day on, in the agency's time zone.")
@click.option("--to", "last", type=Day(), help="Up to and including this day.")
@click.option("--versions", is_flag=True, help="Name the exact version of every document that was shown.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file: .txt, .json or .html.")
@pass_session
def access_audit(
    session: Session, client_id: str, first: date | None, last: date | None, versions: bool, out: Path | None
) -> None:
    """Who read a chart: when, on which surface, for what purpose, with what relationship (ECM-10, 45 CFR 164.312(b)).

    Reading the audit of a chart is itself a read of the chart, and is recorded first.

    \b
    Examples:
      ledger --as system:auditor --purpose audit access-audit CLIENT --from 2025-11-01 --to 2025-11-30
      ledger --as STAFF --json access-audit CLIENT --versions
    """
    check_target(out)
    if first is not None and last is not None and first > last:
        raise BadInput("--to: it is before --from; swap them")
    session.actor  # noqa: B018 - refuse before any work when nobody says who reads
    session.catch_up()
    zone = session.ledger.zone
    since = None if first is None else datetime.combine(first, time(), zone)
    until = None if last is None or last == date.max else datetime.combine(last + timedelta(days=1), time(), zone)
    with session.one_moment(view) as stands:
        grant = open_chart(session, client_id, "access audit", shown=stands)
        accesses = reads_of(stands.connection, grant, client_id, since=since, until=until)
    shown: Sequence[tuple[str, ...] | None] = [None] * len(accesses)
    if versions:
        moments = [(a.position_shown, None if a.as_of is None else date.fromisoformat(a.as_of)) for a in accesses]
        shown = versions_shown(client_id, read_verified(session.recorder, grant, client_id), moments)
    names = names_of(session, accesses)
    data = AuditShown(
        access_id=grant.access_id,
        chart_id=client_id,
        position=grant.position,
        first=first,
        last=last,
        names=names.known,
        waiting=sum(p.waiting for p in parked(session.recorder.engine) if p.projection.startswith(f"{view.name}.")),
        accesses=tuple(AccessShown(access=a, versions=v) for a, v in zip(accesses, shown, strict=True)),
    )
    hand_over(session, out, data, lambda: _page(data, names, session))


def _page(data: AuditShown, names: Names, session: Session) -> Page:
    period = f"{data.first or 'the beginning'} to {data.last or 'now'}"
    facts = [
        ("Chart", data.chart_id),
        ("Log position", str(data.position)),
        ("Period", period),
        ("Reads", f"{len(data.accesses)} by {count(len({a.access.reader_id for a in data.accesses}), 'reader')}"),
        ("Access", f"{data.access_id} (this reading is recorded)"),
    ]
    if data.waiting:
        facts.append(("NOT COMPLETE", f"{count(data.waiting, 'event')} could not be applied; see: ledger status"))
    blocks = [_block(shown, names, session) for shown in data.accesses]
    return Page("Who read the chart", facts, [Section("Reads", blocks, "nobody read it in this period")])


def _block(shown: AccessShown, names: Names, session: Session) -> Block:
    a = shown.access
    when = at(from_text(a.recorded_at).astimezone(session.ledger.zone))
    held = f", {a.credential}" if a.credential else ""
    lines = [
        f"{a.resource} on {a.surface}, purpose {a.purpose}, relationship {a.relationship}"
        + (f"; one of {a.charts} charts" if a.charts > 1 else ""),
        f"as it stood at position {a.position_shown}"
        + (f", known at {at(from_text(a.as_known_at).astimezone(session.ledger.zone))}" if a.as_known_at else "")
        + (f", as of {a.as_of}" if a.as_of else ""),
        f"access {a.access_id} (position {a.position})",
    ]
    if shown.versions is not None:
        lines += [f"shown: {version}" for version in shown.versions] or ["nothing was on the chart then"]
    return Block(f"{when}  {names(a.reader_id)}, {a.role}{held}", lines)
