"""What can happen to a treatment plan, and what can be asked of it: shapes, events, commands; decided in ``plan``.

Sources: PSC-12 (client signature, or refusal with reason and later attempts), PSC-19, SVC-2 (measurable goals).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec

from ledger.aggregates.sealing import SealedBefore
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, Text, event


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """A numbered, measurable step: what is measured, the target and the day it should be reached."""

    number: Label
    text: Text
    measure: Label
    target: Label
    due: Date


class Intervention(msgspec.Struct, frozen=True, kw_only=True):
    """What the team does, how often, and by whom."""

    text: Text
    frequency: Label = "as needed"
    responsible: Label = "team"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A goal in the client's words, with its barriers, objectives and interventions."""

    number: Label
    text: Text
    barriers: tuple[Label, ...] = ()
    objectives: tuple[Objective, ...] = ()
    interventions: tuple[Intervention, ...] = ()


class ObjectiveOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one objective stands at a review."""

    number: Label
    outcome: Literal["met", "partly_met", "not_met", "continued"]
    comment: str = ""


#: Who wrote a version: absent in events recorded before it was kept, and in what a program recorded.
Author = str | msgspec.UnsetType


@event("plan.drafted")
class PlanDrafted(Event, frozen=True, kw_only=True):
    """A first version of a treatment plan was written."""

    client_id: str
    program: str
    goals: tuple[Goal, ...]
    source: str | None = None
    late_entry: bool = False
    author_id: Author = msgspec.UNSET


@event("plan.put_in_force")
class PlanPutInForce(Event, frozen=True, kw_only=True):
    """The author signed the plan; the version named is in force from a day on."""

    client_id: str
    plan_version: int
    effective_from: date
    signer_id: str
    printed_name: str
    credential: str | None
    sealed_before: SealedBefore = msgspec.UNSET


@event("plan.client_signed")
class PlanClientSigned(Event, frozen=True, kw_only=True):
    """The client signed this version of the plan (PSC-12)."""

    client_id: str
    plan_version: int
    signed_by: str
    relationship: str
    sealed_before: SealedBefore = msgspec.UNSET


@event("plan.client_signature_missing")
class PlanClientSignatureMissing(Event, frozen=True, kw_only=True):
    """The client refused or was unable to sign; the reason, and when the next attempt is planned (PSC-12)."""

    client_id: str
    plan_version: int
    why: str
    reason: str
    next_attempt: date | None = None


@event("plan.revised")
class PlanRevised(Event, frozen=True, kw_only=True):
    """A new version of the goals, with the reason for it (PSC-19). It comes into force when it is signed."""

    client_id: str
    plan_version: int
    reason: str
    goals: tuple[Goal, ...]
    author_id: Author = msgspec.UNSET


@event("plan.reviewed")
class PlanReviewed(Event, frozen=True, kw_only=True):
    """The plan was reviewed: the outcome of each objective."""

    client_id: str
    plan_version: int
    outcomes: tuple[ObjectiveOutcome, ...]
    summary: str


@event("plan.ended")
class PlanEnded(Event, frozen=True, kw_only=True):
    """The plan is no longer in force after its last day."""

    client_id: str
    last_day: date
    reason: str


class DraftPlan(Command, frozen=True, kw_only=True):
    """Draft a treatment plan."""

    NAME = "draft-plan"
    plan_id: Id
    client_id: Id
    program: Label
    goals: tuple[Goal, ...]
    source: Label | None = None
    late_entry: bool = False


class PutPlanInForce(Command, frozen=True, kw_only=True):
    """Sign the plan as its author, so that it is in force from a day on."""

    NAME = "put-plan-in-force"
    plan_id: Id
    effective_from: Date


class RecordClientSignature(Command, frozen=True, kw_only=True):
    """Record that the client (or who may sign for them) signed the plan."""

    NAME = "record-client-signature"
    plan_id: Id
    signed_by: Label
    relationship: Annotated[str, msgspec.Meta(pattern=r"^(self|guardian|conservator|parent)\Z")] = "self"


class RecordMissingSignature(Command, frozen=True, kw_only=True):
    """Record that the client refused or was unable to sign, and why."""

    NAME = "record-missing-signature"
    plan_id: Id
    why: Literal["refused", "unable"]
    reason: Text
    next_attempt: Date | None = None


class RevisePlan(Command, frozen=True, kw_only=True):
    """Write a new version of the plan's goals."""

    NAME = "revise-plan"
    plan_id: Id
    reason: Text
    goals: tuple[Goal, ...]


class ReviewPlan(Command, frozen=True, kw_only=True):
    """Record a review of the plan: the outcome of each objective."""

    NAME = "review-plan"
    plan_id: Id
    outcomes: tuple[ObjectiveOutcome, ...]
    summary: Text


class EndPlan(Command, frozen=True, kw_only=True):
    """End a plan."""

    NAME = "end-plan"
    plan_id: Id
    last_day: Date
    reason: Label
