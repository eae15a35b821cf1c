"""``ledger utilisation``: the Service Utilization Summary of a week or a month, and its review."""

from __future__ import annotations

from datetime import date, datetime

import click

from ledger.answers.period import Span
from ledger.answers.utilisation import AskUtilisation, AskUtilisationWeek, review_of
from ledger.application.commands import Request
from ledger.cli.answering import give
from ledger.cli.named import Id
from ledger.cli.period import Month
from ledger.cli.session import Day, Moment, Session, pass_session
from ledger.errors import BadInput


@click.command()
@click.option("--staff", "staff_id", metavar="STAFF", type=Id(), help="Only this staff member.")
@click.option("--month", "span", type=Month(), help="The month of service, for example 2025-11 (default: this month).")
@click.option("--week", type=Day(), help="The week (Monday to Sunday) that holds this day, instead of a month.")
@click.option("--as-known-at", type=Moment(), help="The figures as they were known at this time.")
@click.option("--review", is_flag=True, help="Review the figures: freeze them as an event. Needs --staff.")
@click.option("--command-id", help="With --review: repeating it with the same id reviews only once.")
@click.option("--steps", is_flag=True, help="Print the steps of every reading, not only of the adopted one.")
@pass_session
def utilisation(
    session: Session,
    staff_id: str | None,
    span: Span | None,
    week: date | None,
    as_known_at: datetime | None,
    review: bool,
    command_id: str | None,
    steps: bool,
) -> None:
    """Billable time beside the target, rated under every reading (PSC-1 to PSC-5).

    Counted are the direct minutes of signed billable services. Reviewed figures stay as they were reviewed; what came
    later shows as a restated difference beside them.

    \b
    Examples:
      ledger utilisation --month 2025-11
      ledger --json utilisation --staff STAFF --month 2025-11 --as-known-at 2025-12-01T09:00:00-08:00
      ledger utilisation --staff STAFF --week 2025-11-12
      ledger --as SUPERVISOR utilisation --staff STAFF --month 2025-11 --review
    """
    if span is not None and week is not None:
        raise BadInput("--week: give a month or a week, not both")
    if review and (staff_id is None or as_known_at is not None):
        raise BadInput("--review: name one --staff, and leave out --as-known-at: a review is of the figures of now")
    if command_id is not None and not review:
        raise BadInput("--command-id: it belongs to --review")
    ask: AskUtilisation | AskUtilisationWeek
    if week is not None:
        ask = AskUtilisationWeek(staff_id=staff_id, week=week, as_known_at=as_known_at)
    else:
        month = None if span is None else span.name
        ask = AskUtilisation(staff_id=staff_id, month=month, as_known_at=as_known_at, steps=steps)
    if review and (command_id is None or not session.recorder.find_command(command_id)):
        _review(session, ask, command_id)
    give(session, ask)


def _review(session: Session, ask: AskUtilisation | AskUtilisationWeek, command_id: str | None) -> None:
    command_id = command_id or session.ledger.ids.new()
    session.execute(
        Request(
            command=review_of(session, ask, command_id),
            actor_id=session.actor,
            purpose=session.purpose,
            command_id=command_id,
            correlation_id=session.correlation_id,
        )
    )
