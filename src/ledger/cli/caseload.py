"""``ledger caseload``: who coordinates whose care on a day."""

from __future__ import annotations

from datetime import date

import click

from ledger.answers.caseload import AskCaseload
from ledger.cli.answering import give
from ledger.cli.named import Id, ProgramName
from ledger.cli.session import Day, Session, pass_session


@click.command()
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only this staff member's caseload.")
@click.option("--program", type=ProgramName(), help="Only this program.")
@click.option("--on", "day", type=Day(), help="The board of this day (default: today).")
@pass_session
def caseload(session: Session, staff_id: str | None, program: str | None, day: date | None) -> None:
    """The caseload board of a day, with each worker's band (PSC-16, ECM-2, CSS-12).

    Clients whose coordinator's employment had ended by that day stand first, as needing a new one: they are in
    nobody's count.

    \b
    Examples:
      ledger --as STAFF caseload
      ledger --as STAFF --json caseload --program psc --on 2025-11-01
    """
    give(session, AskCaseload(staff_id=staff_id, program=program, day=day))
