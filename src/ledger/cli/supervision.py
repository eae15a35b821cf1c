"""``ledger supervision``: the grid of weeks of supervision, with its ratings."""

from __future__ import annotations

from datetime import date, datetime

import click

from ledger.answers.supervision import AskSupervision
from ledger.cli.answering import give
from ledger.cli.named import Id
from ledger.cli.session import Day, Moment, Session, pass_session


@click.command()
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only this staff member.")
@click.option("--from", "first", type=Day(), help="From the week that holds this day (default: eight weeks back).")
@click.option("--to", "last", type=Day(), help="To the week that holds this day (default: today).")
@click.option("--as-known-at", type=Moment(), help="The grid as it was known at this time.")
@click.option("--steps", is_flag=True, help="Print the steps of every week.")
@pass_session
def supervision(
    session: Session,
    staff_id: str | None,
    first: date | None,
    last: date | None,
    as_known_at: datetime | None,
    steps: bool,
) -> None:
    """Minutes of supervision a week, rated (PSC-6), with what a registration asks for beside it (PSC-7).

    Weeks that were wholly time off or holidays are excused. Group supervision counts only for a registration.

    \b
    Examples:
      ledger supervision --staff STAFF --from 2025-10-01 --to 2025-12-31
      ledger --json supervision --from 2025-11-01 --as-known-at 2025-12-01T09:00:00-08:00
    """
    give(session, AskSupervision(staff_id=staff_id, first=first, last=last, as_known_at=as_known_at, steps=steps))
