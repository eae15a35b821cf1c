"""A treatment plan: goals, objectives, interventions; made with the client, signed, revised and reviewed.

Sources: PSC-12 (client signature, or refusal with reason and later attempts), PSC-19, SVC-2 (measurable goals).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.client import Client
from ledger.aggregates.programs import check_program
from ledger.aggregates.sealing import SealedBefore
from ledger.aggregates.staff import acting_staff
from ledger.aggregates.vocabulary import Command, Date, Event, Id, Label, Text, event
from ledger.errors import Reasons


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


@event("plan.drafted")
class PlanDrafted(Event, frozen=True, kw_only=True):
    """A first version of a treatment plan was written."""

    client_id: str
    program: str
    goals: tuple[Goal, ...]
    source: str | None = None
    late_entry: bool = False


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


class Plan(Aggregate):
    """One treatment plan of one client, in numbered versions; keyed by the chart."""

    KIND = "plan"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.program = ""
        self.goals: dict[int, tuple[Goal, ...]] = {}
        self.in_force: dict[int, date] = {}
        self.client_signed: set[int] = set()
        self.last_day: date | None = None

    @property
    def plan_version(self) -> int:
        """The number of the newest version, in force or not."""
        return len(self.goals)

    def apply(self, event: Event, occurred_at: datetime) -> None:
        match event:
            case PlanDrafted():
                self.key = self.chart_id = event.client_id
                self.program = event.program
                self.goals[1] = event.goals
            case PlanRevised():
                self.goals[event.plan_version] = event.goals
            case PlanPutInForce():
                self.in_force[event.plan_version] = event.effective_from
            case PlanClientSigned():
                self.client_signed.add(event.plan_version)
            case PlanEnded():
                self.last_day = event.last_day
            case PlanReviewed() | PlanClientSignatureMissing():
                pass
            case _:
                raise TypeError(f"a plan's stream cannot hold {event.TYPE}")

    def version_on(self, day: date) -> int | None:
        """The version in force on a day, if any: the newest whose effective day has come (PSC-10)."""
        if self.last_day is not None and day > self.last_day:
            return None
        return max((v for v, since in self.in_force.items() if since <= day), default=None)

    def objectives_on(self, day: date) -> tuple[str, ...]:
        """The numbers of the objectives in force on a day."""
        version = self.version_on(day)
        return objective_numbers(self.goals[version]) if version is not None else ()

    @decides(DraftPlan, on="plan_id", creates=True)
    def draft(self, command: DraftPlan, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(given.find(Client, command.client_id) is not None, "client_id", "no such client")
        check_program(reasons, command.program)
        check_goals(reasons, command.goals)
        reasons.refuse_if_any()
        self.record(
            PlanDrafted(
                client_id=command.client_id,
                program=command.program,
                goals=command.goals,
                source=command.source,
                late_entry=command.late_entry,
            ),
            given.occurred_at,
        )

    @decides(PutPlanInForce, on="plan_id")
    def put_in_force(self, command: PutPlanInForce, given: Given) -> None:
        reasons = Reasons()
        version = self.plan_version
        reasons.unless(version not in self.in_force, "plan_id", f"version {version} is in force already")
        reasons.unless(self.last_day is None, "plan_id", "this plan has ended", "draft a new one")
        if given.actor.system:
            printed, credential = given.actor.name, None
        else:
            staff = acting_staff(given, reasons)
            held = staff.held_on(command.effective_from) if staff else ()
            printed, credential = given.actor.name, held[0].kind if held else None
        reasons.refuse_if_any()
        self.record(
            PlanPutInForce(
                client_id=self.key,
                plan_version=version,
                effective_from=command.effective_from,
                signer_id=given.actor.id,
                printed_name=printed,
                credential=credential,
                sealed_before=given.sealed,
            ),
            given.occurred_at,
        )

    @decides(RecordClientSignature, on="plan_id")
    def record_client_signature(self, command: RecordClientSignature, given: Given) -> None:
        reasons = Reasons()
        version = self.plan_version
        reasons.unless(version not in self.client_signed, "plan_id", f"version {version} has the client's signature")
        reasons.refuse_if_any()
        self.record(
            PlanClientSigned(
                client_id=self.key,
                plan_version=version,
                signed_by=command.signed_by,
                relationship=command.relationship,
                sealed_before=given.sealed,
            ),
            given.occurred_at,
        )

    @decides(RecordMissingSignature, on="plan_id")
    def record_missing_signature(self, command: RecordMissingSignature, given: Given) -> None:
        reasons = Reasons()
        version = self.plan_version
        reasons.unless(version not in self.client_signed, "plan_id", f"version {version} has the client's signature")
        reasons.refuse_if_any()
        self.record(
            PlanClientSignatureMissing(
                client_id=self.key,
                plan_version=version,
                why=command.why,
                reason=command.reason,
                next_attempt=command.next_attempt,
            ),
            given.occurred_at,
        )

    @decides(RevisePlan, on="plan_id")
    def revise(self, command: RevisePlan, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(self.last_day is None, "plan_id", "this plan has ended", "draft a new one")
        check_goals(reasons, command.goals)
        reasons.refuse_if_any()
        self.record(
            PlanRevised(
                client_id=self.key,
                plan_version=self.plan_version + 1,
                reason=command.reason,
                goals=command.goals,
            ),
            given.occurred_at,
        )

    @decides(ReviewPlan, on="plan_id")
    def review(self, command: ReviewPlan, given: Given) -> None:
        reasons = Reasons()
        known = objective_numbers(self.goals[self.plan_version])
        for outcome in command.outcomes:
            reasons.unless(
                outcome.number in known, "outcomes", f"the plan has no objective {outcome.number}", "check the number"
            )
        reasons.refuse_if_any()
        self.record(
            PlanReviewed(
                client_id=self.key,
                plan_version=self.plan_version,
                outcomes=command.outcomes,
                summary=command.summary,
            ),
            given.occurred_at,
        )

    @decides(EndPlan, on="plan_id")
    def end(self, command: EndPlan, given: Given) -> None:
        reasons = Reasons()
        reasons.unless(self.last_day is None, "plan_id", f"this plan ended on {self.last_day}")
        first = min(self.in_force.values(), default=command.last_day)
        reasons.unless(command.last_day >= first, "last_day", f"it came into force on {first}")
        reasons.refuse_if_any()
        self.record(PlanEnded(client_id=self.key, last_day=command.last_day, reason=command.reason), given.occurred_at)


def objective_numbers(goals: tuple[Goal, ...]) -> tuple[str, ...]:
    """The numbers of every objective of these goals."""
    return tuple(objective.number for goal in goals for objective in goal.objectives)


def check_goals(reasons: Reasons, goals: tuple[Goal, ...]) -> None:
    """Goals and objectives are there, and numbered without repetition (PSC-19)."""
    reasons.unless(bool(goals), "goals", "a plan needs at least one goal", "add a goal")
    for what, numbers in (
        ("goal", [goal.number for goal in goals]),
        ("objective", list(objective_numbers(goals))),
    ):
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        reasons.unless(not twice, "goals", f"{what} numbers come twice: {', '.join(twice)}", "number each one anew")
