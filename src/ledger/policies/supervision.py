"""Weekly supervision: the employer's standard (PSC-6) and what a registration asks for (PSC-7).

A week runs Monday to Sunday. Only individual supervision counts for PSC-6; group supervision is recorded and counts
only for a licence rule. How the two rules stand together is a named reading. The licence rows are general knowledge
of medium confidence; the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import Literal

import msgspec

from ledger.policies.provenance import Confidence, Provenance, load_data

SupervisionValue = Literal["full", "non", "excused", "not_rated"]
_NONE = timedelta()


class WeeklyRule(Provenance, frozen=True, kw_only=True):
    """PSC-6: from how many minutes a week is Full, to where the band goes, and the programs it is for."""

    rule: str
    programs: tuple[str, ...]
    full_from_minutes: int
    band_to_minutes: int


class LicenceRule(Provenance, frozen=True, kw_only=True):
    """PSC-7: a unit of supervision for one registration, and when a week needs one unit more."""

    rule: str
    kind: str
    individual_minutes: int
    group_minutes: int
    extra_unit_over_direct_minutes: int


class SupervisionReading(Provenance, frozen=True, kw_only=True):
    """Whether the employer's rule, the licence's, or both rate a registered person's week."""

    rule: str
    id: str
    words: str
    employer: bool
    licence: bool
    default: bool = False


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weekly: tuple[WeeklyRule, ...]
    licence: tuple[LicenceRule, ...]
    reading: tuple[SupervisionReading, ...]


class WeekFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A staff member's week; ``days_off`` are whole days of PTO or holiday among the days scheduled since hire.

    ``direct_counselling_minutes`` is only asked for by licence rules.
    """

    week_of: date
    #: The programs the person works in: PSC-6 rates those of its own alone.
    programs: tuple[str, ...]
    individual_minutes: tuple[int, ...]
    scheduled_days: int
    days_off: int = 0
    group_minutes: tuple[int, ...] = ()
    direct_counselling_minutes: int = 0
    registration: str | None = None
    #: Minutes that sessions share with others: they are not in the lists above a second time.
    overlapping_minutes: int = 0


class Sitting(msgspec.Struct, frozen=True, kw_only=True):
    """A session of supervision that was held, from when and for how long."""

    started_at: datetime
    minutes: int
    group: bool


class SupervisionRating(msgspec.Struct, frozen=True, kw_only=True):
    """A week's rating with its reasons; ``above_band`` flags more than the hour."""

    week_of: date
    value: SupervisionValue
    above_band: bool
    individual_minutes: int
    group_minutes: int
    reading: str | None
    steps: tuple[str, ...]
    sources: tuple[str, ...]


class LicenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a week met what the registration asks for, in units of supervision."""

    kind: str
    met: bool
    units_needed: int
    units_had: int
    confidence: Confidence
    source: str
    steps: tuple[str, ...]


@cache
def _tables() -> _Tables:
    return load_data("supervision", _Tables)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def weekly_rule(day: date) -> WeeklyRule:
    """PSC-6 as in force on ``day``. Raises ``LookupError`` when it is not."""
    for row in _tables().weekly:
        if row.in_force(day):
            return row
    raise LookupError(f"no weekly supervision rule on {day.isoformat()}")


def licence_rule(kind: str, day: date) -> LicenceRule | None:
    """The rule of a registration (``amft``, ``asw``, ``apcc``) on ``day``, or None when it has none."""
    return next((row for row in _tables().licence if row.kind == kind and row.in_force(day)), None)


def supervision_readings(day: date) -> tuple[SupervisionReading, ...]:
    """How PSC-6 and PSC-7 stand together: the readings in force on ``day``, the default first."""
    return tuple(sorted((r for r in _tables().reading if r.in_force(day)), key=lambda r: not r.default))


def _check(facts: WeekFacts) -> None:
    if any(minutes < 0 for minutes in (*facts.individual_minutes, *facts.group_minutes)):
        raise ValueError("supervision minutes cannot be negative")
    if facts.direct_counselling_minutes < 0 or not 0 <= facts.days_off <= facts.scheduled_days:
        raise ValueError("days off must lie within the scheduled days, and minutes cannot be negative")


def counted_once(sittings: Iterable[Sitting]) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """The minutes that each session adds, individual and group, and those that were recorded twice (PSC-6, PSC-7).

    Nobody sits in two sessions at a time: minutes that sessions share count once, and as group supervision where one of
    them was in a group, since whoever sat there was not supervised alone.
    """
    covered: list[tuple[datetime, datetime]] = []
    added: dict[bool, list[int]] = {True: [], False: []}
    twice = 0
    for one in sorted(sittings, key=lambda s: (not s.group, s.started_at, s.minutes)):
        end = one.started_at + timedelta(minutes=one.minutes)
        shared = sum(
            (min(end, b) - max(one.started_at, a) for a, b in covered if a < end and one.started_at < b), _NONE
        )
        minutes = one.minutes - int(shared.total_seconds() // 60)
        added[one.group].append(minutes)
        twice += one.minutes - minutes
        covered = _joined([*covered, (one.started_at, end)])
    return tuple(added[False]), tuple(added[True]), twice


def _joined(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same time in spans that do not touch."""
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def rate_week(facts: WeekFacts) -> SupervisionRating:
    """PSC-6 for one week: Full from the least minutes on, Non below, excused when the whole week was off.

    A week of which part was worked is not excused; one of a program that the rule is not for is not rated. Raises
    ``ValueError`` for impossible facts.
    """
    _check(facts)
    monday = _monday(facts.week_of)
    rule = weekly_rule(monday)
    minutes = sum(facts.individual_minutes)
    group = sum(facts.group_minutes)
    parts = " + ".join(str(m) for m in facts.individual_minutes) or "0"
    steps = [f"individual supervision in the week of {monday.isoformat()}: {parts} = {minutes} min"]
    if group:
        steps.append(f"{group} min of group supervision do not count here")
    if facts.overlapping_minutes:
        steps.append(f"{facts.overlapping_minutes} min were recorded in two sessions at a time and count once")
    value: SupervisionValue
    above = minutes > rule.band_to_minutes
    if not set(facts.programs) & set(rule.programs):
        value, above = "not_rated", False
        steps.append(f"not rated: {rule.rule} is for {', '.join(rule.programs)}, not for {_listed(facts.programs)}")
    elif facts.days_off == facts.scheduled_days:
        value = "excused"
        why = f"all {facts.scheduled_days} scheduled days were off" if facts.scheduled_days else "no day was scheduled"
        steps.append(f"excused: {why}")
    elif minutes >= rule.full_from_minutes:
        value = "full"
        steps.append(f"{minutes} min is at least {rule.full_from_minutes}: Full Compliance")
    else:
        value = "non"
        steps.append(f"{minutes} min is under {rule.full_from_minutes}: Non-Compliance")
    if 0 < facts.days_off < facts.scheduled_days:
        steps.append(f"{facts.days_off} of {facts.scheduled_days} scheduled days were off: the week is not excused")
    if above:
        steps.append(f"flagged: more than {rule.band_to_minutes} min")
    source = f"{rule.rule}: {rule.source} (confidence {rule.confidence})"
    return SupervisionRating(
        week_of=monday,
        value=value,
        above_band=above,
        individual_minutes=minutes,
        group_minutes=group,
        reading=None,
        steps=tuple(steps),
        sources=(source,),
    )


