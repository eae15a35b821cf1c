"""``ledger chart``: what a chart says, or said at another moment, and what changed between two."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from ledger.answers.chart import AskChart, AskChartDiff
from ledger.cli.answering import give
from ledger.cli.files import check_target
from ledger.cli.named import Id
from ledger.cli.session import Day, Moment, Session, pass_session
from ledger.errors import BadInput


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
        since, until = between
        give(session, AskChartDiff(client_id=client_id, as_of=as_of, since=since, until=until), out)
        return
    give(session, AskChart(client_id=client_id, as_known_at=as_known_at, as_of=as_of, timeline=with_timeline), out)
