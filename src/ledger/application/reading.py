"""The one door to charts: record who is about to see what, then hand out the grant that queries ask for.

If the access cannot be recorded, the exception goes up and nothing is shown (design §1.8).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import msgspec

from ledger.aggregates.access import ChartShown, GrantAccess, Question
from ledger.aggregates.base import Actor
from ledger.aggregates.client import Client
from ledger.aggregates.staff import Staff
from ledger.application.commands import Ledger, Request, Unit
from ledger.clock import derived_id, to_text
from ledger.errors import NotFound
from ledger.grants import Grant

#: How many charts one access event names at most, so that a report of any size fits into payloads.
CHARTS_PER_EVENT = 1000


def relationship(unit: Unit, actor: Actor, chart_id: str, day: date) -> str:
    """How the reader stands to the chart on a day: on the care team, supervising somebody who is, or none."""
    if actor.system:
        return "system"
    client = unit.find(Client, chart_id)
    if client is None:
        return "none"
    team = client.coordinators_on(day)
    if actor.id in team:
        return "care team"
    for staff_id in team:
        staff = unit.find(Staff, staff_id)
        if staff is not None and staff.supervisor_on(day) == actor.id:
            return "supervises the care team"
    return "none"


def open_charts(
    ledger: Ledger,
    chart_ids: Iterable[str],
    *,
    reader: str,
    purpose: str,
    surface: str,
    resource: str,
    as_known_at: datetime | None = None,
    as_of: date | None = None,
    correlation_id: str | None = None,
    position: int | None = None,
    held_up: Mapping[str, int] | None = None,
    question: Question | None = None,
) -> Grant:
    """Append the access to all these charts and return the grant to read them.

    One access event; more than ``CHARTS_PER_EVENT`` charts take several, appended together or not at all, and the grant
    carries the id of the first.

    The position in the grant names the exact versions that may be shown. It is the head of the log before the access
    itself, or the last position known at ``as_known_at``; rows of a view stand where the view stands, so their reader
    gives that ``position``, and in ``held_up`` the positions of charts that stand still at an earlier one. A
    ``question`` is recorded with where the views, or the log, stood. Raises ``NotFound`` for a chart that is not there.
    """
    unit = ledger.unit()
    now = ledger.clock.now()
    head = ledger.recorder.sequence()
    until = head if as_known_at is None else ledger.recorder.position_at(to_text(as_known_at))
    stood = head if position is None else min(head, position)
    position = min(until, stood)
    stands = {chart_id: min(position, at) for chart_id, at in (held_up or {}).items()}
    actor = ledger.actor(unit, reader, now.astimezone(ledger.zone))
    charts = sorted(set(chart_ids))
    unit.fetch(charts)
    for chart_id in charts:
        if unit.find(Client, chart_id) is None:
            raise NotFound("chart", chart_id)
    day = now.astimezone(ledger.zone).date()
    starts = range(0, len(charts) or 1, CHARTS_PER_EVENT)
    access_ids = [ledger.ids.new() for _ in starts]
    first = access_ids[0] if len(starts) > 1 else None
    asked = None if question is None else msgspec.structs.replace(question, position=stood, opened_with=first)
    commands = [
        GrantAccess(
            access_id=access_id,
            surface=surface,
            resource=resource,
            purpose=purpose,
            charts=tuple(
                ChartShown(
                    chart_id=chart_id,
                    position=stands.get(chart_id, position),
                    relationship=relationship(unit, actor, chart_id, day),
                )
                for chart_id in charts[start : start + CHARTS_PER_EVENT]
            ),
            as_known_at=as_known_at,
            as_of=as_of,
            question=msgspec.UNSET if asked is None else asked,
        )
        for access_id, start in zip(access_ids, starts, strict=True)
    ]
    unit.give_back(appended=True)
    ledger.execute_batch(
        [
            Request(
                command=command,
                actor_id=reader,
                purpose=purpose,
                command_id=derived_id("grant-access", command.access_id),
                correlation_id=correlation_id,
            )
            for command in commands
        ]
    )
    return Grant(
        access_id=commands[0].access_id,
        reader_id=reader,
        purpose=purpose,
        charts=frozenset(charts),
        position=position,
        as_known_at=as_known_at,
        as_of=as_of,
    )
