"""Who may give a command, and that it follows what it is about: checked here for every command there is.

The rows stand in ``policies/data/standing.toml``, one a command; a command without a row may be given by nobody
(``docs/decisions/0010-standing.md``). Each aggregate says what a command follows (``not_before``).
Whether somebody may see the chart is another question, answered where charts are read.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

from ledger.aggregates.base import Actor, Aggregate, Given, handler_of
from ledger.aggregates.days import day_of
from ledger.aggregates.vocabulary import Command, Event
from ledger.errors import Reason, Reasons, Refused
from ledger.policies.standing import Standing, standing_for, standings

#: By command, what is needed to give it.
MAY = standings()

A = TypeVar("A", bound=Aggregate)


def decide(aggregate: Aggregate, command: Command, given: Given) -> None:
    """Let the aggregate decide a command, if the actor has standing for it; raises ``Refused`` with every reason.

    A refused command leaves the aggregate as it was.
    """
    handler = handler_of(command)
    reasons = Reasons()
    check_standing(reasons, given, command, aggregate)
    check_order(reasons, given, command, aggregate)
    if not reasons.found:
        handler.decide(aggregate, command, given)
        return
    try:  # on a copy: only to learn what else there is to mend
        handler.decide(deepcopy(aggregate), command, _Looking(given))
    except Refused as fault:
        raise Refused(without_repetition([*reasons.found, *fault.reasons])) from None
    reasons.refuse_if_any()


class _Looking:
    """What a decision may look at, with nothing recorded beside it."""

    def __init__(self, given: Given) -> None:
        self._given = given

    def __getattr__(self, name: str) -> Any:
        return getattr(self._given, name)

    def beside(self, aggregate: Aggregate, event: Event) -> None:
        """The command is refused: nothing happened."""


def check_standing(reasons: Reasons, given: Given, command: Command, aggregate: Aggregate) -> None:
    """Note every reason why the actor may not give this command."""
    actor, day = given.actor, day_of(given, given.occurred_at)
    words = command.NAME.replace("-", " ")
    row = standing_for(command.NAME, day)
    if row is None:
        reasons.add("actor", f"nobody has standing to {words} on {day}", "add a row for it", "standing")
        return
    if actor.system:
        _check_program(reasons, actor, row, words)
        return
    owners = aggregate.owners(command, given)
    if actor.id in owners and row.own == "may":
        return
    reasons.unless(not (actor.id in owners and row.own == "never"), "actor", row.self_said, row.mend, "standing")
    reasons.unless(
        row.anyone or any(role in row.roles for role in actor.roles),
        "actor",
        row.said.format(name=actor.name)
        or f"{actor.name} has no standing to {words}{' for somebody else' if row.own == 'may' else ''}",
        row.mend if row.said else _others(row),
        "standing",
    )
    reasons.unless(
        bool(actor.credentials) or not row.credential,
        "actor",
        f"{actor.name} held no signing credential on {day}",
        "record the credential with its dates",
        "credential",
    )


def check_order(reasons: Reasons, given: Given, command: Command, aggregate: Aggregate) -> None:
    """Note a reason when it is said to have happened before what it is about.

    An import records its source's times as they are, in whatever order they come.
    """
    before = None if given.actor.relays else aggregate.not_before(command, given)
    if before is None:
        return
    moment, what = before
    reasons.unless(
        given.occurred_at >= moment or moment > given.now,  # that it is still to come is said of the thing itself
        "occurred_at",
        f"it lies before {moment.isoformat()}, when {what}",
        "give the time at which it happened",
        "out-of-order",
    )


def _check_program(reasons: Reasons, actor: Actor, row: Standing, words: str) -> None:
    may = ", ".join(f"system:{name}" for name in row.programs)
    reasons.unless(
        "*" in row.programs or actor.name in row.programs,
        "actor",
        f"the program {actor.name} has no standing to {words}",
        f"act as a staff member{f', or as {may}' if may else ''}; {_others(row)}",
        "standing",
    )


def _others(row: Standing) -> str:
    """Who may, in words."""
    one_of = f"one of: {', '.join(row.roles)}" if row.roles else ""
    if row.own == "may":
        return f"this is for the person whose record it is{f', or for {one_of}' if one_of else ''}"
    return f"this is for {'somebody else, ' if row.own == 'never' else ''}{one_of}"


def without_repetition(found: list[Reason]) -> list[Reason]:
    """The reasons without those about standing where somebody is no staff member at all, or not any more: said once."""
    nobody = any(reason.code == "actor" for reason in found)
    return [reason for reason in found if not (nobody and reason.code in ("standing", "credential"))]
