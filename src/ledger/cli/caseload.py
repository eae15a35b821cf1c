"""``ledger caseload``: who coordinates whose care on a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import click

from ledger.answers.names import Names
from ledger.answers.named import check_known
from ledger.cli.named import Id, ProgramName
from ledger.cli.session import Day, Session, pass_session
from ledger.policies.caseload import band
from ledger.projections import caseload as view
from ledger.projections.staffing import live_staff, staffing


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
    day = day or session.now.astimezone(session.ledger.zone).date()
    session.actor  # noqa: B018 - refuse before any work when nobody says who reads
    check_known(session, staff_id=staff_id)
    session.catch_up()
    with session.one_moment(view.caseload, staffing) as shown:
        charts = view.charts_on(shown.connection, day, staff_id, program)
        grant = session.grant(charts, "caseload", as_of=day, shown=shown)
        board = view.board(shown.connection, grant, day, staff_id, program)
        staff = live_staff(shown.connection)
    names = Names({who: one.name for who, one in staff.items()})
    rows, waiting = view.uncoordinated(board, staff, day)
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row.staff_id, row.program] = counts.get((row.staff_id, row.program), 0) + 1
    bands = {who: band(who[1], count, day=day) for who, count in counts.items()}

    def text() -> str:
        lines = [f"Caseload on {day}: {len(board)} assignments", *_waiting_lines(waiting, names)]
        for who in sorted(counts, key=lambda who: (names.known.get(who[0], ""), *who)):
            worker, its_program = who
            answer = bands[who]
            lines.append(
                f"\n{names.whole(worker)}  {its_program}  {counts[who]} clients  "
                f"{answer.value} ({answer.low} to {answer.high})"
            )
            lines += [
                f"  {row.client_id}  since {row.first_day}" + ("" if row.lead else "  (second)")
                for row in rows
                if (row.staff_id, row.program) == who
            ]
        return "\n".join(lines)

    session.emit(
        {
            "on": day,
            "workers": [
                {
                    "staff_id": worker,
                    "name": names.known.get(worker),
                    "program": its_program,
                    "clients": counts[worker, its_program],
                    "band": answer,
                }
                for (worker, its_program), answer in sorted(bands.items(), key=lambda item: item[0])
            ],
            "needs_coordinator": waiting,
            "assignments": board,
        },
        text,
    )


def _waiting_lines(waiting: Sequence[view.Uncoordinated], names: Names) -> list[str]:
    """Whose clients need a new coordinator, and since when."""
    lines: list[str] = []
    if waiting:
        clients = len({one.assignment.client_id for one in waiting})
        lines.append(f"\nNEED A NEW COORDINATOR: {'1 client' if clients == 1 else f'{clients} clients'}")
    for one in waiting:
        row = one.assignment
        lines.append(
            f"  {row.client_id}  {row.program}  still with {names(row.staff_id)}, whose employment ended on "
            f"{one.employment_ended_on}" + ("" if row.lead else "  (second)")
        )
    return lines
