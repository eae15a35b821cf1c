"""The agency as the simulation knows it: its people with their habits, its clients with their plans, the open work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from ledger.aggregates.staff import PersonName
from ledger.simulation.days import DAY, Days
from ledger.simulation.options import Options
from ledger.simulation.stage import Stage

#: Credential kinds whose notes a supervisor co-signs here (associates registered with the state, PSC-7).
ASSOCIATES = ("amft", "asw", "apcc")
Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class Style:
    """How somebody works: minutes of service aimed at in a day, and how many workdays later notes are signed.

    ``delays`` are (workdays, weight); None is never.
    """

    name: str
    minutes: int
    delays: tuple[tuple[int | None, int], ...]
    asks_for_time: float = 0.35
    forgets_a_section: float = 0.01


PROMPT = Style("prompt", 385, ((0, 78), (1, 18), (2, 4)), forgets_a_section=0.005)
STEADY = Style("steady", 345, ((0, 46), (1, 30), (2, 13), (3, 5), (5, 3), (8, 2), (None, 1)))
LATE = Style(
    "habitually late",
    300,
    ((0, 12), (1, 19), (2, 18), (3, 15), (4, 10), (5, 9), (6, 6), (9, 6), (None, 5)),
    asks_for_time=0.4,
    forgets_a_section=0.03,
)


@dataclass(eq=False)
class Worker:
    """Somebody who gives services, with everything that decides their days."""

    id: str
    name: PersonName
    program: str
    style: Style
    credential: str
    hired_on: date
    supervisor_id: str
    rng: Random
    week: tuple[int, ...] = (480, 480, 480, 480, 480, 0, 0)
    last_day: date | None = None
    #: Days (inclusive) on which the signing credential has lapsed.
    lapse: tuple[date, date] | None = None
    off: set[date] = field(default_factory=set)
    part_off: dict[date, int] = field(default_factory=dict)
    #: Days on which nobody lets them go: the told story needs them.
    needed: set[date] = field(default_factory=set)
    caseload: list[Chart] = field(default_factory=list)
    #: What stands in the diary already: supervision, groups, the told story.
    taken: dict[date, list[Interval]] = field(default_factory=dict)

    def employed(self, day: date) -> bool:
        return self.hired_on <= day and (self.last_day is None or day <= self.last_day)

    def lapsed(self, day: date) -> bool:
        return self.lapse is not None and self.lapse[0] <= day <= self.lapse[1]

    def take(self, day: date, start: datetime, end: datetime) -> None:
        self.taken.setdefault(day, []).append((start, end))


@dataclass
class PlanFile:
    """A treatment plan: which objectives are in force from which day."""

    id: str
    versions: list[tuple[date, tuple[str, ...]]] = field(default_factory=list)
    ended_on: date | None = None

    def objectives_on(self, day: date) -> tuple[tuple[str, str], ...]:
        """(plan id, objective number) of every objective in force on a day."""
        if self.ended_on is not None and day > self.ended_on:
            return ()
        held = [numbers for since, numbers in self.versions if since <= day]
        return tuple((self.id, number) for number in held[-1]) if held else ()


@dataclass(eq=False)
class Chart:
    """A client."""

    id: str
    number: int
    name: PersonName
    program: str
    episode_id: str
    opened_on: date
    rng: Random
    coordinator: Worker | None = None
    assignment_id: str = ""
    plan: PlanFile | None = None
    closed_on: date | None = None
    last_seen: date = date.min
    #: What the next visits are for, before ordinary ones: an assessment, then work on the plan.
    intake: list[str] = field(default_factory=list)

    def open(self, day: date) -> bool:
        return self.opened_on <= day and (self.closed_on is None or day <= self.closed_on)

    def objectives_on(self, day: date) -> tuple[tuple[str, str], ...]:
        return self.plan.objectives_on(day) if self.plan else ()


@dataclass(eq=False)
class NoteFile:
    """A contact and its note, as far as they have come."""

    contact_id: str
    chart: Chart
    author: Worker
    kind: str
    started_at: datetime
    ended_at: datetime
    direct: int
    billable: bool
    #: Whether its minutes count as billable time in its program once it is signed (PSC-1).
    counts: bool = False
    note_id: str = ""
    #: Part of the told story, which decides what becomes of it.
    told: bool = False
    drafted: bool = False
    signed_at: datetime | None = None
    in_error: bool = False
    asked_for_time: str | None = None


class Agency:
    """All of it together; the parts of the simulation are functions over this."""

    def __init__(self, stage: Stage, days: Days, options: Options) -> None:
        self.stage = stage
        self.days = days
        self.options = options
        self.workers: list[Worker] = []
        self.charts: list[Chart] = []
        self.notes: list[NoteFile] = []
        self.supervisors: list[str] = []
        self.administrator = self.compliance = self.biller = ""
        self.policies: dict[str, str] = {}
        #: Signed billable minutes by staff member and month, as the reviews of the month read them (PSC-5).
        self.billable: Counter[tuple[str, date]] = Counter()

    def rng(self, *what: object) -> Random:
        """The dice of one person or purpose: what others do does not change how they fall."""
        text = "/".join(str(part) for part in (self.options.token, *what))
        return Random(text)  # noqa: S311 - reproducible on purpose: a simulation, not a secret

    def today(self) -> date:
        return self.days.date_of(self.stage.now)

    def works(self, worker: Worker, day: date) -> bool:
        """Whether somebody is at work on a day: employed, scheduled, offices open, not away."""
        return worker.employed(day) and worker.week[day.weekday()] > 0 and day not in worker.off and self.days.open(day)

    def workday(self, worker: Worker, day: date, count: int) -> date | None:
        """The ``count``-th day after ``day`` on which somebody works (0: the day itself, or the next such day)."""
        found = day
        left = count
        if count == 0:
            if self.works(worker, day):
                return day
            left = 1
        for _ in range(120):
            found += DAY
            if self.works(worker, found):
                left -= 1
                if left == 0:
                    return found
        return None

    def desk_time(self, worker: Worker, day: date, rng: Random | None = None) -> datetime:
        """A moment of a day at which somebody sits down to write: before the first visit, at noon, after the last."""
        rng = rng or worker.rng
        hour, minute = rng.choice(((7, 45), (7, 45), (12, 5), (17, 5), (17, 5), (17, 5)))
        return self.days.at(day, hour, minute + rng.randrange(70 if hour == 17 else 28))

    def present(self, day: date) -> Iterator[Worker]:
        return (worker for worker in self.workers if worker.employed(day))

    def credit(self, note: NoteFile, sign: int) -> None:
        """Count (or take back) a signed note's minutes in its month."""
        if note.counts:
            day = self.days.date_of(note.started_at).replace(day=1)
            self.billable[note.author.id, day] += sign * note.direct


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)
