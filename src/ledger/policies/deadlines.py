"""Deadlines that answer with their reasons: when a document is due, and every hour or day counted on the way.

How a deadline is counted, for every rule:

* The clock starts when the service ended (or the client was discharged, or released), in the agency's zone.
* Elapsed hours are arithmetic between instants, in UTC: across a change of daylight saving the wall clock at the
  end differs by an hour from the wall clock at the start.
* Days are counted after the day on which the clock started, which is day 0, whatever the hour. A limit in days falls
  at the end of the last day counted: ``due`` is 23:59:59.999999 in the agency's zone, the last instant of that day
  that can be recorded.
* A deadline is met at ``due`` itself and missed one microsecond later, for hours and for days alike. Ask
  :meth:`Deadline.met_by`; Python compares two times of one zone by their wall clocks, which is wrong in the hour that
  daylight saving repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from ledger.policies.calendar import Calendar, Step, add_calendar_days
from ledger.policies.calendar import calendar as calendar_of
from ledger.policies.deadline_rules import Clock, Reading, Role, Rule, RuleBook, pick, rule_book

_STARTED: dict[Clock, str] = {"service": "Service ended", "discharge": "Discharged", "release": "Released"}
_TICK = timedelta(microseconds=1)  # the resolution in which times are recorded


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """When something is due, under which rule, reading and calendar, and how that was worked out.

    ``due`` and ``started`` are aware and in the agency's zone; ``due`` is the last instant that is still on time.
    """

    due: datetime
    rule_id: str
    reading: str
    policy_version: str
    calendar_version: str
    zone: str
    steps: tuple[Step, ...]
    started: datetime
    clock: Clock
    role: Role
    title: str
    limit: str

    def met_by(self, at: datetime) -> bool:
        """Whether something done at the instant ``at`` was done in time."""
        return instant(at) <= instant(self.due)

    @property
    def last_day(self) -> date:
        """The day, in the agency's zone, on which the deadline falls."""
        return self.due.date()

    def words(self) -> str:
        """The arithmetic in words, made from the steps: what started the clock, what counted, what did not, the end."""
        # The folds tell the two hours of an autumn night apart, which compare as equal.
        return _words(self, self.started.fold, self.due.fold)

    def _told(self) -> str:
        start = f"{_STARTED[self.clock]} {moment(self.started)}."
        counted = [step for step in self.steps if step.counted]
        if counted and counted[0].elapsed is not None:
            passed = "; ".join(f"{_day(step.day)} {step.why}" for step in self.steps)
            return f"{start} {self.limit}: {passed}. Due {moment(self.due)}."
        passed = "; ".join(
            _day(s.day) + (f" is {s.why}" if s.counted else f" not counted ({s.why})") for s in self.steps
        )
        last = f"{self.due:%a} {self.due.day} {self.due:%b %Y}"
        return f"{start} {self.limit}, that day being day 0: {passed}. Due by the end of {last} ({self.due:%Z})."


@lru_cache(maxsize=32_768)
def _words(deadline: Deadline, started_fold: int, due_fold: int) -> str:
    return deadline._told()


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What one reading of a rule allows documents whose clock started on one day: so many hours, or until a day's end.

    ``until`` is an instant in UTC, and ``until_told`` the same as text in the agency's zone.
    """

    rule: Rule
    reading: Reading
    policy_version: str
    zone: ZoneInfo
    span: timedelta = timedelta()
    until: datetime | None = None
    until_told: str = ""

    def due(self, started: datetime) -> datetime:
        """The last instant that is on time, in UTC, for a clock that started at this instant of that day, in UTC."""
        return started + self.span if self.until is None else self.until

    def told(self, due: datetime) -> str:
        """That instant as text in the agency's zone."""
        return _local_text(due, self.zone) if self.until is None else self.until_told

    @property
    def selector(self) -> str:
        """The reading with its version, as :func:`deadline` takes it."""
        return f"{self.reading.id}@{self.reading.version}"


