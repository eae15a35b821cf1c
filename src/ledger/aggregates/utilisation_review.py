"""A review of the Service Utilization Summary: the figures as they stood when it was reviewed, frozen as an event.

Source: PSC-5. The figures come from the view at one log position and from nowhere else: ``ledger utilisation --review``
reads them and gives the command. Late entries after the review show as a restated difference beside these figures,
never a silent change.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.staff import Staff, acting_staff
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, event
from ledger.errors import Reasons


@event("utilisation.reviewed")
class UtilisationReviewed(Event, frozen=True, kw_only=True):
    """The summary of one staff member and period was reviewed, as known at log position ``position``."""

    staff_id: str
    first_day: date
    last_day: date
    billable_minutes: int
    target_minutes: int
    rating: str
    position: int
    reviewed_by: str


class ReviewUtilisation(Command, frozen=True, kw_only=True):
    """Freeze the figures of a staff member's period as the view showed them; not for people to type."""

    NAME = "review-utilisation"
    INTERNAL = True
    review_id: Id
    staff_id: Id
    first_day: Date
    last_day: Date
    billable_minutes: Annotated[int, msgspec.Meta(ge=0)]
    target_minutes: Annotated[int, msgspec.Meta(ge=0)]
    rating: Label
    position: Annotated[int, msgspec.Meta(ge=0, description="the log position the figures were read at")]


class UtilisationReview(Aggregate):
    """One review; keyed by the staff member whose summary it is."""

    KIND = "utilisation"

    def apply(self, event: Event, occurred_at: datetime) -> None:
        if not isinstance(event, UtilisationReviewed):
            raise TypeError(f"a utilisation review cannot hold {event.TYPE}")
        self.key = event.staff_id

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """Whose figures they are."""
        return frozenset({command.staff_id if isinstance(command, ReviewUtilisation) else self.key})

    @decides(ReviewUtilisation, on="review_id", creates=True)
    def review(self, command: ReviewUtilisation, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(given.find(Staff, command.staff_id) is not None, "staff_id", "no such staff member")
        reasons.unless(command.first_day <= command.last_day, "last_day", "the period ends before it starts")
        acting_staff(given, reasons)
        reasons.refuse_if_any()
        self.record(
            UtilisationReviewed(
                staff_id=command.staff_id,
                first_day=command.first_day,
                last_day=command.last_day,
                billable_minutes=command.billable_minutes,
                target_minutes=command.target_minutes,
                rating=command.rating,
                position=command.position,
                reviewed_by=given.actor.id,
            ),
            given.occurred_at,
        )
