"""Every rule an agency may adopt a reading of, with its readings: what ``policy.adopted`` may name."""

from __future__ import annotations

from datetime import date

from ledger.policies.deadline_rules import rule_book
from ledger.policies.productivity import productivity_rules
from ledger.policies.service_codes import combine_readings
from ledger.policies.supervision import supervision_readings

#: How repeats of one code on one day become claim lines; no rule of the sources names it (domain facts A, Time).
COMBINE_RULE = "BILL-COMBINE"
#: The version of readings whose data rows carry dates only.
FIRST_VERSION = "1"


def adoptable_readings(day: date) -> dict[str, dict[str, tuple[str, ...]]]:
    """What may be adopted from ``day`` on: by rule id, every reading with its versions."""
    found: dict[str, dict[str, list[str]]] = {}
    book = rule_book()
    for owner in (*book.rules, *book.ratings):
        for reading in owner.readings:
            found.setdefault(owner.id, {}).setdefault(reading.id, []).append(reading.version)
    productivity = productivity_rules(day)
    for row in (*productivity.ramps, *productivity.floors, *productivity.measures, *supervision_readings(day)):
        found.setdefault(row.rule, {})[row.id] = [FIRST_VERSION]
    for combining in combine_readings(day):
        found.setdefault(COMBINE_RULE, {})[combining.id] = [FIRST_VERSION]
    return {
        rule: {reading: tuple(versions) for reading, versions in readings.items()}
        for rule, readings in sorted(found.items())
    }
