"""An audit that somebody is assigned to: which charts it names, which days of service, and how long it lasts.

One stream an auditor, beside their own as a staff member, so that a reading finds every audit of theirs at once.
Sources: 45 CFR 164.514(d)(3) (what an auditor is shown is limited to the purpose), 164.501, 164.512(d).
"""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.client import Client
from ledger.aggregates.days import day_of
from ledger.aggregates.staff import Staff
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Text, event
from ledger.errors import Reasons

_NAMESPACE = uuid.UUID("3d6a9bd2-6c1b-5c0f-9d0e-54d0a5f4c7e2")
#: Charts that one assignment names: so that it fits into a payload.
CHARTS = 1000


def engagements_id(auditor_id: str) -> str:
    """The stream that an auditor's assignments are kept in."""
    return str(uuid.uuid5(_NAMESPACE, auditor_id))


@event("engagement.assigned")
class AuditorAssigned(Event, frozen=True, kw_only=True):
    """Somebody may read some charts for an audit, until its last day: services of some days, the first to the last."""

    auditor_id: str
    engagement_id: str
    charts: tuple[str, ...]
    services_from: date
    services_to: date
    last_day: date
    reason: str


@event("engagement.ended")
class EngagementEnded(Event, frozen=True, kw_only=True):
    """An audit ended before its last day, or was taken from this auditor."""

    auditor_id: str
    engagement_id: str
    reason: str


class AssignAuditor(Command, frozen=True, kw_only=True):
    """Assign an auditor to an audit: its charts, its days of service, and the last day on which they may be read."""

    NAME = "assign-auditor"
    auditor_id: Id
    engagement_id: Id
    charts: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=CHARTS, description="the ids of charts")]
    services_from: Date
    services_to: Date
    last_day: Date
    reason: Text


class EndEngagement(Command, frozen=True, kw_only=True):
    """End an auditor's assignment."""

    NAME = "end-engagement"
    auditor_id: Id
    engagement_id: Id
    reason: Text


class Engagements(Aggregate):
    """Every audit that one auditor was ever assigned to."""

    KIND = "engagement"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.assigned: dict[str, AuditorAssigned] = {}
        self.ended: set[str] = set()

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case AuditorAssigned():
                self.assigned[event.engagement_id] = event
            case EngagementEnded():
                self.ended.add(event.engagement_id)
            case _:
                raise TypeError(f"an auditor's assignments cannot hold {event.TYPE}")
        self.key = event.auditor_id

    def of_chart(self, chart_id: str, day: date) -> AuditorAssigned | None:
        """The assignment under which a chart may be read on a day: of several, the one made last."""
        for one in reversed(self.assigned.values()):
            if one.engagement_id not in self.ended and day <= one.last_day and chart_id in one.charts:
                return one
        return None

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """The auditor: nobody assigns themselves."""
        return frozenset((command.auditor_id,)) if isinstance(command, AssignAuditor | EndEngagement) else frozenset()

    @decides(AssignAuditor, on="auditor_id", stream=engagements_id, parts=("engagement_id",))
    def assign(self, command: AssignAuditor, given: Given) -> None:
        reasons = Reasons()
        auditor = given.find(Staff, command.auditor_id)
        if auditor is None:
            reasons.add("auditor_id", f"{command.auditor_id} is not a staff member", "register them", "unknown")
        else:
            reasons.unless(
                "auditor" in auditor.roles, "auditor_id", f"{auditor.name} is no auditor", "assign one who is", "role"
            )
        reasons.unless(
            command.engagement_id not in self.assigned,
            "engagement_id",
            "it is in use already",
            "use a new id",
            "exists",
        )
        reasons.unless(
            command.services_from <= command.services_to,
            "services_to",
            "it is before services_from",
            "swap them",
            "order",
        )
        reasons.unless(
            day_of(given, given.now) <= command.last_day, "last_day", "it has passed", "give a day to come", "past"
        )
        for chart_id in command.charts:
            reasons.unless(
                given.find(Client, chart_id) is not None,
                "charts",
                f"there is no chart {chart_id}",
                "check the id",
                "unknown",
            )
        reasons.refuse_if_any()
        self.record(
            AuditorAssigned(
                auditor_id=command.auditor_id,
                engagement_id=command.engagement_id,
                charts=tuple(dict.fromkeys(command.charts)),
                services_from=command.services_from,
                services_to=command.services_to,
                last_day=command.last_day,
                reason=command.reason,
            ),
            given.occurred_at,
        )

    @decides(EndEngagement, on="auditor_id", stream=engagements_id)
    def end(self, command: EndEngagement, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(
            command.engagement_id in self.assigned,
            "engagement_id",
            "there is no such assignment",
            "check the id",
            "unknown",
        )
        reasons.unless(
            command.engagement_id not in self.ended,
            "engagement_id",
            "it has ended already",
            "nothing to do",
            "unchanged",
        )
        reasons.refuse_if_any()
        self.record(
            EngagementEnded(auditor_id=command.auditor_id, engagement_id=command.engagement_id, reason=command.reason),
            given.occurred_at,
        )
