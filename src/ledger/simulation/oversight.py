"""Those who look after the work: weekly supervision, monthly reviews, charts read, disputes opened and decided."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial

from ledger.aggregates.dispute import AddEvidence, DecideDispute, OpenDispute
from ledger.aggregates.supervision import (
    MarkSupervisionInError,
    RecordMissedSupervision,
    RecordSupervision,
)
from ledger.aggregates.utilisation_review import ReviewUtilisation
from ledger.application.reading import open_charts
from ledger.policies.productivity import Workday, nearest_minute, productivity_rules, rate_month
from ledger.simulation.agency import ASSOCIATES, Agency, NoteFile, Worker, hours, minutes
from ledger.simulation.changes import CHANGED, policy_change_on
from ledger.simulation.days import DAY, span
from ledger.simulation.golive import FIRST_READINGS

GROUP_SUPERVISION = 120
#: Charts named in one access event; an event has a largest size.
CHARTS_A_READING = 200


def plan_week(agency: Agency, monday: date) -> None:
    """On Monday morning: when everybody has individual supervision this week, and the associates' group (PSC-6, -7)."""
    first = max(monday, agency.options.start)
    for number, worker in enumerate(agency.workers):
        days = [d for d in span(first, monday + timedelta(days=7)) if agency.works(worker, d)]
        if not days or not worker.employed(monday + timedelta(days=4)):
            continue
        wanted = monday + timedelta(days=1 + number % 3)
        day = wanted if wanted in days else days[-1]
        start = agency.days.at(day, (9, 11, 14)[number // 3 % 3], 30)
        _individual(agency, worker, day, start)
    associates = [w for w in agency.present(monday) if w.credential in ASSOCIATES]
    thursday = monday + timedelta(days=3)
    start = agency.days.at(thursday, 14, 30)
    for worker in associates:
        if thursday >= first and agency.works(worker, thursday) and worker.rng.random() < 0.9:
            worker.take(thursday, start, start + minutes(GROUP_SUPERVISION))
            moment = start + minutes(GROUP_SUPERVISION + 3)
            agency.stage.at(moment, partial(_held, agency, worker, start, GROUP_SUPERVISION, "group"))


def _individual(agency: Agency, worker: Worker, day: date, start: datetime) -> None:
    rng = worker.rng
    roll = rng.random()
    missed = 0.12 if worker.style.name == "habitually late" else 0.07
    if roll < missed:
        agency.stage.at(agency.days.at(day, 16, 55), partial(_missed, agency, worker, day))
        return
    associate = worker.credential in ASSOCIATES
    length = (
        rng.choice((15, 20, 25)) if roll < missed + 0.07 else rng.choice((60, 60, 65) if associate else (40, 45, 50))
    )
    worker.take(day, start, start + minutes(length))
    agency.stage.at(
        start + minutes(length + rng.randrange(3, 60)), partial(_held, agency, worker, start, length, "individual")
    )


def _held(agency: Agency, worker: Worker, start: datetime, length: int, mode: str) -> None:
    session_id = agency.stage.ids.new()
    command = RecordSupervision(
        session_id=session_id,
        supervisee_id=worker.id,
        supervisor_id=worker.supervisor_id,
        started_at=agency.days.local(start),
        ended_at=agency.days.local(start + minutes(length)),
        mode="group" if mode == "group" else "individual",
        topics=worker.rng.choice(
            ("Open notes and this week's visits.", "Safety planning.", "Service utilisation of the month.")
        ),
    )
    agency.stage.do(command, worker.supervisor_id, "operations")
    if mode == "individual" and worker.rng.random() < 0.01:
        wrong = MarkSupervisionInError(session_id=session_id, reason="Recorded for the wrong person.")
        agency.stage.at(
            agency.stage.now + minutes(30), partial(agency.stage.do, wrong, worker.supervisor_id, "operations")
        )


def _missed(agency: Agency, worker: Worker, day: date) -> None:
    command = RecordMissedSupervision(
        session_id=agency.stage.ids.new(),
        supervisee_id=worker.id,
        supervisor_id=worker.supervisor_id,
        planned_for=day,
        reason=worker.rng.choice(("supervisor called to a crisis", "supervisee called to a crisis", "illness")),
    )
    agency.stage.do(command, worker.supervisor_id, "operations")


def review_month(agency: Agency, first: date) -> None:
    """At the start of a month, look at the one before: utilisation frozen (PSC-5), late notes read (PSC-15)."""
    last = first.replace(day=1) - DAY
    month = max(last.replace(day=1), agency.options.start)
    morning = agency.days.at(first, 9)
    for number, worker in enumerate(agency.workers):
        if worker.hired_on <= last and (worker.last_day is None or worker.last_day >= month):
            moment = morning + minutes(4 * (number % 90))
            agency.stage.at(moment, partial(_review_utilisation, agency, worker, month, last))
            agency.stage.at(moment + minutes(2), partial(_review_notes, agency, worker, month))
    agency.stage.at(agency.days.at(agency.days.next_open(first, 4), 10), partial(_read_for_billing, agency, month))


def _review_utilisation(agency: Agency, worker: Worker, month: date, last: date) -> None:
    if month.day != 1:  # the record began within the month, so there is no whole month to rate
        return
    workdays = [
        Workday(
            day=day,
            scheduled_minutes=worker.week[day.weekday()],
            pto_minutes=worker.week[day.weekday()] if day in worker.off else worker.part_off.get(day, 0),
            holiday=agency.days.calendar.why_not(day),
        )
        for day in span(month, last + DAY)
        if worker.week[day.weekday()]
    ]
    billable = agency.billable[worker.id, month]
    target, rating = 0, "not_rated"
    if worker.program in productivity_rules(month).target.programs:
        rated = rate_month(month, billable, workdays, hired_on=worker.hired_on, left_on=worker.last_day)
        target, rating = nearest_minute(rated.target_minutes), rated.value
    agency.stage.ledger.flush()
    command = ReviewUtilisation(
        review_id=agency.stage.ids.new(),
        staff_id=worker.id,
        first_day=month,
        last_day=last,
        billable_minutes=billable,
        target_minutes=target,
        rating=rating,
        position=agency.stage.ledger.recorder.sequence(),
    )
    agency.stage.do(command, worker.supervisor_id, "operations")


def late_notes(agency: Agency, worker: Worker, since: date) -> list[NoteFile]:
    """Somebody's notes of services since a day that were signed after 72 hours."""
    return [
        note
        for note in agency.notes
        if note.author is worker
        and note.signed_at is not None
        and not note.in_error
        and agency.days.date_of(note.ended_at) >= since
        and note.signed_at - note.ended_at > hours(72)
    ]


def _review_notes(agency: Agency, worker: Worker, month: date) -> None:
    """The supervisor reads the charts of late notes; sometimes the author then contests the verdict on one."""
    late = late_notes(agency, worker, month)[:8]
    if not late:
        return
    read(agency, [note.chart.id for note in late], worker.supervisor_id, "note review")
    contested = [n for n in late if n.signed_at is not None and n.signed_at - n.ended_at > hours(96)]
    if contested and worker.rng.random() < 0.3 and worker.employed(agency.today()):
        day = agency.workday(worker, agency.today(), 2)
        if day is not None:
            note = contested[worker.rng.randrange(len(contested))]
            outcome = "overturned" if note.asked_for_time and worker.rng.random() < 0.4 else "upheld"
            opened = agency.desk_time(worker, day)
            contest(agency, note, opened, agency.stage.ids.new(), outcome, "I was away for part of the time.")


def read(agency: Agency, charts: list[str], reader: str, resource: str) -> None:
    """Open charts as every surface does: the access is recorded first."""
    agency.stage.ledger.flush()
    listed = sorted(set(charts))
    for start in range(0, len(listed), CHARTS_A_READING):
        open_charts(
            agency.stage.ledger,
            listed[start : start + CHARTS_A_READING],
            reader=reader,
            purpose="payment" if resource == "billing rows" else "operations",
            surface="cli",
            resource=resource,
        )
        agency.stage.by_type["access.granted"] += 1
        agency.stage.commands += 1


def _read_for_billing(agency: Agency, month: date) -> None:
    """The biller opens the rows of the month."""
    charts = [
        n.chart.id for n in agency.notes if n.billable and n.signed_at and agency.days.date_of(n.ended_at) >= month
    ]
    if charts:
        read(agency, charts, agency.biller, "billing rows")


def contest(agency: Agency, note: NoteFile, opened: datetime, dispute_id: str, outcome: str, claim: str) -> None:
    """A dispute from its opening over the evidence to the decision, about a week later."""
    days, stage = agency.days, agency.stage
    day = days.date_of(opened)

    def open_it() -> None:
        if not note.in_error and note.author.employed(agency.today()):
            stage.do(OpenDispute(dispute_id=dispute_id, note_id=note.note_id, claim=claim), note.author.id)
            evidence(agency, dispute_id, "statement", claim, note.author.id)
            stage.at(days.at(days.next_open(day), 15, 20), partial(_supervisor_says, agency, note, dispute_id))
            stage.at(days.at(days.next_open(day, 3), 11, 10), partial(_decide, agency, note, dispute_id, outcome))

    stage.at(opened, open_it)


def _supervisor_says(agency: Agency, note: NoteFile, dispute_id: str) -> None:
    said = "More time was asked for and answered; see the events." if note.asked_for_time else "Nobody asked me."
    evidence(agency, dispute_id, "statement", said, note.author.supervisor_id)
    pointed = (f"{note.note_id}@1",)
    evidence(agency, dispute_id, "event", "The draft was begun on the day named here.", agency.compliance, pointed)


def evidence(agency: Agency, dispute_id: str, kind: str, text: str, actor: str, events: tuple[str, ...] = ()) -> None:
    command = AddEvidence(
        dispute_id=dispute_id,
        evidence_id=agency.stage.ids.new(),
        kind="event" if kind == "event" else "statement",
        text=text,
        events=events,
    )
    agency.stage.do(command, actor, "operations")


def _decide(agency: Agency, note: NoteFile, dispute_id: str, outcome: str) -> None:
    """The compliance officer reads the chart, then decides under the reading that held on the service date."""
    read(agency, [note.chart.id], agency.compliance, "note trace")
    rule, reading = reading_on(agency, note)
    command = DecideDispute(
        dispute_id=dispute_id,
        outcome="overturned" if outcome == "overturned" else "upheld",
        rule_id=rule,
        reading=reading,
        reasoning=f"Decided by the reading in force on the service date, {reading}, whatever was adopted afterwards.",
    )
    agency.stage.do(command, agency.compliance, "operations")


def reading_on(agency: Agency, note: NoteFile) -> tuple[str, str]:
    """The rule that a note's program goes by, as the agency read it on the day of the service."""
    rule = {"psc": "PSC-13", "ecm": "ECM-8"}[note.chart.program]
    changed = rule in CHANGED and agency.days.date_of(note.ended_at) >= policy_change_on(agency)
    return rule, (CHANGED if changed else FIRST_READINGS)[rule]
