"""Which reading of a rule an agency had adopted, for a program and a day.

The day that decides is the day of the service (in the agency's zone), never the day of the signature or of the
question: a policy that changed in between does not rewrite what was decided under the old one. Adoptions are facts
someone recorded; this file only says which of them holds. Where none does, the rule book's default holds, and
the answer says so.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date

import msgspec

from ledger.policies.calendar import CALENDAR_RULE
from ledger.policies.deadline_rules import RuleBook, RuleError, rule_book


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """One adoption: from ``effective_from`` the agency reads a rule in one way, in one version.

    ``retired_on`` is the first day on which it no longer holds. ``program`` None is the whole agency. ``recorded_at``
    and ``retired_recorded_at`` say since when that is known, as UTC text that sorts by time; empty is since ever.
    """

    rule_id: str
    reading: str
    version: str
    effective_from: date
    retired_on: date | None = None
    program: str | None = None
    recorded_at: str = ""
    retired_recorded_at: str = ""

    def holds(self, rule_id: str, program: str, day: date) -> bool:
        """Whether this adoption speaks of the rule, in the program, on the day."""
        return (
            self.rule_id == rule_id
            and self.program in (None, program)
            and self.effective_from <= day
            and (self.retired_on is None or day < self.retired_on)
        )

    def words(self) -> str:
        """The adoption as a person reads it."""
        until = "" if self.retired_on is None else f", until {self.retired_on} (not included)"
        whom = "the agency" if self.program is None else f"program {self.program}"
        return f"{whom} adopted {self.rule_id} read as {self.reading}@{self.version} from {self.effective_from}{until}"


def known_by(adoptions: Iterable[Adoption], at: str) -> tuple[Adoption, ...]:
    """The adoptions as they were known at a time (UTC text): those recorded later are not there, nor later ends."""
    return tuple(
        msgspec.structs.replace(a, retired_on=None, retired_recorded_at="") if a.retired_recorded_at > at else a
        for a in adoptions
        if a.recorded_at <= at
    )


def learned_since(
    adoptions: Iterable[Adoption], at: str, rules: Container[str], program: str, service_date: date
) -> tuple[tuple[str, str], ...]:
    """What was recorded after a time (UTC text) on how these rules are read on an earlier date: when, and in words."""
    said = []
    for one in adoptions:
        if one.rule_id not in rules or one.program not in (None, program) or one.effective_from > service_date:
            continue
        if one.recorded_at > at:
            said.append((one.recorded_at, one.words()))
        elif one.retired_recorded_at > at and one.retired_on is not None and one.retired_on <= service_date:
            said.append((one.retired_recorded_at, f"an end given to an adoption: {one.words()}"))
    return tuple(said)


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """The reading that holds for a rule, a program and a day, and the reasons. ``adoption`` None is the default."""

    rule_id: str
    program: str
    day: date
    reading: str
    version: str | None
    adoption: Adoption | None
    reasons: tuple[str, ...]

    @property
    def is_default(self) -> bool:
        """Whether nobody had adopted a reading, so that the rule book's default holds."""
        return self.adoption is None

    @property
    def selector(self) -> str:
        """The reading with its version, as the functions of the rule book take it."""
        return self.reading if self.version is None else f"{self.reading}@{self.version}"


def holding_adoption(adoptions: Iterable[Adoption], rule_id: str, program: str, service_date: date) -> Adoption | None:
    """The one adoption that holds, chosen as by :func:`in_force`, for a rule of any table; None where none does."""
    ranked = sorted((a for a in adoptions if a.holds(rule_id, program, service_date)), key=_rank)
    return ranked[-1] if ranked else None


def in_force(
    adoptions: Iterable[Adoption], rule_id: str, program: str, service_date: date, *, book: RuleBook | None = None
) -> InForce:
    """Which reading of a deadline rule or rating holds for a service of ``service_date`` in ``program``.

    A program's own adoption comes before the agency's; of several, the one with the latest ``effective_from``; of
    those, the one given last (the one recorded last). ``adoptions`` are in the order in which they were recorded.
    Raises :class:`~ledger.policies.deadline_rules.RuleError` for a rule or program that is unknown, or when what was
    adopted is a reading or version the rule book does not have.
    """
    used = book or rule_book()
    used.program(program)
    rule = used.rule_or_rating(rule_id)
    holding = [a for a in adoptions if a.holds(rule_id, program, service_date)]
    if not holding:
        reason = f"nobody had adopted a reading of {rule_id} for {service_date}: {rule.default} is the default"
        return InForce(
            rule_id=rule_id,
            program=program,
            day=service_date,
            reading=rule.default,
            version=None,
            adoption=None,
            reasons=(reason,),
        )
    ranked = sorted(holding, key=_rank)
    chosen = ranked[-1]
    if (chosen.reading, chosen.version) not in {(reading.id, reading.version) for reading in rule.readings}:
        raise RuleError(f"{chosen.words()}, which the rule book does not have")
    passed = [f"not in force: {a.words()} ({_why_passed(a, chosen)})" for a in reversed(ranked[:-1])]
    return InForce(
        rule_id=rule_id,
        program=program,
        day=service_date,
        reading=chosen.reading,
        version=chosen.version,
        adoption=chosen,
        reasons=(f"for a service of {service_date}: {chosen.words()}", *passed),
    )


def adopted_calendar(adoptions: Iterable[Adoption], program: str, day: date) -> str | None:
    """The calendar adopted for a program and a day, by id; None where its own holds, the rule book's."""
    holding = holding_adoption(adoptions, CALENDAR_RULE, program, day)
    return None if holding is None else holding.reading


def calendar_in_force(adoptions: Iterable[Adoption], program: str, day: date) -> InForce:
    """Which calendar business days are counted by, for a program and a day, with the reasons."""
    holding = holding_adoption(adoptions, CALENDAR_RULE, program, day)
    own = rule_book().program(program).calendar
    said = f"nobody had adopted a calendar for {day}: {own} is that of program {program}"
    return InForce(
        rule_id=CALENDAR_RULE,
        program=program,
        day=day,
        reading=own if holding is None else holding.reading,
        version=None if holding is None else holding.version,
        adoption=holding,
        reasons=(said if holding is None else f"for a service of {day}: {holding.words()}",),
    )


def adopted_readings(
    adoptions: Iterable[Adoption], program: str, service_date: date, *, book: RuleBook | None = None
) -> dict[str, str]:
    """The adopted reading of every rule and rating that has one, as :func:`ledger.policies.timeliness.rate` takes it.

    Rules that nobody adopted a reading of are left out: the rating then marks its default as a default. So are
    adoptions of rules that other tables hold (productivity, billing): this is the rule book of deadlines.
    """
    used = book or rule_book()
    known = tuple(adoptions)
    ours = {rule.id for rule in used.rules} | {rating.id for rating in used.ratings}
    asked = sorted(ours & {adoption.rule_id for adoption in known})
    answers = (in_force(known, rule_id, program, service_date, book=used) for rule_id in asked)
    return {answer.rule_id: answer.selector for answer in answers if not answer.is_default}


def _rank(adoption: Adoption) -> tuple[bool, date]:
    """What comes last holds. Sorting is stable, so among equals the one recorded last stays last."""
    return adoption.program is not None, adoption.effective_from


def _why_passed(adoption: Adoption, chosen: Adoption) -> str:
    if adoption.program is None and chosen.program is not None:
        return "the program's own adoption comes first"
    if adoption.effective_from < chosen.effective_from:
        return "replaced by a later one"
    return "the same day was adopted again"