def _listed(programs: tuple[str, ...]) -> str:
    return ", ".join(programs) or "somebody without a program"


def licence_week(
    kind: str, individual_minutes: int, group_minutes: int, direct_counselling_minutes: int, day: date
) -> LicenceAnswer:
    """PSC-7: whether a week's supervision meets the registration. Raises ``LookupError`` for a kind without a rule.

    Units are whole: so many of individual supervision, so many of group; both kinds add up.
    """
    row = licence_rule(kind, day)
    if row is None:
        raise LookupError(f"no licence rule for {kind} on {day.isoformat()}")
    individual, group = individual_minutes // row.individual_minutes, group_minutes // row.group_minutes
    needed = 1 + int(direct_counselling_minutes > row.extra_unit_over_direct_minutes)
    had = individual + group
    extra = "over" if needed > 1 else "not over"
    steps = (
        f"needed: {needed} (direct counselling {direct_counselling_minutes} min, {extra} "
        f"{row.extra_unit_over_direct_minutes})",
        f"had: {individual_minutes} ÷ {row.individual_minutes} individual = {individual}, "
        f"{group_minutes} ÷ {row.group_minutes} group = {group}, together {had}",
        f"{kind}: {'met' if had >= needed else 'not met'} (confidence {row.confidence}: {row.source})",
    )
    return LicenceAnswer(
        kind=kind,
        met=had >= needed,
        units_needed=needed,
        units_had=had,
        confidence=row.confidence,
        source=row.source,
        steps=steps,
    )


def rate_week_with_licence(facts: WeekFacts, reading: str | None = None) -> SupervisionRating:
    """The week under PSC-6 and, for a registered person, PSC-7, joined as ``reading`` says (None: the default).

    An excused week stays excused, and one that is not rated so. Raises ``ValueError`` for an unknown reading.
    """
    rating = rate_week(facts)
    row = next((r for r in supervision_readings(rating.week_of) if reading is None or r.id == reading), None)
    if row is None:
        raise ValueError(f"no supervision reading {reading}")
    registered = facts.registration is not None and licence_rule(facts.registration, rating.week_of) is not None
    if not registered or facts.registration is None or rating.value in ("excused", "not_rated") or not row.licence:
        return msgspec.structs.replace(rating, reading=row.id)
    answer = licence_week(
        facts.registration,
        rating.individual_minutes,
        rating.group_minutes,
        facts.direct_counselling_minutes,
        rating.week_of,
    )
    met = answer.met and (rating.value == "full" or not row.employer)
    verdict = f"{row.id} ({row.words}): {'Full Compliance' if met else 'Non-Compliance'}"
    return msgspec.structs.replace(
        rating,
        value="full" if met else "non",
        reading=row.id,
        steps=(*rating.steps, *answer.steps, verdict),
        sources=(*rating.sources, f"PSC-7: {answer.source} (confidence {answer.confidence})"),
    )
