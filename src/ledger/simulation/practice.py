"""A working day: whom each coordinator sees, for how long, where and how; groups; and crises at any hour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from typing import Literal

from ledger.aggregates.contact import Group, RecordContact
from ledger.policies.billing_programs import code_of
from ledger.policies.documents import contact_kinds
from ledger.simulation.agency import Agency, Chart, NoteFile, Worker, minutes
from ledger.simulation.documentation import document
from ledger.simulation.golive import PER_COORDINATOR

#: Kinds of ordinary contacts with their weight and their shortest and longest direct minutes.
KINDS: tuple[tuple[str, int, int, int], ...] = (
    ("individual", 46, 30, 80),
    ("case_management", 27, 20, 60),
    ("collateral", 8, 10, 30),
    ("plan_development", 4, 30, 60),
    ("psychoeducation", 9, 30, 55),
    ("outreach", 6, 0, 15),
)
CODES = {
    "individual": "H2017",
    "case_management": "T1017",
    "collateral": "T1017",
    "plan_development": "H0032",
    "psychoeducation": "H2017",
    "assessment": "H0031",
    "group": "H2017",
    "crisis": "H2011",
}
PLACES = (("12", 34), ("11", 26), ("27", 15), ("53", 15), ("04", 6), ("31", 2), ("09", 2))
FIRST_VISIT, LAST_VISIT = (8, 20), (17, 0)
GROUP_MINUTES = 75


@dataclass(frozen=True)
class Visit:
    """One service as it is going to be recorded."""

    worker: Worker
    chart: Chart
    kind: str
    start: datetime
    end: datetime
    direct: int
    travel: int = 0
    place: str = "11"
    delivery: Literal["in_person", "video", "telephone"] = "in_person"
    code: str | None = None
    group: Group | None = None


def weighted(rng: Random, options: Iterable[tuple[str, int]]) -> str:
    """One of (value, weight)."""
    listed = list(options)
    return rng.choices([value for value, _ in listed], [weight for _, weight in listed])[0]


def plan_day(agency: Agency, day: date) -> None:
    """Early in the morning: the crises of the day, the groups, then everybody's visits."""
    if day.weekday() == 0 or day == agency.options.start:
        _plan_crises(agency, day)
    if agency.days.clock_change(day):
        _night_of_the_clock_change(agency, day)
    if not agency.days.open(day):
        return
    _plan_groups(agency, day)
    for worker in agency.workers:
        if agency.works(worker, day) and (day - worker.hired_on).days >= 5:
            _plan_visits(agency, worker, day)


def _aim(worker: Worker, day: date) -> int:
    """Minutes of service somebody aims at: less in the first months (PSC-2), less on a day partly off."""
    months = (day.year - worker.hired_on.year) * 12 + day.month - worker.hired_on.month
    share = (50, 75)[months] if months < 2 else 100
    aim = (worker.style.minutes + worker.rng.randrange(-30, 31)) * share // 100
    scheduled = worker.week[day.weekday()]
    return aim * (scheduled - worker.part_off.get(day, 0)) // scheduled


def _plan_visits(agency: Agency, worker: Worker, day: date) -> None:
    rng = worker.rng
    cursor = agency.days.at(day, *FIRST_VISIT) + minutes(5 * rng.randrange(4))
    if worker.part_off.get(day):
        cursor += minutes(worker.part_off[day])
    closing = agency.days.at(day, *LAST_VISIT)
    lunch = agency.days.at(day, 12)
    taken = [*worker.taken.get(day, ()), (lunch, lunch + minutes(30))]
    aim = _aim(worker, day)
    seen: set[str] = set()
    while aim > 0:
        kind, shortest, longest = _kind(rng)
        direct = shortest + rng.randrange(longest - shortest + 1)
        travel = rng.choice((0, 0, 10, 15, 20, 25))
        start = cursor + minutes(travel)
        end = start + minutes(max(5, direct) + rng.randrange(6))
        clash = [until for since, until in taken if start < until and since < end]
        if clash:
            cursor = max(clash)
            continue
        if end > closing:
            return
        chart = _next_client(worker, day, seen)
        if chart is None:
            return
        if chart.intake:
            kind, direct = chart.intake.pop(0), max(30, direct)
            end = max(end, start + minutes(direct))
        seen.add(chart.id)
        chart.last_seen = day
        record(agency, _how(rng, worker, chart, kind, start, end, direct, travel))
        aim -= direct if contact_kinds()[kind].billable else 0
        cursor = end + minutes(rng.randrange(3, 14))


