"""Who may act on what is not their own: one table, by command.

The person who gave the service or wrote the note always may. What stands here is what somebody else needs: one of these
roles. Whether they may see the chart at all is another question, answered where charts are read. Sources: PSC-11,
CSS-14 (who documents), 45 CFR 164.526 and CMS PIM 3.3.2.5 (corrections are made by those who answer for the record).
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger.aggregates.base import Given
from ledger.errors import Reasons

#: Roles that may do this to a record of somebody else's.
MAY: Mapping[str, tuple[str, ...]] = {
    "record-contact": ("supervisor", "administrator"),
    "correct-contact": ("supervisor", "administrator", "compliance"),
    "mark-contact-in-error": ("supervisor", "administrator", "compliance"),
    "mark-note-in-error": ("supervisor", "administrator", "compliance"),
    "mark-late-entry": ("supervisor", "administrator", "compliance"),
    "add-addendum": ("clinician", "supervisor"),
}


def check_standing(reasons: Reasons, given: Given, command: str, owner_id: str) -> None:
    """Note a reason unless the actor is the owner, holds one of the roles for it, or is a program of ours."""
    actor = given.actor
    if actor.system or actor.id == owner_id:
        return
    roles = MAY[command]
    reasons.unless(
        any(role in roles for role in actor.roles),
        "actor",
        f"{actor.name} has no standing to {command.replace('-', ' ')} for somebody else",
        f"this is for the person whose record it is, or for: {', '.join(roles)}",
        "standing",
    )
