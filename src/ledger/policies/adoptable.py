"""Every rule an agency may adopt a reading of, with its readings: what ``policy.adopted`` may name."""

from __future__ import annotations

from datetime import date

from ledger.policies.calendar import CALENDAR_RULE, calendars
from ledger.policies.deadline_rules import rule_book
from ledger.policies.productivity import productivity_rules
from ledger.policies.service_codes import combine_readings
from ledger.policies.supervision import supervision_readings

#: How repeats of one code on one day become claim lines; no rule of the sources names it (domain facts A, Time).
COMBINE_RULE = "BILL-COMBINE"
#: The version of readings whose data rows carry dates only.
FIRST_VERSION = "1"


def rating_bounded_by(rule_id: str) -> str | None:
    """The rating that a deadline rule only bounds, if it does; such a rule is read as the rating's reading says."""
    return next((r.id for r in rule_book().ratings if rule_id in (r.full_rule, r.partial_rule)), None)


def adoptable_readings(day: date) -> dict[str, dict[str, tuple[str, ...]]]:
    """What may be adopted from ``day`` on: by rule id, every reading with its versions."""
    found: dict[str, dict[str, list[str]]] = {}

    def add(rule: str, reading: str, version: str = FIRST_VERSION) -> None:
        found.setdefault(rule, {}).setdefault(reading, []).append(version)

    book = rule_book()
    for deadline_rule in book.rules:
        if rating_bounded_by(deadline_rule.id) is not None:
            continue  # it holds by the rating's reading, which names one of its own
        for reading in deadline_rule.readings:
            add(deadline_rule.id, reading.id, reading.version)
    for rating in book.ratings:
        for rated in rating.readings:
            add(rating.id, rated.id, rated.version)
    productivity = productivity_rules(day)
    for ramp in productivity.ramps:
        add(ramp.rule, ramp.id)
    for floor in productivity.floors:
        add(floor.rule, floor.id)
    for measure in productivity.measures:
        add(measure.rule, measure.id)
    for supervised in supervision_readings(day):
        add(supervised.rule, supervised.id)
    for combining in combine_readings(day):
        add(COMBINE_RULE, combining.id)
    for one in calendars().calendars:
        if one.in_force(day):
            add(CALENDAR_RULE, one.id)
    return {
        rule: {reading: tuple(versions) for reading, versions in readings.items()}
        for rule, readings in sorted(found.items())
    }


def programs_of(rule_id: str, day: date) -> tuple[str, ...] | None:
    """The programs that a rule is for; None where it is for whoever it concerns: a registration, a claim."""
    if rating_bounded_by(rule_id) is not None:
        return None
    productivity = productivity_rules(day)
    rated = {row.rule for row in productivity.ramps} | {row.rule for row in productivity.floors}
    if rule_id in rated | {row.rule for row in productivity.measures}:
        return productivity.target.programs
    return rule_book().programs_of(rule_id)


def rules_of(program: str, day: date) -> tuple[str, ...]:
    """The rules of which a reading may be adopted for a program alone."""
    return tuple(rule for rule in adoptable_readings(day) if program in (programs_of(rule, day) or (program,)))