def _kind(rng: Random) -> tuple[str, int, int]:
    kind = weighted(rng, ((name, weight) for name, weight, _, _ in KINDS))
    return next((name, low, high) for name, _, low, high in KINDS if name == kind)


def _next_client(worker: Worker, day: date, seen: set[str]) -> Chart | None:
    """One of the few clients who were not seen for the longest time; new ones first."""
    waiting = [chart for chart in worker.caseload if chart.open(day) and chart.id not in seen]
    new = [chart for chart in waiting if chart.intake]
    if new:
        return new[0]
    waiting.sort(key=lambda chart: (chart.last_seen, chart.number))
    return waiting[worker.rng.randrange(min(len(waiting), 4))] if waiting else None


def _how(
    rng: Random, worker: Worker, chart: Chart, kind: str, start: datetime, end: datetime, direct: int, travel: int
) -> Visit:
    """The place, the way of delivery and the code; now and then a code is missing or a place does not fit."""
    roll = rng.random()
    place = weighted(rng, PLACES)
    delivery: Literal["in_person", "video", "telephone"] = "in_person"
    if kind == "collateral" or roll < 0.16:
        delivery = "telephone" if kind == "collateral" or roll < 0.1 else "video"
        place, travel = ("11" if rng.random() < 0.06 else rng.choice(("10", "02"))), 0
    return Visit(
        worker=worker,
        chart=chart,
        kind=kind,
        start=start,
        end=end,
        direct=direct,
        travel=0 if place == "11" else travel,
        place=place,
        delivery=delivery,
        code=None if rng.random() < 0.015 else service_code(rng, worker, kind, direct),
    )


def service_code(rng: Random, worker: Worker, kind: str, direct: int) -> str | None:
    """The code as this worker would choose it: therapy by those who may, counsellors mostly what they may."""
    if worker.program == "ecm":
        return "G9012"
    if kind == "individual" and worker.credential in ("amft", "asw", "lcsw") and rng.random() < 0.45:
        return "90837" if direct >= 53 else "90834" if direct >= 38 else "90832"
    if kind in ("individual", "psychoeducation") and worker.credential == "catc" and rng.random() < 0.9:
        return "T1017"
    return CODES.get(kind)


def record(agency: Agency, visit: Visit, note_id: str | None = None) -> NoteFile:
    """Plan that a visit is recorded: soon after for the prompt, by the evening for most, days later now and then."""
    rng = visit.worker.rng
    note = NoteFile(
        contact_id=agency.stage.ids.new(),
        chart=visit.chart,
        author=visit.worker,
        kind=visit.kind,
        started_at=visit.start,
        ended_at=visit.end,
        direct=visit.direct,
        billable=contact_kinds()[visit.kind].billable,
        counts=code_of(visit.chart.program, visit.kind, visit.code, None, visit.direct, visit.start).billable,
        note_id=note_id or agency.stage.ids.new(),
        told=note_id is not None,
    )
    agency.notes.append(note)
    late_entry = False
    if note_id is not None or visit.worker.style.name == "prompt" or rng.random() < 0.6:
        moment = visit.end + minutes(rng.randrange(2, 20))
    else:
        moment = max(visit.end + minutes(5), agency.days.at(agency.days.date_of(visit.end), 17, 5 + rng.randrange(60)))
        late_entry = rng.random() < 0.02
    if late_entry:
        after = agency.workday(visit.worker, agency.days.date_of(visit.end), rng.randrange(4, 9))
        if after is not None:
            moment = agency.desk_time(visit.worker, after, rng)
    agency.stage.at(moment, partial(_record_now, agency, visit, note, late_entry))
    return note


