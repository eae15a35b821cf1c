"""Who may act on what is not their own: one table, by command (``docs/decisions/0010-standing.md``).

The person who gave the service or wrote the note always may. What stands here is what somebody else needs: one of these
roles, and for some commands a signing credential held that day. Whether they may see the chart at all is another
question, answered where charts are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.aggregates.base import Given
from ledger.errors import Reasons


@dataclass(frozen=True)
class Standing:
    """What somebody needs for a command on a record that is not their own; a program of ours needs none of it."""

    roles: tuple[str, ...]
    source: str
    #: A signing credential held on the day it happened, beside the role.
    credential: bool = False


_CORRECTION = Standing(
    ("supervisor", "administrator", "compliance"),
    "45 CFR 164.526 and CMS PIM 3.3.2.5: corrections are made by those who answer for the record",
)
_AGENCY_RULE = Standing(
    ("supervisor", "administrator", "compliance"),
    "the agency's own: a reading is adopted by those who answer for what follows from it",
)

#: By command, what somebody other than the record's own author or staff member needs.
MAY: Mapping[str, Standing] = {
    "record-contact": Standing(
        ("supervisor", "administrator"), "CSS-14: the one who serves documents; a clerk or a supervisor enters for them"
    ),
    "correct-contact": _CORRECTION,
    "mark-contact-in-error": _CORRECTION,
    "mark-note-in-error": _CORRECTION,
    "mark-late-entry": _CORRECTION,
    "add-addendum": Standing(
        ("clinician", "supervisor"), "PSC-11, PSC-23: what joins a signed note is signed as the note is", True
    ),
    "adopt-policy": _AGENCY_RULE,
    "retire-policy": _AGENCY_RULE,
}


def check_standing(reasons: Reasons, given: Given, command: str, owner_id: str | None) -> None:
    """Note every reason why the actor may not: no role for it, or no credential that day.

    The owner of the record (``owner_id``; None for what belongs to the agency) and a program of ours always may.
    """
    actor = given.actor
    if actor.system or actor.id == owner_id:
        return
    needed, whose = MAY[command], "" if owner_id is None else " for somebody else"
    others = f"for one of: {', '.join(needed.roles)}"
    reasons.unless(
        any(role in needed.roles for role in actor.roles),
        "actor",
        f"{actor.name} has no standing to {command.replace('-', ' ')}{whose}",
        f"this is {others}" if owner_id is None else f"this is for the person whose record it is, or {others}",
        "standing",
    )
    day = given.occurred_at.date()
    reasons.unless(
        bool(actor.credentials) or not needed.credential,
        "actor",
        f"{actor.name} held no signing credential on {day}",
        "record the credential with its dates",
        "credential",
    )
