"""Who coordinates whose care on a day, and whose clients need a new coordinator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

import msgspec

from ledger.aggregates.vocabulary import Date
from ledger.answers.ask import Answer, Ask, OfStaff, Program
from ledger.answers.asking import Asking
from ledger.answers.named import check_known, check_program
from ledger.answers.names import Names
from ledger.answers.query import Query
from ledger.policies.caseload import BandAnswer, band
from ledger.projections import caseload as view
from ledger.projections.staffing import live_staff, staffing


class AskCaseload(Ask, frozen=True, kw_only=True):
    """The caseload board of a day, with each worker's band (PSC-16, ECM-2, CSS-12).

    Clients whose coordinator's employment had ended by that day stand first, as needing a new one: they are in
    nobody's count.
    """

    NAME = "caseload"
    staff_id: OfStaff = None
    program: Program = None
    day: Annotated[Date | None, msgspec.Meta(description="The board of this day (default: today).")] = None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A staff member's clients in a program, counted and rated."""

    band: BandAnswer
    clients: int
    name: str | None
    program: str
    staff_id: str


class CaseloadShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ``ledger --json caseload`` prints."""

    assignments: tuple[view.Assignment, ...]
    needs_coordinator: tuple[view.Uncoordinated, ...]
    on: date
    workers: tuple[Worker, ...]


def _caseload(asking: Asking, ask: AskCaseload) -> Answer:
    staff_id, program = ask.staff_id, ask.program
    day = ask.day or asking.now.astimezone(asking.ledger.zone).date()
    asking.actor  # noqa: B018 - refuse before any work when nobody says who reads
    check_program(asking, program)
    check_known(asking, staff_id=staff_id)
    asking.catch_up()
    with asking.one_moment(view.caseload, staffing) as shown:
        charts = view.charts_on(shown.connection, day, staff_id, program)
        grant = asking.grant(charts, "caseload", as_of=day, shown=shown)
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

    data = CaseloadShown(
        assignments=tuple(board),
        needs_coordinator=tuple(waiting),
        on=day,
        workers=tuple(
            Worker(
                band=answer,
                clients=counts[worker, its_program],
                name=names.known.get(worker),
                program=its_program,
                staff_id=worker,
            )
            for (worker, its_program), answer in sorted(bands.items(), key=lambda item: item[0])
        ),
    )
    return Answer(data=data, text=text, access_id=grant.access_id, position=grant.position)


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


CASELOAD = Query(AskCaseload, _caseload, "caseload", CaseloadShown)