def _record_now(agency: Agency, visit: Visit, note: NoteFile, late_entry: bool) -> None:
    rng = visit.worker.rng
    command = RecordContact(
        contact_id=note.contact_id,
        client_id=visit.chart.id,
        staff_id=visit.worker.id,
        program=visit.chart.program,
        contact_kind=visit.kind,
        started_at=agency.days.local(visit.start),
        ended_at=agency.days.local(visit.end),
        direct_minutes=visit.direct,
        travel_minutes=visit.travel,
        documentation_minutes=rng.randrange(6, 22),
        place=visit.place,
        delivery=visit.delivery,
        service_code=visit.code,
        group=visit.group,
        outcome=rng.choice(("left a message", "nobody at home", "spoke briefly, a visit is agreed"))
        if visit.kind == "outreach"
        else None,
        late_entry=late_entry,
    )
    agency.stage.do(command, visit.worker.id, thread=note.contact_id)
    if not note.told:
        document(agency, note, late_entry=late_entry)


def _plan_groups(agency: Agency, day: date) -> None:
    """Two coordinators hold a weekly group with some of their clients; every member has a contact and a note."""
    team = [w for w in agency.workers if w.program == "psc"]
    for number in range(0, len(team) - 1, 2):
        leader, other = team[number], team[number + 1]
        if day.weekday() != 2 + number // 2 % 2 or not (agency.works(leader, day) and agency.works(other, day)):
            continue
        start = agency.days.at(day, 13, 30)
        end = start + minutes(GROUP_MINUTES)
        if any(since < end and start < until for w in (leader, other) for since, until in w.taken.get(day, ())):
            continue
        asked = [c for c in (*leader.caseload, *other.caseload) if c.open(day) and not c.intake]
        members = leader.rng.sample(asked, k=min(len(asked), leader.rng.randrange(4, 8)))
        members = [c for c in members if leader.rng.random() < 0.85]
        if len(members) < 2:
            continue
        leader.take(day, start - minutes(10), end + minutes(10))
        other.take(day, start - minutes(10), end + minutes(10))
        group = Group(group_id=agency.stage.ids.new(), size=len(members), co_leaders=(other.id,))
        for chart in members:
            chart.last_seen = day
            visit = Visit(leader, chart, "group", start, end, GROUP_MINUTES, 0, "53", "in_person", "H2017", group)
            record(agency, visit)


def _plan_crises(agency: Agency, monday: date) -> None:
    """Some crises of the week, in the evening or on the weekend too; whoever is on call answers (PSC-21)."""
    rng = agency.rng("crises", monday)
    team = [w for w in agency.present(monday) if w.program == "psc"]
    if not team:
        return
    on_call = team[(monday.toordinal() // 7) % len(team)]
    calls = sum(rng.random() < 0.5 for _ in range(max(1, len(agency.charts) // PER_COORDINATOR["psc"])))
    for _ in range(calls):
        day = monday + timedelta(days=rng.randrange(7 - monday.weekday()))
        start = agency.days.at(day, rng.choice((18, 18, 19, 21, 22, 6)), rng.randrange(60))
        _crisis(agency, on_call, rng, day, start, rng.randrange(25, 95))


def _night_of_the_clock_change(agency: Agency, day: date) -> None:
    """A crisis service that begins before the clocks change and ends after it."""
    team = [w for w in agency.present(day) if w.program == "psc"]
    if team:
        on_call = team[(day.toordinal() // 7) % len(team)]
        _crisis(agency, on_call, agency.rng("clock change", day), day, agency.days.at(day, 1, 20), 70)


def _crisis(agency: Agency, worker: Worker, rng: Random, day: date, start: datetime, direct: int) -> None:
    charts = [c for c in agency.charts if c.program == "psc" and c.coordinator is not None and c.open(day)]
    if not charts or not worker.employed(day) or day in worker.off:
        return
    chart = charts[rng.randrange(len(charts))]
    end = start + minutes(direct + rng.randrange(6))
    place, delivery = rng.choice((("15", "in_person"), ("23", "in_person"), ("10", "telephone")))
    how: Literal["in_person", "telephone"] = "telephone" if delivery == "telephone" else "in_person"
    record(agency, Visit(worker, chart, "crisis", start, end, direct, 0, place, how, "H2011"))
