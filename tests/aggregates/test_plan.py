"""A treatment plan: drafted, put in force, signed by the client or not and why, revised, reviewed, ended (PSC-12)."""

from __future__ import annotations

from datetime import date

from tests.notation import given
from tests.sample import A_CLIENT, A_PLAN, ANN, CLIENT, CLINICIAN, GOALS, PLAN, PLAN_IN_FORCE, in_force

from ledger.aggregates.plan import (
    DraftPlan,
    EndPlan,
    Goal,
    ObjectiveOutcome,
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
from ledger.aggregates.staff import EmploymentEnded

TWICE = (*GOALS, Goal(number="1", text="Again", objectives=GOALS[0].objectives[:1]))
ENDED = PLAN_IN_FORCE.and_then(PlanEnded(client_id=CLIENT, last_day=date(2026, 1, 4), reason="moved"))
SIGNED = PlanClientSigned(client_id=CLIENT, plan_version=1, signed_by="Jo Doe", relationship="self")


def test_a_plan_is_drafted_for_a_client() -> None:
    command = DraftPlan(plan_id=PLAN, client_id=CLIENT, program="psc", goals=GOALS)
    given(CLINICIAN, A_CLIENT).when(command, by=ANN).then(PlanDrafted(client_id=CLIENT, program="psc", goals=GOALS))


def test_psc_19_a_plan_has_goals_numbered_once() -> None:
    given(CLINICIAN).when(DraftPlan(plan_id=PLAN, client_id=CLIENT, program="psc", goals=()), by=ANN).then_refused(
        "client_id", "no such client", ("goals", "needs at least one goal")
    )
    given(CLINICIAN, A_CLIENT).when(
        DraftPlan(plan_id=PLAN, client_id=CLIENT, program="psc", goals=TWICE), by=ANN
    ).then_refused("goals", "goal numbers come twice: 1", ("goals", "objective numbers come twice: 1.1"))


def test_the_author_puts_a_version_in_force_under_the_credential_held_that_day() -> None:
    command = PutPlanInForce(plan_id=PLAN, effective_from=date(2025, 11, 1))
    given(CLINICIAN, A_PLAN).when(command, by=ANN).then(in_force(date(2025, 11, 1)))
    after_expiry = PutPlanInForce(plan_id=PLAN, effective_from=date(2027, 1, 1))
    given(CLINICIAN, A_PLAN).when(after_expiry, by=ANN).then_a(PlanPutInForce, credential=None)


def test_a_version_comes_into_force_once_and_not_after_the_end_nor_by_a_former_colleague() -> None:
    left = CLINICIAN.and_then(EmploymentEnded(last_day=date(2026, 1, 4), reason="moved"))
    command = PutPlanInForce(plan_id=PLAN, effective_from=date(2026, 1, 1))
    given(left, ENDED).when(command, by=ANN).then_refused(
        "plan_id", "version 1 is in force already", ("plan_id", "this plan has ended"), ("actor", "was not employed")
    )


def test_psc_12_the_client_signs_or_the_reason_why_not_is_recorded_with_the_next_attempt() -> None:
    sign = RecordClientSignature(plan_id=PLAN, signed_by="Jo Doe")
    refused = RecordMissingSignature(plan_id=PLAN, why="refused", reason="wants to read", next_attempt=date(2026, 1, 9))
    missing = PlanClientSignatureMissing(
        client_id=CLIENT, plan_version=1, why="refused", reason="wants to read", next_attempt=date(2026, 1, 9)
    )
    given(CLINICIAN, A_PLAN).when(refused, by=ANN).then(missing)
    given(CLINICIAN, A_PLAN.and_then(missing)).when(sign, by=ANN).then(SIGNED)  # a later attempt succeeds
    signed = A_PLAN.and_then(SIGNED)
    given(CLINICIAN, signed).when(sign, by=ANN).then_refused("plan_id", "version 1 has the client's signature")
    given(CLINICIAN, signed).when(refused, by=ANN).then_refused("plan_id", "version 1 has the client's signature")


def test_psc_12_a_revision_needs_a_signature_of_its_own() -> None:
    revised = A_PLAN.and_then(SIGNED, PlanRevised(client_id=CLIENT, plan_version=2, reason="r", goals=GOALS))
    given(CLINICIAN, revised).when(RecordClientSignature(plan_id=PLAN, signed_by="Jo Doe"), by=ANN).then_a(
        PlanClientSigned, plan_version=2
    )


def test_psc_19_a_revision_is_a_new_version_with_its_reason() -> None:
    command = RevisePlan(plan_id=PLAN, reason="stage of recovery changed", goals=GOALS)
    given(CLINICIAN, PLAN_IN_FORCE).when(command, by=ANN).then(
        PlanRevised(client_id=CLIENT, plan_version=2, reason="stage of recovery changed", goals=GOALS)
    )
    given(CLINICIAN, ENDED).when(RevisePlan(plan_id=PLAN, reason="r", goals=()), by=ANN).then_refused(
        "plan_id", "this plan has ended", ("goals", "needs at least one goal")
    )


def test_svc_7_a_review_gives_the_outcome_of_each_objective() -> None:
    outcomes = (ObjectiveOutcome(number="1.1", outcome="met"),)
    given(CLINICIAN, PLAN_IN_FORCE).when(
        ReviewPlan(plan_id=PLAN, outcomes=outcomes, summary="on the way"), by=ANN
    ).then(PlanReviewed(client_id=CLIENT, plan_version=1, outcomes=outcomes, summary="on the way"))
    unknown = tuple(ObjectiveOutcome(number=number, outcome="met") for number in ("7", "8"))
    given(CLINICIAN, PLAN_IN_FORCE).when(ReviewPlan(plan_id=PLAN, outcomes=unknown, summary="s"), by=ANN).then_refused(
        "outcomes", "no objective 7", ("outcomes", "no objective 8")
    )


def test_a_plan_ends_once_and_not_before_it_began() -> None:
    given(CLINICIAN, PLAN_IN_FORCE).when(EndPlan(plan_id=PLAN, last_day=date(2026, 1, 4), reason="moved"), by=ANN).then(
        *ENDED.events[2:]
    )
    given(CLINICIAN, ENDED).when(EndPlan(plan_id=PLAN, last_day=date(2025, 10, 31), reason="x"), by=ANN).then_refused(
        "plan_id", "this plan ended on 2026-01-04", ("last_day", "it came into force on 2025-11-01")
    )


def test_a_plan_is_of_a_program_that_there_is() -> None:
    command = DraftPlan(plan_id=PLAN, client_id=CLIENT, program="pcs", goals=GOALS)
    given(CLINICIAN, A_CLIENT).when(command, by=ANN).then_refused("program", "there is no program 'pcs' (use one of")