@lru_cache(maxsize=32_768)
def _local_text(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat()


def moment(at: datetime) -> str:
    """A time as a person reads it: ``Fri 20 Nov 2026 15:00 PST``, with seconds only where there are any."""
    clock = f"{at:%H:%M:%S}" if at.second or at.microsecond else f"{at:%H:%M}"
    return f"{at:%a} {at.day} {at:%b %Y} {clock} {at:%Z}"


def readings(rule_id: str, on: date | None = None, *, book: RuleBook | None = None) -> tuple[Reading, ...]:
    """Every reading of a deadline rule, in all versions, or only those in force on a day.

    Raises :class:`~ledger.policies.deadline_rules.RuleError` for a rule that does not exist.
    """
    rule = (book or rule_book()).rule(rule_id)
    return tuple(r for r in rule.readings if on is None or (r.in_force(on) and rule.in_force(on)))


def deadline(
    rule_id: str,
    reading: str,
    from_: datetime,
    *,
    calendar: Calendar | str,
    zone: str | None = None,
    book: RuleBook | None = None,
) -> Deadline:
    """When the rule, under one reading, makes something due whose clock started at ``from_`` (any aware time).

    ``reading`` may name a version (``3-business-days@2``); without one, the version in force on the day on which the
    clock started decides. ``zone`` is the calendar's unless given. Raises
    :class:`~ledger.policies.deadline_rules.RuleError` for a rule, reading or version that is unknown or not in force
    that day, :class:`~ledger.policies.calendar.CalendarError` for a day outside the calendar, and ``ValueError`` for
    a time without an offset.
    """
    days = calendar_of(calendar) if isinstance(calendar, str) else calendar
    if book is None or book is rule_book():
        # The same service is judged many times over (each event of its note, each reading); its dates never change.
        return _known(rule_id, reading, instant(from_), days.id, days.version, zone or days.zone, _By(days))
    return _deadline(book, rule_id, reading, from_, days, zone or days.zone)


class _By(msgspec.Struct, frozen=True, eq=False):
    """Carries a calendar past the cache: its id and version, which are in the key, stand for it."""

    days: Calendar

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _By)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=32_768)
def _known(
    rule_id: str, reading: str, at: datetime, calendar_id: str, calendar_version: str, zone: str, by: _By
) -> Deadline:
    return _deadline(rule_book(), rule_id, reading, at, by.days, zone)


def _deadline(book: RuleBook, rule_id: str, reading: str, from_: datetime, days: Calendar, zone: str) -> Deadline:
    started = in_zone(from_, zone)
    limit = _limit(book, rule_id, reading, started.date(), days, zone)
    rule, row, due = limit.rule, limit.reading, limit.due(instant(from_))
    return Deadline(
        due=due.astimezone(limit.zone),
        rule_id=rule.id,
        reading=row.id,
        policy_version=limit.policy_version,
        calendar_version=days.version,
        zone=zone,
        steps=_hour_steps(started, due) if limit.until is None else _day_steps(row, started.date(), days)[1],
        started=started,
        clock=rule.clock,
        role=rule.role,
        title=rule.title,
        limit=row.limit,
    )


def limits_for(document: str, program: str, day: date) -> tuple[Limit, ...]:
    """As :func:`deadlines_for`, for every document of a service that ended on ``day`` in the agency's zone."""
    return _usual_limits(document, program, day)


@lru_cache(maxsize=8192)
def _usual_limits(document: str, program: str, day: date) -> tuple[Limit, ...]:
    book = rule_book()
    days = program_calendar(program, None, book=book)
    rules, _ = book.governing(document, program, day)
    return tuple(limit_of(rule.id, reading, day, days, book) for rule in rules for reading in reading_ids(rule, day))


def limit_of(rule_id: str, reading: str, day: date, days: Calendar, book: RuleBook) -> Limit:
    """What a rule under one reading allows documents whose clock started on ``day``; errors as for :func:`deadline`."""
    if book is rule_book():
        return _known_limit(rule_id, reading, day, days.id, days.version, _By(days))
    return _limit(book, rule_id, reading, day, days, days.zone)


@lru_cache(maxsize=32_768)
def _known_limit(rule_id: str, reading: str, day: date, calendar_id: str, calendar_version: str, by: _By) -> Limit:
    return _limit(rule_book(), rule_id, reading, day, by.days, by.days.zone)


def _limit(book: RuleBook, rule_id: str, reading: str, day: date, days: Calendar, zone: str) -> Limit:
    rule = book.rule(rule_id)
    row, at = pick(rule, reading, day), ZoneInfo(zone)
    if row.unit == "elapsed_hours":
        hours = timedelta(hours=row.amount)
        return Limit(rule=rule, reading=row, policy_version=row.policy_version, zone=at, span=hours)
    last, _ = _day_steps(row, day, days)
    until = _day_start(last + timedelta(days=1), at) - _TICK
    told = until.astimezone(at).isoformat()
    return Limit(rule=rule, reading=row, policy_version=row.policy_version, zone=at, until=until, until_told=told)


