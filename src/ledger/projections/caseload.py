"""Caseload: who coordinates whose care, in which program, from when to when.

One row an assignment, so that the board of any date can be shown. Sources: PSC-16, ECM-1, ECM-2, CSS-12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from sqlalchemy import Connection, or_, select

from ledger.aggregates.client_events import CoordinatorAssigned, CoordinatorReleased
from ledger.grants import Grant
from ledger.projections.base import Happened, Key, Projection
from ledger.projections.staffing import StaffMember


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One assignment; ``last_day`` is empty while it lasts. Days are ISO dates."""

    assignment_id: str
    client_id: str
    staff_id: str
    program: str
    first_day: str
    last_day: str | None
    lead: bool
    end_reason: str | None


class Uncoordinated(msgspec.Struct, frozen=True, kw_only=True):
    """An assignment that lasts though its coordinator's employment has ended: the client needs a new coordinator."""

    assignment: Assignment
    name: str
    employment_ended_on: str


caseload = Projection("caseload", 1, Assignment, key=("assignment_id",), indexes=(("staff_id",), ("client_id",)))


@caseload.on(CoordinatorAssigned, keys=lambda h: [(h.event.assignment_id,)])
def assigned(row: Assignment | None, happened: Happened[CoordinatorAssigned], key: Key) -> Assignment:
    event = happened.event
    return Assignment(
        assignment_id=event.assignment_id,
        client_id=happened.stream_id,
        staff_id=event.staff_id,
        program=event.program,
        first_day=event.first_day.isoformat(),
        last_day=None,
        lead=event.lead,
        end_reason=None,
    )


@caseload.on(CoordinatorReleased, keys=lambda h: [(h.event.assignment_id,)])
def released(row: Assignment | None, happened: Happened[CoordinatorReleased], key: Key) -> Assignment | None:
    if row is None:
        raise LookupError("released before it was assigned")
    return msgspec.structs.replace(row, last_day=happened.event.last_day.isoformat(), end_reason=happened.event.reason)


def charts_on(connection: Connection, day: date, staff_id: str | None = None, program: str | None = None) -> list[str]:
    """The chart ids a board of this day would show: ids only, to ask for a grant with."""
    view = caseload.view
    return sorted(set(connection.scalars(_on(select(view.c.client_id), day, staff_id, program))))


def board(
    connection: Connection, grant: Grant, day: date, staff_id: str | None = None, program: str | None = None
) -> list[Assignment]:
    """The assignments of a day, for the charts that the grant names."""
    view = caseload.view
    statement = _on(select(view), day, staff_id, program).order_by(view.c.staff_id, view.c.program, view.c.client_id)
    rows = [caseload.from_columns(dict(values)).row for values in connection.execute(statement).mappings()]
    return [row for row in rows if grant.shows(row.client_id, program=row.program)]


def uncoordinated(
    rows: Sequence[Assignment], staff: Mapping[str, StaffMember], day: date
) -> tuple[list[Assignment], list[Uncoordinated]]:
    """Of a day's assignments, those of people who work here on it, and those of people who no longer do.

    The latter are nobody's caseload; they last until the client is given to somebody else. Source: PSC-16, ECM-1.
    """
    here: list[Assignment] = []
    gone: list[Uncoordinated] = []
    for row in rows:
        member = staff.get(row.staff_id)
        if member is None or member.last_day is None or day.isoformat() <= member.last_day:
            here.append(row)
        else:
            gone.append(Uncoordinated(assignment=row, name=member.name, employment_ended_on=member.last_day))
    return here, gone


def _on(statement: Any, day: date, staff_id: str | None, program: str | None) -> Any:
    view = caseload.view
    text = day.isoformat()
    statement = statement.where(view.c.first_day <= text, or_(view.c.last_day.is_(None), view.c.last_day >= text))
    if staff_id is not None:
        statement = statement.where(view.c.staff_id == staff_id)
    if program is not None:
        statement = statement.where(view.c.program == program)
    return statement
