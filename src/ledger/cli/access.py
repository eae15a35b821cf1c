"""``ledger access``: why somebody may open a chart or not, and the glass that was broken."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
import msgspec

from ledger.application.access import Explained, explained, look_at, may_open
from ledger.cli.chart import names_of, open_chart
from ledger.cli.chart_page import Names
from ledger.cli.named import Id
from ledger.cli.purposes import PURPOSES, check_purpose
from ledger.cli.session import Session, pass_session
from ledger.clock import from_text
from ledger.errors import BadInput
from ledger.policies.access import relationships, resource_of, table
from ledger.projections import broken_glass as view


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
@click.argument("client_id", metavar="CHART", type=Id())
@click.option(
    "--to", "resource", default="chart", show_default=True, help="What would be opened, as an access names it."
)
@click.option("--for", "purpose", default="treatment", show_default=True, help=f"Why: {', '.join(PURPOSES)}.")
@pass_session
def explain(session: Session, user_id: str, client_id: str, resource: str, purpose: str) -> None:
    """Explain whether somebody may open a chart today: each rule that was considered, and what it lacked.

    This is a reading of the chart's access audit, and recorded as one.

    \b
    Examples:
      ledger --as OFFICER --purpose compliance access explain STAFF CLIENT
      ledger --as OFFICER --purpose compliance access explain STAFF CLIENT --to "billing rows" --for payment
    """
    check_purpose("--for", purpose)
    if resource_of(resource) is None:
        known = sorted(words for row in table().resource for words in row.said)
        raise BadInput(f"--to: {resource!r} is nothing that is opened; use one of {', '.join(known)}")
    grant = open_chart(session, client_id, "access explanation")
    unit, now = session.ledger.unit(), session.now
    actor = session.ledger.actor(unit, user_id, now.astimezone(session.ledger.zone))
    look_at(unit, actor, [client_id])
    day = now.astimezone(session.ledger.zone).date()
    reading = may_open(unit, actor, client_id, purpose=purpose, resource=resource, now=now, day=day)
    found = explained(reading, actor, purpose=purpose, resource=resource, day=day)
    session.emit({"access_id": grant.access_id} | msgspec.structs.asdict(found), lambda: _explained(found))


def _explained(found: Explained) -> str:
    means = relationships()
    verdict = f"MAY, under {found.decision.rule}" if found.decision.allowed else "MAY NOT"
    lines = [
        f"{found.reader} ({', '.join(found.roles)}) {verdict} open {found.resource} of chart {found.chart_id}",
        f"on {found.on}, for {found.purpose}",
        "",
        "Stands to the chart: "
        + "; ".join(f"{name} ({means[name]})" if name in means else name for name in found.relationships),
    ]
    if found.basis:
        lines.append(f"Rests on: {found.basis}")
    if found.sensitive:
        lines.append("The chart is marked as sensitive.")
    lines += ["", "Rules considered, in their order:"]
    for one in found.decision.considered:
        lines.append(f"  {one.rule}: {'allows' if not one.lacks else 'needs ' + '; '.join(one.lacks)}")
        lines.append(f"      {one.reason} [{one.source}]")
    return "\n".join(lines)


@access.command()
@click.option("--all", "all_of_them", is_flag=True, help="Those that were reviewed as well.")
@pass_session
def glass(session: Session, all_of_them: bool) -> None:
    """The glass that was broken and waits for review: who, which chart, why, until when.

    \b
    Examples:
      ledger --as OFFICER --purpose compliance access glass
      ledger --as OFFICER --purpose compliance --json access glass --all
    """
    session.actor  # noqa: B018 - refuse before any work when nobody says who reads
    session.catch_up()
    with session.one_moment(view.broken_glass) as shown:
        charts = view.charts_of(shown.connection, all_of_them=all_of_them)
        grant = session.grant(charts, "broken glass", shown=shown)
        found = view.glasses(shown.connection, grant, all_of_them=all_of_them)
    names = names_of(session, found)
    data: dict[str, Any] = {"access_id": grant.access_id, "names": names.known, "glasses": found}
    session.emit(data, lambda: _glasses(found, names, session))


def _glasses(found: list[view.Broken], names: Names, session: Session) -> str:
    if not found:
        return "No broken glass waits for review."

    def at(text: str) -> str:
        moment: datetime = from_text(text).astimezone(session.ledger.zone)
        return moment.strftime("%Y-%m-%d %H:%M")

    lines = []
    for one in found:
        verdict = "WAITS FOR REVIEW" if one.justified is None else "justified" if one.justified else "NOT JUSTIFIED"
        lines.append(f"{at(one.broken_at)}  {names.whole(one.reader_id)}, {one.role}: {verdict}")
        lines.append(
            f"    chart {one.chart_id}{', marked as sensitive' if one.sensitive else ''}, open until {at(one.until)}"
        )
        lines.append(f"    reason: {one.reason}")
        if one.comment is not None:
            lines.append(f"    reviewed by {names(one.reviewed_by or '')}: {one.comment}")
        lines.append(f"    glass {one.glass_id}")
    return "\n".join(lines)
