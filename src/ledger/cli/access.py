"""``ledger access``: why somebody may open a chart or not, and the glass that was broken."""

from __future__ import annotations

import click

from ledger.answers.access import AskExplain, AskGlass
from ledger.cli.answering import give
from ledger.cli.named import Id
from ledger.cli.session import Session, pass_session
from ledger.policies.purposes import PURPOSES


@click.group()
def access() -> None:
    """Who may open which chart, and why; the glass that was broken in emergencies.

    \b
    Examples:
      ledger --as OFFICER --purpose compliance access explain STAFF CLIENT
      ledger --as OFFICER --purpose compliance access glass
    """


@access.command()
@click.argument("user_id", metavar="USER", type=Id())
@click.argument("client_id", metavar="CLIENT", type=Id())
@click.option("--opens", default="chart", show_default=True, help="What would be opened, as an access event names it.")
@click.option("--because", default="treatment", show_default=True, help=f"The purpose: {', '.join(PURPOSES)}.")
@pass_session
def explain(session: Session, user_id: str, client_id: str, opens: str, because: str) -> None:
    """Explain whether somebody may open a chart today: each rule that was considered, and what it lacked.

    This is a reading of the chart's access audit, and is recorded as one.

    \b
    Examples:
      ledger --as OFFICER --purpose compliance access explain STAFF CLIENT
      ledger --as OFFICER --purpose compliance access explain STAFF CLIENT --opens "billing rows" --because payment
    """
    give(session, AskExplain(user_id=user_id, client_id=client_id, opens=opens, because=because))


@access.command()
@click.option("--reviewed", is_flag=True, help="Those that were reviewed as well.")
@pass_session
def glass(session: Session, reviewed: bool) -> None:
    """The glass that was broken and waits for review: who, which chart, why, until when (45 CFR 164.312(a)(2)(ii)).

    \b
    Examples:
      ledger --as OFFICER --purpose compliance access glass
      ledger --as OFFICER --purpose compliance --json access glass --reviewed
    """
    give(session, AskGlass(reviewed=reviewed))
