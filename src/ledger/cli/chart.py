"""``ledger chart``: what a chart says, or said at another moment, and what changed between two."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.aggregates.staff import Staff
from ledger.cli.chart_page import Names, chart_page, diff_page
from ledger.cli.known import refuse_future
from ledger.cli.named import Id
from ledger.cli.page import as_text, check_target, write_page
from ledger.cli.session import Day, Moment, Session, Shown, pass_session
from ledger.clock import to_text
from ledger.errors import BadInput
from ledger.grants import Grant
from ledger.projections.folding import fold_all
from ledger.projections.timeline import TimelineEvent, timeline
from ledger.projections.timeline_words import words
from ledger.replay.chart import fold_chart
from ledger.replay.diff import ChartDiff, diff_of
from ledger.replay.state import Chart
from ledger.replay.verified import check_chart, read_verified
from ledger.store.checked import check_leaf
from ledger.store.codec import UnreadableEvent
from ledger.store.envelope import Recorded


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


@click.command()
@click.argument("client_id", metavar="CLIENT", type=Id())
@click.option("--as-known-at", type=Moment(), help="The chart as it was known at this time (default: now).")
@click.option("--as-of", type=Day(), help="Only what had begun by this service date, as it was in force then.")
@click.option(
    "--diff",
    "between",
    type=Moment(),
    nargs=2,
    metavar="T1 T2",
    help="What changed between two times: before and after, who, when, by which event.",
)
@click.option("--timeline", "with_timeline", is_flag=True, help="Add every event of what is shown, one line each.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file: .txt, .json or .html.")
@pass_session
def chart(
    session: Session,
    client_id: str,
    as_known_at: datetime | None,
    as_of: date | None,
    between: tuple[datetime, datetime] | None,
    with_timeline: bool,
    out: Path | None,
) -> None:
    """Show a chart: as known now or at a time, as of a service date, or what changed between two times.

    The access is recorded first. Every event is checked against its leaf hash, every signature against the content it
    is bound to; a chart that does not agree with its own record is not shown, and the event is named (exit code 5).

    \b
    Examples:
      ledger --as STAFF --purpose treatment chart CLIENT
      ledger --as system:auditor --purpose audit chart CLIENT --as-known-at 2025-11-01T09:00:00-07:00
      ledger --as STAFF chart CLIENT --as-of 2025-10-15 --out chart.html
      ledger --as STAFF chart CLIENT --diff 2025-11-01T00:00:00-07:00 2025-11-08T00:00:00-08:00
    """
    check_target(out)
    if between is not None:
        if as_known_at is not None or with_timeline:
            raise BadInput("--diff: it stands alone or with --as-of; leave out --as-known-at and --timeline")
        if between[0] > between[1]:
            raise BadInput("--diff: the first time is after the second; swap them")
    known_at = between[1] if between is not None else as_known_at
    refuse_future(session, "--diff" if between is not None else "--as-known-at", known_at)
    grant = open_chart(session, client_id, "chart" if between is None else "chart diff", known_at, as_of)
    events = read_verified(session.recorder, grant, client_id)
    if between is None:
        _show(session, grant, client_id, events, with_timeline, out)
    else:
        _compare(session, grant, client_id, events, between[0], out)


def _show(
    session: Session, grant: Grant, client_id: str, events: list[Recorded], with_timeline: bool, out: Path | None
) -> None:
    seen = fold_chart(client_id, events).chart(grant.position, as_known_at=grant.as_known_at, as_of=grant.as_of)
    shown = {trace.event_id for item in seen.items for trace in item.changes}
    lines: tuple[TimelineEvent, ...] | None = None
    if with_timeline:
        rows = (line.row for line in fold_all(timeline, events).values())
        lines = tuple(row for row in rows if row.event_id in shown)
    names = names_of(session, seen)
    data = ChartShownNow(access_id=grant.access_id, names=names.known, chart=seen, timeline=lines)
    hand_over(session, out, data, lambda: chart_page(seen, names, lines, grant.access_id, session.ledger.zone))


def _compare(
    session: Session, grant: Grant, client_id: str, events: list[Recorded], since: datetime, out: Path | None
) -> None:
    found = diff_of(client_id, events, grant, since, session.recorder.position_at(to_text(since)))
    named = {trace.event_id for item in found.items for trace in item.events}
    said = {e.row.event_id: words(e.event) for e in events if e.row.event_id in named}
    names = names_of(session, found)
    data = DiffShown(access_id=grant.access_id, names=names.known, said=said, diff=found)
    hand_over(session, out, data, lambda: diff_page(found, names, said, grant.access_id, session.ledger.zone))


def hand_over(session: Session, out: Path | None, data: Any, page: Any) -> None:
    """Print a result, or write it to the file and say where it is."""
    if out is None:
        session.emit(data, lambda: as_text(page()))
        return
    size = write_page(out, data, page)
    session.emit({"written": str(out), "bytes": size, "access_id": data.access_id}, lambda: f"Written to {out}")


def open_chart(
    session: Session,
    client_id: str,
    resource: str,
    as_known_at: datetime | None = None,
    as_of: date | None = None,
    shown: Shown | None = None,
) -> Grant:
    """Record the access and hand out the grant. An event of the chart that does not even read is checked at once."""
    try:
        return session.grant([client_id], resource, as_known_at=as_known_at, as_of=as_of, shown=shown)
    except UnreadableEvent:
        check_chart(session.recorder, client_id)
        raise


def names_of(session: Session, *shown: Any) -> Names:
    """The names of the staff members whose ids stand anywhere in what is shown; their events are checked as well."""
    unit = session.ledger.unit()
    known: dict[str, str] = {}
    for text in sorted(set(_ids(msgspec.to_builtins(shown)))):
        staff = unit.find(Staff, text)
        if staff is not None:
            for row in session.recorder.read_stream(text):
                check_leaf(row)
            known[text] = staff.name
    return Names(known)


#: The fields that hold a staff member's id.
_STAFF_FIELDS = frozenset(
    ("actor", "staff_id", "author_id", "signer_id", "opened_by", "decided_by", "reader_id", "co_leaders")
)


def _ids(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _STAFF_FIELDS:
                yield from [inner] if isinstance(inner, str) else inner
            else:
                yield from _ids(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _ids(inner)
