"""``ledger billing rows``: a month's billable services, what each would be claimed as, and what blocks it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from ledger.answers.billing import AskBillingChanges, AskBillingRows
from ledger.answers.period import Span
from ledger.cli.answering import give
from ledger.cli.files import check_target
from ledger.cli.named import Id
from ledger.cli.period import Month
from ledger.cli.session import Moment, Session, pass_session
from ledger.errors import BadInput


@click.group()
def billing() -> None:
    """What may be billed, and what stands in the way.

    \b
    Example:
      ledger --as system:billing billing rows --month 2025-11
    """


@billing.command()
@click.option("--month", "span", type=Month(), required=True, help="The month of service, for example 2025-11.")
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only services given by this staff member.")
@click.option("--client", "client_id", metavar="CLIENT", type=Id(), help="Only services to this client.")
@click.option("--claimable", is_flag=True, help="Only services that may be claimed.")
@click.option("--blocked", is_flag=True, help="Only services that something blocks.")
@click.option("--as-known-at", type=Moment(), help="The rows as they were known at this time.")
@click.option("--changed-since", type=Moment(), help="Only what has changed since this time, and which events did it.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file: .txt, .json or .html.")
@pass_session
def rows(
    session: Session,
    span: Span,
    staff_id: str | None,
    client_id: str | None,
    claimable: bool,
    blocked: bool,
    as_known_at: datetime | None,
    changed_since: datetime | None,
    out: Path | None,
) -> None:
    """A month's billable services: units with the arithmetic, code, modifiers, place, signer, and every block.

    Repeats of a code by one provider for one client on one day are one claim line, combined as the agency adopted it
    (BILL-COMBINE); its units stand with its first service. What is shown is recorded as an access to every chart on
    the page, before it is shown.

    \b
    Examples:
      ledger --as STAFF --purpose payment billing rows --month 2025-11
      ledger --as STAFF --json billing rows --month 2025-11 --blocked
      ledger --as STAFF --purpose payment billing rows --month 2025-11 --claimable --out november.html
      ledger --as STAFF billing rows --month 2025-11 --as-known-at 2025-12-03T17:00:00-08:00
      ledger --as STAFF billing rows --month 2025-11 --changed-since 2025-12-03T17:00:00-08:00
    """
    check_target(out)
    if changed_since is not None and claimable != blocked:
        raise BadInput(
            "--changed-since: leave out --claimable and --blocked; a change may be from the one to the other"
        )
    if changed_since is None or (claimable and blocked):
        give(
            session,
            AskBillingRows(
                month=span.name,
                staff_id=staff_id,
                client_id=client_id,
                claimable=claimable,
                blocked=blocked,
                as_known_at=as_known_at,
            ),
            out,
        )
        return
    give(
        session,
        AskBillingChanges(
            month=span.name,
            staff_id=staff_id,
            client_id=client_id,
            as_known_at=as_known_at,
            changed_since=changed_since,
        ),
        out,
    )
