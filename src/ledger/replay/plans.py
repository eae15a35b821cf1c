"""How an event changes a treatment plan: its versions, their signatures and reviews (PSC-12, PSC-19)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ledger.aggregates.plan_events import (
    PlanClientSignatureMissing,
    PlanClientSigned,
    PlanDrafted,
    PlanEnded,
    PlanPutInForce,
    PlanReviewed,
    PlanRevised,
)
from ledger.aggregates.vocabulary import Event
from ledger.errors import IntegrityFault
from ledger.replay.state import Entry, Plan, PlanVersion, Trace

#: The events this file folds.
PLAN_EVENTS: frozenset[type[Event]] = frozenset(
    (
        PlanDrafted,
        PlanRevised,
        PlanPutInForce,
        PlanClientSigned,
        PlanClientSignatureMissing,
        PlanReviewed,
        PlanEnded,
    )
)


def plan_after(plan: Plan | None, event: Event, trace: Trace) -> Plan:
    """The plan after one more of its events; ``plan`` is None for the first. Raises ``IntegrityFault``."""
    if plan is None:
        if not isinstance(event, PlanDrafted):
            raise IntegrityFault(f"event {trace.event_id} ({trace.type}) does not begin a plan")
        return Plan(
            changes=(trace,),
            plan_id=trace.event_id.rpartition("@")[0],
            program=event.program,
            source=event.source,
            versions=(PlanVersion(number=1, goals=event.goals, written=trace),),
        )
    plan = msgspec.structs.replace(plan, changes=(*plan.changes, trace))
    match event:
        case PlanRevised():
            version = PlanVersion(number=event.plan_version, goals=event.goals, written=trace, reason=event.reason)
            return msgspec.structs.replace(plan, versions=(*plan.versions, version))
        case PlanPutInForce():
            signed = Entry(event=event, by=trace)
            after = _on_version(plan, event.plan_version, trace, lambda v: _set(v, put_in_force=signed))
            return msgspec.structs.replace(after, in_force=max(after.in_force or 0, event.plan_version))
        case PlanClientSigned():
            signature = Entry(event=event, by=trace)
            return _on_version(plan, event.plan_version, trace, lambda v: _set(v, client_signature=signature))
        case PlanClientSignatureMissing():
            missing = Entry(event=event, by=trace)
            return _on_version(
                plan, event.plan_version, trace, lambda v: _set(v, missing_signatures=(*v.missing_signatures, missing))
            )
        case PlanReviewed():
            review = Entry(event=event, by=trace)
            return _on_version(plan, event.plan_version, trace, lambda v: _set(v, reviews=(*v.reviews, review)))
        case PlanEnded():
            return msgspec.structs.replace(plan, ended=Entry(event=event, by=trace), in_force=None)
        case _:
            raise IntegrityFault(f"event {trace.event_id} ({trace.type}) does not belong to a plan that is begun")


def _set(version: PlanVersion, **changes: object) -> PlanVersion:
    return msgspec.structs.replace(version, **changes)


def _on_version(plan: Plan, number: int, trace: Trace, change: Callable[[PlanVersion], PlanVersion]) -> Plan:
    if number not in {version.number for version in plan.versions}:
        raise IntegrityFault(f"event {trace.event_id} ({trace.type}) names version {number}, which was never written")
    versions = tuple(change(version) if version.number == number else version for version in plan.versions)
    return msgspec.structs.replace(plan, versions=versions)
