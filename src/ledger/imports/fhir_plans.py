"""CarePlan and Goal: treatment plans with goals, objectives and interventions."""

from __future__ import annotations

from ledger.aggregates.plan_events import DraftPlan, EndPlan, Goal, Intervention, Objective, PutPlanInForce
from ledger.clock import derived_id
from ledger.imports import fhir_shapes as shapes
from ledger.imports.fhir_bundle import Draft, Entry
from ledger.imports.fhir_types import Quantity

#: CarePlan.status → whether the plan was ever in force, and whether it is over. Other statuses are not taken.
_STATUSES = {
    "draft": (False, False),
    "active": (True, False),
    "on-hold": (True, False),
    "completed": (True, True),
    "revoked": (True, True),
}
_NOT_STATED = "not stated"
_LONGEST_LABEL = 200


def take_plans(draft: Draft) -> None:
    """Each CarePlan becomes a plan; the goals it names become its goals, its activities interventions of the first.

    A care plan without goals gets one goal, in the words of its own title, to hold its activities.
    """
    used: set[int] = set()
    for entry in draft.of("CarePlan"):
        plan: shapes.CarePlan = entry.resource
        if plan.status not in _STATUSES:
            draft.leave(entry, f"its status is {plan.status}")
        elif plan.period.start is None or plan.period.start.day is None:
            draft.leave(entry, "without a full start date")
        else:
            _take_plan(draft, entry, used)
    for entry in draft.of("Goal"):
        if entry.index in used:
            draft.take(entry)
        else:
            draft.leave(entry, "no care plan that was taken names it")


def _take_plan(draft: Draft, entry: Entry, used: set[int]) -> None:
    plan: shapes.CarePlan = entry.resource
    client_id = draft.client_of(entry, plan.subject.reference)
    faults = len(draft.faults.found)
    named = [_goal_entry(draft, entry, i, ref.reference) for i, ref in enumerate(plan.goal)]
    if client_id is None or len(draft.faults.found) > faults:
        return
    goals = _goals(draft, plan, [goal for goal in named if goal is not None])
    if not goals:
        draft.leave(entry, "without a title, a category or a goal")
        return
    used |= {goal.index for goal in named if goal is not None}
    draft.take(entry)
    plan_id = derived_id("fhir", "CarePlan", client_id, entry.own_id)
    start = plan.period.start
    draft.add(
        entry,
        DraftPlan(
            plan_id=plan_id,
            client_id=client_id,
            program=draft.program,
            goals=goals,
            source=draft.source,
            late_entry=True,
        ),
        target=plan_id,
        occurred_at=draft.moment(start),
        client_id=client_id,
    )
    was_in_force, is_over = _STATUSES[plan.status]
    if was_in_force and start is not None and start.day is not None:
        draft.add(
            entry,
            PutPlanInForce(plan_id=plan_id, effective_from=start.day),
            target=plan_id,
            occurred_at=draft.moment(start),
            client_id=client_id,
        )
    _end(draft, entry, plan_id, client_id, is_over=is_over)


def _end(draft: Draft, entry: Entry, plan_id: str, client_id: str, *, is_over: bool) -> None:
    """End a plan whose period has ended; one that is over without a date stays in force, and is counted."""
    plan: shapes.CarePlan = entry.resource
    start, end = plan.period.start, plan.period.end
    if end is None or end.day is None:
        if is_over:
            draft.notes["care plans over without a full end date: left in force"] += 1
        return
    if start is not None and start.day is not None and end.day < start.day:
        draft.faults.add(f"{entry.place}.period.end", f"it is before the start, {start.text}", "check both")
        return
    if is_over or (end.day < draft.today and plan.status != "draft"):
        draft.add(
            entry,
            EndPlan(plan_id=plan_id, last_day=end.day, reason=f"the source says {plan.status}"),
            target=plan_id,
            occurred_at=draft.moment(end),
            client_id=client_id,
        )


def _goal_entry(draft: Draft, entry: Entry, number: int, reference: str) -> Entry | None:
    found = draft.urls.get(reference)
    if found is None or found.kind != "Goal":
        draft.faults.add(
            f"{entry.place}.goal[{number}].reference",
            f"{reference[:120]!r} names no Goal in this bundle",
            "send the Goal in the same bundle",
        )
        return None
    return found


def _goals(draft: Draft, plan: shapes.CarePlan, named: list[Entry]) -> tuple[Goal, ...]:
    interventions = tuple(
        Intervention(text=text, frequency=activity.detail.scheduled or _NOT_STATED, responsible=_NOT_STATED)
        for activity in plan.activity
        if activity.detail is not None and (text := activity.detail.code.label or activity.detail.description)
    )
    unkept = len(plan.activity) - len(interventions)
    if unkept:
        draft.notes["activities of care plans without words of their own: left out"] += unkept
    if not named:
        title = plan.title or next((c.label for c in plan.category if c.label), "")
        return (Goal(number="1", text=title, interventions=interventions),) if title else ()
    return tuple(
        Goal(
            number=str(number),
            text=goal.resource.description.label,
            objectives=_objectives(draft, goal.resource, number),
            interventions=interventions if number == 1 else (),
        )
        for number, goal in enumerate(named, start=1)
    )


def _objectives(draft: Draft, goal: shapes.Goal, goal_number: int) -> tuple[Objective, ...]:
    """A goal's targets that say what is measured, how much, and by when; the others are counted."""
    made: list[Objective] = []
    for target in goal.target:
        measure, detail = target.measure.label, target.text or _quantity(target.quantity)
        if not (measure and detail and target.due is not None and target.due.day is not None):
            draft.notes["targets of goals without measure, detail or due date: left out"] += 1
            continue
        made.append(
            Objective(
                number=f"{goal_number}.{len(made) + 1}",
                text=f"{measure}: {detail}",
                measure=measure,
                target=detail[:_LONGEST_LABEL],
                due=target.due.day,
            )
        )
    return tuple(made)


def _quantity(quantity: Quantity) -> str:
    if quantity.value is None:
        return ""
    return f"{quantity.comparator} {quantity.value:g} {quantity.unit}".strip()