def deadlines_for(
    document: str,
    program: str,
    service_ended_at: datetime,
    *,
    calendar: Calendar | str | None = None,
    book: RuleBook | None = None,
) -> list[Deadline]:
    """Every deadline of a document: the employer's, its extension's and the state's, each under all its readings.

    The list is in the rule book's order; ``role`` tells whose each is. It is empty when the program's sources set no
    limit for the document. For a discharge plan or a contact after release, ``service_ended_at`` is when the client
    was discharged or released. ``calendar`` replaces the program's own. Errors as for :func:`deadline`.
    """
    used = book or rule_book()
    days = program_calendar(program, calendar, book=used)
    day = in_zone(service_ended_at, days.zone).date()
    rules, _ = used.governing(document, program, day)
    return [
        deadline(rule.id, reading, service_ended_at, calendar=days, book=used)
        for rule in rules
        for reading in reading_ids(rule, day)
    ]


def dues(
    document: str,
    program: str,
    service_ended_at: datetime,
    *,
    adopted: Mapping[str, str] | None = None,
    calendar: Calendar | str | None = None,
    book: RuleBook | None = None,
) -> dict[Role, Deadline]:
    """The employer's, the extension's and the state's deadline of a document, each under the reading in force.

    ``adopted`` maps a rule's id to the reading adopted for the date of the service; a rule missing from it goes by its
    default. A role is missing when no rule of that kind governs the document; of two rules of one kind, the one that
    ends first is given. The extension's deadline is the one that would hold if more time were granted.
    """
    used = book or rule_book()
    days = program_calendar(program, calendar, book=used)
    rules, _ = used.governing(document, program, in_zone(service_ended_at, days.zone).date())
    found: dict[Role, Deadline] = {}
    for rule in rules:
        reading = (adopted or {}).get(rule.id, rule.default)
        answer = deadline(rule.id, reading, service_ended_at, calendar=days, book=used)
        if rule.role not in found or instant(answer.due) < instant(found[rule.role].due):
            found[rule.role] = answer
    return found


def program_calendar(program: str, calendar: Calendar | str | None, *, book: RuleBook) -> Calendar:
    """The calendar given, or the program's own."""
    if isinstance(calendar, Calendar):
        return calendar
    return calendar_of(calendar if calendar is not None else book.program(program).calendar)


def reading_ids(rule: Rule, day: date) -> list[str]:
    """The readings of a rule that are in force on a day, each once, in the file's order."""
    return list(dict.fromkeys(r.id for r in rule.readings if r.in_force(day) and rule.in_force(day)))


def instant(at: datetime) -> datetime:
    """The instant, in UTC, in which times compare rightly; ``ValueError`` for a time that does not say its offset."""
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"{at.isoformat()} does not say its offset from UTC")
    return at.astimezone(UTC)


def in_zone(at: datetime, zone: str) -> datetime:
    """The same instant in a zone; ``ValueError`` for a time that does not say its offset."""
    return instant(at).astimezone(ZoneInfo(zone))


def _day_steps(row: Reading, day: date, days: Calendar) -> tuple[date, tuple[Step, ...]]:
    if row.unit == "business_days":
        return days.add_business_days(day, row.amount)
    return add_calendar_days(day, row.amount)


def _hour_steps(started: datetime, due: datetime) -> tuple[Step, ...]:
    """The hours from the start until they have all passed, by the days in which they passed."""
    at, passed, steps = started.astimezone(UTC), timedelta(), list[Step]()
    while at < due:
        local = at.astimezone(started.tzinfo)
        until = min(_day_start(local.date() + timedelta(days=1), started.tzinfo), due)
        part = until - at
        passed += part
        why = f"{_hours(part)}, {_hours(passed)} in all{_clock_change(local, until.astimezone(started.tzinfo))}"
        steps.append(Step(day=local.date(), counted=True, why=why, elapsed=part))
        at = until
    return tuple(steps)


def _day_start(day: date, zone: tzinfo | None) -> datetime:
    """The instant, in UTC, at which a day begins in a zone."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def _clock_change(before: datetime, after: datetime) -> str:
    moved = (after.utcoffset() or timedelta()) - (before.utcoffset() or timedelta())
    if not moved:
        return ""
    return f" (clocks moved {'forward' if moved > timedelta() else 'back'} by {_hours(abs(moved))} that day)"


def _hours(span: timedelta) -> str:
    hours, rest = divmod(span, timedelta(hours=1))
    minutes, rest = divmod(rest, timedelta(minutes=1))
    parts = [f"{hours} h"] if hours or not (minutes or rest) else []
    parts += [f"{minutes} min"] if minutes else []
    parts += [f"{rest.total_seconds():g} s"] if rest else []
    return " ".join(parts)


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
