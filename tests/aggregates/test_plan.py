"""A treatment plan: drafted, put in force, signed by the client or not and why, revised, reviewed, ended (PSC-12)."""

from __future__ import annotations

from datetime import date

import msgspec
from tests.notation import given, of
from tests.sample import (
    A_CLIENT,
    A_PLAN,
    ANN,
    BOB,
    CLIENT,
    CLINICIAN,
    COLLEAGUE,
    COORDINATED,
    EPISODE,
    GOALS,
    PLAN,
    PLAN_IN_FORCE,
    SUE,
    SUPERVISOR,
    in_force,
    person,
)

from ledger.aggregates.client_events import EpisodeClosed
from ledger.aggregates.plan_events import (
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
TODAY = PutPlanInForce(plan_id=PLAN, effective_from=date(2026, 1, 5))
TRAINED = person(ANN, "Ann", "clinician", credential=None)
SIGNED = PlanClientSigned(client_id=CLIENT, plan_version=1, signed_by="Jo Doe", relationship="self")


def test_a_plan_is_drafted_for_a_client() -> None:
    command = DraftPlan(plan_id=PLAN, client_id=CLIENT, program="psc", goals=GOALS)
    given(CLINICIAN, A_CLIENT).when(command, by=ANN).then(
        PlanDrafted(client_id=CLIENT, program="psc", goals=GOALS, author_id=ANN)
    )


def test_psc_19_a_plan_has_goals_numbered_once() -> None:
    given(CLINICIAN).when(DraftPlan(plan_id=PLAN, client_id=CLIENT, program="psc", goals=()), by=ANN).then_refused(
        "client_id", "no such client", ("goals", "needs at least one goal")
    )
    given(CLINICIAN, A_CLIENT).when(
        DraftPlan(plan_id=PLAN, client_id=CLIENT, program="psc", goals=TWICE), by=ANN
    ).then_refused("goals", "goal numbers come twice: 1", ("goals", "objective numbers come twice: 1.1"))


def test_the_author_puts_a_version_in_force_under_the_credential_held_that_day() -> None:
    given(CLINICIAN, A_CLIENT, A_PLAN).when(TODAY, by=ANN).then(in_force(date(2026, 1, 5)))
    given(TRAINED, A_CLIENT, A_PLAN).when(TODAY, by=ANN).then_refused(
        "actor", "Ann Sample held no signing credential on 2026-01-05 (record the credential"
    )
    given(CLINICIAN, A_CLIENT, A_PLAN).when(TODAY, by=ANN, at="2027-01-01T09:00:00-08:00").then_refused(
        "actor",
        "held no signing credential on 2027-01-01",
        ("effective_from", "it is signed on 2027-01-01, and is in force from 2027-01-01 at the earliest"),
    )


def test_psc_12_a_plan_is_signed_by_its_author_the_coordinator_or_a_supervisor_and_by_nobody_else() -> None:
    given(COLLEAGUE, A_CLIENT, A_PLAN).when(TODAY, by=BOB).then_refused(
        "actor", "Bob Sample neither wrote this version of the plan nor coordinates the client's care (its author signs"
    )
    by_bob = of(PLAN, PlanDrafted(client_id=CLIENT, program="psc", goals=GOALS, author_id=BOB))
    given(CLINICIAN, COORDINATED, by_bob).when(TODAY, by=ANN).then_a(PlanPutInForce, signer_id=ANN)
    given(SUPERVISOR, A_CLIENT, A_PLAN).when(TODAY, by=SUE).then_a(PlanPutInForce, signer_id=SUE, credential="lcsw")
    clerk = person(SUE, "Sue", "supervisor", credential=None)
    given(clerk, A_CLIENT, A_PLAN).when(TODAY, by=SUE).then_refused("actor", "held no signing credential")
    # Of a plan recorded before its author was kept, nobody is known to have written it.
    before = of(PLAN, PlanDrafted(client_id=CLIENT, program="psc", goals=GOALS))
    given(CLINICIAN, A_CLIENT, before).when(TODAY, by=ANN).then_refused("actor", "neither wrote this version")
    revised = A_PLAN.and_then(PlanRevised(client_id=CLIENT, plan_version=2, reason="r", goals=GOALS, author_id=BOB))
    given(COLLEAGUE, A_CLIENT, revised).when(TODAY, by=BOB).then_a(PlanPutInForce, plan_version=2)
    given(CLINICIAN, A_CLIENT, revised).when(TODAY, by=ANN).then_refused("actor", "neither wrote this version")


def test_psc_10_a_plan_is_in_force_from_about_the_day_it_is_signed() -> None:
    def from_(day: date) -> PutPlanInForce:
        return PutPlanInForce(plan_id=PLAN, effective_from=day)

    given(CLINICIAN, A_CLIENT, A_PLAN).when(from_(date(2026, 4, 5)), by=ANN).then_a(PlanPutInForce, signer_id=ANN)
    given(CLINICIAN, A_CLIENT, A_PLAN).when(from_(date(2026, 4, 6)), by=ANN).then_refused(
        "effective_from", "it is signed on 2026-01-05, and may begin until 2026-04-05"
    )
    given(CLINICIAN, A_CLIENT, A_PLAN).when(from_(date(2026, 1, 4)), by=ANN).then_refused(
        "effective_from", "it is signed on 2026-01-05, and is in force from 2026-01-05 at the earliest"
    )
    given(CLINICIAN, A_CLIENT, A_PLAN).when(from_(date(1950, 1, 1)), by=ANN).then_refused(
        "effective_from", "at the earliest", ("effective_from", "the client has no open episode in psc on 1950-01-01")
    )
    # Signed earlier and recorded late: it says when it was signed.
    given(CLINICIAN, A_CLIENT, A_PLAN).when(
        from_(date(2026, 1, 3)), by=ANN, at="2026-01-03T09:00:00-08:00", now="2026-01-05T09:00:00-08:00"
    ).then_a(PlanPutInForce, effective_from=date(2026, 1, 3))


def test_an_imported_plan_keeps_the_dates_of_its_source() -> None:
    long_ago = PutPlanInForce(plan_id=PLAN, effective_from=date(1999, 1, 1))
    given(A_CLIENT, A_PLAN).when(long_ago, by="system:import", at="1999-01-01T00:00:00-05:00").then_a(
        PlanPutInForce, credential=None, printed_name="import"
    )
    given(A_CLIENT).when(
        DraftPlan(plan_id=PLAN, client_id=CLIENT, program="ecm", goals=GOALS), by="system:import"
    ).then(PlanDrafted(client_id=CLIENT, program="ecm", goals=GOALS))


def test_a_plan_is_drafted_in_an_episode_that_is_open() -> None:
    command = DraftPlan(plan_id=PLAN, client_id=CLIENT, program="ecm", goals=GOALS)
    given(CLINICIAN, A_CLIENT).when(command, by=ANN).then_refused(
        "program", "the client has no open episode in ecm on 2026-01-05 (open the episode"
    )
    closed = A_CLIENT.and_then(
        EpisodeClosed(episode_id=EPISODE, program="psc", closed_on=date(2026, 1, 4), reason="moved")
    )
    psc = DraftPlan(plan_id=PLAN, client_id=CLIENT, program="psc", goals=GOALS)
    given(CLINICIAN, closed).when(psc, by=ANN).then_refused("program", "no open episode in psc on 2026-01-05")


def test_nothing_happens_to_a_plan_that_has_ended() -> None:
    ended = ENDED.events[-1]
    commands = (
        ReviewPlan(plan_id=PLAN, outcomes=(), summary="s"),
        RecordClientSignature(plan_id=PLAN, signed_by="Jo Doe"),
        RecordMissingSignature(plan_id=PLAN, why="unable", reason="away"),
    )
    for command in commands:
        given(CLINICIAN, ENDED).when(command, by=ANN).then_refused(
            "plan_id", "this plan ended on 2026-01-04 (draft a new one; what happened while it ran is recorded"
        )
        assert given(CLINICIAN, ENDED).when(command, by=ANN, at="2026-01-04T09:00:00-08:00").changes
        on_its_last_day = A_PLAN.and_then(msgspec.structs.replace(ended, last_day=date(2026, 1, 5)))
        assert given(CLINICIAN, on_its_last_day).when(command, by=ANN).changes


def test_a_version_comes_into_force_once_and_not_after_the_end_nor_by_a_former_colleague() -> None:
    left = CLINICIAN.and_then(EmploymentEnded(last_day=date(2026, 1, 4), reason="moved"))
    command = PutPlanInForce(plan_id=PLAN, effective_from=date(2026, 1, 1))
    given(left, ENDED).when(command, by=ANN).then_refused(
        "plan_id",
        "version 1 is in force already",
        ("plan_id", "this plan has ended"),
        ("actor", "was not employed"),
        ("effective_from", "at the earliest"),
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
        PlanRevised(client_id=CLIENT, plan_version=2, reason="stage of recovery changed", goals=GOALS, author_id=ANN)
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
