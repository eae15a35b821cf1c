"""``ledger timeliness``: the monthly review of note records, by staff member (PSC-15)."""

from __future__ import annotations

from datetime import datetime

import click

from ledger.answers.timeliness import AskTimeliness
from ledger.cli.answering import give
from ledger.cli.named import Id, ProgramName
from ledger.cli.session import Moment, Session, pass_session


@click.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="The month of the services.")
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only this staff member's notes.")
@click.option("--program", type=ProgramName(), help="Only this program.")
@click.option("--as-known-at", type=Moment(), help="The review as it would have been at this time.")
@pass_session
def timeliness(
    session: Session, month: str, staff_id: str | None, program: str | None, as_known_at: datetime | None
) -> None:
    """The monthly review of note records: counts and per cent by rating, and the late notes (PSC-15).

    Each rule is counted as adopted for the service date, and under every reading beside it. Services without a note
    count too. Ask for the reasons of one note with: ledger trace NOTE.

    \b
    Examples:
      ledger --as STAFF timeliness --month 2025-11
      ledger --as STAFF --json timeliness --month 2025-11 --staff STAFF --as-known-at 2025-12-05T09:00:00-08:00
    """
    give(session, AskTimeliness(month=month, staff_id=staff_id, program=program, as_known_at=as_known_at))
