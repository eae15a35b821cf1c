"""What changes in a period: people come, go and take time off; clients come and leave; plans and rules are revised."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

from ledger.aggregates.client_events import CloseEpisode, CorrectClientDetails, ReleaseCoordinator
from ledger.aggregates.plan_events import EndPlan, ObjectiveOutcome, PutPlanInForce, ReviewPlan, RevisePlan
from ledger.aggregates.policy import RetirePolicy
from ledger.aggregates.staff import CancelTimeOff, EndEmployment, RecordTimeOff
from ledger.simulation import golive, words
from ledger.simulation.agency import STEADY, Agency, Chart, Worker, minutes
from ledger.simulation.days import DAY, span

#: The readings adopted in the middle of the period, for services from then on.
CHANGED = {"PSC-13": "3-business-days", "PSC-14": "3-business-days+5-business-days"}
#: Of the first coordinators (``golive.CORE``): whose registration lapses, and who leaves.
LAPSES, LEAVES = 2, 3


def policy_change_on(agency: Agency) -> date:
    """The first Monday of the second month; of a single month, the one nearest to its middle."""
    start, months = agency.options.start, agency.options.months
    after = start + timedelta(days=7)
    if months > 1:
        after = max((start + timedelta(days=31)).replace(day=1), start + timedelta(days=8))
    return after + timedelta(days=-after.weekday() % 7)


def plan_people(agency: Agency) -> None:
    """Before anybody is registered: who leaves when, whose registration lapses, who comes, and the time off."""
    start, end = agency.options.start, agency.options.end
    length = (end - start).days
    leaving = [w for n, w in enumerate(agency.workers) if w.program == "psc" and n % 12 == LEAVES]
    for worker in leaving:
        worker.last_day = _friday(start + timedelta(days=length // 2))
        comes = agency.days.first_open(worker.last_day + timedelta(days=10))
        if comes < end - timedelta(days=3):
            moment = agency.days.at(comes, 8)
            hired = golive.make_worker(agency, "psc", STEADY, "mhrs", moment, hired_on=comes)
            agency.stage.at(moment + minutes(90), partial(_hand_over, agency, worker, hired))
        notice = agency.days.next_open(max(start, worker.last_day - timedelta(days=15)))
        agency.stage.at(agency.days.at(notice, 11), partial(_end_employment, agency, worker))
    for number, worker in enumerate(agency.workers):
        if number % 14 == LAPSES and worker.program == "psc" and worker.credential in golive.EXPIRING:
            first = start + timedelta(days=length // 3)
            renewed = agency.days.first_open(first + timedelta(days=16))
            worker.lapse = (first, renewed - DAY)
            # Before anybody is at work, so that the day's services are covered.
            agency.stage.at(agency.days.at(renewed, 5, 30), partial(_renew, agency, worker, renewed))
    for worker in agency.workers:
        _plan_time_off(agency, worker)


def _friday(day: date) -> date:
    return day + timedelta(days=(4 - day.weekday()) % 7)


def _end_employment(agency: Agency, worker: Worker) -> None:
    if worker.last_day is not None:
        command = EndEmployment(staff_id=worker.id, last_day=worker.last_day, reason="moves to another county")
        agency.stage.do(command, agency.administrator, "operations")


def _renew(agency: Agency, worker: Worker, since: date) -> None:
    """The lapsed registration is renewed: from that day on, not for the days between."""
    until = agency.options.end + timedelta(days=365)
    golive.credential(agency, worker.id, worker.credential, since, until, agency.administrator)


def _hand_over(agency: Agency, leaver: Worker, hired: Worker) -> None:
    """The new coordinator takes over whom the last one left behind."""
    if leaver.last_day is None:
        return
    for chart in [c for c in leaver.caseload if c.open(agency.today())]:
        release(agency, chart, leaver.last_day, "the coordinator has left")
        golive.assign(agency, chart, hired, agency.today())
    leaver.caseload.clear()


def release(agency: Agency, chart: Chart, last_day: date, reason: str) -> None:
    command = ReleaseCoordinator(
        client_id=chart.id, assignment_id=chart.assignment_id, last_day=last_day, reason=reason
    )
    agency.stage.do(command, chart.coordinator.supervisor_id if chart.coordinator else "", "operations")


def _plan_time_off(agency: Agency, worker: Worker) -> None:
    """Holiday weeks, single days, part days and illness; some of it cancelled again (PSC-4)."""
    rng = agency.rng("time off", worker.id)
    start, end = agency.options.start, agency.options.end
    since = max(start, worker.hired_on) + timedelta(days=3)
    open_days = [d for d in span(since, end) if agency.works(worker, d)]
    taken = set(worker.needed)
    for month in range(agency.options.months):
        near = [d for d in open_days if (d - start).days // 31 == month]
        if len(near) < 12:
            continue
        first = near[rng.randrange(len(near) - 5)]
        length = rng.choice((1, 1, 2, 3, 5))
        days = [d for d in open_days if first <= d][:length]
        if taken.intersection(days) or days[-1] >= end - DAY:
            continue
        taken.update(days)
        reason = rng.choice(("vacation", "vacation", "illness", "family"))
        asked = first if reason == "illness" else max(since - DAY, first - timedelta(days=rng.randrange(3, 25)))
        cancelled = reason == "vacation" and rng.random() < 0.12
        if not cancelled:
            worker.off.update(days)
        agency.stage.at(
            agency.days.at(asked, 7, 40), partial(_time_off, agency, worker, days[0], days[-1], reason, None, cancelled)
        )
        part = [d for d in near if d not in taken]
        if part and rng.random() < 0.5:
            day = part[rng.randrange(len(part))]
            taken.add(day)
            worker.part_off[day] = rng.choice((120, 180, 240))
            agency.stage.at(
                agency.days.at(day, 7, 45),
                partial(_time_off, agency, worker, day, day, "appointment", worker.part_off[day], False),
            )


def _time_off(
    agency: Agency, worker: Worker, first: date, last: date, reason: str, part: int | None, cancelled: bool
) -> None:
    if not worker.employed(agency.today()):
        return
    time_off_id = agency.stage.ids.new()
    command = RecordTimeOff(
        staff_id=worker.id,
        time_off_id=time_off_id,
        first_day=first,
        last_day=last,
        reason=reason,
        minutes_per_day=part,
    )
    agency.stage.do(command, worker.id, "operations")
    if cancelled:
        cancel = CancelTimeOff(staff_id=worker.id, time_off_id=time_off_id, reason="plans changed")
        moment = agency.stage.now + minutes(60 * 26)
        if worker.employed(agency.days.date_of(moment)):
            agency.stage.at(moment, partial(agency.stage.do, cancel, worker.id, "operations"))


def plan_clients(agency: Agency) -> None:
    """Who comes in and who leaves, whose details are completed, whose plan is revised or reviewed."""
    start, end = agency.options.start, agency.options.end
    rng = agency.rng("changes")
    working = [d for d in span(start + timedelta(days=4), end - timedelta(days=6)) if agency.days.open(d)]
    psc = [c for c in agency.charts if c.program == "psc"]
    new = max(1, round(agency.options.clients * 0.1))
    for chart in psc[len(psc) - new :]:
        chart.opened_on = working[rng.randrange(max(1, len(working) * 2 // 3))]
        agency.stage.at(agency.days.at(chart.opened_on, 10, rng.randrange(90)), partial(_take_in, agency, chart))
    there = [c for c in agency.charts if c.opened_on < start and c.number != 1]  # chart 1 has a story of its own
    leaving = rng.sample(there, k=max(1, len(there) // 20))
    for chart in leaving:
        day = working[rng.randrange(len(working) // 2, len(working))]
        chart.closed_on = day
        agency.stage.at(agency.days.at(day, 17, 40), partial(_discharge, agency, chart))
    for chart in there:
        days = [working[rng.randrange(len(working))] for _ in range(2)]
        if chart.number % 20 == 7 and rng.random() < 0.5:
            agency.stage.at(agency.days.at(days[0], 14), partial(_notice_diagnosis, agency, chart))
        if chart.number % 15 == 5 and rng.random() < 0.5:
            agency.stage.at(agency.days.at(days[0], 14, 10), partial(_complete_cin, agency, chart))
        if rng.random() < 0.09 * agency.options.months:
            agency.stage.at(agency.days.at(days[1], 15, rng.randrange(90)), partial(revise_plan, agency, chart))
        elif rng.random() < 0.15 * agency.options.months:
            agency.stage.at(agency.days.at(days[1], 15, rng.randrange(90)), partial(_review_plan, agency, chart))


def _take_in(agency: Agency, chart: Chart) -> None:
    """A new client: registered, assigned to the smallest caseload, to be assessed and planned with."""
    today = agency.today()
    team = [w for w in agency.workers if w.program == chart.program and agency.works(w, today) and w.last_day is None]
    team = team or [w for w in agency.present(today) if w.program == chart.program]
    worker = min(team, key=lambda w: (len(w.caseload), w.id))
    golive.register_client(agency, chart)
    golive.assign(agency, chart, worker, today)
    golive.diagnose(agency, chart, today)
    chart.intake = ["assessment", "plan_development"]
    planned = agency.workday(worker, today, 9)
    if planned is not None:
        agency.stage.at(agency.days.at(planned, 15, 40), partial(_first_plan, agency, chart))


def _first_plan(agency: Agency, chart: Chart) -> None:
    worker = chart.coordinator
    if worker is not None and worker.employed(agency.today()) and chart.open(agency.today()):
        golive.plan_in_force(agency, chart, worker, agency.today())


def _discharge(agency: Agency, chart: Chart) -> None:
    worker = chart.coordinator
    if worker is None:
        return
    today = agency.today()
    if chart.plan is not None:
        chart.plan.ended_on = today
        agency.stage.do(EndPlan(plan_id=chart.plan.id, last_day=today, reason="discharge"), agency.administrator)
    release(agency, chart, today, "discharge")
    command = CloseEpisode(
        client_id=chart.id,
        episode_id=chart.episode_id,
        closed_on=today,
        reason=chart.rng.choice(("goals met", "moved away", "transfer to primary care")),
    )
    agency.stage.do(command, worker.supervisor_id, "operations")
    if chart in worker.caseload:
        worker.caseload.remove(chart)


def _notice_diagnosis(agency: Agency, chart: Chart) -> None:
    if chart.open(agency.today()):
        golive.diagnose(agency, chart, agency.today())


def _complete_cin(agency: Agency, chart: Chart) -> None:
    command = CorrectClientDetails(
        client_id=chart.id, reason="The Medi-Cal card was shown.", cin=golive.made_up_cin(chart)
    )
    agency.stage.do(command, agency.biller, "payment")


def revise_plan(agency: Agency, chart: Chart, reason: str = "Change in the stage of recovery.") -> None:
    """A new version of the plan, in force from the day it is signed, then the client's signature (PSC-19)."""
    worker, plan, today = chart.coordinator, chart.plan, agency.today()
    if worker is None or plan is None or not worker.employed(today) or not chart.open(today):
        return
    goals = words.goals(chart.rng, today + timedelta(days=180), revised=True)
    agency.stage.do(RevisePlan(plan_id=plan.id, reason=reason, goals=goals), worker.id)
    agency.stage.do(PutPlanInForce(plan_id=plan.id, effective_from=today), golive.signer(agency, worker))
    plan.versions.append((today, tuple(o.number for goal in goals for o in goal.objectives)))
    golive.client_signature(agency, chart, worker)


def _review_plan(agency: Agency, chart: Chart) -> None:
    worker, plan = chart.coordinator, chart.plan
    if worker is None or plan is None or plan.ended_on is not None or not worker.employed(agency.today()):
        return
    outcomes = tuple(
        ObjectiveOutcome(number=number, outcome=chart.rng.choice(("met", "partly_met", "not_met", "continued")))
        for number in plan.versions[-1][1]
    )
    command = ReviewPlan(plan_id=plan.id, outcomes=outcomes, summary="Reviewed with the client at the quarter.")
    agency.stage.do(command, worker.id)


def change_policy(agency: Agency, since: date) -> None:
    """Compliance retires the first readings and adopts others, for services from ``since`` on."""
    for rule, reading in CHANGED.items():
        retire = RetirePolicy(
            policy_id=agency.policies[rule], last_day=since - DAY, reason="Replaced after the review of late notes."
        )
        agency.stage.do(retire, agency.compliance, "operations")
        golive.adopt(agency, agency.compliance, rule, reading, since, "Weekends and holidays no longer count.")
