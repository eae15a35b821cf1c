"""A chart as of a service date: what had begun by that day, and what was in force on it.

Kept is what began on or before the day: contacts and notes by the date of the service, episodes, coordinators and
diagnoses by their first day, a plan's versions by the day they came into force (a draft by the day it was written).
What ended later shows as still running, since on that day it was. Client details have no service date and stay as
known. A later day never shows fewer items than an earlier one.
"""

from __future__ import annotations

from datetime import date

import msgspec

from ledger.replay.state import (
    Contact,
    Coordinator,
    Diagnosis,
    Dispute,
    Episode,
    Item,
    ItemKey,
    Note,
    Other,
    Plan,
    PlanVersion,
)


def effective(item: Item, day: date | None, items: dict[ItemKey, Item]) -> Item | None:
    """An item as of a day; None when it had not begun. ``items`` is the whole chart; without a day nothing changes."""
    if day is None:
        return item
    match item:
        case Episode():
            if item.opened.opened_on > day:
                return None
            later = item.closed is not None and item.closed.closed_on > day
            return msgspec.structs.replace(item, closed=None) if later else item
        case Coordinator():
            if item.assigned.first_day > day:
                return None
            later = item.released is not None and item.released.last_day > day
            return msgspec.structs.replace(item, released=None) if later else item
        case Diagnosis():
            if item.recorded.onset > day:
                return None
            later = item.resolved is not None and item.resolved.resolved_on > day
            return msgspec.structs.replace(item, resolved=None) if later else item
        case Contact():
            return item if item.facts.started_at.date() <= day else None
        case Note():
            return item if item.drafted.service_started_at.date() <= day else None
        case Dispute():
            note = items.get(("notes", item.opened.note_id))
            return None if note is not None and effective(note, day, items) is None else item
        case Plan():
            return _plan(item, day)
        case Other():
            return item if item.first.occurred_at.date() <= day else None
        case _:
            return item


def begins(version: PlanVersion) -> date:
    """The day a version of a plan counts from: when it came into force, or when it was written while it has not."""
    if version.put_in_force is not None:
        return version.put_in_force.event.effective_from
    return version.written.occurred_at.date()


def _plan(plan: Plan, day: date) -> Plan | None:
    versions = tuple(version for version in plan.versions if begins(version) <= day)
    if not versions:
        return None
    over = plan.ended is not None and plan.ended.event.last_day < day
    running = [version.number for version in versions if version.put_in_force is not None]
    return msgspec.structs.replace(
        plan,
        versions=versions,
        in_force=None if over else max(running, default=None),
        ended=plan.ended if plan.ended is not None and plan.ended.event.last_day <= day else None,
    )
