"""Running a simulation: check that it may, put everything into the diary, let time pass, and sum up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from ledger.application.commands import Ledger
from ledger.clock import ManualClock, SystemClock, from_text
from ledger.errors import BadInput
from ledger.policies.calendar import CalendarError
from ledger.policies.deadline_rules import rule_book
from ledger.policies.deadlines import program_calendar
from ledger.simulation import changes, golive, oversight, practice, story
from ledger.simulation.agency import Agency
from ledger.simulation.days import Days, month_text, span
from ledger.simulation.options import Options, Summary
from ledger.simulation.quick import without_waiting
from ledger.simulation.stage import Stage

#: Nobody works before this hour, local time; the clock of a simulation begins here.
FIRST_HOUR = 4


def starting_clock(options: Options, zone: str) -> ManualClock:
    """The clock to open the store and make the ledger with: it shows the first morning of the period."""
    return ManualClock(agency_days(zone).at(options.start, FIRST_HOUR))


def agency_days(zone: str) -> Days:
    """The agency's zone with the calendar of its programs."""
    return Days(ZoneInfo(zone), program_calendar("psc", None, book=rule_book()))


def simulate(
    ledger: Ledger,
    clock: ManualClock,
    options: Options,
    *,
    passed: Callable[[int], None] = lambda _: None,
    now: datetime | None = None,
) -> Summary:
    """Live through an agency's months, by commands to ``ledger``, and tell what was recorded.

    ``clock`` must be the one that the ledger and its recorder were made with; it must not be past the first morning.
    ``passed`` is called with simulated minutes as they go by. ``now`` is the real time (the machine's, by default):
    a period that reaches into the future is refused. Raises ``BadInput`` for that, for a period that the calendars do
    not cover, and for a store that holds later events than the first morning.
    """
    days = agency_days(ledger.zone.key)
    begin, end = days.at(options.start, FIRST_HOUR), days.at(options.end, 0)
    _check_period(options, days, end, now or SystemClock().now())
    _check_store(ledger, clock, begin)
    clock.set(begin)
    head = ledger.recorder.sequence()
    agency = Agency(Stage(ledger, clock, options.token, end), days, options)
    golive.open_agency(agency)
    story.keep_free(agency)
    changes.plan_people(agency)
    changes.plan_clients(agency)
    told = story.tell(agency)
    for day in span(options.start, options.end):
        early = days.at(day, 6, 45) if day == options.start else days.at(day, 0, 5)
        if day.weekday() == 0 or day == options.start:
            agency.stage.at(early, partial(oversight.plan_week, agency, day - timedelta(days=day.weekday())))
        agency.stage.at(early, partial(practice.plan_day, agency, day))
        if day.day == 1 and day > options.start:
            agency.stage.at(early, partial(oversight.review_month, agency, days.first_open(day)))
    with without_waiting(ledger.recorder.engine):
        agency.stage.run(passed)
    clock.set(end)
    written = ledger.recorder.sequence() - head
    return Summary(
        options=options,
        first_day=options.start,
        last_day=options.end - timedelta(days=1),
        events=written,
        commands=agency.stage.commands,
        by_type=dict(sorted(agency.stage.by_type.items())),
        refusals=dict(sorted(agency.stage.refusals.items())),
        clients=tuple(chart.id for chart in agency.charts),
        staff={
            "coordinators": tuple(worker.id for worker in agency.workers),
            "supervisors": tuple(agency.supervisors),
            "compliance": (agency.compliance,),
            "billers": (agency.biller,),
            "administrators": (agency.administrator,),
        },
        months=tuple(dict.fromkeys(month_text(day) for day in span(options.start, options.end))),
        story=told,
    )


def _check_period(options: Options, days: Days, end: datetime, now: datetime) -> None:
    if end > now:
        raise BadInput(
            f"--start: {options.months} months from {options.start} end on {options.end}, which is still to come; "
            "start earlier or take fewer months"
        )
    try:
        for day in (options.start - timedelta(days=1), options.end + timedelta(days=40)):
            days.calendar.why_not(day)
    except CalendarError as fault:
        raise BadInput(f"--start: {fault}") from fault


def _check_store(ledger: Ledger, clock: ManualClock, begin: datetime) -> None:
    if clock.now() > begin:
        raise BadInput(f"the clock is at {clock.now().isoformat()}, after the first morning of the simulation")
    head = ledger.recorder.sequence()
    if head == 0:
        return
    last = from_text(ledger.recorder.read_log(head - 1, 1)[0].recorded_at)
    if last >= begin:
        raise BadInput(
            f"LEDGER_DATABASE: this store holds events recorded up to {last.astimezone(UTC):%Y-%m-%d %H:%M} UTC, after "
            "the start of the simulation; name another database, for example LEDGER_DATABASE=sqlite:///simulated.db"
        )
