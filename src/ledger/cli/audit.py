"""``ledger access-audit``: who read a chart, when, why, with what relationship, and which versions they were shown."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from ledger.answers.access_audit import AskAccessAudit
from ledger.cli.answering import give
from ledger.cli.files import check_target
from ledger.cli.named import Id
from ledger.cli.session import Day, Session, pass_session


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
    give(session, AskAccessAudit(client_id=client_id, first=first, last=last, versions=versions), out)
