"""A treatment plan: goals, objectives, interventions; made with the client, signed, revised and reviewed.

What can happen stands in ``plan_events``. Sources: PSC-12, PSC-19, SVC-2, PSC-23 (credential held when it is signed).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

from ledger.aggregates.base import Aggregate, Given, decides
from ledger.aggregates.client import Client
from ledger.aggregates.days import day_of
from ledger.aggregates.plan_events import (
    Author,
    DraftPlan,
    EndPlan,
    Goal,
    PlanClientSignatureMissing,
    PlanClientSigned,
    PlanDrafted,
    PlanEnded,
    PlanPutInForce,
    PlanReviewed,
    PlanRevised,
    PutPlanInForce,
    RecordClientSignature,
    RecordMissingSignature,
    ReviewPlan,
    RevisePlan,
)
from ledger.aggregates.programs import check_program
from ledger.aggregates.staff import acting_staff
from ledger.aggregates.vocabulary import Command, Event
from ledger.errors import Reasons
from ledger.policies.bounds import bound


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
        #: Who wrote the newest version, and when it was written.
        self.author_id: str | None = None
        self.written_at: datetime | None = None

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
                self._written(event, occurred_at)
            case PlanRevised():
                self.goals[event.plan_version] = event.goals
                self._written(event, occurred_at)
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

    def _written(self, event: PlanDrafted | PlanRevised, occurred_at: datetime) -> None:
        self.author_id = None if event.author_id is msgspec.UNSET else event.author_id
        self.written_at = occurred_at

    def owners(self, command: Command, given: Given) -> frozenset[str]:
        """Who wrote the newest version, and who coordinates the client's care that day: they may sign it."""
        if not self.exists:
            return frozenset()
        client = given.find(Client, self.key)
        day = day_of(given, given.occurred_at, self.program)
        coordinators = client.coordinators_on(day) if client is not None else ()
        return frozenset({*coordinators, *((self.author_id,) if self.author_id else ())})

    def not_before(self, command: Command, given: Given) -> tuple[datetime, str] | None:
        """Nothing happens to a version before it was written."""
        if self.written_at is None:
            return None
        return self.written_at, f"version {self.plan_version} of the plan was written"

    def _check_going_on(self, reasons: Reasons, given: Given) -> None:
        """The plan had not ended when this happened."""
        day = day_of(given, given.occurred_at, self.program)
        reasons.unless(
            self.last_day is None or day <= self.last_day,
            "plan_id",
            f"this plan ended on {self.last_day}",
            "draft a new one; what happened while it ran is recorded with its own occurred_at",
            "ended",
        )

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
        client = given.find(Client, command.client_id)
        reasons.unless(client is not None, "client_id", "no such client")
        known = check_program(reasons, command.program)
        if client is not None and known and not given.actor.relays:
            check_episode(
                reasons, client, command.program, day_of(given, given.occurred_at, command.program), "program"
            )
        check_goals(reasons, command.goals)
        reasons.refuse_if_any()
        self.record(
            PlanDrafted(
                client_id=command.client_id,
                program=command.program,
                goals=command.goals,
                source=command.source,
                late_entry=command.late_entry,
                author_id=author_of(given),
            ),
            given.occurred_at,
        )

    @decides(PutPlanInForce, on="plan_id")
    def put_in_force(self, command: PutPlanInForce, given: Given) -> None:
        reasons = Reasons()
        version = self.plan_version
        reasons.unless(version not in self.in_force, "plan_id", f"version {version} is in force already")
        reasons.unless(self.last_day is None, "plan_id", "this plan has ended", "draft a new one")
        credential = None if given.actor.relays else self._check_signer(reasons, command, given)
        reasons.refuse_if_any()
        self.record(
            PlanPutInForce(
                client_id=self.key,
                plan_version=version,
                effective_from=command.effective_from,
                signer_id=given.actor.id,
                printed_name=given.actor.name,
                credential=credential,
                sealed_before=given.sealed,
            ),
            given.occurred_at,
        )

    def _check_signer(self, reasons: Reasons, command: PutPlanInForce, given: Given) -> str | None:
        """The signer holds a credential the day they sign, and the plan begins about then; gives the credential."""
        staff = acting_staff(given, reasons)
        signed_on = day_of(given, given.occurred_at, self.program)
        held = staff.held_on(signed_on) if staff else ()
        if staff is not None:
            reasons.unless(
                bool(held),
                "actor",
                f"{staff.name} held no signing credential on {signed_on}",
                "record the credential with its dates, or let somebody sign who holds one",
                "credential",
            )
        first = signed_on - timedelta(days=bound("plan-days-back", signed_on))
        last = signed_on + timedelta(days=bound("plan-days-ahead", signed_on))
        reasons.unless(
            command.effective_from >= first,
            "effective_from",
            f"it is signed on {signed_on}, and is in force from {first} at the earliest",
            "check the date; if it was signed earlier, say when in occurred_at",
            "too-early",
        )
        reasons.unless(
            command.effective_from <= last,
            "effective_from",
            f"it is signed on {signed_on}, and may begin until {last}",
            "check the date, or sign it nearer to its beginning",
            "too-late",
        )
        client = given.find(Client, self.key)
        if client is not None:
            check_episode(reasons, client, self.program, command.effective_from, "effective_from")
        return held[0].kind if held else None

    @decides(RecordClientSignature, on="plan_id")
    def record_client_signature(self, command: RecordClientSignature, given: Given) -> None:
        reasons = Reasons()
        version = self.plan_version
        reasons.unless(version not in self.client_signed, "plan_id", f"version {version} has the client's signature")
        self._check_going_on(reasons, given)
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
        self._check_going_on(reasons, given)
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
                author_id=author_of(given),
            ),
            given.occurred_at,
        )

    @decides(ReviewPlan, on="plan_id")
    def review(self, command: ReviewPlan, given: Given) -> None:
        reasons = Reasons()
        self._check_going_on(reasons, given)
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


def author_of(given: Given) -> Author:
    """Who writes a version: nobody, where a program records one."""
    return msgspec.UNSET if given.actor.system else given.actor.id


def check_episode(reasons: Reasons, client: Client, program: str, day: date, field: str) -> None:
    """A plan is of an episode of care: one in its program is open that day."""
    reasons.unless(
        client.episode_on(program, day) is not None,
        field,
        f"the client has no open episode in {program} on {day}",
        "open the episode, or check the program and the date",
        "no-episode",
    )


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
