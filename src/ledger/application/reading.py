"""The one door to charts: decide, record who is about to see what, then hand out the grant that queries ask for.

If the access cannot be recorded, the exception goes up and nothing is shown (design §1.8). A reader who is refused is
on record too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from ledger.aggregates.access import ChartShown, GrantAccess, Question, RefuseAccess
from ledger.aggregates.base import Actor
from ledger.application.access import decided, look_at, may_open
from ledger.application.commands import Ledger, Request
from ledger.clock import derived_id, to_text
from ledger.errors import NotFound, Refused
from ledger.grants import NO_LIMITS, Grant, NotAllowed

#: The program that records the attempt of somebody who is nobody here.
DOOR = "system:door"
#: The longest short text.
LABEL = 200
#: How many charts one access event names at most, so that a report of any size fits into payloads.
CHARTS_PER_EVENT = 1000


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
    address: str | None = None,
) -> Grant:
    """Append the access to all these charts and return the grant to read them.

    One access event; more than ``CHARTS_PER_EVENT`` charts take several, appended together or not at all, and the grant
    carries the id of the first.

    The position in the grant names the exact versions that may be shown. It is the head of the log before the access
    itself, or the last position known at ``as_known_at``; rows of a view stand where the view stands, so their reader
    gives that ``position``, and in ``held_up`` the positions of charts that stand still at an earlier one. A
    ``question`` is recorded with where the views, or the log, stood.

    Each chart is decided by the access rules of today. Of several charts those that the reader may not open are left
    out, and the grant names them as ``withheld``. Raises ``NotAllowed`` when none is left, with the attempt on record;
    the words are the same whether a chart is there or not. Raises ``NotFound`` for a chart that is not there to a
    reader who could open it.
    """
    unit = ledger.unit()
    now = ledger.clock.now()
    head = ledger.recorder.sequence()
    until = head if as_known_at is None else ledger.recorder.position_at(to_text(as_known_at))
    stood = head if position is None else min(head, position)
    position = min(until, stood)
    stands = {chart_id: min(position, at) for chart_id, at in (held_up or {}).items()}
    asked_for = sorted(set(chart_ids))
    attempt = _Attempt(ledger, reader, surface, resource, purpose, tuple(asked_for), address, correlation_id)
    try:
        actor = ledger.actor(unit, reader, now.astimezone(ledger.zone))
    except Refused as fault:
        attempt.refused(str(fault), program=True)
        raise
    day = now.astimezone(ledger.zone).date()
    look_at(unit, actor, asked_for)
    readings = [
        may_open(unit, actor, chart_id, purpose=purpose, resource=resource, now=now, day=day) for chart_id in asked_for
    ]
    allowed = [reading for reading in readings if reading.decision.allowed]
    if readings and not allowed:
        why = readings[0].decision.why_not()
        unit.give_back(appended=True)
        attempt.refused(why)
        raise NotAllowed(_words(actor, resource, purpose, why))
    for reading in allowed:
        if not reading.exists:
            raise NotFound("chart", reading.chart_id)
    shown = {reading.chart_id: reading for reading in allowed}
    charts = list(shown)
    withheld = frozenset(asked_for) - shown.keys()
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
                    relationship=shown[chart_id].stands.closest,
                )
                for chart_id in charts[start : start + CHARTS_PER_EVENT]
            ),
            as_known_at=as_known_at,
            as_of=as_of,
            question=msgspec.UNSET if asked is None else asked,
            decided=decided(shown[chart_id] for chart_id in charts[start : start + CHARTS_PER_EVENT]),
            address=address or msgspec.UNSET,
            withheld=len(withheld) or msgspec.UNSET,
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
        withheld=withheld,
        limits={reading.chart_id: reading.limits for reading in allowed if reading.limits != NO_LIMITS},
    )


@dataclass(frozen=True)
class _Attempt:
    """What somebody asked to open."""

    ledger: Ledger
    reader: str
    surface: str
    resource: str
    purpose: str
    charts: tuple[str, ...]
    address: str | None
    correlation_id: str | None

    def refused(self, why: str, *, program: bool = False) -> None:
        """Put it on record that this was refused; by a program of ours where the reader is nobody who could act."""
        access_id = self.ledger.ids.new()
        command = RefuseAccess(
            access_id=access_id,
            reader_id=self.reader[:LABEL],
            surface=self.surface,
            resource=self.resource[:LABEL],
            purpose=self.purpose,
            charts=tuple(chart_id[:LABEL] for chart_id in self.charts[:CHARTS_PER_EVENT]),
            why=why,
            address=self.address or msgspec.UNSET,
        )
        self.ledger.execute(
            Request(
                command=command,
                actor_id=DOOR if program else self.reader,
                purpose=self.purpose,
                command_id=derived_id("refuse-access", access_id),
                correlation_id=self.correlation_id,
            )
        )


def _words(actor: Actor, resource: str, purpose: str, why: str) -> str:
    return (
        f"{actor.name} may not open {resource} for {purpose}: needed is {why} "
        "(why exactly: ledger access explain; in an emergency: ledger record break-glass)"
    )
